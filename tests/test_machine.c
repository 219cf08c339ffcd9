/* SPDX-License-Identifier: Apache-2.0 */
/* Ranks that are processes, of which threads with a device, a carrier and a
 * validator each stand for one: every rank finds what a run in one process
 * does. */
#include "numerics/cpu.h"
#include "numerics/machine.h"
#include "numerics/shrink.h"
#include "numerics/threads.h"
#include "numerics/validate.h"
#include "schedule/method.h"
#include "test.h"
#include <inttypes.h>
#include <pthread.h>

enum { MOST_RANKS = 4 };

/* What the ranks have in common: the wires between them. */
typedef struct {
  const DspJob *job;
  const DspPlan *plan;
  DspCarrier *wires;
  pthread_barrier_t barrier;
  const void *shown[MOST_RANKS];
  int ranks;
} World;

typedef struct {
  DspMachine machine; /* first, so that it can be found from there */
  World *world;
  DspValidation validation;
  GError *error;
} Rank;

/* --- a carrier of each rank's own -------------------------------------------
 */

typedef struct {
  DspCarrier carrier;
  DspCarrier *wires;
} Own;

static gboolean carry(DspCarrier *carrier, int64_t rank, const DspCarry *c) {
  DspCarrier *wires = ((Own *)carrier)->wires;
  int64_t before = dsp_carrier_moved(wires, rank);
  gboolean done = dsp_carrier_run(wires, rank, c);
  dsp_carrier_count(carrier, rank,
                    (gsize)(dsp_carrier_moved(wires, rank) - before));
  return done;
}

static void stop(DspCarrier *carrier) {
  dsp_carrier_break(((Own *)carrier)->wires);
}

static void own_free(DspCarrier *carrier) {
  g_free(carrier);
}

static DspCarrier *connect_rank(const DspMachine *machine,
                                const DspPlan *plan) {
  static const DspCarrierKind kind = {carry, stop, own_free};
  Own *own = g_new0(Own, 1);
  dsp_carrier_init(&own->carrier, &kind, plan);
  own->wires = ((const Rank *)machine)->world->wires;
  return &own->carrier;
}

static void gather(const DspMachine *machine, const void *mine, gsize n,
                   void *all) {
  World *world = ((const Rank *)machine)->world;
  world->shown[machine->rank] = mine;
  pthread_barrier_wait(&world->barrier);
  for (int i = 0; i < world->ranks; i++)
    memcpy((char *)all + (gsize)i * n, world->shown[i], n);
  pthread_barrier_wait(&world->barrier);
}

/* --- a run -----------------------------------------------------------------
 */

static void *run_rank(void *data) {
  Rank *rank = data;
  const DspValidateOptions options = {.seed = 7, .machine = &rank->machine};
  dsp_validate(rank->world->job, rank->world->plan, &options, &rank->validation,
               &rank->error);
  return NULL;
}

static void run_world(World *world, Rank ranks[MOST_RANKS]) {
  pthread_t threads[MOST_RANKS];
  world->ranks = (int)dsp_plan_ranks(world->plan);
  world->wires = dsp_threads_new(world->plan, world->job->dtype);
  pthread_barrier_init(&world->barrier, NULL, (unsigned)world->ranks);
  for (int i = 0; i < world->ranks; i++) {
    ranks[i] = (Rank){
        .machine = {dsp_cpu_new(world->job->dtype), i, connect_rank, gather},
        .world = world};
    pthread_create(&threads[i], NULL, run_rank, &ranks[i]);
  }
  for (int i = 0; i < world->ranks; i++) {
    pthread_join(threads[i], NULL);
    ranks[i].machine.device->kernels->close(ranks[i].machine.device);
  }
  pthread_barrier_destroy(&world->barrier);
  dsp_carrier_free(world->wires);
}

/* The same numbers, whoever asks. */
static void compare(const Rank *rank, const DspValidation *one) {
  const DspValidation *v = &rank->validation;
  DSP_CHECK(v->verdict == DSP_VERDICT_PASSED,
            "rank %d: forward %g, backward %g, moved %" PRId64 " of %" PRId64,
            (int)rank->machine.rank, v->forward_error, v->backward_error,
            v->moved_bytes, v->declared_bytes);
  DSP_CHECK(v->forward_error == one->forward_error &&
                v->backward_error == one->backward_error,
            "rank %d: %g, %g instead of %g, %g", (int)rank->machine.rank,
            v->forward_error, v->backward_error, one->forward_error,
            one->backward_error);
  DSP_CHECK_NEAR(v->loss, one->loss, 1e-12);
  DSP_CHECK_INT(v->moved_bytes, one->moved_bytes);
  DSP_CHECK(v->in_order && v->updated, "rank %d", (int)rank->machine.rank);
}

static const struct {
  const char *method;
  int64_t dp, ring, sp, tp;
  int zero;
  DspDtype dtype;
} rows[] = {
    {"dsp", 1, 1, 3, 1, 0, DSP_DTYPE_FP32},
    {"ulysses", 2, 1, 2, 1, 2, DSP_DTYPE_FP32},
    {"ring", 1, 3, 1, 1, 0, DSP_DTYPE_BF16},
    {"megatron-sp", 1, 1, 2, 1, 0, DSP_DTYPE_BF16},
    {"megatron-tp", 2, 1, 1, 2, 3, DSP_DTYPE_FP32},
};

static void check_row(guint i, const DspModel *model,
                      const DspCluster *cluster) {
  g_autoptr(GError) error = NULL;
  const DspPlan plan = {
      .method = dsp_method_find(rows[i].method),
      .home = -1,
      .zero = rows[i].zero,
      .degree = {rows[i].dp, 1, rows[i].ring, rows[i].sp, rows[i].tp}};
  const DspJob job = {.model = model,
                      .cluster = cluster,
                      .gpus = (guint)dsp_plan_ranks(&plan),
                      .mode = DSP_MODE_TRAIN,
                      .lengths = dsp_model_default_lengths(model),
                      .batch = 1,
                      .dtype = rows[i].dtype};
  const DspValidateOptions options = {.seed = 7};
  World world = {.job = &job, .plan = &plan};
  Rank ranks[MOST_RANKS];
  DspValidation one;
  dsp_validate(&job, &plan, &options, &one, &error);
  DSP_CHECK_NO_ERROR(error);
  run_world(&world, ranks);
  for (int j = 0; j < world.ranks; j++) {
    DSP_CHECK_NO_ERROR(ranks[j].error);
    compare(&ranks[j], &one);
  }
}

static void test_processes(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(DspModel) model = dsp_model_load("transformer-2d-720m", &error);
  g_autoptr(DspModel) small = model ? dsp_model_shrink(model, &error) : NULL;
  g_autoptr(DspCluster) cluster =
      dsp_cluster_load("node:1 gpu:64 nvlink:450GBps", &error);
  DSP_CHECK_NO_ERROR(error);
  for (guint i = 0; small && cluster && i < G_N_ELEMENTS(rows); i++)
    check_row(i, small, cluster);
}

static CU_TestInfo tests[] = {{"ranks that are processes", test_processes},
                              CU_TEST_INFO_NULL};
static CU_SuiteInfo suites[] = {{.pName = "machine", .pTests = tests},
                                CU_SUITE_INFO_NULL};

DSP_TEST_MAIN(suites)
