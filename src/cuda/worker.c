/* SPDX-License-Identifier: Apache-2.0 */
#include "cuda/worker.h"
#include "base/error.h"
#include "cuda/cases.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- the machine -----------------------------------------------------------
 */

/* The first word that is a version of the driver's own words. */
static char *driver_version(void) {
  g_autofree char *text = NULL;
  if (!g_file_get_contents("/proc/driver/nvidia/version", &text, NULL, NULL))
    return g_strdup("unknown");
  g_auto(GStrv) words = g_strsplit_set(text, " \n", -1);
  for (guint i = 0; words[i]; i++)
    if (g_ascii_isdigit(words[i][0]) && strchr(words[i], '.'))
      return g_strdup(words[i]);
  return g_strdup("unknown");
}

char *dsp_machine_text(void) {
  struct cudaDeviceProp gpu;
  int cuda = 0, nccl = 0;
  g_autofree char *driver = driver_version();
  dsp_cuda_check(cudaGetDeviceProperties(&gpu, 0), "the GPU");
  dsp_cuda_check(cudaRuntimeGetVersion(&cuda), "its version");
  dsp_nccl_check(ncclGetVersion(&nccl), "its version");
  return g_strdup_printf("%s, driver %s, CUDA %d.%d, NCCL %d.%d.%d", gpu.name,
                         driver, cuda / 1000, cuda % 1000 / 10, nccl / 10000,
                         nccl / 100 % 100, nccl % 100);
}

/* --- cases -----------------------------------------------------------------
 */

/* Prices do not matter here; any machine that is large enough. */
static DspCluster *any_cluster(GError **error) {
  return dsp_cluster_load("node:1 gpu:1024 nvlink:450GBps", error);
}

/* Cases often come with the job of the one before. */
typedef struct {
  const DspCase *last;
  DspValidator *validator;
  DspCluster *cluster;
} Bench;

static void bench_clear(Bench *bench) {
  dsp_validator_free(bench->validator);
  dsp_cluster_free(bench->cluster);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Bench, bench_clear)

static gboolean same_job(const DspCase *a, const DspCase *b) {
  return g_str_equal(a->model->file, b->model->file) &&
         a->model->hidden == b->model->hidden && a->seed == b->seed &&
         a->fault == b->fault && a->job.mode == b->job.mode &&
         a->job.batch == b->job.batch && a->job.dtype == b->job.dtype &&
         a->job.guidance == b->job.guidance &&
         memcmp(&a->job.lengths, &b->job.lengths, sizeof a->job.lengths) == 0;
}

static DspValidator *validator_for(Bench *bench, const DspWorld *world,
                                   DspCase *c) {
  const DspValidateOptions options = {
      .seed = c->seed, .fault = c->fault, .machine = &world->machine};
  if (bench->last && same_job(bench->last, c))
    return bench->validator;
  dsp_validator_free(bench->validator);
  c->job.cluster = bench->cluster;
  bench->last = c;
  bench->validator = dsp_validator_new(&c->job, &options);
  return bench->validator;
}

static cJSON *run_case(Bench *bench, DspWorld *world, DspCase *c) {
  g_autoptr(GError) error = NULL;
  DspValidation v = {.verdict = DSP_VERDICT_FAILED};
  dsp_cuda_set_type(world->gpu, c->job.dtype);
  DspValidator *validator = validator_for(bench, world, c);
  if (dsp_validator_run(validator, &c->plan, &v, &error))
    return dsp_validation_node(&v);
  /* A rank that stops in the middle leaves the others waiting. */
  if (strstr(error->message, "rank ") == error->message)
    dsp_cuda_die("%s", error->message);
  cJSON *node = cJSON_CreateObject();
  cJSON_AddStringToObject(node, "error", error->message);
  return node;
}

static void write_line(FILE *results, guint number, cJSON *node) {
  cJSON_AddNumberToObject(node, "case", number);
  char *text = cJSON_PrintUnformatted(node);
  fprintf(results, "%s\n", text);
  if (fflush(results) != 0)
    dsp_cuda_die("the results cannot be written");
  cJSON_free(text);
}

FILE *dsp_results_open(const DspWork *work, const DspSeat *seat) {
  g_autofree char *path = g_build_filename(work->folder, "results", NULL);
  FILE *results = seat->rank == 0 ? fopen(path, "a") : NULL;
  if (seat->rank == 0 && !results)
    dsp_cuda_die("%s: cannot be written", path);
  return results;
}

int dsp_worker_run(const DspWork *work, const DspSeat *seat) {
  g_autoptr(GError) error = NULL;
  g_auto(Bench) bench = {NULL};
  g_autofree char *id = g_build_filename(work->folder, DSP_ID_FILE, NULL);
  g_autoptr(GPtrArray) cases = dsp_cases_load(work->cases, &error);
  if (cases)
    bench.cluster = any_cluster(&error);
  if (!bench.cluster)
    dsp_cuda_die("%s", error->message);
  FILE *results = dsp_results_open(work, seat);
  g_autoptr(DspWorld) world = dsp_world_new(seat, id, work->timeout);
  for (guint i = work->first; i < cases->len; i++) {
    DspCase *c = cases->pdata[i];
    if (dsp_plan_ranks(&c->plan) != seat->ranks)
      continue;
    cJSON *node = run_case(&bench, world, c);
    if (results)
      write_line(results, i, node);
    cJSON_Delete(node);
  }
  if (results)
    fclose(results);
  return EXIT_SUCCESS;
}
