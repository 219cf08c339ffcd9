/* SPDX-License-Identifier: Apache-2.0 */
/* The decoder of a VAE is convolutions with normalisations between them, which
 * frameworks run far below what a product reaches, and the farther the faster
 * the GPU. */
#include "kernel/kernel.h"
#include <math.h>

/* FLOP/s on A100, by whose peak others go. What runs leave for a decoder that
 * were measured with it (xdit-project/xdit_assets, xDiT's pages, mochi-xdit),
 * in TFLOPS: H20 33 (CogVideoX 1.5, measured apart); L40 19 to 70 (Mochi,
 * PixArt of 4096x4096, CogVideoX); A100 23 to 53 (FLUX, SD3, SANA); H100 50
 * (HunyuanVideo). Seven times the peak makes 1.5 times the rate; the square
 * root keeps a bound below all of them. */
#define DECODER_RATE   40e12
#define REFERENCE_PEAK 312e12

double dsp_decode_time(const DspGpu *gpu, double flop, DspDtype dtype) {
  const double faster = dsp_gpu_peak(gpu, dtype) / REFERENCE_PEAK;
  return gpu->compute_scale * fmax(flop / (DECODER_RATE * sqrt(faster)),
                                   dsp_flop_bound(gpu, flop, dtype));
}
