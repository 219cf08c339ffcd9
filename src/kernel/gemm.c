/* SPDX-License-Identifier: Apache-2.0 */
/* Libraries choose a tile and a split of k for each shape; so does this: the
 * least over a few of them of waves times the time of one tile. The tile's k
 * loop is bound by the tensor cores or by feeding them from L2, and the whole
 * by DRAM. dspsim(7), KERNELS, has the equation. */
#include "kernel/parts.h"
#include "kernel/roofline.h"
#include <math.h>

typedef struct {
  int64_t m, n;
} Tile;

static const Tile tiles[] = {{256, 128}, {128, 256}, {128, 128}, {64, 128},
                             {128, 64},  {64, 64},   {256, 64},  {64, 256}};
static const int splits[] = {1, 2, 4, 8};

/* What adding the parts of a split k costs besides its traffic: one more
 * kernel. */
#define SPLIT_LAUNCH 2e-6

/* s that one multiprocessor needs for one k step of `tile`. */
static double tile_step(const DspGpu *gpu, const DspGemm *g, Tile tile) {
  const DspGemmConstants *c = &gpu->gemm;
  const double rate = c->e_max * dsp_gpu_peak(gpu, g->dtype) / gpu->sms;
  const double feed = c->l2x * gpu->memory_bandwidth / gpu->sms;
  const double math = 2.0 * tile.m * tile.n / rate;
  const double load =
      (double)dsp_dtype_bytes(g->dtype) * (tile.m + tile.n) / feed;
  return fmax(math, load);
}

/* s of the best split of k for one tile shape. */
static double tile_time(const DspGpu *gpu, const DspGemm *g, Tile tile) {
  const DspGemmConstants *c = &gpu->gemm;
  const double step = tile_step(gpu, g, tile);
  const double count =
      (double)dsp_tiles(g->m, tile.m) * dsp_tiles(g->n, tile.n);
  double best = INFINITY;
  for (guint i = 0; i < G_N_ELEMENTS(splits); i++) {
    const int s = splits[i];
    const double waves = dsp_waves(count * s / gpu->sms, c->q);
    double t = waves * ((double)g->k / s + c->k0) * step;
    if (s > 1) /* fp32 parts are written and read again */
      t += 8.0 * s * g->m * g->n / (c->b_red * gpu->memory_bandwidth) +
           SPLIT_LAUNCH;
    best = fmin(best, t);
  }
  return best;
}

/* A kernel that is replayed alone draws more power the longer it runs, and the
 * clocks give way. */
static double clock_factor(const DspGemmConstants *c, double ideal,
                           DspClocks clocks) {
  if (clocks != DSP_CLOCKS_BURST)
    return clocks == DSP_CLOCKS_BOOST ? 1 : c->sustained;
  const double x = (log(ideal) - log(c->burst_flop_time)) / c->burst_width;
  return 1 + c->burst_d / (1 + exp(-x));
}

double dsp_gemm_time(const DspGpu *gpu, const DspGemm *g, DspClocks clocks) {
  if (g->m <= 0 || g->n <= 0 || g->k <= 0)
    return 0;
  const DspGemmConstants *c = &gpu->gemm;
  const double flop = 2.0 * g->m * g->n * g->k;
  const double bytes =
      dsp_dtype_bytes(g->dtype) *
      ((double)g->m * g->k + (double)g->k * g->n + (double)g->m * g->n);
  double math = INFINITY;
  for (guint i = 0; i < G_N_ELEMENTS(tiles); i++)
    math = fmin(math, tile_time(gpu, g, tiles[i]));
  math *= clock_factor(c, flop / dsp_gpu_peak(gpu, g->dtype), clocks);
  const double memory = bytes / (c->b_dram * gpu->memory_bandwidth);
  const double bound =
      fmax(dsp_flop_bound(gpu, flop, g->dtype), dsp_bytes_bound(gpu, bytes));
  return fmax(bound,
              gpu->compute_scale * (c->t0 + dsp_join(math, memory, c->p)));
}

/* Products that do not fill a tile leave no choice of tiles; each is over at
 * once, so that its loads are not hidden: times add up. Nor do they draw the
 * power that lowers clocks. */
double dsp_batched_gemm_time(const DspGpu *gpu, double count,
                             const DspGemm *g) {
  const DspGemmConstants *c = &gpu->gemm;
  const Tile tile = {64, 64};
  const double tiles_a_product =
      fmax(1, (double)g->m * g->n / ((double)tile.m * tile.n));
  const double math = dsp_waves(count * tiles_a_product / gpu->sms, c->q) *
                      (g->k + c->k0) * tile_step(gpu, g, tile);
  const double bytes =
      (double)dsp_dtype_bytes(g->dtype) * count *
      ((double)g->m * g->k + (double)g->k * g->n + (double)g->m * g->n);
  return gpu->compute_scale *
         (c->t0 + math + bytes / (c->b_dram * gpu->memory_bandwidth));
}
