/* SPDX-License-Identifier: Apache-2.0 */
/* The primitives that move activations between ranks, with the copies before
 * and after: what list all-to-all codes do (split into pieces made contiguous,
 * exchange, concatenate), as in VideoSys and DeepSpeed-Ulysses. */
#include "schedule/build.h"

/* The copy on one side of an exchange: none where the pieces lie one after
 * another already. */
typedef struct {
  gboolean needed;
  DspMemoryOp op;
  int kernels;
} Copy;

static const Copy no_copy = {FALSE, DSP_MEMORY_COPY, 0};

static gboolean is_outermost(const DspBuilder *builder, guint stream, int dim) {
  const DspStream *s = &builder->job->model->streams[stream];
  return dim == DSP_DIM_BATCH ||
         (builder->batch == 1 && s->n_dims && dim == (int)s->dims[0]);
}

/* Splitting the outermost dimension gives contiguous pieces, unless the last is
 * padded; any other is a strided read, a kernel a piece. */
static Copy split_copy(const DspBuilder *builder, guint stream, int dim,
                       int64_t pieces) {
  int64_t length =
      dim == DSP_DIM_BATCH ? builder->batch : builder->job->lengths.length[dim];
  if (is_outermost(builder, stream, dim) && length % pieces == 0)
    return no_copy;
  return (Copy){TRUE, DSP_MEMORY_TRANSPOSE, (int)pieces};
}

static const Copy concatenate = {TRUE, DSP_MEMORY_COPY, 1};

/* One permutation packs the heads of all ranks, another takes them apart, as in
 * all_to_all_4D of feifeibear/long-context-attention, which xDiT, HunyuanVideo
 * and Wan call. */
static const Copy permute_heads = {TRUE, DSP_MEMORY_TRANSPOSE, 1};

static int buffer_new(DspBuilder *builder, int like, int64_t bytes) {
  DspTensor t = *dsp_tensor(builder, like);
  int buffer = dsp_tensor_new(builder, DSP_TENSOR_BUFFER, t.stream, t.layout,
                              t.width, t.split);
  dsp_tensor(builder, buffer)->bytes = bytes;
  return buffer;
}

static int emit_copy(DspBuilder *builder, DspRole role, const DspOp *op,
                     Copy copy, int x, int y, int64_t bytes) {
  return dsp_emit_memory(builder, role, op, copy.op, x, -1, y, 2 * bytes,
                         copy.kernels);
}

/* x is packed, exchanged and unpacked into y; `sent` and `received` are the
 * sizes of the two buffers, `bytes` what the collective counts. */
typedef struct {
  DspCollective collective;
  DspAxisName axis;
  Copy pack, unpack;
  int64_t sent, received, bytes;
  guint pieces, holds; /* of DspMove */
} Transfer;

/* Up to where the bytes have arrived; gives the tensor that holds them: y, or
 * the receive buffer. */
static int emit_sending(DspBuilder *builder, const DspOp *op, const Transfer *t,
                        int x, int y) {
  int64_t ranks = dsp_plan_axis(builder->plan, t->axis).size;
  int64_t calls = t->collective == DSP_ALL_TO_ALL ? ranks : 1;
  const DspMove move = {x, y, t->pieces, t->holds};
  int from = x, to = y;
  if (t->pack.needed) {
    from = buffer_new(builder, x, t->sent);
    emit_copy(builder, DSP_ROLE_PACK, op, t->pack, x, from, t->sent);
    dsp_last_step(builder)->move = move;
  }
  if (t->unpack.needed)
    to = buffer_new(builder, y, t->received);
  dsp_emit_collective(builder, op, t->collective, t->axis, from, to, t->bytes,
                      calls);
  dsp_last_step(builder)->move = move;
  return to;
}

static void emit_receiving(DspBuilder *builder, const DspOp *op,
                           const Transfer *t, int x, int buffer, int y) {
  emit_copy(builder, DSP_ROLE_UNPACK, op, t->unpack, buffer, y, t->received);
  dsp_last_step(builder)->move = (DspMove){x, y, t->pieces, t->holds};
}

static void emit_transfer(DspBuilder *builder, const DspOp *op,
                          const Transfer *t, int x, int y) {
  int arrived = emit_sending(builder, op, t, x, y);
  if (t->unpack.needed)
    emit_receiving(builder, op, t, x, arrived, y);
}

/* --- switch: Shard(i) to Shard(j) ------------------------------------------
 */

/* Tokens in the send buffer: the shard of `from`, with `to` padded to a
 * multiple of the ranks, or sliced. The receive buffer is as large. */
static int64_t switched_tokens(const DspBuilder *builder, guint stream,
                               DspLayout from, DspLayout to) {
  int64_t tokens = dsp_local_tokens(builder, stream, from);
  int64_t length = to.dim == DSP_DIM_BATCH
                       ? builder->batch
                       : builder->job->lengths.length[to.dim];
  return tokens / length * dsp_layout_part(to, length) * to.ranks;
}

/* What arrives of a slice lies in rows apart where it becomes part of a whole;
 * else it is concatenated. */
static Transfer switch_of(DspBuilder *builder, int x, int y, DspAxisName axis) {
  static const Copy scatter = {TRUE, DSP_MEMORY_TRANSPOSE, 1};
  DspTensor from = *dsp_tensor(builder, x), to = *dsp_tensor(builder, y);
  int64_t bytes =
      switched_tokens(builder, from.stream, from.layout, to.layout) *
      (from.width / from.split) * dsp_dtype_bytes(builder->job->dtype);
  return (Transfer){
      .collective = DSP_ALL_TO_ALL,
      .axis = axis,
      .pack = split_copy(builder, from.stream, to.layout.dim, to.layout.ranks),
      .unpack = from.layout.slices > 1 ? scatter : concatenate,
      .sent = bytes,
      .received = bytes,
      .bytes = bytes};
}

static void emit_switch(DspBuilder *builder, const DspOp *op, int x, int y,
                        DspAxisName axis) {
  Transfer t = switch_of(builder, x, y, axis);
  emit_transfer(builder, op, &t, x, y);
}

static int tensor_in(DspBuilder *builder, int x, DspLayout layout,
                     int64_t width, int64_t split) {
  int y = dsp_tensor_new(builder, DSP_TENSOR_ACTIVATION,
                         dsp_tensor(builder, x)->stream, layout, width, split);
  memcpy(dsp_tensor(builder, y)->pieces, dsp_tensor(builder, x)->pieces,
         sizeof dsp_tensor(builder, y)->pieces);
  return y;
}

static void switch_forward(DspBuilder *builder, DspCall *c) {
  const DspTensor *x = dsp_tensor(builder, c->x);
  c->y = tensor_in(builder, c->x, c->to, x->width, x->split);
  emit_switch(builder, c->op, c->x, c->y, c->axis);
}

/* The gradient of switch(i, j) is switch(j, i) of the gradient. */
static void switch_backward(DspBuilder *builder, const DspCall *c) {
  emit_switch(builder, c->op, dsp_gradient(builder, c->y),
              dsp_gradient(builder, c->x), c->axis);
}

const DspPrimitive dsp_switch = {switch_forward, switch_backward};

static int emit_begin(DspBuilder *builder, const DspCall *c, int x, int y) {
  Transfer t = switch_of(builder, x, y, c->axis);
  return emit_sending(builder, c->op, &t, x, y);
}

static void emit_end(DspBuilder *builder, const DspCall *c, int x, int buffer,
                     int y) {
  Transfer t = switch_of(builder, x, y, c->axis);
  emit_receiving(builder, c->op, &t, x, buffer, y);
}

static void begin_forward(DspBuilder *builder, DspCall *c) {
  const DspTensor *x = dsp_tensor(builder, c->x);
  if (c->y < 0)
    c->y = tensor_in(builder, c->x, c->to, x->width, x->split);
  c->side = emit_begin(builder, c, c->x, c->y);
}

static void end_forward(DspBuilder *builder, DspCall *c) {
  emit_end(builder, c, c->x, c->more, c->y);
}

/* The gradient of the buffer is the one that the gradient of x arrives in. */
static void end_backward(DspBuilder *builder, const DspCall *c) {
  int buffer = emit_begin(builder, c, dsp_gradient(builder, c->y),
                          dsp_gradient(builder, c->x));
  g_array_index(builder->gradients, int, c->more) = buffer;
}

static void begin_backward(DspBuilder *builder, const DspCall *c) {
  emit_end(builder, c, dsp_gradient(builder, c->y),
           dsp_gradient(builder, c->side), dsp_gradient(builder, c->x));
}

const DspPrimitive dsp_switch_begin = {begin_forward, begin_backward};
const DspPrimitive dsp_switch_end = {end_forward, end_backward};

/* --- gather: Shard(i) to whole, and its mirror ------------------------------
 */

static void emit_all_gather(DspBuilder *builder, const DspOp *op, int x, int y,
                            DspAxisName axis) {
  int64_t ranks = dsp_plan_axis(builder->plan, axis).size;
  int64_t bytes = dsp_tensor(builder, x)->bytes * ranks;
  Transfer t = {.collective = DSP_ALL_GATHER,
                .axis = axis,
                .unpack = concatenate,
                .received = bytes,
                .bytes = bytes};
  emit_transfer(builder, op, &t, x, y);
}

static void emit_reduce_scatter(DspBuilder *builder, const DspOp *op, int x,
                                int y, DspAxisName axis) {
  int64_t ranks = dsp_plan_axis(builder->plan, axis).size;
  const DspTensor *to = dsp_tensor(builder, y);
  int64_t bytes = to->bytes * ranks;
  Transfer t = {.collective = DSP_REDUCE_SCATTER,
                .axis = axis,
                .pack = split_copy(builder, to->stream, to->layout.dim, ranks),
                .sent = bytes,
                .received = to->bytes,
                .bytes = bytes};
  emit_transfer(builder, op, &t, x, y);
}

static void gather_forward(DspBuilder *builder, DspCall *c) {
  const DspTensor *x = dsp_tensor(builder, c->x);
  c->y = tensor_in(builder, c->x, c->to, x->width, x->split);
  emit_all_gather(builder, c->op, c->x, c->y, c->axis);
}

/* Every rank holds the gradient of the whole: its shard is a slice of it. */
static void gather_backward(DspBuilder *builder, const DspCall *c) {
  int dy = dsp_gradient(builder, c->y), dx = dsp_gradient(builder, c->x);
  Copy slice = {TRUE, DSP_MEMORY_COPY, 1};
  emit_copy(builder, DSP_ROLE_UNPACK, c->op, slice, dy, dx,
            dsp_tensor(builder, dx)->bytes);
  dsp_last_step(builder)->move = (DspMove){dy, dx, 0, 0};
}

const DspPrimitive dsp_gather = {gather_forward, gather_backward};

/* An operand that every rank needs whole and uses in part (global operations):
 * its gradient is a sum of partial ones. */
static void broadcast_backward(DspBuilder *builder, const DspCall *c) {
  emit_reduce_scatter(builder, c->op, dsp_gradient(builder, c->y),
                      dsp_gradient(builder, c->x), c->axis);
}

const DspPrimitive dsp_gather_operand = {gather_forward, broadcast_backward};

/* --- sequence shards to head shards and back --------------------------------
 */

/* Heads that travel in each piece, of the `split` that the tokens have already:
 * fewer key heads than ranks are repeated. */
static int64_t piece_heads(const DspOp *op, int64_t split, int64_t ranks,
                           guint piece) {
  return piece == DSP_PIECE_Q ? op->heads / split
                              : MAX(op->kv_heads / split, ranks);
}

static int64_t heads_bytes(const DspBuilder *builder, const DspCall *c,
                           int tokens, guint pieces) {
  const DspTensor *t = dsp_tensor(builder, tokens);
  int64_t ranks = dsp_plan_axis(builder->plan, c->axis).size, heads = 0;
  for (guint piece = DSP_PIECE_Q; piece <= DSP_PIECE_V; piece <<= 1)
    if (pieces & piece)
      heads += piece_heads(c->op, t->split, ranks, piece);
  return dsp_local_tokens(builder, t->stream, t->layout) * heads *
         c->op->head_dim * dsp_dtype_bytes(builder->job->dtype);
}

/* call->variant: which of q (or o), k and v move. Each is an exchange of its
 * own, as in DeepSpeed-Ulysses. Shards of the outermost dimension arrive one
 * after another, as they shall lie. */
static void emit_head_exchanges(DspBuilder *builder, const DspCall *c, int x,
                                int y, gboolean to_heads) {
  int tokens = to_heads ? x : y;
  const DspTensor *t = dsp_tensor(builder, tokens);
  const Copy arrived =
      is_outermost(builder, t->stream, t->layout.dim) ? no_copy : permute_heads;
  for (guint piece = DSP_PIECE_Q; piece <= DSP_PIECE_V; piece <<= 1) {
    if (!(c->variant & piece))
      continue;
    int64_t bytes = heads_bytes(builder, c, tokens, piece);
    Transfer transfer = {.collective = DSP_ALL_TO_ALL,
                         .axis = c->axis,
                         .pack = permute_heads,
                         .unpack = to_heads ? arrived : permute_heads,
                         .sent = bytes,
                         .received = bytes,
                         .bytes = bytes,
                         .pieces = piece,
                         .holds = c->variant};
    emit_transfer(builder, c->op, &transfer, x, y);
  }
}

/* The output takes along the columns that passed beside the attention: they
 * wait in call->more, the tensor before it. */
static void pass_beside(DspBuilder *builder, const DspCall *c) {
  dsp_last_step(builder)->inputs[1] = c->more;
}

/* The first step of the mirror gives them their gradient. */
static void pass_beside_back(DspBuilder *builder, const DspCall *c,
                             guint first) {
  GArray *steps = builder->segment->steps;
  if (c->more >= 0)
    g_array_index(steps, DspStep, first).also[0] =
        dsp_gradient(builder, c->more);
}

static void to_heads_forward(DspBuilder *builder, DspCall *c) {
  const DspTensor *x = dsp_tensor(builder, c->x);
  int64_t ranks = dsp_plan_axis(builder->plan, c->axis).size;
  c->y = tensor_in(builder, c->x, c->to, x->width, x->split * ranks);
  emit_head_exchanges(builder, c, c->x, c->y, TRUE);
}

static void to_heads_backward(DspBuilder *builder, const DspCall *c) {
  emit_head_exchanges(builder, c, dsp_gradient(builder, c->y),
                      dsp_gradient(builder, c->x), FALSE);
}

const DspPrimitive dsp_to_heads = {to_heads_forward, to_heads_backward};

static void to_tokens_forward(DspBuilder *builder, DspCall *c) {
  const DspTensor *x = dsp_tensor(builder, c->x);
  int64_t ranks = dsp_plan_axis(builder->plan, c->axis).size;
  c->y = tensor_in(builder, c->x, c->to, x->width, x->split / ranks);
  emit_head_exchanges(builder, c, c->x, c->y, FALSE);
  pass_beside(builder, c);
}

static void to_tokens_backward(DspBuilder *builder, const DspCall *c) {
  guint first = builder->segment->steps->len;
  emit_head_exchanges(builder, c, dsp_gradient(builder, c->y),
                      dsp_gradient(builder, c->x), TRUE);
  pass_beside_back(builder, c, first);
}

const DspPrimitive dsp_to_tokens = {to_tokens_forward, to_tokens_backward};

/* --- heads of a stream that is whole on every rank ---------------------------
 */

static void slice(DspBuilder *builder, const DspCall *c, int x, int y) {
  Copy copy = {TRUE, DSP_MEMORY_TRANSPOSE, 1};
  emit_copy(builder, DSP_ROLE_PACK, c->op, copy, x, y,
            dsp_tensor(builder, y)->bytes);
  dsp_last_step(builder)->move = (DspMove){x, y, c->variant, c->variant};
}

/* All heads of a rank's own, or from sums over the ranks its own. */
static void join(DspBuilder *builder, const DspCall *c, int x, int y,
                 DspCollective collective) {
  gboolean gather = collective == DSP_ALL_GATHER;
  int64_t bytes = heads_bytes(builder, c, gather ? y : x, c->variant);
  Transfer t = {collective,
                c->axis,
                gather ? no_copy : permute_heads,
                gather ? permute_heads : no_copy,
                bytes,
                bytes,
                bytes,
                c->variant,
                c->variant};
  emit_transfer(builder, c->op, &t, x, y);
}

static void slice_heads_forward(DspBuilder *builder, DspCall *c) {
  const DspTensor *x = dsp_tensor(builder, c->x);
  int64_t ranks = dsp_plan_axis(builder->plan, c->axis).size;
  c->y = tensor_in(builder, c->x, x->layout, x->width, x->split * ranks);
  slice(builder, c, c->x, c->y);
}

/* A rank's part of the gradient of the whole is that of its own heads. */
static void slice_heads_backward(DspBuilder *builder, const DspCall *c) {
  slice(builder, c, dsp_gradient(builder, c->y), dsp_gradient(builder, c->x));
}

const DspPrimitive dsp_slice_heads = {slice_heads_forward,
                                      slice_heads_backward};

static void gather_heads_forward(DspBuilder *builder, DspCall *c) {
  const DspTensor *x = dsp_tensor(builder, c->x);
  int64_t ranks = dsp_plan_axis(builder->plan, c->axis).size;
  c->y = tensor_in(builder, c->x, x->layout, x->width, x->split / ranks);
  join(builder, c, c->x, c->y, DSP_ALL_GATHER);
  pass_beside(builder, c);
}

static void gather_heads_backward(DspBuilder *builder, const DspCall *c) {
  guint first = builder->segment->steps->len;
  join(builder, c, dsp_gradient(builder, c->y), dsp_gradient(builder, c->x),
       DSP_REDUCE_SCATTER);
  pass_beside_back(builder, c, first);
}

const DspPrimitive dsp_gather_heads = {gather_heads_forward,
                                       gather_heads_backward};

/* --- tensor-parallel regions
 * -------------------------------------------------- */

/* Megatron's f and g, and their sequence-parallel forms (arXiv 2205.05198,
 * section 4.2.2). call->variant: the tokens are sharded outside the region. On
 * the sequence axis the gradient of a stream that is whole stays in parts (as
 * everywhere) until it is that of heads. */
static gboolean holds_parts(const DspCall *c) {
  return c->axis != DSP_AXIS_TP;
}

static void emit_all_reduce(DspBuilder *builder, const DspOp *op, int x, int y,
                            DspAxisName axis) {
  int64_t bytes = dsp_tensor(builder, x)->bytes;
  Transfer t = {.collective = DSP_ALL_REDUCE,
                .axis = axis,
                .sent = bytes,
                .received = bytes,
                .bytes = bytes};
  emit_transfer(builder, op, &t, x, y);
}

static void enter_split_forward(DspBuilder *builder, DspCall *c) {
  c->y = c->x;
  if (c->variant)
    gather_forward(builder, c);
}

static void enter_split_backward(DspBuilder *builder, const DspCall *c) {
  int dy = dsp_gradient(builder, c->y);
  if (c->variant)
    emit_reduce_scatter(builder, c->op, dy, dsp_gradient(builder, c->x),
                        c->axis);
  else if (dsp_gradient_wanted(builder, c->x) && !holds_parts(c))
    emit_all_reduce(builder, c->op, dy, dy, c->axis);
}

const DspPrimitive dsp_enter_split = {enter_split_forward,
                                      enter_split_backward};

static void leave_split_forward(DspBuilder *builder, DspCall *c) {
  const DspTensor *x = dsp_tensor(builder, c->x);
  c->y = tensor_in(builder, c->x, c->to, x->width, 1);
  if (c->variant)
    emit_reduce_scatter(builder, c->op, c->x, c->y, c->axis);
  else
    emit_all_reduce(builder, c->op, c->x, c->y, c->axis);
}

static void leave_split_backward(DspBuilder *builder, const DspCall *c) {
  int dy = dsp_gradient(builder, c->y);
  if (c->variant)
    emit_all_gather(builder, c->op, dy, dsp_gradient(builder, c->x), c->axis);
  else if (holds_parts(c))
    emit_all_reduce(builder, c->op, dy, dsp_gradient(builder, c->x), c->axis);
  else
    g_array_index(builder->gradients, int, c->x) = dy;
}

const DspPrimitive dsp_leave_split = {leave_split_forward,
                                      leave_split_backward};
