/* SPDX-License-Identifier: Apache-2.0 */
#include "measurement/predict-point.h"
#include "kernel/kernel.h"
#include "measurement/layer.h"
#include "schedule/rules.h"
#include "sim/predict.h"
#include <math.h>
#include <string.h>

typedef gboolean (*Predict)(DspInventory *inventory, const DspPoint *point,
                            double *predicted, GError **error);

#define MICRO 1e6

double dsp_collective_point_time(const DspCollectivePoint *point,
                                 const DspPrice *price) {
  enum { PER_GPU, ONE }; /* dsp_processes_names */
  return point->processes == ONE
             ? dsp_price_by_one_process(price, (guint)point->gpus_per_node,
                                        point->version)
             : price->time;
}

static gboolean predict_collective(DspInventory *inventory,
                                   const DspPoint *point, double *predicted,
                                   GError **error) {
  const DspCollectivePoint *p = &point->collective;
  const DspCluster *cluster =
      dsp_inventory_cluster(inventory, p->cluster, p->version, error);
  if (!cluster)
    return FALSE;
  const DspAxis all = {(guint)(p->nodes * p->gpus_per_node),
                       (guint)(p->nodes * p->gpus_per_node), 1};
  DspPrices *prices = dsp_inventory_prices(inventory, cluster, (guint)p->nodes,
                                           (guint)p->gpus_per_node, error);
  if (!prices)
    return FALSE;
  *predicted =
      MICRO * dsp_collective_point_time(
                  p, dsp_prices_get(prices, &all, -1,
                                    (DspCollective)p->collective, p->bytes));
  return TRUE;
}

static gboolean gpu_has_dtype(const DspGpu *gpu, int dtype, GError **error) {
  return gpu->peak[dtype] > 0 ||
         dsp_refuse(error, "%s has no tensor cores for %s", gpu->name,
                    dsp_dtype_names[dtype]);
}

static gboolean predict_gemm(DspInventory *inventory, const DspPoint *point,
                             double *predicted, GError **error) {
  const DspGemmPoint *p = &point->gemm;
  const DspGpu *gpu = dsp_inventory_gpu(inventory, p->gpu, error);
  const DspGemm gemm = {p->m, p->n, p->k, (DspDtype)p->dtype};
  if (!gpu || !gpu_has_dtype(gpu, p->dtype, error))
    return FALSE;
  *predicted = MICRO * dsp_gemm_time(gpu, &gemm, (DspClocks)p->clocks);
  return TRUE;
}

static DspAttentionKernel kernel_of(const DspGpu *gpu, int kernel) {
  return kernel < 0 ? dsp_attention_usual(gpu) : (DspAttentionKernel)kernel;
}

static gboolean predict_attention(DspInventory *inventory,
                                  const DspPoint *point, double *predicted,
                                  GError **error) {
  const DspAttentionPoint *p = &point->attention;
  const DspGpu *gpu = dsp_inventory_gpu(inventory, p->gpu, error);
  const DspAttentionShape shape = {.batch = p->batch,
                                   .heads = p->heads,
                                   .kv_heads = p->kv_heads,
                                   .head_dim = p->head_dim,
                                   .seq_q = p->seq_q,
                                   .seq_k = p->seq_k,
                                   .causal = p->causal,
                                   .dtype = (DspDtype)p->dtype};
  if (!gpu || !gpu_has_dtype(gpu, p->dtype, error))
    return FALSE;
  *predicted = MICRO * dsp_attention_time(gpu, &shape, (DspDirection)p->pass,
                                          kernel_of(gpu, p->kernel),
                                          (DspClocks)p->clocks);
  return TRUE;
}

/* Operations that the framework runs as a chain of kernels, as the schedules of
 * models have them; moves: of the fused ideal, in units of the tensor. */
static const struct {
  DspOpKind kind;
  int moves; /* 0: no such operation */
  DspPass pass;
} chains[DSP_N_MEMORY_OPS] = {
    [DSP_MEMORY_NORM] = {DSP_OP_NORM, 2, DSP_PASS_FORWARD},
    [DSP_MEMORY_NORM_BACKWARD] = {DSP_OP_NORM, 3, DSP_PASS_BACKWARD},
    [DSP_MEMORY_ROPE] = {DSP_OP_ROPE, 2, DSP_PASS_FORWARD},
};

static DspLayer *chain_of(const DspMemoryPoint *p) {
  enum { WIDTH = 1024 }; /* any: only bytes count */
  const DspOp op = {
      .kind = chains[p->op].kind, .rms = TRUE, .in = WIDTH, .out = WIDTH};
  const int64_t row = (int64_t)chains[p->op].moves * WIDTH *
                      dsp_dtype_bytes((DspDtype)p->dtype);
  return dsp_layer_new(&op, MAX(p->bytes / row, 1));
}

static gboolean predict_chain(DspInventory *inventory, const DspMemoryPoint *p,
                              double *predicted, GError **error) {
  g_autofree char *one = g_strdup_printf("node:1 gpu:1 type:%s", p->gpu);
  if (!chains[p->op].moves)
    return dsp_refuse(error, "no operation of models is such a chain of '%s'",
                      dsp_memory_op_names[p->op]);
  const DspCluster *cluster = dsp_inventory_cluster(inventory, one, 0, error);
  DspPrices *prices =
      cluster ? dsp_inventory_prices(inventory, cluster, 0, 1, error) : NULL;
  if (!prices)
    return FALSE;
  const DspJob job = {.cluster = cluster,
                      .gpus = 1,
                      .mode = DSP_MODE_TRAIN,
                      .batch = 1,
                      .dtype = (DspDtype)p->dtype};
  const DspPlan plan = {.method = dsp_method_find("single"),
                        .degree = {1, 1, 1, 1, 1},
                        .home = -1};
  g_autoptr(DspLayer) layer = chain_of(p);
  double seconds[DSP_N_PASSES];
  if (!dsp_layer_time(layer, &job, &plan, prices, seconds, error))
    return FALSE;
  *predicted = MICRO * seconds[chains[p->op].pass];
  return TRUE;
}

static gboolean predict_memory(DspInventory *inventory, const DspPoint *point,
                               double *predicted, GError **error) {
  const DspMemoryPoint *p = &point->memory;
  const DspGpu *gpu = dsp_inventory_gpu(inventory, p->gpu, error);
  if (!gpu)
    return FALSE;
  if (!p->fused)
    return predict_chain(inventory, p, predicted, error);
  *predicted = MICRO * dsp_memory_time(gpu, (DspMemoryOp)p->op,
                                       (double)p->bytes, p->fused);
  return TRUE;
}

/* --- plans --------------------------------------------------------------- */

/* A run that does not say so keeps activations and divides nothing. */
static gboolean plan_of(const DspMeasuredPlan *measured, DspPlan *plan,
                        GError **error) {
  *plan = (DspPlan){.method = measured->method,
                    .variant = (guint)measured->variant,
                    .home = -1};
  memcpy(plan->degree, measured->degree, sizeof plan->degree);
  return measured->pipeline == 1 ||
         dsp_refuse(error, "pipeline parallelism is not modelled");
}

/* --- steps --------------------------------------------------------------- */

static gboolean set_lengths(DspJob *job, const DspStepPoint *p,
                            GError **error) {
  job->lengths = dsp_model_default_lengths(job->model);
  for (guint i = 0; i < p->n_dims; i++) {
    g_autoptr(GError) cause = NULL;
    const int dim = dsp_model_dim(job->model, p->dims[i].name);
    if (dim < 0)
      return dsp_refuse(error, "%s has no dimension '%s'", p->model,
                        p->dims[i].name);
    if (!dsp_model_set_length(job->model, (guint)dim, p->dims[i].length,
                              &job->lengths, &cause))
      return dsp_refuse(error, "%s", cause->message);
  }
  return TRUE;
}

static gboolean job_of(DspInventory *inventory, const DspStepPoint *p,
                       DspJob *job, GError **error) {
  const DspModel *model = dsp_inventory_model(inventory, p->model, error);
  const DspCluster *cluster =
      model ? dsp_inventory_cluster(inventory, p->cluster, 0, error) : NULL;
  if (!cluster)
    return FALSE;
  *job = (DspJob){.model = model,
                  .cluster = cluster,
                  .gpus = (guint)p->gpus,
                  .mode = (DspMode)p->mode,
                  .batch = p->batch,
                  .dtype = (DspDtype)p->dtype,
                  .guidance = (DspGuidance)p->guidance,
                  .launch = (DspLaunch)p->launch,
                  .attention_kernel = kernel_of(cluster->gpu, p->kernel),
                  .evaluations = p->evaluations};
  return set_lengths(job, p, error);
}

/* Time of what runs besides the model: the measured one where it is known, else
 * that of decoding what was sampled, on one GPU. */
static double outside_time(const DspStepPoint *p, const DspJob *job) {
  if (p->outside_s > 0 || job->mode == DSP_MODE_TRAIN ||
      !(p->outside & DSP_OUTSIDE_VAE))
    return p->outside_s;
  const double flop = dsp_model_decode_flop(job->model, &job->lengths);
  return (double)p->batch *
         dsp_decode_time(job->cluster->gpu, flop, job->dtype);
}

/* The prediction in the unit of the point's metric. */
static double in_metric(const DspStepPoint *p, const DspJob *job,
                        const DspPrediction *prediction, const DspPlan *plan) {
  const double run = prediction->run_time > 0 ? prediction->run_time
                                              : prediction->sim.step_time;
  const double time = run + outside_time(p, job);
  const double samples = (double)p->batch * (double)plan->degree[DSP_AXIS_DP];
  return p->metric == DSP_METRIC_SAMPLES ? samples / time : time;
}

static gboolean predict_step(DspInventory *inventory, const DspPoint *point,
                             double *predicted, GError **error) {
  const DspStepPoint *p = &point->step;
  DspJob job;
  DspPlan plan;
  if (!plan_of(&p->plan, &plan, error) || !job_of(inventory, p, &job, error))
    return FALSE;
  if (job.mode == DSP_MODE_TRAIN) {
    plan.recompute = (DspRecompute)p->recompute;
    plan.zero = (int)p->zero;
  }
  DspPrices *prices =
      dsp_inventory_prices(inventory, job.cluster, 0, job.gpus, error);
  if (!prices)
    return FALSE;
  DspPrediction prediction;
  const DspSimOptions options = {
      .observer = dsp_inventory_watch(inventory, &plan, prices)};
  dsp_predict(&job, &plan, prices, &options, &prediction);
  if (prediction.feasible)
    *predicted = in_metric(p, &job, &prediction, &plan);
  else
    dsp_refuse(error, "%s", prediction.reason);
  const gboolean feasible = prediction.feasible;
  dsp_prediction_clear(&prediction);
  return feasible;
}

guint dsp_point_unmodelled(const DspPoint *point) {
  const DspStepPoint *p = &point->step;
  if (point->kind != DSP_MEASURED_STEP || p->outside_s > 0)
    return 0;
  return p->outside &
         ~(p->mode == DSP_MODE_TRAIN ? (guint)DSP_OUTSIDE_OPTIMIZER : 0);
}

/* --- attention layers ---------------------------------------------------- */

/* The variant whose ring deals out tokens as the run did. */
static gboolean choose_variant(const DspLayerPoint *p, DspPlan *plan,
                               GError **error) {
  const DspMethod *method = plan->method;
  if (!p->causal || plan->degree[DSP_AXIS_RING] == 1)
    return TRUE;
  for (plan->variant = 0; method->variants[plan->variant]; plan->variant++)
    if (((method->balanced >> plan->variant) & 1) == (guint)p->zigzag)
      return TRUE;
  return dsp_refuse(error, "%s has no ring %s zigzag", method->name,
                    p->zigzag ? "with" : "without");
}

static gboolean predict_layer(DspInventory *inventory, const DspPoint *point,
                              double *predicted, GError **error) {
  const DspLayerPoint *p = &point->layer;
  const DspCluster *cluster =
      dsp_inventory_cluster(inventory, p->cluster, 0, error);
  DspPlan plan;
  if (!cluster || !plan_of(&p->plan, &plan, error) ||
      !choose_variant(p, &plan, error))
    return FALSE;
  const DspOp op = {.kind = DSP_OP_ATTENTION,
                    .in = (p->heads + 2 * p->kv_heads) * p->head_dim,
                    .out = p->heads * p->head_dim,
                    .heads = p->heads,
                    .kv_heads = p->kv_heads,
                    .head_dim = p->head_dim,
                    .causal = p->causal};
  const DspJob job = {.cluster = cluster,
                      .gpus = (guint)p->gpus,
                      .mode = p->pass == DSP_LAYER_BOTH ? DSP_MODE_TRAIN
                                                        : DSP_MODE_INFER,
                      .batch = p->batch,
                      .dtype = (DspDtype)p->dtype,
                      .attention_kernel = kernel_of(cluster->gpu, p->kernel)};
  DspPrices *prices =
      dsp_inventory_prices(inventory, cluster, 0, job.gpus, error);
  g_autoptr(DspLayer) layer = dsp_layer_new(&op, p->seq);
  double seconds[DSP_N_PASSES];
  if (!prices || !dsp_layer_time(layer, &job, &plan, prices, seconds, error))
    return FALSE;
  *predicted = MICRO * (seconds[DSP_PASS_FORWARD] + seconds[DSP_PASS_BACKWARD]);
  return TRUE;
}

gboolean dsp_point_predict(DspInventory *inventory, const DspPoint *point,
                           double *predicted, GError **error) {
  static const Predict predicts[DSP_N_MEASURED] = {
      [DSP_MEASURED_COLLECTIVE] = predict_collective,
      [DSP_MEASURED_GEMM] = predict_gemm,
      [DSP_MEASURED_ATTENTION] = predict_attention,
      [DSP_MEASURED_MEMORY] = predict_memory,
      [DSP_MEASURED_STEP] = predict_step,
      [DSP_MEASURED_LAYER] = predict_layer,
  };
  return predicts[point->kind](inventory, point, predicted, error);
}
