/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of the points of each kind, and what they must be together. */
#include "measurement/point.h"
#include "base/units.h"
#include "kernel/kernel.h"
#include <string.h>

const char *const dsp_clocks_names[] = {"sustained", "burst", NULL};
static const char *const direction_names[] = {"fwd", "bwd", NULL};
static const char *const layer_pass_names[] = {"fwd", "fwd_bwd", NULL};
static const char *const balance_names[] = {"none", "zigzag", NULL};
const char *const dsp_processes_names[] = {"per_gpu", "one", NULL};
static const char *const metric_names[] = {"time_s", "samples_per_s", NULL};

/* Most GPUs of a machine. */
#define MAX_GPUS (1 << 20)

/* --- plans --------------------------------------------------------------- */

typedef struct {
  char *method, *variant;
  const cJSON *degrees;
} WrittenPlan;

static void written_plan_clear(WrittenPlan *text) {
  g_free(text->method);
  g_free(text->variant);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(WrittenPlan, written_plan_clear)

#define PLAN(key, type, flags, doc)                                            \
  {                                                                            \
#key, DSP_FIELD_##type, G_STRUCT_OFFSET(WrittenPlan, key), flags, NULL,    \
        doc                                                                    \
  }

static const DspField plan_fields[] = {
    PLAN(method, STRING, 0, "method of sequence parallelism"),
    PLAN(variant, STRING, DSP_FIELD_OPTIONAL, "form of the method"),
    PLAN(degrees, OBJECT, DSP_FIELD_OPTIONAL, "ranks of each axis"),
    {NULL},
};

typedef struct {
  int64_t dp, sp, ulysses, ring, tp, cfg, pp;
} Degrees;

#define DEGREE(key)                                                            \
  {                                                                            \
#key, DSP_FIELD_COUNT, G_STRUCT_OFFSET(Degrees, key), DSP_FIELD_OPTIONAL,  \
        NULL, "ranks"                                                          \
  }

static const DspField degree_fields[] = {
    DEGREE(dp), DEGREE(sp),  DEGREE(ulysses), DEGREE(ring),
    DEGREE(tp), DEGREE(cfg), DEGREE(pp),      {NULL},
};

static gboolean find_method(const DspJson *json, const cJSON *node,
                            const WrittenPlan *text, DspMeasuredPlan *plan,
                            GError **error) {
  plan->method = dsp_method_find(text->method);
  if (!plan->method)
    return dsp_json_fail(json, cJSON_GetObjectItemCaseSensitive(node, "method"),
                         error, "no method '%s'", text->method);
  plan->variant =
      text->variant ? dsp_method_variant(plan->method, text->variant) : 0;
  if (plan->variant >= 0)
    return TRUE;
  g_autofree char *all = g_strjoinv(", ", (char **)plan->method->variants);
  return dsp_json_fail(json, cJSON_GetObjectItemCaseSensitive(node, "variant"),
                       error, "%s has no variant '%s' (%s)", text->method,
                       text->variant, all);
}

/* Degrees by the axes that carry them in this method. Those that the method
 * has no axis for stay on an axis that it does not use, so that the rules of
 * plans refuse them. */
static gboolean place_degrees(const DspJson *json, const cJSON *node,
                              const Degrees *d, DspMeasuredPlan *plan,
                              GError **error) {
  const guint axes = plan->method->axes;
  const char *name = plan->method->degree_names[DSP_AXIS_SP];
  const gboolean heads = name && strcmp(name, "ulysses") == 0;
  int64_t own = heads ? d->ulysses : d->sp, product;
  if (!(axes & (1u << DSP_AXIS_SP)))
    own = d->ulysses;
  plan->degree[DSP_AXIS_DP] = d->dp;
  plan->degree[DSP_AXIS_CFG] = d->cfg;
  plan->degree[DSP_AXIS_RING] = d->ring;
  plan->degree[DSP_AXIS_SP] = own;
  plan->degree[DSP_AXIS_TP] = d->tp;
  plan->pipeline = d->pp;
  if (own == d->sp && !heads && d->ulysses > 1)
    return dsp_json_fail(json, node, error, "%s has no 'ulysses' degree",
                         plan->method->name);
  if (!dsp_mul_int64(own, d->ring, &product) || product > MAX_GPUS ||
      (d->sp > 1 && d->sp != product))
    return dsp_json_fail(json, node, error,
                         "'sp' must be the product of the degrees of %s",
                         plan->method->name);
  return TRUE;
}

gboolean dsp_read_plan(const DspJson *json, const cJSON *node,
                       DspMeasuredPlan *plan, GError **error) {
  g_auto(WrittenPlan) text = {0};
  Degrees degrees = {1, 1, 1, 1, 1, 1, 1};
  if (!dsp_json_read(json, node, plan_fields, &text, error) ||
      !find_method(json, node, &text, plan, error))
    return FALSE;
  if (text.degrees &&
      !dsp_json_read(json, text.degrees, degree_fields, &degrees, error))
    return FALSE;
  return place_degrees(json, text.degrees ? text.degrees : node, &degrees, plan,
                       error);
}

/* --- checks -------------------------------------------------------------- */

static gboolean fail_key(const DspJson *json, const cJSON *node,
                         const char *key, GError **error, const char *message) {
  const cJSON *item = cJSON_GetObjectItemCaseSensitive(node, key);
  return dsp_json_fail(json, item ? item : node, error, "'%s' %s", key,
                       message);
}

/* Whether the product of the counts stays below 2^62, so that sums of a few
 * such products can be counted. */
static gboolean fits(const int64_t *counts, guint n) {
  int64_t product = 2;
  for (guint i = 0; i < n; i++)
    if (!dsp_mul_int64(product, counts[i], &product))
      return FALSE;
  return TRUE;
}

static gboolean check_fits(const DspJson *json, const cJSON *node,
                           const int64_t *counts, guint n, GError **error) {
  return fits(counts, n) || dsp_json_fail(json, node, error,
                                          "its sizes multiply to more than "
                                          "can be counted");
}

static gboolean check_heads(const DspJson *json, const cJSON *node,
                            int64_t heads, int64_t kv_heads, GError **error) {
  return heads % kv_heads == 0 ||
         fail_key(json, node, "kv_heads", error, "must divide 'heads'");
}

static gboolean check_gpus(const DspJson *json, const cJSON *node, int64_t gpus,
                           GError **error) {
  return gpus <= MAX_GPUS ||
         fail_key(json, node, "gpus", error, "must be at most 2^20");
}

static gboolean finish_collective(DspPointText *text, const DspJson *json,
                                  const cJSON *node, GError **error) {
  DspCollectivePoint *p = &text->point.collective;
  if (p->nccl && !dsp_parse_nccl_version(p->nccl, &p->version))
    return fail_key(json, node, "nccl", error,
                    "must be a version such as \"2.27.3\"");
  if (p->nodes > MAX_GPUS || p->gpus_per_node > MAX_GPUS / p->nodes)
    return fail_key(json, node, "nodes", error,
                    "times 'gpus_per_node' must be at most 2^20");
  return p->nodes * p->gpus_per_node > 1 ||
         fail_key(json, node, "gpus_per_node", error,
                  "must be at least 2 on one node");
}

static gboolean finish_gemm(DspPointText *text, const DspJson *json,
                            const cJSON *node, GError **error) {
  const DspGemmPoint *p = &text->point.gemm;
  return check_fits(json, node, (int64_t[]){p->m, p->n, p->k}, 3, error);
}

static gboolean finish_attention(DspPointText *text, const DspJson *json,
                                 const cJSON *node, GError **error) {
  const DspAttentionPoint *p = &text->point.attention;
  const int64_t sizes[] = {p->batch, p->heads, p->head_dim, p->seq_q, p->seq_k};
  if (p->causal && p->seq_q != p->seq_k)
    return fail_key(json, node, "causal", error,
                    "needs as many keys as queries");
  return check_heads(json, node, p->heads, p->kv_heads, error) &&
         check_fits(json, node, sizes, G_N_ELEMENTS(sizes), error);
}

static gboolean finish_memory(DspPointText *text, const DspJson *json,
                              const cJSON *node, GError **error) {
  (void)text, (void)json, (void)node, (void)error;
  return TRUE;
}

/* Lengths by name. Which dimensions there are, the model knows. */
static gboolean read_dims(DspStepPoint *p, const DspJson *json,
                          const cJSON *node, GError **error) {
  DspField fields[DSP_MAX_DIMS + 1] = {{NULL}};
  int64_t lengths[DSP_MAX_DIMS];
  guint n = 0;
  const cJSON *item;
  if (cJSON_GetArraySize(node) > DSP_MAX_DIMS)
    return dsp_json_fail(json, node, error, "at most %d dimensions",
                         DSP_MAX_DIMS);
  cJSON_ArrayForEach(item, node) {
    fields[n] = (DspField){item->string, DSP_FIELD_COUNT, n * sizeof *lengths};
    n++;
  }
  if (!dsp_json_read(json, node, fields, lengths, error))
    return FALSE;
  for (; p->n_dims < n; p->n_dims++)
    p->dims[p->n_dims] =
        (DspMeasuredDim){g_strdup(fields[p->n_dims].key), lengths[p->n_dims]};
  return TRUE;
}

static gboolean read_outside(DspStepPoint *p, const DspJson *json,
                             const cJSON *array, GError **error) {
  const cJSON *item;
  cJSON_ArrayForEach(item, array) {
    const char *name = cJSON_GetStringValue(item);
    guint i = 0;
    while (name && dsp_outside_names[i] &&
           strcmp(dsp_outside_names[i], name) != 0)
      i++;
    if (!name || !dsp_outside_names[i]) {
      g_autofree char *all = g_strjoinv(", ", (char **)dsp_outside_names);
      return dsp_json_fail(json, item, error, "'outside' must hold names of %s",
                           all);
    }
    p->outside |= 1u << i;
  }
  return TRUE;
}

static gboolean finish_step(DspPointText *text, const DspJson *json,
                            const cJSON *node, GError **error) {
  DspStepPoint *p = &text->point.step;
  enum { MAX_ZERO = 3 };
  if (p->zero > MAX_ZERO)
    return fail_key(json, node, "zero", error, "must be 0, 1, 2 or 3");
  if (p->outside_s > 0 && !text->outside)
    return fail_key(json, node, "outside_s", error, "needs 'outside'");
  return check_gpus(json, node, p->gpus, error) &&
         dsp_read_plan(json, text->plan, &p->plan, error) &&
         read_dims(p, json, text->dims, error) &&
         read_outside(p, json, text->outside, error);
}

static gboolean finish_layer(DspPointText *text, const DspJson *json,
                             const cJSON *node, GError **error) {
  DspLayerPoint *p = &text->point.layer;
  const int64_t sizes[] = {p->batch, p->heads, p->head_dim, p->seq, p->seq};
  return check_gpus(json, node, p->gpus, error) &&
         check_heads(json, node, p->heads, p->kv_heads, error) &&
         check_fits(json, node, sizes, G_N_ELEMENTS(sizes), error) &&
         dsp_read_plan(json, text->plan, &p->plan, error);
}

/* --- fields -------------------------------------------------------------- */

#define AT(member) G_STRUCT_OFFSET(DspPointText, member)
#define FIELD(key, member, type, flags, values, doc)                           \
  { key, DSP_FIELD_##type, AT(point.member), flags, values, doc }
#define OPTIONAL DSP_FIELD_OPTIONAL

/* What every point has. */
#define COMMON                                                                 \
  {"kind", DSP_FIELD_STRING, AT(kind), 0, NULL, "what was run"},               \
      FIELD("id", id, STRING, 0, NULL, "unique in the file"),                  \
      FIELD("group", group, STRING, OPTIONAL, NULL,                            \
            "of points that differ in one thing only"),                        \
      FIELD("spread", spread, NUMBER, OPTIONAL | DSP_FIELD_ZERO, NULL,         \
            "relative half-width of the measurement"),                         \
      FIELD("trust", trust, ENUM, OPTIONAL, dsp_trust_names,                   \
            "whether the machine was in order")
#define TIME FIELD("time_us", measured, NUMBER, 0, NULL, "measured")
#define DTYPE(member)                                                          \
  FIELD("dtype", member.dtype, ENUM, 0, dsp_dtype_names, "of the tensors")
#define COUNT(key, member, doc) FIELD(key, member, COUNT, 0, NULL, doc)
#define CLUSTER(member)                                                        \
  FIELD("cluster", member.cluster, STRING, 0, NULL, "name of a cluster")
#define GPU(member) FIELD("gpu", member.gpu, STRING, 0, NULL, "name of a GPU")
#define CLOCKS(member)                                                         \
  FIELD("clocks", member.clocks, ENUM, OPTIONAL, dsp_clocks_names,             \
        "of long runs, or of a moment")
#define HEADS(member)                                                          \
  COUNT("batch", member.batch, "sequences"),                                   \
      COUNT("heads", member.heads, "of queries"),                              \
      COUNT("kv_heads", member.kv_heads, "of keys and values"),                \
      COUNT("head_dim", member.head_dim, "width of a head"),                   \
      FIELD("causal", member.causal, BOOL, 0, NULL, "keys up to the query")
#define PLAN_OF(member)                                                        \
  {"plan", DSP_FIELD_OBJECT, AT(plan), 0, NULL, "method and degrees"},         \
      COUNT("gpus", member.gpus, "of all nodes")

static const DspField collective_fields[] = {
    COMMON,
    TIME,
    CLUSTER(collective),
    COUNT("nodes", collective.nodes, "that take part"),
    COUNT("gpus_per_node", collective.gpus_per_node, "that take part"),
    FIELD("collective", collective.collective, ENUM, 0, dsp_collective_names,
          "what was run"),
    COUNT("bytes", collective.bytes, "as nccl-tests counts size"),
    FIELD("nccl", collective.nccl, STRING, OPTIONAL, NULL, "version"),
    FIELD("processes", collective.processes, ENUM, OPTIONAL,
          dsp_processes_names, "that drive the GPUs"),
    {NULL},
};

static const DspField gemm_fields[] = {
    COMMON,
    TIME,
    GPU(gemm),
    COUNT("m", gemm.m, "rows of the product"),
    COUNT("n", gemm.n, "columns of the product"),
    COUNT("k", gemm.k, "terms of each sum"),
    DTYPE(gemm),
    CLOCKS(gemm),
    {NULL},
};

static const DspField attention_fields[] = {
    COMMON,
    TIME,
    GPU(attention),
    HEADS(attention),
    COUNT("seq_q", attention.seq_q, "queries of a sequence"),
    COUNT("seq_k", attention.seq_k, "keys of a sequence"),
    FIELD("pass", attention.pass, ENUM, 0, direction_names, "which pass"),
    DTYPE(attention),
    FIELD("kernel", attention.kernel, ENUM, OPTIONAL,
          dsp_attention_kernel_names, "which kernel"),
    CLOCKS(attention),
    {NULL},
};

static const DspField memory_fields[] = {
    COMMON,
    TIME,
    GPU(memory),
    FIELD("op", memory.op, ENUM, 0, dsp_memory_op_names, "what was run"),
    COUNT("bytes", memory.bytes, "ideal read and write"),
    FIELD("fused", memory.fused, BOOL, 0, NULL, "one kernel"),
    DTYPE(memory),
    {NULL},
};

static const DspField step_fields[] = {
    COMMON,
    FIELD("value", measured, NUMBER, 0, NULL, "measured"),
    FIELD("metric", step.metric, ENUM, 0, metric_names, "unit of 'value'"),
    FIELD("model", step.model, STRING, 0, NULL, "name of a model"),
    CLUSTER(step),
    PLAN_OF(step),
    FIELD("mode", step.mode, ENUM, 0, dsp_mode_names, "what a step does"),
    {"dims", DSP_FIELD_OBJECT, AT(dims), 0, NULL, "tokens of each dimension"},
    COUNT("batch", step.batch, "samples of a replica"),
    DTYPE(step),
    FIELD("evaluations", step.evaluations, COUNT, OPTIONAL, NULL,
          "forward passes that the time holds"),
    FIELD("guidance", step.guidance, ENUM, OPTIONAL, dsp_guidance_names,
          "classifier-free"),
    FIELD("recompute", step.recompute, ENUM, OPTIONAL, dsp_recompute_names,
          "of activations"),
    FIELD("zero", step.zero, COUNT, OPTIONAL | DSP_FIELD_ZERO, NULL,
          "stage of ZeRO"),
    FIELD("launch", step.launch, ENUM, OPTIONAL, dsp_launch_names,
          "how the CPU starts kernels"),
    FIELD("attention_kernel", step.kernel, ENUM, OPTIONAL,
          dsp_attention_kernel_names, "which kernel"),
    {"outside", DSP_FIELD_ARRAY, AT(outside), OPTIONAL, NULL,
     "what the time holds besides the model"},
    FIELD("outside_s", step.outside_s, NUMBER, OPTIONAL | DSP_FIELD_ZERO, NULL,
          "its seconds"),
    {NULL},
};

static const DspField layer_fields[] = {
    COMMON,
    TIME,
    CLUSTER(layer),
    PLAN_OF(layer),
    HEADS(layer),
    COUNT("seq", layer.seq, "tokens of the whole sequence"),
    FIELD("balance", layer.zigzag, ENUM, 0, balance_names,
          "how tokens are dealt out to a ring"),
    FIELD("pass", layer.pass, ENUM, 0, layer_pass_names, "which passes"),
    DTYPE(layer),
    FIELD("attention_kernel", layer.kernel, ENUM, OPTIONAL,
          dsp_attention_kernel_names, "which kernel"),
    {NULL},
};

/* What is not given is zero, or -1 where zero has a meaning. */
const DspPointKind dsp_point_kinds[DSP_N_MEASURED] = {
    [DSP_MEASURED_COLLECTIVE] = {collective_fields,
                                 {.collective = {.processes = -1}},
                                 finish_collective},
    [DSP_MEASURED_GEMM] = {gemm_fields, {0}, finish_gemm},
    [DSP_MEASURED_ATTENTION] = {attention_fields,
                                {.attention = {.kernel = -1}},
                                finish_attention},
    [DSP_MEASURED_MEMORY] = {memory_fields, {0}, finish_memory},
    [DSP_MEASURED_STEP] = {step_fields, {.step = {.kernel = -1}}, finish_step},
    [DSP_MEASURED_LAYER] = {layer_fields,
                            {.layer = {.kernel = -1}},
                            finish_layer},
};
