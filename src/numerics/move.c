/* SPDX-License-Identifier: Apache-2.0 */
/* Pack, exchange and unpack: what goes where follows from the placements of the
 * two tensors of the step's move. */
#include "numerics/executor.h"
#include "numerics/function.h"
#include <string.h>

static const DspTensor *tensor(const DspRank *rank, int index) {
  return dsp_tensor_of(rank->run->schedule, index);
}

static gsize element(const DspRank *rank) {
  return (gsize)dsp_dtype_bytes(rank->run->dtype);
}

static gboolean is_buffer(const DspRank *rank, int index) {
  return tensor(rank, index)->kind == DSP_TENSOR_BUFFER;
}

/* --- one message
 * ------------------------------------------------------------------ */

/* Rows and columns that go from one rank to another. */
typedef struct {
  DspPairs rows, columns;
} Message;

static Message message(const DspRank *rank, const DspStep *step, int64_t sender,
                       int64_t receiver, int64_t columns) {
  const DspSchedule *schedule = rank->run->schedule;
  const DspTensor *from = tensor(rank, step->move.from);
  const DspTensor *to = tensor(rank, step->move.to);
  DspPosition a = dsp_position(&schedule->plan, sender);
  DspPosition b = dsp_position(&schedule->plan, receiver);
  return (Message){dsp_move_rows(schedule, from, &a, to, &b),
                   dsp_move_columns(schedule, step, &a, &b, columns)};
}

static void message_clear(Message *m) {
  dsp_pairs_clear(&m->rows);
  dsp_pairs_clear(&m->columns);
}

static gsize message_bytes(const DspRank *rank, const Message *m) {
  return (gsize)(m->rows.n * m->columns.n) * element(rank);
}

static void write_message(const DspRank *rank, const Message *m,
                          const DspArray *x, int64_t first_row, guint8 *to) {
  for (int64_t i = 0; i < m->rows.n; i++)
    for (int64_t j = 0; j < m->columns.n; j++, to += element(rank)) {
      int64_t row = m->rows.from[i];
      dsp_store(
          to,
          row < 0 ? 0 : x->v[(first_row + row) * x->width + m->columns.from[j]],
          rank->run->dtype);
    }
}

static void read_message(const DspRank *rank, const Message *m, DspArray *y,
                         int64_t first_row, const guint8 *from) {
  for (int64_t i = 0; i < m->rows.n; i++)
    for (int64_t j = 0; j < m->columns.n; j++, from += element(rank))
      if (m->rows.to[i] >= 0 && m->rows.from[i] >= 0)
        y->v[(first_row + m->rows.to[i] + rank->run->first_row) % y->rows *
                 y->width +
             m->columns.to[j]] += dsp_fetch(from, rank->run->dtype);
}

/* --- all messages of a rank
 * ---------------------------------------------------------- */

static gboolean is_whole(const DspTensor *t) {
  return t->layout.dim == DSP_DIM_NONE;
}

/* Heads of tokens that every rank has: as many copies of the tokens arrive as
 * there are ranks, and as many gradients go back. */
static gboolean copies(const DspRank *rank, const DspStep *step) {
  const DspTensor *from = tensor(rank, step->move.from);
  const DspTensor *to = tensor(rank, step->move.to);
  return is_whole(from) && is_whole(to) && from->split != to->split;
}

static gboolean to_heads(const DspRank *rank, const DspStep *step) {
  return tensor(rank, step->move.from)->split <
         tensor(rank, step->move.to)->split;
}

typedef struct {
  DspCollective collective;
  DspAxisName axis;
  int64_t members, me;
} Group;

/* The collective that a pack or an unpack belongs to is the one beside it. */
static Group group_of(const DspRank *rank, const DspStep *step) {
  const DspStep *s = step;
  if (step->role == DSP_ROLE_PACK)
    s++;
  if (step->role == DSP_ROLE_UNPACK)
    s--;
  const DspPlan *plan = &rank->run->schedule->plan;
  return (Group){s->exchange.collective, s->exchange.axis,
                 dsp_plan_axis(plan, s->exchange.axis).size,
                 dsp_member_of(plan, s->exchange.axis, rank->id)};
}

static int64_t member(const DspRank *rank, const Group *g, int64_t i) {
  return dsp_member(&rank->run->schedule->plan, g->axis, rank->id, i);
}

static int64_t messages_out(const Group *g) {
  return g->collective == DSP_ALL_TO_ALL || g->collective == DSP_REDUCE_SCATTER
             ? g->members
             : 1;
}

static int64_t messages_in(const Group *g) {
  return g->collective == DSP_ALL_TO_ALL || g->collective == DSP_ALL_GATHER
             ? g->members
             : 1;
}

static guint8 *pack(const DspRank *rank, const DspStep *step, const DspArray *x,
                    gsize *n) {
  Group g = group_of(rank, step);
  GByteArray *bytes = g_byte_array_new();
  gboolean split_rows = copies(rank, step) && !to_heads(rank, step) &&
                        g.collective == DSP_ALL_TO_ALL;
  for (int64_t i = 0; i < messages_out(&g); i++) {
    Message m = message(rank, step, rank->id, member(rank, &g, i), x->width);
    guint start = bytes->len;
    g_byte_array_set_size(bytes, start + (guint)message_bytes(rank, &m));
    write_message(rank, &m, x, split_rows ? i * m.rows.n : 0,
                  bytes->data + start);
    message_clear(&m);
  }
  *n = bytes->len;
  return g_byte_array_free(bytes, FALSE);
}

static int64_t local_rows(const DspRank *rank, int index) {
  int64_t n;
  g_free(dsp_rank_rows(rank, index, &n));
  return n;
}

/* The columns of the sender's array: tokens' as the tensor says; those of heads
 * as the move says, which the columns of the receiver do not need. */
static void unpack(DspRank *rank, const DspStep *step, const guint8 *bytes,
                   int tensor_out, int64_t width) {
  Group g = group_of(rank, step);
  gboolean more_rows = copies(rank, step) && to_heads(rank, step) &&
                       g.collective == DSP_ALL_TO_ALL;
  int64_t rows = local_rows(rank, tensor_out);
  DspArray *y = dsp_rank_put(rank, tensor_out,
                             more_rows ? rows * g.members : rows, width);
  for (int64_t i = 0; i < messages_in(&g); i++) {
    int64_t sender = messages_in(&g) > 1 ? member(rank, &g, i) : rank->id;
    Message m = message(rank, step, sender, rank->id, width);
    read_message(rank, &m, y, more_rows ? i * rows : 0, bytes);
    bytes += message_bytes(rank, &m);
    message_clear(&m);
  }
}

static void set_buffer(DspRank *rank, int index, guint8 *bytes, gsize n) {
  DspArray *buffer = dsp_array_new(0, 0);
  buffer->bytes = bytes;
  buffer->n_bytes = n;
  dsp_rank_set(rank, index, buffer);
}

static int64_t width_out(const DspRank *rank, const DspStep *step) {
  const DspTensor *from = tensor(rank, step->move.from);
  return dsp_moved_width(rank->run->schedule, step, from->width / from->split);
}

/* --- keys and values of a ring
 * --------------------------------------------------------- */

/* What is sent on is the buffer held, or the rank's own k and v columns. */
static guint8 *ring_message(const DspRank *rank, const DspStep *step,
                            const DspArray *x, gsize *n) {
  gsize size = element(rank);
  const DspTensor *t = tensor(rank, step->inputs[0]);
  if (x->bytes) {
    *n = x->n_bytes;
    return g_memdup2(x->bytes, x->n_bytes);
  }
  int64_t q = step->op->heads / t->split * step->op->head_dim;
  int64_t kv = 2 * MAX(step->op->kv_heads / t->split, 1) * step->op->head_dim;
  *n = (gsize)(x->rows * kv) * size;
  guint8 *bytes = g_malloc(*n), *to = bytes;
  for (int64_t r = 0; r < x->rows; r++)
    for (int64_t c = 0; c < kv; c++, to += size)
      dsp_store(to, x->v[r * x->width + q + c], rank->run->dtype);
  return bytes;
}

/* --- steps
 * ---------------------------------------------------------------------------------
 */

static gboolean is_ring(const DspStep *step) {
  return step->kind == DSP_STEP_COLLECTIVE &&
         step->exchange.collective == DSP_SENDRECV;
}

static guint8 *whole_array(const DspRank *rank, const DspArray *x, gsize *n) {
  gsize size = element(rank);
  *n = (gsize)(x->rows * x->width) * size;
  guint8 *bytes = g_malloc(*n);
  for (int64_t i = 0; i < x->rows * x->width; i++)
    dsp_store(bytes + (gsize)i * size, x->v[i], rank->run->dtype);
  return bytes;
}

static guint8 *to_send(const DspRank *rank, const DspStep *step,
                       const DspArray *x, gsize *n) {
  if (is_ring(step))
    return ring_message(rank, step, x, n);
  if (step->exchange.collective == DSP_ALL_REDUCE)
    return whole_array(rank, x, n);
  if (!x->bytes)
    return pack(rank, step, x, n);
  *n = x->n_bytes;
  return g_memdup2(x->bytes, x->n_bytes);
}

/* An all-reduce puts the sum in the array's place. */
static void replace(DspRank *rank, int index, const DspArray *like,
                    const guint8 *bytes) {
  DspArray *y = dsp_array_new(like->rows, like->width);
  gsize size = element(rank);
  for (int64_t i = 0; i < y->rows * y->width; i++)
    y->v[i] = dsp_fetch(bytes + (gsize)i * size, rank->run->dtype);
  dsp_rank_set(rank, index, y);
}

static DspArray *source(DspRank *rank, int index) {
  return tensor(rank, index)->kind == DSP_TENSOR_GRADIENT
             ? dsp_rank_gradient(rank, index)
             : dsp_rank_get(rank, index);
}

static gsize bytes_received(const DspStep *step, int64_t members) {
  gsize bytes = (gsize)step->exchange.bytes;
  return step->exchange.collective == DSP_REDUCE_SCATTER
             ? bytes / (gsize)members
             : bytes;
}

/* What the schedule declares is what is sent. */
static gsize bytes_declared(const DspStep *step, int64_t members) {
  gsize bytes = (gsize)step->exchange.bytes;
  return step->exchange.collective == DSP_ALL_GATHER ? bytes / (gsize)members
                                                     : bytes;
}

static void exchange(DspRank *rank, const DspStep *step) {
  DspArray *x = source(rank, step->inputs[0]);
  if (!x)
    return;
  Group g = group_of(rank, step);
  gsize sent, received = bytes_received(step, g.members);
  g_autofree guint8 *send = to_send(rank, step, x, &sent);
  guint8 *receive = g_malloc(received);
  if (sent != bytes_declared(step, g.members))
    dsp_rank_fail(rank,
                  "%s of '%s' sends %" G_GSIZE_FORMAT
                  " bytes, the schedule declares %" G_GSIZE_FORMAT,
                  dsp_collective_names[step->exchange.collective],
                  step->op ? step->op->name : "a switch", sent,
                  bytes_declared(step, g.members));
  else if (!dsp_carrier_run(rank->run->carrier, rank->id, &step->exchange, send,
                            sent, receive, received))
    dsp_rank_fail(rank, "another rank has stopped");
  else if (is_buffer(rank, step->output)) {
    set_buffer(rank, step->output, g_steal_pointer(&receive), received);
  } else if (step->exchange.collective == DSP_ALL_REDUCE)
    replace(rank, step->output, x, receive);
  else
    unpack(rank, step, receive, step->output, width_out(rank, step));
  g_free(receive);
}

/* Between two arrays of one rank: a part of the whole, or the whole of a part.
 */
static void slice(DspRank *rank, const DspStep *step) {
  DspArray *x = source(rank, step->inputs[0]);
  if (!x)
    return;
  Message m = message(rank, step, rank->id, rank->id, x->width);
  g_autofree guint8 *bytes = g_malloc(message_bytes(rank, &m));
  DspArray *y =
      dsp_rank_put(rank, step->output, local_rows(rank, step->output),
                   dsp_moved_width(rank->run->schedule, step, x->width));
  write_message(rank, &m, x, 0, bytes);
  read_message(rank, &m, y, 0, bytes);
  message_clear(&m);
}

/* Columns beside an attention join its output, or leave its gradient. */
static void pass(const DspArray *from, DspArray *to, int64_t first_from,
                 int64_t first_to) {
  for (int64_t r = 0; r < from->rows; r++)
    for (int64_t c = 0;
         first_from + c < from->width && first_to + c < to->width; c++)
      to->v[r * to->width + first_to + c] +=
          from->v[r * from->width + first_from + c];
}

static void pass_beside(DspRank *rank, const DspStep *step) {
  int64_t split = tensor(rank, step->move.to)->split;
  if (step->role == DSP_ROLE_UNPACK && step->inputs[1] >= 0) {
    DspArray *qkv = dsp_rank_get(rank, step->inputs[1]);
    if (qkv)
      pass(qkv, rank->values[step->output], step->op->in / split,
           step->op->out / split);
  }
  if (step->role == DSP_ROLE_PACK && step->also[0] >= 0) {
    const DspArray *dy = rank->values[step->inputs[0]];
    split = tensor(rank, step->move.from)->split;
    DspArray *dqkv = dsp_rank_put(rank, step->also[0], dy->rows,
                                  (step->op->in + step->op->beside) / split);
    pass(dy, dqkv, step->op->out / split, step->op->in / split);
  }
}

static void pack_step(DspRank *rank, const DspStep *step) {
  DspArray *x = source(rank, step->inputs[0]);
  gsize n;
  if (!x)
    return;
  guint8 *bytes = pack(rank, step, x, &n);
  set_buffer(rank, step->output, bytes, n);
}

static void unpack_step(DspRank *rank, const DspStep *step) {
  DspArray *buffer = dsp_rank_get(rank, step->inputs[0]);
  if (buffer)
    unpack(rank, step, buffer->bytes, step->output, width_out(rank, step));
}

void dsp_step_move(DspRank *rank, const DspStep *step) {
  gboolean from_buffer = is_buffer(rank, step->inputs[0]);
  gboolean to_buffer = is_buffer(rank, step->output);
  if (step->kind == DSP_STEP_COLLECTIVE)
    exchange(rank, step);
  else if (to_buffer)
    pack_step(rank, step);
  else if (from_buffer)
    unpack_step(rank, step);
  else
    slice(rank, step);
  if (!rank->error && step->kind == DSP_STEP_MEMORY)
    pass_beside(rank, step);
}
