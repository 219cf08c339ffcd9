/* SPDX-License-Identifier: Apache-2.0 */
/* A calibration as files of hwprofiles: what was fitted, and from what. */
#include "base/error.h"
#include "measurement/calibrate-private.h"
#include "measurement/statistics.h"
#include "measurement/write-json.h"
#include <math.h>
#include <string.h>

char *dsp_quantity_format(DspQuantity quantity, double value) {
  static const struct {
    double unit;
    const char *name;
  } units[] = {[DSP_QUANTITY_TIME] = {1e-6, "us"},
               [DSP_QUANTITY_RATE] = {1e9, "GB/s"},
               [DSP_QUANTITY_SHARE] = {1, ""}};
  return g_strdup_printf("%.4g%s", value / units[quantity].unit,
                         units[quantity].name);
}

typedef struct {
  const DspCalibration *c;
  const GPtrArray *files;
  const char *file;
  char *origin; /* "dspsim calibrate: FILE, ..., 32 points, ..." */
  char *record; /* the same with the SHA-256 of files */
} Writer;

/* --- what it is made from ------------------------------------------------ */

static double median_error(const GArray *points) {
  g_autoptr(GArray) sizes = g_array_new(FALSE, FALSE, sizeof(double));
  for (guint i = 0; i < points->len; i++) {
    const double size =
        fabs(dsp_scored_error(&g_array_index(points, DspScored, i)));
    g_array_append_val(sizes, size);
  }
  return 100 * dsp_median(sizes);
}

static void describe(Writer *w) {
  g_autofree char *names = dsp_write_names(w->files, FALSE);
  g_autofree char *sums = dsp_write_names(w->files, TRUE);
  g_autofree char *errors = g_strdup_printf(
      "median error %.1f %%, %.1f %% before, %u points of %u cluster%s",
      median_error(w->c->after), median_error(w->c->before), w->c->training,
      w->c->clusters, w->c->clusters == 1 ? "" : "s");
  w->origin = g_strdup_printf("dspsim calibrate: %s, %s", names, errors);
  w->record = g_strdup_printf("dspsim calibrate: %s, %s", sums, errors);
}

/* {"value": ..., "source": ...} of what was fitted. */
static cJSON *annotate(const Writer *w, const DspCalibratedConstant *constant,
                       double after, double before) {
  g_autofree char *value = dsp_quantity_format(constant->quantity, after);
  g_autofree char *old = dsp_quantity_format(constant->quantity, before);
  g_autofree char *source =
      g_strdup_printf("%s, %u of which depend on this; standard error %.1f %%; "
                      "%s before",
                      w->origin, constant->points, 100 * constant->error, old);
  cJSON *node = cJSON_CreateObject();
  if (constant->quantity == DSP_QUANTITY_SHARE)
    cJSON_AddNumberToObject(node, "value", g_ascii_strtod(value, NULL));
  else
    cJSON_AddStringToObject(node, "value", value);
  cJSON_AddStringToObject(node, "source", source);
  return node;
}

static void put(cJSON *object, const char *key, cJSON *value) {
  if (cJSON_GetObjectItemCaseSensitive(object, key))
    cJSON_ReplaceItemInObjectCaseSensitive(object, key, value);
  else
    cJSON_AddItemToObject(object, key, value);
}

/* --- files --------------------------------------------------------------- */

/* Whether the cluster's profile, and not the network's file, has the constant:
 * NCCL's choices go by the bandwidth in the latter. */
static gboolean is_of_profile(const Writer *w, guint k) {
  return dsp_is_bandwidth(
             &dsp_free_constants[g_array_index(w->c->free, guint, k)]) &&
         (w->c->cluster->node_kind != DSP_NODE_MESH ||
          g_strcmp0(dsp_calibrated(w->c, k)->network,
                    w->c->cluster->intra_name) != 0);
}

/* The network with what was fitted, or NULL where nothing of it was. */
static cJSON *make_network(const Writer *w, const char *name,
                           const DspJson *json) {
  cJSON *root = NULL;
  for (guint k = 0; name && k < w->c->constants->len; k++) {
    const DspCalibratedConstant *constant = dsp_calibrated(w->c, k);
    if (constant->kept || strcmp(constant->network, name) != 0 ||
        is_of_profile(w, k))
      continue;
    if (!root)
      root = cJSON_Duplicate(dsp_json_root(json), TRUE);
    put(root, constant->key,
        annotate(w, constant, constant->after, constant->before));
  }
  if (root)
    put(root, "note", cJSON_CreateString(w->record));
  return root;
}

/* "dir/new.json" and "ib-ndr" make "dir/new-ib-ndr.json", which names a file
 * and nothing installed. */
static char *network_file(const Writer *w, const char *name) {
  const gsize stem = strlen(w->file) - strlen(".json");
  g_autofree char *base = dsp_calibrate_name(name);
  return g_strdup_printf("%.*s-%s.json", (int)stem, w->file, base);
}

static gboolean write_network(const Writer *w, cJSON *profile, const char *key,
                              const char *name, const DspJson *json,
                              GError **error) {
  cJSON *network = make_network(w, name, json);
  if (!network)
    return TRUE;
  g_autofree char *file = network_file(w, name);
  const gboolean written = dsp_write_json(file, network, error);
  put(profile, key, cJSON_CreateString(file));
  cJSON_Delete(network);
  return written;
}

/* The section of the profile, which may not have one. */
static cJSON *section(cJSON *profile, const char *key) {
  cJSON *node = cJSON_GetObjectItemCaseSensitive(profile, key);
  return node ? node : cJSON_AddObjectToObject(profile, key);
}

static void override_bandwidth(const Writer *w, cJSON *profile) {
  const DspCluster *cluster = w->c->cluster;
  for (guint k = 0; k < w->c->constants->len; k++) {
    const DspCalibratedConstant *constant = dsp_calibrated(w->c, k);
    const gboolean intra = strcmp(constant->network, cluster->intra_name) == 0;
    const double links = intra ? (double)cluster->gpu->links : 1;
    if (!constant->kept && is_of_profile(w, k))
      put(section(profile, intra ? "node" : "nic"),
          intra ? "nvlink_bandwidth" : "bandwidth",
          annotate(w, constant, links * constant->after,
                   links * constant->before));
  }
}

static gboolean write_all(const Writer *w, cJSON *profile, GError **error) {
  const DspCluster *c = w->c->cluster;
  override_bandwidth(w, profile);
  put(profile, "note", cJSON_CreateString(w->record));
  if (!write_network(w, profile, "intra", c->intra_name, c->intra_json,
                     error) ||
      !write_network(w, profile, "inter", c->inter_name, c->network_json,
                     error) ||
      !dsp_write_json(w->file, profile, error))
    return FALSE;
  g_autoptr(DspCluster) again = dsp_cluster_load(w->file, error);
  return again != NULL;
}

gboolean dsp_calibration_write(const DspCalibration *c, const GPtrArray *files,
                               const char *file, GError **error) {
  Writer w = {.c = c, .files = files, .file = file};
  if (!c->cluster->json || !g_str_has_suffix(file, ".json")) {
    g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE,
                c->cluster->json ? "'%s' does not end with '.json'"
                                 : "'%s': a description has no profile to "
                                   "write",
                c->cluster->json ? file : c->cluster->name);
    return FALSE;
  }
  describe(&w);
  cJSON *profile = cJSON_Duplicate(dsp_json_root(c->cluster->json), TRUE);
  const gboolean written = write_all(&w, profile, error);
  cJSON_Delete(profile);
  g_free(w.origin);
  g_free(w.record);
  return written;
}
