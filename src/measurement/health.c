/* SPDX-License-Identifier: Apache-2.0 */
/* Which measured runs of collectives are slower than the machine should be. */
#include "measurement/score.h"
#include "measurement/statistics.h"
#include <math.h>
#include <string.h>

#define LEAST_BYTES (1 << 20)

typedef struct {
  DspRunHealth health;
  GArray *ratios; /* measured / predicted */
} Run;

static void run_free(gpointer data) {
  g_array_unref(((Run *)data)->ratios);
  g_free(data);
}

static char *name_of(const DspScored *s) {
  const DspCollectivePoint *p = &s->point->collective;
  if (s->point->group)
    return g_strdup_printf("%p %s", (const void *)s->file, s->point->group);
  return g_strdup_printf("%p %s %d %" G_GINT64_FORMAT " %" G_GINT64_FORMAT,
                         (const void *)s->file, p->cluster, p->collective,
                         p->nodes, p->gpus_per_node);
}

static gboolean is_judged(const DspScored *s) {
  return s->point->kind == DSP_MEASURED_COLLECTIVE && !s->skipped &&
         s->point->collective.bytes >= LEAST_BYTES;
}

static void add_point(GPtrArray *runs, GHashTable *index, const DspScored *s) {
  const double ratio = s->point->measured / s->predicted;
  g_autofree char *name = name_of(s);
  Run *run = g_hash_table_lookup(index, name);
  if (!run) {
    run = g_new0(Run, 1);
    run->health.first = s;
    run->ratios = g_array_new(FALSE, FALSE, sizeof(double));
    g_ptr_array_add(runs, run);
    g_hash_table_insert(index, g_steal_pointer(&name), run);
  }
  g_array_append_val(run->ratios, ratio);
  if (ratio <= run->health.worst)
    return;
  run->health.worst = ratio;
  run->health.worst_bytes = s->point->collective.bytes;
}

static gint slowest_first(gconstpointer a, gconstpointer b) {
  const DspRunHealth *x = a, *y = b;
  if (x->slowdown != y->slowdown)
    return x->slowdown < y->slowdown ? 1 : -1;
  return x->first < y->first ? -1 : x->first > y->first;
}

GArray *dsp_score_health(const DspScore *score, double threshold) {
  GArray *results = g_array_new(FALSE, FALSE, sizeof(DspRunHealth));
  g_autoptr(GPtrArray) runs = g_ptr_array_new_with_free_func(run_free);
  g_autoptr(GHashTable) index =
      g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < score->points->len; i++)
    if (is_judged(dsp_scored(score, i)))
      add_point(runs, index, dsp_scored(score, i));
  for (guint i = 0; i < runs->len; i++) {
    Run *run = runs->pdata[i];
    run->health.n = run->ratios->len;
    run->health.slowdown = dsp_median(run->ratios);
    run->health.unhealthy = run->health.slowdown > threshold;
    g_array_append_val(results, run->health);
  }
  g_array_sort(results, slowest_first);
  return results;
}
