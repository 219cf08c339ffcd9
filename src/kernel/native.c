/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/parts.h"

/* Bytes a score that the pointwise kernels move. Forward: cast to fp32,
 * softmax, cast back. Backward: cast, two products of the softmax's gradient,
 * cast back. The products' own reads and writes are in their own time. */
#define FORWARD_BYTES  20
#define BACKWARD_BYTES 36

static double products_time(const DspGpu *gpu, const DspAttentionShape *s,
                            DspDirection direction) {
  const double count = (double)s->batch * s->heads;
  const DspGemm scores = {s->seq_q, s->seq_k, s->head_dim, s->dtype};
  const DspGemm values = {s->seq_q, s->head_dim, s->seq_k, s->dtype};
  const DspGemm keys = {s->seq_k, s->head_dim, s->seq_q, s->dtype};
  const double both = dsp_batched_gemm_time(gpu, count, &scores) +
                      dsp_batched_gemm_time(gpu, count, &values);
  if (direction == DSP_FORWARD)
    return both; /* q k^T, p v */
  /* dp = do v^T, dq = ds k; dk = ds^T q, dv = p^T do */
  return both + 2 * dsp_batched_gemm_time(gpu, count, &keys);
}

double dsp_native_attention_time(const DspGpu *gpu, const DspAttentionShape *s,
                                 DspDirection direction) {
  const double heads = (double)s->batch * s->heads;
  const double scores = heads * s->seq_q * s->seq_k;
  const double scaled =
      2.0 * dsp_dtype_bytes(s->dtype) * heads * s->seq_q * s->head_dim;
  const gboolean forward = direction == DSP_FORWARD;
  return products_time(gpu, s, direction) +
         dsp_memory_time(gpu, DSP_MEMORY_ELEMENTWISE, scaled, FALSE) +
         dsp_memory_time(
             gpu, forward ? DSP_MEMORY_NORM : DSP_MEMORY_NORM_BACKWARD,
             scores * (forward ? FORWARD_BYTES : BACKWARD_BYTES), FALSE);
}
