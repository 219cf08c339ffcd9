/* SPDX-License-Identifier: Apache-2.0 */
#include "measurement/calibrate-private.h"
#include <string.h>

static void constant_clear(gpointer data) {
  DspCalibratedConstant *constant = data;
  g_free(constant->kept);
  g_free(constant->key);
}

DspCalibration *dsp_calibrate(const DspCalibrateJob *job, GError **error) {
  g_autoptr(DspCalibration) c = g_new0(DspCalibration, 1);
  c->constants = g_array_new(FALSE, TRUE, sizeof(DspCalibratedConstant));
  c->free = g_array_new(FALSE, FALSE, sizeof(DspFreeConstant));
  c->sites = g_ptr_array_new_with_free_func(dsp_site_free);
  c->stands = g_ptr_array_new_with_free_func(dsp_stand_free);
  c->samples = g_array_new(FALSE, TRUE, sizeof(DspSample));
  c->inventory = dsp_inventory_new();
  c->gpus = g_ptr_array_new();
  g_array_set_clear_func(c->constants, constant_clear);
  if (!dsp_calibration_gather(c, job, error))
    return NULL;
  dsp_calibration_list(c);
  dsp_calibration_fit(c);
  return g_steal_pointer(&c);
}

void dsp_calibration_free(DspCalibration *c) {
  if (!c)
    return;
  g_array_unref(c->constants);
  g_array_unref(c->free);
  g_array_unref(c->samples);
  g_clear_pointer(&c->before, g_array_unref);
  g_clear_pointer(&c->after, g_array_unref);
  g_ptr_array_unref(c->stands);
  g_ptr_array_unref(c->sites);
  g_ptr_array_unref(c->gpus);
  dsp_inventory_free(c->inventory);
  dsp_cluster_free(c->cluster);
  g_free(c);
}

const GArray *dsp_calibration_constants(const DspCalibration *c) {
  return c->constants;
}

guint dsp_calibration_fitted(const DspCalibration *c) {
  guint fitted = 0;
  for (guint k = 0; k < c->constants->len; k++)
    fitted += !dsp_calibrated(c, k)->kept;
  return fitted;
}

const GArray *dsp_calibration_points(const DspCalibration *c, gboolean after) {
  return after ? c->after : c->before;
}

guint dsp_calibration_training(const DspCalibration *c, guint *clusters,
                               guint *skipped) {
  *clusters = c->clusters;
  *skipped = c->skipped;
  return c->training;
}

const DspCluster *dsp_calibration_cluster(const DspCalibration *c) {
  return c->cluster;
}

static gint by_name(gconstpointer a, gconstpointer b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

char **dsp_calibrate_clusters(const GPtrArray *files) {
  g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
  g_autoptr(GPtrArray) names = g_ptr_array_new();
  for (guint i = 0; i < files->len; i++) {
    const DspMeasurements *file = files->pdata[i];
    for (guint j = 0; j < file->points->len; j++) {
      const DspPoint *p = dsp_point(file, j);
      if (p->kind == DSP_MEASURED_COLLECTIVE && p->trust == DSP_TRUST_HEALTHY &&
          g_hash_table_add(seen, p->collective.cluster))
        g_ptr_array_add(names, p->collective.cluster);
    }
  }
  g_ptr_array_sort(names, by_name);
  g_ptr_array_add(names, NULL);
  return g_strdupv((char **)names->pdata);
}
