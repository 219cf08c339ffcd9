/* SPDX-License-Identifier: Apache-2.0 */
/* What data parallelism and ZeRO (arXiv 1910.02054) add: reductions of weight
 * gradients block by block while the backward pass goes on, gathers of weights,
 * and the optimizer. Sequence-parallel ranks hold the same weights and are
 * replicas in this sense. */
#include "schedule/build.h"

/* Adam in mixed precision: per parameter reads the 16-bit gradient, reads and
 * writes the fp32 weight and both moments, writes the 16-bit weight. */
enum { ADAM_BYTES = 2 + 2 * (4 + 4 + 4) + 2, ADAM_KERNELS = 4 };

/* Every rank's part begins where PyTorch's allocator would have it begin
 * (c10/cuda/CUDACachingAllocator: kMinBlockSize). */
int64_t dsp_flat_part(int64_t bytes, int64_t ranks) {
  enum { ALIGNMENT = 512 };
  return dsp_divide_up(bytes, ranks * ALIGNMENT) * ALIGNMENT;
}

static int64_t op_parameters(const DspOp *op, int64_t split,
                             gboolean *divided) {
  int64_t bias = op->bias ? op->out : 0;
  *divided = split > 1 && op->tp != DSP_TP_NONE;
  if (!*divided)
    return op->parameters;
  if (op->tp == DSP_TP_COLUMN)
    return op->parameters / split;
  return (op->parameters - bias) / split + bias;
}

void dsp_block_parameters(const DspBuilder *builder, const DspBlock *block,
                          int64_t *sharded, int64_t *replicated) {
  *sharded = *replicated = 0;
  for (guint i = 0; i < block->n_stages; i++) {
    const DspStage *stage = &block->stages[i];
    int64_t split = dsp_stage_split(builder, stage);
    for (guint j = 0; j < stage->n_ops; j++) {
      gboolean divided;
      int64_t parameters = op_parameters(&stage->ops[j], split, &divided);
      *(divided ? sharded : replicated) += parameters;
    }
  }
}

/* The ranks that hold the same divided weights: all replicas, unless the
 * sequence axis itself divides them. */
static DspAxisName sharded_axis(const DspPlan *plan) {
  return dsp_split_axis(plan) == DSP_AXIS_TP ? DSP_AXIS_REPLICAS : DSP_AXIS_DP;
}

DspAxisName dsp_weights_axis(const DspPlan *plan, DspWeights weights) {
  switch (weights) {
  case DSP_WEIGHTS_DIVIDED:
    return sharded_axis(plan);
  case DSP_WEIGHTS_OF_HEADS:
    return DSP_AXIS_TP;
  default:
    return DSP_AXIS_REPLICAS;
  }
}

/* Whether ranks that divide the stage use their own part of the scales, or the
 * same scales for other heads: between a product that divides the columns and
 * one that divides the rows, or a contraction, which gives all columns. */
static gboolean is_of_parts(const DspStage *stage, const DspOp *op) {
  if (op->kind != DSP_OP_NORM)
    return op->kind == DSP_OP_QK_NORM;
  for (const DspOp *before = op; before-- > stage->ops;)
    if (before->stream == op->stream &&
        (before->tp != DSP_TP_NONE || before->kind == DSP_OP_TRIANGLE ||
         before->kind == DSP_OP_OUTER_PRODUCT))
      return before->tp == DSP_TP_COLUMN;
  return FALSE;
}

/* Scales that ranks which divide heads share. */
static int64_t head_parameters(const DspBuilder *builder,
                               const DspBlock *block) {
  int64_t n = 0;
  for (guint i = 0; i < block->n_stages; i++) {
    const DspStage *stage = &block->stages[i];
    gboolean divided = dsp_stage_split(builder, stage) > 1;
    for (guint j = 0; divided && j < stage->n_ops; j++)
      if (is_of_parts(stage, &stage->ops[j]))
        n += stage->ops[j].parameters;
  }
  return n;
}

static int64_t parameters_of(const DspBuilder *builder, const DspBlock *block,
                             DspWeights weights) {
  int64_t sharded, replicated;
  dsp_block_parameters(builder, block, &sharded, &replicated);
  switch (weights) {
  case DSP_WEIGHTS_DIVIDED:
    return sharded;
  case DSP_WEIGHTS_OF_HEADS:
    return head_parameters(builder, block);
  default:
    return replicated;
  }
}

/* A block's weights or gradients in the job's type, padded so that every rank
 * has an equal part, as ZeRO's flat buffers are. */
static int64_t flat_bytes(const DspBuilder *builder, const DspBlock *block,
                          DspWeights weights) {
  DspAxisName axis = dsp_weights_axis(builder->plan, weights);
  int64_t ranks = dsp_plan_axis(builder->plan, axis).size;
  int64_t bytes = parameters_of(builder, block, weights) *
                  dsp_dtype_bytes(builder->job->dtype);
  return dsp_flat_part(bytes, ranks) * ranks;
}

static int emit_sync(DspBuilder *builder, DspCollective collective,
                     DspWeights weights, int64_t bytes, int wait) {
  DspAxisName axis = dsp_weights_axis(builder->plan, weights);
  if (dsp_plan_axis(builder->plan, axis).size == 1 || bytes == 0)
    return -1;
  DspStep step =
      dsp_step(builder, DSP_STEP_COLLECTIVE, DSP_ROLE_GRADIENT_SYNC, NULL);
  step.stream = DSP_STREAM_SYNC;
  step.waits[0] = wait;
  step.weights = weights;
  step.exchange = (DspExchange){collective, axis, bytes, 1};
  return dsp_emit(builder, step);
}

static void sync_block(DspBuilder *builder, DspCollective collective,
                       const DspBlock *block, int waits[2], int wait) {
  static const DspWeights kinds[] = {DSP_WEIGHTS_REPLICATED,
                                     DSP_WEIGHTS_DIVIDED};
  for (int i = 0; i < 2; i++)
    waits[i] = emit_sync(builder, collective, kinds[i],
                         flat_bytes(builder, block, kinds[i]), wait);
}

/* Every rank has updated its part of every block's weights. */
static void gather_weights(DspBuilder *builder, DspWeights weights) {
  const DspBlock *block;
  int64_t bytes = 0;
  for (guint i = 0; (block = dsp_model_part(builder->job->model, i)); i++)
    bytes += block->count * flat_bytes(builder, block, weights);
  emit_sync(builder, DSP_ALL_GATHER, weights, bytes, 0);
}

/* ZeRO-3 gathers the weights of a block before it is used; the first step of
 * the block waits for them. */
void dsp_sync_before_block(DspBuilder *builder, const DspBlock *block) {
  if (builder->job->mode == DSP_MODE_TRAIN && builder->plan->zero == 3)
    sync_block(builder, DSP_ALL_GATHER, block, builder->gathered, -1);
}

/* The gradients are complete when the segment's computing so far is. */
static int last_compute(const DspBuilder *builder) {
  const DspStep *steps = dsp_segment_steps(builder->segment);
  int last = (int)builder->segment->steps->len - 1;
  while (last >= 0 && steps[last].stream != DSP_STREAM_COMPUTE)
    last--;
  return last;
}

/* Ranks that divide heads have each a part of the gradient of what they share,
 * and add them up, as Megatron-LM does
 * (core/distributed/finalize_model_grads.py with qk_layernorm). Where the
 * sequence's ranks divide heads they are replicas anyway. */
static void sync_heads(DspBuilder *builder, const DspBlock *block, int wait) {
  if (dsp_split_axis(builder->plan) == DSP_AXIS_TP)
    emit_sync(builder, DSP_ALL_REDUCE, DSP_WEIGHTS_OF_HEADS,
              flat_bytes(builder, block, DSP_WEIGHTS_OF_HEADS), wait);
}

void dsp_sync_after_backward(DspBuilder *builder, const DspBlock *block) {
  int waits[2];
  int last = last_compute(builder);
  sync_heads(builder, block, last);
  sync_block(builder, builder->plan->zero ? DSP_REDUCE_SCATTER : DSP_ALL_REDUCE,
             block, waits, last);
}

static void emit_optimizer(DspBuilder *builder, int64_t parameters) {
  DspStep step = dsp_step(builder, DSP_STEP_MEMORY, DSP_ROLE_OPTIMIZER, NULL);
  step.joins = TRUE;
  step.kernels = ADAM_KERNELS;
  step.memory = (DspMemoryWork){
      {{DSP_MEMORY_ELEMENTWISE, ADAM_KERNELS, parameters * ADAM_BYTES}}, TRUE};
  dsp_emit(builder, step);
}

void dsp_emit_update(DspBuilder *builder) {
  const DspSchedule *schedule = builder->schedule;
  const DspPlan *plan = builder->plan;
  DspAxisName axis = sharded_axis(plan);
  int64_t sharded = schedule->sharded_parameters;
  int64_t replicated = schedule->local_parameters - sharded;
  int64_t own = schedule->local_parameters;
  if (plan->zero > 0)
    own =
        dsp_divide_up(sharded, dsp_plan_axis(plan, axis).size) +
        dsp_divide_up(replicated, dsp_plan_axis(plan, DSP_AXIS_REPLICAS).size);
  emit_optimizer(builder, own);
  if (plan->zero == 1 || plan->zero == 2) {
    gather_weights(builder, DSP_WEIGHTS_REPLICATED);
    gather_weights(builder, DSP_WEIGHTS_DIVIDED);
  }
}
