/* SPDX-License-Identifier: Apache-2.0 */
/* Who wins where: a cell for each pair of values of two keys, in the colour of
 * the fastest series, stronger the further it is ahead of the next. */
#include "base/error.h"
#include "report/plot-private.h"
#include <math.h>
#include <string.h>

enum { HEAD = 84, FOOT = 64, CELL_WIDTH = 112, CELL_HEIGHT = 50, SIDE = 90 };

typedef struct {
  DspFigure *figure;
  const DspSelection *selection;
  const char *x, *y, *by;
  DspFactor columns, rows, series;
} Plot;

/* The fastest of a cell and the fastest of another series. */
typedef struct {
  guint winner, second; /* rows of the records; G_MAXUINT: none */
} Cell;

static const char *const keys[] = {"column", "row",      "series", "winner",
                                   "ahead",  "strength", "x",      "y",
                                   "x_axis", "y_axis",   NULL};

static double rate_of(const Plot *plot, guint row) {
  return row == G_MAXUINT
             ? NAN
             : dsp_select_number(plot->selection, row, "samples_per_s");
}

static Cell cell_of(const Plot *plot, const GArray *best, guint column,
                    guint line) {
  Cell cell = {G_MAXUINT, G_MAXUINT};
  for (guint i = 0; i < best->len; i++) {
    const guint row = g_array_index(best, guint, i);
    if (dsp_factor_of(&plot->columns, plot->selection, row) != column ||
        dsp_factor_of(&plot->rows, plot->selection, row) != line)
      continue;
    if (!(rate_of(plot, row) <= rate_of(plot, cell.winner))) {
      cell.second = cell.winner;
      cell.winner = row;
    } else if (!(rate_of(plot, row) <= rate_of(plot, cell.second))) {
      cell.second = row;
    }
  }
  return cell;
}

/* Where nothing runs the winner is empty. */
static void add_cell(Plot *plot, const Cell *cell, guint column, guint line) {
  DspFigure *figure = plot->figure;
  const DspSelection *selection = plot->selection;
  const double ahead =
      rate_of(plot, cell->winner) / rate_of(plot, cell->second);
  const gboolean runs = cell->winner != G_MAXUINT;
  const guint series =
      runs ? dsp_factor_of(&plot->series, selection, cell->winner) : 0;
  const char *const name =
      runs ? dsp_figure_text(figure, plot->series.values->pdata[series]) : NULL;
  const char *const lead =
      !runs              ? "cannot run"
      : !isfinite(ahead) ? "alone"
      : ahead < 3 ? dsp_figure_format(figure, "+%.0f%%", 100 * (ahead - 1))
                  : dsp_figure_format(figure, "%.3gx", ahead);
  const char *const x = plot->columns.values->pdata[column];
  const char *const y = plot->rows.values->pdata[line];
  const DspValue values[] = {
      dsp_integer(column),
      dsp_integer(line),
      runs ? dsp_integer(dsp_factor_colour(&plot->series, series)) : dsp_null(),
      dsp_string(name),
      dsp_string(lead),
      dsp_number(!runs              ? 0
                 : !isfinite(ahead) ? 1
                                    : MIN(log2(ahead), 1)),
      dsp_string(dsp_figure_text(figure, x)),
      dsp_string(dsp_figure_text(figure, y)),
      dsp_string(dsp_select_axis(figure, plot->x)),
      dsp_string(dsp_select_axis(figure, plot->y)),
  };
  G_STATIC_ASSERT(G_N_ELEMENTS(values) + 1 == G_N_ELEMENTS(keys));
  dsp_figure_row(figure, values);
  g_autofree char *at_x = dsp_select_describe(plot->x, x);
  g_autofree char *at_y = dsp_select_describe(plot->y, y);
  dsp_figure_bar(figure, dsp_figure_text(figure, at_y),
                 dsp_figure_text(figure, at_x), rate_of(plot, cell->winner),
                 dsp_figure_format(figure, "%s %s", name ? name : "", lead));
}

static void fill(Plot *plot) {
  DspFigure *figure = plot->figure;
  g_autofree char *cells =
      g_strconcat(plot->by, ",", plot->x, ",", plot->y, NULL);
  g_autoptr(GArray) best = dsp_select_best(plot->selection, cells);
  const guint columns = plot->columns.values->len,
              rows = plot->rows.values->len;
  dsp_figure_head(figure, plot->selection,
                  "Fastest method and its lead over the next", cells);
  figure->program = "heatmap.gp";
  figure->is_text = TRUE;
  figure->unit = "samples/s of the fastest";
  figure->width = MAX(2 * SIDE + CELL_WIDTH * columns, 560);
  figure->height = HEAD + FOOT + CELL_HEIGHT * rows;
  dsp_figure_columns(figure, keys);
  for (guint line = 0; line < rows; line++)
    for (guint column = 0; column < columns; column++) {
      const Cell cell = cell_of(plot, best, column, line);
      add_cell(plot, &cell, column, line);
    }
}

/* The keys of the axis that has too many values, or NULL. */
static const char *crowded_axis(const Plot *plot) {
  return plot->columns.values->len > DSP_PLOT_MOST_SERIES ? plot->x
         : plot->rows.values->len > DSP_PLOT_MOST_SERIES  ? plot->y
                                                          : NULL;
}

/* Values of rows that cannot run are on the axes too. */
static void init_axis(DspFactor *axis, const DspSelection *selection,
                      const char *key) {
  DspSelection all = {selection->records, g_array_copy(selection->rows), NULL};
  g_array_append_vals(all.rows, selection->refused->data,
                      selection->refused->len);
  dsp_factor_init(axis, &all, key);
  g_array_unref(all.rows);
}

static gboolean find_axes(Plot *plot, GError **error) {
  static const char *const others[] = {"batch", "cluster", "model",
                                       "mode",  "dtype",   NULL};
  const DspPlotRequest *request = plot->figure->request;
  plot->by = request->by ? request->by : "method";
  plot->x = request->x ? request->x : "gpus";
  plot->y = request->y ? request->y : dsp_select_varying(plot->selection, NULL);
  if (!plot->y)
    plot->y = dsp_select_varying(plot->selection, others);
  if (plot->y)
    return TRUE;
  g_set_error(
      error, DSP_ERROR, DSP_ERROR_USAGE,
      "nothing to draw as 'crossover': rows differ in no dimension; "
      "sweep one, as with 'dspsim sweep --vary dim.T=16,32,64', or name "
      "a key with --y");
  return FALSE;
}

static gboolean fill_selected(DspFigure *figure, const DspSelection *selection,
                              GError **error) {
  Plot plot = {.figure = figure, .selection = selection};
  if (!find_axes(&plot, error))
    return FALSE;
  g_autofree char *shown = g_strconcat(plot.by, ",", plot.x, ",", plot.y, NULL);
  g_autofree char *rest = dsp_select_free_keys(selection, shown);
  if (*rest)
    return dsp_select_fail(selection, rest, error);
  init_axis(&plot.columns, selection, plot.x);
  init_axis(&plot.rows, selection, plot.y);
  dsp_factor_init(&plot.series, selection, plot.by);
  const char *crowded = crowded_axis(&plot);
  if (crowded)
    dsp_select_fail(selection, crowded, error);
  else
    fill(&plot);
  dsp_factor_clear(&plot.columns);
  dsp_factor_clear(&plot.rows);
  dsp_factor_clear(&plot.series);
  return !crowded;
}

static const char *const needed[] = {"samples_per_s", NULL};

const DspPlotKind dsp_plot_crossover = {
    "crossover", "which method is the fastest, over GPUs and a dimension",
    needed, fill_selected};
