/* SPDX-License-Identifier: Apache-2.0 */
/* A timeline for a page: a lane for each stream of each rank, time to the
 * right. Colours are those of Okabe and Ito, which the colour-blind tell apart;
 * a bar that is wide enough says what it is. */
#include "report/svg.h"
#include "report/text.h"
#include "report/trace.h"
#include <math.h>
#include <string.h>

enum {
  WIDTH = 1120,
  MARGIN = 24,
  LEFT = 112, /* of the lanes */
  TOP = 96,
  BAR = 26, /* height of a lane */
  GAP = 6,  /* between lanes, twice between ranks */
  FONT = 12,
  AXIS = 26,
  LEGEND = 34,
  LEAST_TICKS = 5,
};

/* Pixels of a letter, about, and those around a label. */
#define LETTER 6.6
#define AROUND 8
/* Bars narrower than this grow together with their like. */
#define FINE 0.6

static const struct {
  const char *name, *fill, *text;
} styles[DSP_N_TRACE_KINDS] = {
    [DSP_TRACE_PRODUCT] = {"matrix products", "#0072b2", "#ffffff"},
    [DSP_TRACE_ATTENTION] = {"attention", "#e69f00", "#1a1a1a"},
    [DSP_TRACE_POINTWISE] = {"pointwise", "#56b4e9", "#1a1a1a"},
    [DSP_TRACE_COPY] = {"copies of exchanges", "#cc79a7", "#1a1a1a"},
    [DSP_TRACE_EXCHANGE] = {"exchanges", "#d55e00", "#ffffff"},
    [DSP_TRACE_SYNC] = {"weights and gradients", "#009e73", "#ffffff"},
};

typedef struct {
  double left, right; /* pixels */
  DspTraceKind kind;
  char *label; /* NULL: several grown together */
} Bar;

typedef struct {
  GArray *bars;
  double y; /* of its top, 0: not drawn */
} Lane;

typedef struct {
  const DspTrace *trace;
  GString *out;
  Lane *lanes;                          /* by rank shown, then stream */
  gboolean streams[DSP_N_STREAM_KINDS]; /* have a bar on any rank */
  gboolean kinds[DSP_N_TRACE_KINDS];
  double bottom;
} Picture;

/* --- bars ---------------------------------------------------------------- */

static double x_of(const Picture *p, double time) {
  const double share =
      (time - p->trace->from) / (p->trace->to - p->trace->from);
  return LEFT + CLAMP(share, 0, 1) * (WIDTH - LEFT - MARGIN);
}

static void bar_clear(gpointer data) {
  g_free(((Bar *)data)->label);
}

/* Whether the bar has grown with the last one. */
static gboolean grow(Lane *lane, const Bar *bar) {
  Bar *last = lane->bars->len
                  ? &g_array_index(lane->bars, Bar, lane->bars->len - 1)
                  : NULL;
  if (!last || last->kind != bar->kind || bar->left - last->right > FINE ||
      bar->right - bar->left > FINE)
    return FALSE;
  last->right = bar->right;
  g_clear_pointer(&last->label, g_free);
  return TRUE;
}

static void add_bar(Picture *p, guint rank, const DspStepRun *run) {
  const DspStreamKind stream = run->step->stream;
  Lane *lane = &p->lanes[rank * DSP_N_STREAM_KINDS + stream];
  Bar bar = {x_of(p, run->begin), x_of(p, run->end), dsp_trace_kind(run->step),
             NULL};
  p->streams[stream] = TRUE;
  p->kinds[bar.kind] = TRUE;
  if (grow(lane, &bar))
    return;
  bar.label = dsp_trace_name(run->step);
  g_array_append_val(lane->bars, bar);
}

static void note(gpointer data, const DspStepRun *run) {
  Picture *p = data;
  const DspTrace *trace = p->trace;
  const DspSimOptions options = {.every_rank = trace->every_rank};
  if (run->end <= trace->from || run->begin >= trace->to ||
      run->end <= run->begin)
    return;
  for (guint i = 0; i < trace->n_ranks; i++)
    if (dsp_simulated_rank(trace->schedule, &options, trace->ranks[i]) ==
        run->rank)
      add_bar(p, i, run);
}

/* In the bar, or behind it where that is free up to `end`. */
static void draw_label(const Picture *p, const Lane *lane, const Bar *bar,
                       double end) {
  const double y = lane->y + BAR / 2.0 + 4;
  const double need =
      bar->label ? (double)g_utf8_strlen(bar->label, -1) * LETTER + AROUND : 0;
  g_autofree char *inside = g_strdup_printf(
      " text-anchor=\"middle\" fill=\"%s\"", styles[bar->kind].text);
  if (bar->label && need <= bar->right - bar->left)
    dsp_svg_text(p->out, (bar->left + bar->right) / 2, y, FONT, inside,
                 bar->label);
  else if (bar->label && need <= end - bar->right)
    dsp_svg_text(p->out, bar->right + AROUND / 2.0, y, FONT, "", bar->label);
}

static void draw_bar(const Picture *p, const Lane *lane, guint i) {
  const Bar *bar = &g_array_index(lane->bars, Bar, i);
  const double width = MAX(bar->right - bar->left, 0.3);
  g_string_append_printf(
      p->out,
      "<rect x=\"%.2f\" y=\"%.1f\" width=\"%.2f\" height=\"%d\" "
      "fill=\"%s\"%s/>\n",
      bar->left, lane->y, width, BAR, styles[bar->kind].fill,
      width > 3 ? " stroke=\"#ffffff\" stroke-width=\"0.7\"" : "");
  draw_label(p, lane, bar,
             i + 1 < lane->bars->len
                 ? g_array_index(lane->bars, Bar, i + 1).left
                 : WIDTH - MARGIN);
}

/* --- lanes --------------------------------------------------------------- */

static void place_lanes(Picture *p) {
  p->bottom = TOP;
  for (guint i = 0; i < p->trace->n_ranks; i++) {
    for (int s = 0; s < DSP_N_STREAM_KINDS; s++)
      if (p->streams[s]) {
        p->lanes[i * DSP_N_STREAM_KINDS + s].y = p->bottom;
        p->bottom += BAR + GAP;
      }
    p->bottom += GAP;
  }
}

static void draw_lane(const Picture *p, guint rank, DspStreamKind stream) {
  const Lane *lane = &p->lanes[rank * DSP_N_STREAM_KINDS + stream];
  g_string_append_printf(p->out,
                         "<rect x=\"%d\" y=\"%.1f\" width=\"%d\" "
                         "height=\"%d\" fill=\"#f2f2f2\"/>\n",
                         LEFT, lane->y, WIDTH - LEFT - MARGIN, BAR);
  dsp_svg_text(p->out, LEFT - 8, lane->y + BAR / 2.0 + 4, FONT,
               " text-anchor=\"end\"", dsp_stream_names[stream]);
  for (guint i = 0; i < lane->bars->len; i++)
    draw_bar(p, lane, i);
}

static void draw_rank(const Picture *p, guint rank) {
  const Lane *lanes = &p->lanes[rank * DSP_N_STREAM_KINDS];
  g_autofree char *name = g_strdup_printf("%u", p->trace->ranks[rank]);
  dsp_svg_text(p->out, MARGIN, lanes[DSP_STREAM_COMPUTE].y + BAR / 2.0 + 4,
               FONT, " font-weight=\"600\"", name);
  for (int s = 0; s < DSP_N_STREAM_KINDS; s++)
    if (p->streams[s])
      draw_lane(p, rank, (DspStreamKind)s);
}

/* --- around -------------------------------------------------------------- */

/* 1, 2 or 5 of a power of ten. */
static double tick_of(double span) {
  const double most = span / LEAST_TICKS;
  const double power = pow(10, floor(log10(most)));
  return power * (most >= 5 * power ? 5 : most >= 2 * power ? 2 : 1);
}

/* From the beginning of what is shown. */
static void draw_axis(const Picture *p) {
  const double span = p->trace->to - p->trace->from, tick = tick_of(span);
  const DspScale scale = dsp_scale_time(span);
  for (int i = 0; i * tick <= span * (1 + 1e-9); i++) {
    const double x = x_of(p, p->trace->from + i * tick);
    g_autofree char *label =
        g_strdup_printf("%.6g %s", i * tick / scale.divisor, scale.unit);
    g_string_append_printf(p->out,
                           "<path d=\"M%.1f %d V%.1f\" stroke=\"#9a9a9a\" "
                           "stroke-width=\"0.6\" stroke-dasharray=\"2 3\"/>\n",
                           x, TOP - 6, p->bottom);
    dsp_svg_text(p->out, x, p->bottom + 16, FONT, " text-anchor=\"middle\"",
                 label);
  }
}

static void draw_legend(const Picture *p) {
  double x = LEFT;
  const double y = p->bottom + AXIS + LEGEND / 2.0;
  for (int i = 0; i < DSP_N_TRACE_KINDS; i++) {
    if (!p->kinds[i])
      continue;
    g_string_append_printf(p->out,
                           "<rect x=\"%.1f\" y=\"%.1f\" width=\"14\" "
                           "height=\"14\" fill=\"%s\"/>\n",
                           x, y - 11, styles[i].fill);
    dsp_svg_text(p->out, x + 20, y, FONT, "", styles[i].name);
    x += 20 + (double)strlen(styles[i].name) * LETTER + 22;
  }
}

static void draw(Picture *p, const char *title, const char *details) {
  place_lanes(p);
  dsp_svg_head(p->out, WIDTH, p->bottom + AXIS + LEGEND + MARGIN / 2.0, title,
               details);
  dsp_svg_text(p->out, MARGIN, MARGIN + 14, 18, " font-weight=\"700\"", title);
  dsp_svg_text(p->out, MARGIN, MARGIN + 36, 13, " fill=\"#444444\"", details);
  dsp_svg_text(p->out, MARGIN, TOP - 10, FONT, " fill=\"#444444\"", "rank");
  for (guint i = 0; i < p->trace->n_ranks; i++)
    draw_rank(p, i);
  draw_axis(p);
  draw_legend(p);
  g_string_append(p->out, "</svg>\n");
}

void dsp_trace_svg(const DspTrace *trace, const char *title,
                   const char *details, FILE *file) {
  const guint n = trace->n_ranks * DSP_N_STREAM_KINDS;
  Picture p = {.trace = trace, .out = g_string_new(NULL)};
  const DspObserver observer = {.step = note, .data = &p};
  p.lanes = g_new0(Lane, n);
  for (guint i = 0; i < n; i++) {
    p.lanes[i].bars = g_array_new(FALSE, FALSE, sizeof(Bar));
    g_array_set_clear_func(p.lanes[i].bars, bar_clear);
  }
  dsp_trace_run(trace, &observer);
  draw(&p, title, details);
  fwrite(p.out->str, 1, p.out->len, file);
  for (guint i = 0; i < n; i++)
    g_array_free(p.lanes[i].bars, TRUE);
  g_free(p.lanes);
  g_string_free(p.out, TRUE);
}
