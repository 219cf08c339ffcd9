/* SPDX-License-Identifier: Apache-2.0 */
/* The errors of points that are alike. */
#include "measurement/keys.h"
#include "measurement/statistics.h"
#include <math.h>
#include <string.h>

/* A class being filled. */
typedef struct {
  DspScoreClass result;
  guint n_values;
  DspKeyValue values[DSP_MAX_SCORE_KEYS];
  GArray *errors, *time_errors; /* double */
  guint intervals, inside;      /* points that have one, that are in it */
} Class;

static void class_free(gpointer data) {
  Class *class = data;
  for (guint i = 0; i < class->n_values; i++)
    g_free(class->values[i].text);
  g_array_unref(class->errors);
  g_array_unref(class->time_errors);
  g_free(class);
}

/* The values of the keys `by`, FALSE if one does not apply. */
static gboolean find_values(Class *class, const char *by, const DspScored *s) {
  g_auto(GStrv) names = g_strsplit(by, ",", DSP_MAX_SCORE_KEYS);
  for (char **name = names; *name; name++) {
    const DspKeyValue value = dsp_score_key(*name)->value(s);
    if (!value.text)
      return FALSE;
    class->values[class->n_values++] = value;
  }
  return TRUE;
}

static char *join_values(const Class *class) {
  const char *texts[DSP_MAX_SCORE_KEYS + 1] = {NULL};
  for (guint i = 0; i < class->n_values; i++)
    texts[i] = class->values[i].text;
  return g_strjoinv(", ", (char **)texts);
}

static Class *class_new(void) {
  Class *class = g_new0(Class, 1);
  class->errors = g_array_new(FALSE, FALSE, sizeof(double));
  class->time_errors = g_array_new(FALSE, FALSE, sizeof(double));
  return class;
}

static void add_point(Class *class, const DspScored *s) {
  const double error = fabs(dsp_scored_error(s));
  const double time_error = dsp_scored_time_error(s);
  if (s->skipped) {
    class->result.skipped++;
    return;
  }
  g_array_append_val(class->errors, error);
  g_array_append_val(class->time_errors, time_error);
  class->intervals += !isnan(s->interval.p10);
  class->inside += dsp_scored_inside(s);
}

/* Classes in order of appearance, and by kind and value. */
typedef struct {
  GPtrArray *list;
  GHashTable *index;
} Classes;

static void sort_in(const Classes *classes, const DspScored *s,
                    const char *by) {
  Class *class = class_new();
  if (!find_values(class, by, s)) {
    class_free(class);
    return;
  }
  class->result.kind = s->point->kind;
  class->result.by = by;
  g_autofree char *value = join_values(class);
  g_autofree char *key = g_strdup_printf("%d %s", (int)s->point->kind, value);
  Class *there = g_hash_table_lookup(classes->index, key);
  if (there) {
    class_free(class);
  } else {
    there = class;
    g_ptr_array_add(classes->list, there);
    g_hash_table_insert(classes->index, g_steal_pointer(&key), there);
  }
  add_point(there, s);
}

static gint compare_classes(gconstpointer a, gconstpointer b) {
  const Class *x = *(Class *const *)a, *y = *(Class *const *)b;
  int order = (int)x->result.kind - (int)y->result.kind;
  for (guint i = 0; !order && i < x->n_values; i++) {
    const DspKeyValue *v = &x->values[i], *w = &y->values[i];
    order = v->order != w->order ? (v->order > w->order ? 1 : -1)
                                 : strcmp(v->text, w->text);
  }
  return order;
}

static DspScoreClass finish_class(Class *class) {
  const double p90 = 0.9;
  DspScoreClass result = class->result;
  result.value = join_values(class);
  result.n = class->errors->len;
  result.mean_ape = dsp_mean(class->errors);
  result.median_ape = dsp_median(class->errors);
  result.p90_ape = dsp_quantile(class->errors, p90);
  result.bias = dsp_median(class->time_errors);
  result.in_interval =
      class->intervals ? (double)class->inside / class->intervals : NAN;
  return result;
}

static void class_clear(gpointer data) {
  g_free(((DspScoreClass *)data)->value);
}

GArray *dsp_score_classes(const DspScore *score, guint trusts, const char *by) {
  GArray *results = g_array_new(FALSE, FALSE, sizeof(DspScoreClass));
  g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(class_free);
  g_autoptr(GHashTable) index =
      g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  const Classes classes = {list, index};
  g_array_set_clear_func(results, class_clear);
  for (guint i = 0; i < score->points->len; i++) {
    const DspScored *s = dsp_scored(score, i);
    if (trusts & (1u << s->point->trust))
      sort_in(&classes, s, by ? by : dsp_score_usual_key(s->point->kind));
  }
  g_ptr_array_sort(list, compare_classes);
  for (guint i = 0; i < list->len; i++) {
    const DspScoreClass result = finish_class(list->pdata[i]);
    g_array_append_val(results, result);
  }
  return results;
}
