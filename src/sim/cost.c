/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/cost.h"
#include "kernel/kernel.h"

/* The CPU's time for one operation of the framework. A graph replays what was
 * issued before; autograd makes the backward pass dearer. */
static double issue_time(const DspJob *job, const DspStep *step) {
  const DspLaunchCosts *launch = &job->cluster->launch;
  gboolean backward = step->pass == DSP_PASS_BACKWARD;
  if (step->kind == DSP_STEP_COLLECTIVE)
    return job->launch == DSP_LAUNCH_GRAPH ? launch->graph : launch->collective;
  const double each[] = {[DSP_LAUNCH_EAGER] = backward ? launch->eager_backward
                                                       : launch->eager_forward,
                         [DSP_LAUNCH_COMPILED] = launch->compiled,
                         [DSP_LAUNCH_GRAPH] = launch->graph};
  return each[job->launch] * step->kernels;
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

static double gemm_time(const DspGpu *gpu, const DspStep *step) {
  DspGemm part = step->gemm;
  if (step->kernels > 1 && step->role == DSP_ROLE_COMPUTE)
    part.n /= step->kernels;
  else
    return dsp_gemm_time(gpu, &part, DSP_CLOCKS_SUSTAINED);
  return step->kernels * dsp_gemm_time(gpu, &part, DSP_CLOCKS_SUSTAINED);
}

DspStepCost dsp_step_cost(const DspJob *job, const DspStep *step) {
  const DspGpu *gpu = job->cluster->gpu;
  DspStepCost cost = {0, 0, issue_time(job, step)};
  switch (step->kind) {
  case DSP_STEP_GEMM:
    cost.time = gemm_time(gpu, step);
    cost.bound = dsp_flop_bound(gpu, gemm_flop(&step->gemm), job->dtype);
    break;
  case DSP_STEP_ATTENTION:
    cost.time = dsp_attention_time(gpu, &step->attention.shape,
                                   step->attention.direction,
                                   job->attention_kernel, DSP_CLOCKS_SUSTAINED);
    cost.bound = dsp_flop_bound(
        gpu, attention_flop(&step->attention.shape, step->attention.direction),
        job->dtype);
    break;
  case DSP_STEP_MEMORY:
    cost.time = memory_time(gpu, &step->memory);
    break;
  case DSP_STEP_COLLECTIVE:
    break;
  }
  return cost;
}
