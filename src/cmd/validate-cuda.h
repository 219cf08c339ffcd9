/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DSP_CMD_VALIDATE_CUDA_H
#define DSP_CMD_VALIDATE_CUDA_H

#include "report/validate.h"

/* Runs the plans by dspsim-cuda, a process a rank, and fills in what became of
 * them; all are skipped where there is no GPU. */
gboolean dsp_validate_on_gpus(DspValidateAnswer *answer, GError **error);
/* Times the GPU's kernels and writes them to `file`; DSP_ERROR_EXTERNAL where
 * there is no GPU. */
gboolean dsp_validate_measure(const char *file, GError **error);

#endif
