/* SPDX-License-Identifier: Apache-2.0 */
/* Plans by their FLOP for each byte sent, under peak and bandwidth. */
#include "base/dtype.h"
#include "base/error.h"
#include "cluster/cluster.h"
#include "report/plot-private.h"
#include <math.h>
#include <string.h>

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
  DspRange x, y;
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
    if (dsp_select_number(selection, dsp_select_row(selection->rows, i),
                          "gpus") > (double)cluster->gpus_per_node)
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
  if (cluster->nvlink_bandwidth <= 0)
    add_roof(plot,
             dsp_figure_format(plot->figure, "PCIe %.0f GB/s",
                               cluster->pcie_bandwidth / 1e9),
             cluster->pcie_bandwidth);
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
  dsp_range_spread(names, n, plot->y, ROOF_PANEL);
  for (guint i = 0; i < n; i++) {
    const RoofPoint *p = &g_array_index(plot->points, RoofPoint, i);
    const guint series = dsp_factor_of(&plot->series, plot->selection, p->row);
    const char *name =
        dsp_figure_name(plot->figure, plot->selection, p->row, plot->names);
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
    const guint row = dsp_select_row(best, i);
    const double rate =
        dsp_select_number(plot->selection, row, "mfu") * plot->peak;
    const double seconds =
        dsp_select_number(plot->selection, row, "step_time_us") * 1e-6;
    const RoofPoint point = {
        row,
        rate * 1e12 * seconds /
            dsp_select_number(plot->selection, row, "sent_bytes_per_gpu"),
        rate};
    if (dsp_range_include(&plot->x, point.intensity) &&
        dsp_range_include(&plot->y, rate))
      g_array_append_val(plot->points, point);
  }
  g_array_sort(plot->points, compare_rates);
}

static gboolean fill_roofs(Roofline *plot, const DspCluster *cluster,
                           const char *cells, GError **error) {
  DspFigure *figure = plot->figure;
  find_points(plot, cells);
  if (!plot->points->len)
    return dsp_figure_fail(figure, error);
  dsp_range_include(&plot->x, plot->peak * 1e12 / cluster->nvlink_bandwidth);
  dsp_range_include(&plot->y, plot->peak);
  plot->x = dsp_range_widened(plot->x, 0.15, 0.45);
  plot->y = dsp_range_widened(plot->y, 0.7, 0.25);
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
  return TRUE;
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
  const char *name = dsp_record_text(
      selection->records, dsp_select_row(selection->rows, 0), "dtype");
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

/* That of the rows, if it has a name or a description: what a file says is no
 * path to read. */
static DspCluster *cluster_of(const DspSelection *selection, GError **error) {
  const char *name = dsp_record_text(
      selection->records, dsp_select_row(selection->rows, 0), "cluster");
  if (name && !strchr(name, '/') && !g_str_has_suffix(name, ".json"))
    return dsp_cluster_load(name, error);
  g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE,
              "nothing to draw as 'roofline': rows do not name their cluster");
  return NULL;
}

static gboolean fill_roofline_of(DspFigure *figure,
                                 const DspSelection *selection,
                                 GError **error) {
  const char *by = figure->request->by ? figure->request->by : "method";
  if (!one_roof(selection, error))
    return FALSE;
  g_autoptr(DspCluster) cluster = cluster_of(selection, error);
  g_autofree char *rest = dsp_select_free_keys(selection, by);
  g_autofree char *cells = g_strconcat(by, *rest ? "," : "", rest, NULL);
  Roofline plot = {.figure = figure,
                   .selection = selection,
                   .x = DSP_NO_RANGE,
                   .y = DSP_NO_RANGE,
                   .names = cells};
  if (!cluster || !find_peak(selection, cluster, &plot.peak, error))
    return FALSE;
  plot.points = g_array_new(FALSE, FALSE, sizeof(RoofPoint));
  dsp_factor_init(&plot.series, selection, by);
  const gboolean done = fill_roofs(&plot, cluster, cells, error);
  dsp_factor_clear(&plot.series);
  g_array_unref(plot.points);
  return done;
}

static const char *const needed[] = {"samples_per_s", "mfu", "step_time_us",
                                     "sent_bytes_per_gpu", NULL};

const DspPlotKind dsp_plot_roofline = {
    "roofline", "work for each byte sent, under peak and bandwidth", needed,
    fill_roofline_of};
