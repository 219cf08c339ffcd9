/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DSP_CUDA_WORKER_H
#define DSP_CUDA_WORKER_H

#include "cuda/world.h"

/* What dspsim-cuda is to validate, and where its processes meet. */
typedef struct {
  const char *cases;  /* file of dsp_cases_text() */
  const char *folder; /* of NCCL's id and of results */
  guint first;        /* the first case of this world's size that is due */
  guint timeout;
} DspWork;

/* As one rank runs the cases that have as many ranks as the seat says; the
 * first rank adds a line {"case": ..., ...} to "results" for each. */
int dsp_worker_run(const DspWork *work, const DspSeat *seat);

/* "NVIDIA H200, driver 580.1, CUDA 13.0, NCCL 2.28.9"; the caller frees. */
char *dsp_machine_text(void);

#endif
