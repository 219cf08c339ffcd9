/* SPDX-License-Identifier: Apache-2.0 */
/* Intervals: classes of errors, their quantiles and files, and steps whose
 * parts are off by what is known. */
#include "measurement/score.h"
#include "test_measurement.h"
#include <glib/gstdio.h>

/* --- classes ------------------------------------------------------------- */

static void test_classes(void) {
  static const struct {
    const char *point;
    double predicted;
    DspErrors errors;
  } cases[] = {
      {"\"kind\": \"gemm\", \"gpu\": \"l40s\", \"m\": 1, \"n\": 1, \"k\": 1, "
       "\"dtype\": \"bf16\"",
       100, DSP_ERRORS_GEMM_SHORT},
      {"\"kind\": \"gemm\", \"gpu\": \"l40s\", \"m\": 1, \"n\": 1, \"k\": 1, "
       "\"dtype\": \"bf16\"",
       101, DSP_ERRORS_GEMM_LONG},
      {"\"kind\": \"memory\", \"gpu\": \"l40s\", \"op\": \"norm_bwd\", "
       "\"bytes\": 8, \"fused\": true, \"dtype\": \"bf16\"",
       1, DSP_ERRORS_NORM},
      {"\"kind\": \"memory\", \"gpu\": \"l40s\", \"op\": \"rope\", "
       "\"bytes\": 8, \"fused\": true, \"dtype\": \"bf16\"",
       1, DSP_ERRORS_POINTWISE},
      {"\"kind\": \"collective\", \"cluster\": \"p4de\", \"nodes\": 1, "
       "\"gpus_per_node\": 8, \"collective\": \"all_reduce\", "
       "\"bytes\": 1048575",
       1, DSP_ERRORS_NODE_SMALL},
      {"\"kind\": \"collective\", \"cluster\": \"p4de\", \"nodes\": 2, "
       "\"gpus_per_node\": 8, \"collective\": \"all_reduce\", "
       "\"bytes\": 1048576",
       1, DSP_ERRORS_NODES_MEDIUM},
      {"\"kind\": \"collective\", \"cluster\": \"p4de\", \"nodes\": 2, "
       "\"gpus_per_node\": 8, \"collective\": \"all_reduce\", "
       "\"bytes\": 67108864",
       1, DSP_ERRORS_NODES_LARGE},
  };
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(GError) error = NULL;
    g_autofree char *text =
        g_strdup_printf("{\"id\": \"x\", \"time_us\": 1, %s}", cases[i].point);
    g_autoptr(DspMeasurements) m = dsp_test_measurements(text, &error);
    DSP_CHECK_NO_ERROR(error);
    if (m)
      DSP_CHECK_INT(dsp_errors_of_point(dsp_point(m, 0), cases[i].predicted),
                    cases[i].errors);
  }
}

static void test_attention_classes(void) {
  static const struct {
    int64_t queries, keys;
    DspDirection direction;
    DspErrors errors;
  } cases[] = {
      {999, 999, DSP_FORWARD, DSP_ERRORS_ATTENTION_SHORT},
      {1000, 1000, DSP_FORWARD, DSP_ERRORS_ATTENTION_LONG},
      {4096, 300, DSP_FORWARD, DSP_ERRORS_ATTENTION_SHORT},
      {16, 16, DSP_BACKWARD, DSP_ERRORS_ATTENTION_BACKWARD},
  };
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    const DspAttentionShape shape = {.seq_q = cases[i].queries,
                                     .seq_k = cases[i].keys};
    DSP_CHECK_INT(dsp_errors_of_attention(&shape, cases[i].direction),
                  cases[i].errors);
  }
}

/* --- quantiles ----------------------------------------------------------- */

static void add(GArray *errors, DspErrors class, const char *subject,
                double error) {
  const DspResidual residual = {class, subject, error};
  g_array_append_val(errors, residual);
}

/* 0, 1, ... 1000 thousandths, so that quantiles are their own shares. */
static void test_quantiles(void) {
  g_autoptr(GArray) errors = g_array_new(FALSE, FALSE, sizeof(DspResidual));
  DspResiduals r;
  for (int i = 0; i <= 1000; i++)
    add(errors, DSP_ERRORS_NORM, "a", 1e-3 * i);
  dsp_residuals_make(&r, errors, 0, DSP_N_ERRORS, NULL);
  DSP_CHECK_INT(r.classes[DSP_ERRORS_NORM].points, 1001);
  DSP_CHECK_INT(r.classes[DSP_ERRORS_NORM].subjects, 1);
  DSP_CHECK_NEAR(dsp_residuals_quantile(&r, DSP_ERRORS_NORM, 0.1), 0.1, 1e-9);
  DSP_CHECK_NEAR(dsp_residuals_quantile(&r, DSP_ERRORS_NORM, 0.9), 0.9, 1e-9);
  DSP_CHECK_NEAR(dsp_residuals_quantile(&r, DSP_ERRORS_NORM, 0), 0.025, 1e-9);
  DSP_CHECK_NEAR(dsp_residuals_quantile(&r, DSP_ERRORS_NORM, 1), 0.975, 1e-9);
  const DspInterval interval = dsp_interval_of(&r, DSP_ERRORS_NORM);
  DSP_CHECK_NEAR(interval.p10, exp(0.1), 1e-9);
  DSP_CHECK_NEAR(interval.p90, exp(0.9), 1e-9);
}

static void test_few(void) {
  g_autoptr(GArray) errors = g_array_new(FALSE, FALSE, sizeof(DspResidual));
  DspResiduals r;
  for (int i = 0; i < 20; i++)
    add(errors, DSP_ERRORS_GEMM_LONG, "a", 0.5);
  for (int i = 0; i < 19; i++)
    add(errors, DSP_ERRORS_GEMM_SHORT, "b", 0);
  dsp_residuals_make(&r, errors, 0, DSP_N_ERRORS, NULL);
  DSP_CHECK_INT(r.classes[DSP_ERRORS_GEMM_LONG].points, 20);
  DSP_CHECK_INT(r.classes[DSP_ERRORS_GEMM_LONG].with, DSP_ERRORS_GEMM_LONG);
  DSP_CHECK_INT(r.classes[DSP_ERRORS_GEMM_SHORT].points, 39);
  DSP_CHECK_INT(r.classes[DSP_ERRORS_GEMM_SHORT].with, DSP_ERRORS_GEMM_LONG);
  DSP_CHECK_INT(r.classes[DSP_ERRORS_NORM].points, 0);
  DSP_CHECK(dsp_residuals_quantile(&r, DSP_ERRORS_NORM, 0.9) == 0,
            "an error from nothing");
  dsp_residuals_make(&r, errors, 0, DSP_N_ERRORS, "b");
  DSP_CHECK_INT(r.classes[DSP_ERRORS_GEMM_SHORT].points, 20);
}

/* Machines that differ and points of a machine that do not, and the reverse. */
static void test_common(void) {
  g_autoptr(GArray) errors = g_array_new(FALSE, FALSE, sizeof(DspResidual));
  static const char *const subjects[] = {"a", "b", "c"};
  DspResiduals r;
  for (int i = 0; i < 30; i++) {
    add(errors, DSP_ERRORS_GEMM_LONG, subjects[i % 3], i % 3);
    add(errors, DSP_ERRORS_NORM, subjects[i % 3], i / 3);
  }
  dsp_residuals_make(&r, errors, 0, DSP_N_ERRORS, NULL);
  DSP_CHECK_INT(r.classes[DSP_ERRORS_NORM].subjects, 3);
  DSP_CHECK_NEAR(r.classes[DSP_ERRORS_GEMM_LONG].common, 1, 1e-9);
  DSP_CHECK(r.classes[DSP_ERRORS_NORM].common == 0, "common %g",
            r.classes[DSP_ERRORS_NORM].common);
}

/* --- files --------------------------------------------------------------- */

static char *temporary(void) {
  return g_build_filename(g_get_tmp_dir(), "dspsim-residuals.json", NULL);
}

/* Of every class the same quantiles; they come back to four digits. */
static void test_file(void) {
  g_autofree char *path = temporary();
  g_autoptr(GError) error = NULL;
  g_autoptr(GArray) errors = g_array_new(FALSE, FALSE, sizeof(DspResidual));
  g_autoptr(GPtrArray) files = g_ptr_array_new();
  DspResiduals r;
  for (DspErrors e = 0; e < DSP_N_ERRORS; e++)
    for (int i = 0; i < 50; i++)
      add(errors, e, i % 2 ? "a" : "b", 0.01 * (i - 25));
  dsp_residuals_make(&r, errors, 0, DSP_N_ERRORS, NULL);
  DSP_CHECK(dsp_residuals_write(&r, files, path, &error), "not written");
  DSP_CHECK_NO_ERROR(error);
  g_autofree DspResiduals *again = dsp_residuals_load(path, &error);
  DSP_CHECK_NO_ERROR(error);
  g_remove(path);
  for (DspErrors e = 0; again && e < DSP_N_ERRORS; e++) {
    const DspResidualClass *x = &r.classes[e], *y = &again->classes[e];
    DSP_CHECK_INT(y->points, x->points);
    DSP_CHECK_INT(y->subjects, x->subjects);
    for (guint i = 0; i < DSP_RESIDUAL_QUANTILES; i++)
      DSP_CHECK(fabs(x->quantiles[i] - y->quantiles[i]) <= 5.1e-5,
                "%s: %g becomes %g", dsp_errors_names[e], x->quantiles[i],
                y->quantiles[i]);
  }
}

/* One thing of a good file is replaced by another. */
static void test_bad_files(void) {
  static const struct {
    const char *pattern, *instead, *message;
  } cases[] = {
      {"residuals/1", "residuals/2", "'schema' must be 'dspsim.residuals/1'"},
      {"\"layers\"", "\"players\"", "unknown key 'players'"},
      {"\"common\": [0-9.]+", "\"common\": 1.5", "must be from 0 to 1"},
      {"\"quantiles\": \\[", "\"quantiles\": [7, ",
       "none below the one before"},
      {"\"quantiles\": \\[[^,]*,", "\"quantiles\": [", "must be 20 numbers"},
      {"\"quantiles\": \\[[^,]*,", "\"quantiles\": [\"x\",", "numbers"},
      {"\"points\": [0-9]+", "\"points\": -1", "points"},
  };
  g_autofree char *shipped =
      dsp_test_path("hwprofiles/residuals/measured.json");
  g_autofree char *path = temporary(), *text = NULL;
  CU_ASSERT_FATAL(g_file_get_contents(shipped, &text, NULL, NULL));
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(GError) error = NULL;
    g_autoptr(GRegex) regex = g_regex_new(cases[i].pattern, 0, 0, NULL);
    g_autofree char *bad =
        g_regex_replace(regex, text, -1, 0, cases[i].instead, 0, NULL);
    g_file_set_contents(path, bad, -1, NULL);
    g_autofree DspResiduals *r = dsp_residuals_load(path, &error);
    DSP_CHECK(!r, "%s is read", cases[i].instead);
    DSP_CHECK_ERROR(error, DSP_ERROR_INPUT, cases[i].message);
  }
  g_remove(path);
}

/* --- steps --------------------------------------------------------------- */

/* What the simulator would tell of one rank of two. */
typedef struct {
  DspStepKind kind;
  DspStreamKind stream;
  double start, end;
} Run;

static DspSpread *watch(const DspTopology *topology, const Run *runs, guint n) {
  const DspPlan plan = {.method = dsp_method_find("ulysses"),
                        .degree = {1, 1, 1, 1, 1}};
  DspPlan two = plan;
  two.degree[DSP_AXIS_SP] = 2;
  DspSpread *spread = dsp_spread_new(&two, topology);
  const DspObserver observer = dsp_spread_observer(spread);
  for (guint i = 0; i < n; i++) {
    const DspStep step = {.kind = runs[i].kind,
                          .stream = runs[i].stream,
                          .kernels = 1,
                          .exchange = {.axis = DSP_AXIS_SP, .bytes = 8}};
    const DspStepRun run = {.step = &step,
                            .start = runs[i].start,
                            .begin = runs[i].start,
                            .end = runs[i].end};
    observer.step(observer.data, &run);
  }
  return spread;
}

#define COMPUTE(start, end)  DSP_STEP_GEMM, DSP_STREAM_COMPUTE, start, end
#define EXCHANGE(start, end) DSP_STEP_COLLECTIVE, DSP_STREAM_COMM, start, end

/* If every operation of a class is off by the same, so is its part of the
 * step. */
static void test_parts(void) {
  static const struct {
    const char *what;
    Run runs[4];
    guint n;
    DspErrors errors;
    double error, ratio;
  } cases[] = {
      {"computing",
       {{COMPUTE(0, 1)}, {COMPUTE(1, 3)}},
       2,
       DSP_ERRORS_GEMM_LONG,
       0.5,
       1.5},
      {"a collective that shows",
       {{COMPUTE(0, 1)}, {EXCHANGE(1, 2)}, {COMPUTE(2, 4)}},
       3,
       DSP_ERRORS_NODE_SMALL,
       0.6,
       4.6 / 4},
      {"one that is hidden",
       {{EXCHANGE(0, 1)}, {COMPUTE(0, 4)}},
       2,
       DSP_ERRORS_NODE_SMALL,
       0.6,
       1},
      {"one that is partly hidden",
       {{COMPUTE(0, 1)}, {EXCHANGE(0, 2)}, {COMPUTE(2, 3)}},
       3,
       DSP_ERRORS_NODE_SMALL,
       -0.25,
       2.5 / 3},
      {"one that would be hidden",
       {{COMPUTE(0, 1)}, {EXCHANGE(0, 2)}, {COMPUTE(2, 3)}},
       3,
       DSP_ERRORS_NODE_SMALL,
       -0.75,
       2.0 / 3},
      {"computing while the CPU issues",
       {{COMPUTE(0, 1)}, {COMPUTE(4, 5)}},
       2,
       DSP_ERRORS_GEMM_LONG,
       0.5,
       5.5 / 5},
      {"a slow CPU",
       {{COMPUTE(0, 1)}, {COMPUTE(4, 5)}},
       2,
       DSP_ERRORS_HOST,
       0.5,
       7.0 / 5},
      {"a CPU that is fast enough",
       {{COMPUTE(0, 1)}, {COMPUTE(4, 5)}},
       2,
       DSP_ERRORS_HOST,
       -0.9,
       2.0 / 5},
      {"a collective at the end",
       {{COMPUTE(0, 1)}, {EXCHANGE(1, 2)}},
       2,
       DSP_ERRORS_NODE_SMALL,
       1,
       3.0 / 2},
  };
  g_autoptr(DspCluster) cluster =
      dsp_cluster_load("node:1 gpu:2 nvlink:450GBps", NULL);
  CU_ASSERT_PTR_NOT_NULL_FATAL(cluster);
  g_autoptr(DspTopology) topology = dsp_topology_new(cluster, 2, NULL);
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(DspSpread) spread = watch(topology, cases[i].runs, cases[i].n);
    DspResiduals r = {0};
    double ratios[DSP_SPREAD_DRAWS];
    for (guint j = 0; j < DSP_RESIDUAL_QUANTILES; j++)
      r.classes[cases[i].errors].quantiles[j] = log1p(cases[i].error);
    dsp_spread_draw(spread, &r, ratios);
    for (guint j = 0; j < DSP_SPREAD_DRAWS; j += DSP_SPREAD_DRAWS / 4)
      DSP_CHECK(fabs(ratios[j] - cases[i].ratio) < 1e-9,
                "%s: %.9g times, want %.9g", cases[i].what, ratios[j],
                cases[i].ratio);
  }
}

/* Parts of simulated steps, launch-bound or overlapped, on one rank or on many,
 * add up to them. */
static void test_sum(void) {
  static const struct {
    const char *method, *cluster;
    guint gpus;
    int64_t ring, sp;
    DspMode mode;
    gboolean every_rank;
  } cases[] = {
      {"single", "dgx-a100-80", 1, 1, 1, DSP_MODE_INFER, FALSE},
      {"dsp", "dgx-h100", 8, 1, 8, DSP_MODE_TRAIN, FALSE},
      {"usp", "dgx-h100", 16, 2, 8, DSP_MODE_TRAIN, FALSE},
      {"ring", "l40s-pcie", 4, 4, 1, DSP_MODE_INFER, TRUE},
  };
  g_autoptr(DspModel) model = dsp_model_load("transformer-2d-720m", NULL);
  CU_ASSERT_PTR_NOT_NULL_FATAL(model);
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(DspCluster) cluster = dsp_cluster_load(cases[i].cluster, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(cluster);
    g_autoptr(DspTopology) topology =
        dsp_topology_new(cluster, cases[i].gpus, NULL);
    g_autoptr(DspPrices) prices = dsp_prices_new(topology, NULL);
    DspPlan plan = {.method = dsp_method_find(cases[i].method),
                    .degree = {1, 1, 1, 1, 1},
                    .home = -1,
                    .recompute = DSP_RECOMPUTE_FULL,
                    .zero = 2};
    plan.degree[DSP_AXIS_RING] = cases[i].ring;
    plan.degree[DSP_AXIS_SP] = cases[i].sp;
    const DspJob job = {.model = model,
                        .cluster = cluster,
                        .gpus = cases[i].gpus,
                        .mode = cases[i].mode,
                        .batch = 1,
                        .dtype = DSP_DTYPE_BF16,
                        .lengths = dsp_model_default_lengths(model)};
    g_autoptr(DspSpread) spread = dsp_spread_new(&plan, topology);
    const DspSimOptions options = {.every_rank = cases[i].every_rank,
                                   .observer = dsp_spread_observer(spread)};
    DspPrediction p;
    dsp_predict(&job, &plan, prices, &options, &p);
    DSP_CHECK(p.feasible, "%s: %s", cases[i].method, p.reason);
    DSP_CHECK_NEAR(dsp_spread_time(spread), p.sim.step_time, 1e-9);
    dsp_prediction_clear(&p);
  }
}

/* Standard deviation of draws of `n` shapes alike, whose errors are uniform
 * from -0.1 to 0.1. */
static double deviation(const DspTopology *topology, guint n, double common) {
  Run runs[64];
  DspResiduals r = {0};
  double ratios[DSP_SPREAD_DRAWS], sum = 0, squares = 0, at = 0;
  for (guint i = 0; i < n; i++) {
    const double time = 1 + 1e-3 * i;
    runs[i] = (Run){COMPUTE(at, at + time)};
    at += time;
  }
  g_autoptr(DspSpread) spread = watch(topology, runs, n);
  r.classes[DSP_ERRORS_GEMM_LONG].common = common;
  for (int i = 0; i < DSP_RESIDUAL_QUANTILES; i++)
    r.classes[DSP_ERRORS_GEMM_LONG].quantiles[i] =
        0.2 * (i + 0.5) / DSP_RESIDUAL_QUANTILES - 0.1;
  dsp_spread_draw(spread, &r, ratios);
  for (guint i = 0; i < DSP_SPREAD_DRAWS; i++) {
    sum += ratios[i];
    squares += ratios[i] * ratios[i];
  }
  const double mean = sum / DSP_SPREAD_DRAWS;
  return sqrt(squares / DSP_SPREAD_DRAWS - mean * mean);
}

/* Errors of shapes average out, as one over the root of their number, if each
 * is by itself; not what they have in common. */
static void test_correlation(void) {
  g_autoptr(DspCluster) cluster =
      dsp_cluster_load("node:1 gpu:2 nvlink:450GBps", NULL);
  CU_ASSERT_PTR_NOT_NULL_FATAL(cluster);
  g_autoptr(DspTopology) topology = dsp_topology_new(cluster, 2, NULL);
  const double one = deviation(topology, 1, 0);
  DSP_CHECK_NEAR(one, 0.2 / sqrt(12), 0.1);
  DSP_CHECK_NEAR(deviation(topology, 64, 0), one / 8, 0.15);
  DSP_CHECK_NEAR(deviation(topology, 64, 1), one, 0.1);
  DSP_CHECK(deviation(topology, 64, 1) == deviation(topology, 64, 1),
            "another draw");
}

/* --- scores -------------------------------------------------------------- */

static DspScore *score_of(const char *name, GPtrArray *files) {
  g_autofree char *file = g_strconcat("tests/data/measurement/", name, NULL);
  g_autofree char *path = dsp_test_path(file);
  g_autoptr(GError) error = NULL;
  g_ptr_array_add(files, dsp_measurements_load(path, &error));
  DSP_CHECK_NO_ERROR(error);
  DspScore *score = dsp_score_new(files, &error);
  DSP_CHECK_NO_ERROR(error);
  return score;
}

static double share_inside(const DspScore *score) {
  g_autoptr(GArray) all =
      dsp_score_classes(score, 1u << DSP_TRUST_HEALTHY, "kind");
  return g_array_index(all, DspScoreClass, 0).in_interval;
}

/* By their own errors 8 of 10 are inside, and those of a class too. */
static void test_share(void) {
  static const char *const names[] = {"collectives.json", "h200-steps.json"};
  for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
    g_autoptr(GPtrArray) files =
        g_ptr_array_new_with_free_func((GDestroyNotify)dsp_measurements_free);
    g_autoptr(DspScore) score = score_of(names[i], files);
    DspResiduals own;
    DSP_CHECK(isnan(share_inside(score)), "an interval from nowhere");
    dsp_score_residuals(score, &own);
    dsp_score_intervals(score, &own);
    DSP_CHECK(share_inside(score) >= 0.65 && share_inside(score) <= 0.95,
              "%s: %.2f inside", names[i], share_inside(score));
  }
}

/* A machine by itself has nobody to be foretold from. */
static void test_held_out(void) {
  g_autoptr(GPtrArray) files =
      g_ptr_array_new_with_free_func((GDestroyNotify)dsp_measurements_free);
  g_autoptr(DspScore) score = score_of("collectives.json", files);
  for (guint i = 0; i < score->points->len; i++)
    if (strcmp(dsp_scored(score, i)->point->collective.cluster,
               dsp_scored(score, 0)->point->collective.cluster) != 0)
      g_array_index(score->points, DspScored, i).skipped =
          g_strdup("another machine");
  dsp_score_intervals_held_out(score);
  DSP_CHECK_NEAR(dsp_scored(score, 0)->interval.p10, 1, 1e-9);
  DSP_CHECK_NEAR(dsp_scored(score, 0)->interval.p90, 1, 1e-9);
}

CU_TestInfo measurement_interval_tests[] = {
    {"classes of points", test_classes},
    {"classes of attention", test_attention_classes},
    {"quantiles", test_quantiles},
    {"classes of few", test_few},
    {"what machines have in common", test_common},
    {"a file and back", test_file},
    {"bad files", test_bad_files},
    {"parts of a step", test_parts},
    {"parts that add up", test_sum},
    {"errors that average out", test_correlation},
    {"the share inside", test_share},
    {"held out", test_held_out},
    CU_TEST_INFO_NULL,
};
