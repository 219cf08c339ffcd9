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
  c->folded = job->folds > 0;
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

guint dsp_calibration_training(const DspCalibration *c, guint *machines,
                               guint *skipped) {
  *machines = c->machines;
  *skipped = c->skipped;
  return c->training;
}

const char *dsp_calibration_name(const DspCalibration *c) {
  return c->folded ? c->cluster->gpu->name : c->cluster->name;
}

const DspCluster *dsp_calibration_cluster(const DspCalibration *c) {
  return c->cluster;
}

static gint by_name(gconstpointer a, gconstpointer b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The machine of a point of that sort, or NULL. */
static const char *machine_of(const DspPoint *p, gboolean gpus) {
  if (p->trust != DSP_TRUST_HEALTHY)
    return NULL;
  if (gpus)
    return dsp_point_gpu(p);
  return p->kind == DSP_MEASURED_COLLECTIVE ? dsp_point_cluster(p) : NULL;
}

char **dsp_calibrate_machines(const GPtrArray *files, gboolean gpus) {
  g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
  g_autoptr(GPtrArray) names = g_ptr_array_new();
  for (guint i = 0; i < files->len; i++) {
    const DspMeasurements *file = files->pdata[i];
    for (guint j = 0; j < file->points->len; j++) {
      const char *name = machine_of(dsp_point(file, j), gpus);
      if (name && g_hash_table_add(seen, (gpointer)name))
        g_ptr_array_add(names, (gpointer)name);
    }
  }
  g_ptr_array_sort(names, by_name);
  g_ptr_array_add(names, NULL);
  return g_strdupv((char **)names->pdata);
}
