/* SPDX-License-Identifier: Apache-2.0 */
/* Element types of tensors. */
#ifndef DSP_BASE_DTYPE_H
#define DSP_BASE_DTYPE_H

#include <glib.h>

typedef enum {
  DSP_DTYPE_BF16,
  DSP_DTYPE_FP16,
  DSP_DTYPE_FP32,
  DSP_DTYPE_FP8,
  DSP_N_DTYPES,
} DspDtype;

/* "bf16", "fp16", "fp32", "fp8", NULL */
extern const char *const dsp_dtype_names[];

/* Bytes of one element: 2, 2, 4, 1. */
int dsp_dtype_bytes(DspDtype dtype);

#endif
