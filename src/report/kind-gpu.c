/* SPDX-License-Identifier: Apache-2.0 */
/* GPUs. */
#include "base/paths.h"
#include "cluster/gpu.h"
#include "report/kind.h"
#include <math.h>

typedef struct {
  DspGpu *gpu;
  GArray *sources;
  DspTable *source_table;
  char *kernels; /* of attention, with constants of their own */
} Row;

static char **names(void) {
  return dsp_list_data("hwprofiles/gpus");
}

static char *kernels_of(const DspGpu *gpu) {
  GString *text = g_string_new(NULL);
  for (int i = 0; i < DSP_N_ATTENTION_KERNELS; i++)
    if (gpu->attention[i].present)
      g_string_append_printf(text, "%s%s", text->len ? " " : "",
                             dsp_attention_kernel_names[i]);
  return g_string_free(text, FALSE);
}

static gpointer load(const char *name, GError **error) {
  DspGpu *gpu = dsp_gpu_load(name, error);
  if (!gpu)
    return NULL;
  Row *row = g_new0(Row, 1);
  row->gpu = gpu;
  row->kernels = kernels_of(gpu);
  row->sources = dsp_sources_new();
  dsp_sources_add(row->sources, NULL, gpu->json);
  row->source_table = dsp_sources_table(row->sources);
  return row;
}

static void row_free(gpointer data) {
  Row *row = data;
  dsp_gpu_free(row->gpu);
  dsp_table_free(row->source_table);
  g_array_unref(row->sources);
  g_free(row->kernels);
  g_free(row);
}

enum {
  NAME,
  TITLE,
  SHA256,
  ARCH,
  MEMORY,
  BANDWIDTH,
  L2,
  SMS,
  LINKS,
  LINK_BANDWIDTH,
  KERNELS,
};

static DspValue get(gconstpointer data, guint index) {
  const DspGpu *gpu = ((const Row *)data)->gpu;
  const DspValue values[] = {
      [NAME] = dsp_string(gpu->name),
      [TITLE] = dsp_string(gpu->title),
      [SHA256] = dsp_string(gpu->sha256),
      [ARCH] = dsp_string(gpu->arch),
      [MEMORY] = dsp_integer(gpu->memory_bytes),
      [BANDWIDTH] = dsp_number(gpu->memory_bandwidth / 1e9),
      [L2] = dsp_integer(gpu->l2_bytes),
      [SMS] = dsp_integer(gpu->sms),
      [LINKS] = dsp_integer(gpu->links),
      [LINK_BANDWIDTH] = dsp_number(gpu->link_bandwidth / 1e9),
      [KERNELS] = dsp_string(((const Row *)data)->kernels),
  };
  return values[index];
}

static DspValue get_peak(gconstpointer data, guint dtype) {
  const double peak = ((const Row *)data)->gpu->peak[dtype];
  return peak > 0 ? dsp_number(peak / 1e12) : dsp_null();
}

static DspValue get_sources(gconstpointer data, guint index) {
  (void)index;
  return dsp_table_value(((const Row *)data)->source_table);
}

static const DspColumn head_columns[] = {{NULL, "name", get, NAME},
                                         {NULL, "title", get, TITLE},
                                         {NULL, "sha256", get, SHA256},
                                         {NULL, "arch", get, ARCH},
                                         {NULL}};

static const DspColumn columns[] = {
    {NULL, "memory_bytes", get, MEMORY},
    {NULL, "memory_bandwidth_GBps", get, BANDWIDTH},
    {NULL, "l2_bytes", get, L2},
    {NULL, "sms", get, SMS},
    {NULL, "links", get, LINKS},
    {NULL, "link_bandwidth_GBps", get, LINK_BANDWIDTH},
    {NULL, "attention_kernels", get, KERNELS},
    {NULL}};

static DspTable *table(void) {
  DspTable *table = dsp_table_new(head_columns);
  dsp_table_add_group(table, "peak_TFLOPS", dsp_dtype_names, DSP_N_DTYPES,
                      get_peak);
  dsp_table_add_columns(table, columns);
  dsp_table_add_nested(table, "sources", get_sources);
  return table;
}

static const DspTextColumn list_columns[] = {
    {"GPU", "", TRUE},         {"arch", "", TRUE},
    {"bf16", "TFLOPS", FALSE}, {"memory", "GiB", FALSE},
    {"memory", "GB/s", FALSE}, {"SMs", "", FALSE},
    {"title", "", TRUE},       {NULL}};

static void add_cells(gconstpointer data, DspGrid *grid) {
  const DspGpu *gpu = ((const Row *)data)->gpu;
  const DspScale peak = {1e12, "TFLOPS", 0};
  const double bf16 = gpu->peak[DSP_DTYPE_BF16];
  dsp_grid_cell(grid, "%s", gpu->name);
  dsp_grid_cell(grid, "%s", gpu->arch);
  dsp_grid_number(grid, &peak, bf16 > 0 ? bf16 : NAN);
  dsp_grid_cell(grid, "%.0f", (double)gpu->memory_bytes / (1 << 30));
  dsp_grid_cell(grid, "%.0f", gpu->memory_bandwidth / 1e9);
  dsp_grid_cell(grid, "%" G_GINT64_FORMAT, gpu->sms);
  dsp_grid_cell(grid, "%s", gpu->title);
}

static void add_peaks(const DspGpu *gpu, const DspStyle *style, GString *out) {
  g_autoptr(GString) peaks = g_string_new(NULL);
  for (int i = 0; i < DSP_N_DTYPES; i++)
    if (gpu->peak[i] > 0)
      g_string_append_printf(peaks, "%s%s %.5g", peaks->len ? ", " : "",
                             dsp_dtype_names[i], gpu->peak[i] / 1e12);
  dsp_text_line(out, style, "peak", "%s TFLOPS", peaks->str);
}

static void text(gconstpointer data, const DspStyle *style, GString *out) {
  const Row *row = data;
  const DspGpu *gpu = row->gpu;
  g_autofree char *memory = dsp_text_bytes((double)gpu->memory_bytes);
  g_autofree char *l2 = dsp_text_bytes((double)gpu->l2_bytes);
  dsp_text_line(out, style, "GPU", "%s", gpu->name);
  dsp_text_line(out, style, "title", "%s", gpu->title);
  dsp_text_line(out, style, "architecture",
                "%s, %" G_GINT64_FORMAT " multiprocessors", gpu->arch,
                gpu->sms);
  add_peaks(gpu, style, out);
  dsp_text_line(out, style, "memory", "%s at %.5g GB/s, L2 %s", memory,
                gpu->memory_bandwidth / 1e9, l2);
  dsp_text_line(out, style, "links",
                "%" G_GINT64_FORMAT " of %.4g GB/s each way", gpu->links,
                gpu->link_bandwidth / 1e9);
  dsp_text_line(out, style, "attention", "%s", row->kernels);
  dsp_sources_text(row->sources, style, out);
}

const DspKind dsp_kind_gpu = {"gpu", "gpus",       names,     load, row_free,
                              table, list_columns, add_cells, text};
