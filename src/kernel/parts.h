/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of the kernel equations that more than one file needs. */
#ifndef DSP_KERNEL_PARTS_H
#define DSP_KERNEL_PARTS_H

#include "kernel/kernel.h"

/* Attention written out as operations of the framework: scores in memory. */
double dsp_native_attention_time(const DspGpu *gpu,
                                 const DspAttentionShape *shape,
                                 DspDirection direction);

/* `count` independent products y[m,n] = x[m,k] w[k,n] in one call. */
double dsp_batched_gemm_time(const DspGpu *gpu, double count,
                             const DspGemm *gemm);

/* s that `bytes` take at `share` of the memory bandwidth, less what L2 still
 * holds of them from the kernel before: L2 is `l2_gain` times as fast. */
double dsp_traffic_time(const DspGpu *gpu, double bytes, double share,
                        double l2_gain);

#endif
