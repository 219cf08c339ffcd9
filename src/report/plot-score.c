/* SPDX-License-Identifier: Apache-2.0 */
/* Predicted against measured, a panel for each kind. */
#include "report/plot-private.h"
#include <gsl/gsl_sort.h>
#include <gsl/gsl_statistics.h>
#include <math.h>
#include <string.h>

enum {
  SCORE_PANEL = 260,
  SCORE_LEFT = 86,
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
    const guint row = dsp_select_row(rows, i);
    const char *trust = dsp_record_text(plot->selection->records, row, "trust");
    if (dsp_factor_of(&plot->panels, plot->selection, row) == panel &&
        (!trust || strcmp(trust, "healthy") == 0))
      errors[(*n)++] =
          fabs(dsp_select_number(plot->selection, row, "predicted") /
                   dsp_select_number(plot->selection, row, "measured") -
               1);
  }
  gsl_sort(errors, 1, *n);
  return *n ? gsl_stats_median_from_sorted_data(errors, 1, *n) : NAN;
}

static DspRange range_of(const Score *plot, guint panel) {
  DspRange range = DSP_NO_RANGE;
  for (guint i = 0; i < plot->selection->rows->len; i++) {
    const guint row = dsp_select_row(plot->selection->rows, i);
    if (dsp_factor_of(&plot->panels, plot->selection, row) != panel)
      continue;
    dsp_range_include(&range,
                      dsp_select_number(plot->selection, row, "measured"));
    dsp_range_include(&range,
                      dsp_select_number(plot->selection, row, "predicted"));
  }
  return dsp_range_widened(range, 0.08, 0.08);
}

static void add_score_row(Score *plot, guint row, guint panel, DspRange range,
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
      dsp_number(dsp_select_number(plot->selection, row, "measured")),
      dsp_number(dsp_select_number(plot->selection, row, "predicted")),
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
  const DspRange range = range_of(plot, panel);
  const double median = median_error(plot, panel, &n);
  const char *error =
      dsp_figure_format(plot->figure, "%u point%s: median error %.1f%%", n,
                        n == 1 ? "" : "s", 100 * median);
  for (guint i = 0; i < plot->selection->rows->len; i++) {
    const guint row = dsp_select_row(plot->selection->rows, i);
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
  figure->is_text = TRUE;
  figure->unit = "median error, %";
  figure->width = 24 + plot->n_columns * (SCORE_PANEL + SCORE_LEFT);
  figure->height = SCORE_HEAD - 36 + plot->n_rows * (SCORE_PANEL + SCORE_FOOT);
  dsp_figure_columns(figure, score_keys);
  for (guint i = 0; i < n; i++)
    add_score_panel(plot, i);
}

static const char *const needed[] = {"measured", "predicted", NULL};

static gboolean fill_score(DspFigure *figure, const DspSelection *selection,
                           GError **error) {
  enum { MOST_PANELS = 12 };
  const char *by = figure->request->by ? figure->request->by : "kind";
  Score plot = {.figure = figure, .selection = selection};
  dsp_factor_init(&plot.panels, selection, by);
  const gboolean fits = plot.panels.values->len <= MOST_PANELS;
  if (fits)
    fill_score_of(&plot);
  dsp_factor_clear(&plot.panels);
  return fits || dsp_select_fail(selection, by, error);
}

const DspPlotKind dsp_plot_score = {
    "score", "predicted against measured, a panel for each kind", needed,
    fill_score};
