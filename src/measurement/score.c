/* SPDX-License-Identifier: Apache-2.0 */
#include "measurement/score.h"
#include "base/error.h"
#include "measurement/predict-point.h"
#include <math.h>
#include <string.h>

double dsp_scored_error(const DspScored *s) {
  return s->predicted / s->point->measured - 1;
}

double dsp_scored_time_error(const DspScored *s) {
  return dsp_point_seconds(s->point, s->predicted) /
             dsp_point_seconds(s->point, s->point->measured) -
         1;
}

static const char *gpu_of(DspInventory *inventory, const DspPoint *point) {
  const char *cluster = dsp_point_cluster(point);
  if (!cluster)
    return dsp_point_gpu(point);
  const DspCluster *known = dsp_inventory_cluster(inventory, cluster, 0, NULL);
  return known ? known->gpu->name : NULL;
}

static gboolean score_point(DspScore *score, DspScored *scored,
                            GError **error) {
  g_autoptr(GError) cause = NULL;
  scored->gpu = gpu_of(score->inventory, scored->point);
  if (dsp_point_predict(score->inventory, scored->point, &scored->predicted,
                        &cause)) {
    scored->spread = dsp_inventory_take_spread(score->inventory);
    return TRUE;
  }
  scored->predicted = NAN;
  if (g_error_matches(cause, DSP_ERROR, DSP_ERROR_INFEASIBLE)) {
    scored->skipped = g_strdup(cause->message);
    return TRUE;
  }
  g_propagate_error(error, g_steal_pointer(&cause));
  return FALSE;
}

static void scored_clear(gpointer data) {
  DspScored *scored = data;
  g_free(scored->skipped);
  dsp_spread_free(scored->spread);
}

DspScore *dsp_score_new(const GPtrArray *files, GError **error) {
  g_autoptr(DspScore) score = g_new0(DspScore, 1);
  score->inventory = dsp_inventory_new();
  score->points = g_array_new(FALSE, TRUE, sizeof(DspScored));
  g_array_set_clear_func(score->points, scored_clear);
  for (guint i = 0; i < files->len; i++) {
    const DspMeasurements *file = files->pdata[i];
    for (guint j = 0; j < file->points->len; j++) {
      DspScored scored = {
          .file = file, .point = dsp_point(file, j), .interval = {NAN, NAN}};
      const gboolean done = score_point(score, &scored, error);
      g_array_append_val(score->points, scored);
      if (!done)
        return NULL;
    }
  }
  return g_steal_pointer(&score);
}

void dsp_score_free(DspScore *score) {
  if (!score)
    return;
  g_array_unref(score->points);
  dsp_inventory_free(score->inventory);
  g_free(score);
}

/* --- why points were skipped --------------------------------------------- */

static gint by_number(gconstpointer a, gconstpointer b) {
  const DspScoreReason *x = a, *y = b;
  if (x->n != y->n)
    return x->n < y->n ? 1 : -1;
  return x->kind != y->kind ? (gint)x->kind - (gint)y->kind
                            : strcmp(x->reason, y->reason);
}

static void count_reason(GArray *reasons, const DspScored *s) {
  for (guint i = 0; i < reasons->len; i++) {
    DspScoreReason *r = &g_array_index(reasons, DspScoreReason, i);
    if (r->kind == s->point->kind && strcmp(r->reason, s->skipped) == 0) {
      r->n++;
      return;
    }
  }
  const DspScoreReason reason = {s->skipped, s->point->kind, 1};
  g_array_append_val(reasons, reason);
}

GArray *dsp_score_reasons(const DspScore *score, guint trusts) {
  GArray *reasons = g_array_new(FALSE, FALSE, sizeof(DspScoreReason));
  for (guint i = 0; i < score->points->len; i++) {
    const DspScored *s = dsp_scored(score, i);
    if (s->skipped && trusts & (1u << s->point->trust))
      count_reason(reasons, s);
  }
  g_array_sort(reasons, by_number);
  return reasons;
}
