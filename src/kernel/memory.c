/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/parts.h"
#include <math.h>

/* How sharply a working set falls out of L2, and at how many times its size
 * half of it has: the knee that L40S attention shows at 105 MB. */
#define L2_KNEE  1.1
#define L2_POWER 12

double dsp_traffic_time(const DspGpu *gpu, double bytes, double share,
                        double l2_gain) {
  const double t = bytes / (share * gpu->memory_bandwidth);
  if (l2_gain <= 1)
    return t;
  const double size = bytes / (L2_KNEE * gpu->l2_bytes);
  const double hit = 1 / (1 + pow(size, L2_POWER));
  return t * (1 - hit + hit / l2_gain);
}

double dsp_memory_time(const DspGpu *gpu, DspMemoryOp op, double bytes,
                       gboolean fused) {
  const DspMemoryConstants *c = &gpu->memory[op];
  const double share = fused ? c->fused : c->eager;
  if (bytes <= 0)
    return 0;
  const double t = c->t0 + dsp_traffic_time(gpu, bytes, share, c->l2_gain);
  return fmax(gpu->compute_scale * t, dsp_bytes_bound(gpu, bytes));
}

double dsp_flop_bound(const DspGpu *gpu, double flop, DspDtype dtype) {
  return flop / dsp_gpu_peak(gpu, dtype);
}

double dsp_bytes_bound(const DspGpu *gpu, double bytes) {
  return fmax(0, bytes - gpu->l2_bytes) / gpu->memory_bandwidth;
}
