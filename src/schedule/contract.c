/* SPDX-License-Identifier: Apache-2.0 */
/* Operations that sum over a dimension without a softmax: linear attention,
 * triangle multiplication and outer product mean. */
#include "schedule/build.h"

/* --- phi(q) (phi(k)^T v) -----------------------------------------------------
 */

/* A state of head_dim x head_dim numbers a head is summed over the tokens, then
 * applied to each: two products of 2*tokens*head_dim^2 FLOP a head. */
typedef struct {
  int64_t sequences, heads, tokens, dim;
} State;

static State state_of(const DspBuilder *builder, const DspCall *c) {
  const DspTensor *x = dsp_tensor(builder, c->x);
  DspAttentionShape s =
      dsp_attention_shape(builder, c->op, x->stream, x->layout, x->split);
  return (State){s.batch, s.heads, s.seq_q, s.head_dim};
}

static void emit_product(DspBuilder *builder, DspRole role, const DspOp *op,
                         int x, int y, DspGemm gemm) {
  DspStep step = dsp_step(builder, DSP_STEP_GEMM, role, op);
  step.inputs[0] = x;
  step.output = y;
  step.gemm = gemm;
  dsp_emit(builder, step);
}

/* Sums the state of x and, where the ranks hold parts of the sequence, reduces
 * it over them. */
static int emit_state(DspBuilder *builder, const DspCall *c, DspRole role,
                      int x) {
  State s = state_of(builder, c);
  DspDtype dtype = builder->job->dtype;
  int state = dsp_tensor_like(builder, c->x, c->op->heads * c->op->head_dim);
  DspTensor *t = dsp_tensor(builder, state);
  t->kind = DSP_TENSOR_BUFFER;
  t->bytes = s.sequences * s.heads * s.dim * s.dim * dsp_dtype_bytes(dtype);
  int64_t bytes = t->bytes;
  emit_product(
      builder, role, c->op, x, state,
      (DspGemm){s.sequences * s.heads * s.dim, s.dim, s.tokens, dtype});
  if (dsp_crosses_shard(builder, c->op, c->x))
    dsp_emit_collective(builder, c->op, DSP_ALL_REDUCE, DSP_AXIS_SEQUENCE,
                        state, state, bytes, 1);
  return state;
}

static void emit_apply(DspBuilder *builder, const DspCall *c, DspRole role,
                       int state, int y) {
  State s = state_of(builder, c);
  emit_product(builder, role, c->op, state, y,
               (DspGemm){s.sequences * s.heads * s.tokens, s.dim, s.dim,
                         builder->job->dtype});
}

static void linear_attend_forward(DspBuilder *builder, DspCall *c) {
  c->y = dsp_tensor_like(builder, dsp_save(builder, c->x),
                         dsp_tensor(builder, c->x)->width - c->op->in +
                             c->op->out);
  emit_apply(builder, c, DSP_ROLE_COMPUTE,
             emit_state(builder, c, DSP_ROLE_COMPUTE, c->x), c->y);
}

/* The state again, its gradient, and the gradients of q and of k and v. */
static void linear_attend_backward(DspBuilder *builder, const DspCall *c) {
  int dx = dsp_gradient(builder, c->x);
  int state = emit_state(builder, c, DSP_ROLE_INPUT_GRAD, c->x);
  int gradient =
      emit_state(builder, c, DSP_ROLE_INPUT_GRAD, dsp_gradient(builder, c->y));
  emit_apply(builder, c, DSP_ROLE_INPUT_GRAD, state, dx);
  emit_apply(builder, c, DSP_ROLE_INPUT_GRAD, gradient, dx);
  emit_apply(builder, c, DSP_ROLE_INPUT_GRAD, gradient, dx);
}

const DspPrimitive dsp_linear_attend = {linear_attend_forward,
                                        linear_attend_backward};

/* --- triangle and outer product
 * ----------------------------------------------- */

/* c_ij = sum over k of a_ik b_jk: x holds a (this rank's i), `more` the whole
 * of b. As one product of the operation's FLOP: k long, all j wide. */
static DspGemm contract_shape(const DspBuilder *builder, const DspCall *c) {
  const DspJob *job = builder->job;
  const DspTensor *x = dsp_tensor(builder, c->x);
  const DspStream *s = &job->model->streams[x->stream];
  int64_t k = 1, n = 1;
  for (guint i = 0; i < s->n_dims; i++)
    if (c->op->over & (1u << s->dims[i]))
      k *= job->lengths.length[s->dims[i]];
    else
      n *= job->lengths.length[s->dims[i]];
  double flop =
      dsp_op_flop(job->model, c->op, &job->lengths) * (double)builder->batch;
  double share = (double)dsp_local_tokens(builder, x->stream, x->layout) /
                 ((double)builder->batch * (double)k * (double)n);
  double m = flop * share / (2.0 * (double)k * (double)n);
  return (DspGemm){MAX((int64_t)m, 1), n, k, job->dtype};
}

/* call->to: the layout of the output's stream; call->variant: that stream. */
static void contract_forward(DspBuilder *builder, DspCall *c) {
  c->y = dsp_tensor_new(builder, DSP_TENSOR_ACTIVATION, c->variant, c->to,
                        c->op->out, 1);
  dsp_save(builder, c->x);
  dsp_save(builder, c->more);
  emit_product(builder, DSP_ROLE_COMPUTE, c->op, c->x, c->y,
               contract_shape(builder, c));
}

static void contract_backward(DspBuilder *builder, const DspCall *c) {
  DspGemm g = contract_shape(builder, c);
  int dy = dsp_gradient(builder, c->y);
  emit_product(builder, DSP_ROLE_INPUT_GRAD, c->op, dy,
               dsp_gradient(builder, c->x), (DspGemm){g.m, g.k, g.n, g.dtype});
  emit_product(builder, DSP_ROLE_INPUT_GRAD, c->op, dy,
               dsp_gradient(builder, c->more),
               (DspGemm){g.n, g.k, g.m, g.dtype});
}

const DspPrimitive dsp_contract = {contract_forward, contract_backward};
