/* SPDX-License-Identifier: Apache-2.0 */
/* One compute operation as a GPU sees it: its shape, without ranks or names.
 * Schedules declare these, kernel models time them, executors run them. */
#ifndef DSP_MODEL_WORK_H
#define DSP_MODEL_WORK_H

#include "base/dtype.h"
#include <stdint.h>

/* y[m,n] = x[m,k] w[k,n] */
typedef struct {
  int64_t m, n, k;
  DspDtype dtype;
} DspGemm;

/* softmax(q k^T) v: `batch` sequences of `heads` heads; causal: query i sees
 * keys 0..i (seq_q == seq_k). */
typedef struct {
  int64_t batch, heads, kv_heads, head_dim, seq_q, seq_k;
  gboolean causal;
  DspDtype dtype;
} DspAttentionShape;

typedef enum { DSP_FORWARD, DSP_BACKWARD } DspDirection;

#endif
