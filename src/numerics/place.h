/* SPDX-License-Identifier: Apache-2.0 */
/* Which rows and columns of a tensor a rank holds, and which of them a move
 * takes from one rank to another: all of it from placements. */
#ifndef DSP_NUMERICS_PLACE_H
#define DSP_NUMERICS_PLACE_H

#include "schedule/schedule.h"

/* Where a rank stands on every axis of the mesh. */
typedef struct {
  int64_t at[DSP_N_AXES];
} DspPosition;

DspPosition dsp_position(const DspPlan *plan, int64_t rank);
/* The rank at `member` of the group of `axis` that `rank` belongs to, and the
 * member that `rank` is. */
int64_t dsp_member(const DspPlan *plan, DspAxisName axis, int64_t rank,
                   int64_t member);
int64_t dsp_member_of(const DspPlan *plan, DspAxisName axis, int64_t rank);

/* For each row (token of a sample) of a tensor that the rank holds in `layout`,
 * its index among the rows of all samples of all replicas, or -1: padding. The
 * caller frees; *n rows. */
int64_t *dsp_rows(const DspSchedule *schedule, const DspPosition *position,
                  guint stream, DspLayout layout, int64_t *n);

/* Rows that a step mixes, by sequence: `length` rows of each of `n`. */
typedef struct {
  int64_t n, length, *rows;
} DspSequences;

/* The local rows of a tensor by the sequences that `op` attends in. Free with
 * dsp_sequences_clear. */
DspSequences dsp_sequences(const DspSchedule *schedule, const DspOp *op,
                           guint stream, DspLayout layout);
void dsp_sequences_clear(DspSequences *sequences);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(DspSequences, dsp_sequences_clear)

/* Pairs of what goes: row (or column) of the sender and of the receiver; -1
 * where one of them has none, which is padding. */
typedef struct {
  int64_t n, *from, *to;
} DspPairs;

DspPairs dsp_move_rows(const DspSchedule *schedule, const DspTensor *from,
                       const DspPosition *sender, const DspTensor *to,
                       const DspPosition *receiver);
/* `columns`: of the sender's array, where all go. */
DspPairs dsp_move_columns(const DspSchedule *schedule, const DspStep *step,
                          const DspPosition *sender,
                          const DspPosition *receiver, int64_t columns);
/* Columns of the array that the step's move makes on a rank, from `columns`. */
int64_t dsp_moved_width(const DspSchedule *schedule, const DspStep *step,
                        int64_t columns);
void dsp_pairs_clear(DspPairs *pairs);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(DspPairs, dsp_pairs_clear)

/* For each column that a rank holds of a tensor whose width is divided, its
 * index among all; the caller frees; *n columns. */
int64_t *dsp_columns(const DspTensor *tensor, int64_t at, int64_t *n);

static inline const DspTensor *dsp_tensor_of(const DspSchedule *schedule,
                                             int tensor) {
  return &g_array_index(schedule->tensors, DspTensor, tensor);
}

#endif
