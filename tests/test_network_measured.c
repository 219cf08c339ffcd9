/* SPDX-License-Identifier: Apache-2.0 */
/* Prices against measurements: the files in tests/data/network say where they
 * are from. Each collective and band of sizes has a limit on its median error,
 * a little above what the model reaches, so that a change that makes it worse
 * is seen. */
#include "network/collective.h"
#include "test_network.h"

#define MiB *1048576.0

/* Median of |predicted / measured - 1|, by band. */
typedef struct {
  const char *file;
  DspCollective collective;
  double limit[3];
} Limits;

static const Limits limits[] = {
    {"collectives.json", DSP_ALL_TO_ALL, {0.06, 0.05, 0.03}},
    {"collectives.json", DSP_ALL_GATHER, {0.06, 0.08, 0.05}},
    {"collectives.json", DSP_REDUCE_SCATTER, {0.05, 0.08, 0.05}},
    {"collectives.json", DSP_ALL_REDUCE, {0.06, 0.06, 0.04}},
    {"nodes.json", DSP_ALL_GATHER, {0.10, 0.09, 0.16}},
    {"nodes.json", DSP_ALL_REDUCE, {0.08, 0.08, 0.03}},
};

static const struct {
  const char *name;
  double least, below; /* bytes */
} bands[] = {
    {"below 1 MiB", 0, 1 MiB},
    {"1 to 64 MiB", 1 MiB, 64 MiB},
    {"from 64 MiB", 64 MiB, INFINITY},
};

static double number_of(const cJSON *point, const char *key) {
  return cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(point, key));
}

static const char *string_of(const cJSON *point, const char *key) {
  return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(point, key));
}

static double error_of(const cJSON *point, DspCollective collective) {
  g_autoptr(GError) error = NULL;
  g_autoptr(DspCluster) cluster =
      dsp_cluster_load(string_of(point, "cluster"), &error);
  DSP_CHECK_NO_ERROR(error);
  const guint nodes = (guint)number_of(point, "nodes");
  const guint gpus = (guint)number_of(point, "gpus_per_node");
  const DspAxis axis = {nodes * gpus, nodes * gpus, 1};
  const char *nccl = string_of(point, "nccl");
  if (nccl)
    DSP_CHECK(dsp_parse_nccl_version(nccl, &cluster->nccl_version),
              "version '%s'", nccl);
  g_autoptr(DspTopology) topology =
      dsp_topology_new_partial(cluster, nodes, gpus, &error);
  DSP_CHECK_NO_ERROR(error);
  g_autoptr(DspPrice) price = dsp_price_new(
      topology, &axis, -1, collective, (gint64)number_of(point, "bytes"), NULL);
  const double time = string_of(point, "processes")
                          ? dsp_price_by_one_process(
                                price, gpus, nccl ? cluster->nccl_version : 0)
                          : price->time;
  return fabs(time * 1e6 / number_of(point, "time_us") - 1);
}

static gint compare_errors(gconstpointer a, gconstpointer b) {
  const double *x = a, *y = b;
  return (*x > *y) - (*x < *y);
}

static gboolean is_of(const cJSON *point, DspCollective collective,
                      guint band) {
  const double bytes = number_of(point, "bytes");
  return bytes >= bands[band].least && bytes < bands[band].below &&
         g_strcmp0(string_of(point, "collective"),
                   dsp_collective_names[collective]) == 0;
}

static void check_band(const cJSON *points, const Limits *of, guint band) {
  g_autoptr(GArray) errors = g_array_new(FALSE, FALSE, sizeof(double));
  const cJSON *point;
  cJSON_ArrayForEach(point, points) {
    if (!is_of(point, of->collective, band))
      continue;
    const double error = error_of(point, of->collective);
    g_array_append_val(errors, error);
  }
  g_array_sort(errors, compare_errors);
  DSP_CHECK(errors->len >= 2, "only %u points", errors->len);
  const double median = g_array_index(errors, double, errors->len / 2);
  DSP_CHECK(median <= of->limit[band],
            "%s, %s %s: median error %.3f of %u points, limit %g", of->file,
            dsp_collective_names[of->collective], bands[band].name, median,
            errors->len, of->limit[band]);
}

static void test_measured(void) {
  for (guint i = 0; i < G_N_ELEMENTS(limits); i++) {
    g_autoptr(GError) error = NULL;
    g_autofree char *name =
        g_strdup_printf("tests/data/network/%s", limits[i].file);
    g_autofree char *path = dsp_test_path(name);
    g_autoptr(DspJson) json = dsp_json_load(path, &error);
    DSP_CHECK_NO_ERROR(error);
    if (!json)
      return;
    const cJSON *points =
        cJSON_GetObjectItemCaseSensitive(dsp_json_root(json), "points");
    for (guint band = 0; band < G_N_ELEMENTS(bands); band++)
      check_band(points, &limits[i], band);
  }
}

CU_TestInfo dsp_measured_tests[] = {
    {"median errors", test_measured},
    CU_TEST_INFO_NULL,
};
