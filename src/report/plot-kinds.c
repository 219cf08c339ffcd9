/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures that are curves, or bars of parts. */
#include "report/plot-private.h"
#include <string.h>

static double samples(const DspSelection *selection, guint row) {
  return dsp_select_number(selection, row, "samples_per_s");
}

static double sent_gib(const DspSelection *selection, guint row) {
  return dsp_select_number(selection, row, "sent_bytes_per_gpu") / 1073741824.;
}

static double memory_gib(const DspSelection *selection, guint row) {
  return dsp_select_number(selection, row, "peak_memory_bytes") / 1073741824.;
}

static double busbw(const DspSelection *selection, guint row) {
  return dsp_select_number(selection, row, "busbw_GBps");
}

static const DspCurve scaling_curves[] = {
    {.title = "throughput",
     .name = "samples/s",
     .unit = "samples/s",
     .value = samples,
     .logarithmic = TRUE},
    {.title = "efficiency",
     .name = "% of the best on fewest GPUs",
     .unit = "%",
     .value = samples,
     .relative = TRUE},
};

static const DspCurve sent_curves[] = {{.name = "sent by a GPU in a step (GiB)",
                                        .unit = "GiB",
                                        .value = sent_gib,
                                        .logarithmic = TRUE}};

static const DspCurve memory_curves[] = {{.name = "peak memory of a GPU (GiB)",
                                          .unit = "GiB",
                                          .value = memory_gib,
                                          .limit = "memory_limit_bytes",
                                          .scale = 1 / 1073741824.}};

static const DspCurve busbw_curves[] = {
    {.name = "bus bandwidth (GB/s)", .unit = "GB/s", .value = busbw}};

static const char *const rate_keys[] = {"samples_per_s", NULL};

/* Not relative to GPUs where x is something else. */
static gboolean fill_scaling(DspFigure *figure, const DspSelection *selection,
                             GError **error) {
  const char *x = figure->request->x;
  const gboolean gpus = !x || strcmp(x, "gpus") == 0;
  const DspCurves curves = {.what = gpus ? "Throughput and efficiency by method"
                                         : "Throughput by method",
                            .x = "gpus",
                            .by = "method",
                            .curves = scaling_curves,
                            .n_curves = gpus ? 2 : 1};
  return dsp_figure_curves(figure, selection, &curves, error);
}

const DspPlotKind dsp_plot_scaling = {"scaling",
                                      "throughput and efficiency against GPUs",
                                      rate_keys, fill_scaling};

/* The collective and whatever else the rows differ in. */
static char *series_of_prices(const DspSelection *selection) {
  static const char *const told[] = {"ranks", "nodes", "datatype", "file",
                                     NULL};
  g_autoptr(GString) by = g_string_new("collective");
  for (guint i = 0; told[i]; i++) {
    const char *const one[] = {told[i], NULL};
    if (dsp_select_varying(selection, one))
      g_string_append_printf(by, ",%s", told[i]);
  }
  return g_strdup(by->str);
}

static const char *const busbw_keys[] = {"bytes", "busbw_GBps", NULL};

static gboolean fill_busbw(DspFigure *figure, const DspSelection *selection,
                           GError **error) {
  g_autofree char *by = series_of_prices(selection);
  const DspCurves curves = {.what = "Bus bandwidth by size",
                            .x = "bytes",
                            .by = by,
                            .curves = busbw_curves,
                            .n_curves = 1,
                            .binary = !figure->request->x};
  return dsp_figure_curves(figure, selection, &curves, error);
}

const DspPlotKind dsp_plot_busbw = {"busbw",
                                    "bus bandwidth of collectives against size",
                                    busbw_keys, fill_busbw};

/* --- curves, or parts of bars -------------------------------------------- */

/* Curves where the rows differ in x, else bars with their parts. */
static gboolean fill_either(DspFigure *figure, const DspSelection *selection,
                            const DspCurves *curves, const DspStack *stack,
                            GError **error) {
  static const char *const gpus[] = {"gpus", NULL};
  return figure->request->x || dsp_select_varying(selection, gpus)
             ? dsp_figure_curves(figure, selection, curves, error)
             : dsp_figure_stacks(figure, selection, stack, error);
}

static const char *const volume_keys[] = {"samples_per_s", "sent_bytes_per_gpu",
                                          NULL};

static const DspPart volume_parts[] = {
    {"volume.all_to_all", "all-to-all", 2},
    {"volume.all_gather", "all-gather", 5},
    {"volume.reduce_scatter", "reduce-scatter", 4},
    {"volume.all_reduce", "all-reduce", 6},
    {"volume.sendrecv", "send/receive", 3},
    {"volume.broadcast", "broadcast", 7},
    {NULL}};

static gboolean fill_volume(DspFigure *figure, const DspSelection *selection,
                            GError **error) {
  static const DspCurves curves = {.what = "Communication volume by method",
                                   .x = "gpus",
                                   .by = "method",
                                   .curves = sent_curves,
                                   .n_curves = 1};
  static const DspStack stack = {.what = "Communication volume by collective",
                                 .axis = "sent by a GPU in a step (GiB)",
                                 .unit = "GiB",
                                 .parts = volume_parts,
                                 .scale = 1 / 1073741824.};
  return fill_either(figure, selection, &curves, &stack, error);
}

const DspPlotKind dsp_plot_volume = {
    "volume", "bytes that a GPU sends in a step", volume_keys, fill_volume};

static const char *const memory_keys[] = {"samples_per_s", "peak_memory_bytes",
                                          NULL};

static const DspPart memory_parts[] = {{"memory.parameters", "parameters", 1},
                                       {"memory.gradients", "gradients", 6},
                                       {"memory.optimizer", "optimizer", 3},
                                       {"memory.activations", "activations", 2},
                                       {"memory.buffers", "buffers", 4},
                                       {"memory.workspace", "workspace", 0},
                                       {NULL}};

static gboolean fill_memory(DspFigure *figure, const DspSelection *selection,
                            GError **error) {
  static const DspCurves curves = {.what = "Peak memory by method",
                                   .x = "gpus",
                                   .by = "method",
                                   .curves = memory_curves,
                                   .n_curves = 1};
  static const DspStack stack = {.what = "Peak memory by what it holds",
                                 .axis = "memory of a GPU (GiB)",
                                 .unit = "GiB",
                                 .parts = memory_parts,
                                 .scale = 1 / 1073741824.,
                                 .limit = "memory_limit_bytes"};
  return fill_either(figure, selection, &curves, &stack, error);
}

const DspPlotKind dsp_plot_memory = {"memory",
                                     "peak memory of a GPU against its limit",
                                     memory_keys, fill_memory};
