/* SPDX-License-Identifier: Apache-2.0 */
#include "cuda/measure.h"
#include "cuda/launch.h"
#include "cuda/worker.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- times -----------------------------------------------------------------
 */

enum { WARM_UP = 3, LEAST = 11, MOST = 101 };
/* Long enough for the clocks to settle, and for each kernel's samples. */
static const double settle_s = 0.15, sample_s = 0.1;

typedef struct {
  DspCudaDevice *gpu;
  const char *name; /* of the GPU's profile */
  cJSON *points;
  guint64 seed;
} Bench;

/* Runs an operation, the `i`-th time. */
typedef double (*Run)(Bench *bench, gpointer data, guint i);

static DspTime time_run(Bench *bench, Run run, gpointer data) {
  double samples[MOST], once = 0;
  for (guint i = 0; i < WARM_UP; i++)
    once = run(bench, data, i);
  double wanted = sample_s / MAX(once, 1e-6);
  guint n = (guint)CLAMP(wanted, LEAST, MOST);
  for (guint i = 0; i < n; i++)
    samples[i] = run(bench, data, i);
  return dsp_time_of(samples, n);
}

/* --- points ----------------------------------------------------------------
 */

static cJSON *add_point(Bench *bench, const char *kind, const char *id,
                        const DspTime *time) {
  cJSON *point = cJSON_CreateObject();
  cJSON_AddStringToObject(point, "id", id);
  cJSON_AddStringToObject(point, "kind", kind);
  cJSON_AddStringToObject(point, "gpu", bench->name);
  cJSON_AddStringToObject(point, "dtype",
                          dsp_dtype_names[bench->gpu->device.dtype]);
  dsp_time_add(point, time);
  cJSON_AddItemToArray(bench->points, point);
  return point;
}

static void add_number(cJSON *point, const char *key, int64_t number) {
  cJSON_AddNumberToObject(point, key, (double)number);
}

/* --- arrays ----------------------------------------------------------------
 */

/* Of numbers between -1 and 1 that repeat after a while: zeros are faster. */
static DspArray *array_of(Bench *bench, int64_t rows, int64_t width) {
  enum { BLOCK = 1 << 20 };
  DspDevice *device = &bench->gpu->device;
  int64_t n = rows * width, first = MIN(n, BLOCK);
  DspArray *array = g_new0(DspArray, 1);
  g_autofree float *numbers = g_new(float, (gsize)first);
  g_autoptr(GRand) random = g_rand_new_with_seed((guint32)bench->seed++);
  array->device = device;
  array->v = device->kernels->alloc(device, (gsize)n * device->number);
  for (int64_t i = 0; i < first; i++)
    numbers[i] = (float)g_rand_double_range(random, -1, 1);
  array->rows = 1;
  array->width = first;
  device->kernels->write(array, numbers);
  for (int64_t i = first; i < n; i += first)
    device->kernels->copy(device,
                          (guint8 *)array->v + (gsize)i * device->number,
                          array->v, (gsize)MIN(first, n - i) * device->number);
  array->rows = rows;
  array->width = width;
  return array;
}

static void array_free(DspArray *array) {
  if (!array)
    return;
  const DspKernels *kernels = array->device->kernels;
  kernels->release(array->device, array->v);
  if (array->lse)
    kernels->release(array->device, array->lse);
  g_free(array);
}

/* --- products --------------------------------------------------------------
 */

typedef struct {
  DspGemm gemm;
  DspArray *a, *b, *c;
  guint batch; /* products between two events */
} Product;

/* One after another, as a step runs them. */
static double run_product(Bench *bench, gpointer data, guint i) {
  Product *p = data;
  DspCudaDevice *gpu = bench->gpu;
  (void)i;
  dsp_cuda_check(cudaEventRecord(gpu->begin, gpu->stream), "an event");
  for (guint j = 0; j < p->batch; j++)
    dsp_cuda_gemm(gpu, &p->gemm, p->a->v, p->b->v, p->c->v);
  dsp_cuda_check(cudaEventRecord(gpu->end, gpu->stream), "an event");
  return dsp_cuda_seconds(gpu) / p->batch;
}

static void settle(Bench *bench, Product *p) {
  double spent = 0;
  p->batch = 1;
  run_product(bench, p, 0);
  double once = run_product(bench, p, 0);
  p->batch = (guint)CLAMP(0.002 / once, 1, 200);
  while (spent < settle_s)
    spent += run_product(bench, p, 0) * p->batch;
}

static void measure_product(Bench *bench, int64_t m, int64_t n, int64_t k) {
  Product p = {.gemm = {m, n, k, bench->gpu->device.dtype}};
  g_autofree char *id =
      g_strdup_printf("gemm-m%dn%dk%d", (int)m, (int)n, (int)k);
  p.a = array_of(bench, m, k);
  p.b = array_of(bench, k, n);
  p.c = array_of(bench, m, n);
  settle(bench, &p);
  DspTime time = time_run(bench, run_product, &p);
  cJSON *point = add_point(bench, "gemm", id, &time);
  add_number(point, "m", m);
  add_number(point, "n", n);
  add_number(point, "k", k);
  array_free(p.a);
  array_free(p.b);
  array_free(p.c);
}

/* Widths of the models: [n, k]. */
static void measure_products(Bench *bench) {
  static const int64_t shapes[][2] = {
      {1152, 1152}, {3456, 1152},  {4608, 1152},  {1152, 4608},
      {3072, 3072}, {12288, 3072}, {3072, 12288}, {4096, 4096},
      {5120, 5120}, {13824, 5120}, {5120, 13824}};
  static const int64_t rows[] = {512, 1024, 2048, 4096, 8192, 16384, 32768};
  for (guint i = 0; i < G_N_ELEMENTS(shapes); i++)
    for (guint j = 0; j < G_N_ELEMENTS(rows); j++)
      measure_product(bench, rows[j], shapes[i][0], shapes[i][1]);
}

/* --- kernels bound by memory -----------------------------------------------
 */

/* As many sets of arrays as the cache cannot hold. */
enum { MOST_SETS = 32 };
static const int64_t beyond_cache = 256 << 20;

typedef struct {
  guint sets;
  DspArray *x[MOST_SETS], *y[MOST_SETS], *z[MOST_SETS];
  int64_t *list, *columns; /* of rows and of columns */
  float *scales;
} Rows;

static double run_copy(Bench *bench, gpointer data, guint i) {
  Rows *r = data;
  const DspArray *x = r->x[i % r->sets];
  DspDevice *device = x->device;
  device->kernels->copy(device, r->y[i % r->sets]->v, x->v,
                        (gsize)(x->rows * x->width) * device->number);
  return dsp_cuda_seconds(bench->gpu);
}

static double run_pack(Bench *bench, gpointer data, guint i) {
  Rows *r = data;
  const DspArray *x = r->x[i % r->sets];
  const DspMessage message = {x->rows, x->width, r->list, r->columns};
  x->device->kernels->pack(x, &message, r->y[i % r->sets]->v);
  return dsp_cuda_seconds(bench->gpu);
}

static double run_point(Bench *bench, DspPoint *p, Rows *r, guint i) {
  p->x = r->x[i % r->sets];
  p->y = r->y[i % r->sets];
  p->in = p->out = p->x->width;
  p->x->device->kernels->point(p->x->device, p);
  return dsp_cuda_seconds(bench->gpu);
}

static double run_add(Bench *bench, gpointer data, guint i) {
  Rows *r = data;
  DspPoint p = {.kind = DSP_OP_RESIDUAL, .stream = r->z[i % r->sets]};
  return run_point(bench, &p, r, i);
}

static double run_activation(Bench *bench, gpointer data, guint i) {
  DspPoint p = {.kind = DSP_OP_ACTIVATION, .function = DSP_GELU};
  return run_point(bench, &p, data, i);
}

static double run_norm(Bench *bench, gpointer data, guint i) {
  Rows *r = data;
  DspPoint p = {.kind = DSP_OP_NORM,
                .groups = {{0, 1, r->x[0]->width, 0}},
                .scale = r->scales,
                .shift = r->scales};
  return run_point(bench, &p, r, i);
}

static double run_modulate(Bench *bench, gpointer data, guint i) {
  Rows *r = data;
  DspArray vectors = *r->z[0];
  vectors.rows = 1;
  vectors.width *= 2;
  g_autofree int64_t *first = g_new0(int64_t, (gsize)r->x[0]->rows);
  DspPoint p = {.kind = DSP_OP_MODULATE, .vectors = &vectors, .sample = first};
  return run_point(bench, &p, r, i);
}

/* `arrays`: how many are read and written, which makes the ideal bytes. */
static const struct {
  const char *op;
  int arrays;
  Run run;
} operations[] = {
    {"copy", 2, run_copy}, {"transpose", 2, run_pack},
    {"add", 3, run_add},   {"activation", 2, run_activation},
    {"norm", 2, run_norm}, {"broadcast", 2, run_modulate},
};

/* Rows in the order of an exchange: those of eight ranks, one after another. */
static void fill_lists(Rows *r, int64_t rows, int64_t width) {
  enum { RANKS = 8 };
  r->list = g_new(int64_t, (gsize)rows);
  r->columns = g_new(int64_t, (gsize)width);
  for (int64_t i = 0; i < rows; i++)
    r->list[i] = i % (rows / RANKS) * RANKS + i / (rows / RANKS);
  for (int64_t i = 0; i < width; i++)
    r->columns[i] = i;
}

static Rows rows_new(Bench *bench, int64_t rows, int64_t width) {
  DspDevice *device = &bench->gpu->device;
  int64_t bytes = rows * width * (int64_t)device->number;
  Rows r = {.sets = (guint)CLAMP(beyond_cache / bytes + 1, 1, MOST_SETS)};
  for (guint i = 0; i < r.sets; i++) {
    r.x[i] = array_of(bench, rows, width);
    r.y[i] = array_of(bench, rows, width);
    r.z[i] = array_of(bench, rows, width);
  }
  r.scales = device->kernels->alloc(device, (gsize)width * sizeof(float));
  fill_lists(&r, rows, width);
  return r;
}

static void rows_clear(Bench *bench, Rows *r) {
  for (guint i = 0; i < r->sets; i++) {
    array_free(r->x[i]);
    array_free(r->y[i]);
    array_free(r->z[i]);
  }
  bench->gpu->device.kernels->release(&bench->gpu->device, r->scales);
  g_free(r->list);
  g_free(r->columns);
}

static void measure_rows(Bench *bench, int64_t rows, int64_t width) {
  Rows r = rows_new(bench, rows, width);
  for (guint i = 0; i < G_N_ELEMENTS(operations); i++) {
    g_autofree char *id =
        g_strdup_printf("%s-%dx%d", operations[i].op, (int)rows, (int)width);
    DspTime time = time_run(bench, operations[i].run, &r);
    cJSON *point = add_point(bench, "memory", id, &time);
    cJSON_AddStringToObject(point, "op", operations[i].op);
    add_number(point, "bytes",
               operations[i].arrays * rows * width *
                   (int64_t)bench->gpu->device.number);
    cJSON_AddBoolToObject(point, "fused", TRUE);
  }
  rows_clear(bench, &r);
}

static void measure_all_rows(Bench *bench) {
  static const int64_t widths[] = {1152, 3072};
  static const int64_t rows[] = {2048, 8192, 32768, 131072};
  for (guint i = 0; i < G_N_ELEMENTS(widths); i++)
    for (guint j = 0; j < G_N_ELEMENTS(rows); j++)
      measure_rows(bench, rows[j], widths[i]);
}

/* --- attention -------------------------------------------------------------
 */

typedef struct {
  DspAttend a;
  DspArray *x, *y, *dx, *dy;
} Attention;

static DspTokens tokens_of(int64_t sequences, int64_t length) {
  gsize n = (gsize)(sequences * length);
  DspTokens t = {sequences, g_new(int64_t, (gsize)sequences + 1),
                 g_new0(DspToken, n)};
  for (int64_t i = 0; i <= sequences; i++)
    t.first[i] = i * length;
  for (gsize i = 0; i < n; i++)
    t.tokens[i].row = t.tokens[i].order = (int64_t)i;
  return t;
}

static double run_attention(Bench *bench, gpointer data, guint i) {
  Attention *t = data;
  (void)i;
  t->x->device->kernels->attend(t->x->device, &t->a);
  return dsp_cuda_seconds(bench->gpu);
}

static void add_attention(Bench *bench, const DspAttentionShape *s,
                          Attention *t, const char *pass) {
  g_autofree char *id =
      g_strdup_printf("attention-%s-b%dh%dd%ds%d", pass, (int)s->batch,
                      (int)s->heads, (int)s->head_dim, (int)s->seq_q);
  DspTime time = time_run(bench, run_attention, t);
  cJSON *point = add_point(bench, "attention", id, &time);
  add_number(point, "batch", s->batch);
  add_number(point, "heads", s->heads);
  add_number(point, "kv_heads", s->heads);
  add_number(point, "head_dim", s->head_dim);
  add_number(point, "seq_q", s->seq_q);
  add_number(point, "seq_k", s->seq_q);
  cJSON_AddBoolToObject(point, "causal", FALSE);
  cJSON_AddStringToObject(point, "pass", pass);
  cJSON_AddStringToObject(point, "trust", "suspect");
  cJSON_AddStringToObject(point, "note",
                          "dspsim-cuda's own kernel, which does without "
                          "tensor cores; no library's");
}

static void measure_attention(Bench *bench, const DspAttentionShape *s) {
  DspDevice *device = &bench->gpu->device;
  int64_t rows = s->batch * s->seq_q, width = s->heads * s->head_dim;
  Attention t = {.a = {.heads = s->heads,
                       .kv_heads = s->heads,
                       .dim = s->head_dim,
                       .scale = (float)(1 / sqrt((double)s->head_dim))}};
  t.x = array_of(bench, rows, 3 * width);
  t.dx = array_of(bench, rows, 3 * width);
  t.y = array_of(bench, rows, width);
  t.dy = array_of(bench, rows, width);
  t.y->lse =
      device->kernels->alloc(device, (gsize)(rows * s->heads) * sizeof(float));
  t.a.q = t.a.k = tokens_of(s->batch, s->seq_q);
  t.a.query[0].x = t.a.key[0].x = t.x;
  t.a.query[0].y = t.y;
  t.a.key[0].first = s->heads;
  add_attention(bench, s, &t, "fwd");
  t.a.back = TRUE;
  t.a.query[0].dx = t.a.key[0].dx = t.dx;
  t.a.query[0].dy = t.dy;
  add_attention(bench, s, &t, "bwd");
  DspArray *const arrays[] = {t.x, t.y, t.dx, t.dy};
  for (guint i = 0; i < G_N_ELEMENTS(arrays); i++)
    array_free(arrays[i]);
  g_free(t.a.q.first);
  g_free(t.a.q.tokens);
}

static void measure_attentions(Bench *bench) {
  static const DspAttentionShape shapes[] = {
      {.batch = 1024, .heads = 16, .head_dim = 72, .seq_q = 64},
      {.batch = 64, .heads = 16, .head_dim = 72, .seq_q = 1024},
      {.batch = 1, .heads = 16, .head_dim = 72, .seq_q = 4096},
      {.batch = 1, .heads = 24, .head_dim = 128, .seq_q = 8192},
      {.batch = 4, .heads = 32, .head_dim = 64, .seq_q = 4096},
  };
  for (guint i = 0; i < G_N_ELEMENTS(shapes); i++)
    measure_attention(bench, &shapes[i]);
}

/* --- collectives -----------------------------------------------------------
 */

static void add_collective(Bench *bench, const char *line, const char *cluster,
                           int ranks) {
  cJSON *point = cJSON_Parse(line);
  const cJSON *name = cJSON_GetObjectItemCaseSensitive(point, "collective");
  const cJSON *bytes = cJSON_GetObjectItemCaseSensitive(point, "bytes");
  int version = 0;
  if (!cJSON_IsString(name) || !cJSON_IsNumber(bytes)) {
    cJSON_Delete(point);
    return;
  }
  g_autofree char *id =
      g_strdup_printf("%s-%.0f", name->valuestring, bytes->valuedouble);
  dsp_nccl_check(ncclGetVersion(&version), "its version");
  g_autofree char *nccl = g_strdup_printf("%d.%d.%d", version / 10000,
                                          version / 100 % 100, version % 100);
  cJSON_AddStringToObject(point, "id", id);
  cJSON_AddStringToObject(point, "kind", "collective");
  cJSON_AddStringToObject(point, "cluster", cluster);
  add_number(point, "nodes", 1);
  add_number(point, "gpus_per_node", ranks);
  cJSON_AddStringToObject(point, "nccl", nccl);
  cJSON_AddStringToObject(point, "processes", "per_gpu");
  cJSON_AddItemToArray(bench->points, point);
}

/* Of all GPUs of this machine. */
static gboolean measure_collectives(Bench *bench, const char *cluster,
                                    GError **error) {
  enum { TIMEOUT = 60 };
  int gpus = 0;
  dsp_cuda_check(cudaGetDeviceCount(&gpus), "looking for GPUs");
  g_autofree char *folder = gpus > 1 ? dsp_folder_new(error) : NULL;
  if (gpus < 2)
    fprintf(stderr,
            "dspsim-cuda: collectives: one GPU has nobody to talk to\n");
  if (!folder)
    return FALSE;
  g_autofree char *failure = dsp_launch_bench(folder, gpus, TIMEOUT);
  g_autofree char *path = g_build_filename(folder, "results", NULL);
  g_autofree char *text = NULL;
  gboolean read = g_file_get_contents(path, &text, NULL, error);
  g_auto(GStrv) lines = read ? g_strsplit(text, "\n", -1) : NULL;
  for (guint i = 0; lines && lines[i]; i++)
    add_collective(bench, lines[i], cluster, gpus);
  dsp_folder_remove(folder);
  if (failure && read)
    fprintf(stderr, "dspsim-cuda: collectives: %s\n", failure);
  return read && !failure;
}

/* --- the file --------------------------------------------------------------
 */

/* Profiles by what CUDA calls the GPUs. */
static const char *profile_of(const char *name) {
  static const char *const names[][2] = {{"A100-SXM4-40GB", "a100-sxm-40"},
                                         {"A100-SXM4-80GB", "a100-sxm-80"},
                                         {"A100 80GB PCIe", "a100-pcie-80"},
                                         {"H100 80GB HBM3", "h100-sxm"},
                                         {"H200", "h200-sxm"},
                                         {"B200", "b200-sxm"},
                                         {"B300", "b300-sxm"},
                                         {"GH200", "gh200"},
                                         {"L40S", "l40s"},
                                         {"RTX 4090", "rtx4090"}};
  for (guint i = 0; i < G_N_ELEMENTS(names); i++)
    if (strstr(name, names[i][0]))
      return names[i][1];
  return name;
}

static gboolean write_file(const Bench *bench, const char *file,
                           const char *machine) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GDateTime) now = g_date_time_new_now_utc();
  g_autofree char *date = g_date_time_format(now, "%Y-%m-%d");
  g_autofree char *source = g_strdup_printf(
      "dspsim-cuda measure, %s, %s; CUDA events, medians", machine, date);
  cJSON *root = cJSON_CreateObject();
  cJSON_AddStringToObject(root, "schema", "dspsim.measurements/1");
  cJSON_AddStringToObject(root, "title",
                          "products, kernels bound by memory "
                          "and attention on one GPU");
  cJSON_AddStringToObject(root, "source", source);
  cJSON_AddStringToObject(root, "licence", "CC0");
  GString *text = g_string_new(NULL);
  char *head = cJSON_PrintUnformatted(root);
  g_string_append_len(text, head, (gssize)strlen(head) - 1);
  g_string_append(text, ",\"points\":[");
  for (int i = 0; i < cJSON_GetArraySize(bench->points); i++) {
    char *line = cJSON_PrintUnformatted(cJSON_GetArrayItem(bench->points, i));
    g_string_append_printf(text, "%s\n%s", i ? "," : "", line);
    cJSON_free(line);
  }
  g_string_append(text, "\n]}\n");
  gboolean written = g_file_set_contents(file, text->str, -1, &error);
  if (!written)
    fprintf(stderr, "dspsim-cuda: %s\n", error->message);
  cJSON_free(head);
  cJSON_Delete(root);
  g_string_free(text, TRUE);
  return written;
}

int dsp_measure(const char *file, const char *cluster) {
  g_autoptr(GError) error = NULL;
  g_autofree char *skipped = dsp_no_gpu();
  if (skipped)
    return dsp_print_skipped(skipped);
  g_autofree char *machine = dsp_machine_text();
  Bench bench = {.gpu = dsp_cuda_new(),
                 .points = cJSON_CreateArray(),
                 .name = profile_of(machine)};
  dsp_cuda_set_type(bench.gpu, DSP_DTYPE_BF16);
  dsp_cuda_set_timed(bench.gpu);
  gboolean done = !cluster || measure_collectives(&bench, cluster, &error);
  if (error)
    fprintf(stderr, "dspsim-cuda: %s\n", error->message);
  measure_products(&bench);
  measure_all_rows(&bench);
  measure_attentions(&bench);
  gboolean written = write_file(&bench, file, machine) && done;
  bench.gpu->device.kernels->close(&bench.gpu->device);
  cJSON_Delete(bench.points);
  if (written)
    printf("{\"machine\": \"%s\"}\n", machine);
  return written ? EXIT_SUCCESS : EXIT_FAILURE;
}
