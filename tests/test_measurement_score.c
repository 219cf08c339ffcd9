/* SPDX-License-Identifier: Apache-2.0 */
/* Scores: errors that are known by construction, in classes, groups and runs;
 * what cannot be predicted; and measured samples. */
#include "kernel/kernel.h"
#include "measurement/predict-point.h"
#include "measurement/score.h"
#include "test_measurement.h"

static DspScore *score_of(DspMeasurements *m) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) files = g_ptr_array_new();
  g_ptr_array_add(files, m);
  DspScore *score = dsp_score_new(files, &error);
  DSP_CHECK_NO_ERROR(error);
  if (!score)
    abort();
  return score;
}

static DspMeasurements *measurements_of(const char *points) {
  g_autoptr(GError) error = NULL;
  DspMeasurements *m = dsp_test_measurements(points, &error);
  DSP_CHECK_NO_ERROR(error);
  if (!m)
    abort();
  return m;
}

static DspMeasurements *sample(const char *name) {
  g_autoptr(GError) error = NULL;
  g_autofree char *file = g_strconcat("tests/data/measurement/", name, NULL);
  g_autofree char *path = dsp_test_path(file);
  DspMeasurements *m = dsp_measurements_load(path, &error);
  DSP_CHECK_NO_ERROR(error);
  if (!m)
    abort();
  return m;
}

static const DspScoreClass *class_of(const GArray *classes, const char *value) {
  for (guint i = 0; i < classes->len; i++) {
    const DspScoreClass *c = &g_array_index(classes, DspScoreClass, i);
    if (strcmp(c->value, value) == 0)
      return c;
  }
  DSP_CHECK(FALSE, "no class '%s'", value);
  return NULL;
}

/* --- known errors -------------------------------------------------------- */

/* A product on an H100 that is predicted `factor` times what was measured. */
static void add_gemm(GString *points, int id, double factor, const char *more) {
  static const DspGemm gemm = {4096, 1152, 4608, DSP_DTYPE_BF16};
  g_autoptr(DspGpu) gpu = dsp_gpu_load("h100-sxm", NULL);
  const double time = 1e6 * dsp_gemm_time(gpu, &gemm, DSP_CLOCKS_SUSTAINED);
  g_string_append_printf(
      points,
      "%s{\"id\": \"p%d\", \"kind\": \"gemm\", \"gpu\": \"h100-sxm\", "
      "\"m\": 4096, \"n\": 1152, \"k\": 4608, \"dtype\": \"bf16\", "
      "\"time_us\": %.17g%s}",
      points->len ? ", " : "", id, time / factor, more);
}

static DspMeasurements *known(const char *more) {
  static const double factors[] = {1.07, 0.98, 1.01, 0.6, 1.3};
  g_autoptr(GString) points = g_string_new(NULL);
  for (guint i = 0; i < G_N_ELEMENTS(factors); i++)
    add_gemm(points, (int)i, factors[i], more);
  return measurements_of(points->str);
}

static void test_statistics(void) {
  g_autoptr(DspMeasurements) m = known("");
  g_autoptr(DspScore) score = score_of(m);
  g_autoptr(GArray) classes =
      dsp_score_classes(score, 1u << DSP_TRUST_HEALTHY, "kind");
  DSP_CHECK_INT(classes->len, 1);
  DSP_CHECK_NEAR(dsp_scored_error(dsp_scored(score, 1)), -0.02, 1e-9);
  const DspScoreClass *c = class_of(classes, "gemm");
  CU_ASSERT_PTR_NOT_NULL_FATAL(c);
  /* Of 0.07 0.02 0.01 0.4 0.3; bias of those with their signs. P90 of five
   * lies at 0.9 * 4 = 3.6 of the sorted. */
  DSP_CHECK_INT(c->n, 5);
  DSP_CHECK_INT(c->skipped, 0);
  DSP_CHECK_NEAR(c->median_ape, 0.07, 1e-9);
  DSP_CHECK_NEAR(c->mean_ape, 0.16, 1e-9);
  DSP_CHECK_NEAR(c->p90_ape, 0.3 + 0.6 * 0.1, 1e-9);
  DSP_CHECK_NEAR(c->bias, 0.01, 1e-8);
}

static void test_ratios(void) {
  g_autoptr(DspMeasurements) m = known(", \"group\": \"g\"");
  g_autoptr(DspScore) score = score_of(m);
  g_autoptr(GArray) groups = dsp_score_groups(score, DSP_TRUST_ALL);
  CU_ASSERT_EQUAL_FATAL(groups->len, 1);
  const DspScoreGroup *g = &g_array_index(groups, DspScoreGroup, 0);
  const double ratios[] = {0.98 / 1.07, 1.01 / 1.07, 0.6 / 1.07, 1.3 / 1.07};
  /* The median of four is the mean of the two in the middle. */
  const double want = ((1 - ratios[0]) + (ratios[3] - 1)) / 2;
  DSP_CHECK_INT(g->n, 5);
  DSP_CHECK_STRING(g->group, "g");
  DSP_CHECK_NEAR(g->median_ratio_error, want, 1e-9);
  DSP_CHECK(!g->winner_measured && isnan(g->margin), "no contest of products");
}

/* Points that are not trusted count only where they are asked for. */
static void test_trust(void) {
  g_autoptr(GString) points = g_string_new(NULL);
  add_gemm(points, 0, 1.02, "");
  add_gemm(points, 1, 2.5, ", \"trust\": \"suspect\"");
  add_gemm(points, 2, 9.5, ", \"trust\": \"faulty\"");
  g_autoptr(DspMeasurements) m = measurements_of(points->str);
  g_autoptr(DspScore) score = score_of(m);
  for (guint trusts = 1; trusts <= DSP_TRUST_ALL; trusts = 2 * trusts + 1) {
    g_autoptr(GArray) classes = dsp_score_classes(score, trusts, "kind");
    DSP_CHECK_INT(class_of(classes, "gemm")->n, g_bit_storage(trusts));
  }
  g_autoptr(GArray) apart = dsp_score_classes(score, DSP_TRUST_ALL, "trust");
  DSP_CHECK_NEAR(class_of(apart, "faulty")->median_ape, 8.5, 1e-9);
}

/* --- what cannot be predicted -------------------------------------------- */

static void test_skipped(void) {
  g_autoptr(GString) points = g_string_new(NULL);
  add_gemm(points, 0, 1.02, "");
  for (int i = 1; i <= 2; i++)
    g_string_append_printf(
        points,
        ", {\"id\": \"p%d\", \"kind\": \"gemm\", \"gpu\": \"zebra\", \"m\": 1, "
        "\"n\": 2, \"k\": 3, \"dtype\": \"bf16\", \"time_us\": 4.5}",
        i);
  g_autoptr(DspMeasurements) m = measurements_of(points->str);
  g_autoptr(DspScore) score = score_of(m);
  g_autoptr(GArray) classes = dsp_score_classes(score, DSP_TRUST_ALL, "gpu");
  g_autoptr(GArray) reasons = dsp_score_reasons(score, DSP_TRUST_ALL);
  DSP_CHECK_INT(class_of(classes, "zebra")->skipped, 2);
  DSP_CHECK_INT(class_of(classes, "zebra")->n, 0);
  DSP_CHECK(isnan(class_of(classes, "zebra")->median_ape), "nothing to judge");
  DSP_CHECK_INT(class_of(classes, "h100-sxm")->n, 1);
  CU_ASSERT_EQUAL_FATAL(reasons->len, 1);
  const DspScoreReason *r = &g_array_index(reasons, DspScoreReason, 0);
  DSP_CHECK_STRING(r->reason, "no GPU 'zebra' is installed");
  DSP_CHECK_INT(r->n, 2);
}

/* Each point of every-key.json has a prediction, or the reason is this. */
static void test_every_kind(void) {
  static const char *const reasons[DSP_N_MEASURED] = {
      [DSP_MEASURED_MEMORY] = NULL,
  };
  g_autoptr(DspMeasurements) m = sample("every-key.json");
  g_autoptr(DspScore) score = score_of(m);
  for (guint i = 0; i < score->points->len; i++) {
    const DspScored *s = dsp_scored(score, i);
    DSP_CHECK_STRING(s->skipped, reasons[i]);
    DSP_CHECK(s->predicted > 0 && isfinite(s->predicted), "%s: %g",
              s->point->id, s->predicted);
    DSP_CHECK(s->gpu != NULL, "the GPU of %s", s->point->id);
  }
}

static const char step[] =
    "{\"id\": \"%s\", \"kind\": \"step\", \"group\": \"g\", \"model\": "
    "\"open-sora-1.0\", \"cluster\": \"dgx-h100\", \"gpus\": %d, \"mode\": "
    "\"%s\", \"dims\": {\"%s\": 64}, \"batch\": 1, \"dtype\": \"bf16\", "
    "\"plan\": {\"method\": \"%s\", \"degrees\": {%s}}, \"evaluations\": %d, "
    "\"metric\": \"%s\", \"outside\": [\"vae\"], \"outside_s\": %g, "
    "\"value\": %g}";

/* One step; the caller frees. */
static char *write_step(const char *id, int gpus, const char *dim,
                        const char *method, const char *degrees,
                        int evaluations, const char *metric, double outside) {
  return g_strdup_printf(step, id, gpus, "infer", dim, method, degrees,
                         evaluations, metric, outside, 1.0);
}

static void test_refused_steps(void) {
  static const struct {
    int gpus;
    const char *dim, *method, *degrees, *reason;
  } cases[] = {
      {1, "Q", "single", "", "open-sora-1.0 has no dimension 'Q'"},
      {2, "T", "single", "\"pp\": 2", "pipeline parallelism is not modelled"},
      {2, "T", "single", "", "degrees multiply to 1 ranks, not to 2 GPUs"},
      {3, "T", "ulysses", "\"sp\": 3, \"ulysses\": 3",
       "16 heads do not divide by 3"},
  };
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autofree char *text =
        write_step("s", cases[i].gpus, cases[i].dim, cases[i].method,
                   cases[i].degrees, 1, "time_s", 0);
    g_autoptr(DspMeasurements) m = measurements_of(text);
    g_autoptr(DspScore) score = score_of(m);
    DSP_CHECK_STRING(dsp_scored(score, 0)->skipped, cases[i].reason);
  }
}

/* --- steps --------------------------------------------------------------- */

/* A run is so many evaluations and what is outside, which for a VAE is
 * estimated where it is not known; its rate is the inverse. */
static void test_metrics(void) {
  static const struct {
    int evaluations;
    const char *metric;
    double outside;
  } runs[] = {{1, "time_s", 0},
              {30, "time_s", 0},
              {30, "time_s", 2.5},
              {30, "samples_per_s", 2.5}};
  double predicted[G_N_ELEMENTS(runs)];
  for (guint i = 0; i < G_N_ELEMENTS(runs); i++) {
    g_autofree char *text =
        write_step("s", 1, "T", "single", "", runs[i].evaluations,
                   runs[i].metric, runs[i].outside);
    g_autoptr(DspMeasurements) m = measurements_of(text);
    g_autoptr(DspScore) score = score_of(m);
    predicted[i] = dsp_scored(score, 0)->predicted;
    DSP_CHECK_INT(dsp_point_unmodelled(dsp_point(m, 0)),
                  runs[i].outside > 0 ? 0 : DSP_OUTSIDE_VAE);
  }
  const double evaluation = (predicted[1] - predicted[0]) / 29;
  DSP_CHECK(evaluation > 0 && predicted[0] > evaluation,
            "%g s of %g s to decode", predicted[0] - evaluation, predicted[0]);
  DSP_CHECK_NEAR(predicted[2], 30 * evaluation + 2.5, 1e-9);
  DSP_CHECK_NEAR(predicted[3], 1 / predicted[2], 1e-12);
}

/* More GPUs are faster, and were measured to be (0.8 s, 0.5 s) or not to be. */
static void test_winner(void) {
  for (int slower = 0; slower < 2; slower++) {
    g_autofree char *one =
        g_strdup_printf(step, "one", 1, "infer", "T", "single", "", 1, "time_s",
                        0.0, slower ? 0.5 : 0.8);
    g_autofree char *four = g_strdup_printf(
        step, "four", 4, "infer", "T", "ulysses", "\"sp\": 4, \"ulysses\": 4",
        1, "time_s", 0.0, slower ? 0.8 : 0.5);
    g_autofree char *text = g_strdup_printf("%s, %s", one, four);
    g_autoptr(DspMeasurements) m = measurements_of(text);
    g_autoptr(DspScore) score = score_of(m);
    g_autoptr(GArray) groups = dsp_score_groups(score, DSP_TRUST_ALL);
    g_autoptr(GArray) contests = dsp_score_contests(score, DSP_TRUST_ALL);
    CU_ASSERT_EQUAL_FATAL(groups->len, 1);
    CU_ASSERT_EQUAL_FATAL(contests->len, 1);
    const DspScoreGroup *g = &g_array_index(groups, DspScoreGroup, 0);
    const DspScoreContest *c = &g_array_index(contests, DspScoreContest, 0);
    DSP_CHECK_STRING(g->winner_measured, slower ? "one" : "four");
    DSP_CHECK_STRING(g->winner_predicted, "four");
    DSP_CHECK_NEAR(g->margin, 0.6, 1e-12);
    DSP_CHECK_INT(c->contests, 1);
    DSP_CHECK_INT(c->named, !slower);
  }
}

/* --- keys ---------------------------------------------------------------- */

static void test_keys(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(DspMeasurements) m = sample("collectives.json");
  g_autoptr(DspScore) score = score_of(m);
  for (const char *const *key = dsp_score_keys(); *key; key++) {
    CU_ASSERT_TRUE(dsp_score_check_keys(*key, NULL));
    g_autoptr(GArray) classes = dsp_score_classes(score, DSP_TRUST_ALL, *key);
    guint n = 0;
    for (guint i = 0; i < classes->len; i++)
      n += g_array_index(classes, DspScoreClass, i).n;
    DSP_CHECK(n == 0 || n == m->points->len, "%s: %u points in classes", *key,
              n);
  }
  CU_ASSERT_FALSE(dsp_score_check_keys("band,clustr", &error));
  DSP_CHECK_ERROR(error, DSP_ERROR_USAGE,
                  "no key 'clustr', did you mean 'cluster'?");
  CU_ASSERT_FALSE(dsp_score_check_keys("gpu,gpu,gpu,gpu,gpu", &error));
  DSP_CHECK_ERROR(error, DSP_ERROR_USAGE, "at most 4 keys");
}

/* Bands are in order of size, not of their names. */
static void test_bands(void) {
  static const char *const want[] = {"below 1 MiB", "1 to 64 MiB",
                                     "64 MiB and above"};
  g_autoptr(DspMeasurements) m = sample("collectives.json");
  g_autoptr(DspScore) score = score_of(m);
  g_autoptr(GArray) classes = dsp_score_classes(score, DSP_TRUST_ALL, NULL);
  CU_ASSERT_EQUAL_FATAL(classes->len, G_N_ELEMENTS(want));
  for (guint i = 0; i < classes->len; i++)
    DSP_CHECK_STRING(g_array_index(classes, DspScoreClass, i).value, want[i]);
}

/* --- measured ------------------------------------------------------------ */

/* The sample holds two runs of machines in order and a faulty one. */
static void test_health(void) {
  g_autoptr(DspMeasurements) m = sample("collectives.json");
  g_autoptr(DspScore) score = score_of(m);
  g_autoptr(GArray) runs = dsp_score_health(score, DSP_HEALTH_THRESHOLD);
  CU_ASSERT_EQUAL_FATAL(runs->len, 3);
  for (guint i = 0; i < runs->len; i++) {
    const DspRunHealth *r = &g_array_index(runs, DspRunHealth, i);
    const gboolean faulty = r->first->point->trust == DSP_TRUST_FAULTY;
    DSP_CHECK(r->unhealthy == faulty, "%s: %.2f times", r->first->point->group,
              r->slowdown);
    DSP_CHECK_INT(faulty, i == 0);
    DSP_CHECK(r->worst >= r->slowdown && r->worst_bytes >= 1 << 20,
              "the worst of %s", r->first->point->group);
  }
  g_autoptr(GArray) none = dsp_score_health(score, 1e9);
  for (guint i = 0; i < none->len; i++)
    CU_ASSERT_FALSE(g_array_index(none, DspRunHealth, i).unhealthy);
}

/* Limits a little above what is reached, of medians, so that a change for the
 * worse is seen. */
static void test_measured(void) {
  static const struct {
    const char *file, *by, *value;
    double limit;
  } limits[] = {
      {"collectives.json", "kind", "collective", 0.08},
      {"collectives.json", "band", "64 MiB and above", 0.07},
      {"h200-steps.json", "launch", "eager", 0.08},
  };
  for (guint i = 0; i < G_N_ELEMENTS(limits); i++) {
    g_autoptr(DspMeasurements) m = sample(limits[i].file);
    g_autoptr(DspScore) score = score_of(m);
    g_autoptr(GArray) classes =
        dsp_score_classes(score, 1u << DSP_TRUST_HEALTHY, limits[i].by);
    const DspScoreClass *c = class_of(classes, limits[i].value);
    DSP_CHECK(c && c->median_ape <= limits[i].limit, "%s, %s: %.3f > %.3f",
              limits[i].file, limits[i].value, c ? c->median_ape : NAN,
              limits[i].limit);
  }
}

CU_TestInfo measurement_score_tests[] = {
    {"known errors", test_statistics},
    {"ratios in a group", test_ratios},
    {"trust", test_trust},
    {"names that are not installed", test_skipped},
    {"every kind is predicted", test_every_kind},
    {"steps that cannot run", test_refused_steps},
    {"evaluations, what is outside, rates", test_metrics},
    {"the winner of a group", test_winner},
    {"keys", test_keys},
    {"bands in order", test_bands},
    {"a faulty run stands out", test_health},
    {"measured samples", test_measured},
    CU_TEST_INFO_NULL,
};
