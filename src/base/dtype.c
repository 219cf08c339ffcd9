/* SPDX-License-Identifier: Apache-2.0 */
#include "base/dtype.h"

const char *const dsp_dtype_names[] = {"bf16", "fp16", "fp32", "fp8", NULL};

static const int bytes[DSP_N_DTYPES] = {2, 2, 4, 1};

G_STATIC_ASSERT(G_N_ELEMENTS(dsp_dtype_names) == DSP_N_DTYPES + 1);

int dsp_dtype_bytes(DspDtype dtype) {
  g_return_val_if_fail(dtype < DSP_N_DTYPES, 0);
  return bytes[dtype];
}
