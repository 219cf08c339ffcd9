/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of sim/: what collectives in flight leave to the kernels beside them.
 * NCCL's thread blocks have multiprocessors of their own as long as a
 * collective's kernel is there, and its copies take memory bandwidth. */
#ifndef DSP_SIM_CONTENTION_H
#define DSP_SIM_CONTENTION_H

#include "sim/prices.h"
#include "sim/program.h"

typedef struct DspContention DspContention;

/* Of the program's exchanges. Free with dsp_contention_free. */
DspContention *dsp_contention_new(const DspProgram *program, DspPrices *prices);
void dsp_contention_free(DspContention *contention);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DspContention, dsp_contention_free)

/* How many times as long a kernel takes while `exchanges` (by stream: index of
 * a distinct exchange of the program, -1: none) are in flight: 1 to 4.
 *
 * Any kernel, by the multiprocessors and the bandwidth that are left, one times
 * the other. That is what was measured beside all-gathers over NVLink: on A100
 * products and attention 1.8 times as long and pointwise kernels 2.5 times
 * (NVIDIA/nccl, issue 1428), on H100 products 1.7 times (NVIDIA's developer
 * forum, topic 337991); it gives 1.8 and 1.6. */
double dsp_contention_slowdown(const DspContention *contention,
                               const int exchanges[DSP_N_STREAM_KINDS]);

#endif
