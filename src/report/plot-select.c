/* SPDX-License-Identifier: Apache-2.0 */
/* Which rows a picture shows, and how they are told apart. */
#include "base/error.h"
#include "report/plot-private.h"
#include "report/text.h"
#include "schedule/method.h"
#include <math.h>
#include <string.h>

/* --- which --------------------------------------------------------------- */

static gboolean matches(const DspRecords *records, guint row,
                        const char *condition) {
  const char *equals = strchr(condition, '=');
  g_autofree char *key = g_strndup(condition, (gsize)(equals - condition));
  const char *text = dsp_record_text(records, row, key);
  return g_strcmp0(text ? text : "", equals + 1) == 0;
}

static gboolean is_wanted(const DspRecords *records, const GPtrArray *where,
                          guint row) {
  for (guint i = 0; where && i < where->len; i++)
    if (!matches(records, row, where->pdata[i]))
      return FALSE;
  return TRUE;
}

static gboolean check_conditions(const DspRecords *records,
                                 const GPtrArray *where, GError **error) {
  for (guint i = 0; where && i < where->len; i++) {
    const char *condition = where->pdata[i], *equals = strchr(condition, '=');
    g_autofree char *key =
        g_strndup(condition, equals ? (gsize)(equals - condition) : 0);
    if (!equals || !dsp_records_has(records, key)) {
      g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE,
                  "option '--where': '%s' is not KEY=VALUE with a key of the "
                  "files",
                  condition);
      return FALSE;
    }
  }
  return TRUE;
}

static gboolean has_all(const DspRecords *records, guint row,
                        const char *const *keys) {
  for (; *keys; keys++)
    if (!dsp_record_text(records, row, *keys))
      return FALSE;
  return TRUE;
}

static gboolean check_numbers(const DspRecords *records, guint row,
                              const char *const *keys, GError **error) {
  double number;
  for (; *keys; keys++)
    if (!dsp_record_number(records, row, *keys, &number, error))
      return FALSE;
  return TRUE;
}

static gboolean add_row(DspSelection *selection, guint row,
                        const char *const *keys, GError **error) {
  const DspRecords *records = selection->records;
  if (g_strcmp0(dsp_record_text(records, row, "feasible"), "false") == 0) {
    g_array_append_val(selection->refused, row);
    return TRUE;
  }
  if (!has_all(records, row, keys))
    return TRUE;
  g_array_append_val(selection->rows, row);
  return check_numbers(records, row, keys, error);
}

static gboolean fail_empty(const GPtrArray *where, const char *const *keys,
                           GError **error) {
  g_autofree char *list = g_strjoinv("', '", (char **)keys);
  g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE, "no row%s has '%s'",
              where && where->len ? " that --where leaves" : "", list);
  return FALSE;
}

gboolean dsp_select(DspSelection *selection, const DspRecords *records,
                    const GPtrArray *where, const char *const *keys,
                    GError **error) {
  *selection = (DspSelection){records, g_array_new(FALSE, FALSE, sizeof(guint)),
                              g_array_new(FALSE, FALSE, sizeof(guint))};
  if (!check_conditions(records, where, error))
    return FALSE;
  for (guint i = 0; i < dsp_records_n(records); i++)
    if (is_wanted(records, where, i) && !add_row(selection, i, keys, error))
      return FALSE;
  return selection->rows->len || fail_empty(where, keys, error);
}

void dsp_selection_clear(DspSelection *selection) {
  g_clear_pointer(&selection->rows, g_array_unref);
  g_clear_pointer(&selection->refused, g_array_unref);
}

gboolean dsp_select_more(DspSelection *more, const DspSelection *selection,
                         const char *key, GError **error) {
  const char *const keys[] = {key, NULL};
  *more = (DspSelection){selection->records,
                         g_array_new(FALSE, FALSE, sizeof(guint)),
                         g_array_copy(selection->refused)};
  for (guint i = 0; i < selection->rows->len; i++)
    if (!add_row(more, dsp_select_row(selection->rows, i), keys, error))
      return FALSE;
  return more->rows->len || fail_empty(NULL, keys, error);
}

double dsp_select_number(const DspSelection *selection, guint row,
                         const char *key) {
  double number;
  g_autoptr(GError) checked = NULL;
  dsp_record_number(selection->records, row, key, &number, &checked);
  return number;
}

/* --- factors ------------------------------------------------------------- */

/* The values of a list of keys, joined. */
static char *value_of(const DspRecords *records, guint row, const char *keys) {
  g_auto(GStrv) list = g_strsplit(keys, ",", -1);
  g_autoptr(GString) value = g_string_new(NULL);
  for (char **key = list; *key; key++) {
    const char *text = **key ? dsp_record_text(records, row, *key) : "";
    g_string_append_printf(value, "%s%s", key == list ? "" : DSP_PLOT_DOT,
                           text ? text : "");
  }
  return g_strdup(value->str);
}

/* The place of the method that `value` begins with, G_MAXUINT if none. */
static guint method_place(const char *value) {
  const DspMethod *const *methods;
  const guint n = dsp_methods(&methods);
  const char *end = strstr(value, DSP_PLOT_DOT);
  const gsize length = end ? (gsize)(end - value) : strlen(value);
  for (guint i = 0; i < n; i++)
    if (strlen(methods[i]->name) == length &&
        strncmp(methods[i]->name, value, length) == 0)
      return i;
  return G_MAXUINT;
}

static gboolean is_number(const char *text, double *number) {
  char *end;
  *number = g_ascii_strtod(text, &end);
  return end > text && !*end;
}

/* Of one key. */
static int compare_parts(const char *one, const char *other) {
  double x, y;
  if (is_number(one, &x) && is_number(other, &y) && x != y)
    return x < y ? -1 : 1;
  return strcmp(one, other);
}

static gint compare_values(gconstpointer a, gconstpointer b) {
  const char *one = *(const char *const *)a, *other = *(const char *const *)b;
  const guint p = method_place(one), q = method_place(other);
  if (p != q)
    return p < q ? -1 : 1;
  g_auto(GStrv) ones = g_strsplit(one, DSP_PLOT_DOT, -1);
  g_auto(GStrv) others = g_strsplit(other, DSP_PLOT_DOT, -1);
  for (guint i = 0; ones[i] && others[i]; i++) {
    const int order = compare_parts(ones[i], others[i]);
    if (order)
      return order;
  }
  return strcmp(one, other);
}

void dsp_factor_init(DspFactor *factor, const DspSelection *selection,
                     const char *keys) {
  *factor = (DspFactor){keys, g_ptr_array_new_with_free_func(g_free),
                        g_hash_table_new(g_str_hash, g_str_equal)};
  for (guint i = 0; i < selection->rows->len; i++) {
    const guint row = g_array_index(selection->rows, guint, i);
    char *value = value_of(selection->records, row, keys);
    if (g_hash_table_contains(factor->places, value)) {
      g_free(value);
      continue;
    }
    g_hash_table_add(factor->places, value);
    g_ptr_array_add(factor->values, value);
  }
  g_hash_table_remove_all(factor->places);
  g_ptr_array_sort(factor->values, compare_values);
  for (guint i = 0; i < factor->values->len; i++)
    g_hash_table_insert(factor->places, factor->values->pdata[i],
                        GUINT_TO_POINTER(i + 1));
}

void dsp_factor_clear(DspFactor *factor) {
  g_clear_pointer(&factor->places, g_hash_table_unref);
  g_clear_pointer(&factor->values, g_ptr_array_unref);
}

guint dsp_factor_of(const DspFactor *factor, const DspSelection *selection,
                    guint row) {
  g_autofree char *value = value_of(selection->records, row, factor->keys);
  return GPOINTER_TO_UINT(g_hash_table_lookup(factor->places, value)) - 1;
}

guint dsp_factor_colour(const DspFactor *factor, guint value) {
  const guint place = method_place(factor->values->pdata[value]);
  return place == G_MAXUINT || strcmp(factor->keys, "method") != 0 ? value + 1
                                                                   : place;
}

/* --- what varies --------------------------------------------------------- */

static gboolean is_job_key(const char *key) {
  static const char *const keys[] = {
      "model",      "cluster",  "gpus",  "mode",  "batch", "dtype",
      "collective", "datatype", "ranks", "nodes", NULL};
  return g_strv_contains(keys, key) || g_str_has_prefix(key, "dims.");
}

static gboolean is_listed(const char *keys, const char *key) {
  g_auto(GStrv) list = g_strsplit(keys, ",", -1);
  return g_strv_contains((const char *const *)list, key);
}

/* Whether rows that do not differ in `keys` differ in `key`. */
static gboolean is_free(const DspSelection *selection, const char *keys,
                        const char *key) {
  g_autoptr(GHashTable) known =
      g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  for (guint i = 0; i < selection->rows->len; i++) {
    const guint row = g_array_index(selection->rows, guint, i);
    char *group = value_of(selection->records, row, keys);
    char *value = value_of(selection->records, row, key);
    const char *first = g_hash_table_lookup(known, group);
    const gboolean differs = first && strcmp(first, value) != 0;
    g_hash_table_insert(known, group, value);
    if (differs)
      return TRUE;
  }
  return FALSE;
}

char *dsp_select_free_keys(const DspSelection *selection, const char *keys) {
  const GPtrArray *all = dsp_records_keys(selection->records);
  g_autoptr(GString) list = g_string_new(NULL);
  for (guint i = 0; i < all->len; i++) {
    const char *key = all->pdata[i];
    if (is_job_key(key) && !is_listed(keys, key) &&
        is_free(selection, keys, key))
      g_string_append_printf(list, "%s%s", list->len ? "," : "", key);
  }
  return g_strdup(list->str);
}

const char *dsp_select_varying(const DspSelection *selection,
                               const char *const *candidates) {
  const GPtrArray *all = dsp_records_keys(selection->records);
  for (guint i = 0; i < all->len; i++) {
    const char *key = all->pdata[i];
    if ((candidates ? g_strv_contains(candidates, key)
                    : g_str_has_prefix(key, "dims.")) &&
        is_free(selection, "", key))
      return key;
  }
  return NULL;
}

gboolean dsp_select_fail(const DspSelection *selection, const char *keys,
                         GError **error) {
  DspFactor factor;
  g_autofree char *key = g_strndup(keys, strcspn(keys, ","));
  dsp_factor_init(&factor, selection, key);
  g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE,
              "rows differ in '%s' (%u values) besides what the picture "
              "shows, say which are meant with --where '%s=%s'",
              keys, factor.values->len, key,
              (const char *)factor.values->pdata[0]);
  dsp_factor_clear(&factor);
  return FALSE;
}

static gboolean is_chosen(const DspSelection *selection, guint row) {
  return g_strcmp0(dsp_record_text(selection->records, row, "chosen"),
                   "true") == 0;
}

/* Comparisons say which plan of a method is chosen: published and proposed
 * variants are not, fast as they may be. */
static gboolean is_better(const DspSelection *selection, guint row,
                          guint other) {
  const double rate = dsp_select_number(selection, row, "samples_per_s");
  const double others = dsp_select_number(selection, other, "samples_per_s");
  if (is_chosen(selection, row) != is_chosen(selection, other))
    return is_chosen(selection, row);
  return isfinite(rate) && !(others >= rate);
}

GArray *dsp_select_best(const DspSelection *selection, const char *keys) {
  g_autoptr(GHashTable) places =
      g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  GArray *best = g_array_new(FALSE, FALSE, sizeof(guint));
  for (guint i = 0; i < selection->rows->len; i++) {
    const guint row = g_array_index(selection->rows, guint, i);
    char *value = value_of(selection->records, row, keys);
    const guint place = GPOINTER_TO_UINT(g_hash_table_lookup(places, value));
    if (place == 0) {
      g_array_append_val(best, row);
      g_hash_table_insert(places, value, GUINT_TO_POINTER(best->len));
      continue;
    }
    guint *known = &g_array_index(best, guint, place - 1);
    if (is_better(selection, row, *known))
      *known = row;
    g_free(value);
  }
  return best;
}

/* --- words --------------------------------------------------------------- */

static char *describe_one(const char *key, const char *value) {
  static const char *const told[] = {"batch", "ranks", "nodes", "datatype",
                                     NULL};
  if (g_str_has_prefix(key, "dims."))
    return g_strdup_printf("%s=%s", key + strlen("dims."), value);
  if (strcmp(key, "gpus") == 0)
    return g_strdup_printf("%s GPU%s", value, strcmp(value, "1") ? "s" : "");
  if (g_strv_contains(told, key))
    return g_strdup_printf("%s %s", key, value);
  return g_strdup(value);
}

char *dsp_select_describe(const char *keys, const char *value) {
  g_auto(GStrv) key = g_strsplit(keys, ",", -1);
  g_auto(GStrv) part = g_strsplit(value, DSP_PLOT_DOT, -1);
  g_autoptr(GString) text = g_string_new(NULL);
  for (guint i = 0; key[i] && part[i]; i++) {
    g_autofree char *one = describe_one(key[i], part[i]);
    g_string_append_printf(text, "%s%s", text->len && *one ? DSP_PLOT_DOT : "",
                           one);
  }
  return g_strdup(text->str);
}

const char *dsp_select_axis(DspFigure *figure, const char *key) {
  if (strcmp(key, "gpus") == 0)
    return "GPUs";
  return dsp_figure_text(
      figure, g_str_has_prefix(key, "dims.") ? key + strlen("dims.") : key);
}

/* "8" or "8 to 128" or "a, b, c". */
static char *range_of(const DspSelection *selection, const char *key) {
  DspFactor factor;
  double number;
  dsp_factor_init(&factor, selection, key);
  const guint n = factor.values->len;
  const char *const *values = (const char *const *)factor.values->pdata;
  g_autoptr(GString) text = g_string_new(values[0]);
  if (n > 1 && is_number(values[0], &number))
    g_string_append_printf(text, " to %s", values[n - 1]);
  else
    for (guint i = 1; i < n; i++)
      g_string_append_printf(text, "%s%s", DSP_PLOT_DOT, values[i]);
  dsp_factor_clear(&factor);
  return g_strdup(text->str);
}

static void add_input(const DspSelection *selection, const char *key,
                      GString *text) {
  g_autofree char *range = range_of(selection, key);
  g_autofree char *described = describe_one(key, range);
  if (*range)
    g_string_append_printf(text, "%s%s", text->len ? DSP_PLOT_DOT : "",
                           described);
}

/* What the first file says of its inputs, "" if nothing. */
static const char *input_of(const DspRecords *records, const char *key) {
  const GPtrArray *inputs = dsp_records_file(records, 0).inputs;
  g_autofree char *name = g_strconcat(key, ".name", NULL);
  for (guint i = 0; i + 1 < inputs->len; i += 2)
    if (strcmp(inputs->pdata[i], key) == 0 ||
        strcmp(inputs->pdata[i], name) == 0)
      return inputs->pdata[i + 1];
  return "";
}

/* "transformer-2d-720m on dgx-h100" */
static char *place_of(const DspSelection *selection) {
  const DspRecords *records = selection->records;
  const gboolean rows =
      dsp_records_has(records, "model") && dsp_records_has(records, "cluster");
  if (!rows)
    return g_strdup(input_of(records, "cluster"));
  g_autofree char *model = range_of(selection, "model");
  g_autofree char *cluster = range_of(selection, "cluster");
  return g_strdup_printf("%s on %s", model, cluster);
}

void dsp_figure_head(DspFigure *figure, const DspSelection *selection,
                     const char *what, const char *keys) {
  const GPtrArray *all = dsp_records_keys(selection->records);
  g_autofree char *place = place_of(selection);
  g_autoptr(GString) inputs = g_string_new(place);
  for (guint i = 0; i < all->len; i++) {
    const char *key = all->pdata[i];
    if (is_job_key(key) && !is_listed("model,cluster", key) &&
        !is_listed(keys, key))
      add_input(selection, key, inputs);
  }
  figure->title = dsp_figure_text(
      figure, figure->request->title ? figure->request->title : what);
  figure->inputs = dsp_figure_text(figure, inputs->str);
}

char *dsp_select_degrees(const DspSelection *selection, guint row) {
  static const char *const axes[] = {"sp", "ulysses", "ring", "tp",
                                     "pp", "cfg",     "dp"};
  static const char *const keys[] = {
      "degrees.sp", "degrees.ulysses", "degrees.ring", "degrees.tp",
      "degrees.pp", "degrees.cfg",     "degrees.dp"};
  g_autoptr(GString) text = g_string_new(NULL);
  const double ulysses = dsp_select_number(selection, row, keys[1]);
  const double ring = dsp_select_number(selection, row, keys[2]);
  const gboolean both = ulysses > 1 && ring > 1;
  for (guint i = 0; i < G_N_ELEMENTS(axes); i++) {
    const double degree = dsp_select_number(selection, row, keys[i]);
    const gboolean factor = i == 1 || i == 2;
    if (degree > 1 && (i == 0 ? !both : !factor || both))
      g_string_append_printf(text, "%s%s=%.0f", text->len ? " " : "", axes[i],
                             degree);
  }
  return g_strdup(text->str);
}
