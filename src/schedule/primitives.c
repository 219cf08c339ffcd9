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

static int linear_output(DspBuilder *builder, const DspCall *c, int x) {
  const int64_t split_by[] = {[DSP_TP_NONE] = dsp_tensor(builder, x)->split,
                              [DSP_TP_COLUMN] = c->width,
                              [DSP_TP_ROW] = 1};
  DspTensor t = *dsp_tensor(builder, x);
  return dsp_tensor_new(builder, DSP_TENSOR_ACTIVATION, t.stream, t.layout,
                        t.width - c->op->in + c->op->out, split_by[c->op->tp]);
}

static void emit_linear(DspBuilder *builder, DspRole role, const DspOp *op,
                        int x, int y, DspGemm shape) {
  DspStep step = dsp_step(builder, DSP_STEP_GEMM, role, op);
  step.inputs[0] = x;
  step.output = y;
  step.kernels = (int)op->calls;
  step.gemm = shape;
  dsp_emit(builder, step);
}

static void linear_forward(DspBuilder *builder, DspCall *c) {
  DspDtype dtype = builder->job->dtype;
  c->y = linear_output(builder, c, c->x);
  c->side = c->more >= 0 ? linear_output(builder, c, c->more) : -1;
  dsp_save(builder, c->x);
  dsp_save(builder, c->more);
  LinearShape s = linear_shape(builder, c);
  emit_linear(builder, DSP_ROLE_COMPUTE, c->op, c->x, c->y,
              (DspGemm){s.tokens, s.out, s.in, dtype});
}

/* dx = dy W^T and dW = x^T dy; the bias's gradient is a sum over tokens. */
static void linear_backward(DspBuilder *builder, const DspCall *c) {
  DspDtype dtype = builder->job->dtype;
  LinearShape s = linear_shape(builder, c);
  int dy = dsp_gradient(builder, c->y);
  if (dsp_gradient_wanted(builder, c->x))
    emit_linear(builder, DSP_ROLE_INPUT_GRAD, c->op, dy,
                dsp_gradient(builder, c->x),
                (DspGemm){s.tokens, s.in, s.out, dtype});
  emit_linear(builder, DSP_ROLE_WEIGHT_GRAD, c->op, c->x, -1,
              (DspGemm){s.in, s.out, s.tokens, dtype});
  if (c->op->bias)
    dsp_emit_memory(builder, DSP_ROLE_WEIGHT_GRAD, c->op,
                    DSP_MEMORY_ELEMENTWISE, dy, -1, -1,
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

static const Pointwise layer_norm = {
    {{NORM, 2, 1}}, {NORM, 2, 1}, {{NORM_BWD, 3, 1}}, {NORM_BWD, 3, 1}};
/* Written out: to fp32, square, mean, rsqrt, scale, to 16 bits, weight. */
static const Pointwise rms_norm = {
    {{ELEMENT, 18, 6}}, {NORM, 2, 1}, {{ELEMENT, 30, 10}}, {NORM_BWD, 3, 1}};
/* x*(1+scale)+shift: fused into the norm before it. Backward: the gradients of
 * scale and shift are reductions over tokens. */
static const Pointwise modulate = {{{BROADCAST, 4, 2}},
                                   {ELEMENT, 0, 0},
                                   {{BROADCAST, 2, 1}, {ELEMENT, 5, 3}},
                                   {ELEMENT, 3, 2}};
/* Written out on q and k: slice, rotate, two products, sum, concatenate. */
static const Pointwise rope = {
    {{ELEMENT, 18, 10}}, {ROPE, 2, 1}, {{ELEMENT, 18, 10}}, {ROPE, 2, 1}};
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

static const Pointwise *pointwise_of(const DspOp *op) {
  switch (op->kind) {
  case DSP_OP_NORM:
    return op->rms ? &rms_norm : &layer_norm;
  case DSP_OP_QK_NORM:
    return &rms_norm;
  case DSP_OP_MODULATE:
    return &modulate;
  case DSP_OP_ROPE:
    return &rope;
  case DSP_OP_RESIDUAL:
    return op->gate ? &gated_sum : &sum;
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

/* Emits the kernels of the operation on `bytes` of input. */
static void emit_pointwise(DspBuilder *builder, DspDirection direction,
                           const DspOp *op, double bytes, int x, int more,
                           int y) {
  const Pointwise *p = pointwise_of(op);
  gboolean forward = direction == DSP_FORWARD;
  const Kernels *kernels = forward ? p->eager : p->eager_backward;
  int n = DSP_MEMORY_PARTS;
  if (is_fused(builder)) {
    kernels = forward ? &p->fused : &p->fused_backward;
    n = 1;
  }
  DspMemoryPart parts[DSP_MEMORY_PARTS] = {{ELEMENT, 0, 0}};
  for (int i = 0; i < n; i++)
    parts[i] = (DspMemoryPart){kernels[i].memory, kernels[i].kernels,
                               (int64_t)(kernels[i].moves * bytes)};
  dsp_emit_kernels(builder, forward ? DSP_ROLE_COMPUTE : DSP_ROLE_INPUT_GRAD,
                   op, parts, x, more, y);
}

static int pointwise_output(DspBuilder *builder, const DspOp *op, int x) {
  int64_t width = dsp_tensor(builder, x)->width - op->in + op->out;
  return dsp_tensor_like(builder, dsp_save(builder, x), width);
}

static void pointwise_forward(DspBuilder *builder, DspCall *c) {
  c->y = pointwise_output(builder, c->op, c->x);
  c->side = c->more >= 0 ? pointwise_output(builder, c->op, c->more) : -1;
  emit_pointwise(builder, DSP_FORWARD, c->op, touched_bytes(builder, c), c->x,
                 -1, c->y);
}

static void pointwise_backward(DspBuilder *builder, const DspCall *c) {
  if (dsp_gradient_wanted(builder, c->x))
    emit_pointwise(builder, DSP_BACKWARD, c->op, touched_bytes(builder, c),
                   c->x, dsp_gradient(builder, c->y),
                   dsp_gradient(builder, c->x));
}

const DspPrimitive dsp_pointwise = {pointwise_forward, pointwise_backward};

/* --- branches and residual sums --------------------------------------------
 */

/* A stream enters a branch and goes on beside it: nothing forward; backward the
 * branch's gradient is added to the stream's. */
static void fork_forward(DspBuilder *builder, DspCall *c) {
  (void)builder;
  c->y = c->x;
}

static void fork_backward(DspBuilder *builder, const DspCall *c) {
  if (!dsp_gradient_wanted(builder, c->x))
    return;
  int dx = dsp_gradient(builder, c->x);
  dsp_emit_memory(builder, DSP_ROLE_INPUT_GRAD, NULL, ELEMENT, dx, -1, dx,
                  3 * dsp_tensor(builder, dx)->bytes, 1);
}

const DspPrimitive dsp_fork = {fork_forward, fork_backward};

/* y = x + gate*more. The gradient of y is that of x as it is. */
static void residual_forward(DspBuilder *builder, DspCall *c) {
  c->y = dsp_tensor_like(builder, c->x, dsp_tensor(builder, c->x)->width);
  if (c->op->gate)
    dsp_save(builder, c->more);
  emit_pointwise(builder, DSP_FORWARD, c->op,
                 (double)dsp_tensor(builder, c->x)->bytes, c->x, c->more, c->y);
}

static void residual_backward(DspBuilder *builder, const DspCall *c) {
  int dy = dsp_gradient(builder, c->y);
  g_array_index(builder->gradients, int, c->x) = dy;
  if (c->op->gate)
    emit_pointwise(builder, DSP_BACKWARD, c->op,
                   (double)dsp_tensor(builder, dy)->bytes, dy, c->more,
                   dsp_gradient(builder, c->more));
  else
    g_array_index(builder->gradients, int, c->more) = dy;
}

const DspPrimitive dsp_residual = {residual_forward, residual_backward};

/* --- attention on local tokens ---------------------------------------------
 */

static void emit_attention(DspBuilder *builder, const DspCall *c,
                           DspAttentionShape shape, DspDirection direction,
                           int y) {
  DspStep step = dsp_step(
      builder, DSP_STEP_ATTENTION,
      direction == DSP_FORWARD ? DSP_ROLE_COMPUTE : DSP_ROLE_INPUT_GRAD, c->op);
  step.inputs[0] = c->x;
  step.inputs[1] = c->more;
  if (direction == DSP_BACKWARD) {
    step.inputs[2] = dsp_gradient(builder, c->y);
    step.inputs[3] = c->y;
  }
  step.output = y;
  step.attention.shape = shape;
  step.attention.direction = direction;
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
    DspLayout whole = {DSP_DIM_NONE, 1};
    int64_t tokens =
        dsp_local_tokens(builder, joint->stream, whole) / builder->batch;
    shape.seq_q += tokens;
    shape.seq_k += tokens;
  }
  return shape;
}

static void attend_forward(DspBuilder *builder, DspCall *c) {
  c->y = pointwise_output(builder, c->op, c->x);
  c->side = c->more >= 0 ? pointwise_output(builder, c->op, c->more) : -1;
  dsp_save(builder, c->y);
  emit_attention(builder, c, attend_shape(builder, c), DSP_FORWARD, c->y);
}

static void attend_backward(DspBuilder *builder, const DspCall *c) {
  emit_attention(builder, c, attend_shape(builder, c), DSP_BACKWARD,
                 dsp_gradient(builder, c->x));
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
  c->y = pointwise_output(builder, c->op, c->x);
  dsp_save(builder, c->more);
  dsp_save(builder, c->y);
  emit_attention(builder, c, cross_shape(builder, c), DSP_FORWARD, c->y);
}

static void cross_backward(DspBuilder *builder, const DspCall *c) {
  emit_attention(builder, c, cross_shape(builder, c), DSP_BACKWARD,
                 dsp_gradient(builder, c->x));
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
