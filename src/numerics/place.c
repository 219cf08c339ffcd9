/* SPDX-License-Identifier: Apache-2.0 */
#include "numerics/place.h"
#include <string.h>

/* --- ranks ------------------------------------------------------------------
 */

DspPosition dsp_position(const DspPlan *plan, int64_t rank) {
  DspPosition position;
  for (int i = DSP_N_AXES; i-- > 0;) {
    position.at[i] = rank % plan->degree[i];
    rank /= plan->degree[i];
  }
  return position;
}

int64_t dsp_member_of(const DspPlan *plan, DspAxisName axis, int64_t rank) {
  DspAxis a = dsp_plan_axis(plan, axis);
  return rank / a.stride % a.size;
}

int64_t dsp_member(const DspPlan *plan, DspAxisName axis, int64_t rank,
                   int64_t member) {
  DspAxis a = dsp_plan_axis(plan, axis);
  return rank + (member - dsp_member_of(plan, axis, rank)) * a.stride;
}

/* Among the ranks of the layout: neighbours on the sequence axes share. */
static int64_t place_in(const DspPlan *plan, const DspPosition *p,
                        DspLayout layout) {
  int64_t place =
      p->at[DSP_AXIS_RING] * plan->degree[DSP_AXIS_SP] + p->at[DSP_AXIS_SP];
  return layout.dim == DSP_DIM_NONE
             ? 0
             : place / (dsp_plan_sequence_degree(plan) / layout.ranks);
}

/* --- dimensions
 * --------------------------------------------------------------- */

/* The batch and the dimensions of a stream, outermost first. */
typedef struct {
  int n;
  int key[DSP_MAX_DIMS + 1];
  int64_t length[DSP_MAX_DIMS + 1];
} Extents;

static Extents extents_of(const DspSchedule *schedule, guint stream) {
  const DspStream *s = &schedule->job.model->streams[stream];
  Extents e = {.n = 1,
               .key = {DSP_DIM_BATCH},
               .length = {dsp_job_batch(&schedule->job)}};
  for (guint i = 0; i < s->n_dims; i++) {
    e.key[e.n] = (int)s->dims[i];
    e.length[e.n++] = schedule->job.lengths.length[s->dims[i]];
  }
  return e;
}

static int64_t part_of(const Extents *e, int i, DspLayout layout) {
  return layout.dim == e->key[i] ? dsp_layout_part(layout, e->length[i])
                                 : e->length[i];
}

static int64_t index_in(const Extents *e, int i, DspLayout layout,
                        int64_t place, int64_t local) {
  return layout.dim == e->key[i]
             ? dsp_layout_index(layout, e->length[i], place, local)
             : local;
}

/* Appends a dimension to indices that are built from the outermost one in. */
static int64_t deeper(int64_t outer, int64_t length, int64_t inner) {
  return outer < 0 || inner < 0 ? -1 : outer * length + inner;
}

int64_t *dsp_rows(const DspSchedule *schedule, const DspPosition *position,
                  guint stream, DspLayout layout, int64_t *n) {
  Extents e = extents_of(schedule, stream);
  int64_t place = place_in(&schedule->plan, position, layout);
  int64_t *rows = g_new(int64_t, 1);
  /* The passes of guidance are samples of their own. */
  rows[0] = position->at[DSP_AXIS_DP] * schedule->plan.degree[DSP_AXIS_CFG] +
            position->at[DSP_AXIS_CFG];
  *n = 1;
  for (int i = 0; i < e.n; i++) {
    int64_t part = part_of(&e, i, layout);
    int64_t *next = g_new(int64_t, (gsize)(*n * part));
    for (int64_t j = 0; j < *n * part; j++)
      next[j] = deeper(rows[j / part], e.length[i],
                       index_in(&e, i, layout, place, j % part));
    g_free(rows);
    rows = next;
    *n *= part;
  }
  return rows;
}

/* --- sequences
 * ------------------------------------------------------------------ */

DspSequences dsp_sequences(const DspSchedule *schedule, const DspOp *op,
                           guint stream, DspLayout layout) {
  Extents e = extents_of(schedule, stream);
  DspSequences s = {1, 1, NULL};
  int64_t total = 1;
  for (int i = 0; i < e.n; i++) {
    gboolean mixed = e.key[i] >= 0 && op->over & (1u << e.key[i]);
    *(mixed ? &s.length : &s.n) *= part_of(&e, i, layout);
  }
  total = s.n * s.length;
  s.rows = g_new(int64_t, (gsize)total);
  for (int64_t row = 0; row < total; row++) {
    int64_t sequence = 0, at = 0, stride = total;
    for (int i = 0; i < e.n; i++) {
      int64_t part = part_of(&e, i, layout);
      stride /= part;
      gboolean mixed = e.key[i] >= 0 && op->over & (1u << e.key[i]);
      int64_t *index = mixed ? &at : &sequence;
      *index = *index * part + row / stride % part;
    }
    s.rows[sequence * s.length + at] = row;
  }
  return s;
}

void dsp_sequences_clear(DspSequences *sequences) {
  g_free(sequences->rows);
}

/* --- moves: rows
 * ------------------------------------------------------------------ */

/* The local index that holds element `index` of the dimension, or -1. */
static int64_t find(const Extents *e, int i, DspLayout layout, int64_t place,
                    int64_t index) {
  int64_t part = part_of(e, i, layout);
  if (layout.dim != e->key[i] || index < 0)
    return index;
  for (int64_t j = 0; j < part; j++)
    if (index_in(e, i, layout, place, j) == index)
      return j;
  return -1;
}

/* The side that divides a dimension more finely says how many go. */
static gboolean sender_divides(const Extents *e, int i, DspLayout from,
                               DspLayout to) {
  gboolean receives_part = to.dim == e->key[i];
  return from.dim == e->key[i] && (!receives_part || from.ranks >= to.ranks);
}

DspPairs dsp_move_rows(const DspSchedule *schedule, const DspTensor *from,
                       const DspPosition *sender, const DspTensor *to,
                       const DspPosition *receiver) {
  Extents e = extents_of(schedule, from->stream);
  int64_t here = place_in(&schedule->plan, sender, from->layout);
  int64_t there = place_in(&schedule->plan, receiver, to->layout);
  DspPairs pairs = {1, g_new0(int64_t, 1), g_new0(int64_t, 1)};
  for (int i = 0; i < e.n; i++) {
    gboolean mine = sender_divides(&e, i, from->layout, to->layout);
    int64_t a = part_of(&e, i, from->layout), b = part_of(&e, i, to->layout);
    int64_t n = mine ? a : b;
    DspPairs next = {pairs.n * n, g_new(int64_t, (gsize)(pairs.n * n)),
                     g_new(int64_t, (gsize)(pairs.n * n))};
    for (int64_t j = 0; j < next.n; j++) {
      int64_t local = j % n;
      int64_t index = mine ? index_in(&e, i, from->layout, here, local)
                           : index_in(&e, i, to->layout, there, local);
      next.from[j] =
          deeper(pairs.from[j / n], a,
                 mine ? local : find(&e, i, from->layout, here, index));
      next.to[j] = deeper(pairs.to[j / n], b,
                          mine ? find(&e, i, to->layout, there, index) : local);
    }
    dsp_pairs_clear(&pairs);
    pairs = next;
  }
  return pairs;
}

void dsp_pairs_clear(DspPairs *pairs) {
  g_free(pairs->from);
  g_free(pairs->to);
}

/* --- moves: columns
 * ----------------------------------------------------------------- */

/* A piece in an array of tokens and in one of heads: of which the `at`-th of
 * `ranks` has `width` columns from `whole` of the former at `part`. */
typedef struct {
  int64_t whole, part, width, size;
} Piece;

static Piece piece_of(const DspOp *op, int64_t split, int64_t ranks, int64_t at,
                      guint piece) {
  int64_t heads = (piece == DSP_PIECE_Q ? op->heads : op->kv_heads) / split;
  int64_t own = MAX(heads / ranks, 1);
  return (Piece){.whole = at * heads / ranks * op->head_dim,
                 .width = own * op->head_dim,
                 .size = heads * op->head_dim};
}

/* Fills in where each piece begins; gives the columns of an array of heads. */
static int64_t pieces_of(const DspStep *step, int64_t split, int64_t ranks,
                         int64_t at, Piece pieces[3]) {
  int64_t whole = 0, part = 0;
  for (guint i = 0; i < 3; i++) {
    pieces[i] = piece_of(step->op, split, ranks, at, 1u << i);
    pieces[i].whole += whole;
    pieces[i].part = part;
    if (step->move.holds & (1u << i)) {
      whole += pieces[i].size;
      part += pieces[i].width;
    }
  }
  return part;
}

static DspPairs all_columns(int64_t n) {
  DspPairs pairs = {n, g_new(int64_t, (gsize)n), g_new(int64_t, (gsize)n)};
  for (int64_t i = 0; i < n; i++)
    pairs.from[i] = pairs.to[i] = i;
  return pairs;
}

DspPairs dsp_move_columns(const DspSchedule *schedule, const DspStep *step,
                          const DspPosition *sender,
                          const DspPosition *receiver, int64_t columns) {
  const DspTensor *from = dsp_tensor_of(schedule, step->move.from);
  const DspTensor *to = dsp_tensor_of(schedule, step->move.to);
  if (from->split == to->split)
    return all_columns(columns);
  gboolean to_heads = from->split < to->split;
  int64_t ranks = MAX(from->split, to->split) / MIN(from->split, to->split);
  int64_t at = (to_heads ? receiver : sender)->at[DSP_AXIS_SP];
  Piece pieces[3];
  DspPairs pairs = {0, NULL, NULL};
  pieces_of(step, MIN(from->split, to->split), ranks, at, pieces);
  for (guint i = 0; i < 3; i++)
    if (step->move.pieces & (1u << i))
      pairs.n += pieces[i].width;
  pairs.from = g_new(int64_t, (gsize)pairs.n);
  pairs.to = g_new(int64_t, (gsize)pairs.n);
  for (int64_t i = 0, n = 0; i < 3; i++)
    for (int64_t j = 0; step->move.pieces & (1u << i) && j < pieces[i].width;
         j++, n++) {
      (to_heads ? pairs.from : pairs.to)[n] = pieces[i].whole + j;
      (to_heads ? pairs.to : pairs.from)[n] = pieces[i].part + j;
    }
  return pairs;
}

int64_t dsp_moved_width(const DspSchedule *schedule, const DspStep *step,
                        int64_t columns) {
  const DspTensor *from = dsp_tensor_of(schedule, step->move.from);
  const DspTensor *to = dsp_tensor_of(schedule, step->move.to);
  Piece pieces[3];
  if (from->split == to->split)
    return columns;
  if (from->split > to->split)
    return to->width / to->split;
  return pieces_of(step, from->split, to->split / from->split, 0, pieces);
}

int64_t *dsp_columns(const DspTensor *tensor, int64_t at, int64_t *n) {
  int64_t *columns = g_new(int64_t, (gsize)tensor->width), first = 0;
  int64_t undivided[DSP_MAX_PIECES] = {tensor->width};
  const int64_t *pieces = tensor->split > 1 ? tensor->pieces : undivided;
  *n = 0;
  for (int i = 0; i < DSP_MAX_PIECES; i++) {
    int64_t part = pieces[i] / tensor->split;
    for (int64_t j = 0; j < part; j++)
      columns[(*n)++] = first + (tensor->split > 1 ? at * part : 0) + j;
    first += pieces[i];
  }
  return columns;
}
