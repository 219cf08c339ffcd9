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

/* pipelined: a stage away from home is run slice by slice, so that the switches
 * of one slice go beside the work on others. No published code does it. */
static const char *const variants[] = {"best", "pipelined-2", "pipelined-4",
                                       NULL};
static const int slices_of[] = {1, 2, 4};
enum { MOST_SLICES = 4, PIPELINED = 1u << 1 | 1u << 2 };

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

static void move_streams(DspBuilder *builder, const DspStage *stage) {
  const DspModel *model = builder->job->model;
  for (guint i = 0; i < model->n_streams; i++)
    if (dsp_stage_uses(stage, i) && model->streams[i].sharded)
      move_to(builder, i, stage_dim(builder->job, builder->plan, stage, i));
}

/* --- slice by slice --------------------------------------------------------
 */

/* Nothing but the stage's own stream, token by token or mixed along dimensions
 * that are not sliced. */
static gboolean is_separable(const DspStage *stage, const DspOp *op) {
  static const gboolean kinds[DSP_N_OPS] = {
      [DSP_OP_NORM] = TRUE,       [DSP_OP_MODULATE] = TRUE,
      [DSP_OP_QK_NORM] = TRUE,    [DSP_OP_ROPE] = TRUE,
      [DSP_OP_ACTIVATION] = TRUE, [DSP_OP_RESIDUAL] = TRUE,
      [DSP_OP_LINEAR] = TRUE,     [DSP_OP_ATTENTION] = TRUE,
      [DSP_OP_PARAMETERS] = TRUE};
  return kinds[op->kind] && op->stream == stage->stream && !op->global &&
         op->shared_with < 0 && op->joint < 0 && op->source < 0;
}

/* Where the stream lies after the stage: as the next stage of the block that
 * uses it wants it, or at home. */
static int next_dim(const DspBuilder *builder, const DspStage *stage) {
  const DspBlock *block = builder->segment->block;
  for (const DspStage *next = stage + 1; next < block->stages + block->n_stages;
       next++)
    if (dsp_stage_uses(next, stage->stream))
      return stage_dim(builder->job, builder->plan, next, stage->stream);
  return dsp_plan_home(builder->job, builder->plan, stage->stream);
}

/* The stream comes from one dimension and goes to one, and every rank has a
 * token for each slice of that of the stage. */
static gboolean can_slice(const DspBuilder *builder, const DspStage *stage) {
  const DspJob *job = builder->job;
  const guint stream = stage->stream;
  if (!job->model->streams[stream].sharded)
    return FALSE;
  const DspLayout layout = dsp_tensor(builder, builder->value[stream])->layout;
  const int dim = stage_dim(job, builder->plan, stage, stream);
  const int slices = slices_of[builder->plan->variant];
  for (guint i = 0; i < stage->n_ops; i++)
    if (!is_separable(stage, &stage->ops[i]))
      return FALSE;
  return slices > 1 && layout.dim >= 0 && dim >= 0 && dim != layout.dim &&
         next_dim(builder, stage) != dim && next_dim(builder, stage) >= 0 &&
         job->lengths.length[dim] >= slices * layout.ranks;
}

static DspCall apply_switch(DspBuilder *builder, const DspPrimitive *part,
                            int x, int y, int buffer, DspLayout to) {
  return dsp_apply(builder, (DspCall){.primitive = part,
                                      .x = x,
                                      .y = y,
                                      .more = buffer,
                                      .to = to,
                                      .axis = DSP_AXIS_SP});
}

/* All slices are on their way before the first is worked on. */
static void run_sliced(DspBuilder *builder, const DspStage *stage) {
  int *value = &builder->value[stage->stream], x = *value, y = -1;
  const int64_t ranks = dsp_tensor(builder, x)->layout.ranks;
  const int64_t column = builder->column;
  const int slices = slices_of[builder->plan->variant];
  DspLayout in = {
      .dim = stage_dim(builder->job, builder->plan, stage, stage->stream),
      .ranks = ranks,
      .slices = slices};
  const DspLayout out = {.dim = next_dim(builder, stage), .ranks = ranks};
  DspCall arriving[MOST_SLICES], leaving[MOST_SLICES];
  for (in.slice = 0; in.slice < slices; in.slice++)
    arriving[in.slice] =
        apply_switch(builder, &dsp_switch_begin, x, -1, -1, in);
  for (int i = 0; i < slices; i++) {
    builder->column = column;
    *value = apply_switch(builder, &dsp_switch_end, x, arriving[i].y,
                          arriving[i].side, in)
                 .y;
    dsp_stage_operations(builder, stage);
    leaving[i] = apply_switch(builder, &dsp_switch_begin, *value, y, -1, out);
    y = leaving[i].y;
  }
  for (int i = 0; i < slices; i++)
    apply_switch(builder, &dsp_switch_end, leaving[i].x, y, leaving[i].side,
                 out);
  *value = y;
}

static void run_stage(DspBuilder *builder, const DspStage *stage) {
  if (can_slice(builder, stage)) {
    run_sliced(builder, stage);
    return;
  }
  move_streams(builder, stage);
  dsp_stage_operations(builder, stage);
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
    .proposed = PIPELINED,
    .axes = 1u << DSP_AXIS_SP,
    .degree_names = {[DSP_AXIS_SP] = "sp"},
    .check = check,
    .run_stage = run_stage,
    .end_block = end_block,
};
