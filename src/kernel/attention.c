/* SPDX-License-Identifier: Apache-2.0 */
/* The thread block (CTA) model. Forward: a CTA owns a tile of queries of one
 * head of one sequence and loops over all keys. Backward: it owns a tile of
 * keys and loops over all queries, adding its part of dq to a sum in fp32; a
 * pass before computes the row sums of o*do and clears that sum, a pass after
 * converts it. So the backward of few keys and many queries has few CTAs that
 * run long, and that of short sequences pays for the start of each CTA and for
 * the traffic around it. dspsim(7), KERNELS, has the equations. */
#include "kernel/parts.h"
#include "kernel/roofline.h"
#include <math.h>

/* Exponentials that one multiprocessor computes a clock. */
#define EXP_PER_CLOCK 16

/* FA2 and FA3 cut the keys of a forward into parts when they cannot fill the
 * GPU otherwise and there are more blocks than this; the smaller query tiles
 * of that kernel read each key block for fewer queries. */
#define SPLIT_MIN_BLOCKS 4
#define SPLIT_COST       1.5

/* Heads above 128 leave no registers to overlap the products with anything:
 * factor on tensor time (FA2 1.2, cuDNN 1.35 of those published for H100). */
#define WIDE_HEAD   128
#define WIDE_FACTOR 1.25

typedef struct {
  int q, k;
} Block;

/* Tile sizes as the kernels' sources choose them, by width of the padded head:
 * up to 64, up to 96, above. */
typedef struct {
  Block forward[3], causal[3], backward[3];
  int few_queries[3];  /* query tile that suffices for so few, 0: none */
  gboolean pads_32;    /* has a kernel for heads up to 32 */
  gboolean pads_96;    /* has a kernel for heads of 65 to 96 */
  gboolean pads_loads; /* threads sit idle where rows are narrower */
  gboolean pads_sum;   /* the dq sum holds whole tiles of padded heads */
  gboolean splits;
} Geometry;

static const Geometry geometries[DSP_KERNEL_NATIVE] = {
    [DSP_KERNEL_FA2] = {.forward = {{128, 128}, {128, 64}, {128, 64}},
                        .causal = {{128, 128}, {128, 64}, {128, 64}},
                        .backward = {{128, 128}, {64, 128}, {64, 128}},
                        .pads_32 = TRUE,
                        .pads_96 = TRUE,
                        .pads_loads = TRUE,
                        .pads_sum = TRUE,
                        .splits = TRUE},
    [DSP_KERNEL_FA3] = {.forward = {{192, 192}, {192, 144}, {128, 176}},
                        .causal = {{192, 128}, {192, 144}, {128, 128}},
                        .backward = {{128, 128}, {64, 128}, {64, 128}},
                        .few_queries = {64, 0, 64},
                        .pads_96 = TRUE,
                        .pads_sum = TRUE,
                        .splits = TRUE},
    [DSP_KERNEL_FA4] = {.forward = {{256, 128}, {256, 128}, {256, 128}},
                        .causal = {{256, 128}, {256, 128}, {256, 128}},
                        .backward = {{128, 128}, {128, 128}, {128, 128}},
                        .pads_96 = TRUE,
                        .pads_sum = TRUE},
    [DSP_KERNEL_CUDNN] = {.forward = {{128, 128}, {128, 128}, {128, 128}},
                          .causal = {{128, 128}, {128, 128}, {128, 128}},
                          .backward = {{128, 128}, {64, 128}, {64, 128}}},
};

/* Rows of the dq sum are padded to this. */
#define SUM_ROWS 128

/* One call with all that both directions need. */
typedef struct {
  const DspGpu *gpu;
  const DspAttentionShape *shape;
  const DspAttentionConstants *constants;
  const Geometry *geometry;
  int width;    /* class of the head: index into the geometry */
  int64_t head; /* padded head_dim */
  double row;   /* bytes that moving one row of a head costs */
  double clock_factor;
} Call;

static int64_t padded_head(const Geometry *g, int64_t d) {
  if (g->pads_32 && d <= 32)
    return 32;
  return g->pads_96 && d > 64 && d <= 96 ? 96 : 64 * dsp_tiles(d, 64);
}

static Call make_call(const DspGpu *gpu, const DspAttentionShape *s,
                      DspAttentionKernel kernel, DspClocks clocks) {
  const DspAttentionConstants *c = &gpu->attention[kernel];
  const Geometry *g = &geometries[kernel];
  const int64_t head = padded_head(g, s->head_dim);
  const double ragged = s->head_dim % 32 ? c->ragged_memory : 1;
  return (Call){
      .gpu = gpu,
      .shape = s,
      .constants = c,
      .geometry = g,
      .width = head <= 64   ? 0
               : head <= 96 ? 1
                            : 2,
      .head = head,
      .row = ragged * dsp_dtype_bytes(s->dtype) *
             (g->pads_loads ? head : s->head_dim),
      .clock_factor = clocks == DSP_CLOCKS_SUSTAINED ? c->sustained : 1,
  };
}

/* s of one multiprocessor per score element: the matrix products, and the
 * exponential where they do not hide it. */
static double element_time(const Call *call, DspDirection direction) {
  const DspAttentionConstants *c = call->constants;
  const DspAttentionPass *pass = &c->pass[direction];
  const double flop = (direction == DSP_FORWARD ? 4.0 : 10.0) * call->head;
  const double rate = pass->tensor *
                      dsp_gpu_peak(call->gpu, call->shape->dtype) /
                      call->gpu->sms;
  const double shape = (call->head % 64 ? c->ragged_math : 1) *
                       (call->head > WIDE_HEAD ? WIDE_FACTOR : 1);
  return call->clock_factor *
         (shape * flop / rate + pass->exp / (EXP_PER_CLOCK * c->clock));
}

/* Keys that the mean query tile sees; causal masks are aligned at the end. */
static double visible_keys(const DspAttentionShape *s, int tile) {
  if (!s->causal)
    return s->seq_k;
  const double mean =
      s->seq_k - s->seq_q + (dsp_tiles(s->seq_q, tile) + 1) * (tile / 2.0);
  return CLAMP(mean, fmin(tile, s->seq_k), s->seq_k);
}

static double traffic_time(const Call *call, double bytes) {
  const DspAttentionConstants *c = call->constants;
  return dsp_traffic_time(call->gpu, bytes, c->b, c->l2_gain);
}

/* `ctas` CTAs a multiprocessor that loop over `blocks` blocks on average and
 * over `most` at most, each block taking `step`; `start` is the share of a full
 * tile's start and end that they pay; `bytes` move beside. */
typedef struct {
  double ctas, blocks, most, step, start, bytes;
} Loop;

static double loop_time(const Call *call, DspDirection direction,
                        const Loop *l) {
  const DspAttentionConstants *c = call->constants;
  const DspAttentionPass *pass = &c->pass[direction];
  const double cta =
      l->start * pass->start[call->head > 64] + l->blocks * l->step;
  const double tail = c->tail * (l->most - l->blocks) * l->step;
  return dsp_join(dsp_waves(l->ctas, c->q) * cta + tail,
                  traffic_time(call, l->bytes), pass->p);
}

/* Cuts the key loop of a grid that leaves multiprocessors idle; returns the
 * time of the pass that adds the parts up. */
static double split_keys(const Call *call, Loop *l) {
  const DspAttentionShape *s = call->shape;
  const double parts = fmin(floor(1 / l->ctas), l->blocks);
  const double blocks = SPLIT_COST * ceil(l->blocks / fmax(1, parts));
  if (!call->geometry->splits || s->causal || l->blocks <= SPLIT_MIN_BLOCKS ||
      blocks >= l->blocks)
    return 0;
  l->ctas *= parts;
  l->blocks = l->most = blocks;
  const double sums = 4.0 * s->batch * s->heads * s->seq_q * s->head_dim;
  return call->constants->t0 + traffic_time(call, 2 * parts * sums);
}

static double forward_time(const Call *call) {
  const DspAttentionShape *s = call->shape;
  const Geometry *g = call->geometry;
  const Block full = (s->causal ? g->causal : g->forward)[call->width];
  const int few = g->few_queries[call->width];
  const Block b = {s->seq_q <= few ? few : full.q, full.k};
  const double sequences = (double)s->batch * s->heads;
  Loop l = {
      .ctas = sequences * dsp_tiles(s->seq_q, b.q) / call->gpu->sms,
      .blocks = ceil(visible_keys(s, b.q) / b.k),
      .most = dsp_tiles(s->seq_k, b.k),
      .step = (double)b.q * b.k * element_time(call, DSP_FORWARD),
      .start = (double)b.q / full.q,
      .bytes =
          2 * call->row *
          (sequences * s->seq_q + (double)s->batch * s->kv_heads * s->seq_k),
  };
  const double sum = split_keys(call, &l);
  return call->constants->t0 + loop_time(call, DSP_FORWARD, &l) + sum;
}

/* Bytes of the fp32 sum of dq with rows padded to `tile`. */
static double dq_sum(const Call *call, int tile) {
  const DspAttentionShape *s = call->shape;
  const gboolean pads = call->geometry->pads_sum;
  const double rows = pads ? dsp_tiles(s->seq_q, tile) * tile : s->seq_q;
  return 4.0 * s->batch * s->heads * rows * (pads ? call->head : s->head_dim);
}

static double backward_time(const Call *call) {
  const DspAttentionShape *s = call->shape;
  const DspAttentionConstants *c = call->constants;
  const Block b = call->geometry->backward[call->width];
  const double sequences = (double)s->batch * s->heads;
  const double queries = call->row * sequences * s->seq_q;
  const double keys = call->row * sequences * s->seq_k;
  const double blocks = dsp_tiles(s->seq_q, b.q);
  const Loop l = {
      .ctas = sequences * dsp_tiles(s->seq_k, b.k) / call->gpu->sms,
      .blocks = fmax(1, blocks * visible_keys(s, b.q) / s->seq_k),
      .most = blocks,
      .step = (double)b.q * b.k * element_time(call, DSP_BACKWARD),
      .start = 1,
      /* reads q, do, k, v; writes dk, dv; reads and writes the sum */
      .bytes = 2 * queries + 4 * keys + 2 * dq_sum(call, b.q),
  };
  /* before: reads o, do, clears the sum; after: reads the sum, writes dq */
  const double sides = 3 * queries + 2 * dq_sum(call, SUM_ROWS);
  return c->t0 + loop_time(call, DSP_BACKWARD, &l) +
         sides / (c->sides * call->gpu->memory_bandwidth);
}

/* Kernels to take instead, nearest first, where a GPU has no constants. */
static const DspAttentionKernel nearest[DSP_KERNEL_NATIVE][DSP_KERNEL_NATIVE] =
    {
        [DSP_KERNEL_FA2] = {DSP_KERNEL_FA2, DSP_KERNEL_CUDNN, DSP_KERNEL_FA3,
                            DSP_KERNEL_FA4},
        [DSP_KERNEL_FA3] = {DSP_KERNEL_FA3, DSP_KERNEL_FA4, DSP_KERNEL_CUDNN,
                            DSP_KERNEL_FA2},
        [DSP_KERNEL_FA4] = {DSP_KERNEL_FA4, DSP_KERNEL_FA3, DSP_KERNEL_CUDNN,
                            DSP_KERNEL_FA2},
        [DSP_KERNEL_CUDNN] = {DSP_KERNEL_CUDNN, DSP_KERNEL_FA3, DSP_KERNEL_FA4,
                              DSP_KERNEL_FA2},
};

static DspAttentionKernel available(const DspGpu *gpu,
                                    DspAttentionKernel kernel) {
  for (guint i = 0; kernel < DSP_KERNEL_NATIVE && i < DSP_KERNEL_NATIVE; i++)
    if (gpu->attention[nearest[kernel][i]].present)
      return nearest[kernel][i];
  return DSP_KERNEL_NATIVE;
}

DspAttentionKernel dsp_attention_usual(const DspGpu *gpu) {
  enum { HOPPER = 90, BLACKWELL = 100 };
  if (gpu->tile_family >= BLACKWELL)
    return DSP_KERNEL_CUDNN;
  return gpu->tile_family >= HOPPER ? DSP_KERNEL_FA3 : DSP_KERNEL_FA2;
}

/* No kernel is faster than its arithmetic and its traffic allow. */
static double attention_bound(const DspGpu *gpu, const DspAttentionShape *s,
                              DspDirection direction) {
  const double seen = s->causal ? visible_keys(s, 1) : s->seq_k;
  const double scores = (double)s->batch * s->heads * s->seq_q * seen;
  const double q = (double)s->batch * s->heads * s->seq_q * s->head_dim;
  const double k = (double)s->batch * s->kv_heads * s->seq_k * s->head_dim;
  const double flop =
      (direction == DSP_FORWARD ? 4 : 10) * scores * s->head_dim;
  const double bytes =
      dsp_dtype_bytes(s->dtype) *
      (direction == DSP_FORWARD ? 2 * q + 2 * k : 4 * q + 4 * k);
  return fmax(dsp_flop_bound(gpu, flop, s->dtype), dsp_bytes_bound(gpu, bytes));
}

double dsp_attention_time(const DspGpu *gpu, const DspAttentionShape *s,
                          DspDirection direction, DspAttentionKernel kernel,
                          DspClocks clocks) {
  if (s->batch <= 0 || s->heads <= 0 || s->head_dim <= 0 || s->seq_q <= 0 ||
      s->seq_k <= 0)
    return 0;
  kernel = available(gpu, kernel);
  if (kernel == DSP_KERNEL_NATIVE)
    return dsp_native_attention_time(gpu, s, direction);
  const Call call = make_call(gpu, s, kernel, clocks);
  const double t =
      direction == DSP_FORWARD ? forward_time(&call) : backward_time(&call);
  return fmax(gpu->compute_scale * t, attention_bound(gpu, s, direction));
}
