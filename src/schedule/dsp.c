/* SPDX-License-Identifier: Apache-2.0 */
/* Dynamic Sequence Parallelism (arXiv 2403.10266): streams stay sharded on the
 * home dimension; before a stage that mixes it they switch to a dimension that
 * the stage does not mix, and back where the next stage allows home again. A
 * switch is one all-to-all of the residual stream. Where every other dimension
 * is shorter than the degree (an image has one frame) the batch is sharded
 * instead, as VideoSys does. */
#include "schedule/build.h"
#include "schedule/rules.h"
#include <inttypes.h>

static const char *const variants[] = {"best", NULL};

static gboolean is_free(const DspStage *stage, int dim) {
  return !(stage->over & (1u << dim));
}

static int64_t length_of(const DspJob *job, int dim) {
  return dim == DSP_DIM_BATCH ? dsp_job_batch(job) : job->lengths.length[dim];
}

/* What part of the padded dimension is padding: the less, the better. */
static double padding(const DspJob *job, int dim, int64_t ranks) {
  int64_t length = length_of(job, dim);
  return (double)(dsp_divide_up(length, ranks) * ranks) / (double)length;
}

/* Where the stream lies during the stage: home if it may, else the free
 * dimension with the least padding, else the batch; DSP_DIM_NONE if neither
 * has an element for every rank. */
static int stage_dim(const DspJob *job, const DspPlan *plan,
                     const DspStage *stage, guint stream) {
  const DspStream *s = &job->model->streams[stream];
  int64_t ranks = plan->degree[DSP_AXIS_SP];
  int home = dsp_plan_home(job, plan, stream), best = DSP_DIM_NONE;
  if (home >= 0 && is_free(stage, home))
    return home;
  for (guint i = 0; i < s->n_dims; i++) {
    int dim = (int)s->dims[i];
    if (!is_free(stage, dim) || job->lengths.length[dim] < ranks)
      continue;
    if (best < 0 || padding(job, dim, ranks) < padding(job, best, ranks))
      best = dim;
  }
  if (best == DSP_DIM_NONE && length_of(job, DSP_DIM_BATCH) >= ranks)
    best = DSP_DIM_BATCH;
  return best;
}

static void move_to(DspBuilder *builder, guint stream, int dim) {
  int x = builder->value[stream];
  DspLayout layout = dsp_tensor(builder, x)->layout;
  if (layout.dim == dim)
    return;
  builder->value[stream] =
      dsp_apply(builder, (DspCall){.primitive = &dsp_switch,
                                   .x = x,
                                   .more = -1,
                                   .to = {dim, layout.ranks, 0, FALSE},
                                   .axis = DSP_AXIS_SP})
          .y;
}

static void begin_stage(DspBuilder *builder, const DspStage *stage) {
  const DspModel *model = builder->job->model;
  for (guint i = 0; i < model->n_streams; i++)
    if (dsp_stage_uses(stage, i) && model->streams[i].sharded)
      move_to(builder, i, stage_dim(builder->job, builder->plan, stage, i));
}

static void end_block(DspBuilder *builder) {
  const DspModel *model = builder->job->model;
  for (guint i = 0; i < model->n_streams; i++)
    if (model->streams[i].sharded)
      move_to(builder, i, dsp_plan_home(builder->job, builder->plan, i));
}

static gboolean check_stage(const DspJob *job, const DspPlan *plan,
                            const DspStage *stage, GError **error) {
  for (guint i = 0; i < job->model->n_streams; i++)
    if (dsp_stage_uses(stage, i) && job->model->streams[i].sharded &&
        stage_dim(job, plan, stage, i) == DSP_DIM_NONE)
      return dsp_refuse(error,
                        "stage '%s' leaves no dimension, and no batch, of at "
                        "least %" PRId64 " to shard",
                        stage->name, plan->degree[DSP_AXIS_SP]);
  return TRUE;
}

static gboolean check(const DspJob *job, const DspPlan *plan, GError **error) {
  const DspBlock *block;
  for (guint i = 0; (block = dsp_model_part(job->model, i)); i++)
    for (guint j = 0; j < block->n_stages; j++)
      if (!check_stage(job, plan, &block->stages[j], error))
        return FALSE;
  return TRUE;
}

const DspMethod dsp_method_dsp = {
    .name = "dsp",
    .summary = "switches the sharded dimension between stages",
    .variants = variants,
    .axes = 1u << DSP_AXIS_SP,
    .degree_names = {[DSP_AXIS_SP] = "sp"},
    .check = check,
    .begin_stage = begin_stage,
    .end_block = end_block,
};
