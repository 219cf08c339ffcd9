/* SPDX-License-Identifier: Apache-2.0 */
/* Collectives simulated message by message: against closed forms, bounds and
 * conservation. */
#include "network/messages.h"
#include "test_network.h"
#include <gsl/gsl_rng.h>

typedef struct {
  DspCollective collective;
  DspRounds rounds;
  gint64 trips; /* rounds per other rank, 0: one round */
} Program;

static const Program programs[] = {
    {DSP_ALL_TO_ALL, DSP_ROUNDS_PAIRWISE, 1},
    {DSP_ALL_TO_ALL, DSP_ROUNDS_AT_ONCE, 0},
    {DSP_ALL_GATHER, DSP_ROUNDS_RING, 1},
    {DSP_REDUCE_SCATTER, DSP_ROUNDS_RING, 1},
    {DSP_ALL_REDUCE, DSP_ROUNDS_RING, 2},
};

static DspMessagesResult run(const DspCluster *cluster, const DspAxis *axis,
                             const Program *program, gint64 bytes,
                             double overhead, const double *start) {
  g_autoptr(GError) error = NULL;
  g_autoptr(DspTopology) topology =
      dsp_topology_new(cluster, axis->world, &error);
  DspMessagesResult result = {0};
  DSP_CHECK_NO_ERROR(error);
  dsp_messages_run(topology, axis, program->collective, bytes, program->rounds,
                   overhead, start, &result, &error);
  DSP_CHECK_NO_ERROR(error);
  return result;
}

/* What every run must keep: all bytes are sent, and none faster than links. */
static void check_result(const DspMessagesResult *result, const DspAxis *axis,
                         const Program *program, gint64 bytes) {
  DSP_CHECK_INT(result->wire_bytes,
                axis->world * dsp_collective_sent_bytes(program->collective,
                                                        axis->size, bytes));
  DSP_CHECK_INT(result->messages,
                axis->world * (axis->size - 1) * MAX(program->trips, 1));
  DSP_CHECK(result->events >= 2 * result->messages, "too few events");
  DSP_CHECK(result->time >= result->bound * (1 - 1e-12),
            "%g s beats the bound of %g s", result->time, result->bound);
}

/* On one switch nothing contends, so rounds add up. */
static void test_switch(void) {
  const double latency = 1e-6, overhead = 0.25e-6;
  for (guint n = 2; n <= 32; n = n < 8 ? n + 1 : 2 * n)
    for (guint i = 0; i < G_N_ELEMENTS(programs); i++) {
      const DspCluster cluster = dsp_test_cluster(1, n);
      const DspAxis axis = {n, n, 1};
      const gint64 part = 3 << 20, rounds = programs[i].trips * (n - 1);
      const DspMessagesResult result =
          run(&cluster, &axis, &programs[i], n * part, overhead, NULL);
      const double want = rounds > 0 ? rounds * (part / 450e9 + latency) +
                                           (rounds - 1) * overhead
                                     : (n - 1) * (part / 450e9) + latency;
      check_result(&result, &axis, &programs[i], n * part);
      DSP_CHECK_NEAR(result.time, want, 1e-9);
      DSP_CHECK_NEAR(result.bound,
                     MAX(programs[i].trips, 1) * (n - 1) * (part / 450e9),
                     1e-12);
    }
}

/* Nodes, strides, siblings, late ranks: nothing is lost, nothing too fast. */
static void test_random(void) {
  static const DspAxis axes[] = {{32, 32, 1}, {32, 4, 1},  {32, 4, 8},
                                 {32, 8, 4},  {32, 2, 16}, {32, 16, 2}};
  gsl_rng *rng = gsl_rng_alloc(gsl_rng_mt19937);
  gsl_rng_set(rng, 31);
  for (guint i = 0; i < G_N_ELEMENTS(axes); i++)
    for (guint p = 0; p < G_N_ELEMENTS(programs); p++) {
      const DspCluster cluster = dsp_test_cluster(4, 8);
      const gint64 bytes = axes[i].size * 1000003;
      double start[32], latest = 0;
      for (guint r = 0; r < 32; r++) {
        start[r] = gsl_rng_uniform(rng) * 100e-6;
        latest = MAX(latest, start[r]);
      }
      const DspMessagesResult prompt =
          run(&cluster, &axes[i], &programs[p], bytes, 0, NULL);
      const DspMessagesResult late =
          run(&cluster, &axes[i], &programs[p], bytes, 0, start);
      const DspMessagesResult again =
          run(&cluster, &axes[i], &programs[p], bytes, 0, start);
      check_result(&prompt, &axes[i], &programs[p], bytes);
      check_result(&late, &axes[i], &programs[p], bytes);
      DSP_CHECK(late.time > latest, "done before the last rank began");
      DSP_CHECK(late.time == again.time && late.events == again.events,
                "two runs differ");
    }
  gsl_rng_free(rng);
}

/* Between nodes one NIC a GPU binds: 8 of 15 peers are behind it. */
static void test_nodes(void) {
  const DspCluster cluster = dsp_test_cluster(2, 8);
  const DspAxis axis = {16, 16, 1};
  const gint64 bytes = 16 << 20;
  const DspMessagesResult result =
      run(&cluster, &axis, &programs[1], bytes, 0, NULL);
  DSP_CHECK_NEAR(result.bound, 8 * (1 << 20) / 50e9, 1e-12);
  DSP_CHECK_NEAR(result.time, result.bound, 0.02);
}

static void test_usage(void) {
  static const struct {
    DspCollective collective;
    DspRounds rounds;
    gint64 bytes;
    const char *text;
  } wrong[] = {
      {DSP_ALL_GATHER, DSP_ROUNDS_PAIRWISE, 8, "all_gather"},
      {DSP_ALL_TO_ALL, DSP_ROUNDS_RING, 8, "all_to_all"},
      {DSP_BROADCAST, DSP_ROUNDS_AT_ONCE, 8, "broadcast"},
      {DSP_ALL_TO_ALL, DSP_ROUNDS_PAIRWISE, 9, "do not divide"},
  };
  const DspCluster cluster = dsp_test_cluster(1, 4);
  const DspAxis axis = {4, 4, 1};
  g_autoptr(GError) error = NULL;
  g_autoptr(DspTopology) topology = dsp_topology_new(&cluster, 4, &error);
  for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
    DspMessagesResult result = {.time = -1};
    CU_ASSERT_FALSE(dsp_messages_run(topology, &axis, wrong[i].collective,
                                     wrong[i].bytes, wrong[i].rounds, 0, NULL,
                                     &result, &error));
    DSP_CHECK_ERROR(error, DSP_ERROR_USAGE, wrong[i].text);
    CU_ASSERT_EQUAL(result.time, -1);
  }
}

CU_TestInfo dsp_messages_tests[] = {
    {"one switch: closed forms", test_switch},
    {"nodes, strides and late ranks", test_random},
    {"the NIC between nodes", test_nodes},
    {"rounds that do not fit", test_usage},
    CU_TEST_INFO_NULL,
};
