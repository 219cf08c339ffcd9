/* SPDX-License-Identifier: Apache-2.0 */
#include "schedule/plan.h"

const char *const dsp_mode_names[] = {"train", "infer", NULL};
const char *const dsp_guidance_names[] = {"none", "batched", "parallel", NULL};
const char *const dsp_launch_names[] = {"eager", "compiled", "graph", NULL};
const char *const dsp_recompute_names[] = {"none", "full", NULL};
const char *const dsp_axis_names[] = {"dp", "cfg",      "ring",     "sp",
                                      "tp", "sequence", "replicas", NULL};

int64_t dsp_plan_ranks(const DspPlan *plan) {
  int64_t ranks = 1;
  for (int i = 0; i < DSP_N_AXES; i++)
    ranks *= plan->degree[i];
  return ranks;
}

int64_t dsp_plan_sequence_degree(const DspPlan *plan) {
  return plan->degree[DSP_AXIS_RING] * plan->degree[DSP_AXIS_SP];
}

/* First and last axis of each name; axes between them are neighbours. */
static const struct {
  DspAxisName first, last;
} spans[DSP_N_GROUPS] = {
    [DSP_AXIS_DP] = {DSP_AXIS_DP, DSP_AXIS_DP},
    [DSP_AXIS_CFG] = {DSP_AXIS_CFG, DSP_AXIS_CFG},
    [DSP_AXIS_RING] = {DSP_AXIS_RING, DSP_AXIS_RING},
    [DSP_AXIS_SP] = {DSP_AXIS_SP, DSP_AXIS_SP},
    [DSP_AXIS_TP] = {DSP_AXIS_TP, DSP_AXIS_TP},
    [DSP_AXIS_SEQUENCE] = {DSP_AXIS_RING, DSP_AXIS_SP},
    [DSP_AXIS_REPLICAS] = {DSP_AXIS_DP, DSP_AXIS_SP},
};

DspAxis dsp_plan_axis(const DspPlan *plan, DspAxisName axis) {
  DspAxis ranks = {(guint)dsp_plan_ranks(plan), 1, 1};
  for (int i = spans[axis].first; i <= (int)spans[axis].last; i++)
    ranks.size *= (guint)plan->degree[i];
  for (int i = spans[axis].last + 1; i < DSP_N_AXES; i++)
    ranks.stride *= (guint)plan->degree[i];
  return ranks;
}

static gboolean can_be_home(const DspJob *job, const DspPlan *plan, int dim) {
  return job->lengths.length[dim] >= dsp_plan_sequence_degree(plan);
}

static gboolean has_dim(const DspStream *stream, int dim) {
  for (guint i = 0; i < stream->n_dims; i++)
    if ((int)stream->dims[i] == dim)
      return TRUE;
  return FALSE;
}

int dsp_plan_home(const DspJob *job, const DspPlan *plan, guint stream) {
  const DspStream *s = &job->model->streams[stream];
  if (!s->sharded)
    return -1;
  if (plan->home >= 0 && has_dim(s, plan->home))
    return can_be_home(job, plan, plan->home) ? plan->home : -1;
  if (job->model->home_dim >= 0 && has_dim(s, job->model->home_dim) &&
      can_be_home(job, plan, job->model->home_dim))
    return job->model->home_dim;
  for (guint i = 0; i < s->n_dims; i++)
    if (can_be_home(job, plan, (int)s->dims[i]))
      return (int)s->dims[i];
  return -1;
}

int64_t dsp_job_batch(const DspJob *job) {
  gboolean doubled =
      job->mode == DSP_MODE_INFER && job->guidance == DSP_GUIDANCE_BATCHED;
  return doubled ? 2 * job->batch : job->batch;
}
