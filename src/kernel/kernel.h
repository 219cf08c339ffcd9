/* SPDX-License-Identifier: Apache-2.0 */
/* Time of one compute operation on one GPU. Equations and constants:
 * dspsim(7), "KERNELS"; the constants are in the GPU's profile. All times in
 * seconds; a shape with a zero extent takes no time. */
#ifndef DSP_KERNEL_KERNEL_H
#define DSP_KERNEL_KERNEL_H

#include "cluster/gpu.h"
#include "model/work.h"

/* Clocks: `sustained` as in long runs of nothing else (the default), `burst` as
 * when a kernel is replayed alone for a moment, `boost` where power does not
 * limit them. */
typedef enum {
  DSP_CLOCKS_SUSTAINED,
  DSP_CLOCKS_BURST,
  DSP_CLOCKS_BOOST,
} DspClocks;

/* y[m,n] = x[m,k] w[k,n] by the best of a library's tiles, after the data of
 * ai-dynamo/aiconfigurator; the gradients are products of the same kind. */
double dsp_gemm_time(const DspGpu *gpu, const DspGemm *gemm, DspClocks clocks);

/* Where the GPU has no constants for `kernel`, the nearest that it has is
 * taken: newer FlashAttention, cuDNN, older; with none, native. `clocks` do not
 * matter to native attention, whose small products draw little power. The
 * CTA model of attention.c, fitted to the data that each GPU's file names. */
double dsp_attention_time(const DspGpu *gpu, const DspAttentionShape *shape,
                          DspDirection direction, DspAttentionKernel kernel,
                          DspClocks clocks);

/* The kernel that codes use on such a GPU where they do not say: cuDNN's on
 * Blackwell, as PyTorch chooses, FlashAttention 3 on Hopper, 2 on those before.
 */
DspAttentionKernel dsp_attention_usual(const DspGpu *gpu);

/* A pointwise or copy kernel that moves `bytes` (read + write): one of the
 * framework's own, or `fused` as a compiler makes it. */
double dsp_memory_time(const DspGpu *gpu, DspMemoryOp op, double bytes,
                       gboolean fused);

/* A VAE's decoder, whole, of so many FLOP (dsp_model_decode_flop): an estimate
 * that is right to within a factor of three. */
double dsp_decode_time(const DspGpu *gpu, double flop, DspDtype dtype);

/* Lower bounds that no kernel beats: FLOP over peak; bytes over bandwidth, less
 * those that L2 can hold, since they may never touch memory. */
double dsp_flop_bound(const DspGpu *gpu, double flop, DspDtype dtype);
double dsp_bytes_bound(const DspGpu *gpu, double bytes);

#endif
