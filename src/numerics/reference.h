/* SPDX-License-Identifier: Apache-2.0 */
/* The model on one rank in float64, unsharded: forward, loss and all gradients.
 * Walks the model's blocks itself and never sees a schedule. */
#ifndef DSP_NUMERICS_REFERENCE_H
#define DSP_NUMERICS_REFERENCE_H

#include "numerics/bounds.h"
#include "numerics/weights.h"

typedef struct {
  double *output; /* [batch, tokens, output width] of the first stream */
  int64_t n_output;
  double loss;
  double *gradients; /* as the weights of the data */
  int64_t n_gradients;
} DspReference;

/* Fails with DSP_ERROR_INFEASIBLE where the model has an operation whose
 * function is not defined here. `noise` (NULL: none) disturbs the result of
 * every operation. Gradients only if `train`. */
DspReference *dsp_reference_new(const DspData *data, gboolean train,
                                const DspNoise *noise, GError **error);
void dsp_reference_free(DspReference *reference);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DspReference, dsp_reference_free)

/* Whether every operation of the model has a function here; else the reason in
 * *error. */
gboolean dsp_reference_can(const DspModel *model, GError **error);

#endif
