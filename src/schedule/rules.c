/* SPDX-License-Identifier: Apache-2.0 */
#include "schedule/rules.h"
#include "base/units.h"
#include "schedule/build.h"
#include <inttypes.h>
#include <math.h>

gboolean dsp_refuse(GError **error, const char *format, ...) {
  va_list arguments;
  if (!error)
    return FALSE;
  va_start(arguments, format);
  g_autofree char *reason = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  g_set_error_literal(error, DSP_ERROR, DSP_ERROR_INFEASIBLE, reason);
  return FALSE;
}

/* --- rules -------------------------------------------------------------------
 */

static gboolean degrees_fill_gpus(const DspJob *job, const DspPlan *plan,
                                  GError **error) {
  int64_t ranks = dsp_plan_ranks(plan);
  for (int i = 0; i < DSP_N_AXES; i++)
    if (plan->degree[i] < 1)
      return dsp_refuse(error, "degree of %s must be at least 1",
                        dsp_axis_names[i]);
  if (ranks != job->gpus)
    return dsp_refuse(error,
                      "degrees multiply to %" PRId64 " ranks, not to %u GPUs",
                      ranks, job->gpus);
  return TRUE;
}

static gboolean cluster_has_gpus(const DspJob *job, const DspPlan *plan,
                                 GError **error) {
  const DspCluster *c = job->cluster;
  (void)plan;
  if (c->max_nodes > 0 && job->gpus > c->max_nodes * c->gpus_per_node)
    return dsp_refuse(error, "%s has at most %" PRId64 " GPUs", c->name,
                      c->max_nodes * c->gpus_per_node);
  return TRUE;
}

static gboolean method_has_degree(const DspJob *job, const DspPlan *plan,
                                  GError **error) {
  const DspMethod *method = plan->method;
  (void)job;
  for (int i = DSP_AXIS_RING; i <= DSP_AXIS_SP; i++)
    if (plan->degree[i] > 1 && !(method->axes & (1u << i)))
      return dsp_refuse(error, "%s has no %s degree", method->name,
                        dsp_axis_names[i]);
  for (int i = 0; i < DSP_N_AXES; i++)
    if (plan->degree[i] == 1 && method->axes & (1u << i))
      return dsp_refuse(error, "%s needs a %s degree of at least 2",
                        method->name, method->degree_names[i]);
  return TRUE;
}

static gboolean guidance_has_ranks(const DspJob *job, const DspPlan *plan,
                                   GError **error) {
  gboolean parallel =
      job->mode == DSP_MODE_INFER && job->guidance == DSP_GUIDANCE_PARALLEL;
  int64_t cfg = plan->degree[DSP_AXIS_CFG];
  if (parallel && cfg != 2)
    return dsp_refuse(error, "parallel guidance needs a cfg degree of 2");
  if (!parallel && cfg != 1)
    return dsp_refuse(error, "a cfg degree above 1 needs parallel guidance in "
                             "inference");
  return TRUE;
}

static gboolean gpu_has_dtype(const DspJob *job, const DspPlan *plan,
                              GError **error) {
  const DspGpu *gpu = job->cluster->gpu;
  (void)plan;
  if (gpu->peak[job->dtype] > 0)
    return TRUE;
  return dsp_refuse(error, "%s has no tensor cores for %s", gpu->name,
                    dsp_dtype_names[job->dtype]);
}

/* No byte count of the schedule may overflow: the largest tensor, forward and
 * backward, in every rank, stays below 2^62 bytes. */
static gboolean sizes_fit(const DspJob *job, const DspPlan *plan,
                          GError **error) {
  const DspModel *model = job->model;
  enum { MOVES = 64, MAX_WIDTH = 1 << 20 };
  (void)plan;
  for (guint i = 0; i < model->n_streams; i++) {
    const DspStream *s = &model->streams[i];
    int64_t bytes = 2 * MOVES * (int64_t)MAX_WIDTH;
    gboolean fits = dsp_mul_int64(bytes, job->batch, &bytes);
    for (guint j = 0; fits && j < s->n_dims; j++)
      fits = dsp_mul_int64(bytes, job->lengths.length[s->dims[j]], &bytes);
    if (!fits)
      return dsp_refuse(error,
                        "stream '%s' has too many tokens: tensors would "
                        "exceed 2^63 bytes",
                        s->name);
  }
  return TRUE;
}

static gboolean shards_have_tokens(const DspJob *job, const DspPlan *plan,
                                   GError **error) {
  int64_t ranks = dsp_plan_sequence_degree(plan);
  for (guint i = 0; ranks > 1 && i < job->model->n_streams; i++) {
    const DspStream *s = &job->model->streams[i];
    if (!s->sharded || s->n_dims == 0 || dsp_plan_home(job, plan, i) >= 0)
      continue;
    if (plan->home >= 0)
      return dsp_refuse(error,
                        "dimension %s (%" PRId64
                        " tokens) is shorter than the degree %" PRId64,
                        job->model->dims[plan->home].name,
                        job->lengths.length[plan->home], ranks);
    return dsp_refuse(error,
                      "no dimension of stream '%s' has a token for each of "
                      "%" PRId64 " ranks",
                      s->name, ranks);
  }
  return TRUE;
}

/* A group that spans nodes fills whole nodes; one that does not, divides a
 * node: otherwise groups straddle nodes unevenly. */
static gboolean groups_tile_nodes(const DspJob *job, const DspPlan *plan,
                                  GError **error) {
  int64_t node =
      dsp_cluster_share(job->cluster, job->gpus) * job->cluster->domain_nodes;
  int64_t group = plan->degree[DSP_AXIS_TP] * dsp_plan_sequence_degree(plan);
  if (job->gpus <= node || group % node == 0 || node % group == 0)
    return TRUE;
  return dsp_refuse(
      error,
      "groups of %" PRId64 " ranks straddle nodes of %" PRId64
      " GPUs: the size must divide the node or be a multiple of it",
      group, node);
}

static gboolean tensor_parallel_divides(const DspJob *job, const DspPlan *plan,
                                        GError **error) {
  int64_t ranks = plan->degree[DSP_AXIS_TP];
  return ranks == 1 || (dsp_check_heads(job, ranks, error) &&
                        dsp_check_widths(job, ranks, error));
}

static gboolean method_accepts(const DspJob *job, const DspPlan *plan,
                               GError **error) {
  return !plan->method->check || plan->method->check(job, plan, error);
}

static gboolean (*const rules[])(const DspJob *, const DspPlan *, GError **) = {
    degrees_fill_gpus,  cluster_has_gpus,  method_has_degree,
    guidance_has_ranks, gpu_has_dtype,     sizes_fit,
    shards_have_tokens, groups_tile_nodes, tensor_parallel_divides,
    method_accepts,
};

gboolean dsp_plan_check(const DspJob *job, const DspPlan *plan,
                        GError **error) {
  for (guint i = 0; i < G_N_ELEMENTS(rules); i++)
    if (!rules[i](job, plan, error))
      return FALSE;
  return TRUE;
}

/* --- rules that methods share
 * ---------------------------------------------------- */

typedef gboolean (*OpRule)(const DspOp *op, int64_t ranks, GError **error);

static gboolean every_op(const DspModel *model, OpRule rule, int64_t ranks,
                         GError **error) {
  const DspBlock *block;
  for (guint i = 0; (block = dsp_model_part(model, i)); i++)
    for (guint j = 0; j < block->n_stages; j++)
      for (guint k = 0; k < block->stages[j].n_ops; k++)
        if (!rule(&block->stages[j].ops[k], ranks, error))
          return FALSE;
  return TRUE;
}

static gboolean heads_divide(const DspOp *op, int64_t ranks, GError **error) {
  if (op->heads % ranks)
    return dsp_refuse(error, "%" PRId64 " heads do not divide by %" PRId64,
                      op->heads, ranks);
  if (op->kv_heads && op->kv_heads % ranks && ranks % op->kv_heads)
    return dsp_refuse(error,
                      "%" PRId64 " key heads neither divide by %" PRId64
                      " nor into it",
                      op->kv_heads, ranks);
  return TRUE;
}

gboolean dsp_check_heads(const DspJob *job, int64_t ranks, GError **error) {
  return every_op(job->model, heads_divide, ranks, error);
}

static gboolean width_divides(const DspOp *op, int64_t ranks, GError **error) {
  int64_t width = op->tp == DSP_TP_COLUMN ? op->out : op->in;
  if (op->tp == DSP_TP_NONE || width % ranks == 0)
    return TRUE;
  return dsp_refuse(error,
                    "width %" PRId64 " of '%s' does not divide by %" PRId64,
                    width, op->name, ranks);
}

gboolean dsp_check_widths(const DspJob *job, int64_t ranks, GError **error) {
  return every_op(job->model, width_divides, ranks, error);
}

gboolean dsp_check_divided(const DspJob *job, const DspPlan *plan,
                           GError **error) {
  const DspModel *model = job->model;
  int home = dsp_plan_home(job, plan, 0);
  for (guint i = 0; i < model->n_blocks; i++)
    for (guint j = 0; j < model->blocks[i].n_stages; j++) {
      DspDimSet over = model->blocks[i].stages[j].over;
      if (over && home >= 0 && !(over & (1u << home)))
        return TRUE;
    }
  return dsp_refuse(error,
                    "the published code is for attention divided between "
                    "dimensions, which %s has not",
                    model->name);
}

/* --- the nearest plan
 * ---------------------------------------------------------------- */

static double distance(const DspPlan *a, const DspPlan *b) {
  double sum = 0;
  for (int i = DSP_AXIS_RING; i < DSP_N_AXES; i++)
    sum += fabs(log((double)a->degree[i] / (double)b->degree[i]));
  return sum;
}

typedef struct {
  DspPlan plan;
  double distance;
} Candidate;

typedef struct {
  const DspPlan *plan;
  GArray *candidates;
} Search;

static void add_candidate(Search *search, const DspPlan *plan) {
  const Candidate candidate = {*plan, distance(plan, search->plan)};
  if (candidate.distance > 0)
    g_array_append_val(search->candidates, candidate);
}

/* Sets the axes that carry the method, innermost last, to every divisor of what
 * is left, and dp to the rest. */
static void vary(Search *search, DspPlan *plan, int axis, int64_t left) {
  while (axis < DSP_N_AXES && !(plan->method->axes & (1u << axis)))
    axis++;
  if (axis == DSP_N_AXES) {
    plan->degree[DSP_AXIS_DP] = left;
    add_candidate(search, plan);
    return;
  }
  for (int64_t degree = 2; degree <= left; degree++)
    if (left % degree == 0) {
      plan->degree[axis] = degree;
      vary(search, plan, axis + 1, left / degree);
    }
}

static gint by_distance(gconstpointer a, gconstpointer b) {
  const double x = ((const Candidate *)a)->distance;
  const double y = ((const Candidate *)b)->distance;
  return (x > y) - (x < y);
}

/* Nearest first; of those as near, the one with the smaller outer degree, since
 * g_array_sort is stable. */
static GArray *list_candidates(const DspPlan *plan, int64_t left) {
  GArray *candidates = g_array_new(FALSE, FALSE, sizeof(Candidate));
  Search search = {plan, candidates};
  DspPlan candidate = *plan;
  vary(&search, &candidate, DSP_AXIS_RING, left);
  g_array_sort(candidates, by_distance);
  return candidates;
}

gboolean dsp_plan_nearest(const DspJob *job, const DspPlan *plan,
                          gboolean (*accepts)(const DspJob *, const DspPlan *,
                                              gpointer),
                          gpointer data, DspPlan *nearest) {
  *nearest = *plan;
  int64_t left = job->gpus;
  for (int i = 0; i < DSP_N_AXES; i++)
    if (i != DSP_AXIS_DP && !(plan->method->axes & (1u << i))) {
      if (left % plan->degree[i])
        return FALSE;
      left /= plan->degree[i];
    }
  g_autoptr(GArray) candidates = list_candidates(plan, left);
  for (guint i = 0; i < candidates->len; i++) {
    const DspPlan *other = &g_array_index(candidates, Candidate, i).plan;
    if (dsp_plan_check(job, other, NULL) &&
        (!accepts || accepts(job, other, data))) {
      *nearest = *other;
      return TRUE;
    }
  }
  return FALSE;
}

/* The degree that the method carries, on all its axes together. */
static int64_t carried(const DspPlan *plan) {
  int64_t degree = 1;
  for (int i = 0; i < DSP_N_AXES; i++)
    if (plan->method->axes & (1u << i))
      degree *= plan->degree[i];
  return degree;
}

/* `plan` under another method: the degree on that method's innermost axis, a
 * ring of two where it has both. A degree of one becomes two. */
static DspPlan converted(const DspPlan *plan, const DspMethod *method,
                         int64_t gpus) {
  DspPlan other = *plan;
  int64_t degree = MAX(carried(plan), 2);
  other.method = method;
  other.variant = 0;
  for (int i = 0; i < DSP_N_AXES; i++)
    if (i != DSP_AXIS_CFG && ((plan->method->axes | method->axes) & (1u << i)))
      other.degree[i] = 1;
  for (int i = DSP_AXIS_RING; i < DSP_N_AXES; i++)
    if (method->axes & (1u << i)) {
      gboolean last = !(method->axes >> (i + 1));
      other.degree[i] = last ? degree : 2;
      degree = last ? 1 : degree / 2;
    }
  other.degree[DSP_AXIS_DP] = 1;
  int64_t rest = dsp_plan_ranks(&other);
  other.degree[DSP_AXIS_DP] = rest > 0 ? gpus / rest : 0;
  return other;
}

gboolean dsp_plan_alternative(const DspJob *job, const DspPlan *plan,
                              gboolean (*accepts)(const DspJob *,
                                                  const DspPlan *, gpointer),
                              gpointer data, DspPlan *alternative) {
  const DspMethod *const *methods;
  guint n = dsp_methods(&methods);
  for (guint i = 0; i < n; i++) {
    const DspMethod *method = i == 0 ? plan->method : methods[i];
    if (!method->axes || (i > 0 && method == plan->method))
      continue;
    DspPlan other = converted(plan, method, job->gpus);
    *alternative = other;
    if (dsp_plan_check(job, &other, NULL) &&
        (!accepts || accepts(job, &other, data)))
      return TRUE;
    if (dsp_plan_nearest(job, &other, accepts, data, alternative))
      return TRUE;
  }
  return FALSE;
}

/* The one that codes have: no need to say which. */
static gboolean is_plain(const DspPlan *plan) {
  const DspMethod *method = plan->method;
  for (guint i = 1; method->variants[i]; i++)
    if (!(method->proposed & (1u << i)))
      return FALSE;
  return plan->variant == 0;
}

char *dsp_plan_describe(const DspPlan *plan) {
  GString *text = g_string_new(plan->method->name);
  if (!is_plain(plan))
    g_string_append_printf(text, " (%s)",
                           plan->method->variants[plan->variant]);
  for (int i = DSP_N_AXES; i-- > 0;)
    if (plan->degree[i] > 1)
      g_string_append_printf(text, " %s=%" PRId64,
                             plan->method->degree_names[i]
                                 ? plan->method->degree_names[i]
                                 : dsp_axis_names[i],
                             plan->degree[i]);
  return g_string_free(text, FALSE);
}
