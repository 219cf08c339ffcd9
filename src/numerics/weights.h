/* SPDX-License-Identifier: Apache-2.0 */
/* The numbers that a run starts from, the same for every plan: weights, inputs
 * and targets from a seed, all of them numbers of the run's type. */
#ifndef DSP_NUMERICS_WEIGHTS_H
#define DSP_NUMERICS_WEIGHTS_H

#include "model/model.h"

typedef struct {
  const DspModel *model;
  DspLengths lengths;
  int64_t batch;   /* samples of all replicas together */
  int64_t n;       /* weights of all repetitions of all blocks */
  double *weights; /* block after block, repetition after repetition */
  /* [batch, tokens, input width] of each stream. */
  double *inputs[DSP_MAX_STREAMS];
  int64_t input_width[DSP_MAX_STREAMS];
  double *target; /* [batch, tokens, output width] of the first stream */
  int64_t output_width;
  GHashTable *offsets; /* DspOp -> place of its weights in a repetition */
  GHashTable *blocks;  /* DspBlock -> where its first repetition begins */
} DspData;

/* Linear: weights [in][out], then the bias. Norms: scales, then shifts; those
 * of q and k: of q, then of k. */
DspData *dsp_data_new(const DspModel *model, const DspLengths *lengths,
                      int64_t batch, DspDtype dtype, guint64 seed);
void dsp_data_free(DspData *data);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DspData, dsp_data_free)

/* Index of the first weight of `op` in repetition `i` of its block. */
int64_t dsp_data_offset(const DspData *data, const DspBlock *block, int64_t i,
                        const DspOp *op);
/* Numbers that the operation holds, trainable or not. */
int64_t dsp_op_numbers(const DspOp *op);
/* Numbers of one repetition. */
int64_t dsp_block_numbers(const DspBlock *block);

#endif
