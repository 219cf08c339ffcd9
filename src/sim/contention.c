/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/contention.h"

/* Bytes of a GPU's memory that NCCL reads and writes for each byte that leaves
 * the GPU: 2 to 3, say its authors (NVIDIA/nccl, issue 1428); from buffer to
 * buffer through a queue that is partly in L2. */
#define COPIED 2.5

/* Kernels keep at least this share of multiprocessors and of bandwidth:
 * NCCL cannot fill the GPU, and memory controllers share alike. */
#define LEAST_SHARE 0.5

/* What is left of the GPU beside certain exchanges. */
typedef struct {
  DspGpu gpu;
  DspCluster cluster;
  DspJob job;
} Rest;

struct DspContention {
  const DspProgram *program;
  DspPrices *prices;
  GHashTable *rests;     /* environment -> Rest */
  GHashTable *slowdowns; /* Key -> double */
};

typedef struct {
  const DspInstruction *instruction;
  guint environment;
} Key;

static guint key_hash(gconstpointer data) {
  const Key *key = data;
  return g_direct_hash(key->instruction) * 31 + key->environment;
}

static gboolean key_equal(gconstpointer a, gconstpointer b) {
  const Key *x = a, *y = b;
  return x->instruction == y->instruction && x->environment == y->environment;
}

DspContention *dsp_contention_new(const DspProgram *program,
                                  DspPrices *prices) {
  DspContention *c = g_new0(DspContention, 1);
  c->program = program;
  c->prices = prices;
  c->rests = g_hash_table_new_full(NULL, NULL, NULL, g_free);
  c->slowdowns = g_hash_table_new_full(key_hash, key_equal, g_free, g_free);
  return c;
}

void dsp_contention_free(DspContention *c) {
  if (!c)
    return;
  g_hash_table_destroy(c->rests);
  g_hash_table_destroy(c->slowdowns);
  g_free(c);
}

/* --- what is left -------------------------------------------------------- */

/* NCCL's thread blocks, each on a multiprocessor that it shares with nobody
 * (NVIDIA/nccl, issue 689), and the bytes/s that it moves in memory. */
static void take(const DspContention *c, int exchange, double *blocks,
                 double *bytes) {
  const DspExchange *e =
      &g_array_index(c->program->exchanges, DspExchange, exchange);
  const DspAxis axis = dsp_plan_axis(&c->program->schedule->plan, e->axis);
  const DspPrice *price =
      dsp_prices_get(c->prices, &axis, -1, e->collective, e->bytes);
  *blocks += (double)price->blocks;
  *bytes += COPIED * price->rate_limit *
            dsp_collective_busbw_factor(e->collective, axis.size);
}

static Rest *rest_new(const DspContention *c,
                      const int exchanges[DSP_N_STREAM_KINDS]) {
  const DspJob *job = &c->program->schedule->job;
  Rest *rest = g_new(Rest, 1);
  double blocks = 0, bytes = 0;
  for (int i = 0; i < DSP_N_STREAM_KINDS; i++)
    if (exchanges[i] >= 0)
      take(c, exchanges[i], &blocks, &bytes);
  rest->gpu = *job->cluster->gpu;
  const double sms = (double)rest->gpu.sms;
  rest->gpu.sms = (int64_t)MAX(sms - blocks, LEAST_SHARE * sms);
  for (int i = 0; i < DSP_N_DTYPES; i++)
    rest->gpu.peak[i] *= (double)rest->gpu.sms / sms;
  rest->gpu.memory_bandwidth = MAX(rest->gpu.memory_bandwidth - bytes,
                                   LEAST_SHARE * rest->gpu.memory_bandwidth);
  rest->cluster = *job->cluster;
  rest->cluster.gpu = &rest->gpu;
  rest->job = *job;
  rest->job.cluster = &rest->cluster;
  return rest;
}

/* A number for the exchanges together, 0 for none. */
static guint environment_of(const DspContention *c,
                            const int exchanges[DSP_N_STREAM_KINDS]) {
  guint environment = 0;
  for (int i = 0; i < DSP_N_STREAM_KINDS; i++)
    environment = environment * (c->program->exchanges->len + 1) +
                  (guint)(exchanges[i] + 1);
  return environment;
}

static const Rest *rest_of(DspContention *c, guint environment,
                           const int exchanges[DSP_N_STREAM_KINDS]) {
  Rest *rest = g_hash_table_lookup(c->rests, GUINT_TO_POINTER(environment));
  if (!rest) {
    rest = rest_new(c, exchanges);
    g_hash_table_insert(c->rests, GUINT_TO_POINTER(environment), rest);
  }
  return rest;
}

double dsp_contention_slowdown(DspContention *c,
                               const DspInstruction *instruction,
                               const int exchanges[DSP_N_STREAM_KINDS]) {
  const Key key = {instruction, environment_of(c, exchanges)};
  if (key.environment == 0 || instruction->cost.time <= 0)
    return 1;
  double *slowdown = g_hash_table_lookup(c->slowdowns, &key);
  if (!slowdown) {
    const Rest *rest = rest_of(c, key.environment, exchanges);
    slowdown = g_new(double, 1);
    *slowdown = MAX(dsp_step_cost(&rest->job, instruction->step).time /
                        instruction->cost.time,
                    1);
    g_hash_table_insert(c->slowdowns, g_memdup2(&key, sizeof key), slowdown);
  }
  return *slowdown;
}
