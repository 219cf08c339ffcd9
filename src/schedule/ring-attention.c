/* SPDX-License-Identifier: Apache-2.0 */
/* Ring attention (arXiv 2310.01889): keys and values travel round the ring of
 * DSP_AXIS_RING while each rank attends to the block it holds. Forward N-1
 * sends of K and V; backward the same and N-1 sends of their gradients, which
 * start at the first foreign block and end at home. */
#include "schedule/build.h"

typedef struct {
  int64_t rounds;
  DspAttentionShape shape; /* of one block, queries of this rank */
  int64_t joint;           /* text tokens that join the first block */
  int64_t kv_bytes, q_bytes;
  gboolean confused; /* of ranks that hold other sequences */
  gboolean balanced; /* zigzag: every rank has equal causal work */
} Ring;

static Ring ring_of(const DspBuilder *builder, const DspCall *c) {
  const DspTensor *x = dsp_tensor(builder, c->x);
  Ring ring = {.rounds = builder->plan->degree[DSP_AXIS_RING],
               .shape = dsp_attention_shape(builder, c->op, x->stream,
                                            x->layout, x->split),
               .balanced = x->layout.zigzag,
               .confused = c->variant & DSP_RING_CONFUSED};
  int64_t tokens = dsp_local_tokens(builder, x->stream, x->layout);
  int64_t element = dsp_dtype_bytes(builder->job->dtype);
  ring.kv_bytes = 2 * tokens * ring.shape.kv_heads * c->op->head_dim * element;
  ring.q_bytes = tokens * ring.shape.heads * c->op->head_dim * element;
  if (c->more >= 0) {
    const DspTensor *joint = dsp_tensor(builder, c->more);
    ring.joint = dsp_local_tokens(builder, joint->stream, joint->layout) /
                 builder->batch;
    ring.shape.seq_q += ring.joint;
  }
  return ring;
}

/* The block of round i: the rank's own, causal, with the text; then those of
 * other ranks, of which a balanced causal ring sees half. */
static DspAttentionShape block_shape(const Ring *ring, int64_t round) {
  DspAttentionShape shape = ring->shape;
  if (round == 0) {
    shape.seq_k += ring->joint;
    return shape;
  }
  if (shape.causal && ring->balanced)
    shape.seq_k = dsp_divide_up(shape.seq_k, 2);
  shape.causal = FALSE;
  return shape;
}

static void mark_round(const Ring *ring, DspStep *step, int64_t round) {
  step->ring_round = (int)round;
  step->ring_causal = ring->shape.causal && !ring->balanced && round > 0;
}

static int kv_buffer(DspBuilder *builder, const DspCall *c, const Ring *ring) {
  int buffer = dsp_tensor_like(builder, c->x, dsp_tensor(builder, c->x)->width);
  dsp_tensor(builder, buffer)->kind = DSP_TENSOR_BUFFER;
  dsp_tensor(builder, buffer)->bytes = ring->kv_bytes;
  return buffer;
}

/* K and V are two messages of one grouped call. */
static int send_round(DspBuilder *builder, const DspCall *c, const Ring *ring,
                      int from) {
  int to = kv_buffer(builder, c, ring);
  dsp_emit_collective(builder, c->op, DSP_SENDRECV, DSP_AXIS_RING, from, to,
                      ring->kv_bytes, 2);
  dsp_last_step(builder)->move =
      (DspMove){from, to, DSP_PIECE_K | DSP_PIECE_V, DSP_PIECE_QKV};
  return to;
}

static void emit_memory_round(DspBuilder *builder, const DspCall *c,
                              const Ring *ring, int64_t round, int x, int more,
                              int y, int64_t bytes, int kernels) {
  int index =
      dsp_emit_memory(builder, DSP_ROLE_MERGE, c->op, DSP_MEMORY_ELEMENTWISE, x,
                      more, y, bytes, kernels);
  mark_round(ring, &g_array_index(builder->segment->steps, DspStep, index),
             round);
}

static DspStep round_step(const DspBuilder *builder, const DspCall *c,
                          const Ring *ring, int64_t round,
                          DspDirection direction, int kv) {
  DspStep step = dsp_step(
      builder, DSP_STEP_ATTENTION,
      direction == DSP_FORWARD ? DSP_ROLE_COMPUTE : DSP_ROLE_INPUT_GRAD, c->op);
  step.inputs[0] = c->x;
  step.inputs[1] = kv;
  step.attention.shape = block_shape(ring, round);
  step.attention.direction = direction;
  mark_round(ring, &step, round);
  step.ring_confused = ring->confused;
  if (round == 0)
    dsp_step_layout(builder, c, &step);
  return step;
}

static void attend_round(DspBuilder *builder, const DspCall *c,
                         const Ring *ring, int64_t round, int kv) {
  DspStep step = round_step(builder, c, ring, round, DSP_FORWARD, kv);
  step.inputs[2] = c->more;
  step.output = c->y;
  step.also[0] = c->side;
  dsp_emit(builder, step);
}

/* Gives the gradient of the keys that it holds; that of the queries is added
 * to x's by the step after it. */
static void attend_round_back(DspBuilder *builder, const DspCall *c,
                              const Ring *ring, int64_t round, int kv,
                              int dkv) {
  DspStep step = round_step(builder, c, ring, round, DSP_BACKWARD, kv);
  step.inputs[2] = dsp_gradient(builder, c->y);
  step.inputs[3] = c->y;
  step.output = dkv;
  if (c->more >= 0) {
    step.inputs[4] = c->more;
    step.inputs[5] = dsp_gradient(builder, c->side);
    step.inputs[6] = c->side;
    step.also[0] = dsp_gradient(builder, c->more);
  }
  if (round > 0)
    step.also[1] = dsp_gradient(builder, c->x);
  dsp_emit(builder, step);
}

/* Codes that join ring to ulysses permute q, k, v and the output before and
 * after an exchange of heads among one rank, too; with one sequence that moves
 * nothing (all_to_all_4D of feifeibear/long-context-attention). */
static gboolean permutes_heads(const DspBuilder *builder, const Ring *ring) {
  return builder->batch > 1 && builder->plan->degree[DSP_AXIS_SP] == 1 &&
         !ring->confused;
}

/* They are counted with the last step, the first sum of rounds. */
static void add_permutations(const DspBuilder *builder, const Ring *ring) {
  DspStep *step = dsp_last_step(builder);
  DspMemoryPart parts[DSP_MEMORY_PARTS];
  if (!permutes_heads(builder, ring))
    return;
  memcpy(parts, step->memory.parts, sizeof parts);
  parts[DSP_MEMORY_PARTS - 1] =
      (DspMemoryPart){DSP_MEMORY_TRANSPOSE, 8, 16 * ring->q_bytes};
  dsp_step_kernels(builder, step, parts);
}

/* Merging a block's output into the running one, which is fp32, by their
 * log-sum-exp: out - sigmoid(lse of the block - lse) (out - block). Fused it
 * reads both and writes one (4 + 2 + 4 bytes for 2 of output). The framework
 * casts the block, subtracts, multiplies by a number a row and subtracts, and
 * has four more kernels for the numbers of rows. The first block's output is
 * cast, too, and the last result is cast back: counted with the first merge. */
static void merge_round(DspBuilder *builder, const DspCall *c, const Ring *ring,
                        int64_t round, int y) {
  static const DspMemoryPart eager[DSP_MEMORY_PARTS] = {
      {DSP_MEMORY_ELEMENTWISE, 7, 15}, {DSP_MEMORY_BROADCAST, 1, 4}};
  static const DspMemoryPart fused[DSP_MEMORY_PARTS] = {
      {DSP_MEMORY_ELEMENTWISE, 1, 5}};
  static const DspMemoryPart casts = {DSP_MEMORY_ELEMENTWISE, 2, 6};
  if (round == 0)
    return;
  emit_memory_round(builder, c, ring, round, y, -1, y, 0, 0);
  DspStep *step = dsp_last_step(builder);
  DspMemoryPart parts[DSP_MEMORY_PARTS];
  memcpy(parts, builder->job->launch == DSP_LAUNCH_COMPILED ? fused : eager,
         sizeof parts);
  if (round == 1) {
    parts[0].kernels += casts.kernels;
    parts[0].bytes += casts.bytes;
  }
  for (int i = 0; i < DSP_MEMORY_PARTS; i++)
    parts[i].bytes *= ring->q_bytes;
  dsp_step_kernels(builder, step, parts);
  step->also[0] = c->side;
  if (round == 1)
    add_permutations(builder, ring);
}

static void ring_forward(DspBuilder *builder, DspCall *c) {
  Ring ring = ring_of(builder, c);
  int kv = c->x;
  c->y = dsp_save(builder, dsp_output_of(builder, c->op, c->x));
  c->side = c->more >= 0 ? dsp_output_of(builder, c->op, c->more) : -1;
  dsp_save(builder, c->side);
  for (int64_t round = 0; round < ring.rounds; round++) {
    int held = kv;
    if (round + 1 < ring.rounds)
      kv = send_round(builder, c, &ring, held);
    attend_round(builder, c, &ring, round, held);
    merge_round(builder, c, &ring, round, c->y);
  }
}

/* Sums of gradients that were computed in rounds: read two, write one. */
static void add_round(DspBuilder *builder, const DspCall *c, const Ring *ring,
                      int64_t round, int y, int more, int64_t bytes) {
  emit_memory_round(builder, c, ring, round, y, more, y, 3 * bytes, 1);
}

static void ring_backward(DspBuilder *builder, const DspCall *c) {
  Ring ring = ring_of(builder, c);
  int dx = dsp_gradient(builder, c->x);
  int kv = c->x, arriving = -1;
  for (int64_t round = 0; round < ring.rounds; round++) {
    int held = kv, dkv = kv_buffer(builder, c, &ring);
    if (round + 1 < ring.rounds)
      kv = send_round(builder, c, &ring, held);
    attend_round_back(builder, c, &ring, round, held, round ? dkv : dx);
    if (round == 0)
      continue;
    add_round(builder, c, &ring, round, dx, -1, ring.q_bytes);
    if (round == 1)
      add_permutations(builder, &ring);
    if (arriving >= 0)
      add_round(builder, c, &ring, round, dkv, arriving, ring.kv_bytes);
    arriving = send_round(builder, c, &ring, dkv);
  }
  if (arriving >= 0)
    add_round(builder, c, &ring, 0, dx, arriving, ring.kv_bytes);
}

const DspPrimitive dsp_ring_attend = {ring_forward, ring_backward};
