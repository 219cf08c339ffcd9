/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/gpu.h"
#include "base/error.h"
#include "base/paths.h"
#include "cluster/profile.h"
#include <string.h>

#define GPU_FOLDER "hwprofiles/gpus"
#define GPU_SCHEMA "dspsim.gpu/1"

const char *const dsp_attention_kernel_names[] = {"fa2",   "fa3",    "fa4",
                                                  "cudnn", "native", NULL};
const char *const dsp_memory_op_names[] = {"norm",       "norm_bwd",  "rope",
                                           "activation", "add",       "copy",
                                           "transpose",  "broadcast", NULL};

/* What the file holds besides scalars: objects that are read one by one. */
typedef struct {
  DspGpu gpu;
  char *schema;
  const cJSON *peak, *gemm, *attention, *memory_kernels;
} GpuFile;

#define SCALAR(key, type, member, flags, doc)                                  \
  { key, type, G_STRUCT_OFFSET(GpuFile, member), flags, NULL, doc }

static const DspField gpu_fields[] = {
    SCALAR("schema", DSP_FIELD_STRING, schema, 0, "\"" GPU_SCHEMA "\""),
    SCALAR("title", DSP_FIELD_STRING, gpu.title, 0, "the vendor's name"),
    SCALAR("arch", DSP_FIELD_STRING, gpu.arch, 0, "architecture"),
    SCALAR("peak", DSP_FIELD_OBJECT, peak, 0, "dense FLOP/s by dtype"),
    SCALAR("vector_flops", DSP_FIELD_FLOPS, gpu.vector_flops, 0,
           "fp32 FLOP/s outside tensor cores"),
    SCALAR("memory", DSP_FIELD_SIZE, gpu.memory_bytes, 0, "memory size"),
    SCALAR("memory_bandwidth", DSP_FIELD_RATE, gpu.memory_bandwidth, 0,
           "published memory bandwidth"),
    SCALAR("l2", DSP_FIELD_SIZE, gpu.l2_bytes, 0, "last-level cache"),
    SCALAR("sms", DSP_FIELD_COUNT, gpu.sms, 0, "multiprocessors"),
    SCALAR("tile_family", DSP_FIELD_COUNT, gpu.tile_family, 0,
           "compute capability times ten"),
    SCALAR("links", DSP_FIELD_COUNT, gpu.links, DSP_FIELD_ZERO,
           "NVLink or fabric links"),
    SCALAR("link_bandwidth", DSP_FIELD_RATE, gpu.link_bandwidth,
           DSP_FIELD_OPTIONAL, "rate of one link and direction"),
    SCALAR("compute_scale", DSP_FIELD_NUMBER, gpu.compute_scale,
           DSP_FIELD_OPTIONAL, "factor on all compute times"),
    SCALAR("gemm", DSP_FIELD_OBJECT, gemm, 0, "constants of GEMM"),
    SCALAR("attention", DSP_FIELD_OBJECT, attention, 0,
           "constants of attention by kernel"),
    SCALAR("memory_kernels", DSP_FIELD_OBJECT, memory_kernels, 0,
           "constants of memory-bound kernels by operation"),
    {NULL, 0, 0, 0, NULL, NULL},
};
#undef SCALAR

#define PEAK(key, dtype, flags)                                                \
  {                                                                            \
    key, DSP_FIELD_FLOPS, (dtype) * sizeof(double), flags, NULL,               \
        "dense FLOP/s, sums in fp32"                                           \
  }

static const DspField peak_fields[] = {
    PEAK("bf16", DSP_DTYPE_BF16, DSP_FIELD_OPTIONAL),
    PEAK("fp16", DSP_DTYPE_FP16, 0),
    PEAK("fp32", DSP_DTYPE_FP32, 0),
    PEAK("fp8", DSP_DTYPE_FP8, DSP_FIELD_OPTIONAL),
    {NULL, 0, 0, 0, NULL, NULL},
};
#undef PEAK

#define CONSTANT(key, type, member, flags, doc)                                \
  { key, type, G_STRUCT_OFFSET(CONSTANTS, member), flags, NULL, doc }
#define LIKE                                                                   \
  CONSTANT("like", DSP_FIELD_STRING, like, DSP_FIELD_OPTIONAL,                 \
           "the GPU whose constants these are")

#define CONSTANTS DspGemmConstants
static const DspField gemm_fields[] = {
    LIKE,
    CONSTANT("t0", DSP_FIELD_TIME, t0, 0, "floor of one kernel"),
    CONSTANT("e_max", DSP_FIELD_NUMBER, e_max, 0, "share of peak, at most 1"),
    CONSTANT("b_dram", DSP_FIELD_NUMBER, b_dram, 0,
             "share of memory bandwidth, at most 1"),
    CONSTANT("k0", DSP_FIELD_NUMBER, k0, DSP_FIELD_ZERO,
             "prologue and epilogue of a tile in k steps"),
    CONSTANT("l2x", DSP_FIELD_NUMBER, l2x, 0,
             "tile feed rate over memory bandwidth"),
    CONSTANT("b_red", DSP_FIELD_NUMBER, b_red, 0,
             "rate of adding split-k parts over memory bandwidth"),
    CONSTANT("q", DSP_FIELD_NUMBER, q, DSP_FIELD_ZERO,
             "hardness of waves, 0 to 1"),
    CONSTANT("p", DSP_FIELD_NUMBER, p, 0,
             "exponent that joins compute and memory time, at least 1"),
    CONSTANT("burst_d", DSP_FIELD_NUMBER, burst_d, DSP_FIELD_ZERO,
             "most slowdown of a replayed kernel by lower clocks"),
    CONSTANT("burst_flop_time", DSP_FIELD_TIME, burst_flop_time, 0,
             "ideal time at which half of burst_d applies"),
    CONSTANT("burst_width", DSP_FIELD_NUMBER, burst_width, 0,
             "width of that step in ln time"),
    CONSTANT("sustained", DSP_FIELD_NUMBER, sustained, 0,
             "factor on time at sustained clocks, at least 1"),
    {NULL, 0, 0, 0, NULL, NULL},
};
#undef CONSTANTS

#define CONSTANTS DspAttentionConstants
#define PASS(name, i)                                                          \
  CONSTANT(name "_tensor", DSP_FIELD_NUMBER, pass[i].tensor, 0,                \
           "share of the tensor rate, at most 1"),                             \
      CONSTANT(name "_exp", DSP_FIELD_NUMBER, pass[i].exp, DSP_FIELD_ZERO,     \
               "share of the exponentials' time that shows"),                  \
      CONSTANT(name "_start_narrow", DSP_FIELD_TIME, pass[i].start[0],         \
               DSP_FIELD_ZERO, "start and end of a CTA, head_dim <= 64"),      \
      CONSTANT(name "_start_wide", DSP_FIELD_TIME, pass[i].start[1],           \
               DSP_FIELD_ZERO, "start and end of a CTA, head_dim > 64"),       \
      CONSTANT(name "_p", DSP_FIELD_NUMBER, pass[i].p, 0,                      \
               "exponent that joins loop and memory time")

static const DspField attention_fields[] = {
    LIKE,
    CONSTANT("clock_hz", DSP_FIELD_NUMBER, clock, 0, "clock in Hz"),
    CONSTANT("t0", DSP_FIELD_TIME, t0, 0, "floor of one kernel"),
    CONSTANT("b", DSP_FIELD_NUMBER, b, 0,
             "share of memory bandwidth, at most 1"),
    CONSTANT("q", DSP_FIELD_NUMBER, q, DSP_FIELD_ZERO,
             "hardness of waves, 0 to 1"),
    CONSTANT("ragged_math", DSP_FIELD_NUMBER, ragged_math, 0,
             "factor on tensor time, head_dim no multiple of 64"),
    CONSTANT("ragged_memory", DSP_FIELD_NUMBER, ragged_memory, 0,
             "factor on memory time, head_dim no multiple of 64"),
    CONSTANT("tail", DSP_FIELD_NUMBER, tail, DSP_FIELD_ZERO,
             "share of the longest causal CTA that shows at the end"),
    CONSTANT("l2_gain", DSP_FIELD_NUMBER, l2_gain, 0,
             "L2 over memory bandwidth, 1: no effect"),
    CONSTANT("sides", DSP_FIELD_NUMBER, sides, 0,
             "share of bandwidth of the passes around the backward"),
    CONSTANT("sustained", DSP_FIELD_NUMBER, sustained, 0,
             "factor on the loop at sustained clocks, at least 1"),
    PASS("forward", 0),
    PASS("backward", 1),
    {NULL, 0, 0, 0, NULL, NULL},
};
#undef PASS
#undef CONSTANTS

#define CONSTANTS DspMemoryConstants
static const DspField memory_fields[] = {
    LIKE,
    CONSTANT("t0", DSP_FIELD_TIME, t0, 0, "floor of one kernel"),
    CONSTANT("fused", DSP_FIELD_NUMBER, fused, 0,
             "share of memory bandwidth when fused, at most 1"),
    CONSTANT("eager", DSP_FIELD_NUMBER, eager, 0,
             "the same of the framework's own kernel"),
    CONSTANT("l2_gain", DSP_FIELD_NUMBER, l2_gain, 0,
             "L2 over memory bandwidth, 1: no effect"),
    {NULL, 0, 0, 0, NULL, NULL},
};
#undef CONSTANTS

/* Of every constant by that name; the reader has checked the rest. */
static const DspRange ranges[] = {
    {"e_max", 0, 1},
    {"b_dram", 0, 1},
    {"b", 0, 1},
    {"sides", 0, 1},
    {"fused", 0, 1},
    {"eager", 0, 1},
    {"forward_tensor", 0, 1},
    {"backward_tensor", 0, 1},
    {"q", 0, 1},
    {"tail", 0, 1},
    {"p", 1, 64},
    {"forward_p", 1, 64},
    {"backward_p", 1, 64},
    {"sustained", 1, 4},
    {"ragged_math", 1, 4},
    {"ragged_memory", 1, 4},
    {"l2_gain", 1, 16},
    {"compute_scale", 0.1, 10},
    {NULL, 0, 0},
};

/* The name of a plain or annotated string. */
static const char *name_of(const cJSON *node) {
  return cJSON_GetStringValue(
      cJSON_IsObject(node) ? cJSON_GetObjectItemCaseSensitive(node, "value")
                           : node);
}

/* The object at `path` (keys ended by NULL) below `node`, or NULL. */
static const cJSON *descend(const cJSON *node, const char *const *path) {
  for (; node && *path; path++)
    node = cJSON_GetObjectItemCaseSensitive(node, *path);
  return cJSON_IsObject(node) ? node : NULL;
}

static gboolean read_table(const DspJson *json, const cJSON *node,
                           const DspField *fields, gpointer constants,
                           GError **error) {
  return dsp_json_read(json, node, fields, constants, error) &&
         dsp_check_ranges(json, node, ranges, error);
}

/* Fills `constants` from the section at `path` of the GPU that `like` names.
 * That GPU must have been fitted itself: one reference, never a chain. */
static gboolean read_like(const DspJson *json, const cJSON *like,
                          const char *const *path, const DspField *fields,
                          gpointer constants, GError **error) {
  const char *name = name_of(like);
  if (!name)
    return dsp_json_fail(json, like, error, "\"like\" must name a GPU");
  g_autoptr(GError) why = NULL;
  g_autofree char *file = dsp_find_data(GPU_FOLDER, name, &why);
  if (!file)
    return dsp_json_fail(json, like, error, "%s", why->message);
  g_autoptr(DspJson) other = dsp_json_load(file, error);
  if (!other)
    return FALSE;
  const cJSON *node = descend(dsp_json_root(other), path);
  if (!node || cJSON_HasObjectItem(node, "like"))
    return dsp_json_fail(json, like, error,
                         "\"%s\" has no \"%s\" constants of its own", name,
                         path[1] ? path[1] : path[0]);
  return read_table(other, node, fields, constants, error);
}

#define MAX_FIELDS 32

/* Reads one section: its own keys over those of the GPU it is like. */
static gboolean read_constants(const DspJson *json, const cJSON *node,
                               const char *const *path, const DspField *fields,
                               gpointer constants, GError **error) {
  const cJSON *like = cJSON_GetObjectItemCaseSensitive(node, "like");
  if (!like)
    return read_table(json, node, fields, constants, error);
  if (!read_like(json, like, path, fields, constants, error))
    return FALSE;
  DspField override[MAX_FIELDS] = {0};
  for (guint i = 0; fields[i].key; i++) {
    g_assert(i + 1 < MAX_FIELDS);
    override[i] = fields[i];
    override[i].flags |= DSP_FIELD_OPTIONAL;
  }
  return read_table(json, node, override, constants, error);
}

/* Reads an object of objects into `nodes`, one for each of `names`. */
static gboolean read_sections(const DspJson *json, const cJSON *node,
                              const char *const *names, guint n, guint flags,
                              const cJSON **nodes, GError **error) {
  DspField fields[MAX_FIELDS] = {0};
  g_assert(n < MAX_FIELDS);
  for (guint i = 0; i < n; i++)
    fields[i] = (DspField){.key = names[i],
                           .type = DSP_FIELD_OBJECT,
                           .offset = i * sizeof nodes[0],
                           .flags = flags,
                           .doc = "constants of one kernel"};
  return dsp_json_read(json, node, fields, nodes, error);
}

static gboolean read_attention(DspGpu *gpu, const cJSON *node, GError **error) {
  /* Native attention is made of GEMMs and memory-bound kernels. */
  enum { N_FITTED = DSP_KERNEL_NATIVE };
  const cJSON *nodes[N_FITTED] = {0};
  if (!read_sections(gpu->json, node, dsp_attention_kernel_names, N_FITTED,
                     DSP_FIELD_OPTIONAL, nodes, error))
    return FALSE;
  for (guint i = 0; i < N_FITTED; i++) {
    const char *path[] = {"attention", dsp_attention_kernel_names[i], NULL};
    gpu->attention[i].present = nodes[i] != NULL;
    if (nodes[i] && !read_constants(gpu->json, nodes[i], path, attention_fields,
                                    &gpu->attention[i], error))
      return FALSE;
  }
  return TRUE;
}

static gboolean read_memory(DspGpu *gpu, const cJSON *node, GError **error) {
  const cJSON *nodes[DSP_N_MEMORY_OPS] = {0};
  if (!read_sections(gpu->json, node, dsp_memory_op_names, DSP_N_MEMORY_OPS, 0,
                     nodes, error))
    return FALSE;
  for (guint i = 0; i < DSP_N_MEMORY_OPS; i++) {
    const char *path[] = {"memory_kernels", dsp_memory_op_names[i], NULL};
    if (!read_constants(gpu->json, nodes[i], path, memory_fields,
                        &gpu->memory[i], error))
      return FALSE;
  }
  return TRUE;
}

static gboolean check_gpu(const DspGpu *gpu, const char *schema,
                          GError **error) {
  const cJSON *root = dsp_json_root(gpu->json);
  if (strcmp(schema, GPU_SCHEMA) != 0)
    return dsp_json_fail(gpu->json,
                         cJSON_GetObjectItemCaseSensitive(root, "schema"),
                         error, "\"schema\" must be \"" GPU_SCHEMA "\"");
  if (gpu->links > 0 && gpu->link_bandwidth <= 0)
    return dsp_json_fail(gpu->json,
                         cJSON_GetObjectItemCaseSensitive(root, "links"), error,
                         "\"links\" needs \"link_bandwidth\" beside it");
  return TRUE;
}

/* The record's strings go to `gpu` even on failure, to be freed with it. */
static gboolean read_gpu(DspGpu *gpu, GError **error) {
  GpuFile file = {.gpu = *gpu};
  const gboolean read = dsp_json_read(gpu->json, dsp_json_root(gpu->json),
                                      gpu_fields, &file, error);
  *gpu = file.gpu;
  g_autofree char *schema = file.schema;
  static const char *const gemm_path[] = {"gemm", NULL};
  return read && check_gpu(gpu, schema, error) &&
         dsp_json_read(gpu->json, file.peak, peak_fields, gpu->peak, error) &&
         read_constants(gpu->json, file.gemm, gemm_path, gemm_fields,
                        &gpu->gemm, error) &&
         read_attention(gpu, file.attention, error) &&
         read_memory(gpu, file.memory_kernels, error) &&
         dsp_check_ranges(gpu->json, dsp_json_root(gpu->json), ranges, error);
}

/* "dir/h100-sxm.json" is the GPU "h100-sxm". */
static char *gpu_name(const char *file) {
  g_autofree char *base = g_path_get_basename(file);
  const char *suffix = g_str_has_suffix(base, ".json") ? ".json" : "";
  return g_strndup(base, strlen(base) - strlen(suffix));
}

DspGpu *dsp_gpu_load(const char *name, GError **error) {
  g_autofree char *path = dsp_find_data(GPU_FOLDER, name, error);
  if (!path)
    return NULL;
  g_autoptr(DspJson) json = dsp_json_load(path, error);
  if (!json)
    return NULL;
  g_autoptr(DspGpu) gpu = g_new0(DspGpu, 1);
  gpu->json = g_steal_pointer(&json);
  gpu->name = gpu_name(path);
  gpu->file = g_steal_pointer(&path);
  gpu->sha256 = g_strdup(dsp_json_sha256(gpu->json));
  gpu->compute_scale = 1;
  return read_gpu(gpu, error) ? g_steal_pointer(&gpu) : NULL;
}

void dsp_gpu_free(DspGpu *gpu) {
  if (!gpu)
    return;
  for (guint i = 0; i < DSP_N_ATTENTION_KERNELS; i++)
    g_free(gpu->attention[i].like);
  for (guint i = 0; i < DSP_N_MEMORY_OPS; i++)
    g_free(gpu->memory[i].like);
  g_free(gpu->gemm.like);
  g_free(gpu->name);
  g_free(gpu->title);
  g_free(gpu->file);
  g_free(gpu->sha256);
  g_free(gpu->arch);
  dsp_json_free(gpu->json);
  g_free(gpu);
}

double dsp_gpu_peak(const DspGpu *gpu, DspDtype dtype) {
  return gpu->peak[dtype] > 0 ? gpu->peak[dtype] : gpu->vector_flops;
}
