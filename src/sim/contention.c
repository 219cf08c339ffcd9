/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/contention.h"

/* Bytes of a GPU's memory that NCCL reads and writes for each byte that leaves
 * the GPU: 2 to 3, say its authors (NVIDIA/nccl, issue 1428). */
#define COPIED 2.5

/* Kernels keep at least this share of multiprocessors and of bandwidth:
 * NCCL cannot fill the GPU, and memory controllers share alike. */
#define LEAST_SHARE 0.5

/* Shares of the GPU. */
typedef struct {
  double multiprocessors, bandwidth;
} Taken;

struct DspContention {
  Taken *taken; /* by exchange */
};

/* NCCL's thread blocks, each on a multiprocessor that it shares with nobody
 * (NVIDIA/nccl, issue 689), and what it moves in memory, in the mean of its
 * time: a faster link takes more for less long. */
static Taken taken_by(const DspProgram *program, DspPrices *prices, guint i) {
  const DspGpu *gpu = program->schedule->job.cluster->gpu;
  const DspExchange *e = &g_array_index(program->exchanges, DspExchange, i);
  const DspAxis axis = dsp_plan_axis(&program->schedule->plan, e->axis);
  const DspPrice *price =
      dsp_prices_get(prices, &axis, -1, e->collective, e->bytes);
  const double leaving =
      (double)e->bytes * dsp_collective_busbw_factor(e->collective, axis.size);
  return (Taken){(double)price->blocks / (double)gpu->sms,
                 COPIED * leaving / price->time / gpu->memory_bandwidth};
}

DspContention *dsp_contention_new(const DspProgram *program,
                                  DspPrices *prices) {
  DspContention *c = g_new0(DspContention, 1);
  c->taken = g_new(Taken, program->exchanges->len + 1);
  for (guint i = 0; i < program->exchanges->len; i++)
    c->taken[i] = taken_by(program, prices, i);
  return c;
}

void dsp_contention_free(DspContention *c) {
  if (!c)
    return;
  g_free(c->taken);
  g_free(c);
}

double dsp_contention_slowdown(const DspContention *c,
                               const int exchanges[DSP_N_STREAM_KINDS]) {
  Taken all = {0, 0};
  for (int i = 0; i < DSP_N_STREAM_KINDS; i++)
    if (exchanges[i] >= 0) {
      all.multiprocessors += c->taken[exchanges[i]].multiprocessors;
      all.bandwidth += c->taken[exchanges[i]].bandwidth;
    }
  return 1 / (MAX(1 - all.multiprocessors, LEAST_SHARE) *
              MAX(1 - all.bandwidth, LEAST_SHARE));
}
