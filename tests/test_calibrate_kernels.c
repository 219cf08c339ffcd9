/* SPDX-License-Identifier: Apache-2.0 */
/* Calibration of kernels, launches and links to times that are made with known
 * constants. */
#include "measurement/calibrate.h"
#include "measurement/predict-point.h"
#include "test_calibrate.h"
#include <glib/gstdio.h>

/* --- made measurements --------------------------------------------------- */

typedef struct {
  GString *points;
  guint n;
} Maker;

static void add_point(Maker *m, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* A point whose time is made later. */
static void add_point(Maker *m, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  g_string_append_printf(m->points, "%s{\"id\": \"p%u\", ", m->n ? ", " : "",
                         m->n);
  g_string_append_vprintf(m->points, format, arguments);
  g_string_append(m->points, "}");
  m->n++;
  va_end(arguments);
}

static GPtrArray *finish(Maker *m) {
  g_autofree char *text = g_strdup_printf(
      "{\"schema\": \"dspsim.measurements/1\", \"title\": \"made\", "
      "\"source\": \"this test\", \"licence\": \"none\", \"points\": [%s]}",
      m->points->str);
  g_autoptr(GError) error = NULL;
  g_autoptr(DspJson) json =
      dsp_json_parse("made.json", text, strlen(text), &error);
  GPtrArray *files =
      g_ptr_array_new_with_free_func((GDestroyNotify)dsp_measurements_free);
  DspMeasurements *file = json ? dsp_measurements_read(json, &error) : NULL;
  DSP_CHECK_NO_ERROR(error);
  CU_ASSERT_PTR_NOT_NULL_FATAL(file);
  g_ptr_array_add(files, file);
  g_string_free(m->points, TRUE);
  return files;
}

/* Takes as measured what the machines of the inventory are predicted. */
static void measure(const GPtrArray *files, DspInventory *inventory) {
  const DspMeasurements *file = files->pdata[0];
  for (guint i = 0; i < file->points->len; i++) {
    DspPoint *point = &g_array_index(file->points, DspPoint, i);
    g_autoptr(GError) error = NULL;
    dsp_point_predict(inventory, point, &point->measured, &error);
    DSP_CHECK_NO_ERROR(error);
  }
}

static DspCalibration *calibrate(const GPtrArray *files, const char *cluster) {
  g_autoptr(GError) error = NULL;
  const DspCalibrateJob job = {files, cluster, NULL, DSP_CALIBRATE_ALONE};
  DspCalibration *c = dsp_calibrate(&job, &error);
  DSP_CHECK_NO_ERROR(error);
  CU_ASSERT_PTR_NOT_NULL_FATAL(c);
  return c;
}

static const DspCalibratedConstant *find(const DspCalibration *c,
                                         const char *key) {
  const GArray *all = dsp_calibration_constants(c);
  for (guint i = 0; i < all->len; i++) {
    const DspCalibratedConstant *constant =
        &g_array_index(all, DspCalibratedConstant, i);
    if (strcmp(constant->key, key) == 0)
      return constant;
  }
  CU_FAIL_FATAL("no such constant");
  return NULL;
}

static void check(const DspCalibration *c, const char *key, double factor,
                  double tolerance) {
  const DspCalibratedConstant *constant = find(c, key);
  const double ratio = constant->after / (factor * constant->before);
  DSP_CHECK(!constant->kept && fabs(ratio - 1) <= tolerance,
            "%s: %g of what it should be, %s", key, ratio,
            constant->kept ? constant->kept : "fitted");
}

/* --- kernels ------------------------------------------------------------- */

static void add_gemms(Maker *m) {
  static const int rows[] = {16, 512, 3000, 16384};
  static const int widths[] = {256, 1152, 4608, 8192};
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
    for (guint j = 0; j < G_N_ELEMENTS(widths); j++)
      for (guint k = 0; k < G_N_ELEMENTS(widths); k++)
        add_point(m,
                  "\"kind\": \"gemm\", \"gpu\": \"h100-sxm\", \"m\": %d, "
                  "\"n\": %d, \"k\": %d, \"dtype\": \"bf16\", \"time_us\": 1",
                  rows[i], widths[j], widths[k]);
}

static void add_attentions(Maker *m) {
  for (int batch = 1; batch <= 4096; batch *= 8)
    for (int tokens = 16; tokens <= 16384; tokens *= 4)
      if ((int64_t)batch * tokens <= 65536)
        add_point(m,
                  "\"kind\": \"attention\", \"gpu\": \"h100-sxm\", \"batch\": "
                  "%d, \"heads\": 16, \"kv_heads\": 16, \"head_dim\": 64, "
                  "\"seq_q\": %d, \"seq_k\": %d, \"causal\": false, \"pass\": "
                  "\"fwd\", \"dtype\": \"bf16\", \"kernel\": \"fa3\", "
                  "\"time_us\": 1",
                  batch, tokens, tokens);
}

static void add_norms(Maker *m) {
  for (int64_t bytes = 1 << 16; bytes <= 1 << 30; bytes *= 2)
    add_point(m,
              "\"kind\": \"memory\", \"gpu\": \"h100-sxm\", \"op\": \"norm\", "
              "\"bytes\": %" G_GINT64_FORMAT
              ", \"fused\": true, \"dtype\": \"bf16\", \"time_us\": 1",
              bytes);
}

/* An H100 that is not as its file says. */
static const struct {
  const char *key;
  double factor;
} truth[] = {{"gemm.t0", 1.4},
             {"gemm.e_max", 0.9},
             {"attention.fa3.t0", 0.8},
             {"attention.fa3.forward_exp", 1.25},
             {"memory_kernels.norm.t0", 1.3},
             {"memory_kernels.norm.fused", 0.85}};

static DspGpu *true_gpu(void) {
  DspGpu *gpu = dsp_gpu_load("h100-sxm", NULL);
  CU_ASSERT_PTR_NOT_NULL_FATAL(gpu);
  double *const constants[] = {&gpu->gemm.t0,
                               &gpu->gemm.e_max,
                               &gpu->attention[DSP_KERNEL_FA3].t0,
                               &gpu->attention[DSP_KERNEL_FA3].pass[0].exp,
                               &gpu->memory[DSP_MEMORY_NORM].t0,
                               &gpu->memory[DSP_MEMORY_NORM].fused};
  for (guint i = 0; i < G_N_ELEMENTS(constants); i++)
    *constants[i] *= truth[i].factor;
  return gpu;
}

static GPtrArray *made_kernels(void) {
  Maker m = {.points = g_string_new(NULL)};
  g_autoptr(DspInventory) inventory = dsp_inventory_new();
  add_gemms(&m);
  add_attentions(&m);
  add_norms(&m);
  GPtrArray *files = finish(&m);
  dsp_inventory_put_gpu(inventory, "h100-sxm", true_gpu());
  measure(files, inventory);
  return files;
}

static void test_kernels(void) {
  g_autoptr(GPtrArray) files = made_kernels();
  g_autoptr(DspCalibration) c = calibrate(files, "dgx-h100");
  for (guint i = 0; i < G_N_ELEMENTS(truth); i++)
    check(c, truth[i].key, truth[i].factor, 0.05);
  DSP_CHECK(dsp_test_worst_error(c) < 0.03, "an error of %g",
            dsp_test_worst_error(c));
  DSP_CHECK_STRING(find(c, "launch")->kept, "no collective was measured");
  DSP_CHECK_STRING(find(c, "memory_kernels.rope.t0")->kept,
                   "no point depends on it");
  DSP_CHECK_STRING(find(c, "attention.fa3.b")->kept, "it is at its limit");
}

/* A fifth of the points has no say in the constants, and is foretold. */
static void test_folds(void) {
  g_autoptr(GPtrArray) files = made_kernels();
  const DspMeasurements *file = files->pdata[0];
  guint foretold = 0;
  for (guint fold = 0; fold < 5; fold++) {
    const DspCalibrateJob job = {files, "node:1 gpu:1 type:h100-sxm",
                                 NULL,  DSP_CALIBRATE_ALONE,
                                 5,     fold};
    g_autoptr(DspCalibration) c = dsp_calibrate(&job, NULL);
    guint machines, skipped;
    CU_ASSERT_PTR_NOT_NULL_FATAL(c);
    const guint own = dsp_calibration_points(c, TRUE)->len;
    DSP_CHECK_STRING(dsp_calibration_name(c), "h100-sxm");
    DSP_CHECK_INT(dsp_calibration_training(c, &machines, &skipped),
                  file->points->len - own);
    DSP_CHECK(dsp_test_worst_error(c) < 0.05, "fold %u: an error of %g", fold,
              dsp_test_worst_error(c));
    foretold += own;
  }
  DSP_CHECK_INT(foretold, file->points->len);
  /* What is left out may be anything. */
  const DspCalibrateJob job = {
      files, "node:1 gpu:1 type:h100-sxm", NULL, DSP_CALIBRATE_ALONE, 5, 2};
  g_autoptr(DspCalibration) before = dsp_calibrate(&job, NULL);
  for (guint i = 2; i < file->points->len; i += 5)
    g_array_index(file->points, DspPoint, i).measured *= 3;
  g_autoptr(DspCalibration) after = dsp_calibrate(&job, NULL);
  for (guint i = 0; i < G_N_ELEMENTS(truth); i++)
    DSP_CHECK(find(before, truth[i].key)->after ==
                  find(after, truth[i].key)->after,
              "%s is from what is left out", truth[i].key);
}

/* Of another GPU there is nothing to fit to. */
static void test_other_gpu(void) {
  g_autoptr(GPtrArray) files = made_kernels();
  g_autoptr(GError) error = NULL;
  const DspCalibrateJob job = {files, "l40s-pcie", NULL, DSP_CALIBRATE_ALONE};
  g_autoptr(DspCalibration) c = dsp_calibrate(&job, &error);
  CU_ASSERT_PTR_NULL(c);
  DSP_CHECK_ERROR(error, DSP_ERROR_INFEASIBLE, "no healthy point of l40s-pcie");
}

/* --- what is written ----------------------------------------------------- */

static void remove_folder(const char *folder) {
  g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
  const char *name;
  while (dir && (name = g_dir_read_name(dir))) {
    g_autofree char *file = g_build_filename(folder, name, NULL);
    g_remove(file);
  }
  CU_ASSERT_EQUAL(g_rmdir(folder), 0);
}

/* The profile and its GPU are found from any folder, and calibrated again they
 * stay. */
static void test_written(void) {
  g_autofree char *folder = g_dir_make_tmp("dspsim-XXXXXX", NULL);
  g_autofree char *here = g_get_current_dir();
  g_autoptr(GError) error = NULL;
  CU_ASSERT_PTR_NOT_NULL_FATAL(folder);
  g_autofree char *file = g_build_filename(folder, "mine.json", NULL);
  g_autoptr(GPtrArray) files = made_kernels();
  g_autoptr(DspCalibration) c = calibrate(files, "dgx-h100");
  DSP_CHECK(dsp_calibration_write(c, files, file, &error), "not written");
  DSP_CHECK_NO_ERROR(error);
  CU_ASSERT_EQUAL_FATAL(g_chdir("/"), 0);
  g_autoptr(DspCluster) cluster = dsp_cluster_load(file, &error);
  DSP_CHECK_NO_ERROR(error);
  CU_ASSERT_EQUAL_FATAL(g_chdir(here), 0);
  CU_ASSERT_PTR_NOT_NULL_FATAL(cluster);
  DSP_CHECK_STRING(cluster->gpu->name, "mine-h100-sxm");
  DSP_CHECK_NEAR(cluster->gpu->gemm.t0, find(c, "gemm.t0")->after, 1e-3);
  DSP_CHECK_NEAR(cluster->gpu->memory[DSP_MEMORY_NORM].fused,
                 find(c, "memory_kernels.norm.fused")->after, 1e-3);
  g_autoptr(DspCalibration) again = calibrate(files, file);
  for (guint i = 0; i < G_N_ELEMENTS(truth); i++)
    check(again, truth[i].key, 1, 0.02);
  remove_folder(folder);
}

/* --- launches ------------------------------------------------------------ */

static void add_steps(Maker *m) {
  static const char *const launches[] = {"compiled", "graph"};
  for (guint i = 0; i < G_N_ELEMENTS(launches); i++)
    for (int length = 4; length <= 32; length *= 2)
      add_point(m,
                "\"kind\": \"step\", \"model\": \"transformer-2d-720m\", "
                "\"cluster\": \"dgx-h100\", \"gpus\": 1, \"mode\": \"infer\", "
                "\"dims\": {\"T\": %d, \"S\": 64}, \"batch\": 1, \"dtype\": "
                "\"bf16\", \"launch\": \"%s\", \"plan\": {\"method\": "
                "\"single\"}, \"metric\": \"time_s\", \"value\": 1",
                length, launches[i]);
}

/* What the CPU needs for a kernel shows in short steps. */
static void test_launches(void) {
  Maker m = {.points = g_string_new(NULL)};
  g_autoptr(DspInventory) inventory = dsp_inventory_new();
  add_steps(&m);
  g_autoptr(GPtrArray) files = finish(&m);
  DspCluster *cluster = dsp_cluster_load("dgx-h100", NULL);
  CU_ASSERT_PTR_NOT_NULL_FATAL(cluster);
  cluster->launch.compiled *= 1.3;
  dsp_inventory_put_cluster(inventory, "dgx-h100", cluster);
  measure(files, inventory);
  g_autoptr(DspCalibration) c = calibrate(files, "dgx-h100");
  check(c, "launch.compiled", 1.3, 0.1);
  DSP_CHECK_STRING(find(c, "launch.eager_forward")->kept,
                   "no point depends on it");
  DSP_CHECK(dsp_test_worst_error(c) < 0.05, "an error of %g",
            dsp_test_worst_error(c));
}

/* --- links --------------------------------------------------------------- */

/* A PCIe machine whose slots are slower than its host's file says. */
static void test_links(void) {
  Maker m = {.points = g_string_new(NULL)};
  static const char *const collectives[] = {"all_reduce", "all_gather",
                                            "all_to_all"};
  g_autoptr(DspInventory) inventory = dsp_inventory_new();
  for (guint i = 0; i < G_N_ELEMENTS(collectives); i++)
    for (int gpus = 2; gpus <= 8; gpus *= 2)
      for (int64_t bytes = 1 << 14; bytes <= 1 << 30; bytes *= 4)
        add_point(&m,
                  "\"kind\": \"collective\", \"cluster\": \"l40s-pcie\", "
                  "\"nodes\": 1, \"gpus_per_node\": %d, \"collective\": "
                  "\"%s\", \"bytes\": %" G_GINT64_FORMAT ", \"time_us\": 1",
                  gpus, collectives[i], bytes);
  g_autoptr(GPtrArray) files = finish(&m);
  DspCluster *cluster = dsp_cluster_load("l40s-pcie", NULL);
  CU_ASSERT_PTR_NOT_NULL_FATAL(cluster);
  cluster->pcie_bandwidth *= 0.8;
  dsp_inventory_put_cluster(inventory, "l40s-pcie", cluster);
  measure(files, inventory);
  g_autoptr(DspCalibration) c = calibrate(files, "l40s-pcie");
  const DspCalibratedConstant *pcie = find(c, "pcie.bandwidth");
  DSP_CHECK(!pcie->kept, "%s", pcie->kept);
  check(c, "pcie.bandwidth", 0.8, 0.05);
  DSP_CHECK(dsp_test_worst_error(c) < 0.05, "an error of %g",
            dsp_test_worst_error(c));
}

CU_TestInfo calibrate_kernels_tests[] = {
    {"constants of kernels are found", test_kernels},
    {"kernels in parts", test_folds},
    {"kernels of another GPU", test_other_gpu},
    {"a GPU that is written", test_written},
    {"launches of the CPU", test_launches},
    {"slots of PCIe", test_links},
    CU_TEST_INFO_NULL,
};
