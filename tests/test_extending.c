/* SPDX-License-Identifier: Apache-2.0 */
/* The files of dspsim-extending(7): its method sends what Ulysses sends that
 * exchanges everywhere, and it and its model run on real tensors. */
#include "data/extending/heads.c"
#include "numerics/shrink.h"
#include "numerics/validate.h"
#include "test.h"

static DspCluster *cluster;

static int setup(void) {
  cluster = dsp_cluster_load("node:1 gpu:8 nvlink:450GBps", NULL);
  return !cluster;
}

static int teardown(void) {
  dsp_cluster_free(cluster);
  return 0;
}

static void validate(const char *name, const DspMethod *method,
                     const char *variant, DspValidation *result) {
  g_autoptr(GError) error = NULL;
  g_autoptr(DspModel) model = dsp_model_load(name, &error);
  g_autoptr(DspModel) small = model ? dsp_model_shrink(model, &error) : NULL;
  const DspValidateOptions options = {.seed = 7};
  DspPlan plan = {.method = method, .home = -1};
  *result = (DspValidation){.verdict = DSP_VERDICT_FAILED};
  DSP_CHECK_NO_ERROR(error);
  if (!small)
    return;
  for (int axis = 0; axis < DSP_N_AXES; axis++)
    plan.degree[axis] = 1;
  plan.degree[DSP_AXIS_SP] = 4;
  plan.variant = (guint)dsp_method_variant(method, variant);
  const DspJob job = {.model = small,
                      .cluster = cluster,
                      .mode = DSP_MODE_TRAIN,
                      .lengths = dsp_model_default_lengths(small),
                      .batch = 1,
                      .dtype = DSP_DTYPE_FP32,
                      .gpus = (guint)dsp_plan_ranks(&plan)};
  dsp_validate(&job, &plan, &options, result, &error);
  DSP_CHECK_NO_ERROR(error);
  DSP_CHECK(result->verdict == DSP_VERDICT_PASSED, "%s of %s: verdict %s",
            method->name, name, dsp_verdict_names[result->verdict]);
}

static void test_method(void) {
  DspValidation own, ulysses;
  validate("transformer-2d-720m", &dsp_method_heads, "best", &own);
  validate("transformer-2d-720m", dsp_method_find("ulysses"), "naive",
           &ulysses);
  DSP_CHECK(own.declared_bytes > 0, "bytes are sent");
  DSP_CHECK_INT(own.declared_bytes, ulysses.declared_bytes);
}

static void test_model(void) {
  g_autofree char *path =
      g_build_filename(g_getenv("DSP_TEST_SOURCE"), "tests", "data",
                       "extending", "weather.json", NULL);
  DspValidation dsp, ulysses;
  validate(path, dsp_method_find("dsp"), "best", &dsp);
  validate(path, dsp_method_find("ulysses"), "best", &ulysses);
  DSP_CHECK(dsp.bit_identical, "dsp changes no sum");
}

static CU_TestInfo tests[] = {
    {"its method", test_method}, {"its model", test_model}, CU_TEST_INFO_NULL};

static CU_SuiteInfo suites[] = {{.pName = "extending",
                                 .pInitFunc = setup,
                                 .pCleanupFunc = teardown,
                                 .pTests = tests},
                                CU_SUITE_INFO_NULL};

DSP_TEST_MAIN(suites)
