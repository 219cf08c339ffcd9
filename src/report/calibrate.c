/* SPDX-License-Identifier: Apache-2.0 */
#include "report/calibrate.h"
#include "report/measured.h"
#include "report/text.h"
#include <math.h>
#include <string.h>

#define PERCENT (&(const DspScale){0.01, "%", 1})

/* A point before and after. */
typedef struct {
  const DspScored *before, *after;
} Point;

static const DspCalibration *calibration(const DspCalibrateAnswer *a, guint i) {
  return a->calibrations->pdata[i];
}

/* --- the answer ---------------------------------------------------------- */

/* Classes of points by a key of scores. */
static GArray *classes_of(const GArray *points, const char *by) {
  const DspScore score = {NULL, (GArray *)points};
  return dsp_score_classes(&score, DSP_TRUST_ALL, by);
}

/* One for each class of the kind; the same points make the same classes, before
 * and after. */
static void add_bands(GArray *bands, const DspCalibrateBand *about,
                      const GArray *before, const GArray *after,
                      DspMeasuredKind kind, const char *by) {
  g_autoptr(GArray) old = classes_of(before, by);
  g_autoptr(GArray) new = classes_of(after, by);
  for (guint i = 0; i < old->len; i++) {
    const DspScoreClass *class = &g_array_index(old, DspScoreClass, i);
    if (class->kind != kind)
      continue;
    g_array_append_val(bands, *about);
    DspCalibrateBand *band =
        &g_array_index(bands, DspCalibrateBand, bands->len - 1);
    band->kind = kind;
    band->band = g_strdup(by ? "all" : class->value);
    band->before = *class;
    band->after = g_array_index(new, DspScoreClass, i);
  }
}

/* Every kind, and then its classes. */
static void add_both(GArray *bands, const DspCalibrateBand *about,
                     const GArray *before, const GArray *after) {
  for (int kind = 0; kind < DSP_N_MEASURED; kind++) {
    add_bands(bands, about, before, after, (DspMeasuredKind)kind, "kind");
    add_bands(bands, about, before, after, (DspMeasuredKind)kind, NULL);
  }
}

static void append(GArray *all, const GArray *points) {
  g_array_append_vals(all, points->data, points->len);
}

/* Points before and after of some calibrations. */
typedef struct {
  GArray *before, *after; /* DspScored */
} Both;

static Both both_new(void) {
  return (Both){g_array_new(FALSE, FALSE, sizeof(DspScored)),
                g_array_new(FALSE, FALSE, sizeof(DspScored))};
}

static void both_append(Both *both, const GArray *before, const GArray *after) {
  append(both->before, before);
  append(both->after, after);
}

static void both_clear(Both *both) {
  g_array_unref(both->before);
  g_array_unref(both->after);
}

/* The calibrations from the i-th on that are of the same name, as one; returns
 * how many. */
static guint fill_machine(DspCalibrateAnswer *a, guint i, Both *all) {
  const DspCalibration *first = calibration(a, i);
  DspCalibrateBand about = {.cluster = dsp_calibration_name(first)};
  Both both = both_new();
  guint n = 0, skipped;
  for (; i + n < a->calibrations->len; n++) {
    const DspCalibration *c = calibration(a, i + n);
    if (strcmp(dsp_calibration_name(c), about.cluster) != 0)
      break;
    both_append(&both, dsp_calibration_points(c, FALSE),
                dsp_calibration_points(c, TRUE));
    about.fitted = MAX(about.fitted, dsp_calibration_fitted(c));
    about.training = dsp_calibration_training(c, &about.machines, &skipped);
  }
  add_both(a->bands, &about, both.before, both.after);
  if (about.fitted)
    both_append(all, both.before, both.after);
  both_clear(&both);
  return n;
}

static void fill_bands(DspCalibrateAnswer *a) {
  Both all = both_new();
  for (guint i = 0; i < a->calibrations->len;)
    i += fill_machine(a, i, &all);
  if (a->in_turn)
    add_both(a->bands, &(DspCalibrateBand){.cluster = "all"}, all.before,
             all.after);
  both_clear(&all);
}

static void fill_points(DspCalibrateAnswer *a) {
  const GArray *old = dsp_calibration_points(calibration(a, 0), FALSE);
  const GArray *new = dsp_calibration_points(calibration(a, 0), TRUE);
  for (guint i = 0; i < old->len; i++) {
    const Point point = {&g_array_index(old, DspScored, i),
                         &g_array_index(new, DspScored, i)};
    g_array_append_val(a->points, point);
  }
}

static void band_clear(gpointer data) {
  g_free(((DspCalibrateBand *)data)->band);
}

void dsp_calibrate_answer_fill(DspCalibrateAnswer *a) {
  a->bands = g_array_new(FALSE, TRUE, sizeof(DspCalibrateBand));
  g_array_set_clear_func(a->bands, band_clear);
  a->points = g_array_new(FALSE, FALSE, sizeof(Point));
  fill_bands(a);
  if (!a->in_turn)
    fill_points(a);
}

void dsp_calibrate_answer_clear(DspCalibrateAnswer *a) {
  g_clear_pointer(&a->bands, g_array_unref);
  g_clear_pointer(&a->points, g_array_unref);
}

/* --- constants ----------------------------------------------------------- */

static const char *const units[] = {[DSP_QUANTITY_TIME] = "s",
                                    [DSP_QUANTITY_RATE] = "bytes_per_s",
                                    [DSP_QUANTITY_SHARE] = "1",
                                    [DSP_QUANTITY_NUMBER] = "1",
                                    [DSP_QUANTITY_FACTOR] = "1"};

enum { FILE_NAME, CONSTANT, UNIT, KEPT };

static DspValue get_constant(gconstpointer row, guint index) {
  const DspCalibratedConstant *c = row;
  const char *const texts[] = {[FILE_NAME] = c->file,
                               [CONSTANT] = c->key,
                               [UNIT] = units[c->quantity],
                               [KEPT] = c->kept};
  return dsp_string(texts[index]);
}

enum { BEFORE, AFTER, ERROR };

static DspValue get_value(gconstpointer row, guint index) {
  const DspCalibratedConstant *c = row;
  const double numbers[] = {
      [BEFORE] = c->before, [AFTER] = c->after, [ERROR] = c->error};
  return dsp_number(numbers[index]);
}

static DspValue get_dependents(gconstpointer row, guint index) {
  const DspCalibratedConstant *c = row;
  return index ? dsp_boolean(!c->kept) : dsp_integer(c->points);
}

static const DspColumn constant_columns[] = {
    {NULL, "file", get_constant, FILE_NAME},
    {NULL, "constant", get_constant, CONSTANT},
    {NULL, "unit", get_constant, UNIT},
    {NULL, "fitted", get_dependents, 1},
    {NULL, "before", get_value, BEFORE},
    {NULL, "after", get_value, AFTER},
    {NULL, "standard_error", get_value, ERROR},
    {NULL, "points", get_dependents, 0},
    {NULL, "kept_because", get_constant, KEPT},
    {NULL},
};

/* --- errors -------------------------------------------------------------- */

enum { CLUSTER, KIND, BAND };

static DspValue get_band(gconstpointer row, guint index) {
  const DspCalibrateBand *b = row;
  const char *const texts[] = {[CLUSTER] = b->cluster,
                               [KIND] = dsp_measured_names[b->kind],
                               [BAND] = b->band};
  return dsp_string(texts[index]);
}

enum { N, TRAINING, MACHINES, FITTED };

static DspValue get_count(gconstpointer row, guint index) {
  const DspCalibrateBand *b = row;
  const guint counts[] = {[N] = b->before.n,
                          [TRAINING] = b->training,
                          [MACHINES] = b->machines,
                          [FITTED] = b->fitted};
  return dsp_integer(counts[index]);
}

enum { MEDIAN, MEAN, P90, BIAS, N_ERRORS };

static DspValue get_error(gconstpointer row, guint index) {
  const DspCalibrateBand *b = row;
  const DspScoreClass *c = index < N_ERRORS ? &b->before : &b->after;
  const double numbers[] = {[MEDIAN] = c->median_ape,
                            [MEAN] = c->mean_ape,
                            [P90] = c->p90_ape,
                            [BIAS] = c->bias};
  return dsp_number(numbers[index % N_ERRORS]);
}

static const DspColumn band_columns[] = {
    {NULL, "cluster", get_band, CLUSTER},
    {NULL, "kind", get_band, KIND},
    {NULL, "band", get_band, BAND},
    {NULL, "n", get_count, N},
    {NULL, "training_points", get_count, TRAINING},
    {NULL, "training_machines", get_count, MACHINES},
    {NULL, "constants_fitted", get_count, FITTED},
    {NULL, "median_ape_before", get_error, MEDIAN},
    {NULL, "mean_ape_before", get_error, MEAN},
    {NULL, "p90_ape_before", get_error, P90},
    {NULL, "bias_before", get_error, BIAS},
    {NULL, "median_ape_after", get_error, N_ERRORS + MEDIAN},
    {NULL, "mean_ape_after", get_error, N_ERRORS + MEAN},
    {NULL, "p90_ape_after", get_error, N_ERRORS + P90},
    {NULL, "bias_after", get_error, N_ERRORS + BIAS},
    {NULL},
};

/* --- points and inputs --------------------------------------------------- */

static DspValue get_point(gconstpointer row, guint index) {
  const DspScored *s = ((const Point *)row)->before;
  const char *const texts[] = {s->point->id, s->file->file, s->point->group};
  return dsp_string(texts[index]);
}

static DspValue get_time(gconstpointer row, guint index) {
  const Point *p = row;
  const double times[] = {p->before->point->measured, p->before->predicted,
                          p->after->predicted};
  return dsp_number(times[index]);
}

static const DspColumn point_columns[] = {
    {NULL, "id", get_point, 0},
    {NULL, "file", get_point, 1},
    {NULL, "group", get_point, 2},
    {NULL, "measured", get_time, 0},
    {NULL, "predicted_before", get_time, 1},
    {NULL, "predicted_after", get_time, 2},
    {NULL},
};

/* The row of inputs is the DspCalibrateTables. */
static DspValue get_asked(gconstpointer row, guint index) {
  const DspCalibrateAnswer *a = ((const DspCalibrateTables *)row)->answer;
  const DspCluster *cluster =
      a->in_turn ? NULL : dsp_calibration_cluster(calibration(a, 0));
  const char *const texts[] = {a->cluster, cluster ? cluster->sha256 : NULL,
                               a->mode};
  return dsp_string(texts[index]);
}

static DspValue get_group(gconstpointer row, guint index) {
  (void)index;
  return dsp_string(row);
}

static const DspColumn group_columns[] = {{NULL, "group", get_group, 0},
                                          {NULL}};

static DspValue get_files(gconstpointer row, guint index) {
  const DspCalibrateTables *t = row;
  return dsp_table_value(index ? t->excluded : t->files);
}

static const DspColumn input_columns[] = {
    {NULL, "cluster", get_asked, 0},  {NULL, "cluster_sha256", get_asked, 1},
    {NULL, "mode", get_asked, 2},     {NULL, "files", get_files, 0},
    {NULL, "excluded", get_files, 1}, {NULL},
};

/* --- tables -------------------------------------------------------------- */

void dsp_calibrate_tables_init(DspCalibrateTables *t,
                               const DspCalibrateAnswer *a) {
  *t = (DspCalibrateTables){
      .answer = a,
      .inputs = dsp_table_new(input_columns),
      .files = dsp_measured_table(a->files),
      .excluded = dsp_table_new(group_columns),
      .constants = dsp_array_table(
          constant_columns, dsp_calibration_constants(calibration(a, 0))),
      .bands = dsp_array_table(band_columns, a->bands),
      .points = dsp_array_table(point_columns, a->points),
  };
  for (guint i = 0; a->excluded && i < a->excluded->len; i++)
    dsp_table_add_row(t->excluded, a->excluded->pdata[i]);
  dsp_table_add_row(t->inputs, t);
}

void dsp_calibrate_tables_clear(DspCalibrateTables *t) {
  DspTable *const tables[] = {t->inputs,    t->files, t->excluded,
                              t->constants, t->bands, t->points};
  for (guint i = 0; i < G_N_ELEMENTS(tables); i++)
    dsp_table_free(tables[i]);
}

/* --- text ---------------------------------------------------------------- */

static void add_training(const DspCalibrateAnswer *a, GString *out) {
  guint machines, skipped;
  const guint points =
      dsp_calibration_training(calibration(a, 0), &machines, &skipped);
  g_string_append_printf(out,
                         "# cluster  %s, fitted to %u point%s of %u "
                         "machine%s",
                         a->cluster, points, points == 1 ? "" : "s", machines,
                         machines == 1 ? "" : "s");
  if (skipped)
    g_string_append_printf(out, ", %u skipped", skipped);
  g_string_append(out, "\n");
}

static void add_fitted(const DspCalibrateAnswer *a, const DspStyle *style,
                       GString *out) {
  static const DspTextColumn columns[] = {
      {"file", "", TRUE},   {"constant", "", TRUE}, {"before", "", FALSE},
      {"after", "", FALSE}, {"change", "%", FALSE}, {"std error", "%", FALSE},
      {"points", "", FALSE}};
  g_autoptr(DspGrid) grid = dsp_grid_new(style, columns, G_N_ELEMENTS(columns));
  const GArray *all = dsp_calibration_constants(calibration(a, 0));
  if (!dsp_calibration_fitted(calibration(a, 0))) {
    g_string_append(out, "#\n# No constant is fitted.\n");
    return;
  }
  g_string_append(out, "#\n# Constants that the points determine.\n");
  for (guint i = 0; i < all->len; i++) {
    const DspCalibratedConstant *c =
        &g_array_index(all, DspCalibratedConstant, i);
    g_autofree char *before = dsp_quantity_format(c->quantity, c->before);
    g_autofree char *after = dsp_quantity_format(c->quantity, c->after);
    if (c->kept)
      continue;
    dsp_grid_cell(grid, "%s", c->file);
    dsp_grid_cell(grid, "%s", c->key);
    dsp_grid_cell(grid, "%s", before);
    dsp_grid_cell(grid, "%s", after);
    dsp_grid_number(grid, PERCENT, c->after / c->before - 1);
    dsp_grid_number(grid, PERCENT, c->error);
    dsp_grid_cell(grid, "%u", c->points);
  }
  dsp_grid_print(grid, out);
}

/* Constants that stay for a reason that many have are listed together. */
enum { MANY = 4 };

static guint count_reason(const GArray *all, const char *reason) {
  guint n = 0;
  for (guint i = 0; i < all->len; i++)
    n += g_strcmp0(g_array_index(all, DspCalibratedConstant, i).kept, reason) ==
         0;
  return n;
}

static void add_kept(const DspCalibrateAnswer *a, const DspStyle *style,
                     GString *out) {
  static const DspTextColumn columns[] = {{"file", "", TRUE},
                                          {"constant", "", TRUE},
                                          {"value", "", FALSE},
                                          {"because", "", TRUE}};
  g_autoptr(DspGrid) grid = dsp_grid_new(style, columns, G_N_ELEMENTS(columns));
  const GArray *all = dsp_calibration_constants(calibration(a, 0));
  guint shown = 0;
  for (guint i = 0; i < all->len; i++) {
    const DspCalibratedConstant *c =
        &g_array_index(all, DspCalibratedConstant, i);
    g_autofree char *value = dsp_quantity_format(c->quantity, c->before);
    if (!c->kept || count_reason(all, c->kept) >= MANY)
      continue;
    shown++;
    dsp_grid_cell(grid, "%s", c->file);
    dsp_grid_cell(grid, "%s", c->key);
    dsp_grid_cell(grid, "%s", value);
    dsp_grid_cell(grid, "%s", c->kept);
  }
  if (!shown)
    return;
  g_string_append(out, "#\n# Constants that stay as they are.\n");
  dsp_grid_print(grid, out);
}

/* "reason: file key, key; file key" of the i-th constant's reason. */
static char *list_reason(const GArray *all, const char *reason) {
  GString *line = g_string_new(reason);
  const char *file = NULL;
  for (guint i = 0; i < all->len; i++) {
    const DspCalibratedConstant *c =
        &g_array_index(all, DspCalibratedConstant, i);
    if (g_strcmp0(c->kept, reason) != 0)
      continue;
    if (g_strcmp0(c->file, file) == 0)
      g_string_append_printf(line, ", %s", c->key);
    else
      g_string_append_printf(line, "%s %s %s", file ? ";" : ":", c->file,
                             c->key);
    file = c->file;
  }
  return g_string_free(line, FALSE);
}

static char *count_others(const GArray *all, const char *reason) {
  return g_strdup_printf("%s: %u constants", reason, count_reason(all, reason));
}

static gboolean is_measured(const DspCalibrateAnswer *a, DspMeasuredKind kind) {
  const GArray *points = dsp_calibration_points(calibration(a, 0), FALSE);
  for (guint i = 0; i < points->len; i++)
    if (g_array_index(points, DspScored, i).point->kind == kind)
      return TRUE;
  return FALSE;
}

static void add_unmoved(const DspCalibrateAnswer *a, const DspStyle *style,
                        GString *out) {
  const GArray *all = dsp_calibration_constants(calibration(a, 0));
  g_autoptr(GHashTable) told = g_hash_table_new(g_str_hash, g_str_equal);
  for (guint i = 0; i < all->len; i++) {
    const DspCalibratedConstant *c =
        &g_array_index(all, DspCalibratedConstant, i);
    if (!c->kept || count_reason(all, c->kept) < MANY ||
        !g_hash_table_add(told, (gpointer)c->kept))
      continue;
    g_autofree char *line = is_measured(a, c->kind)
                                ? list_reason(all, c->kept)
                                : count_others(all, c->kept);
    if (g_hash_table_size(told) == 1)
      g_string_append(out, "#\n# And these, since\n");
    g_string_append(out, "  ");
    dsp_text_wrap(out, style, "", 4, line);
  }
}

static const DspTextColumn band_text[] = {
    {"cluster", "", TRUE},    {"points", "", TRUE},
    {"n", "", FALSE},         {"trained on", "", FALSE},
    {"constants", "", FALSE}, {"median before", "%", FALSE},
    {"after", "%", FALSE},    {"P90 before", "%", FALSE},
    {"after", "%", FALSE},    {"bias before", "%", FALSE},
    {"after", "%", FALSE},
};

static void add_band(DspGrid *grid, const DspCalibrateBand *b, gboolean first) {
  const gboolean all = strcmp(b->band, "all") == 0;
  dsp_grid_cell(grid, "%s", first ? b->cluster : "");
  dsp_grid_cell(grid, "%s%s", all ? "" : "  ",
                all ? dsp_measured_names[b->kind] : b->band);
  dsp_grid_cell(grid, "%u", b->before.n);
  dsp_grid_cell(grid, first && b->training ? "%u" : "", b->training);
  dsp_grid_cell(grid, first && b->training ? "%u" : "", b->fitted);
  dsp_grid_number(grid, PERCENT, b->before.median_ape);
  dsp_grid_number(grid, PERCENT, b->after.median_ape);
  dsp_grid_number(grid, PERCENT, b->before.p90_ape);
  dsp_grid_number(grid, PERCENT, b->after.p90_ape);
  dsp_grid_number(grid, PERCENT, b->before.bias);
  dsp_grid_number(grid, PERCENT, b->after.bias);
}

static void add_errors(const DspCalibrateAnswer *a, const DspStyle *style,
                       GString *out) {
  g_autoptr(DspGrid) grid =
      dsp_grid_new(style, band_text, G_N_ELEMENTS(band_text));
  const char *cluster = NULL;
  g_string_append(out, "#\n# Errors |predicted / measured - 1| of the "
                       "cluster's points. Bias above zero: too slow.\n");
  for (guint i = 0; i < a->bands->len; i++) {
    const DspCalibrateBand *b = &g_array_index(a->bands, DspCalibrateBand, i);
    add_band(grid, b, g_strcmp0(b->cluster, cluster) != 0);
    cluster = b->cluster;
  }
  dsp_grid_print(grid, out);
}

void dsp_calibrate_text(const DspReport *report, const DspStyle *style,
                        GString *out) {
  const DspCalibrateAnswer *a = report->data;
  dsp_measured_text(a->files, style, out);
  if (a->in_turn) {
    g_string_append(
        out, "#\n# Every cluster foretold with constants that are "
             "fitted to the others that share a\n# network with it, and every "
             "part of a GPU's kernels with those fitted to the others.\n"
             "# Before: as the profiles are. All: those with any fitted.\n");
  } else {
    add_training(a, out);
    add_fitted(a, style, out);
    add_kept(a, style, out);
    add_unmoved(a, style, out);
  }
  add_errors(a, style, out);
}
