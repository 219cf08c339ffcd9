/* SPDX-License-Identifier: Apache-2.0 */
/* Calibration to times that are made with known constants. */
#include "base/error.h"
#include "measurement/calibrate-private.h"
#include "network/collective.h"
#include "test_calibrate.h"
#include <glib/gstdio.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* --- made measurements --------------------------------------------------- */

/* What the made machine has, in units of what the profile says. */
typedef struct {
  double launch, step_ll, channel_rate, p2p_launch, nic, all_to_all;
} Truth;

static const Truth as_it_is = {1, 1, 1, 1, 1, 1};
static const Truth changed = {1.4, 1.2, 0.9, 1.5, 0.93, 0.92};

typedef struct {
  GString *points;
  const char *cluster;
  guint n, spoil; /* spoil: every so many-eth is 4 times too slow; 0: none */
} Maker;

static void make_point(Maker *m, const DspTopology *topology, guint nodes,
                       DspCollective collective, int64_t bytes,
                       const char *group) {
  const guint gpus = dsp_topology_gpus(topology);
  const DspAxis all = {gpus, gpus, 1};
  g_autoptr(DspPrice) price =
      dsp_price_new(topology, &all, -1, collective, bytes, NULL);
  const double factor = m->spoil && m->n % m->spoil == 0 ? 4 : 1;
  char time[G_ASCII_DTOSTR_BUF_SIZE];
  g_ascii_dtostr(time, sizeof(time), 1e6 * factor * price->time);
  g_string_append_printf(
      m->points,
      "%s{\"id\": \"p%u\", \"kind\": \"collective\", \"group\": \"%s\", "
      "\"cluster\": \"%s\", \"nodes\": %u, \"gpus_per_node\": %u, "
      "\"collective\": \"%s\", \"bytes\": %" G_GINT64_FORMAT
      ", \"time_us\": %s}",
      m->n ? ", " : "", m->n, group, m->cluster, nodes, gpus / nodes,
      dsp_collective_names[collective], bytes, time);
  m->n++;
}

static void make_cluster(const Truth *truth, DspCluster *c) {
  c->intra.launch *= truth->launch;
  c->intra.step_ll *= truth->step_ll;
  c->intra.channel_rate *= truth->channel_rate;
  c->intra.p2p_launch *= truth->p2p_launch;
  c->intra.all_to_all_rate *= truth->all_to_all;
  c->nic_bandwidth *= truth->nic;
}

/* Sweeps of some collectives on a node, two nodes, and a GPU of each of two. */
static void make_points(Maker *m, const char *cluster, const Truth *truth,
                        const char *group) {
  static const DspCollective collectives[] = {
      DSP_ALL_TO_ALL, DSP_ALL_GATHER, DSP_REDUCE_SCATTER, DSP_ALL_REDUCE};
  static const guint places[][2] = {{1, 8}, {2, 8}, {2, 1}};
  g_autoptr(DspCluster) c = dsp_cluster_load(cluster, NULL);
  CU_ASSERT_PTR_NOT_NULL_FATAL(c);
  make_cluster(truth, c);
  m->cluster = cluster;
  for (guint p = 0; p < G_N_ELEMENTS(places); p++) {
    g_autoptr(DspTopology) t =
        dsp_topology_new_partial(c, places[p][0], places[p][1], NULL);
    for (guint i = 0; i < G_N_ELEMENTS(collectives); i++)
      for (int64_t bytes = 1 << 10; bytes <= (int64_t)1 << 32; bytes *= 2)
        make_point(m, t, places[p][0], collectives[i], bytes, group);
  }
}

static GPtrArray *finish(Maker *m) {
  g_autofree char *text = g_strdup_printf(
      "{\"schema\": \"dspsim.measurements/1\", \"title\": \"made\", "
      "\"source\": \"this test\", \"licence\": \"none\", \"points\": [%s]}",
      m->points->str);
  g_autoptr(DspJson) json =
      dsp_json_parse("made.json", text, strlen(text), NULL);
  GPtrArray *files =
      g_ptr_array_new_with_free_func((GDestroyNotify)dsp_measurements_free);
  CU_ASSERT_PTR_NOT_NULL_FATAL(json);
  g_ptr_array_add(files, dsp_measurements_read(json, NULL));
  g_string_free(m->points, TRUE);
  CU_ASSERT_PTR_NOT_NULL_FATAL(files->pdata[0]);
  return files;
}

static GPtrArray *make(const char *cluster, const Truth *truth, guint spoil) {
  Maker m = {.points = g_string_new(NULL), .spoil = spoil};
  make_points(&m, cluster, truth, "g");
  return finish(&m);
}

static DspCalibration *calibrate(const GPtrArray *files, const char *cluster,
                                 DspCalibrateMode mode) {
  g_autoptr(GError) error = NULL;
  const DspCalibrateJob job = {files, cluster, NULL, mode};
  DspCalibration *c = dsp_calibrate(&job, &error);
  if (!c)
    printf("# %s\n", error->message);
  CU_ASSERT_PTR_NOT_NULL_FATAL(c);
  return c;
}

static const DspCalibratedConstant *find(const DspCalibration *c,
                                         const char *network, const char *key) {
  const GArray *all = dsp_calibration_constants(c);
  for (guint i = 0; i < all->len; i++) {
    const DspCalibratedConstant *constant =
        &g_array_index(all, DspCalibratedConstant, i);
    if (strcmp(constant->file, network) == 0 && strcmp(constant->key, key) == 0)
      return constant;
  }
  CU_FAIL_FATAL("no such constant");
  return NULL;
}

static void check(const DspCalibration *c, const char *network, const char *key,
                  double factor, double tolerance) {
  const DspCalibratedConstant *constant = find(c, network, key);
  const double ratio = constant->after / (factor * constant->before);
  if (constant->kept || fabs(ratio - 1) > tolerance)
    printf("# %s %s: %g of what it should be, %s\n", network, key, ratio,
           constant->kept ? constant->kept : "fitted");
  CU_ASSERT_PTR_NULL(constant->kept);
  CU_ASSERT(fabs(ratio - 1) <= tolerance);
}

/* --- tests --------------------------------------------------------------- */

/* Constants that made the times are found again. */
static void test_recovers(void) {
  g_autoptr(GPtrArray) files = make("dgx-h100", &changed, 0);
  g_autoptr(DspCalibration) c =
      calibrate(files, "dgx-h100", DSP_CALIBRATE_ALONE);
  check(c, "nvswitch-h100", "launch", changed.launch, 0.02);
  check(c, "nvswitch-h100", "step_ll", changed.step_ll, 0.05);
  check(c, "nvswitch-h100", "channel_rate", changed.channel_rate, 0.02);
  check(c, "nvswitch-h100", "p2p_launch", changed.p2p_launch, 0.05);
  check(c, "nvswitch-h100", "all_to_all_rate", changed.all_to_all, 0.02);
  check(c, "ib-ndr", "bandwidth", changed.nic, 0.02);
  CU_ASSERT(dsp_test_worst_error(c) < 0.02);
}

/* A tenth of the runs 4 times too slow does not move them far. */
static void test_outliers(void) {
  g_autoptr(GPtrArray) files = make("dgx-h100", &changed, 10);
  g_autoptr(DspCalibration) c =
      calibrate(files, "dgx-h100", DSP_CALIBRATE_ALONE);
  check(c, "nvswitch-h100", "launch", changed.launch, 0.03);
  check(c, "nvswitch-h100", "channel_rate", changed.channel_rate, 0.03);
  check(c, "ib-ndr", "bandwidth", changed.nic, 0.03);
}

/* Where profile and times agree nothing moves; what is kept is kept to the
 * bit, and says why. */
static void test_stays(void) {
  g_autoptr(GPtrArray) files = make("dgx-b200", &as_it_is, 0);
  g_autoptr(DspCalibration) c =
      calibrate(files, "dgx-b200", DSP_CALIBRATE_ALONE);
  const GArray *all = dsp_calibration_constants(c);
  guint kept = 0;
  for (guint i = 0; i < all->len; i++) {
    const DspCalibratedConstant *constant =
        &g_array_index(all, DspCalibratedConstant, i);
    CU_ASSERT(fabs(constant->after - constant->before) <=
              1e-6 * constant->before);
    if (!constant->kept)
      continue;
    kept++;
    CU_ASSERT(constant->after == constant->before);
    CU_ASSERT(isnan(constant->error));
  }
  CU_ASSERT_EQUAL(dsp_calibration_fitted(c), all->len - kept);
  CU_ASSERT(kept > 0);
}

/* One collective in one node tells nothing of send/recv, of NICs or of trees.
 */
static void test_not_identified(void) {
  Maker m = {.points = g_string_new(NULL), .cluster = "dgx-h100"};
  g_autoptr(DspCluster) cluster = dsp_cluster_load("dgx-h100", NULL);
  g_autoptr(DspTopology) t = dsp_topology_new_partial(cluster, 1, 8, NULL);
  for (int64_t bytes = 1 << 10; bytes <= 1 << 14; bytes *= 2)
    make_point(&m, t, 1, DSP_ALL_GATHER, bytes, "g");
  g_autoptr(GPtrArray) files = finish(&m);
  g_autoptr(DspCalibration) c =
      calibrate(files, "dgx-h100", DSP_CALIBRATE_ALONE);
  static const char *const free[] = {"p2p_launch", "all_to_all_rate", "tree_ll",
                                     "step_nvls", "bandwidth"};
  for (guint i = 0; i < G_N_ELEMENTS(free); i++)
    CU_ASSERT_STRING_EQUAL(find(c, "nvswitch-h100", free[i])->kept,
                           "no point depends on it");
  /* launch + 7 step_ll: only one of the two. */
  CU_ASSERT(!find(c, "nvswitch-h100", "launch")->kept !=
            !find(c, "nvswitch-h100", "step_ll")->kept);
  CU_ASSERT(dsp_calibration_fitted(c) <= 2);
}

/* An excluded group is as good as absent. */
static void test_excluded(void) {
  static const Truth slow = {3, 1, 0.5, 1, 0.5, 0.5};
  Maker m = {.points = g_string_new(NULL)};
  make_points(&m, "dgx-h100", &changed, "good");
  make_points(&m, "dgx-h100", &slow, "bad");
  g_autoptr(GPtrArray) files = finish(&m);
  g_autoptr(GPtrArray) alone = make("dgx-h100", &changed, 0);
  g_autoptr(GPtrArray) names = g_ptr_array_new();
  g_ptr_array_add(names, (gpointer) "bad");
  const DspCalibrateJob job = {files, "dgx-h100", names, DSP_CALIBRATE_ALONE};
  g_autoptr(DspCalibration) with = dsp_calibrate(&job, NULL);
  g_autoptr(DspCalibration) without =
      calibrate(alone, "dgx-h100", DSP_CALIBRATE_ALONE);
  CU_ASSERT_PTR_NOT_NULL_FATAL(with);
  const GArray *a = dsp_calibration_constants(with);
  const GArray *b = dsp_calibration_constants(without);
  CU_ASSERT_EQUAL_FATAL(a->len, b->len);
  for (guint i = 0; i < a->len; i++)
    CU_ASSERT(g_array_index(a, DspCalibratedConstant, i).after ==
              g_array_index(b, DspCalibratedConstant, i).after);
  CU_ASSERT_EQUAL(dsp_calibration_points(with, TRUE)->len,
                  2 * dsp_calibration_points(without, TRUE)->len);
}

static GPtrArray *make_two(const Truth *own) {
  Maker m = {.points = g_string_new(NULL)};
  make_points(&m, "hgx-h200-roce", &changed, "other");
  make_points(&m, "dgx-h100", own, "own");
  return finish(&m);
}

/* A cluster that is left out has no say in its own constants, and they come
 * from the one that shares a network with it. */
static void test_left_out(void) {
  static const Truth slow = {3, 1, 0.5, 1, 0.5, 0.5};
  g_autoptr(GPtrArray) one = make_two(&changed);
  g_autoptr(GPtrArray) other = make_two(&slow);
  g_autoptr(DspCalibration) a =
      calibrate(one, "dgx-h100", DSP_CALIBRATE_WITHOUT);
  g_autoptr(DspCalibration) b =
      calibrate(other, "dgx-h100", DSP_CALIBRATE_WITHOUT);
  const GArray *all = dsp_calibration_constants(a);
  for (guint i = 0; i < all->len; i++)
    CU_ASSERT(
        g_array_index(all, DspCalibratedConstant, i).after ==
        g_array_index(dsp_calibration_constants(b), DspCalibratedConstant, i)
            .after);
  check(a, "nvswitch-h100", "launch", changed.launch, 0.02);
  CU_ASSERT_PTR_NOT_NULL(find(a, "ib-ndr", "bandwidth")->kept);
}

/* A folder of its own, with what calibrations write there. */
static char *begin_folder(void) {
  char *folder = g_dir_make_tmp("dspsim-XXXXXX", NULL);
  CU_ASSERT_PTR_NOT_NULL_FATAL(folder);
  return folder;
}

static void end_folder(const char *folder) {
  static const char *const names[] = {
      "dgx-h100.json", "dgx-h100-nvswitch-h100.json", "dgx-h100-ib-ndr.json"};
  for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
    g_autofree char *file = g_build_filename(folder, names[i], NULL);
    g_remove(file);
  }
  CU_ASSERT_EQUAL(g_rmdir(folder), 0);
}

/* What is written can be loaded, and has what was fitted. */
static void test_writes(void) {
  g_autofree char *folder = begin_folder();
  g_autofree char *file = g_build_filename(folder, "dgx-h100.json", NULL);
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) files = make("dgx-h100", &changed, 0);
  g_autoptr(DspCalibration) c =
      calibrate(files, "dgx-h100", DSP_CALIBRATE_ALONE);
  CU_ASSERT_FATAL(dsp_calibration_write(c, files, file, &error));
  g_autoptr(DspCluster) cluster = dsp_cluster_load(file, NULL);
  CU_ASSERT_PTR_NOT_NULL_FATAL(cluster);
  const double fitted[][2] = {
      {cluster->intra.launch, find(c, "nvswitch-h100", "launch")->after},
      {cluster->intra.channel_rate,
       find(c, "nvswitch-h100", "channel_rate")->after},
      {cluster->nic_bandwidth, find(c, "ib-ndr", "bandwidth")->after},
      {cluster->intra.bandwidth, 20.6e9}};
  for (guint i = 0; i < G_N_ELEMENTS(fitted); i++)
    CU_ASSERT(fabs(fitted[i][0] / fitted[i][1] - 1) < 1e-3);
  g_autofree char *text = NULL;
  CU_ASSERT_FATAL(g_file_get_contents(file, &text, NULL, NULL));
  CU_ASSERT_PTR_NOT_NULL(strstr(text, "dspsim calibrate: made.json"));
  /* Calibrated again, it stays. */
  g_autoptr(DspCalibration) again = calibrate(files, file, DSP_CALIBRATE_ALONE);
  const GArray *all = dsp_calibration_constants(again);
  CU_ASSERT(dsp_test_worst_error(again) < 0.02);
  for (guint i = 0; i < all->len; i++) {
    const DspCalibratedConstant *constant =
        &g_array_index(all, DspCalibratedConstant, i);
    CU_ASSERT(fabs(constant->after - constant->before) <=
              0.02 * constant->before);
  }
  end_folder(folder);
}

static void test_refused(void) {
  g_autoptr(GPtrArray) files = make("dgx-h100", &as_it_is, 0);
  static const struct {
    const char *cluster;
    int code;
  } bad[] = {{"dgx-a100-80", DSP_ERROR_INFEASIBLE},
             {"dgx-h1000", DSP_ERROR_USAGE}};
  for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
    g_autoptr(GError) error = NULL;
    const DspCalibrateJob job = {files, bad[i].cluster, NULL,
                                 DSP_CALIBRATE_ALONE};
    g_autoptr(DspCalibration) c = dsp_calibrate(&job, &error);
    CU_ASSERT_PTR_NULL(c);
    CU_ASSERT(g_error_matches(error, DSP_ERROR, bad[i].code));
  }
}

/* Columns: a clear one, its double, a faint one, nothing, another clear one. */
static void test_identify(void) {
  double columns[5][4] = {
      {9, 0, 0, 0}, {4, 0, 0, 0.01}, {0, 0.1, 0, 0}, {0}, {0, 0, 7, 0}};
  gboolean taken[5];
  double error[5];
  int like[5];
  dsp_identify(&columns[0][0], 4, 5, 0.1, 0.25, taken, error, like);
  CU_ASSERT(taken[0] && !taken[1] && !taken[2] && !taken[3] && taken[4]);
  CU_ASSERT_EQUAL(like[1], 0);
  CU_ASSERT_EQUAL(like[2], -1);
  CU_ASSERT_DOUBLE_EQUAL(error[0], 0.1 / 9, 1e-12);
  CU_ASSERT_DOUBLE_EQUAL(error[2], 1, 1e-12);
  CU_ASSERT(isinf(error[3]));
}

CU_TestInfo calibrate_fit_tests[] = {
    {"known constants are found", test_recovers},
    {"some bad runs", test_outliers},
    {"nothing to do", test_stays},
    {"what points do not tell", test_not_identified},
    {"an excluded group", test_excluded},
    {"a cluster left out", test_left_out},
    {"the profile that is written", test_writes},
    {"what is refused", test_refused},
    {"columns that are alike", test_identify},
    CU_TEST_INFO_NULL,
};
