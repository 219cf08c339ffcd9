/* SPDX-License-Identifier: Apache-2.0 */
/* The decoder of a VAE is convolutions with normalisations between them, which
 * frameworks run far below what a product reaches. */
#include "kernel/kernel.h"

/* Share of the peak: CogVideoX 1.5 decodes 81 frames of 768x1360 in 47 s on H20
 * (xdit-project/xdit_assets, performance/cogvideo), which is 0.22 of its peak;
 * PixArt and SANA images of 4096x4096 on L40 and A100 and Mochi videos on L40
 * leave time for 0.1 to 0.2. */
#define DECODER_SHARE 0.2

double dsp_decode_time(const DspGpu *gpu, double flop, DspDtype dtype) {
  return gpu->compute_scale * dsp_flop_bound(gpu, flop, dtype) / DECODER_SHARE;
}
