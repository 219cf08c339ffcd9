/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DSP_CUDA_WORKER_H
#define DSP_CUDA_WORKER_H

#include "cuda/world.h"
#include <stdio.h>

/* Where in the folder NCCL's id is. */
#define DSP_ID_FILE "nccl-id"

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

/* "results" of the folder, for the first rank to add to; NULL for others. */
FILE *dsp_results_open(const DspWork *work, const DspSeat *seat);

/* As one rank times collectives of all ranks (bench.c); the first rank adds a
 * line {"collective": ..., "bytes": ..., "time_us": ..., "spread": ...} to
 * "results" for each. */
int dsp_bench_run(const DspWork *work, const DspSeat *seat);

/* Median of `n` samples in s, and the relative half of what four fifths of them
 * lie in; sorts them. */
typedef struct {
  double median, spread;
} DspTime;
DspTime dsp_time_of(double *samples, guint n);
/* "time_us" and "spread". */
void dsp_time_add(cJSON *point, const DspTime *time);

/* "NVIDIA H200, driver 580.1, CUDA 13.0, NCCL 2.28.9"; the caller frees. */
char *dsp_machine_text(void);

#endif
