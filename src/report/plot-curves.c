/* SPDX-License-Identifier: Apache-2.0 */
/* Curves in panels: a panel for each quantity and each value of what else the
 * rows differ in, a curve for each series, its name at its end. */
#include "base/error.h"
#include "report/plot-private.h"
#include "report/text.h"
#include <math.h>
#include <string.h>

/* Pixels of SVG. */
enum {
  HEAD = 66,
  FOOT = 62,
  LEFT = 80,
  GAP = 14,      /* from the end of the curves to their names */
  CHARACTER = 7, /* width */
  LINE = 16,     /* height */
  PANEL_WIDTH = 330,
  PANEL_HEIGHT = 250,
  MOST_PANELS = 6,
};

typedef struct {
  guint row; /* of the records */
  guint panel, series;
  double x, y, label_y;
  gboolean last; /* of its curve */
} Point;

typedef struct {
  const DspCurve *curve;
  guint facet;
  double left, right, bottom, top; /* of the whole */
  double x_low, x_high, y_low, y_high, limit;
} Panel;

typedef struct {
  DspFigure *figure;
  const DspSelection *selection;
  const DspCurves *curves;
  const char *x;
  DspFactor series, facets;
  GArray *points; /* Point */
  Panel *panels;
  guint n_panels, n_rows, n_columns;
  double x_scale; /* of the axis: 0 linear, 2 logarithmic, 1024 bytes */
} Plot;

static Point *point_at(const Plot *plot, guint i) {
  return &g_array_index(plot->points, Point, i);
}

/* --- points -------------------------------------------------------------- */

static int compare_points(gconstpointer a, gconstpointer b) {
  const Point *one = a, *other = b;
  if (one->panel != other->panel)
    return one->panel < other->panel ? -1 : 1;
  if (one->series != other->series)
    return one->series < other->series ? -1 : 1;
  return (one->x > other->x) - (one->x < other->x);
}

/* Axes that may be logarithmic begin above zero. */
static gboolean can_be_drawn(const DspCurve *curve, const Point *point) {
  return isfinite(point->x) && point->x > 0 && isfinite(point->y) &&
         (point->y > 0 || !(curve->logarithmic || curve->relative));
}

static void add_points(Plot *plot, guint row) {
  const DspSelection *selection = plot->selection;
  const guint facet = dsp_factor_of(&plot->facets, selection, row);
  for (guint i = 0; i < plot->curves->n_curves; i++) {
    const Point point = {
        .row = row,
        .panel = facet * plot->curves->n_curves + i,
        .series = dsp_factor_of(&plot->series, selection, row),
        .x = dsp_select_number(selection, row, plot->x),
        .y = plot->curves->curves[i].value(selection, row),
        .label_y = NAN,
    };
    if (can_be_drawn(&plot->curves->curves[i], &point))
      g_array_append_val(plot->points, point);
  }
}

static gboolean same_curve(const Point *one, const Point *other) {
  return one->panel == other->panel && one->series == other->series;
}

static void mark_last(Plot *plot) {
  const guint n = plot->points->len;
  for (guint i = 0; i < n; i++)
    point_at(plot, i)->last =
        i + 1 == n || !same_curve(point_at(plot, i), point_at(plot, i + 1));
}

/* The best y a unit of x where x is smallest. */
static double reference_of(const Plot *plot, guint panel) {
  double x = INFINITY, best = 0;
  for (guint i = 0; i < plot->points->len; i++)
    if (point_at(plot, i)->panel == panel)
      x = MIN(x, point_at(plot, i)->x);
  for (guint i = 0; i < plot->points->len; i++) {
    const Point *p = point_at(plot, i);
    if (p->panel == panel && p->x == x)
      best = MAX(best, p->y / p->x);
  }
  return best;
}

static void make_relative(Plot *plot, guint panel) {
  const double reference = reference_of(plot, panel);
  for (guint i = 0; i < plot->points->len; i++) {
    Point *p = point_at(plot, i);
    if (p->panel == panel)
      p->y = 100 * p->y / p->x / reference;
  }
}

/* --- ranges -------------------------------------------------------------- */

static void find_range(Plot *plot, guint panel) {
  Panel *p = &plot->panels[panel];
  double low = INFINITY, high = 0;
  p->x_low = INFINITY;
  p->x_high = 0;
  for (guint i = 0; i < plot->points->len; i++) {
    const Point *point = point_at(plot, i);
    p->x_low = MIN(p->x_low, point->x);
    p->x_high = MAX(p->x_high, point->x);
    if (point->panel != panel)
      continue;
    low = MIN(low, point->y);
    high = MAX(high, point->y);
    if (p->curve->limit)
      p->limit =
          p->curve->scale *
          dsp_select_number(plot->selection, point->row, p->curve->limit);
  }
  if (isfinite(p->limit))
    high = MAX(high, p->limit);
  high = high > 0 ? high : 1;
  low = low > 0 ? low : high / 2;
  const double pad = pow(MAX(high / low, 2), 0.09);
  const double zoom =
      p->curve->relative ? 10 * floor((1.3 * low - 0.3 * high - 5) / 10) : 0;
  p->y_low = p->curve->logarithmic ? low / pad : MAX(zoom, 0);
  p->y_high =
      p->curve->logarithmic ? high * pad : high + 0.1 * (high - p->y_low);
}

static void find_x_scale(Plot *plot) {
  const Panel *p = &plot->panels[0];
  const gboolean wide = p->x_low > 0 && p->x_high / p->x_low >= 4;
  plot->x_scale = plot->curves->binary ? 1024 : wide ? 2 : 0;
}

static void widen(Plot *plot, Panel *p) {
  const double low = p->x_low, high = p->x_high;
  if (plot->x_scale > 0) {
    const double pad = pow(MAX(high / low, 2), 0.04);
    p->x_low = low / pad;
    p->x_high = high * pad;
  } else {
    const double pad = 0.04 * (high > low ? high - low : MAX(high, 1));
    p->x_low = low - pad;
    p->x_high = high + pad;
  }
}

/* --- names --------------------------------------------------------------- */

/* Of the height of the panel. */
static double height_of(const Panel *p, double y) {
  return p->curve->logarithmic
             ? log(MAX(y, p->y_low) / p->y_low) / log(p->y_high / p->y_low)
             : (y - p->y_low) / (p->y_high - p->y_low);
}

static double y_at(const Panel *p, double height) {
  return p->curve->logarithmic ? p->y_low * pow(p->y_high / p->y_low, height)
                               : p->y_low + height * (p->y_high - p->y_low);
}

static int compare_heights(gconstpointer a, gconstpointer b) {
  const Point *one = *(const Point *const *)a,
              *other = *(const Point *const *)b;
  return (one->y > other->y) - (one->y < other->y);
}

/* Names keep their order and a line's distance: groups that would overlap are
 * spread about their middle, within the panel. */
static void spread(double *heights, guint n, double gap) {
  double most = 1;
  for (guint round = 0; round < 4 * n; round++)
    for (guint i = 0; i + 1 < n; i++) {
      const double lack = MAX(gap - (heights[i + 1] - heights[i]), 0);
      heights[i] -= lack / 2;
      heights[i + 1] += lack / 2;
    }
  for (guint i = n; i-- > 0; most = heights[i] - gap)
    heights[i] = MIN(heights[i], most);
  for (guint i = 0; i < n; i++)
    heights[i] = MAX(heights[i], i ? heights[i - 1] + gap : 0);
}

static void place_names(Plot *plot, guint panel) {
  const Panel *p = &plot->panels[panel];
  g_autoptr(GPtrArray) ends = g_ptr_array_new();
  for (guint i = 0; i < plot->points->len; i++)
    if (point_at(plot, i)->panel == panel && point_at(plot, i)->last)
      g_ptr_array_add(ends, point_at(plot, i));
  if (!ends->len)
    return;
  g_ptr_array_sort(ends, compare_heights);
  g_autofree double *heights = g_new(double, ends->len);
  for (guint i = 0; i < ends->len; i++)
    heights[i] = height_of(p, ((const Point *)ends->pdata[i])->y);
  spread(heights, ends->len, (double)LINE / PANEL_HEIGHT);
  for (guint i = 0; i < ends->len; i++)
    ((Point *)ends->pdata[i])->label_y = y_at(p, heights[i]);
}

/* --- layout -------------------------------------------------------------- */

static const char *series_name(const Plot *plot, guint series) {
  g_autofree char *name = dsp_select_describe(
      plot->series.keys, plot->series.values->pdata[series]);
  return dsp_figure_text(plot->figure, name);
}

static guint names_width(const Plot *plot) {
  glong longest = 0;
  for (guint i = 0; i < plot->series.values->len; i++)
    longest = MAX(longest, g_utf8_strlen(series_name(plot, i), -1));
  return GAP + CHARACTER * (guint)CLAMP(longest, 6, 40);
}

static void lay_out(Plot *plot) {
  const guint n_curves = plot->curves->n_curves;
  const guint n_facets = plot->facets.values->len;
  const guint names = names_width(plot);
  const guint cell_width = LEFT + PANEL_WIDTH + names;
  const guint cell_height =
      PANEL_HEIGHT + FOOT + (n_facets > 1 || n_curves > 1 ? 24 : 10);
  const gboolean grid = n_facets > 1 && n_curves > 1;
  plot->n_columns = grid ? n_facets : CLAMP(plot->n_panels, 1, 3);
  plot->n_rows = (plot->n_panels - 1) / plot->n_columns + 1;
  DspFigure *figure = plot->figure;
  figure->width = plot->n_columns * cell_width;
  figure->height = HEAD + plot->n_rows * cell_height;
  figure->lines = 26 * plot->n_rows;
  for (guint i = 0; i < plot->n_panels; i++) {
    Panel *p = &plot->panels[i];
    const guint facet = i / n_curves, curve = i % n_curves;
    const guint column = grid ? facet : i % plot->n_columns;
    const guint row = grid ? curve : i / plot->n_columns;
    const double left = column * cell_width + LEFT;
    const double bottom = (plot->n_rows - 1 - row) * cell_height + FOOT;
    p->left = left / figure->width;
    p->right = (left + PANEL_WIDTH) / figure->width;
    p->bottom = bottom / figure->height;
    p->top = (bottom + PANEL_HEIGHT) / figure->height;
  }
}

/* --- the table ----------------------------------------------------------- */

static const char *const keys[] = {
    "panel", "series", "name",  "x",           "y",      "name_y", "left",
    "right", "bottom", "top",   "x_low",       "x_high", "y_low",  "y_high",
    "x_log", "y_log",  "limit", "panel_title", "x_axis", "y_axis", NULL};

static const char *facet_name(const Plot *plot, guint facet) {
  g_autofree char *name =
      dsp_select_describe(plot->facets.keys, plot->facets.values->pdata[facet]);
  return dsp_figure_text(plot->figure, name);
}

/* Of a quantity, if there are several, and of what else the rows differ in. */
static const char *panel_title(const Plot *plot, const Panel *p) {
  const char *facet = facet_name(plot, p->facet);
  if (plot->curves->n_curves < 2)
    return facet;
  return dsp_figure_format(plot->figure, "%s%s%s", p->curve->title,
                           strcmp(facet, " ") ? DSP_PLOT_DOT : "", facet);
}

static void add_row(Plot *plot, const Point *point) {
  DspFigure *figure = plot->figure;
  const Panel *p = &plot->panels[point->panel];
  const DspValue values[] = {
      dsp_integer(point->panel),
      dsp_integer(dsp_factor_colour(&plot->series, point->series)),
      dsp_string(series_name(plot, point->series)),
      dsp_number(point->x),
      dsp_number(point->y),
      dsp_number(point->label_y),
      dsp_number(p->left),
      dsp_number(p->right),
      dsp_number(p->bottom),
      dsp_number(p->top),
      dsp_number(p->x_low),
      dsp_number(p->x_high),
      dsp_number(p->y_low),
      dsp_number(p->y_high),
      dsp_number(plot->x_scale),
      dsp_integer(p->curve->logarithmic),
      dsp_number(p->limit),
      dsp_string(panel_title(plot, p)),
      dsp_string(dsp_select_axis(figure, plot->x)),
      dsp_string(dsp_figure_text(figure, p->curve->name)),
  };
  G_STATIC_ASSERT(G_N_ELEMENTS(values) + 1 == G_N_ELEMENTS(keys));
  dsp_figure_row(figure, values);
}

/* Bars of text, those of one x together. */
static int compare_bars(gconstpointer a, gconstpointer b) {
  const Point *one = *(const Point *const *)a,
              *other = *(const Point *const *)b;
  if (one->panel != other->panel)
    return one->panel < other->panel ? -1 : 1;
  return (one->x > other->x) - (one->x < other->x);
}

static void add_bars(Plot *plot) {
  DspFigure *figure = plot->figure;
  g_autoptr(GPtrArray) points = g_ptr_array_new();
  for (guint i = 0; i < plot->points->len; i++)
    if (point_at(plot, i)->panel % plot->curves->n_curves == 0)
      g_ptr_array_add(points, point_at(plot, i));
  g_ptr_array_sort(points, compare_bars);
  for (guint i = 0; i < points->len; i++) {
    const Point *p = points->pdata[i];
    g_autofree char *number = dsp_text_number(p->y);
    g_autofree char *x = g_strdup_printf("%g", p->x);
    g_autofree char *at = dsp_select_describe(plot->x, x);
    const char *facet = facet_name(plot, plot->panels[p->panel].facet);
    dsp_figure_bar(figure,
                   dsp_figure_format(figure, "%s%s%s", facet,
                                     strcmp(facet, " ") ? DSP_PLOT_DOT : "",
                                     at),
                   series_name(plot, p->series), p->y,
                   dsp_figure_format(figure, "%s %s", number,
                                     plot->curves->curves[0].unit));
  }
}

/* --- all ----------------------------------------------------------------- */

static void fill_panels(Plot *plot) {
  const guint n_curves = plot->curves->n_curves;
  plot->n_panels = n_curves * plot->facets.values->len;
  plot->panels = g_new0(Panel, plot->n_panels);
  g_array_sort(plot->points, compare_points);
  mark_last(plot);
  for (guint i = 0; i < plot->n_panels; i++) {
    plot->panels[i] = (Panel){.curve = &plot->curves->curves[i % n_curves],
                              .facet = i / n_curves,
                              .limit = NAN};
    if (plot->panels[i].curve->relative)
      make_relative(plot, i);
    find_range(plot, i);
  }
  find_x_scale(plot);
  for (guint i = 0; i < plot->n_panels; i++) {
    widen(plot, &plot->panels[i]);
    place_names(plot, i);
  }
}

static gboolean fill(Plot *plot, const char *shown, GError **error) {
  g_autofree char *cells = g_strconcat(shown, ",", plot->facets.keys, NULL);
  g_autoptr(GArray) best = dsp_select_best(plot->selection, cells);
  for (guint i = 0; i < best->len; i++)
    add_points(plot, g_array_index(best, guint, i));
  if (!plot->points->len)
    return dsp_figure_fail(plot->figure, error);
  fill_panels(plot);
  lay_out(plot);
  dsp_figure_head(plot->figure, plot->selection, plot->curves->what, cells);
  plot->figure->program = "curves.gp";
  plot->figure->unit = plot->curves->curves[0].name;
  dsp_figure_columns(plot->figure, keys);
  for (guint i = 0; i < plot->points->len; i++)
    add_row(plot, point_at(plot, i));
  add_bars(plot);
  return TRUE;
}

static gboolean draw(DspFigure *figure, const DspSelection *selection,
                     const DspCurves *curves, const char *x, GError **error) {
  const char *by = figure->request->by ? figure->request->by : curves->by;
  Plot plot = {.figure = figure,
               .selection = selection,
               .curves = curves,
               .x = x,
               .points = g_array_new(FALSE, TRUE, sizeof(Point))};
  g_autofree char *shown = g_strconcat(by, ",", x, NULL);
  g_autofree char *free_keys = dsp_select_free_keys(selection, shown);
  dsp_factor_init(&plot.series, selection, by);
  dsp_factor_init(&plot.facets, selection, free_keys);
  const char *crowded = plot.series.values->len > DSP_PLOT_MOST_SERIES ? by
                        : plot.facets.values->len > MOST_PANELS ? free_keys
                                                                : NULL;
  const gboolean done = crowded ? dsp_select_fail(selection, crowded, error)
                                : fill(&plot, shown, error);
  g_free(plot.panels);
  g_array_unref(plot.points);
  dsp_factor_clear(&plot.series);
  dsp_factor_clear(&plot.facets);
  return done;
}

gboolean dsp_figure_curves(DspFigure *figure, const DspSelection *selection,
                           const DspCurves *curves, GError **error) {
  const char *x = figure->request->x ? figure->request->x : curves->x;
  DspSelection rows;
  const gboolean done = dsp_select_more(&rows, selection, x, error) &&
                        draw(figure, &rows, curves, x, error);
  dsp_selection_clear(&rows);
  return done;
}
