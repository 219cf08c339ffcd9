/* SPDX-License-Identifier: Apache-2.0 */
/* One thread block (CTA) computes a tile of queries of one head of one
 * sequence against all keys. dspsim(7), KERNELS, has the equation. */
#include "kernel/kernel.h"
#include "kernel/roofline.h"
#include <math.h>

typedef struct {
  int64_t q, k;
} Block;

/* Tiles of queries and keys: [kernel][head_dim > 96]. */
static const Block blocks[DSP_N_ATTENTION_KERNELS][2] = {
    [DSP_KERNEL_FA2] = {{128, 64}, {128, 64}},
    [DSP_KERNEL_FA3] = {{192, 64}, {128, 64}},
    [DSP_KERNEL_FA4] = {{256, 128}, {256, 128}},
    [DSP_KERNEL_CUDNN] = {{128, 128}, {128, 128}},
};

static int64_t padded_head(int64_t d) {
  return d <= 64 ? 64 : d <= 96 ? 96 : dsp_tiles(d, 64) * 64;
}

double dsp_attention_time(const DspGpu *gpu, const DspAttentionShape *s,
                          DspDirection direction, DspAttentionKernel kernel,
                          DspClocks clocks) {
  const DspAttentionConstants *c = &gpu->attention[kernel];
  const Block block = blocks[kernel][s->head_dim > 96];
  const double element =
      4.0 * padded_head(s->head_dim) * gpu->sms / dsp_gpu_peak(gpu, s->dtype) +
      1 / (16 * c->clock);
  const double keys =
      s->causal ? (dsp_tiles(s->seq_q, block.q) + 1) * block.q / 2.0 : s->seq_k;
  const double phi =
      c->phi * (clocks == DSP_CLOCKS_SUSTAINED ? c->sustained : 1);
  const double cta = c->c0[s->head_dim > 64][s->seq_q > 64] +
                     ceil(keys / block.k) * block.q * block.k * phi * element;
  const double w =
      (double)s->batch * s->heads * dsp_tiles(s->seq_q, block.q) / gpu->sms;
  const double bytes =
      4.0 * s->batch * s->head_dim *
      ((double)s->heads * s->seq_q + (double)s->kv_heads * s->seq_k);
  const double memory = bytes / (c->b * gpu->memory_bandwidth);
  const double forward = dsp_join(dsp_waves(w, c->q) * cta, memory, 4);
  return gpu->compute_scale *
         (c->t0 + (direction == DSP_BACKWARD ? 3 * forward : forward));
}
