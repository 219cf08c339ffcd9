/* SPDX-License-Identifier: Apache-2.0 */
/* Points: plans under a roof, plans by time and cost, predictions by what was
 * measured. */
#include "base/dtype.h"
#include "base/error.h"
#include "cluster/cluster.h"
#include "report/plot-private.h"
#include "report/text.h"
#include <gsl/gsl_sort.h>
#include <gsl/gsl_statistics.h>
#include <math.h>
#include <string.h>

/* A range of values greater than zero, for a logarithmic axis. */
typedef struct {
  double low, high;
} Range;

#define NO_RANGE                                                               \
  { INFINITY, 0 }

static void include(Range *range, double value) {
  if (!isfinite(value) || value <= 0)
    return;
  range->low = MIN(range->low, value);
  range->high = MAX(range->high, value);
}

/* Shares of the range, at least of a factor of two, to either side. */
static Range widened(Range range, double below, double above) {
  const double ratio = MAX(range.high / range.low, 2);
  return (Range){range.low / pow(ratio, below), range.high * pow(ratio, above)};
}

static double number_of(const DspSelection *selection, guint row,
                        const char *key) {
  return dsp_select_number(selection, row, key);
}

static guint row_at(const GArray *rows, guint i) {
  return g_array_index(rows, guint, i);
}

/* "dsp  sp=8", and of what else tells rows apart. */
static const char *name_of(DspFigure *figure, const DspSelection *selection,
                           guint row, const char *keys) {
  g_auto(GStrv) list = g_strsplit(keys, ",", -1);
  g_autofree char *degrees = dsp_select_degrees(selection, row);
  g_autoptr(GString) name = g_string_new(NULL);
  for (char **key = list; *key; key++) {
    const char *value =
        **key ? dsp_record_text(selection->records, row, *key) : NULL;
    g_autofree char *words = value ? dsp_select_describe(*key, value) : NULL;
    if (words)
      g_string_append_printf(name, "%s%s", name->len ? DSP_PLOT_DOT : "",
                             words);
  }
  return dsp_figure_format(figure, "%s%s%s", name->str, *degrees ? "  " : "",
                           degrees);
}

/* Labels at `values` of a logarithmic axis of `height` pixels, moved apart by a
 * line of text; `order`: from above. */
static void move_apart(double *values, guint n, Range range, double height) {
  const double line = 16 * log(range.high / range.low) / height;
  for (guint i = 1; i < n; i++)
    values[i] = MIN(values[i], values[i - 1] * exp(-line));
}

/* --- roofline ------------------------------------------------------------ */

/* FLOP and bytes of a step, a GPU. */
typedef struct {
  guint row;
  double intensity, rate; /* FLOP/byte, TFLOP/s */
} RoofPoint;

typedef struct {
  DspFigure *figure;
  const DspSelection *selection;
  DspFactor series;
  GArray *points; /* RoofPoint, the highest first */
  double peak;    /* TFLOP/s */
  Range x, y;
  const char *names; /* keys of the points' names */
} Roofline;

enum { ROOF_WIDTH = 860, ROOF_HEIGHT = 480, ROOF_PANEL = 340 };

static const char *const roof_keys[] = {
    "series", "name",  "flop_per_byte", "tflops", "name_y", "roof_GBps",
    "peak",   "x_low", "x_high",        "y_low",  "y_high", NULL};

static void add_roof_row(Roofline *plot, DspValue values[static 6]) {
  const DspValue row[] = {
      values[0],
      values[1],
      values[2],
      values[3],
      values[4],
      values[5],
      dsp_number(plot->peak),
      dsp_number(plot->x.low),
      dsp_number(plot->x.high),
      dsp_number(plot->y.low),
      dsp_number(plot->y.high),
  };
  G_STATIC_ASSERT(G_N_ELEMENTS(row) + 1 == G_N_ELEMENTS(roof_keys));
  dsp_figure_row(plot->figure, row);
}

static void add_roof(Roofline *plot, const char *name, double bandwidth) {
  DspValue values[] = {dsp_null(), dsp_string(name),
                       dsp_null(), dsp_null(),
                       dsp_null(), dsp_number(bandwidth / 1e9)};
  if (bandwidth > 0)
    add_roof_row(plot, values);
}

static gboolean beyond_node(const DspSelection *selection,
                            const DspCluster *cluster) {
  for (guint i = 0; i < selection->rows->len; i++)
    if (number_of(selection, row_at(selection->rows, i), "gpus") >
        (double)cluster->gpus_per_node)
      return TRUE;
  return FALSE;
}

static void add_roofs(Roofline *plot, const DspCluster *cluster) {
  const double nic = cluster->nic_bandwidth * (double)cluster->nics /
                     (double)cluster->gpus_per_node;
  add_roof(plot,
           dsp_figure_format(plot->figure, "NVLink %.0f GB/s",
                             cluster->nvlink_bandwidth / 1e9),
           cluster->nvlink_bandwidth);
  if (beyond_node(plot->selection, cluster))
    add_roof(plot,
             dsp_figure_format(plot->figure, "network %.0f GB/s", nic / 1e9),
             nic);
}

static void add_roof_points(Roofline *plot) {
  const guint n = plot->points->len;
  g_autofree double *names = g_new(double, n);
  for (guint i = 0; i < n; i++)
    names[i] = g_array_index(plot->points, RoofPoint, i).rate;
  move_apart(names, n, plot->y, ROOF_PANEL);
  for (guint i = 0; i < n; i++) {
    const RoofPoint *p = &g_array_index(plot->points, RoofPoint, i);
    const guint series = dsp_factor_of(&plot->series, plot->selection, p->row);
    const char *name =
        name_of(plot->figure, plot->selection, p->row, plot->names);
    g_autofree char *rate = g_strdup_printf("%.3g TFLOP/s", p->rate);
    DspValue values[] = {dsp_integer(dsp_factor_colour(&plot->series, series)),
                         dsp_string(name),
                         dsp_number(p->intensity),
                         dsp_number(p->rate),
                         dsp_number(names[i]),
                         dsp_null()};
    add_roof_row(plot, values);
    dsp_figure_bar(plot->figure, NULL, name, p->rate,
                   dsp_figure_text(plot->figure, rate));
  }
}

static int compare_rates(gconstpointer a, gconstpointer b) {
  const RoofPoint *one = a, *other = b;
  return (one->rate < other->rate) - (one->rate > other->rate);
}

static void find_points(Roofline *plot, const char *cells) {
  g_autoptr(GArray) best = dsp_select_best(plot->selection, cells);
  for (guint i = 0; i < best->len; i++) {
    const guint row = row_at(best, i);
    const double rate = number_of(plot->selection, row, "mfu") * plot->peak;
    const double seconds =
        number_of(plot->selection, row, "step_time_us") * 1e-6;
    const RoofPoint point = {
        row,
        rate * 1e12 * seconds /
            number_of(plot->selection, row, "sent_bytes_per_gpu"),
        rate};
    if (!isfinite(point.intensity))
      continue;
    include(&plot->x, point.intensity);
    include(&plot->y, rate);
    g_array_append_val(plot->points, point);
  }
  g_array_sort(plot->points, compare_rates);
}

static void fill_roofs(Roofline *plot, const DspCluster *cluster,
                       const char *cells) {
  DspFigure *figure = plot->figure;
  find_points(plot, cells);
  include(&plot->x, plot->peak * 1e12 / cluster->nvlink_bandwidth);
  include(&plot->y, plot->peak);
  plot->x = widened(plot->x, 0.15, 0.45);
  plot->y = widened(plot->y, 0.7, 0.25);
  dsp_figure_head(figure, plot->selection,
                  "Work for each byte sent and what peak and links allow",
                  cells);
  figure->program = "roofline.gp";
  figure->unit = "TFLOP/s of a GPU";
  figure->width = ROOF_WIDTH;
  figure->height = ROOF_HEIGHT;
  figure->lines = 32;
  dsp_figure_columns(figure, roof_keys);
  add_roofs(plot, cluster);
  add_roof_points(plot);
}

static gboolean one_roof(const DspSelection *selection, GError **error) {
  static const char *const keys[] = {"cluster", NULL}, *const other[] = {
                                                           "dtype", NULL};
  const char *several = dsp_select_varying(selection, keys);
  several = several ? several : dsp_select_varying(selection, other);
  return !several || dsp_select_fail(selection, several, error);
}

static gboolean find_peak(const DspSelection *selection,
                          const DspCluster *cluster, double *peak,
                          GError **error) {
  const char *name =
      dsp_record_text(selection->records, row_at(selection->rows, 0), "dtype");
  for (int i = 0; name && i < DSP_N_DTYPES; i++)
    if (strcmp(dsp_dtype_names[i], name) == 0 && cluster->gpu->peak[i] > 0) {
      *peak = cluster->gpu->peak[i] / 1e12;
      return TRUE;
    }
  g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE,
              "nothing to draw as 'roofline': '%s' has no peak rate of '%s'",
              cluster->name, name ? name : "");
  return FALSE;
}

static gboolean fill_roofline_of(DspFigure *figure,
                                 const DspSelection *selection,
                                 GError **error) {
  const char *by = figure->request->by ? figure->request->by : "method";
  if (!one_roof(selection, error))
    return FALSE;
  g_autoptr(DspCluster) cluster =
      dsp_cluster_load(dsp_record_text(selection->records,
                                       row_at(selection->rows, 0), "cluster"),
                       error);
  g_autofree char *rest = dsp_select_free_keys(selection, by);
  g_autofree char *cells = g_strconcat(by, *rest ? "," : "", rest, NULL);
  Roofline plot = {.figure = figure,
                   .selection = selection,
                   .x = NO_RANGE,
                   .y = NO_RANGE,
                   .names = cells};
  if (!cluster || !find_peak(selection, cluster, &plot.peak, error))
    return FALSE;
  plot.points = g_array_new(FALSE, FALSE, sizeof(RoofPoint));
  dsp_factor_init(&plot.series, selection, by);
  fill_roofs(&plot, cluster, cells);
  dsp_factor_clear(&plot.series);
  g_array_unref(plot.points);
  return TRUE;
}

static gboolean fill_roofline(DspFigure *figure, GError **error) {
  static const char *const needed[] = {"samples_per_s", "mfu", "step_time_us",
                                       "sent_bytes_per_gpu", NULL};
  DspSelection selection;
  const gboolean done = dsp_select(&selection, figure, needed, error) &&
                        fill_roofline_of(figure, &selection, error);
  dsp_selection_clear(&selection);
  return done;
}

const DspPlotKind dsp_plot_roofline = {
    "roofline", "work for each byte sent, under peak and bandwidth",
    fill_roofline};

/* --- time against cost --------------------------------------------------- */

typedef struct {
  guint row;
  double time, cost; /* of 1000 samples */
  gboolean front;
} Offer;

typedef struct {
  DspFigure *figure;
  const DspSelection *selection;
  DspFactor series;
  GArray *offers; /* Offer, the fastest first */
  Range x, y;
  gboolean priced;
  const char *names;
} Pareto;

enum { PARETO_WIDTH = 860, PARETO_HEIGHT = 500, PARETO_PANEL = 360 };

static const char *const pareto_keys[] = {"series", "name",   "time",  "cost",
                                          "name_y", "front",  "x_low", "x_high",
                                          "y_low",  "y_high", "axis",  NULL};

static int compare_offers(gconstpointer a, gconstpointer b) {
  const Offer *one = a, *other = b;
  if (one->time != other->time)
    return one->time < other->time ? -1 : 1;
  return (one->cost > other->cost) - (one->cost < other->cost);
}

/* Without a price, GPU hours are what there is to pay. */
static double cost_of(const Pareto *plot, guint row, double time) {
  return plot->priced ? number_of(plot->selection, row, "cost_per_1k_samples")
                      : time * number_of(plot->selection, row, "gpus") / 3600;
}

static void find_offers(Pareto *plot) {
  double cheapest = INFINITY;
  for (guint i = 0; i < plot->selection->rows->len; i++) {
    const guint row = row_at(plot->selection->rows, i);
    const double time = 1000 / number_of(plot->selection, row, "samples_per_s");
    const Offer offer = {row, time, cost_of(plot, row, time), FALSE};
    if (!isfinite(offer.time) || !isfinite(offer.cost))
      continue;
    include(&plot->x, offer.time);
    include(&plot->y, offer.cost);
    g_array_append_val(plot->offers, offer);
  }
  g_array_sort(plot->offers, compare_offers);
  for (guint i = 0; i < plot->offers->len; i++) {
    Offer *offer = &g_array_index(plot->offers, Offer, i);
    offer->front = offer->cost < cheapest;
    cheapest = MIN(cheapest, offer->cost);
  }
}

static void add_offer(Pareto *plot, const Offer *offer, double name_y) {
  const guint series =
      dsp_factor_of(&plot->series, plot->selection, offer->row);
  const char *name = offer->front ? name_of(plot->figure, plot->selection,
                                            offer->row, plot->names)
                                  : NULL;
  const DspValue values[] = {
      dsp_integer(dsp_factor_colour(&plot->series, series)),
      dsp_string(name),
      dsp_number(offer->time),
      dsp_number(offer->cost),
      dsp_number(name_y),
      dsp_integer(offer->front),
      dsp_number(plot->x.low),
      dsp_number(plot->x.high),
      dsp_number(plot->y.low),
      dsp_number(plot->y.high),
      dsp_string(plot->priced ? "cost of 1000 samples (the profile's currency)"
                              : "GPU hours for 1000 samples"),
  };
  G_STATIC_ASSERT(G_N_ELEMENTS(values) + 1 == G_N_ELEMENTS(pareto_keys));
  dsp_figure_row(plot->figure, values);
  if (!offer->front)
    return;
  g_autofree char *time = dsp_text_time(offer->time);
  dsp_figure_bar(
      plot->figure, NULL, name, offer->cost,
      dsp_figure_format(plot->figure, "%.3g in %s", offer->cost, time));
}

static void add_offers(Pareto *plot) {
  guint n = 0, i = 0;
  g_autofree double *names = g_new(double, plot->offers->len);
  for (guint j = 0; j < plot->offers->len; j++) {
    const Offer *offer = &g_array_index(plot->offers, Offer, j);
    if (offer->front)
      names[n++] = offer->cost;
  }
  move_apart(names, n, plot->y, PARETO_PANEL);
  for (guint j = 0; j < plot->offers->len; j++) {
    const Offer *offer = &g_array_index(plot->offers, Offer, j);
    add_offer(plot, offer, offer->front ? names[i++] : NAN);
  }
}

static void fill_offers(Pareto *plot, const char *left_out) {
  DspFigure *figure = plot->figure;
  find_offers(plot);
  plot->x = widened(plot->x, 0.45, 0.08);
  plot->y = widened(plot->y, 0.3, 0.12);
  dsp_figure_head(figure, plot->selection,
                  "Time against cost: nothing is faster and cheaper than the "
                  "plans on the line",
                  left_out);
  figure->program = "pareto.gp";
  figure->unit =
      plot->priced ? "cost of 1000 samples" : "GPU hours for 1000 samples";
  figure->width = PARETO_WIDTH;
  figure->height = PARETO_HEIGHT;
  figure->lines = 32;
  dsp_figure_columns(figure, pareto_keys);
  add_offers(plot);
}

static gboolean has_prices(const DspSelection *selection) {
  for (guint i = 0; i < selection->rows->len; i++)
    if (dsp_record_text(selection->records, row_at(selection->rows, i),
                        "cost_per_1k_samples"))
      return TRUE;
  return FALSE;
}

/* A workload that differs is another thing to buy. */
static gboolean fill_pareto_of(DspFigure *figure, const DspSelection *selection,
                               GError **error) {
  const char *by = figure->request->by ? figure->request->by : "method";
  g_autofree char *bought = g_strconcat(by, ",gpus,cluster,batch,dtype", NULL);
  g_autofree char *rest = dsp_select_free_keys(selection, bought);
  if (*rest)
    return dsp_select_fail(selection, rest, error);
  g_autofree char *varying = dsp_select_free_keys(selection, by);
  g_autofree char *names = g_strconcat(by, *varying ? "," : "", varying, NULL);
  Pareto plot = {.figure = figure,
                 .selection = selection,
                 .offers = g_array_new(FALSE, FALSE, sizeof(Offer)),
                 .x = NO_RANGE,
                 .y = NO_RANGE,
                 .priced = has_prices(selection),
                 .names = names};
  dsp_factor_init(&plot.series, selection, by);
  fill_offers(&plot, names);
  dsp_factor_clear(&plot.series);
  g_array_unref(plot.offers);
  return TRUE;
}

static gboolean fill_pareto(DspFigure *figure, GError **error) {
  static const char *const needed[] = {"samples_per_s", "gpus", NULL};
  DspSelection selection;
  const gboolean done = dsp_select(&selection, figure, needed, error) &&
                        fill_pareto_of(figure, &selection, error);
  dsp_selection_clear(&selection);
  return done;
}

const DspPlotKind dsp_plot_pareto = {
    "pareto", "time against cost, and the plans that nothing beats in both",
    fill_pareto};

/* --- predictions against measurements ------------------------------------ */

enum {
  SCORE_PANEL = 260,
  SCORE_LEFT = 76,
  SCORE_FOOT = 92,
  SCORE_HEAD = 84,
  SCORE_COLUMNS = 3,
};

typedef struct {
  DspFigure *figure;
  const DspSelection *selection;
  DspFactor panels;
  guint n_columns, n_rows;
} Score;

static const char *const score_keys[] = {
    "panel", "measured", "predicted", "healthy", "left",  "right", "bottom",
    "top",   "low",      "high",      "name",    "error", NULL};

/* Median of |error| over healthy points of a panel; NAN if there are none. */
static double median_error(const Score *plot, guint panel, guint *n) {
  const GArray *rows = plot->selection->rows;
  g_autofree double *errors = g_new(double, rows->len);
  *n = 0;
  for (guint i = 0; i < rows->len; i++) {
    const guint row = row_at(rows, i);
    const char *trust = dsp_record_text(plot->selection->records, row, "trust");
    if (dsp_factor_of(&plot->panels, plot->selection, row) == panel &&
        (!trust || strcmp(trust, "healthy") == 0))
      errors[(*n)++] = fabs(number_of(plot->selection, row, "predicted") /
                                number_of(plot->selection, row, "measured") -
                            1);
  }
  gsl_sort(errors, 1, *n);
  return *n ? gsl_stats_median_from_sorted_data(errors, 1, *n) : NAN;
}

static Range range_of(const Score *plot, guint panel) {
  Range range = NO_RANGE;
  for (guint i = 0; i < plot->selection->rows->len; i++) {
    const guint row = row_at(plot->selection->rows, i);
    if (dsp_factor_of(&plot->panels, plot->selection, row) != panel)
      continue;
    include(&range, number_of(plot->selection, row, "measured"));
    include(&range, number_of(plot->selection, row, "predicted"));
  }
  return widened(range, 0.08, 0.08);
}

static void add_score_row(Score *plot, guint row, guint panel, Range range,
                          const char *error) {
  const DspFigure *figure = plot->figure;
  const double left =
      (panel % plot->n_columns) * (SCORE_PANEL + SCORE_LEFT) + SCORE_LEFT;
  const double bottom = (plot->n_rows - 1 - panel / plot->n_columns) *
                            (double)(SCORE_PANEL + SCORE_FOOT) +
                        SCORE_FOOT - 36;
  const char *trust = dsp_record_text(plot->selection->records, row, "trust");
  g_autofree char *name =
      dsp_select_describe(plot->panels.keys, plot->panels.values->pdata[panel]);
  const DspValue values[] = {
      dsp_integer(panel),
      dsp_number(number_of(plot->selection, row, "measured")),
      dsp_number(number_of(plot->selection, row, "predicted")),
      dsp_integer(!trust || strcmp(trust, "healthy") == 0),
      dsp_number(left / figure->width),
      dsp_number((left + SCORE_PANEL) / figure->width),
      dsp_number(bottom / figure->height),
      dsp_number((bottom + SCORE_PANEL) / figure->height),
      dsp_number(range.low),
      dsp_number(range.high),
      dsp_string(dsp_figure_text(plot->figure, name)),
      dsp_string(error),
  };
  G_STATIC_ASSERT(G_N_ELEMENTS(values) + 1 == G_N_ELEMENTS(score_keys));
  dsp_figure_row(plot->figure, values);
}

static void add_score_panel(Score *plot, guint panel) {
  guint n;
  const Range range = range_of(plot, panel);
  const double median = median_error(plot, panel, &n);
  const char *error = dsp_figure_format(
      plot->figure, "%u points: median error %.1f%%", n, 100 * median);
  for (guint i = 0; i < plot->selection->rows->len; i++) {
    const guint row = row_at(plot->selection->rows, i);
    if (dsp_factor_of(&plot->panels, plot->selection, row) == panel)
      add_score_row(plot, row, panel, range, error);
  }
  dsp_figure_bar(
      plot->figure, NULL,
      dsp_figure_text(plot->figure, plot->panels.values->pdata[panel]),
      100 * median, error);
}

static void fill_score_of(Score *plot) {
  DspFigure *figure = plot->figure;
  const guint n = plot->panels.values->len;
  plot->n_columns = MIN(n, SCORE_COLUMNS);
  plot->n_rows = (n - 1) / plot->n_columns + 1;
  figure->title = dsp_figure_text(figure, figure->request->title
                                              ? figure->request->title
                                              : "Predicted against measured");
  figure->inputs =
      "lines at equal and at 10% and 25% to either side; grey: not healthy";
  figure->program = "score.gp";
  figure->unit = "median error, %";
  figure->width = 24 + plot->n_columns * (SCORE_PANEL + SCORE_LEFT);
  figure->height = SCORE_HEAD - 36 + plot->n_rows * (SCORE_PANEL + SCORE_FOOT);
  figure->lines = 30 * plot->n_rows;
  dsp_figure_columns(figure, score_keys);
  for (guint i = 0; i < n; i++)
    add_score_panel(plot, i);
}

static gboolean fill_score(DspFigure *figure, GError **error) {
  static const char *const needed[] = {"measured", "predicted", NULL};
  enum { MOST_PANELS = 12 };
  const char *by = figure->request->by ? figure->request->by : "kind";
  DspSelection selection;
  Score plot = {.figure = figure, .selection = &selection};
  gboolean done = dsp_select(&selection, figure, needed, error);
  if (done) {
    dsp_factor_init(&plot.panels, &selection, by);
    done = plot.panels.values->len <= MOST_PANELS ||
           dsp_select_fail(&selection, by, error);
    if (done)
      fill_score_of(&plot);
    dsp_factor_clear(&plot.panels);
  }
  dsp_selection_clear(&selection);
  return done;
}

const DspPlotKind dsp_plot_score = {
    "score", "predicted against measured, a panel for each kind", fill_score};
