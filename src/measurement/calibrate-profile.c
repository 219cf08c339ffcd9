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
               [DSP_QUANTITY_SHARE] = {1, ""},
               [DSP_QUANTITY_NUMBER] = {1, ""},
               [DSP_QUANTITY_FACTOR] = {1, ""}};
  return g_strdup_printf("%.4g%s", value / units[quantity].unit,
                         units[quantity].name);
}

typedef struct {
  const DspCalibration *c;
  const GPtrArray *files;
  const char *file;
  char *names;  /* "gemm.json, memory.json" */
  char *record; /* the same with SHA-256, and what all came to */
} Writer;

/* --- what it is made from ------------------------------------------------ */

static double median_error(const GArray *points, DspMeasuredKind kind) {
  g_autoptr(GArray) sizes = g_array_new(FALSE, FALSE, sizeof(double));
  for (guint i = 0; i < points->len; i++) {
    const DspScored *s = &g_array_index(points, DspScored, i);
    const double size = fabs(dsp_scored_error(s));
    if (s->point->kind == kind)
      g_array_append_val(sizes, size);
  }
  return 100 * dsp_median(sizes);
}

static guint count_trained(const DspCalibration *c, DspMeasuredKind kind) {
  guint n = 0;
  for (guint i = 0; i < c->samples->len; i++)
    n += dsp_sample(c, i)->trained && dsp_sample(c, i)->point->kind == kind;
  return n;
}

/* "gemm: median error 3.9 %, 4.2 % before, 600 points" */
static char *describe(const DspCalibration *c, DspMeasuredKind kind) {
  return g_strdup_printf("%s: median error %.1f %%, %.1f %% before, %u points",
                         dsp_measured_names[kind], median_error(c->after, kind),
                         median_error(c->before, kind), count_trained(c, kind));
}

static void begin(Writer *w) {
  g_autofree char *sums = dsp_write_names(w->files, TRUE);
  GString *record = g_string_new("dspsim calibrate: ");
  g_string_append(record, sums);
  for (int kind = 0; kind < DSP_N_MEASURED; kind++) {
    g_autofree char *what = describe(w->c, (DspMeasuredKind)kind);
    if (count_trained(w->c, (DspMeasuredKind)kind))
      g_string_append_printf(record, "; %s", what);
  }
  w->names = dsp_write_names(w->files, FALSE);
  w->record = g_string_free(record, FALSE);
}

/* {"value": ..., "source": ...} of what was fitted. */
static cJSON *annotate(const Writer *w, const DspCalibratedConstant *constant,
                       double after, double before) {
  g_autofree char *value = dsp_quantity_format(constant->quantity, after);
  g_autofree char *old = dsp_quantity_format(constant->quantity, before);
  g_autofree char *what = describe(w->c, constant->kind);
  g_autofree char *source = g_strdup_printf(
      "dspsim calibrate: %s; %s, %u of which depend on this; standard error "
      "%.1f %%; %s before",
      w->names, what, constant->points, 100 * constant->error, old);
  cJSON *node = cJSON_CreateObject();
  if (constant->quantity <= DSP_QUANTITY_RATE)
    cJSON_AddStringToObject(node, "value", value);
  else
    cJSON_AddNumberToObject(node, "value", g_ascii_strtod(value, NULL));
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

/* The object of that key, which is made if there is none; without a key the
 * whole. */
static cJSON *section(cJSON *object, const char *key) {
  cJSON *node = key ? cJSON_GetObjectItemCaseSensitive(object, key) : object;
  return node ? node : cJSON_AddObjectToObject(object, key);
}

/* Whether the cluster's profile, and not the network's file, has the bandwidth:
 * NCCL's choices go by the one in the latter. */
static gboolean is_overridden(const Writer *w, guint k) {
  return dsp_is_bandwidth(dsp_free_constant(w->c, k)) &&
         (w->c->cluster->node_kind != DSP_NODE_MESH ||
          g_strcmp0(dsp_calibrated(w->c, k)->file, w->c->cluster->intra_name) !=
              0);
}

/* Puts what was fitted of the file's constants into it; FALSE: nothing was. */
static gboolean put_fitted(const Writer *w, const char *name, cJSON *root) {
  gboolean any = FALSE;
  for (guint k = 0; k < w->c->constants->len; k++) {
    const DspCalibratedConstant *constant = dsp_calibrated(w->c, k);
    const DspFreeConstant *f = dsp_free_constant(w->c, k);
    if (constant->kept || strcmp(constant->file, name) != 0 ||
        is_overridden(w, k))
      continue;
    put(section(section(root, f->section), f->part), f->key,
        annotate(w, constant, constant->after, constant->before));
    any = TRUE;
  }
  return any;
}

/* "dir/new.json" and "ib-ndr" make "dir/new-ib-ndr.json". */
static char *part_file(const Writer *w, const char *name) {
  const gsize stem = strlen(w->file) - strlen(".json");
  g_autofree char *base = dsp_calibrate_name(name);
  return g_strdup_printf("%.*s-%s.json", (int)stem, w->file, base);
}

/* Writes the file that `key` of the profile names beside it, if any of its
 * constants was fitted. */
static gboolean write_part(const Writer *w, cJSON *profile, const char *key,
                           const char *name, const DspJson *json,
                           GError **error) {
  if (!name)
    return TRUE;
  cJSON *part = cJSON_Duplicate(dsp_json_root(json), TRUE);
  gboolean written = TRUE;
  if (put_fitted(w, name, part)) {
    g_autofree char *file = part_file(w, name);
    g_autofree char *base = g_path_get_basename(file);
    put(part, "note", cJSON_CreateString(w->record));
    put(profile, key, cJSON_CreateString(base));
    written = dsp_write_json(file, part, error);
  }
  cJSON_Delete(part);
  return written;
}

static void override_bandwidth(const Writer *w, cJSON *profile) {
  const DspCluster *cluster = w->c->cluster;
  for (guint k = 0; k < w->c->constants->len; k++) {
    const DspCalibratedConstant *constant = dsp_calibrated(w->c, k);
    const gboolean intra = strcmp(constant->file, cluster->intra_name) == 0;
    const double links = intra ? (double)cluster->gpu->links : 1;
    if (!constant->kept && is_overridden(w, k))
      put(section(profile, intra ? "node" : "nic"),
          intra ? "nvlink_bandwidth" : "bandwidth",
          annotate(w, constant, links * constant->after,
                   links * constant->before));
  }
}

static gboolean write_all(const Writer *w, cJSON *profile, GError **error) {
  const DspCluster *c = w->c->cluster;
  override_bandwidth(w, profile);
  put_fitted(w, c->name, profile);
  put(profile, "note", cJSON_CreateString(w->record));
  if (!write_part(w, profile, "gpu", c->gpu->name, c->gpu->json, error) ||
      !write_part(w, profile, "intra", c->intra_name, c->intra_json, error) ||
      !write_part(w, profile, "inter", c->inter_name, c->network_json, error) ||
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
  begin(&w);
  cJSON *profile = cJSON_Duplicate(dsp_json_root(c->cluster->json), TRUE);
  const gboolean written = write_all(&w, profile, error);
  cJSON_Delete(profile);
  g_free(w.names);
  g_free(w.record);
  return written;
}
