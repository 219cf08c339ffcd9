/* SPDX-License-Identifier: Apache-2.0 */
/* The plans that dspsim asks dspsim-cuda about, as a file, and its answer. */
#ifndef DSP_CUDA_CASES_H
#define DSP_CUDA_CASES_H

#include "cuda/client.h"

/* {"cases": [{"model": ..., "method": ..., "degrees": [dp, cfg, ring, sp, tp],
 * ...}]}; the caller frees. */
char *dsp_cases_text(const DspCudaCase *cases, guint n);

/* A case that was read, with a model of its own. */
typedef struct {
  DspModel *model;
  DspJob job; /* without a cluster */
  DspPlan plan;
  guint64 seed;
  DspFault fault;
} DspCase;

/* DspCase; DSP_ERROR_INPUT with the position of what is wrong. */
GPtrArray *dsp_cases_load(const char *file, GError **error);

/* A validation as {"forward_error": ...}, numbers that are none as null. */
cJSON *dsp_validation_node(const DspValidation *v);
gboolean dsp_validation_read(const cJSON *node, DspValidation *v);

#endif
