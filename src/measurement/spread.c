/* SPDX-License-Identifier: Apache-2.0 */
#include "measurement/spread.h"
#include "measurement/statistics.h"
#include <gsl/gsl_cdf.h>
#include <gsl/gsl_randist.h>
#include <gsl/gsl_rng.h>
#include <math.h>

/* Operations of a class that take the same time alone: one shape, one error. */
typedef struct {
  DspErrors errors;
  double once;   /* s of the first of them */
  double free;   /* s of those that nothing waits behind */
  double bound;  /* s of those behind which the compute stream waits: for the
                    CPU, or for this collective */
  double waited; /* how long it does */
} Part;

/* One rank. */
typedef struct {
  double end;            /* of its last step */
  double computed;       /* end of its last step of the compute stream */
  double last;           /* s of that step */
  int last_part;         /* its part, -1: none yet */
  int collective;        /* part of the last collective to end, -1: none */
  double collective_end; /* and when */
  double collective_time;
  double before; /* s until the compute stream begins */
  GArray *parts; /* Part */
} Account;

struct DspSpread {
  DspPlan plan;
  const DspTopology *topology;
  GPtrArray *accounts; /* Account, by rank */
};

static Part *part_at(const Account *account, int i) {
  return &g_array_index(account->parts, Part, i);
}

static void account_free(gpointer data) {
  Account *account = data;
  g_array_unref(account->parts);
  g_free(account);
}

DspSpread *dsp_spread_new(const DspPlan *plan, const DspTopology *topology) {
  DspSpread *spread = g_new(DspSpread, 1);
  *spread = (DspSpread){*plan, topology,
                        g_ptr_array_new_with_free_func(account_free)};
  return spread;
}

void dsp_spread_free(DspSpread *spread) {
  if (!spread)
    return;
  g_ptr_array_unref(spread->accounts);
  g_free(spread);
}

/* --- while it is simulated ----------------------------------------------- */

static Account *account_of(DspSpread *spread, guint rank) {
  while (spread->accounts->len <= rank) {
    Account *account = g_new0(Account, 1);
    account->last_part = account->collective = -1;
    account->parts = g_array_new(FALSE, TRUE, sizeof(Part));
    g_ptr_array_add(spread->accounts, account);
  }
  return spread->accounts->pdata[rank];
}

/* Whether the first group of the axis is on more nodes than one. */
static gboolean is_across(const DspSpread *spread, DspAxisName name) {
  const DspAxis axis = dsp_plan_axis(&spread->plan, name);
  return dsp_topology_node(spread->topology, 0) !=
         dsp_topology_node(spread->topology, (axis.size - 1) * axis.stride);
}

static DspErrors errors_of(const DspSpread *spread, const DspStep *step,
                           double time) {
  switch (step->kind) {
  case DSP_STEP_GEMM:
    return dsp_errors_of_gemm(time / MAX(step->kernels, 1));
  case DSP_STEP_ATTENTION:
    return dsp_errors_of_attention(&step->attention.shape,
                                   step->attention.direction);
  case DSP_STEP_MEMORY:
    return dsp_errors_of_memory(step->memory.parts[0].op);
  default:
    return dsp_errors_of_collective(step->exchange.bytes,
                                    is_across(spread, step->exchange.axis));
  }
}

static int find_part(Account *account, DspErrors errors, double time) {
  const double same = 1e-6;
  for (guint i = 0; i < account->parts->len; i++) {
    const Part *part = part_at(account, (int)i);
    if (part->errors == errors && fabs(part->once - time) <= same * time)
      return (int)i;
  }
  const Part part = {.errors = errors, .once = time};
  g_array_append_val(account->parts, part);
  return (int)account->parts->len - 1;
}

/* Moves the last call of a part to those that something waits behind. */
static void bind(Part *part, double time, double waited) {
  part->free -= time;
  part->bound += time;
  part->waited += waited;
}

/* The compute stream stands still until `start`: until a collective ends, then
 * until the CPU has issued what is next. */
static void note_wait(Account *account, double start) {
  const double ready = CLAMP(account->collective_end, account->computed, start);
  if (ready > account->computed)
    bind(part_at(account, account->collective), account->collective_time,
         ready - account->computed);
  if (start <= ready)
    return;
  if (account->last_part < 0)
    account->before += start - ready;
  else
    bind(part_at(account, account->last_part), account->last, start - ready);
  account->last = 0;
}

static void note_computed(Account *account, int part, double start,
                          double end) {
  if (start > account->computed)
    note_wait(account, start);
  account->computed = end;
  account->last = end - start;
  account->last_part = part;
}

static void note_collective(Account *account, int part, double start,
                            double end) {
  if (end < account->collective_end)
    return;
  account->collective = part;
  account->collective_end = end;
  account->collective_time = end - start;
}

static void note(gpointer data, const DspStepRun *run) {
  DspSpread *spread = data;
  Account *account = account_of(spread, run->rank);
  const double time = run->end - run->begin;
  const int part = find_part(account, errors_of(spread, run->step, time), time);
  part_at(account, part)->free += time;
  account->end = MAX(account->end, run->end);
  if (run->step->stream == DSP_STREAM_COMPUTE)
    note_computed(account, part, run->start, run->end);
  else
    note_collective(account, part, run->begin, run->end);
}

DspObserver dsp_spread_observer(DspSpread *spread) {
  return (DspObserver){.step = note, .data = spread};
}

/* --- drawing ------------------------------------------------------------- */

static const Account *slowest(const DspSpread *spread) {
  const Account *most = NULL;
  for (guint i = 0; i < spread->accounts->len; i++) {
    const Account *account = spread->accounts->pdata[i];
    if (!most || account->end > most->end)
      most = account;
  }
  return most;
}

static gboolean is_collective(DspErrors errors) {
  return errors >= DSP_ERRORS_NODE_SMALL && errors <= DSP_ERRORS_NODES_LARGE;
}

/* One draw of all errors: what each class has in common, as a normal number. */
typedef struct {
  const DspResiduals *residuals;
  gsl_rng *rng;
  double common[DSP_N_ERRORS];
} Draw;

/* A factor on times. */
static double factor_of(const Draw *d, DspErrors errors) {
  const double share = d->residuals->classes[errors].common;
  const double z = sqrt(share) * d->common[errors] +
                   sqrt(1 - share) * gsl_ran_ugaussian(d->rng);
  return exp(
      dsp_residuals_quantile(d->residuals, errors, gsl_cdf_ugaussian_P(z)));
}

static double part_time(const Part *part, double factor, double host) {
  if (is_collective(part->errors))
    return fmax(0, part->waited + part->bound * (factor - 1));
  return part->free * factor +
         (part->waited > 0
              ? fmax(part->bound * factor, (part->bound + part->waited) * host)
              : part->bound * factor);
}

/* The same parts without errors: what draws are compared with. */
static double draw_time(const Account *account, const Draw *d) {
  const double host = d ? factor_of(d, DSP_ERRORS_HOST) : 1;
  const double tail = account->end - account->computed;
  double time = account->before * host;
  if (tail > 0)
    time +=
        tail *
        (d ? factor_of(d, part_at(account, account->collective)->errors) : 1);
  for (guint i = 0; i < account->parts->len; i++) {
    const Part *part = part_at(account, (int)i);
    time += part_time(part, d ? factor_of(d, part->errors) : 1, host);
  }
  return time;
}

double dsp_spread_time(const DspSpread *spread) {
  const Account *account = slowest(spread);
  return account ? draw_time(account, NULL) : 0;
}

void dsp_spread_draw(const DspSpread *spread, const DspResiduals *residuals,
                     double ratios[DSP_SPREAD_DRAWS]) {
  const Account *account = slowest(spread);
  const double predicted = dsp_spread_time(spread);
  Draw d = {residuals, gsl_rng_alloc(gsl_rng_mt19937), {0}};
  gsl_rng_set(d.rng, 1);
  for (guint i = 0; i < DSP_SPREAD_DRAWS; i++) {
    for (guint j = 0; j < DSP_N_ERRORS; j++)
      d.common[j] = gsl_ran_ugaussian(d.rng);
    ratios[i] = predicted > 0 ? draw_time(account, &d) / predicted : 1;
  }
  gsl_rng_free(d.rng);
}

double dsp_spread_host_share(const DspSpread *spread) {
  const Account *account = slowest(spread);
  double waited = account ? account->before : 0;
  for (guint i = 0; account && i < account->parts->len; i++)
    if (!is_collective(part_at(account, (int)i)->errors))
      waited += part_at(account, (int)i)->waited;
  return account && account->end > 0 ? waited / account->end : 0;
}

/* --- intervals ----------------------------------------------------------- */

#define LOW  0.1
#define HIGH 0.9

DspInterval dsp_interval_of(const DspResiduals *residuals, DspErrors errors) {
  return (DspInterval){exp(dsp_residuals_quantile(residuals, errors, LOW)),
                       exp(dsp_residuals_quantile(residuals, errors, HIGH))};
}

DspInterval dsp_interval_of_step(const DspResiduals *residuals,
                                 DspErrors errors,
                                 const double ratios[DSP_SPREAD_DRAWS]) {
  g_autoptr(GArray) all = g_array_new(FALSE, FALSE, sizeof(double));
  /* Every error of steps with every draw would be the whole distribution; the
   * draws being in no order, one each in order of size is a sample of it. */
  for (guint i = 0; i < DSP_SPREAD_DRAWS; i++) {
    const double share = (i + 0.5) / DSP_SPREAD_DRAWS;
    const double ratio =
        ratios[i] * exp(dsp_residuals_quantile(residuals, errors, share));
    g_array_append_val(all, ratio);
  }
  return (DspInterval){dsp_quantile(all, LOW), dsp_quantile(all, HIGH)};
}

DspInterval dsp_interval_of_plan(const DspJob *job, const DspPlan *plan,
                                 DspPrices *prices,
                                 const DspSimOptions *options,
                                 const DspResiduals *residuals) {
  g_autoptr(DspSpread) spread =
      dsp_spread_new(plan, dsp_prices_topology(prices));
  DspSimOptions watched = *options;
  DspPrediction prediction;
  double ratios[DSP_SPREAD_DRAWS];
  watched.observer = dsp_spread_observer(spread);
  watched.limit = 0;
  dsp_predict(job, plan, prices, &watched, &prediction);
  dsp_prediction_clear(&prediction);
  dsp_spread_draw(spread, residuals, ratios);
  return dsp_interval_of_step(residuals, DSP_ERRORS_STEP, ratios);
}
