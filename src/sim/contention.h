/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of sim/: what collectives in flight leave to the kernels beside them.
 * NCCL's thread blocks have multiprocessors of their own as long as a
 * collective's kernel is there, and its copies take memory bandwidth. */
#ifndef DSP_SIM_CONTENTION_H
#define DSP_SIM_CONTENTION_H

#include "sim/prices.h"
#include "sim/program.h"

typedef struct DspContention DspContention;

/* Both must outlive it. Free with dsp_contention_free. */
DspContention *dsp_contention_new(const DspProgram *program, DspPrices *prices);
void dsp_contention_free(DspContention *contention);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DspContention, dsp_contention_free)

/* How many times as long the kernels of `instruction` take while `exchanges`
 * (by stream: index of a distinct exchange of the program, -1: none) are in
 * flight: at least 1. */
double dsp_contention_slowdown(DspContention *contention,
                               const DspInstruction *instruction,
                               const int exchanges[DSP_N_STREAM_KINDS]);

#endif
