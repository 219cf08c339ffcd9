/* SPDX-License-Identifier: Apache-2.0 */
/* Weights and their gradients between ranks: flat buffers of a block, of which
 * ZeRO leaves every rank a part. */
#include "numerics/executor.h"

/* --- which weights
 * -------------------------------------------------------------- */

static const DspTensor *tensor(const DspRank *rank, int index) {
  return dsp_tensor_of(rank->run->schedule, index);
}

/* The product's weights are divided if one of its tensors is. */
static gboolean is_divided(const DspRank *rank, const DspOp *op) {
  const DspStep *step = g_hash_table_lookup(rank->run->products, op);
  return step && op->tp != DSP_TP_NONE &&
         MAX(tensor(rank, step->inputs[0])->split,
             tensor(rank, step->output)->split) > 1;
}

/* Indices of weights; a block has room for all of them. */
typedef struct {
  int64_t n, *at;
} List;

static void append_divided(const DspRank *rank, const DspOp *op, int64_t first,
                           List *list) {
  const DspStep *step = g_hash_table_lookup(rank->run->products, op);
  int64_t in, out, at = dsp_rank_split(rank);
  g_autofree int64_t *rows =
      dsp_columns(tensor(rank, step->inputs[0]), at, &in);
  g_autofree int64_t *columns =
      dsp_columns(tensor(rank, step->output), at, &out);
  for (int64_t i = 0; i < in + (op->bias ? 1 : 0); i++) {
    int64_t row = i < in ? rows[i] : op->in;
    for (int64_t o = 0; o < out; o++)
      list->at[list->n++] = first + row * op->out + columns[o];
  }
}

static void append_all(const DspOp *op, int64_t first, List *list) {
  for (int64_t i = 0; i < op->parameters; i++)
    list->at[list->n++] = first + i;
}

/* Ranks of a tensor group use the same scales of q and k for other heads, or
 * their own part of the scales. */
static gboolean is_of_heads(const DspRank *rank, const DspOp *op) {
  const DspStep *step = g_hash_table_lookup(rank->run->products, op);
  return (op->kind == DSP_OP_QK_NORM || op->kind == DSP_OP_NORM) && step &&
         tensor(rank, step->inputs[0])->split > 1;
}

static gboolean is_of_kind(const DspRank *rank, const DspOp *op,
                           DspWeights kind) {
  if (op->parameters == 0)
    return FALSE;
  if (kind == DSP_WEIGHTS_OF_HEADS)
    return is_of_heads(rank, op);
  return is_divided(rank, op) == (kind == DSP_WEIGHTS_DIVIDED);
}

int64_t *dsp_flat_weights(const DspRank *rank, const DspBlock *block,
                          int64_t repetition, DspWeights kind, int64_t *n) {
  List list = {0, g_new(int64_t, (gsize)MAX(dsp_block_numbers(block), 1))};
  for (guint i = 0; i < block->n_stages; i++)
    for (guint j = 0; j < block->stages[i].n_ops; j++) {
      const DspOp *op = &block->stages[i].ops[j];
      int64_t first = dsp_data_offset(rank->run->data, block, repetition, op);
      if (!is_of_kind(rank, op, kind))
        continue;
      if (kind == DSP_WEIGHTS_DIVIDED)
        append_divided(rank, op, first, &list);
      else
        append_all(op, first, &list);
    }
  *n = list.n;
  return list.at;
}

static int64_t group_size(const DspRank *rank, DspWeights kind) {
  const DspPlan *plan = &rank->run->schedule->plan;
  return dsp_plan_axis(plan, dsp_weights_axis(plan, kind)).size;
}

static int64_t group_member(const DspRank *rank, DspWeights kind) {
  const DspPlan *plan = &rank->run->schedule->plan;
  return dsp_member_of(plan, dsp_weights_axis(plan, kind), rank->id);
}

static int64_t element(const DspRank *rank) {
  return dsp_dtype_bytes(rank->run->dtype);
}

static int64_t part_elements(const DspRank *rank, DspWeights kind, int64_t n) {
  return dsp_flat_part(n * element(rank), group_size(rank, kind)) /
         element(rank);
}

void dsp_flat_own(const DspRank *rank, DspWeights kind, int64_t n,
                  int64_t *begin, int64_t *end) {
  int64_t part = part_elements(rank, kind, n);
  *begin = 0;
  *end = n;
  if (rank->run->zero == 0)
    return;
  *begin = MIN(n, group_member(rank, kind) * part);
  *end = MIN(n, *begin + part);
}

gboolean dsp_flat_counts(const DspRank *rank, DspWeights kind) {
  gboolean sharded = rank->run->zero > 0;
  if (kind == DSP_WEIGHTS_REPLICATED && rank->position.at[DSP_AXIS_TP] > 0)
    return FALSE;
  return sharded || group_member(rank, kind) == 0;
}

/* --- blocks of the present segment, or all
 * ---------------------------------------- */

typedef struct {
  const DspBlock *block;
  int64_t repetition;
} Piece;

static GArray *pieces_of(const DspRank *rank) {
  GArray *pieces = g_array_new(FALSE, FALSE, sizeof(Piece));
  Piece piece = {rank->segment->block, rank->repetition};
  if (piece.block) {
    g_array_append_val(pieces, piece);
    return pieces;
  }
  for (guint i = 0;
       (piece.block = dsp_model_part(rank->run->schedule->job.model, i)); i++)
    for (piece.repetition = 0; piece.repetition < piece.block->count;
         piece.repetition++)
      g_array_append_val(pieces, piece);
  return pieces;
}

/* The flat buffer as a rank sends it: its part, or all parts. */
typedef struct {
  const int64_t *list;
  int64_t n, part, parts;
} Flat;

static void write_flat(const DspRank *rank, const Flat *f, const float *from,
                       int64_t begin, int64_t count, guint8 *bytes) {
  DspDevice *device = rank->run->device;
  const DspPick pick = {f->list, begin, begin + count};
  device->kernels->pick(device, &pick, f->n, from, bytes);
}

static void read_flat(const DspRank *rank, const Flat *f, float *to,
                      int64_t begin, int64_t count, const guint8 *bytes) {
  DspDevice *device = rank->run->device;
  const DspPick pick = {f->list, begin, MIN(begin + count, f->n)};
  if (pick.begin < pick.end)
    device->kernels->unpick(device, &pick, to, bytes);
}

static Flat flat_of(const DspRank *rank, const Piece *piece, DspWeights kind) {
  Flat f = {.parts = group_size(rank, kind)};
  f.list = dsp_flat_weights(rank, piece->block, piece->repetition, kind, &f.n);
  f.part = part_elements(rank, kind, f.n);
  return f;
}

/* --- steps
 * ---------------------------------------------------------------------------
 */

static gboolean is_gather(const DspStep *step) {
  return step->exchange.collective == DSP_ALL_GATHER;
}

static DspArray *write_all(DspRank *rank, const DspStep *step,
                           const GArray *pieces) {
  int64_t me = group_member(rank, step->weights);
  g_autofree Flat *flats = g_new(Flat, MAX(pieces->len, 1));
  gsize bytes = 0;
  for (guint i = 0; i < pieces->len; i++) {
    Flat *f = &flats[i];
    *f = flat_of(rank, &g_array_index(pieces, Piece, i), step->weights);
    bytes +=
        (gsize)((is_gather(step) ? 1 : f->parts) * f->part * element(rank));
  }
  DspArray *buffer = dsp_buffer_new(rank->run->device, bytes);
  guint8 *to = buffer->bytes;
  for (guint i = 0; i < pieces->len; i++) {
    const Flat *f = &flats[i];
    int64_t n = (is_gather(step) ? 1 : f->parts) * f->part;
    if (is_gather(step))
      write_flat(rank, f, rank->weights, me * f->part, n, to);
    else
      write_flat(rank, f, rank->gradients, 0, n, to);
    to += n * element(rank);
    g_free((gpointer)f->list);
  }
  return buffer;
}

/* Of a gather, each rank's parts of all blocks lie together. */
static void read_all(DspRank *rank, const DspStep *step, const GArray *pieces,
                     const guint8 *bytes, gsize stride) {
  int64_t me = group_member(rank, step->weights);
  gsize offset = 0;
  for (guint i = 0; i < pieces->len; i++) {
    Flat f = flat_of(rank, &g_array_index(pieces, Piece, i), step->weights);
    if (step->exchange.collective == DSP_ALL_REDUCE)
      read_flat(rank, &f, rank->gradients, 0, f.n, bytes);
    else if (step->exchange.collective == DSP_REDUCE_SCATTER)
      read_flat(rank, &f, rank->gradients, me * f.part, f.part, bytes);
    for (int64_t j = 0; is_gather(step) && j < f.parts; j++)
      read_flat(rank, &f, rank->weights, j * f.part, f.part,
                bytes + (gsize)j * stride + offset);
    offset += (gsize)(f.part * element(rank));
    g_free((gpointer)f.list);
  }
}

void dsp_step_sync(DspRank *rank, const DspStep *step) {
  g_autoptr(GArray) pieces = pieces_of(rank);
  gsize ranks = (gsize)group_size(rank, step->weights);
  gsize declared = (gsize)step->exchange.bytes;
  gsize received = step->exchange.collective == DSP_REDUCE_SCATTER
                       ? declared / ranks
                       : declared;
  g_autoptr(DspArray) send = write_all(rank, step, pieces);
  if (send->n_bytes != (is_gather(step) ? declared / ranks : declared)) {
    dsp_rank_fail(rank,
                  "weights are %" G_GSIZE_FORMAT
                  " bytes, the schedule declares %" G_GSIZE_FORMAT,
                  send->n_bytes, declared);
    return;
  }
  g_autoptr(DspArray) receive = dsp_buffer_new(rank->run->device, received);
  if (dsp_rank_exchange(rank, step, send, receive))
    read_all(rank, step, pieces, receive->bytes, received / ranks);
}

static const DspWeights kinds[] = {DSP_WEIGHTS_REPLICATED, DSP_WEIGHTS_DIVIDED};

/* One plain step down the gradient: Adam's first step is the sign of it, which
 * no rounding error survives. */
void dsp_step_optimizer(DspRank *rank, const DspStep *step) {
  g_autoptr(GArray) pieces = pieces_of(rank);
  DspDevice *device = rank->run->device;
  (void)step;
  for (guint i = 0; i < pieces->len; i++)
    for (guint k = 0; k < G_N_ELEMENTS(kinds); k++) {
      Flat f = flat_of(rank, &g_array_index(pieces, Piece, i), kinds[k]);
      int64_t begin, end;
      dsp_flat_own(rank, kinds[k], f.n, &begin, &end);
      const DspPick pick = {f.list, begin, end};
      if (begin < end)
        device->kernels->update(device, &pick, rank->weights, rank->gradients,
                                DSP_LEARNING_RATE);
      g_free((gpointer)f.list);
    }
}

void dsp_forget_weights(DspRank *rank, const DspBlock *block,
                        int64_t repetition) {
  const Piece piece = {block, repetition};
  DspDevice *device = rank->run->device;
  for (guint k = 0; k < G_N_ELEMENTS(kinds); k++) {
    Flat f = flat_of(rank, &piece, kinds[k]);
    int64_t begin, end;
    dsp_flat_own(rank, kinds[k], f.n, &begin, &end);
    const DspPick others[] = {{f.list, 0, begin}, {f.list, end, f.n}};
    for (guint i = 0; i < G_N_ELEMENTS(others); i++)
      if (others[i].begin < others[i].end)
        device->kernels->forget(device, &others[i], rank->weights);
    g_free((gpointer)f.list);
  }
}
