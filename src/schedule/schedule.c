/* SPDX-License-Identifier: Apache-2.0 */
/* From model and plan to steps: walks the blocks forward, then the tapes
 * backward. */
#include "schedule/schedule.h"
#include "schedule/build.h"
#include "schedule/rules.h"

const char *const dsp_pass_names[] = {"forward", "recompute", "backward",
                                      "update", NULL};
const char *const dsp_role_names[] = {
    "compute", "input gradient", "weight gradient",
    "pack",    "unpack",         "exchange",
    "merge",   "gradient sync",  "optimizer",
    "loss",    "sums",           NULL};
const char *const dsp_stream_names[] = {"compute", "comm", "sync", NULL};

/* --- what a stage is ---------------------------------------------------------
 */

gboolean dsp_stage_uses(const DspStage *stage, guint stream) {
  for (guint i = 0; i < stage->n_ops; i++) {
    const DspOp *op = &stage->ops[i];
    if (op->stream == stream || op->shared_with == (int)stream ||
        op->joint == (int)stream || op->source == (int)stream)
      return TRUE;
  }
  return stage->stream == stream;
}

gboolean dsp_stage_attends(const DspStage *stage) {
  for (guint i = 0; i < stage->n_ops; i++)
    if (stage->ops[i].heads > 0)
      return TRUE;
  return FALSE;
}

static gboolean has_divided_weights(const DspStage *stage) {
  for (guint i = 0; i < stage->n_ops; i++)
    if (stage->ops[i].tp != DSP_TP_NONE)
      return TRUE;
  return FALSE;
}

DspAxisName dsp_split_axis(const DspPlan *plan) {
  return plan->method->gathers ? DSP_AXIS_SP : DSP_AXIS_TP;
}

int64_t dsp_stage_split(const DspBuilder *builder, const DspStage *stage) {
  const DspMethod *method = builder->plan->method;
  int64_t ranks = builder->plan->degree[dsp_split_axis(builder->plan)];
  if (ranks == 1 || !has_divided_weights(stage))
    return 1;
  return !method->splits || method->splits(builder, stage) ? ranks : 1;
}

/* --- one operation after another
 * ---------------------------------------------- */

/* The tensor that the next operation on `stream` reads: inside a branch its
 * last output, else the stream itself, which then enters the branch. */
static int chain(DspBuilder *builder, guint stream) {
  if (builder->chain[stream] < 0)
    builder->chain[stream] =
        dsp_apply(builder, (DspCall){.primitive = &dsp_fork,
                                     .x = builder->value[stream],
                                     .more = -1})
            .y;
  return builder->chain[stream];
}

static DspCall apply_to_chains(DspBuilder *builder,
                               const DspPrimitive *primitive, const DspOp *op,
                               int64_t width) {
  int joint = op->shared_with;
  DspCall done = dsp_apply(
      builder, (DspCall){.primitive = primitive,
                         .op = op,
                         .x = chain(builder, op->stream),
                         .more = joint < 0 ? -1 : chain(builder, (guint)joint),
                         .width = width});
  builder->chain[op->stream] = done.y;
  if (joint >= 0)
    builder->chain[joint] = done.side;
  return done;
}

static void pointwise(DspBuilder *builder, const DspOp *op) {
  apply_to_chains(builder, &dsp_pointwise, op, 0);
}

/* Tokens are gathered around divided weights if the method shards them outside
 * and the stream is one that it shards. */
static gboolean gathers(const DspBuilder *builder, guint stream) {
  return builder->plan->method->gathers &&
         builder->job->model->streams[stream].sharded;
}

static void cross_border(DspBuilder *builder, const DspPrimitive *border,
                         const DspOp *op, guint stream) {
  DspLayout to = dsp_tensor(builder, builder->value[stream])->layout;
  if (border == &dsp_enter_split && gathers(builder, stream))
    to = (DspLayout){DSP_DIM_NONE, 1, 0, FALSE};
  builder->chain[stream] =
      dsp_apply(builder, (DspCall){.primitive = border,
                                   .op = op,
                                   .x = chain(builder, stream),
                                   .more = -1,
                                   .to = to,
                                   .axis = dsp_split_axis(builder->plan),
                                   .variant = gathers(builder, stream)})
          .y;
}

static void cross_borders(DspBuilder *builder, const DspPrimitive *border,
                          const DspOp *op) {
  cross_border(builder, border, op, op->stream);
  if (op->shared_with >= 0)
    cross_border(builder, border, op, (guint)op->shared_with);
}

static gboolean is_inside_split(DspBuilder *builder, guint stream) {
  return dsp_tensor(builder, chain(builder, stream))->split > 1;
}

/* Ranks hold parts of the output that every rank needs whole. */
static void gather_operand(DspBuilder *builder, const DspOp *op, guint stream) {
  int x = chain(builder, stream);
  if (dsp_tensor(builder, x)->layout.dim < 0)
    return;
  builder->chain[stream] =
      dsp_apply(builder, (DspCall){.primitive = &dsp_gather_operand,
                                   .op = op,
                                   .x = x,
                                   .more = -1,
                                   .to = {DSP_DIM_NONE, 1, 0, FALSE},
                                   .axis = DSP_AXIS_SEQUENCE})
          .y;
}

static void linear(DspBuilder *builder, const DspOp *op) {
  int64_t ranks = dsp_stage_split(builder, builder->stage);
  gboolean divided = ranks > 1 && op->tp != DSP_TP_NONE;
  if (divided && op->tp == DSP_TP_COLUMN &&
      !is_inside_split(builder, op->stream))
    cross_borders(builder, &dsp_enter_split, op);
  DspCall done = apply_to_chains(builder, &dsp_linear, op, ranks);
  if (builder->job->model->streams[op->stream].n_dims == 0) {
    builder->vectors = done.y;
    builder->column = 0;
  }
  if (divided && op->tp == DSP_TP_ROW)
    cross_borders(builder, &dsp_leave_split, op);
  if (op->global)
    gather_operand(builder, op, op->stream);
}

/* Before the embedding has made the stream, what is added is a table (of
 * positions), not the stream. */
static void residual_of(DspBuilder *builder, const DspOp *op, guint stream) {
  int branch = chain(builder, stream), x = builder->value[stream];
  if (dsp_tensor(builder, x)->width != dsp_tensor(builder, branch)->width)
    x = branch;
  builder->value[stream] =
      dsp_apply(builder, (DspCall){.primitive = &dsp_residual,
                                   .op = op,
                                   .x = x,
                                   .more = branch})
          .y;
  builder->chain[stream] = -1;
}

static void residual(DspBuilder *builder, const DspOp *op) {
  residual_of(builder, op, op->stream);
  if (op->shared_with >= 0)
    residual_of(builder, op, (guint)op->shared_with);
}

static void attention(DspBuilder *builder, const DspOp *op) {
  const DspMethod *method = builder->plan->method;
  int x = chain(builder, op->stream), joint_output = -1;
  int joint = op->joint < 0 ? -1 : chain(builder, (guint)op->joint);
  /* Inside gathered tensor-parallel stages tokens are whole already. */
  gboolean local = !method->attention || dsp_tensor(builder, x)->layout.dim < 0;
  builder->chain[op->stream] =
      (local ? dsp_attention_local : method->attention)(builder, op, x, joint,
                                                        &joint_output);
  if (joint >= 0)
    builder->chain[op->joint] = joint_output;
}

static void cross_attention(DspBuilder *builder, const DspOp *op) {
  const DspMethod *method = builder->plan->method;
  int q = chain(builder, op->stream), kv = chain(builder, (guint)op->source);
  if (method->cross_attention)
    builder->chain[op->stream] = method->cross_attention(builder, op, q, kv);
  else
    builder->chain[op->stream] =
        dsp_apply(
            builder,
            (DspCall){.primitive = &dsp_cross, .op = op, .x = q, .more = kv})
            .y;
}

static void linear_attention(DspBuilder *builder, const DspOp *op) {
  apply_to_chains(builder, &dsp_linear_attend, op, 0);
}

static void contraction(DspBuilder *builder, const DspOp *op) {
  guint from = op->source < 0 ? op->stream : (guint)op->source;
  int x = chain(builder, from);
  gather_operand(builder, op, from);
  DspLayout to = dsp_tensor(builder, builder->value[op->stream])->layout;
  builder->chain[op->stream] =
      dsp_apply(builder, (DspCall){.primitive = &dsp_contract,
                                   .op = op,
                                   .x = x,
                                   .more = chain(builder, from),
                                   .to = to,
                                   .variant = op->stream})
          .y;
}

static void nothing(DspBuilder *builder, const DspOp *op) {
  (void)builder;
  (void)op;
}

static void (*const build_op[DSP_N_OPS])(DspBuilder *, const DspOp *) = {
    [DSP_OP_NORM] = pointwise,
    [DSP_OP_MODULATE] = pointwise,
    [DSP_OP_QK_NORM] = pointwise,
    [DSP_OP_ROPE] = pointwise,
    [DSP_OP_ACTIVATION] = pointwise,
    [DSP_OP_RESIDUAL] = residual,
    [DSP_OP_LINEAR] = linear,
    [DSP_OP_ATTENTION] = attention,
    [DSP_OP_CROSS_ATTENTION] = cross_attention,
    [DSP_OP_LINEAR_ATTENTION] = linear_attention,
    [DSP_OP_TRIANGLE] = contraction,
    [DSP_OP_OUTER_PRODUCT] = contraction,
    [DSP_OP_PARAMETERS] = nothing,
};

/* A stage without a residual sum replaces its stream, if it ends as wide. */
static void end_stage(DspBuilder *builder, const DspStage *stage) {
  const DspModel *model = builder->job->model;
  int last = builder->chain[stage->stream];
  if (last >= 0 &&
      dsp_tensor(builder, last)->width == model->streams[stage->stream].width)
    builder->value[stage->stream] = last;
}

void dsp_stage_operations(DspBuilder *builder, const DspStage *stage) {
  for (guint i = 0; i < DSP_MAX_STREAMS; i++)
    builder->chain[i] = -1;
  for (guint i = 0; i < stage->n_ops; i++)
    build_op[stage->ops[i].kind](builder, &stage->ops[i]);
  end_stage(builder, stage);
}

static void build_stage(DspBuilder *builder, const DspStage *stage) {
  const DspMethod *method = builder->plan->method;
  builder->stage = stage;
  (method->run_stage ? method->run_stage : dsp_stage_operations)(builder,
                                                                 stage);
}

static void build_block(DspBuilder *builder, const DspBlock *block) {
  builder->column = 0;
  for (guint i = 0; i < block->n_stages; i++) {
    builder->stage_index = (int)i;
    build_stage(builder, &block->stages[i]);
  }
  builder->stage_index = -1;
  if (builder->plan->method->end_block)
    builder->plan->method->end_block(builder);
}

/* --- segments
 * ------------------------------------------------------------------ */

static void segment_free(gpointer data) {
  DspSegment *segment = data;
  g_array_free(segment->steps, TRUE);
  g_free(segment);
}

static void close_segment(DspBuilder *builder) {
  if (builder->segment)
    builder->segment->end_tensor = builder->schedule->tensors->len;
}

static void open_segment(DspBuilder *builder, const DspBlock *block,
                         DspPass pass) {
  close_segment(builder);
  DspSegment *segment = g_new0(DspSegment, 1);
  segment->block = block;
  segment->pass = pass;
  segment->repeat = block ? block->count : 1;
  segment->steps = g_array_sized_new(FALSE, FALSE, sizeof(DspStep), 64);
  segment->first_tensor = builder->schedule->tensors->len;
  memset(segment->in, -1, sizeof segment->in);
  memset(segment->out, -1, sizeof segment->out);
  g_ptr_array_add(builder->schedule->segments, segment);
  builder->segment = segment;
  builder->pass = pass;
  builder->stage_index = -1;
  for (guint i = 0; i < builder->producers->len; i++)
    g_array_index(builder->producers, int, i) = -1;
}

/* One part of the model (embedders, a group of equal blocks, final layer) with
 * what its backward pass needs. */
typedef struct {
  const DspBlock *block;
  GArray *tape;
  int in[DSP_MAX_STREAMS + 1], out[DSP_MAX_STREAMS + 1];
} Part;

/* The last value that goes from part to part is that of the vectors. */
enum { VECTORS = DSP_MAX_STREAMS, N_VALUES };

static void get_values(const DspBuilder *builder, int values[N_VALUES]) {
  for (guint i = 0; i < VECTORS; i++)
    values[i] = i < builder->job->model->n_streams ? builder->value[i] : -1;
  values[VECTORS] = builder->vectors;
}

static void set_values(DspBuilder *builder, const int values[N_VALUES]) {
  memcpy(builder->value, values, sizeof builder->value);
  builder->vectors = values[VECTORS];
}

static gboolean is_trunk(const DspBuilder *builder, const DspBlock *block) {
  return block != &builder->job->model->before &&
         block != &builder->job->model->after;
}

/* The vectors that a block of the trunk makes stay inside. */
static void close_block(DspBuilder *builder, const Part *part) {
  if (is_trunk(builder, part->block))
    builder->vectors = part->in[VECTORS];
}

static void want_gradient(DspBuilder *builder, int tensor) {
  int *gradient = &g_array_index(builder->gradients, int, tensor);
  *gradient = MAX(*gradient, -1);
}

/* A block of the trunk follows itself: the gradient of a stream that it changes
 * is wanted, though the first repetition may read an input. */
static void want_gradients(DspBuilder *builder, const Part *part) {
  for (guint i = 0; is_trunk(builder, part->block) && i < part->block->n_stages;
       i++) {
    const DspStage *stage = &part->block->stages[i];
    for (guint j = 0; j < stage->n_ops; j++) {
      const DspOp *op = &stage->ops[j];
      if (op->kind != DSP_OP_RESIDUAL)
        continue;
      want_gradient(builder, part->in[op->stream]);
      if (op->shared_with >= 0)
        want_gradient(builder, part->in[op->shared_with]);
    }
  }
}

/* The gradient of each value, where there is one. */
static void get_gradients(const DspBuilder *builder, const int values[N_VALUES],
                          int gradients[N_VALUES]) {
  for (int i = 0; i < N_VALUES; i++)
    gradients[i] =
        values[i] < 0
            ? -1
            : MAX(g_array_index(builder->gradients, int, values[i]), -1);
}

static void part_clear(gpointer data) {
  g_clear_pointer(&((Part *)data)->tape, g_array_unref);
}

static gboolean is_training(const DspBuilder *builder) {
  return builder->job->mode == DSP_MODE_TRAIN;
}

static gboolean recomputes(const DspBuilder *builder) {
  return builder->plan->recompute == DSP_RECOMPUTE_FULL;
}

/* Weights that this block's steps wait for have been gathered. */
static void wait_for_weights(DspBuilder *builder) {
  GArray *steps = builder->segment->steps;
  for (guint i = 0; i < steps->len; i++) {
    DspStep *step = &g_array_index(steps, DspStep, i);
    if (step->stream != DSP_STREAM_COMPUTE)
      continue;
    for (int j = 0; j < 2; j++)
      if (builder->gathered[j] >= 0)
        dsp_step_wait(step, builder->gathered[j]);
    return;
  }
}

static void open_block_segment(DspBuilder *builder, const DspBlock *block,
                               DspPass pass) {
  open_segment(builder, block, pass);
  builder->gathered[0] = builder->gathered[1] = -1;
  dsp_sync_before_block(builder, block);
}

static void build_forward(DspBuilder *builder, Part *part, gboolean last) {
  open_block_segment(builder, part->block, DSP_PASS_FORWARD);
  if (is_training(builder) && !recomputes(builder))
    part->tape = g_array_new(FALSE, FALSE, sizeof(DspCall));
  get_values(builder, part->in);
  want_gradients(builder, part);
  builder->tape = part->tape;
  build_block(builder, part->block);
  if (last)
    dsp_finish_forward(builder);
  builder->tape = NULL;
  close_block(builder, part);
  get_values(builder, part->out);
  memcpy(builder->segment->in, part->in, sizeof part->in);
  memcpy(builder->segment->out, part->out, sizeof part->out);
  wait_for_weights(builder);
  if (is_training(builder) && recomputes(builder))
    for (guint i = 0; i < N_VALUES; i++)
      if (part->in[i] >= 0)
        dsp_tensor(builder, part->in[i])->saved = TRUE;
}

/* The recomputed outputs are the ones that the next part has a gradient of, and
 * that the next repetition takes one of. */
static void build_recompute(DspBuilder *builder, Part *part, gboolean last) {
  builder->pass = DSP_PASS_RECOMPUTE;
  part->tape = g_array_new(FALSE, FALSE, sizeof(DspCall));
  int out[N_VALUES];
  set_values(builder, part->in);
  builder->tape = part->tape;
  build_block(builder, part->block);
  if (last)
    dsp_finish_forward(builder);
  builder->tape = NULL;
  close_block(builder, part);
  get_values(builder, out);
  for (guint i = 0; i < N_VALUES; i++)
    if (out[i] >= 0)
      g_array_index(builder->gradients, int, out[i]) =
          g_array_index(builder->gradients, int, part->out[i]);
  memcpy(part->out, out, sizeof out);
}

static void build_backward(DspBuilder *builder, Part *part, gboolean last) {
  open_block_segment(builder, part->block, DSP_PASS_BACKWARD);
  if (!part->tape)
    build_recompute(builder, part, last);
  builder->pass = DSP_PASS_BACKWARD;
  for (guint i = part->tape->len; i-- > 0;) {
    const DspCall *call = &g_array_index(part->tape, DspCall, i);
    builder->stage_index = call->stage;
    if (call->primitive->backward)
      call->primitive->backward(builder, call);
  }
  builder->stage_index = -1;
  get_gradients(builder, part->out, builder->segment->in);
  get_gradients(builder, part->in, builder->segment->out);
  wait_for_weights(builder);
  dsp_sync_after_backward(builder, part->block);
}

/* --- the whole
 * ------------------------------------------------------------------ */

/* The first operation on the stream reads the raw input, as wide as it says. */
static int64_t input_width(const DspModel *model, guint stream) {
  for (guint i = 0; i < model->before.n_stages; i++) {
    const DspStage *stage = &model->before.stages[i];
    for (guint j = 0; j < stage->n_ops; j++)
      if (stage->ops[j].stream == stream &&
          stage->ops[j].kind != DSP_OP_PARAMETERS)
        return stage->ops[j].in;
  }
  return model->streams[stream].width;
}

static gboolean is_causal_over(const DspModel *model, int dim) {
  const DspBlock *block;
  for (guint i = 0; (block = dsp_model_part(model, i)); i++)
    for (guint j = 0; j < block->n_stages; j++)
      for (guint k = 0; k < block->stages[j].n_ops; k++) {
        const DspOp *op = &block->stages[j].ops[k];
        if (op->causal && op->over & (1u << dim))
          return TRUE;
      }
  return FALSE;
}

static DspLayout home_layout(const DspBuilder *builder, int home) {
  const DspPlan *plan = builder->plan;
  DspLayout layout = {home, dsp_plan_sequence_degree(plan),
                      plan->degree[DSP_AXIS_RING], FALSE};
  layout.zigzag = layout.ring > 1 &&
                  plan->method->balanced & (1u << plan->variant) &&
                  is_causal_over(builder->job->model, home);
  return layout;
}

/* Streams begin sharded at home: every rank takes its part of the input. */
static void make_inputs(DspBuilder *builder) {
  const DspModel *model = builder->job->model;
  int64_t ranks = dsp_plan_sequence_degree(builder->plan);
  for (guint i = 0; i < model->n_streams; i++) {
    DspLayout layout = {DSP_DIM_NONE, 1, 0, FALSE};
    int home = ranks > 1 ? dsp_plan_home(builder->job, builder->plan, i) : -1;
    if (home >= 0)
      layout = home_layout(builder, home);
    builder->value[i] = dsp_tensor_new(builder, DSP_TENSOR_ACTIVATION, i,
                                       layout, input_width(model, i), 1);
    g_array_index(builder->gradients, int, builder->value[i]) =
        DSP_GRADIENT_UNWANTED;
  }
}

static int gather_output(DspBuilder *builder, int x, DspAxisName axis) {
  return dsp_apply(builder, (DspCall){.primitive = &dsp_gather,
                                      .x = x,
                                      .more = -1,
                                      .to = {DSP_DIM_NONE, 1, 0, FALSE},
                                      .axis = axis})
      .y;
}

/* Training ends in the loss, which every rank computes on its own tokens.
 * Inference needs the output whole: gathered from the sequence's shards and,
 * where guidance runs on two groups of ranks, from both. */
void dsp_finish_forward(DspBuilder *builder) {
  int y = builder->chain[0] >= 0 ? builder->chain[0] : builder->value[0];
  if (is_training(builder)) {
    dsp_apply(builder, (DspCall){.primitive = &dsp_loss, .x = y, .more = -1});
    return;
  }
  if (dsp_tensor(builder, y)->layout.dim != DSP_DIM_NONE)
    y = gather_output(builder, y, DSP_AXIS_SEQUENCE);
  if (builder->plan->degree[DSP_AXIS_CFG] > 1)
    gather_output(builder, y, DSP_AXIS_CFG);
}

static void count_parameters(DspBuilder *builder) {
  DspSchedule *schedule = builder->schedule;
  const DspBlock *block;
  for (guint i = 0; (block = dsp_model_part(builder->job->model, i)); i++) {
    int64_t sharded, replicated;
    dsp_block_parameters(builder, block, &sharded, &replicated);
    schedule->sharded_parameters += block->count * sharded;
    schedule->local_parameters += block->count * (sharded + replicated);
  }
}

static GArray *parts_of(const DspModel *model) {
  GArray *parts = g_array_new(FALSE, TRUE, sizeof(Part));
  const DspBlock *block;
  g_array_set_clear_func(parts, part_clear);
  for (guint i = 0; (block = dsp_model_part(model, i)); i++) {
    Part part = {.block = block};
    g_array_append_val(parts, part);
  }
  return parts;
}

static void build(DspBuilder *builder) {
  g_autoptr(GArray) parts = parts_of(builder->job->model);
  count_parameters(builder);
  make_inputs(builder);
  for (guint i = 0; i < parts->len; i++)
    build_forward(builder, &g_array_index(parts, Part, i), i + 1 == parts->len);
  if (is_training(builder)) {
    for (guint i = parts->len; i-- > 0;)
      build_backward(builder, &g_array_index(parts, Part, i),
                     i + 1 == parts->len);
    open_segment(builder, NULL, DSP_PASS_UPDATE);
    dsp_emit_update(builder);
  }
  close_segment(builder);
}

DspSchedule *dsp_schedule_new(const DspJob *job, const DspPlan *plan,
                              GError **error) {
  if (!dsp_plan_check(job, plan, error))
    return NULL;
  DspSchedule *schedule = g_new0(DspSchedule, 1);
  schedule->job = *job;
  schedule->plan = *plan;
  schedule->segments = g_ptr_array_new_with_free_func(segment_free);
  schedule->tensors = g_array_new(FALSE, FALSE, sizeof(DspTensor));
  DspBuilder builder = {.job = &schedule->job,
                        .plan = &schedule->plan,
                        .schedule = schedule,
                        .batch = dsp_job_batch(job),
                        .vectors = -1,
                        .stage_index = -1};
  builder.producers = g_array_new(FALSE, FALSE, sizeof(int));
  builder.gradients = g_array_new(FALSE, FALSE, sizeof(int));
  build(&builder);
  g_array_free(builder.producers, TRUE);
  g_array_free(builder.gradients, TRUE);
  return schedule;
}

void dsp_schedule_free(DspSchedule *schedule) {
  if (!schedule)
    return;
  g_ptr_array_free(schedule->segments, TRUE);
  g_array_free(schedule->tensors, TRUE);
  g_free(schedule);
}

/* --- volume
 * ---------------------------------------------------------------------- */

static void add_volume(DspVolume *volume, const DspSchedule *schedule,
                       const DspExchange *e, int64_t times) {
  DspAxis axis = dsp_plan_axis(&schedule->plan, e->axis);
  int64_t bytes =
      times * dsp_collective_sent_bytes(e->collective, axis.size, e->bytes);
  volume->bytes[e->collective] += bytes;
  volume->total += bytes;
  volume->collectives += times;
}

DspVolume dsp_schedule_volume(const DspSchedule *schedule, guint passes) {
  DspVolume volume = {{0}, 0, 0};
  for (guint i = 0; i < schedule->segments->len; i++) {
    const DspSegment *segment = schedule->segments->pdata[i];
    const DspStep *steps = dsp_segment_steps(segment);
    for (guint j = 0; j < segment->steps->len; j++)
      if (steps[j].kind == DSP_STEP_COLLECTIVE &&
          passes & (1u << steps[j].pass))
        add_volume(&volume, schedule, &steps[j].exchange, segment->repeat);
  }
  return volume;
}
