/* SPDX-License-Identifier: Apache-2.0 */
/* The primitives that compute: linear, pointwise, attention on local tokens. */
#include "schedule/build.h"

/* --- y = x W ---------------------------------------------------------------
 */

typedef struct {
  int64_t tokens, in, out;
} LinearShape;

/* call->width: ranks over which column and row weights are divided; `more`: a
 * joint stream that goes through the same weights, its output `side`. */
static LinearShape linear_shape(const DspBuilder *builder, const DspCall *c) {
  const DspTensor *x = dsp_tensor(builder, c->x);
  LinearShape shape = {dsp_local_tokens(builder, x->stream, x->layout),
                       c->op->in, c->op->out};
  if (c->more >= 0) {
    const DspTensor *joint = dsp_tensor(builder, c->more);
    shape.tokens += dsp_local_tokens(builder, joint->stream, joint->layout);
  }
  if (c->op->tp == DSP_TP_COLUMN)
    shape.out /= c->width;
  if (c->op->tp == DSP_TP_ROW)
    shape.in /= c->width;
  return shape;
}

/* The operation of the stage that the columns are made for: the next one that
 * takes them for more than a row of numbers, or NULL. */
static const DspOp *taker(const DspStage *stage, const DspOp *op,
                          guint stream) {
  for (const DspOp *next = op + 1; next < stage->ops + stage->n_ops; next++)
    if (((next->stream == stream || next->joint == (int)stream) &&
         (next->kind == DSP_OP_ATTENTION || next->gated)) ||
        (next->kind == DSP_OP_CROSS_ATTENTION && next->source == (int)stream))
      return next;
  return NULL;
}

/* Every rank gets its part of each piece. */
static void set_pieces(const DspBuilder *builder, const DspOp *op,
                       DspTensor *t) {
  const DspOp *next = taker(builder->stage, op, t->stream);
  int64_t kv = next ? next->kv_heads * next->head_dim : 0;
  if (next && next->kind == DSP_OP_CROSS_ATTENTION)
    memcpy(t->pieces, (int64_t[DSP_MAX_PIECES]){kv, kv}, sizeof t->pieces);
  else if (next && next->kind == DSP_OP_ATTENTION)
    memcpy(t->pieces,
           (int64_t[DSP_MAX_PIECES]){next->out, kv, kv, t->width - next->in},
           sizeof t->pieces);
  else if (next)
    memcpy(t->pieces, (int64_t[DSP_MAX_PIECES]){t->width / 2, t->width / 2},
           sizeof t->pieces);
  else
    t->pieces[0] = t->width;
}

static int linear_output(DspBuilder *builder, const DspCall *c, int x) {
  const int64_t split_by[] = {[DSP_TP_NONE] = dsp_tensor(builder, x)->split,
                              [DSP_TP_COLUMN] = c->width,
                              [DSP_TP_ROW] = 1};
  DspTensor t = *dsp_tensor(builder, x);
  int y = dsp_tensor_new(builder, DSP_TENSOR_ACTIVATION, t.stream, t.layout,
                         c->op->out, split_by[c->op->tp]);
  if (c->op->tp == DSP_TP_COLUMN && c->width > 1)
    set_pieces(builder, c->op, dsp_tensor(builder, y));
  return y;
}

static int gradient_if_wanted(DspBuilder *builder, int tensor) {
  return tensor >= 0 && dsp_gradient_wanted(builder, tensor)
             ? dsp_gradient(builder, tensor)
             : -1;
}

static int gradient_of(DspBuilder *builder, int tensor) {
  return tensor < 0 ? -1 : dsp_gradient(builder, tensor);
}

static DspStep linear_step(const DspBuilder *builder, DspRole role,
                           const DspOp *op, int x, int joint, DspGemm shape) {
  DspStep step = dsp_step(builder, DSP_STEP_GEMM, role, op);
  step.inputs[0] = x;
  step.inputs[1] = joint;
  step.kernels = (int)op->calls;
  step.gemm = shape;
  return step;
}

static void linear_forward(DspBuilder *builder, DspCall *c) {
  DspDtype dtype = builder->job->dtype;
  c->y = linear_output(builder, c, c->x);
  c->side = c->more >= 0 ? linear_output(builder, c, c->more) : -1;
  dsp_save(builder, c->x);
  dsp_save(builder, c->more);
  LinearShape s = linear_shape(builder, c);
  DspStep step = linear_step(builder, DSP_ROLE_COMPUTE, c->op, c->x, c->more,
                             (DspGemm){s.tokens, s.out, s.in, dtype});
  step.output = c->y;
  step.also[0] = c->side;
  dsp_emit(builder, step);
}

/* dx = dy W^T and dW = x^T dy; the bias's gradient is a sum over tokens. */
static void linear_backward(DspBuilder *builder, const DspCall *c) {
  DspDtype dtype = builder->job->dtype;
  LinearShape s = linear_shape(builder, c);
  int dy = dsp_gradient(builder, c->y), dside = gradient_of(builder, c->side);
  int dx = gradient_if_wanted(builder, c->x);
  int dmore = gradient_if_wanted(builder, c->more);
  DspStep step;
  if (dx >= 0 || dmore >= 0) {
    step = linear_step(builder, DSP_ROLE_INPUT_GRAD, c->op, dy, dside,
                       (DspGemm){s.tokens, s.in, s.out, dtype});
    step.output = dx;
    step.also[0] = dmore;
    dsp_emit(builder, step);
  }
  step = linear_step(builder, DSP_ROLE_WEIGHT_GRAD, c->op, c->x, c->more,
                     (DspGemm){s.in, s.out, s.tokens, dtype});
  step.inputs[2] = dy;
  step.inputs[3] = dside;
  dsp_emit(builder, step);
  if (c->op->bias)
    dsp_emit_memory(builder, DSP_ROLE_WEIGHT_GRAD, c->op,
                    DSP_MEMORY_ELEMENTWISE, dy, dside, -1,
                    s.tokens * s.out * dsp_dtype_bytes(dtype), 1);
}

const DspPrimitive dsp_linear = {linear_forward, linear_backward};

/* --- pointwise operations --------------------------------------------------
 */

/* Elements moved, in units of the input's size, and kernels launched: as the
 * framework runs the operation one kernel after another, and fused by a
 * compiler. Counted from the kernels that PyTorch launches for the formulas
 * in the models' code (read x, read y, write z: 3 moves). A vector a sample
 * times or plus a tensor is a kind of its own: it runs far slower than a sum of
 * two tensors. */
typedef struct {
  DspMemoryOp memory;
  double moves;
  int kernels;
} Kernels;

typedef struct {
  Kernels eager[DSP_MEMORY_PARTS], fused;
  Kernels eager_backward[DSP_MEMORY_PARTS], fused_backward;
} Pointwise;

#define NORM      DSP_MEMORY_NORM
#define NORM_BWD  DSP_MEMORY_NORM_BACKWARD
#define ELEMENT   DSP_MEMORY_ELEMENTWISE
#define BROADCAST DSP_MEMORY_BROADCAST
#define ACT       DSP_MEMORY_ACTIVATION
#define ROPE      DSP_MEMORY_ROPE
#define COPY      DSP_MEMORY_COPY
#define TRANSPOSE DSP_MEMORY_TRANSPOSE

static const Pointwise layer_norm = {
    {{NORM, 2, 1}}, {NORM, 2, 1}, {{NORM_BWD, 3, 1}}, {NORM_BWD, 3, 1}};
static const Pointwise fp32_layer_norm = {{{NORM, 4, 1}, {ELEMENT, 6, 2}},
                                          {NORM, 2, 1},
                                          {{NORM_BWD, 6, 1}, {ELEMENT, 6, 2}},
                                          {NORM_BWD, 3, 1}};
/* Written out: to fp32, square, mean, + epsilon, rsqrt, scale, to 16 bits,
 * weight. Backward: the products of the weight, the scale and the square with
 * their gradients, sums to the weight and to each row, casts. */
static const Pointwise rms_norm = {
    {{BROADCAST, 6, 2}, {NORM, 2, 1}, {ELEMENT, 10, 5}},
    {NORM, 2, 1},
    {{BROADCAST, 8, 3}, {NORM, 3, 2}, {ELEMENT, 35, 12}},
    {NORM_BWD, 3, 1}};
/* The same of q and of k. */
static const Pointwise qk_norm = {
    {{BROADCAST, 6, 4}, {NORM, 2, 2}, {ELEMENT, 10, 10}},
    {NORM, 2, 1},
    {{BROADCAST, 8, 6}, {NORM, 3, 4}, {ELEMENT, 35, 24}},
    {NORM_BWD, 3, 1}};
/* x*(1+scale)+shift: fused into the norm before it. 1+scale is a kernel on one
 * vector. Backward: the gradients of scale and shift are reductions over
 * tokens. */
static const Pointwise modulate = {{{BROADCAST, 4, 2}, {ELEMENT, 0, 1}},
                                   {ELEMENT, 0, 0},
                                   {{BROADCAST, 2, 1}, {ELEMENT, 5, 3}},
                                   {ELEMENT, 3, 2}};
/* Norm and modulation again with other vectors, and a selection. */
static const Pointwise masked_modulate = {
    {{BROADCAST, 11, 5}, {NORM, 2, 1}, {ELEMENT, 0, 2}},
    {ELEMENT, 0, 0},
    {{BROADCAST, 7, 4}, {ELEMENT, 10, 6}},
    {ELEMENT, 3, 2}};
/* Written out, of q and of k: slice, rotate, concatenate, casts, two products
 * with a row of cosines and sines, their sum. */
static const Pointwise rope = {{{BROADCAST, 4, 4}, {ELEMENT, 14, 14}},
                               {ROPE, 2, 1},
                               {{BROADCAST, 4, 4}, {ELEMENT, 14, 14}},
                               {ROPE, 2, 1}};
static const Pointwise fp32_rope = {{{BROADCAST, 8, 4}, {ELEMENT, 18, 14}},
                                    {ROPE, 2, 1},
                                    {{BROADCAST, 8, 4}, {ELEMENT, 18, 14}},
                                    {ROPE, 2, 1}};
static const Pointwise activation = {
    {{ACT, 2, 1}}, {ACT, 2, 1}, {{ACT, 3, 1}}, {ACT, 3, 1}};
/* silu(a)*b on halves of the input. */
static const Pointwise gated_activation = {
    {{ACT, 2.5, 2}}, {ACT, 1.5, 1}, {{ACT, 5, 3}}, {ACT, 2.5, 1}};
/* x + branch. */
static const Pointwise sum = {
    {{ELEMENT, 3, 1}}, {ELEMENT, 3, 1}, {{ELEMENT, 0, 0}}, {ELEMENT, 0, 0}};
/* x + gate*branch. Backward: the branch's gradient, and the gate's, which is a
 * reduction over tokens. */
static const Pointwise gated_sum = {{{BROADCAST, 2, 1}, {ELEMENT, 3, 1}},
                                    {ELEMENT, 3, 1},
                                    {{BROADCAST, 2, 1}, {ELEMENT, 4, 2}},
                                    {ELEMENT, 3, 2}};
/* Both gates, and a selection. */
static const Pointwise masked_sum = {{{BROADCAST, 7, 3}, {ELEMENT, 3, 1}},
                                     {ELEMENT, 3, 1},
                                     {{BROADCAST, 7, 3}, {ELEMENT, 8, 4}},
                                     {ELEMENT, 3, 2}};

static const Pointwise *pointwise_of(const DspOp *op) {
  switch (op->kind) {
  case DSP_OP_NORM:
    if (op->rms)
      return &rms_norm;
    return op->fp32 ? &fp32_layer_norm : &layer_norm;
  case DSP_OP_QK_NORM:
    return &qk_norm;
  case DSP_OP_MODULATE:
    return op->masked ? &masked_modulate : &modulate;
  case DSP_OP_ROPE:
    return op->fp32 ? &fp32_rope : &rope;
  case DSP_OP_RESIDUAL:
    if (!op->gate)
      return &sum;
    return op->masked ? &masked_sum : &gated_sum;
  default:
    return op->gated ? &gated_activation : &activation;
  }
}

static gboolean is_fused(const DspBuilder *builder) {
  return builder->job->launch == DSP_LAUNCH_COMPILED;
}

/* Bytes of the columns that the operation reads, of both its streams. */
static double touched_bytes(const DspBuilder *builder, const DspCall *c) {
  const DspTensor *x = dsp_tensor(builder, c->x);
  double bytes = (double)x->bytes;
  if (c->more >= 0)
    bytes += (double)dsp_tensor(builder, c->more)->bytes;
  return bytes * (double)c->op->in / (double)x->width;
}

/* --- norms over columns that ranks divide
 * ------------------------------------ */

gboolean dsp_norm_of_parts(const DspOp *op, int64_t split) {
  return split > 1 &&
         (op->across_heads || (op->kind == DSP_OP_NORM && op->affine));
}

int64_t dsp_norm_sums(const DspOp *op) {
  return (op->kind == DSP_OP_QK_NORM ? 2 : 1) * (op->rms ? 1 : 2);
}

static gboolean is_of_parts(const DspBuilder *builder, const DspCall *c) {
  return dsp_norm_of_parts(c->op, dsp_tensor(builder, c->x)->split);
}

/* A kernel that does nothing but the norm's reductions, which then is a step of
 * its own. */
static gboolean is_reduction(const Kernels *kernels, int i) {
  return i > 0 && kernels[i].memory == NORM;
}

static DspMemoryPart reductions(const DspBuilder *builder, const DspCall *c,
                                DspDirection direction, double bytes) {
  const Pointwise *p = pointwise_of(c->op);
  gboolean forward = direction == DSP_FORWARD;
  const Kernels *kernels = forward ? p->eager : p->eager_backward;
  Kernels k = {NORM, forward ? 1 : 2, 1};
  for (int i = 0; !is_fused(builder) && i < DSP_MEMORY_PARTS; i++)
    if (is_reduction(kernels, i))
      k = kernels[i];
  return (DspMemoryPart){k.memory, k.kernels,
                         MAX((int64_t)(k.moves * bytes), k.kernels)};
}

/* The sums are in fp32, as in tensor-parallel RMS norms of inference servers;
 * the last rank's part of them is filled up. */
static int sums_tensor(DspBuilder *builder, const DspCall *c) {
  const DspTensor x = *dsp_tensor(builder, c->x);
  int64_t tokens = dsp_local_tokens(builder, x.stream, x.layout);
  if (c->more >= 0) {
    const DspTensor *joint = dsp_tensor(builder, c->more);
    tokens += dsp_local_tokens(builder, joint->stream, joint->layout);
  }
  int64_t numbers = tokens * dsp_norm_sums(c->op);
  int sums = dsp_tensor_new(builder, DSP_TENSOR_BUFFER, x.stream, x.layout,
                            dsp_norm_sums(c->op), 1);
  dsp_tensor(builder, sums)->bytes = dsp_divide_up(numbers, x.split) * x.split *
                                     dsp_dtype_bytes(DSP_DTYPE_FP32);
  return sums;
}

/* Every rank sums over its own columns, forward their squares, backward the
 * products with their gradients, and all add them up. */
static int emit_sums(DspBuilder *builder, const DspCall *c,
                     DspDirection direction, double bytes) {
  const DspMemoryPart parts[DSP_MEMORY_PARTS] = {
      reductions(builder, c, direction, bytes)};
  int sums = sums_tensor(builder, c);
  DspStep step = dsp_step(builder, DSP_STEP_MEMORY, DSP_ROLE_SUMS, c->op);
  step.inputs[0] = c->x;
  step.inputs[1] = c->more;
  if (direction == DSP_BACKWARD) {
    step.inputs[3] = dsp_gradient(builder, c->y);
    step.inputs[4] = gradient_of(builder, c->side);
    step.inputs[5] = c->sums;
  }
  step.output = sums;
  dsp_step_kernels(builder, &step, parts);
  dsp_emit(builder, step);
  dsp_emit_collective(builder, c->op, DSP_ALL_REDUCE,
                      dsp_split_axis(builder->plan), sums, sums,
                      dsp_tensor(builder, sums)->bytes, 1);
  dsp_last_step(builder)->exchange.fp32 = TRUE;
  return sums;
}

/* A step of the operation's kernels on `bytes` of input. */
static DspStep pointwise_step(const DspBuilder *builder, DspDirection direction,
                              const DspCall *c, double bytes) {
  const Pointwise *p = pointwise_of(c->op);
  gboolean forward = direction == DSP_FORWARD;
  const Kernels *kernels = forward ? p->eager : p->eager_backward;
  int n = DSP_MEMORY_PARTS;
  if (is_fused(builder)) {
    kernels = forward ? &p->fused : &p->fused_backward;
    n = 1;
  }
  DspMemoryPart parts[DSP_MEMORY_PARTS] = {{ELEMENT, 0, 0}};
  for (int i = 0; i < n; i++)
    if (!is_of_parts(builder, c) || !is_reduction(kernels, i))
      parts[i] = (DspMemoryPart){
          kernels[i].memory, kernels[i].kernels,
          MAX((int64_t)(kernels[i].moves * bytes), kernels[i].kernels)};
  DspStep step =
      dsp_step(builder, DSP_STEP_MEMORY,
               forward ? DSP_ROLE_COMPUTE : DSP_ROLE_INPUT_GRAD, c->op);
  step.inputs[0] = c->x;
  step.inputs[1] = c->more;
  step.inputs[2] = c->vectors;
  step.column = c->column;
  dsp_step_kernels(builder, &step, parts);
  return step;
}

/* An attention leaves its output in place of q, k and v; a gated function one
 * half of two. */
static void pass_pieces(const DspOp *op, const DspTensor *x, DspTensor *y) {
  memcpy(y->pieces, x->pieces, sizeof y->pieces);
  if (op->kind == DSP_OP_ATTENTION)
    memcpy(y->pieces, (int64_t[DSP_MAX_PIECES]){op->out, x->width - op->in},
           sizeof y->pieces);
  for (int i = DSP_MAX_PIECES; op->gated && i-- > 0;)
    if (y->pieces[i] > 0) {
      y->pieces[i] = 0;
      break;
    }
}

int dsp_output_of(DspBuilder *builder, const DspOp *op, int x) {
  int64_t width = dsp_tensor(builder, x)->width - op->in + op->out;
  int y = dsp_tensor_like(builder, dsp_save(builder, x), width);
  pass_pieces(op, dsp_tensor(builder, x), dsp_tensor(builder, y));
  return y;
}

static void pointwise_forward(DspBuilder *builder, DspCall *c) {
  c->y = dsp_output_of(builder, c->op, c->x);
  c->side = c->more >= 0 ? dsp_output_of(builder, c->op, c->more) : -1;
  double bytes = touched_bytes(builder, c);
  if (is_of_parts(builder, c))
    c->sums = dsp_save(builder, emit_sums(builder, c, DSP_FORWARD, bytes));
  DspStep step = pointwise_step(builder, DSP_FORWARD, c, bytes);
  dsp_save(builder, c->vectors);
  step.inputs[5] = c->sums;
  step.output = c->y;
  step.also[0] = c->side;
  dsp_emit(builder, step);
}

static void pointwise_backward(DspBuilder *builder, const DspCall *c) {
  if (!dsp_gradient_wanted(builder, c->x) && c->op->parameters == 0)
    return;
  double bytes = touched_bytes(builder, c);
  int sums =
      is_of_parts(builder, c) ? emit_sums(builder, c, DSP_BACKWARD, bytes) : -1;
  DspStep step = pointwise_step(builder, DSP_BACKWARD, c, bytes);
  step.inputs[3] = dsp_gradient(builder, c->y);
  step.inputs[4] = gradient_of(builder, c->side);
  step.inputs[5] = c->sums;
  step.inputs[6] = sums;
  step.output = gradient_if_wanted(builder, c->x);
  step.also[0] = gradient_if_wanted(builder, c->more);
  step.also[1] = gradient_of(builder, c->vectors);
  dsp_emit(builder, step);
}

const DspPrimitive dsp_pointwise = {pointwise_forward, pointwise_backward};

/* --- branches and residual sums --------------------------------------------
 */

/* A stream enters a branch and goes on beside it: nothing forward; backward the
 * branch's gradient is added to the stream's, which a compiler does where it is
 * made. */
static void fork_forward(DspBuilder *builder, DspCall *c) {
  c->y = dsp_view(builder, c->x);
}

static void fork_backward(DspBuilder *builder, const DspCall *c) {
  int branch = g_array_index(builder->gradients, int, c->y);
  if (!dsp_gradient_wanted(builder, c->x) || branch < 0)
    return;
  int dx = dsp_gradient(builder, c->x);
  dsp_emit_memory(builder, DSP_ROLE_INPUT_GRAD, NULL, ELEMENT, dx, branch, dx,
                  3 * dsp_tensor(builder, dx)->bytes, !is_fused(builder));
}

const DspPrimitive dsp_fork = {fork_forward, fork_backward};

/* y = x + gate*more. The gradient of y is that of x as it is. */
static void residual_forward(DspBuilder *builder, DspCall *c) {
  c->y = dsp_tensor_like(builder, c->x, dsp_tensor(builder, c->x)->width);
  if (c->op->gate) {
    dsp_save(builder, c->more);
    dsp_save(builder, c->vectors);
  }
  DspStep step = pointwise_step(builder, DSP_FORWARD, c,
                                (double)dsp_tensor(builder, c->x)->bytes);
  step.output = c->y;
  dsp_emit(builder, step);
}

static void residual_backward(DspBuilder *builder, const DspCall *c) {
  int dy = dsp_gradient(builder, c->y);
  g_array_index(builder->gradients, int, c->x) = dy;
  if (!c->op->gate) {
    g_array_index(builder->gradients, int, c->more) = dy;
    return;
  }
  DspStep step = pointwise_step(builder, DSP_BACKWARD, c,
                                (double)dsp_tensor(builder, dy)->bytes);
  step.inputs[0] = dy;
  step.output = dsp_gradient(builder, c->more);
  step.also[1] = gradient_of(builder, c->vectors);
  dsp_emit(builder, step);
}

const DspPrimitive dsp_residual = {residual_forward, residual_backward};

/* --- attention on local tokens ---------------------------------------------
 */

/* Bytes of `columns` columns of x and of the joint stream. */
static int64_t columns_bytes(const DspBuilder *builder, const DspCall *c,
                             int64_t columns) {
  const DspTensor *x = dsp_tensor(builder, c->x);
  int64_t tokens = dsp_local_tokens(builder, x->stream, x->layout);
  if (c->more >= 0) {
    const DspTensor *joint = dsp_tensor(builder, c->more);
    tokens += dsp_local_tokens(builder, joint->stream, joint->layout);
  }
  return tokens * (columns / x->split) * dsp_dtype_bytes(builder->job->dtype);
}

/* Tokens of one sequence do not lie one after another, where a dimension that
 * it does not go over is inside of one that it does. */
static gboolean is_scattered(const DspBuilder *builder, const DspOp *op,
                             guint stream) {
  const DspStream *s = &builder->job->model->streams[stream];
  gboolean inside = FALSE;
  for (guint i = s->n_dims; i-- > 0;) {
    const gboolean over = op->over & (1u << s->dims[i]);
    if (over && inside)
      return TRUE;
    inside |= !over && builder->job->lengths.length[s->dims[i]] > 1;
  }
  return FALSE;
}

/* Streams that go through the same weights lie one after the other already. */
static gboolean shares_weights(const DspBuilder *builder, int joint) {
  const DspStage *stage =
      &builder->segment->block->stages[builder->stage_index];
  for (guint i = 0; i < stage->n_ops; i++)
    if (stage->ops[i].shared_with == joint)
      return TRUE;
  return FALSE;
}

/* What a framework copies around its attention kernel; a compiler makes the
 * layouts where the operands are made. Scattered tokens are brought together
 * and the output back; q, k and v of two streams are concatenated and the
 * output is cut, if the streams had weights of their own; the output goes
 * beside the columns that passed. */
void dsp_step_layout(const DspBuilder *builder, const DspCall *c,
                     DspStep *step) {
  const DspOp *op = c->op;
  DspMemoryPart parts[DSP_MEMORY_PARTS] = {{COPY, 0, 0}};
  if (is_fused(builder))
    return;
  if (is_scattered(builder, op, dsp_tensor(builder, c->x)->stream))
    parts[0] =
        (DspMemoryPart){TRANSPOSE, 2, 4 * columns_bytes(builder, c, op->out)};
  if (op->joint >= 0 && c->more >= 0 && !shares_weights(builder, op->joint))
    parts[1] = (DspMemoryPart){COPY, 5,
                               2 * columns_bytes(builder, c, op->in + op->out)};
  if (op->beside)
    parts[2] = (DspMemoryPart){
        COPY, 1, 2 * columns_bytes(builder, c, op->out + op->beside)};
  dsp_step_kernels(builder, step, parts);
}

static DspStep attention_step(const DspBuilder *builder, const DspCall *c,
                              DspAttentionShape shape, DspDirection direction) {
  DspStep step = dsp_step(
      builder, DSP_STEP_ATTENTION,
      direction == DSP_FORWARD ? DSP_ROLE_COMPUTE : DSP_ROLE_INPUT_GRAD, c->op);
  step.inputs[0] = c->x;
  step.inputs[1] = c->more;
  step.attention.shape = shape;
  step.attention.direction = direction;
  dsp_step_layout(builder, c, &step);
  return step;
}

static void emit_attention(DspBuilder *builder, const DspCall *c,
                           DspAttentionShape shape) {
  DspStep step = attention_step(builder, c, shape, DSP_FORWARD);
  step.output = c->y;
  step.also[0] = c->side;
  dsp_emit(builder, step);
}

static void emit_attention_gradient(DspBuilder *builder, const DspCall *c,
                                    DspAttentionShape shape) {
  DspStep step = attention_step(builder, c, shape, DSP_BACKWARD);
  step.inputs[2] = dsp_gradient(builder, c->y);
  step.inputs[3] = c->y;
  step.inputs[4] = gradient_of(builder, c->side);
  step.inputs[5] = c->side;
  step.output = dsp_gradient(builder, c->x);
  step.also[0] = gradient_if_wanted(builder, c->more);
  dsp_emit(builder, step);
}

/* Queries, keys and values of x's tokens, with those of the joint stream in
 * `more`, whose output is `side`. */
static DspAttentionShape attend_shape(const DspBuilder *builder,
                                      const DspCall *c) {
  const DspTensor *x = dsp_tensor(builder, c->x);
  DspAttentionShape shape =
      dsp_attention_shape(builder, c->op, x->stream, x->layout, x->split);
  if (c->more >= 0) {
    const DspTensor *joint = dsp_tensor(builder, c->more);
    DspLayout whole = {DSP_DIM_NONE, 1, 0, FALSE};
    int64_t tokens =
        dsp_local_tokens(builder, joint->stream, whole) / builder->batch;
    shape.seq_q += tokens;
    shape.seq_k += tokens;
  }
  return shape;
}

static void attend_forward(DspBuilder *builder, DspCall *c) {
  c->y = dsp_output_of(builder, c->op, c->x);
  c->side = c->more >= 0 ? dsp_output_of(builder, c->op, c->more) : -1;
  dsp_save(builder, c->y);
  dsp_save(builder, c->side);
  emit_attention(builder, c, attend_shape(builder, c));
}

static void attend_backward(DspBuilder *builder, const DspCall *c) {
  emit_attention_gradient(builder, c, attend_shape(builder, c));
}

const DspPrimitive dsp_attend = {attend_forward, attend_backward};

/* Queries of x's tokens, keys and values in `more`; call->width: how many
 * copies of the keys there are, 0: one. */
static DspAttentionShape cross_shape(const DspBuilder *builder,
                                     const DspCall *c) {
  const DspTensor *x = dsp_tensor(builder, c->x);
  const DspTensor *kv = dsp_tensor(builder, c->more);
  int64_t keys = dsp_local_tokens(builder, kv->stream, kv->layout);
  int64_t queries = dsp_local_tokens(builder, x->stream, x->layout);
  int64_t batch = dsp_local_batch(builder, x->layout);
  return (DspAttentionShape){.batch = batch,
                             .heads = c->op->heads / x->split,
                             .kv_heads = MAX(c->op->kv_heads / x->split, 1),
                             .head_dim = c->op->head_dim,
                             .seq_q = queries / batch,
                             .seq_k = keys / builder->batch * MAX(c->width, 1),
                             .dtype = builder->job->dtype};
}

static void cross_forward(DspBuilder *builder, DspCall *c) {
  c->y = dsp_output_of(builder, c->op, c->x);
  dsp_save(builder, c->more);
  dsp_save(builder, c->y);
  emit_attention(builder, c, cross_shape(builder, c));
}

static void cross_backward(DspBuilder *builder, const DspCall *c) {
  emit_attention_gradient(builder, c, cross_shape(builder, c));
}

const DspPrimitive dsp_cross = {cross_forward, cross_backward};

/* --- loss ------------------------------------------------------------------
 */

/* Mean squared error of the output against a target of its shape. */
static void loss_forward(DspBuilder *builder, DspCall *c) {
  c->y = dsp_save(builder, c->x);
  dsp_emit_memory(builder, DSP_ROLE_LOSS, NULL, ELEMENT, c->x, -1, -1,
                  4 * dsp_tensor(builder, c->x)->bytes, 3);
}

static void loss_backward(DspBuilder *builder, const DspCall *c) {
  dsp_emit_memory(builder, DSP_ROLE_LOSS, NULL, ELEMENT, c->x, -1,
                  dsp_gradient(builder, c->x),
                  3 * dsp_tensor(builder, c->x)->bytes, 2);
}

const DspPrimitive dsp_loss = {loss_forward, loss_backward};
