/* SPDX-License-Identifier: Apache-2.0 */
/* Every method runs on real tensors and gives what one rank gives in float64;
 * wrong schedules are caught. */
#include "numerics/shrink.h"
#include "numerics/validate.h"
#include "schedule/method.h"
#include "test.h"
#include <inttypes.h>

static DspCluster *cluster;

static int setup(void) {
  cluster = dsp_cluster_load("node:1 gpu:64 nvlink:450GBps", NULL);
  return !cluster;
}

static int teardown(void) {
  dsp_cluster_free(cluster);
  return 0;
}

typedef struct {
  const char *model, *method, *variant;
  int64_t ring, sp, tp, dp;
  int zero;
  DspRecompute recompute;
  int64_t batch;
  const char *one; /* dimension of length 1, or NULL */
  DspDtype dtype;
} Row;

#define NONE  DSP_RECOMPUTE_NONE
#define FULL  DSP_RECOMPUTE_FULL
#define FP32  DSP_DTYPE_FP32
#define BF16  DSP_DTYPE_BF16
#define VIDEO "transformer-2d-720m"

static gboolean run(const Row *row, DspFault fault, DspMode mode,
                    DspValidation *result, GError **error) {
  g_autoptr(DspModel) model = dsp_model_load(row->model, error);
  g_autoptr(DspModel) small = model ? dsp_model_shrink(model, error) : NULL;
  if (!small)
    return FALSE;
  DspJob job = {.model = small,
                .cluster = cluster,
                .mode = mode,
                .lengths = dsp_model_default_lengths(small),
                .batch = row->batch,
                .dtype = row->dtype};
  DspPlan plan = {.method = dsp_method_find(row->method),
                  .home = -1,
                  .recompute = row->recompute,
                  .zero = row->zero,
                  .degree = {[DSP_AXIS_DP] = row->dp,
                             [DSP_AXIS_CFG] = 1,
                             [DSP_AXIS_RING] = row->ring,
                             [DSP_AXIS_SP] = row->sp,
                             [DSP_AXIS_TP] = row->tp}};
  const DspValidateOptions options = {.seed = 7, .fault = fault};
  plan.variant = (guint)dsp_method_variant(plan.method, row->variant);
  job.gpus = (guint)dsp_plan_ranks(&plan);
  if (row->one)
    job.lengths.length[dsp_model_dim(small, row->one)] = 1;
  return dsp_validate(&job, &plan, &options, result, error);
}

/* Dimensions of the small models (9, 11; 9, 3, 11; 37 tokens; text of 5) leave
 * padding at nearly every degree. */
static const Row rows[] = {
    {VIDEO, "single", "best", 1, 1, 1, 1, 0, NONE, 1, NULL, FP32},
    {VIDEO, "dsp", "best", 1, 2, 1, 1, 0, NONE, 1, NULL, FP32},
    {VIDEO, "dsp", "best", 1, 3, 1, 1, 0, FULL, 1, NULL, FP32},
    {VIDEO, "dsp", "best", 1, 4, 1, 2, 2, FULL, 1, NULL, FP32},
    {VIDEO, "dsp", "best", 1, 8, 1, 1, 0, NONE, 1, NULL, FP32},
    {VIDEO, "dsp", "best", 1, 4, 1, 1, 3, NONE, 4, "T", FP32},
    {VIDEO, "dsp", "best", 1, 2, 2, 1, 0, NONE, 1, NULL, FP32},
    {VIDEO, "dsp", "pipelined-4", 1, 2, 1, 1, 0, NONE, 1, NULL, FP32},
    {VIDEO, "dsp", "pipelined-2", 1, 3, 1, 2, 2, FULL, 3, NULL, FP32},
    {VIDEO, "dsp", "pipelined-4", 1, 2, 2, 1, 3, NONE, 1, NULL, FP32},
    {VIDEO, "dsp", "pipelined-4", 1, 2, 1, 1, 0, NONE, 1, NULL, BF16},
    {VIDEO, "ulysses", "best", 1, 4, 1, 1, 0, NONE, 1, NULL, FP32},
    {VIDEO, "ulysses", "best", 1, 8, 1, 1, 0, NONE, 1, NULL, FP32},
    {VIDEO, "ulysses", "naive", 1, 2, 1, 2, 1, NONE, 1, NULL, FP32},
    {VIDEO, "ulysses", "published", 1, 4, 1, 1, 0, NONE, 1, NULL, FP32},
    {VIDEO, "ring", "best", 3, 1, 1, 1, 0, NONE, 1, NULL, FP32},
    {VIDEO, "ring", "naive", 4, 1, 1, 1, 0, NONE, 1, NULL, FP32},
    {VIDEO, "usp", "best", 2, 4, 1, 1, 0, NONE, 1, NULL, FP32},
    {VIDEO, "usp", "naive", 2, 2, 1, 1, 0, NONE, 1, NULL, FP32},
    {VIDEO, "megatron-sp", "best", 1, 4, 1, 1, 0, NONE, 1, NULL, FP32},
    {VIDEO, "megatron-sp", "naive", 1, 2, 1, 2, 2, NONE, 1, NULL, FP32},
    {VIDEO, "megatron-sp", "published", 1, 4, 1, 1, 0, NONE, 1, NULL, FP32},
    {VIDEO, "megatron-tp", "best", 1, 1, 4, 1, 0, NONE, 1, NULL, FP32},
    {VIDEO, "megatron-tp", "published", 1, 1, 2, 2, 3, FULL, 1, NULL, FP32},
    {VIDEO, "single", "best", 1, 1, 1, 3, 0, NONE, 1, NULL, BF16},
    {VIDEO, "dsp", "best", 1, 4, 1, 1, 0, NONE, 1, NULL, BF16},
    {VIDEO, "ring", "best", 3, 1, 1, 1, 0, NONE, 1, NULL, BF16},
    {VIDEO, "megatron-sp", "best", 1, 2, 1, 1, 2, NONE, 1, NULL, BF16},
    {"open-sora-1.2", "dsp", "best", 1, 3, 1, 1, 0, NONE, 1, NULL, FP32},
    {"open-sora-1.2", "dsp", "pipelined-4", 1, 2, 1, 1, 0, NONE, 1, NULL, FP32},
    {"timesformer", "dsp", "pipelined-2", 1, 2, 1, 1, 0, NONE, 1, NULL, FP32},
    {"axial-3d", "dsp", "pipelined-4", 1, 2, 1, 1, 0, FULL, 2, NULL, FP32},
    {"timesformer", "ulysses", "best", 1, 3, 1, 1, 0, NONE, 1, NULL, FP32},
    {"axial-3d", "dsp", "best", 1, 4, 1, 1, 0, NONE, 1, NULL, FP32},
    {"axial-3d", "usp", "best", 2, 2, 1, 1, 0, NONE, 1, NULL, FP32},
    {"wan2.1-t2v-1.3b", "ulysses", "best", 1, 3, 1, 1, 0, NONE, 1, NULL, FP32},
    /* Means over all heads, which ranks divide: of q and k together, and of
     * queries and text apart. */
    {"wan2.1-t2v-1.3b", "megatron-tp", "best", 1, 1, 4, 1, 0, NONE, 1, NULL,
     FP32},
    {"wan2.1-t2v-1.3b", "megatron-tp", "best", 1, 1, 2, 2, 3, FULL, 1, NULL,
     BF16},
    {"wan2.1-t2v-1.3b", "megatron-sp", "best", 1, 4, 1, 1, 2, NONE, 2, NULL,
     FP32},
    {"wan2.1-t2v-1.3b", "ring", "best", 3, 1, 2, 1, 0, NONE, 1, NULL, FP32},
    {"llama-2-7b", "ring", "best", 3, 1, 1, 1, 0, NONE, 1, NULL, FP32},
    {"llama-2-7b", "ring", "naive", 4, 1, 1, 1, 0, NONE, 1, NULL, FP32},
    {"llama-2-7b", "usp", "best", 2, 2, 1, 1, 0, NONE, 1, NULL, FP32},
    {"flux.1-dev", "usp", "best", 2, 3, 1, 1, 0, NONE, 1, NULL, FP32},
    {"flux.1-dev", "megatron-sp", "best", 1, 2, 1, 1, 0, NONE, 1, NULL, FP32},
    /* Text that the last block changes for nobody, recomputed; scales of q and
     * k that ranks share; two products behind an attention. */
    {"flux.1-dev", "single", "best", 1, 1, 1, 2, 2, FULL, 1, NULL, FP32},
    {"flux.1-dev", "megatron-tp", "best", 1, 1, 2, 1, 2, FULL, 1, NULL, FP32},
    {"timesformer", "megatron-tp", "best", 1, 1, 3, 1, 0, NONE, 1, NULL, FP32},
    {"timesformer", "megatron-sp", "naive", 1, 2, 1, 1, 1, NONE, 1, NULL, FP32},
};

static void check(const Row *row, DspMode mode) {
  g_autoptr(GError) error = NULL;
  DspValidation r;
  gboolean ok = run(row, DSP_FAULT_NONE, mode, &r, &error);
  DSP_CHECK_NO_ERROR(error);
  if (!ok)
    return;
  DSP_CHECK(r.verdict == DSP_VERDICT_PASSED,
            "%s %s (%s): forward %g of %g, backward %g of %g, identical %d, "
            "bytes %" PRId64 " of %" PRId64 ", in order %d, updated %d",
            row->model, row->method, row->variant, r.forward_error,
            r.forward_bound, r.backward_error, r.backward_bound,
            r.bit_identical, r.moved_bytes, r.declared_bytes, r.in_order,
            r.updated);
  DSP_CHECK(r.forward_bound < (row->dtype == FP32 ? 1e-4 : 1),
            "%s: a bound of %g tells nothing", row->model, r.forward_bound);
  if (row->dtype == FP32 && mode == DSP_MODE_TRAIN)
    DSP_CHECK_NEAR(r.loss, r.reference_loss, r.forward_bound * 2);
}

static void test_training(void) {
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
    check(&rows[i], DSP_MODE_TRAIN);
}

/* Ranks gather the output. */
static void test_inference(void) {
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
    Row row = rows[i];
    row.recompute = NONE;
    row.zero = 0;
    if (g_str_equal(row.model, VIDEO) && row.dtype == FP32)
      check(&row, DSP_MODE_INFER);
  }
}

/* DSP and Ulysses move numbers and change no sum. */
static void test_identical(void) {
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autoptr(GError) error = NULL;
    DspValidation r;
    gboolean moves = g_str_equal(rows[i].method, "dsp") ||
                     (g_str_equal(rows[i].method, "ulysses") &&
                      !g_str_equal(rows[i].variant, "published"));
    if (!moves || rows[i].tp > 1 || !g_str_equal(rows[i].model, VIDEO))
      continue;
    if (run(&rows[i], DSP_FAULT_NONE, DSP_MODE_INFER, &r, &error))
      DSP_CHECK(r.must_be_identical && r.bit_identical, "row %u", i);
    g_clear_error(&error);
  }
}

/* Both passes of guidance, one batch on a group of ranks or one pass on each of
 * two groups. */
static void test_guidance(void) {
  static const struct {
    DspGuidance guidance;
    int64_t cfg, sp;
  } ways[] = {{DSP_GUIDANCE_BATCHED, 1, 3}, {DSP_GUIDANCE_PARALLEL, 2, 2}};
  g_autoptr(GError) error = NULL;
  g_autoptr(DspModel) model = dsp_model_load(VIDEO, &error);
  g_autoptr(DspModel) small = model ? dsp_model_shrink(model, &error) : NULL;
  DSP_CHECK_NO_ERROR(error);
  for (guint i = 0; small && i < G_N_ELEMENTS(ways); i++) {
    const DspJob job = {.model = small,
                        .cluster = cluster,
                        .mode = DSP_MODE_INFER,
                        .lengths = dsp_model_default_lengths(small),
                        .batch = 1,
                        .dtype = FP32,
                        .guidance = ways[i].guidance};
    const DspPlan plan = {.method = dsp_method_find("dsp"),
                          .home = -1,
                          .degree = {1, ways[i].cfg, 1, ways[i].sp, 1}};
    const DspValidateOptions options = {.seed = 7};
    DspValidation v = {.verdict = DSP_VERDICT_FAILED};
    dsp_validate(&job, &plan, &options, &v, &error);
    DSP_CHECK_NO_ERROR(error);
    DSP_CHECK(v.verdict == DSP_VERDICT_PASSED && v.bit_identical,
              "%s guidance: %g off", dsp_guidance_names[ways[i].guidance],
              v.forward_error);
  }
}

/* The published ring takes its tokens for others than they are. */
static void test_published(void) {
  const Row row = {VIDEO, "ring", "published", 3, 1,    1,
                   1,     0,      NONE,        1, NULL, FP32};
  g_autoptr(GError) error = NULL;
  DspValidation r;
  run(&row, DSP_FAULT_NONE, DSP_MODE_TRAIN, &r, &error);
  DSP_CHECK_NO_ERROR(error);
  DSP_CHECK(r.verdict == DSP_VERDICT_DIFFERS && r.forward_error > 0.01,
            "forward error %g", r.forward_error);
}

/* Each is caught: by a number, or by the run that cannot go on. */
static const struct {
  DspFault fault;
  Row row;
} wrong[] = {
    {DSP_FAULT_MISSING_SWITCH,
     {VIDEO, "dsp", "best", 1, 3, 1, 1, 0, NONE, 1, NULL, FP32}},
    {DSP_FAULT_MISSING_SWITCH,
     {VIDEO, "ulysses", "best", 1, 4, 1, 1, 0, NONE, 1, NULL, FP32}},
    {DSP_FAULT_SWAPPED_RANKS,
     {VIDEO, "dsp", "best", 1, 3, 1, 1, 0, NONE, 1, NULL, FP32}},
    {DSP_FAULT_SWAPPED_RANKS,
     {VIDEO, "ulysses", "best", 1, 2, 1, 1, 0, NONE, 1, NULL, BF16}},
    {DSP_FAULT_SHARD_OFF_BY_ONE,
     {VIDEO, "dsp", "best", 1, 3, 1, 1, 0, NONE, 1, NULL, FP32}},
    {DSP_FAULT_PADDING_KEPT,
     {VIDEO, "ring", "best", 4, 1, 1, 1, 0, NONE, 1, NULL, FP32}},
    {DSP_FAULT_GRADIENT_NOT_REDUCED,
     {VIDEO, "dsp", "best", 1, 2, 1, 1, 0, NONE, 1, NULL, FP32}},
    {DSP_FAULT_GRADIENT_NOT_REDUCED,
     {VIDEO, "single", "best", 1, 1, 1, 2, 2, NONE, 1, NULL, BF16}},
    {DSP_FAULT_STALE_KEYS,
     {VIDEO, "ring", "best", 3, 1, 1, 1, 0, NONE, 1, NULL, FP32}},
    {DSP_FAULT_WRONG_SCALE,
     {VIDEO, "megatron-sp", "best", 1, 2, 1, 1, 0, NONE, 1, NULL, FP32}},
    {DSP_FAULT_BYTES_DECLARED,
     {VIDEO, "dsp", "best", 1, 2, 1, 1, 0, NONE, 1, NULL, FP32}},
};

static void test_faults(void) {
  guint seen = 0;
  for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
    g_autoptr(GError) error = NULL;
    DspValidation r = {.verdict = DSP_VERDICT_FAILED};
    DspFault fault = wrong[i].fault;
    gboolean ran = run(&wrong[i].row, fault, DSP_MODE_TRAIN, &r, &error);
    DSP_CHECK(!ran || r.verdict == DSP_VERDICT_FAILED, "%s passes",
              dsp_fault_names[fault]);
    DSP_CHECK(ran || g_str_has_prefix(error->message, "rank "), "refused: %s",
              ran ? "" : error->message);
    seen |= 1u << fault;
  }
  DSP_CHECK_INT(seen, (1u << DSP_N_FAULTS) - 2);
}

/* --- small models
 * ------------------------------------------------------------- */

static void test_shrink(void) {
  static const char *const names[] = {VIDEO, "llama-3-8b", "axial-3d",
                                      "hunyuanvideo", "sana-1.6b"};
  for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
    g_autoptr(GError) error = NULL;
    g_autoptr(DspModel) model = dsp_model_load(names[i], &error);
    DSP_CHECK_NO_ERROR(error);
    g_autoptr(DspModel) small = dsp_model_shrink(model, &error);
    DSP_CHECK_NO_ERROR(error);
    if (!small)
      continue;
    DSP_CHECK_INT(small->n_blocks, model->n_blocks);
    DSP_CHECK_INT(small->heads, model->heads);
    DSP_CHECK_INT(small->blocks[0].n_stages, model->blocks[0].n_stages);
    DSP_CHECK(small->hidden * 8 <= model->hidden, "%s: %" PRId64 " wide",
              names[i], small->hidden);
  }
}

/* What cannot be computed is refused with the reason. */
static void test_refusals(void) {
  static const Row refused[] = {
      {"sana-1.6b", "single", "best", 1, 1, 1, 1, 0, NONE, 1, NULL, FP32},
      {"evoformer", "single", "best", 1, 1, 1, 1, 0, NONE, 1, NULL, FP32},
      {"hunyuandit", "single", "best", 1, 1, 1, 1, 0, NONE, 1, NULL, FP32},
      {"vchitect-2.0", "single", "best", 1, 1, 1, 1, 0, NONE, 1, NULL, FP32}};
  for (guint i = 0; i < G_N_ELEMENTS(refused); i++) {
    g_autoptr(GError) error = NULL;
    DspValidation r;
    DSP_CHECK(!run(&refused[i], DSP_FAULT_NONE, DSP_MODE_TRAIN, &r, &error),
              "row %u ran", i);
    DSP_CHECK_ERROR(error, DSP_ERROR_INFEASIBLE, "cannot be computed yet");
  }
}

static CU_TestInfo plan_tests[] = {{"training", test_training},
                                   {"inference", test_inference},
                                   {"bit-identical", test_identical},
                                   {"guidance", test_guidance},
                                   {"published ring", test_published},
                                   {"faults are caught", test_faults},
                                   CU_TEST_INFO_NULL};
static CU_TestInfo model_tests[] = {{"shrunk models", test_shrink},
                                    {"refusals", test_refusals},
                                    CU_TEST_INFO_NULL};
static CU_SuiteInfo suites[] = {{.pName = "plans",
                                 .pInitFunc = setup,
                                 .pCleanupFunc = teardown,
                                 .pTests = plan_tests},
                                {.pName = "models",
                                 .pInitFunc = setup,
                                 .pCleanupFunc = teardown,
                                 .pTests = model_tests},
                                CU_SUITE_INFO_NULL};

DSP_TEST_MAIN(suites)
