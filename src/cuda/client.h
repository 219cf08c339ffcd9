/* SPDX-License-Identifier: Apache-2.0 */
/* Validation on GPUs by the separate program dspsim-cuda, one process a rank:
 * dspsim itself never links CUDA. */
#ifndef DSP_CUDA_CLIENT_H
#define DSP_CUDA_CLIENT_H

#include "numerics/validate.h"

typedef struct {
  const DspJob *job; /* its model comes from a file */
  const DspPlan *plan;
  gboolean shrunk; /* the model is dsp_model_shrink() of its file */
  guint64 seed;
  DspFault fault;
} DspCudaCase;

typedef struct {
  char *error; /* why the plan could not be run, or NULL */
  DspValidation validation;
} DspCudaRow;

typedef struct {
  char *skipped; /* why nothing was run (no program, no GPU), or NULL */
  char *machine; /* "NVIDIA H200, driver 13.0, NCCL 2.28.9", NULL if skipped */
  guint n_rows;
  DspCudaRow *rows; /* one a case, in their order; none if skipped */
} DspCudaReport;

/* Runs the cases on the GPUs of this machine; ranks share a GPU where there are
 * more of them than GPUs. A case whose ranks do not get further for `timeout`
 * seconds is ended, with all its processes; its row then has an error.
 * DSP_ERROR_EXTERNAL where the program cannot be started or its answer cannot
 * be read. Free with dsp_cuda_report_free. */
DspCudaReport *dsp_cuda_validate(const DspCudaCase *cases, guint n,
                                 guint timeout, GError **error);
void dsp_cuda_report_free(DspCudaReport *report);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DspCudaReport, dsp_cuda_report_free)

/* Times kernels and collectives on the GPU and writes them to `file`
 * (dspsim-measurements(5)). *skipped: why it could not, else NULL; the caller
 * frees. */
gboolean dsp_cuda_measure(const char *file, char **skipped, GError **error);

#endif
