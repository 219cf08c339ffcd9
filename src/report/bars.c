/* SPDX-License-Identifier: Apache-2.0 */
/* Bars of characters: figures that are made of bars, on a terminal, and any
 * figure where there is no gnuplot. Parts differ in colour if there are
 * colours, else in what they are made of. */
#include "report/plot-private.h"
#include "report/text.h"
#include <math.h>
#include <string.h>

enum { LEAST_BAR = 10, N_FILLS = 8 };

/* By colour of a part, as plots/style.gp has them. */
static const struct {
  const char *block, *letter;
  guint code; /* of 256 colours */
} fills[N_FILLS] = {{"\u00b7", ".", 245}, {"\u2588", "#", 25},
                    {"\u2592", "%", 214}, {"\u2593", "=", 36},
                    {"\u2591", "+", 175}, {"\u2573", "x", 166},
                    {"\u254d", "-", 74},  {"o", "o", 250}};

typedef struct {
  const DspFigure *figure;
  const DspStyle *style;
  guint label, bar; /* columns */
  double longest;
} Layout;

static guint width_of(const char *text) {
  return (guint)g_utf8_strlen(text, -1);
}

/* The dot is no ASCII. */
static char *words_of(const DspStyle *style, const char *text) {
  g_auto(GStrv) parts = g_strsplit(text, DSP_PLOT_DOT, -1);
  g_autofree char *joined =
      g_strjoinv(style->utf8 ? DSP_PLOT_DOT : ", ", parts);
  return dsp_text_clean(style, joined);
}

static void add_fill(GString *out, const DspStyle *style, guint colour,
                     guint n) {
  const guint fill = colour % N_FILLS;
  const char *piece = style->colour && style->utf8 ? fills[1].block
                      : style->utf8                ? fills[fill].block
                                                   : fills[fill].letter;
  if (style->colour)
    g_string_append_printf(out, "\033[38;5;%um", fills[fill].code);
  for (guint i = 0; i < n; i++)
    g_string_append(out, piece);
  if (style->colour)
    g_string_append(out, "\033[0m");
}

/* Each part ends at the column that is nearest to where it ends. */
static void add_parts(GString *out, const Layout *layout, const DspBar *bar,
                      guint first) {
  double end = 0;
  guint drawn = 0;
  for (guint i = 0; i < bar->parts; i++) {
    const DspBarPart *part =
        &g_array_index(layout->figure->parts, DspBarPart, first + i);
    end += part->value;
    const guint until = (guint)lround(end / layout->longest * layout->bar);
    if (until > drawn)
      add_fill(out, layout->style, part->colour, until - drawn);
    drawn = MAX(drawn, until);
  }
}

/* In eighths of a character where there are such. */
static void add_whole(GString *out, const Layout *layout, double value) {
  static const char *const eighths[] = {"",       "\u258f", "\u258e", "\u258d",
                                        "\u258c", "\u258b", "\u258a", "\u2589"};
  const double length = value / layout->longest * layout->bar;
  const guint whole = (guint)length;
  const guint rest = (guint)((length - whole) * 8);
  for (guint i = 0; i < whole; i++)
    g_string_append(out,
                    layout->style->utf8 ? fills[1].block : fills[1].letter);
  if (layout->style->utf8)
    g_string_append(out, eighths[rest]);
  else if (whole == 0 && rest > 0)
    g_string_append_c(out, '|');
}

static void add_line(GString *out, const Layout *layout, const DspBar *bar,
                     guint first_part) {
  const DspStyle *style = layout->style;
  g_autofree char *label = words_of(style, bar->label);
  g_autofree char *note = words_of(style, bar->note);
  g_string_append_printf(out, "  %s%*s  ", label,
                         (int)(layout->label - width_of(label)), "");
  if (bar->parts)
    add_parts(out, layout, bar, first_part);
  else if (isfinite(bar->value) && bar->value > 0)
    add_whole(out, layout, bar->value);
  g_string_append_printf(out, " %s\n", note);
}

static Layout layout_of(const DspFigure *figure, const DspStyle *style,
                        guint columns) {
  Layout layout = {.figure = figure, .style = style};
  guint note = 0;
  for (guint i = 0; i < figure->bars->len; i++) {
    const DspBar *bar = &g_array_index(figure->bars, DspBar, i);
    g_autofree char *label = words_of(style, bar->label);
    layout.label = MAX(layout.label, width_of(label));
    if (!isfinite(bar->value))
      continue;
    note = MAX(note, width_of(bar->note));
    layout.longest = MAX(layout.longest, bar->value);
  }
  const guint taken = layout.label + note + 6;
  layout.bar = columns > taken + LEAST_BAR ? columns - taken : LEAST_BAR;
  return layout;
}

static void add_heading(GString *out, const DspStyle *style,
                        const char *heading) {
  g_autofree char *clean = words_of(style, heading);
  g_strstrip(clean);
  if (*clean)
    g_string_append_printf(out, "# %s\n", clean);
}

static gboolean is_shown(const DspFigure *figure, const char *name) {
  for (guint i = 0; i < figure->parts->len; i++) {
    const DspBarPart *part = &g_array_index(figure->parts, DspBarPart, i);
    if (part->value > 0 && strcmp(part->name, name) == 0)
      return TRUE;
  }
  return FALSE;
}

/* The parts that any bar has, each once: the first bar tells all, in order. */
static void add_legend(GString *out, const DspFigure *figure,
                       const DspStyle *style) {
  const DspBar *first = (const DspBar *)(const void *)figure->bars->data;
  const char *before = "# ";
  for (guint i = 0; figure->bars->len && i < first->parts; i++) {
    const DspBarPart *part = &g_array_index(figure->parts, DspBarPart, i);
    if (!is_shown(figure, part->name))
      continue;
    g_string_append(out, before);
    add_fill(out, style, part->colour, 1);
    g_string_append_printf(out, " %s", part->name);
    before = "  ";
  }
  if (figure->parts->len)
    g_string_append_c(out, '\n');
}

void dsp_figure_bars(const DspFigure *figure, const DspStyle *style,
                     guint columns, GString *out) {
  const Layout layout = layout_of(figure, style, columns);
  const char *group = NULL;
  guint part = 0;
  add_heading(out, style, figure->title);
  add_heading(out, style, figure->inputs);
  add_heading(out, style, figure->unit);
  add_legend(out, figure, style);
  for (guint i = 0; i < figure->bars->len; i++) {
    const DspBar *bar = &g_array_index(figure->bars, DspBar, i);
    if (bar->group && g_strcmp0(bar->group, group) != 0)
      add_heading(out, style, bar->group);
    group = bar->group;
    add_line(out, &layout, bar, part);
    part += bar->parts;
  }
}
