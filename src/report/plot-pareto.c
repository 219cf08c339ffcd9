/* SPDX-License-Identifier: Apache-2.0 */
/* Plans by time and cost, and the front of those that nothing beats in both. */
#include "report/plot-private.h"
#include "report/text.h"
#include <math.h>

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
  DspRange x, y;
  gboolean priced;
  const char *names;
} Pareto;

#define RIGHT 0.08 /* of the range, beyond the last point */

enum { PARETO_WIDTH = 860, PARETO_HEIGHT = 500, PARETO_PANEL = 360 };

static const char *const pareto_keys[] = {
    "series", "name",  "time",   "cost", "name_y", "front",    "x_low",
    "x_high", "y_low", "y_high", "axis", "legend", "legend_x", NULL};

static int compare_offers(gconstpointer a, gconstpointer b) {
  const Offer *one = a, *other = b;
  if (one->time != other->time)
    return one->time < other->time ? -1 : 1;
  return (one->cost > other->cost) - (one->cost < other->cost);
}

/* Without a price, GPU hours are what there is to pay. */
static double cost_of(const Pareto *plot, guint row, double time) {
  return plot->priced
             ? dsp_select_number(plot->selection, row, "cost_per_1k_samples")
             : time * dsp_select_number(plot->selection, row, "gpus") / 3600;
}

static void find_offers(Pareto *plot) {
  double cheapest = INFINITY;
  for (guint i = 0; i < plot->selection->rows->len; i++) {
    const guint row = dsp_select_row(plot->selection->rows, i);
    const double time =
        1000 / dsp_select_number(plot->selection, row, "samples_per_s");
    const Offer offer = {row, time, cost_of(plot, row, time), FALSE};
    if (dsp_range_include(&plot->x, offer.time) &&
        dsp_range_include(&plot->y, offer.cost))
      g_array_append_val(plot->offers, offer);
  }
  g_array_sort(plot->offers, compare_offers);
  for (guint i = 0; i < plot->offers->len; i++) {
    Offer *offer = &g_array_index(plot->offers, Offer, i);
    offer->front = offer->cost < cheapest;
    cheapest = MIN(cheapest, offer->cost);
  }
}

static const char *series_name(const Pareto *plot, guint series) {
  g_autofree char *name = dsp_select_describe(
      plot->series.keys, plot->series.values->pdata[series]);
  return dsp_figure_text(plot->figure, name);
}

/* The pixel from where on the legend tells the colour of a series. */
static double legend_x(const Pareto *plot, guint series) {
  enum { MARGIN = 24, BETWEEN = 40 };
  double x = MARGIN;
  for (guint i = 0; i < series; i++)
    x += BETWEEN + 6.3 * (double)g_utf8_strlen(series_name(plot, i), -1);
  return x;
}

static void add_offer(Pareto *plot, const Offer *offer, double name_y) {
  const guint series =
      dsp_factor_of(&plot->series, plot->selection, offer->row);
  const char *name = offer->front
                         ? dsp_figure_name(plot->figure, plot->selection,
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
      dsp_string(plot->priced ? "cost of 1000 samples"
                              : "GPU hours for 1000 samples"),
      dsp_string(series_name(plot, series)),
      dsp_number(legend_x(plot, series) / PARETO_WIDTH),
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
  dsp_range_spread(names, n, plot->y, PARETO_PANEL);
  for (int front = 0; front <= 1; front++)
    for (guint j = 0; j < plot->offers->len; j++) {
      const Offer *offer = &g_array_index(plot->offers, Offer, j);
      if (offer->front == front)
        add_offer(plot, offer, front ? names[i++] : NAN);
    }
}

/* Names stand to the left of their points, where nothing is: the share of the
 * range that the longest needs. */
static double room_for_names(Pareto *plot) {
  enum { CHARACTER = 8, GAP = 40, PANEL = 760 };
  glong longest = 0;
  for (guint i = 0; i < plot->offers->len; i++) {
    const Offer *offer = &g_array_index(plot->offers, Offer, i);
    if (offer->front)
      longest = MAX(longest,
                    g_utf8_strlen(dsp_figure_name(plot->figure, plot->selection,
                                                  offer->row, plot->names),
                                  -1));
  }
  const double share = MIN((double)(CHARACTER * longest + GAP) / PANEL, 0.6);
  return share * (1 + RIGHT) / (1 - share);
}

static gboolean fill_offers(Pareto *plot, const char *left_out,
                            GError **error) {
  DspFigure *figure = plot->figure;
  find_offers(plot);
  if (!plot->offers->len)
    return dsp_figure_fail(figure, error);
  plot->x = dsp_range_widened(plot->x, room_for_names(plot), RIGHT);
  plot->y = dsp_range_widened(plot->y, 0.3, 0.12);
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
  return TRUE;
}

static gboolean has_prices(const DspSelection *selection) {
  for (guint i = 0; i < selection->rows->len; i++)
    if (dsp_record_text(selection->records, dsp_select_row(selection->rows, i),
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
                 .x = DSP_NO_RANGE,
                 .y = DSP_NO_RANGE,
                 .priced = has_prices(selection),
                 .names = names};
  dsp_factor_init(&plot.series, selection, by);
  const gboolean done = plot.series.values->len <= DSP_PLOT_MOST_SERIES
                            ? fill_offers(&plot, names, error)
                            : dsp_select_fail(selection, by, error);
  dsp_factor_clear(&plot.series);
  g_array_unref(plot.offers);
  return done;
}

static const char *const needed[] = {"samples_per_s", "gpus", NULL};

const DspPlotKind dsp_plot_pareto = {
    "pareto", "time against cost, and the plans that nothing beats in both",
    needed, fill_pareto_of};
