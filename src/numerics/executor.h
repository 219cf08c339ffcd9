/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a schedule on real tensors: every rank, a thread or a process,
 * interprets the steps one after another and knows nothing but them. */
#ifndef DSP_NUMERICS_EXECUTOR_H
#define DSP_NUMERICS_EXECUTOR_H

#include "numerics/machine.h"
#include "numerics/place.h"
#include "numerics/weights.h"

typedef struct DspRun DspRun;

/* One rank while it runs. */
typedef struct {
  DspRun *run;
  int64_t id;
  DspPosition position;
  const DspSegment *segment;
  int64_t repetition; /* of the segment's block */
  DspArray **values;  /* by tensor, NULL: not there */
  DspArray *output;   /* of the model */
  GPtrArray *kept; /* by segment: arrays of the forward pass, by repetition */
  float *weights, *gradients; /* in the device's memory */
  double loss;
  char *error; /* why it cannot go on, or NULL */
} DspRank;

struct DspRun {
  const DspSchedule *schedule;
  const DspData *data;
  const DspMachine *machine; /* NULL: threads of this process */
  DspDevice *device;
  DspCarrier *carrier;
  DspDtype dtype;
  GHashTable *products; /* DspOp -> the first DspStep that multiplies by its
                           weights, or by its scales of q and k */
  int zero;             /* stage of ZeRO, 0 in inference */
  int output_tensor;
  double scale_error; /* factor on attention scores, 1 but in tests */
  int64_t first_row;  /* by which rows of an exchange are shifted: in tests */
  gboolean keeps_padding; /* attention sees padding: in tests */
  /* Output (as the reference's), gradients and updated weights, one behind
   * another, each number with the rank that gave it. */
  guint64 *results;
  int64_t n_results, n_output;
  /* The same of all ranks, once it has run. */
  double *output, *gradients, *weights;
  double loss;
};

/* The schedule, the data and the machine (NULL: threads of this process) must
 * outlive the run. */
DspRun *dsp_run_new(const DspSchedule *schedule, const DspData *data,
                    const DspMachine *machine);
/* Runs it, the one rank of this process on a machine; output, gradients and
 * updated weights of all ranks are put together, each taken from the last rank
 * that owns it. DSP_ERROR_INFEASIBLE with the reason
 * where a step cannot be carried out. */
gboolean dsp_run_execute(DspRun *run, GError **error);
void dsp_run_free(DspRun *run);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DspRun, dsp_run_free)

/* --- arrays of a rank (executor.c) -----------------------------------------
 */

/* Of zeros; a buffer of so many bytes. */
DspArray *dsp_array_new(DspDevice *device, int64_t rows, int64_t width);
DspArray *dsp_buffer_new(DspDevice *device, gsize bytes);
DspArray *dsp_array_ref(DspArray *array);
void dsp_array_unref(DspArray *array);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DspArray, dsp_array_unref)
/* The array of a tensor that must be there: else the rank fails. */
DspArray *dsp_rank_get(DspRank *rank, int tensor);
/* A gradient; of zeros where none has been given. */
DspArray *dsp_rank_gradient(DspRank *rank, int tensor);
/* The array that a step adds to or fills, of zeros at first; NULL for -1. */
DspArray *dsp_rank_put(DspRank *rank, int tensor, int64_t rows, int64_t width);
void dsp_rank_set(DspRank *rank, int tensor, DspArray *array);
void dsp_rank_fail(DspRank *rank, const char *format, ...) G_GNUC_PRINTF(2, 3);
int64_t *dsp_rank_rows(const DspRank *rank, int tensor, int64_t *n);
/* Samples before this replica's first. */
int64_t dsp_rank_first_sample(const DspRank *rank);
int64_t dsp_rank_weight(const DspRank *rank, const DspOp *op);
/* Runs the step's collective from one buffer to another; FALSE if the rank
 * fails. */
gboolean dsp_rank_exchange(DspRank *rank, const DspStep *step,
                           const DspArray *send, DspArray *receive);
/* Where the rank stands among those that divide widths. */
int64_t dsp_rank_split(const DspRank *rank);

/* --- steps, by file
 * ------------------------------------------------------------ */

void dsp_step_linear(DspRank *rank, const DspStep *step);
void dsp_step_pointwise(DspRank *rank, const DspStep *step);
void dsp_step_sums(DspRank *rank, const DspStep *step);
void dsp_step_loss(DspRank *rank, const DspStep *step);
void dsp_step_attention(DspRank *rank, const DspStep *step);
void dsp_step_merge(DspRank *rank, const DspStep *step);
void dsp_step_move(DspRank *rank, const DspStep *step);
void dsp_step_sync(DspRank *rank, const DspStep *step);
void dsp_step_optimizer(DspRank *rank, const DspStep *step);
/* Only a rank's own part of ZeRO's sharded weights is there. */
void dsp_forget_weights(DspRank *rank, const DspBlock *block,
                        int64_t repetition);
/* Indices of the weights of one repetition that are divided or replicated, as
 * this rank holds them, in the order of its flat buffer; *n of them. */
int64_t *dsp_flat_weights(const DspRank *rank, const DspBlock *block,
                          int64_t repetition, DspWeights kind, int64_t *n);
/* This rank's part of `n` weights of the flat buffer: *begin up to *end. */
void dsp_flat_own(const DspRank *rank, DspWeights kind, int64_t n,
                  int64_t *begin, int64_t *end);
/* Whether it is the rank whose numbers count: of those that hold the same. */
gboolean dsp_flat_counts(const DspRank *rank, DspWeights kind);
/* Learning rate of the step that is taken with the gradients. */
#define DSP_LEARNING_RATE 0.125f

#endif
