/* SPDX-License-Identifier: Apache-2.0 */
/* The main job as a user waits for it: comparing all plans of the default model
 * on the default cluster, from loading the files to the last prediction, each
 * number of GPUs in a process of its own; and the events a second of one long
 * simulation, with and without exchanges that contend for links. */
#include "schedule/method.h"
#include "search/compare.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RUNS = 5 };

typedef struct {
  DspModel *model;
  DspCluster *cluster;
  DspTopology *topology;
  DspPrices *prices;
  DspJob job;
} Setting;

static Setting setting_new(guint gpus) {
  Setting s = {.model = dsp_model_load("transformer-2d-720m", NULL),
               .cluster = dsp_cluster_load("dgx-h100", NULL)};
  if (!s.model || !s.cluster) {
    fputs("set DSPSIM_PATH to the folder of models and hwprofiles\n", stderr);
    exit(1);
  }
  s.topology = dsp_topology_new(s.cluster, gpus, NULL);
  s.prices = dsp_prices_new(s.topology, NULL);
  s.job = (DspJob){.model = s.model,
                   .cluster = s.cluster,
                   .gpus = gpus,
                   .lengths = dsp_model_default_lengths(s.model),
                   .batch = 1};
  return s;
}

static void setting_clear(Setting *s) {
  dsp_prices_free(s->prices);
  dsp_topology_free(s->topology);
  dsp_cluster_free(s->cluster);
  dsp_model_free(s->model);
}

static guint compare(guint gpus, gboolean best_only) {
  Setting s = setting_new(gpus);
  DspPlanSpace space = {.home = -1,
                        .recompute = DSP_RECOMPUTE_FULL,
                        .zero = 2,
                        .degree = {0, 1, 0, 0, 1}};
  DspSimOptions options = {.every_rank = FALSE};
  g_autoptr(GArray) plans =
      dsp_compare(&s.job, &space, s.prices, &options, best_only);
  guint n = plans->len;
  setting_clear(&s);
  return n;
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double seconds_since(gint64 start) {
  return (double)(g_get_monotonic_time() - start) * 1e-6;
}

static void bench_compare(guint gpus, gboolean best_only) {
  double seconds[RUNS];
  guint plans = 0;
  struct rusage usage;
  for (int i = 0; i < RUNS; i++) {
    gint64 start = g_get_monotonic_time();
    plans = compare(gpus, best_only);
    seconds[i] = seconds_since(start);
  }
  qsort(seconds, RUNS, sizeof *seconds, by_value);
  getrusage(RUSAGE_SELF, &usage);
  printf("compare%-6s %5u GPUs: %4u plans kept, median %7.1f ms, peak %5.1f "
         "MiB\n",
         best_only ? "" : " --all", gpus, plans, seconds[RUNS / 2] * 1e3,
         (double)usage.ru_maxrss / 1024);
}

static void bench_events(const char *what, const char *method, int zero,
                         gboolean every_rank) {
  Setting s = setting_new(64);
  DspPlan plan = {.method = dsp_method_find(method),
                  .home = -1,
                  .degree = {8, 1, 1, 8, 1},
                  .zero = zero};
  g_autoptr(DspSchedule) schedule = dsp_schedule_new(&s.job, &plan, NULL);
  DspSimOptions options = {.every_rank = every_rank};
  DspSimResult result;
  uint64_t events = 0;
  gint64 start = g_get_monotonic_time();
  for (int i = 0; i < (every_rank ? 4 : 200); i++) {
    dsp_simulate(schedule, s.prices, &options, &result);
    events += result.events;
  }
  printf("events, %-34s %5.1f M/s\n", what,
         (double)events / seconds_since(start) * 1e-6);
  dsp_schedule_free(g_steal_pointer(&schedule));
  setting_clear(&s);
}

/* Peak memory is that of a process: every row has its own. */
static void apart(void (*row)(guint, gboolean), guint gpus,
                  gboolean best_only) {
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    row(gpus, best_only);
    fflush(stdout);
    _exit(0);
  }
  waitpid(child, NULL, 0);
}

int main(void) {
  static const guint gpus[] = {8, 128, 1024};
  for (int best_only = 1; best_only >= 0; best_only--)
    for (guint i = 0; i < G_N_ELEMENTS(gpus); i++)
      apart(bench_compare, gpus[i], best_only);
  bench_events("exchanges one at a time", "dsp", 0, FALSE);
  bench_events("ZeRO-3 beside exchanges", "ulysses", 3, FALSE);
  bench_events("the same, every one of 64 ranks", "ulysses", 3, TRUE);
  return 0;
}
