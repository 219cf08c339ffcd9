/* SPDX-License-Identifier: Apache-2.0 */
/* The decoder of a VAE is convolutions with normalisations between them, which
 * frameworks run far below what a product reaches. */
#include "kernel/kernel.h"

/* Share of the peak, the geometric mean of what runs leave for it that were
 * measured with a VAE (xdit-project/xdit_assets, xDiT's pages and mochi-xdit):
 * CogVideoX on L40 0.39 and 1.5 on H20, measured apart, 0.22; PixArt and SANA
 * of 4096x4096 0.18 and 0.17; Mochi 0.1, SD3 and FLUX of 1024x1024 0.08,
 * HunyuanVideo 0.05. */
#define DECODER_SHARE 0.14

double dsp_decode_time(const DspGpu *gpu, double flop, DspDtype dtype) {
  return gpu->compute_scale * dsp_flop_bound(gpu, flop, dtype) / DECODER_SHARE;
}
