/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/parts.h"

double dsp_pointwise_time(const DspGpu *gpu, DspMemoryOp op, double bytes,
                          gboolean fused) {
  const DspMemoryConstants *c = &gpu->memory[op];
  const double share = fused ? c->fused : c->eager;
  if (bytes <= 0)
    return 0;
  return gpu->compute_scale * (c->t0 + bytes / (share * gpu->memory_bandwidth));
}

double dsp_memory_time(const DspGpu *gpu, DspMemoryOp op, int64_t bytes,
                       gboolean fused) {
  return dsp_pointwise_time(gpu, op, bytes, fused);
}

double dsp_flop_bound(const DspGpu *gpu, double flop, DspDtype dtype) {
  return flop / dsp_gpu_peak(gpu, dtype);
}

double dsp_bytes_bound(const DspGpu *gpu, double bytes) {
  return bytes / gpu->memory_bandwidth;
}
