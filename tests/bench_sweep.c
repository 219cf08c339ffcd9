/* SPDX-License-Identifier: Apache-2.0 */
/* Sweeps as they run: predictions a second of one core at 128 GPUs, of each
 * method once its collectives are priced and of a comparison; and a sweep of
 * 100,000 rows on all cores, with the memory that it takes. */
#include "cmd/sweep-cells.h"
#include "schedule/rules.h"
#include "search/compare.h"
#include "search/sweep.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { GPUS = 128 };

/* Of all threads, so that other processes do not matter. */
static double cpu_seconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static double seconds(void) {
  return (double)g_get_monotonic_time() * 1e-6;
}

/* --- one core ------------------------------------------------------------ */

static DspTask *task_of(DspStock *stock, const char *method) {
  char *const operands[] = {NULL};
  g_autoptr(GError) error = NULL;
  DspJobOptions options = DSP_JOB_DEFAULTS;
  options.gpus = GPUS;
  DspTask *task = dsp_task_new_from(stock, &options, operands, method, &error);
  if (task)
    return task;
  fprintf(stderr, "%s\n", error->message);
  exit(1);
}

/* The first plan with the largest degree that runs. */
static gboolean find_plan(const DspTask *task, DspPlan *plan) {
  g_autoptr(GArray) plans = dsp_enumerate_plans(&task->job, &task->space);
  for (guint i = plans->len; i-- > 0;) {
    DspPrediction p;
    *plan = g_array_index(plans, DspPlan, i);
    dsp_predict(&task->job, plan, task->prices, &task->sim, &p);
    const gboolean runs = p.feasible && plan->variant == 0;
    dsp_prediction_clear(&p);
    if (runs)
      return TRUE;
  }
  return FALSE;
}

static void bench_method(DspStock *stock, const DspMethod *method) {
  enum { ENOUGH = 2 /* tenths of a second */ };
  g_autoptr(DspTask) task = task_of(stock, method->name);
  DspPlan plan;
  if (!find_plan(task, &plan))
    return;
  g_autofree char *what = dsp_plan_describe(&plan);
  const double begin = cpu_seconds();
  guint n = 0;
  uint64_t events = 0;
  for (; cpu_seconds() - begin < ENOUGH * 0.1; n++) {
    DspPrediction p;
    dsp_predict(&task->job, &plan, task->prices, &task->sim, &p);
    events = p.sim.events;
    dsp_prediction_clear(&p);
  }
  printf("predict %-36s %7.0f predictions/s, %6" G_GUINT64_FORMAT " events\n",
         what, n / (cpu_seconds() - begin), (guint64)events);
}

static void bench_compare(DspStock *stock) {
  g_autoptr(DspTask) task = task_of(stock, NULL);
  g_autoptr(GArray) plans = dsp_enumerate_plans(&task->job, &task->space);
  enum { RUNS = 5 };
  double begin = 0;
  for (int i = -1; i < RUNS; i++) {
    if (i == 0) /* the collectives are priced */
      begin = cpu_seconds();
    g_array_unref(
        dsp_compare(&task->job, &task->space, task->prices, &task->sim, TRUE));
  }
  printf("compare, the best of %u plans                 %7.0f predictions/s\n",
         plans->len, plans->len * RUNS / (cpu_seconds() - begin));
}

/* --- many rows ----------------------------------------------------------- */

static gpointer begin(gpointer cells) {
  return dsp_sweep_worker_new(cells);
}

static void end(gpointer worker) {
  dsp_sweep_worker_free(worker);
}

static void work(gpointer worker, int64_t cell, GString *out) {
  dsp_sweep_worker_rows(worker, cell, out);
}

static gboolean count(gpointer bytes, int64_t cell, const GString *rows,
                      GError **error) {
  (void)cell, (void)error;
  *(gsize *)bytes += rows->len;
  return TRUE;
}

static gboolean go_on(gpointer data, int64_t written, GError **error) {
  (void)data, (void)written, (void)error;
  return TRUE;
}

static void bench_rows(const char *what, const char *const *vary) {
  char *const operands[] = {NULL};
  g_autoptr(GPtrArray) specs = g_ptr_array_new();
  DspJobOptions options = DSP_JOB_DEFAULTS;
  for (; *vary; vary++)
    g_ptr_array_add(specs, (gpointer)*vary);
  const DspSweepQuestion question = {&options, operands,     specs,
                                     FALSE,    DSP_ROWS_ONE, 0};
  g_autoptr(DspSweepCells) cells = dsp_sweep_cells_new(&question, NULL);
  const int64_t n = dsp_sweep_cells_grid(cells)->cells;
  const guint threads = g_get_num_processors();
  const DspWork all = {begin, work, end, cells};
  gsize bytes = 0;
  const DspSink sink = {count, go_on, &bytes};
  const double cpu = cpu_seconds(), start = seconds();
  DspWorkers *workers = dsp_sweep_threads_new(&all, threads);
  dsp_sweep_run(workers, 0, n, &sink, NULL);
  dsp_workers_free(workers);
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  printf("sweep of %6" G_GINT64_FORMAT
         " rows, %-22s %7.0f rows/s/core, %5.1f s "
         "by %u threads, %3.0f MB, peak %4.1f MiB\n",
         n, what, (double)n / (cpu_seconds() - cpu), seconds() - start, threads,
         (double)bytes * 1e-6, (double)usage.ru_maxrss / 1024);
}

int main(void) {
  static const char *const lengths[] = {
      "gpus=128", "dim.T=64..563", "dim.S=256..3072:+256", "method=dsp", NULL};
  static const char *const all[] = {"gpus=8..128:x2", "dim.T=1..1000",
                                    "batch=1..5",     "zero=0..3",
                                    "method=dsp",     NULL};
  g_autoptr(DspStock) stock = dsp_stock_new(NULL, 1 << 30);
  const DspMethod *const *methods;
  const guint n = dsp_methods(&methods);
  for (guint i = 0; i < n; i++)
    bench_method(stock, methods[i]);
  bench_compare(stock);
  bench_rows("new lengths each", lengths);
  bench_rows("gpus, T, batch, ZeRO", all);
  return 0;
}
