/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/cost.h"
#include "kernel/kernel.h"

/* A send/recv is a call for each message of either way. */
static double calls_time(const DspLaunchCosts *launch, const DspExchange *e) {
  return launch->collective *
         (e->collective == DSP_SENDRECV ? (double)(2 * e->calls) : 1);
}

/* The CPU's time for one step: that of its kernels and, forward, of the Python
 * around an operation or the packing of an exchange. The backward pass is the
 * framework's own, and dearer. A graph replays what was issued before. */
static double eager_time(const DspLaunchCosts *launch, const DspStep *step) {
  gboolean python = step->op && (step->role == DSP_ROLE_COMPUTE ||
                                 step->role == DSP_ROLE_PACK);
  if (step->pass == DSP_PASS_BACKWARD)
    return launch->eager_backward * step->kernels;
  return launch->eager_forward * step->kernels +
         (python ? launch->operation : 0);
}

static double issue_time(const DspJob *job, const DspStep *step) {
  const DspLaunchCosts *launch = &job->cluster->launch;
  if (job->launch == DSP_LAUNCH_GRAPH)
    return launch->graph *
           (step->kind == DSP_STEP_COLLECTIVE ? 1 : step->kernels);
  if (step->kind == DSP_STEP_COLLECTIVE)
    return calls_time(launch, &step->exchange);
  return job->launch == DSP_LAUNCH_COMPILED ? launch->compiled * step->kernels
                                            : eager_time(launch, step);
}

/* FLOP of attention: 4 forward, 10 backward (five products) a query, key and
 * head dimension; half if causal. */
static double attention_flop(const DspAttentionShape *s,
                             DspDirection direction) {
  double pairs = (double)s->batch * (double)s->heads * (double)s->seq_q *
                 (double)s->seq_k * (s->causal ? 0.5 : 1.0);
  return pairs * (double)s->head_dim * (direction == DSP_FORWARD ? 4 : 10);
}

static double gemm_flop(const DspGemm *g) {
  return 2.0 * (double)g->m * (double)g->n * (double)g->k;
}

static double memory_time(const DspGpu *gpu, const DspMemoryWork *work) {
  double time = 0;
  for (int i = 0; i < DSP_MEMORY_PARTS; i++) {
    const DspMemoryPart *part = &work->parts[i];
    if (part->kernels > 0)
      time += part->kernels *
              dsp_memory_time(gpu, part->op,
                              (double)part->bytes / part->kernels, work->fused);
  }
  return time;
}

/* Forward, `out` is made by so many products. */
static double gemm_time(const DspGpu *gpu, const DspStep *step,
                        DspClocks clocks) {
  DspGemm part = step->gemm;
  int products = step->role == DSP_ROLE_COMPUTE ? step->kernels : 1;
  for (int i = 0; i < DSP_MEMORY_PARTS; i++)
    products -= step->memory.parts[i].kernels;
  products = MAX(products, 1);
  part.n /= products;
  return products * dsp_gemm_time(gpu, &part, clocks);
}

static double attention_time(const DspJob *job, const DspStep *step,
                             DspClocks clocks) {
  return dsp_attention_time(job->cluster->gpu, &step->attention.shape,
                            step->attention.direction, job->attention_kernel,
                            clocks);
}

DspStepCost dsp_step_cost(const DspJob *job, const DspStep *step) {
  const DspGpu *gpu = job->cluster->gpu;
  const double copies = memory_time(gpu, &step->memory);
  DspStepCost cost = {copies, copies, 0, issue_time(job, step)};
  switch (step->kind) {
  case DSP_STEP_GEMM:
    cost.time += gemm_time(gpu, step, DSP_CLOCKS_SUSTAINED);
    cost.boost += gemm_time(gpu, step, DSP_CLOCKS_BOOST);
    cost.bound = dsp_flop_bound(gpu, gemm_flop(&step->gemm), job->dtype);
    break;
  case DSP_STEP_ATTENTION:
    cost.time += attention_time(job, step, DSP_CLOCKS_SUSTAINED);
    cost.boost += attention_time(job, step, DSP_CLOCKS_BOOST);
    cost.bound = dsp_flop_bound(
        gpu, attention_flop(&step->attention.shape, step->attention.direction),
        job->dtype);
    break;
  case DSP_STEP_MEMORY:
  case DSP_STEP_COLLECTIVE:
    break;
  }
  return cost;
}
