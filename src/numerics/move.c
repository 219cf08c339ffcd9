/* SPDX-License-Identifier: Apache-2.0 */
/* Pack, exchange and unpack: what goes where follows from the placements of the
 * two tensors of the step's move. */
#include "numerics/executor.h"

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

/* The list of rows where the message's are in an array whose part for it begins
 * at `first`; those without a partner are padding. */
static int64_t *rows_in(const Message *m, const int64_t *rows,
                        const int64_t *partners, int64_t first) {
  int64_t *list = g_new(int64_t, (gsize)MAX(m->rows.n, 1));
  for (int64_t i = 0; i < m->rows.n; i++)
    list[i] = rows[i] < 0 || partners[i] < 0 ? -1 : first + rows[i];
  return list;
}

static void write_message(const Message *m, const DspArray *x,
                          int64_t first_row, guint8 *to) {
  g_autofree int64_t *rows = rows_in(m, m->rows.from, m->rows.from, first_row);
  const DspMessage message = {m->rows.n, m->columns.n, rows, m->columns.from};
  x->device->kernels->pack(x, &message, to);
}

static void read_message(const DspRank *rank, const Message *m, DspArray *y,
                         int64_t first_row, const guint8 *from) {
  g_autofree int64_t *rows =
      rows_in(m, m->rows.to, m->rows.from, first_row + rank->run->first_row);
  const DspMessage message = {m->rows.n, m->columns.n, rows, m->columns.to};
  for (int64_t i = 0; i < m->rows.n; i++)
    if (rows[i] >= 0)
      rows[i] %= y->rows;
  y->device->kernels->unpack(y, &message, from);
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

/* The collective that a pack or an unpack belongs to sends what it makes, or
 * gives what it takes. */
static Group group_of(const DspRank *rank, const DspStep *step) {
  const DspStep *s = step;
  if (step->role == DSP_ROLE_PACK)
    while (s->kind != DSP_STEP_COLLECTIVE || s->inputs[0] != step->output)
      s++;
  if (step->role == DSP_ROLE_UNPACK)
    while (s->kind != DSP_STEP_COLLECTIVE || s->output != step->inputs[0])
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

static DspArray *pack(const DspRank *rank, const DspStep *step,
                      const DspArray *x) {
  Group g = group_of(rank, step);
  int64_t n = messages_out(&g);
  g_autofree Message *messages = g_new(Message, (gsize)n);
  gboolean split_rows = copies(rank, step) && !to_heads(rank, step) &&
                        g.collective == DSP_ALL_TO_ALL;
  gsize bytes = 0;
  for (int64_t i = 0; i < n; i++) {
    messages[i] = message(rank, step, rank->id, member(rank, &g, i), x->width);
    bytes += message_bytes(rank, &messages[i]);
  }
  DspArray *buffer = dsp_buffer_new(x->device, bytes);
  guint8 *to = buffer->bytes;
  for (int64_t i = 0; i < n; i++) {
    Message *m = &messages[i];
    write_message(m, x, split_rows ? i * m->rows.n : 0, to);
    to += message_bytes(rank, m);
    message_clear(m);
  }
  return buffer;
}

static int64_t local_rows(const DspRank *rank, int index) {
  int64_t n;
  g_free(dsp_rank_rows(rank, index, &n));
  return n;
}

/* Every member's rows arrive behind those of the one before it: copies of the
 * same tokens, or samples of the other pass of guidance. */
static gboolean adds_rows(const DspRank *rank, const DspStep *step,
                          const Group *g) {
  return g->axis == DSP_AXIS_CFG ||
         (copies(rank, step) && to_heads(rank, step) &&
          g->collective == DSP_ALL_TO_ALL);
}

/* The columns of the sender's array: tokens' as the tensor says; those of heads
 * as the move says, which the columns of the receiver do not need. */
static void unpack(DspRank *rank, const DspStep *step, const guint8 *bytes,
                   int tensor_out, int64_t width) {
  Group g = group_of(rank, step);
  gboolean more_rows = adds_rows(rank, step, &g);
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

static int64_t width_out(const DspRank *rank, const DspStep *step) {
  const DspTensor *from = tensor(rank, step->move.from);
  return dsp_moved_width(rank->run->schedule, step, from->width / from->split);
}

/* --- keys and values of a ring
 * --------------------------------------------------------- */

/* What is sent on is the buffer held, or the rank's own k and v columns. */
static DspArray *ring_message(const DspRank *rank, const DspStep *step,
                              const DspArray *x) {
  const DspTensor *t = tensor(rank, step->inputs[0]);
  int64_t q = step->op->heads / t->split * step->op->head_dim;
  int64_t kv = 2 * MAX(step->op->kv_heads / t->split, 1) * step->op->head_dim;
  g_autofree int64_t *rows = g_new(int64_t, (gsize)MAX(x->rows, 1));
  g_autofree int64_t *columns = g_new(int64_t, (gsize)kv);
  const DspMessage message = {x->rows, kv, rows, columns};
  for (int64_t i = 0; i < x->rows; i++)
    rows[i] = i;
  for (int64_t i = 0; i < kv; i++)
    columns[i] = q + i;
  DspArray *buffer =
      dsp_buffer_new(x->device, (gsize)(x->rows * kv) * element(rank));
  x->device->kernels->pack(x, &message, buffer->bytes);
  return buffer;
}

/* --- steps
 * ---------------------------------------------------------------------------------
 */

static gboolean is_ring(const DspStep *step) {
  return step->kind == DSP_STEP_COLLECTIVE &&
         step->exchange.collective == DSP_SENDRECV;
}

static DspArray *whole_array(const DspRank *rank, const DspArray *x) {
  DspArray *buffer =
      dsp_buffer_new(x->device, (gsize)(x->rows * x->width) * element(rank));
  x->device->kernels->encode(x, buffer->bytes);
  return buffer;
}

static DspArray *to_send(const DspRank *rank, const DspStep *step,
                         DspArray *x) {
  if (x->bytes)
    return dsp_array_ref(x);
  if (is_ring(step))
    return ring_message(rank, step, x);
  if (step->exchange.collective == DSP_ALL_REDUCE)
    return whole_array(rank, x);
  return pack(rank, step, x);
}

/* An all-reduce puts the sum in the array's place. */
static void replace(DspRank *rank, int index, const DspArray *like,
                    const guint8 *bytes) {
  DspArray *y = dsp_array_new(like->device, like->rows, like->width);
  y->device->kernels->decode(y, bytes);
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
  gsize declared = bytes_declared(step, g.members);
  g_autoptr(DspArray) send = to_send(rank, step, x);
  g_autoptr(DspArray) receive =
      dsp_buffer_new(x->device, bytes_received(step, g.members));
  if (send->n_bytes != declared)
    dsp_rank_fail(rank,
                  "%s of '%s' sends %" G_GSIZE_FORMAT
                  " bytes, the schedule declares %" G_GSIZE_FORMAT,
                  dsp_collective_names[step->exchange.collective],
                  step->op ? step->op->name : "a switch", send->n_bytes,
                  declared);
  else if (!dsp_rank_exchange(rank, step, send, receive))
    return;
  else if (is_buffer(rank, step->output))
    dsp_rank_set(rank, step->output, g_steal_pointer(&receive));
  else if (step->exchange.collective == DSP_ALL_REDUCE)
    replace(rank, step->output, x, receive->bytes);
  else
    unpack(rank, step, receive->bytes, step->output, width_out(rank, step));
}

/* Between two arrays of one rank: a part of the whole, or the whole of a part.
 */
static void slice(DspRank *rank, const DspStep *step) {
  DspArray *x = source(rank, step->inputs[0]);
  if (!x)
    return;
  Message m = message(rank, step, rank->id, rank->id, x->width);
  g_autoptr(DspArray) buffer =
      dsp_buffer_new(x->device, message_bytes(rank, &m));
  DspArray *y =
      dsp_rank_put(rank, step->output, local_rows(rank, step->output),
                   dsp_moved_width(rank->run->schedule, step, x->width));
  write_message(&m, x, 0, buffer->bytes);
  read_message(rank, &m, y, 0, buffer->bytes);
  message_clear(&m);
}

/* Columns beside an attention join its output, or leave its gradient. */
static void pass(const DspArray *from, DspArray *to, int64_t first_from,
                 int64_t first_to) {
  const DspColumnSum sum = {
      from, to, first_from, first_to,
      MIN(from->width - first_from, to->width - first_to)};
  from->device->kernels->add_columns(&sum);
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
  const DspArray *x = source(rank, step->inputs[0]);
  if (x)
    dsp_rank_set(rank, step->output, pack(rank, step, x));
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
