/* SPDX-License-Identifier: Apache-2.0 */
/* Bars of parts, one for the fastest plan of each series, the fastest on top;
 * below them why the others cannot run. */
#include "base/error.h"
#include "report/plot-private.h"
#include "report/text.h"
#include "schedule/method.h"
#include <math.h>
#include <string.h>

/* Pixels of SVG. */
enum {
  HEAD = 84,
  FOOT = 62,
  BAR = 32,
  WIDTH = 960,
  CHARACTER = 7,
  MARGIN = 24,
  MOST_BARS = 100,
};

typedef struct {
  DspFigure *figure;
  const DspSelection *selection;
  const DspStack *stack;
  const char *by;
  DspFactor groups;
  guint bars; /* rows of the picture so far */
  gboolean by_collective;
} Plot;

/* --- one bar ------------------------------------------------------------- */

static const char *text_of(const Plot *plot, guint row, const char *key) {
  return dsp_record_text(plot->selection->records, row, key);
}

/* Of a method that has several, unless it is the usual one. */
static const char *variant_of(const Plot *plot, guint row) {
  const char *method = text_of(plot, row, "method");
  const char *variant = text_of(plot, row, "variant");
  const DspMethod *known = method ? dsp_method_find(method) : NULL;
  const gboolean usual =
      known && variant && dsp_method_variant(known, variant) == 0;
  return variant && !usual ? variant : "";
}

static const char *label_of(const Plot *plot, guint row) {
  g_auto(GStrv) keys = g_strsplit(plot->by, ",", -1);
  g_autofree char *degrees = dsp_select_degrees(plot->selection, row);
  const char *variant = variant_of(plot, row);
  g_autoptr(GString) label = g_string_new(NULL);
  for (char **key = keys; *key; key++) {
    const char *value = text_of(plot, row, *key);
    g_autofree char *words = dsp_select_describe(*key, value ? value : "");
    g_string_append_printf(label, "%s%s", label->len ? DSP_PLOT_DOT : "",
                           words);
  }
  return dsp_figure_format(plot->figure, "%s%s%s%s%s", label->str,
                           *variant ? " " : "", variant, *degrees ? "  " : "",
                           degrees);
}

static double number_of(const Plot *plot, guint row, const char *key) {
  return dsp_select_number(plot->selection, row, key);
}

/* What a part's value is multiplied by. */
static double scale_of(const Plot *plot, guint row) {
  if (!plot->stack->a_sample)
    return plot->stack->scale;
  return plot->stack->scale * 1e6 /
         (number_of(plot, row, "samples_per_s") *
          number_of(plot, row, "step_time_us"));
}

static gboolean is_part(const Plot *plot, const DspPart *part) {
  if (g_str_has_prefix(part->key, "exposed_us."))
    return plot->by_collective;
  return strcmp(part->key, "exposed_comm_us") != 0 || !plot->by_collective;
}

static const char *note_of(const Plot *plot, guint row, double total) {
  g_autofree char *number = dsp_text_number(total);
  g_autofree char *rate =
      dsp_text_number(number_of(plot, row, "samples_per_s"));
  const double speedup = number_of(plot, row, "speedup_vs_best_embedded");
  if (!plot->stack->a_sample)
    return dsp_figure_format(plot->figure, "%s %s", number, plot->stack->unit);
  return isfinite(speedup)
             ? dsp_figure_format(plot->figure, "%s samples/s  %.2fx", rate,
                                 speedup)
             : dsp_figure_format(plot->figure, "%s samples/s", rate);
}

static const char *const keys[] = {
    "place", "label", "part",   "colour", "from",   "to",  "note",   "group",
    "limit", "axis",  "legend", "left",   "x_high", "top", "bottom", NULL};

enum {
  PLACE,
  LABEL,
  PART,
  COLOUR,
  FROM,
  TO,
  NOTE,
  GROUP,
  LIMIT,
  AXIS,
  LEGEND,
  LEFT,
  X_HIGH,
  TOP,
  BOTTOM,
  N_KEYS
};

/* A row of the table; what is not set is empty. */
static void add_row(Plot *plot, DspValue values[static N_KEYS]) {
  G_STATIC_ASSERT(N_KEYS + 1 == G_N_ELEMENTS(keys));
  if (values[LEGEND].type == DSP_VALUE_NULL)
    values[PLACE] = dsp_integer(plot->bars);
  values[AXIS] = dsp_string(dsp_figure_text(plot->figure, plot->stack->axis));
  dsp_figure_row(plot->figure, values);
}

static void add_bar(Plot *plot, guint row, const char *group) {
  const DspStack *stack = plot->stack;
  const double scale = scale_of(plot, row);
  const char *label = label_of(plot, row), *note;
  double end = 0;
  for (const DspPart *part = stack->parts; part->key; part++) {
    const double length = number_of(plot, row, part->key) * scale;
    if (!is_part(plot, part))
      continue;
    dsp_figure_part(plot->figure, part->label, part->colour,
                    length > 0 ? length : 0);
    if (!(length > 0))
      continue;
    DspValue values[N_KEYS] = {[LABEL] = dsp_string(label),
                               [PART] = dsp_string(part->label),
                               [COLOUR] = dsp_integer(part->colour),
                               [FROM] = dsp_number(end),
                               [TO] = dsp_number(end + length)};
    end += length;
    add_row(plot, values);
  }
  note = note_of(plot, row, end);
  DspValue values[N_KEYS] = {[LABEL] = dsp_string(label),
                             [FROM] = dsp_number(end),
                             [TO] = dsp_number(end),
                             [NOTE] = dsp_string(note)};
  if (stack->limit)
    values[LIMIT] =
        dsp_number(number_of(plot, row, stack->limit) * stack->scale);
  add_row(plot, values);
  dsp_figure_bar(plot->figure, group, label, end, note);
  plot->bars++;
}

static void add_refusal(Plot *plot, guint row, const char *group) {
  const char *reason = text_of(plot, row, "reason");
  const char *label = label_of(plot, row);
  const glong length = reason ? g_utf8_strlen(reason, -1) : 0;
  enum { LONGEST = 72 };
  g_autofree char *start =
      g_utf8_substring(reason ? reason : "", 0, MIN(length, LONGEST));
  const char *note = dsp_figure_format(plot->figure, "cannot run: %s%s", start,
                                       length > LONGEST ? " ..." : "");
  DspValue values[N_KEYS] = {[LABEL] = dsp_string(label),
                             [FROM] = dsp_number(0),
                             [TO] = dsp_number(0),
                             [NOTE] = dsp_string(note)};
  add_row(plot, values);
  dsp_figure_bar(plot->figure, group, label, NAN, note);
  plot->bars++;
}

/* --- groups of bars ------------------------------------------------------ */

static gint compare_rates(gconstpointer a, gconstpointer b, gpointer data) {
  const Plot *plot = data;
  const double x = number_of(plot, *(const guint *)a, "samples_per_s");
  const double y = number_of(plot, *(const guint *)b, "samples_per_s");
  return (x < y) - (x > y);
}

static gboolean is_of_group(const Plot *plot, guint row, guint group) {
  return dsp_factor_of(&plot->groups, plot->selection, row) == group;
}

static gboolean alike(const Plot *plot, guint a, guint b, const char *list) {
  g_auto(GStrv) each = g_strsplit(list, ",", -1);
  for (char **key = each; *key; key++)
    if (**key && g_strcmp0(text_of(plot, a, *key), text_of(plot, b, *key)))
      return FALSE;
  return TRUE;
}

static gboolean any_alike(const Plot *plot, const GArray *rows, guint row,
                          const char *list) {
  for (guint i = 0; i < rows->len; i++)
    if (alike(plot, g_array_index(rows, guint, i), row, list))
      return TRUE;
  return FALSE;
}

/* One row for each series of the group that has none in `best`: the first with
 * something to suggest, or the first. */
static GArray *spokesmen(const Plot *plot, const GArray *best,
                         const char *cells) {
  const GArray *refused = plot->selection->refused;
  GArray *rows = g_array_new(FALSE, FALSE, sizeof(guint));
  for (int suggesting = 1; suggesting >= 0; suggesting--)
    for (guint i = 0; i < refused->len; i++) {
      const guint row = g_array_index(refused, guint, i);
      if ((!suggesting || text_of(plot, row, "suggestion")) &&
          !any_alike(plot, best, row, cells) &&
          !any_alike(plot, rows, row, cells))
        g_array_append_val(rows, row);
    }
  return rows;
}

static const char *group_name(const Plot *plot, guint group) {
  g_autofree char *name =
      dsp_select_describe(plot->groups.keys, plot->groups.values->pdata[group]);
  return *name ? dsp_figure_text(plot->figure, name) : NULL;
}

static void add_heading(Plot *plot, const char *name) {
  DspValue values[N_KEYS] = {
      [FROM] = dsp_number(0), [TO] = dsp_number(0), [GROUP] = dsp_string(name)};
  add_row(plot, values);
  plot->bars++;
}

static void add_group(Plot *plot, const GArray *best, const GArray *refused,
                      guint group) {
  const char *name = group_name(plot, group);
  guint first = G_MAXUINT;
  if (name)
    add_heading(plot, name);
  for (guint i = 0; i < best->len; i++) {
    const guint row = g_array_index(best, guint, i);
    if (!is_of_group(plot, row, group))
      continue;
    first = MIN(first, row);
    add_bar(plot, row, name);
  }
  for (guint i = 0; first != G_MAXUINT && i < refused->len; i++) {
    const guint row = g_array_index(refused, guint, i);
    if (alike(plot, row, first, plot->groups.keys))
      add_refusal(plot, row, name);
  }
}

/* --- layout -------------------------------------------------------------- */

/* Pixels of the longest text of a column of the table. */
static double width_of(const Plot *plot, guint column) {
  glong longest = 0;
  for (guint i = 0; i < plot->figure->cells->len; i++) {
    const DspValue *row = plot->figure->cells->pdata[i];
    if (row[column].type == DSP_VALUE_STRING)
      longest = MAX(longest, g_utf8_strlen(row[column].string, -1));
  }
  return (double)(CHARACTER * longest);
}

static double longest_bar(const Plot *plot) {
  double longest = 0;
  for (guint i = 0; i < plot->figure->cells->len; i++) {
    const DspValue *row = plot->figure->cells->pdata[i];
    longest = MAX(longest, row[TO].number);
    if (row[LIMIT].type == DSP_VALUE_NUMBER && isfinite(row[LIMIT].number))
      longest = MAX(longest, row[LIMIT].number);
  }
  return longest > 0 ? longest : 1;
}

static gboolean is_shown(const Plot *plot, const DspPart *part) {
  for (guint i = 0; i < plot->figure->cells->len; i++) {
    const DspValue *row = plot->figure->cells->pdata[i];
    if (row[PART].type == DSP_VALUE_STRING && row[PART].string == part->label)
      return TRUE;
  }
  return FALSE;
}

/* Lines above the bars tell the colours: of each part from where on. Returns
 * the number of lines. */
static guint add_legend(Plot *plot) {
  enum { SQUARE = 17, GAP = 18, LINE = 20 };
  double x = MARGIN;
  guint line = 0;
  for (const DspPart *part = plot->stack->parts; part->key; part++) {
    const double width = SQUARE + GAP + 6.3 * (double)strlen(part->label);
    if (!is_shown(plot, part))
      continue;
    if (x > MARGIN && x + width > WIDTH) {
      x = MARGIN;
      line++;
    }
    DspValue values[N_KEYS] = {[COLOUR] = dsp_integer(part->colour),
                               [FROM] = dsp_number(x),
                               [TO] = dsp_number(HEAD + LINE * line),
                               [LEGEND] = dsp_string(part->label)};
    add_row(plot, values);
    x += width;
  }
  return line + 1;
}

/* What the layout makes of pixels, which rows of the legend are in. */
static void place_row(const Plot *plot, DspValue *row, double left,
                      double x_high, double top) {
  const DspFigure *figure = plot->figure;
  row[LEFT] = dsp_number(left / figure->width);
  row[X_HIGH] = dsp_number(x_high);
  row[TOP] = dsp_number(1 - top / figure->height);
  row[BOTTOM] = dsp_number(FOOT / figure->height);
  if (row[LEGEND].type == DSP_VALUE_NULL)
    return;
  row[FROM] = dsp_number(row[FROM].number / figure->width);
  row[TO] = dsp_number(1 - row[TO].number / figure->height);
}

static void lay_out(Plot *plot) {
  DspFigure *figure = plot->figure;
  const double left = width_of(plot, LABEL) + MARGIN;
  const double room = WIDTH - left - MARGIN;
  const double notes = MIN(width_of(plot, NOTE) + MARGIN, room / 2);
  const double x_high = longest_bar(plot) * room / (room - notes);
  const guint legend = add_legend(plot);
  const double top = HEAD + 22.0 * legend;
  figure->width = WIDTH;
  figure->height = top + FOOT + BAR * plot->bars;
  for (guint i = 0; i < figure->cells->len; i++)
    place_row(plot, figure->cells->pdata[i], left, x_high, top);
}

/* --- all ----------------------------------------------------------------- */

static void fill(Plot *plot) {
  DspFigure *figure = plot->figure;
  g_autofree char *cells = g_strconcat(plot->by, ",", plot->groups.keys, NULL);
  g_autoptr(GArray) best = dsp_select_best(plot->selection, cells);
  g_autoptr(GArray) refused = spokesmen(plot, best, cells);
  g_array_sort_with_data(best, compare_rates, plot);
  dsp_figure_head(figure, plot->selection, plot->stack->what, cells);
  figure->program = "bars.gp";
  figure->is_text = TRUE;
  figure->unit = plot->stack->axis;
  dsp_figure_columns(figure, keys);
  for (guint i = 0; i < plot->groups.values->len; i++)
    add_group(plot, best, refused, i);
  lay_out(plot);
}

/* Keys of the job that rows of one series differ in tell groups apart. */
static char *groups_of(const DspSelection *selection, const DspFigure *figure,
                       const char *by) {
  const char *x = figure->request->x;
  g_autofree char *shown = x ? g_strconcat(by, ",", x, NULL) : g_strdup(by);
  g_autofree char *rest = dsp_select_free_keys(selection, shown);
  return x ? g_strconcat(x, *rest ? "," : "", rest, NULL) : g_strdup(rest);
}

gboolean dsp_figure_stacks(DspFigure *figure, const DspSelection *selection,
                           const DspStack *stack, GError **error) {
  const char *by = figure->request->by ? figure->request->by : "method";
  g_autofree char *groups = groups_of(selection, figure, by);
  Plot plot = {.figure = figure,
               .selection = selection,
               .stack = stack,
               .by = by,
               .by_collective = dsp_records_has(selection->records,
                                                "exposed_us.all_to_all")};
  g_autofree char *cells = g_strconcat(by, ",", groups, NULL);
  g_autoptr(GArray) best = dsp_select_best(selection, cells);
  const gboolean fits = best->len <= MOST_BARS;
  dsp_factor_init(&plot.groups, selection, groups);
  if (fits)
    fill(&plot);
  dsp_factor_clear(&plot.groups);
  return fits || dsp_select_fail(selection, *groups ? groups : by, error);
}

/* --- where the time goes ------------------------------------------------- */

static const DspPart time_parts[] = {
    {"compute_us", "compute", 1},
    {"exposed_comm_us", "exposed communication", 2},
    {"exposed_us.all_to_all", "exposed all-to-all", 2},
    {"exposed_us.all_gather", "all-gather", 5},
    {"exposed_us.reduce_scatter", "reduce-scatter", 4},
    {"exposed_us.all_reduce", "all-reduce", 6},
    {"exposed_us.sendrecv", "send/receive", 3},
    {"exposed_us.broadcast", "broadcast", 7},
    {"launch_idle_us", "waiting for the CPU", 0},
    {NULL}};

static const char *const needed[] = {"samples_per_s", "step_time_us",
                                     "compute_us", NULL};

static gboolean fill_breakdown(DspFigure *figure, const DspSelection *selection,
                               GError **error) {
  static const DspStack stack = {
      .what = "Where the time of a sample goes",
      .axis = "milliseconds a sample (all GPUs together)",
      .unit = "ms",
      .parts = time_parts,
      .scale = 1e-3,
      .a_sample = TRUE};
  return dsp_figure_stacks(figure, selection, &stack, error);
}

const DspPlotKind dsp_plot_breakdown = {
    "breakdown", "compute, exposed communication by collective, launch idle",
    needed, fill_breakdown};
