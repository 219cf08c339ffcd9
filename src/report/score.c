/* SPDX-License-Identifier: Apache-2.0 */
#include "report/score.h"
#include "report/measured.h"
#include <math.h>
#include <string.h>

/* --- the answer ---------------------------------------------------------- */

/* By what JSON sums up, besides what was asked for. */
static const char *const summary_keys[] = {
    "kind",   "band", "collective", "gpu",  "cluster",  "model",
    "method", "op",   "mode",       "pass", "pass,band"};

static void add_classes(GArray *all, const DspScoreAnswer *a, const char *by) {
  GArray *classes = dsp_score_classes(a->score, a->trusts, by);
  g_array_set_clear_func(classes, NULL); /* `all` has the strings now */
  g_array_append_vals(all, classes->data, classes->len);
  g_array_unref(classes);
}

static void class_clear(gpointer data) {
  g_free(((DspScoreClass *)data)->value);
}

static GArray *summarise(const DspScoreAnswer *a) {
  GArray *summary = g_array_new(FALSE, FALSE, sizeof(DspScoreClass));
  gboolean asked = a->by != NULL;
  g_array_set_clear_func(summary, class_clear);
  for (guint i = 0; i < G_N_ELEMENTS(summary_keys); i++) {
    add_classes(summary, a, summary_keys[i]);
    asked &= g_strcmp0(a->by, summary_keys[i]) != 0;
  }
  if (asked)
    add_classes(summary, a, a->by);
  return summary;
}

static void add_residuals(GArray *read, const DspResiduals *residuals) {
  if (!residuals)
    return;
  const DspInventoryFile file = {"hwprofiles/residuals", DSP_RESIDUALS_NAME,
                                 residuals->sha256};
  g_array_append_val(read, file);
}

void dsp_score_answer_fill(DspScoreAnswer *a) {
  a->read = dsp_inventory_files(a->score->inventory);
  add_residuals(a->read, a->residuals);
  a->kinds = dsp_score_classes(a->score, a->trusts, "kind");
  a->classes = dsp_score_classes(a->score, a->trusts, a->by);
  a->apart = dsp_score_classes(a->score, DSP_TRUST_ALL & ~a->trusts, "trust");
  a->summary = summarise(a);
  a->reasons = dsp_score_reasons(a->score, a->trusts);
  a->groups = dsp_score_groups(a->score, a->trusts);
  a->contests = dsp_score_contests(a->score, a->trusts);
  a->runs = dsp_score_health(a->score, DSP_HEALTH_THRESHOLD);
}

void dsp_score_answer_clear(DspScoreAnswer *a) {
  GArray **const arrays[] = {&a->read,   &a->kinds,    &a->classes,
                             &a->apart,  &a->summary,  &a->reasons,
                             &a->groups, &a->contests, &a->runs};
  for (guint i = 0; i < G_N_ELEMENTS(arrays); i++)
    g_clear_pointer(arrays[i], g_array_unref);
}

/* --- points -------------------------------------------------------------- */

enum { ID, FILE_NAME, KIND, GROUP, TRUST, SKIPPED };

static DspValue get_point(gconstpointer row, guint index) {
  const DspScored *s = row;
  const char *const texts[] = {[ID] = s->point->id,
                               [FILE_NAME] = s->file->file,
                               [KIND] = dsp_measured_names[s->point->kind],
                               [GROUP] = s->point->group,
                               [TRUST] = dsp_trust_names[s->point->trust],
                               [SKIPPED] = s->skipped};
  return dsp_string(texts[index]);
}

enum { MEASURED, PREDICTED, ERROR };

static DspValue get_number(gconstpointer row, guint index) {
  const DspScored *s = row;
  const double numbers[] = {[MEASURED] = s->point->measured,
                            [PREDICTED] = s->predicted,
                            [ERROR] = dsp_scored_error(s)};
  return dsp_number(numbers[index]);
}

static DspValue get_interval(gconstpointer row, guint index) {
  const DspScored *s = row;
  (void)index;
  return isnan(s->interval.p10) ? dsp_null()
                                : dsp_boolean(dsp_scored_inside(s));
}

static const DspColumn point_columns[] = {
    {NULL, "id", get_point, ID},
    {NULL, "file", get_point, FILE_NAME},
    {NULL, "kind", get_point, KIND},
    {NULL, "group", get_point, GROUP},
    {NULL, "trust", get_point, TRUST},
    {NULL, "measured", get_number, MEASURED},
    {NULL, "predicted", get_number, PREDICTED},
    {NULL, "error", get_number, ERROR},
    {NULL, "in_interval", get_interval, 0},
    {NULL, "skipped", get_point, SKIPPED},
    {NULL},
};

/* --- classes ------------------------------------------------------------- */

enum { CLASS_KIND, CLASS_BY, CLASS_VALUE };

static DspValue get_class(gconstpointer row, guint index) {
  const DspScoreClass *c = row;
  const char *const texts[] = {[CLASS_KIND] = dsp_measured_names[c->kind],
                               [CLASS_BY] = c->by,
                               [CLASS_VALUE] = c->value};
  return dsp_string(texts[index]);
}

static DspValue get_class_count(gconstpointer row, guint index) {
  const DspScoreClass *c = row;
  return dsp_integer(index ? c->skipped : c->n);
}

enum { MEDIAN, MEAN, P90, BIAS, INSIDE };

static DspValue get_class_error(gconstpointer row, guint index) {
  const DspScoreClass *c = row;
  const double numbers[] = {[MEDIAN] = c->median_ape,
                            [MEAN] = c->mean_ape,
                            [P90] = c->p90_ape,
                            [BIAS] = c->bias,
                            [INSIDE] = c->in_interval};
  return dsp_number(numbers[index]);
}

static const DspColumn class_columns[] = {
    {NULL, "kind", get_class, CLASS_KIND},
    {NULL, "by", get_class, CLASS_BY},
    {NULL, "value", get_class, CLASS_VALUE},
    {NULL, "n", get_class_count, 0},
    {NULL, "skipped", get_class_count, 1},
    {NULL, "median_ape", get_class_error, MEDIAN},
    {NULL, "mean_ape", get_class_error, MEAN},
    {NULL, "p90_ape", get_class_error, P90},
    {NULL, "bias", get_class_error, BIAS},
    {NULL, "in_interval", get_class_error, INSIDE},
    {NULL},
};

/* --- groups -------------------------------------------------------------- */

enum { GROUP_NAME, GROUP_FILE, GROUP_KIND, WINNER_MEASURED, WINNER_PREDICTED };

static DspValue get_group(gconstpointer row, guint index) {
  const DspScoreGroup *g = row;
  const char *const texts[] = {[GROUP_NAME] = g->group,
                               [GROUP_FILE] = g->file->file,
                               [GROUP_KIND] = dsp_measured_names[g->kind],
                               [WINNER_MEASURED] = g->winner_measured,
                               [WINNER_PREDICTED] = g->winner_predicted};
  return dsp_string(texts[index]);
}

static DspValue get_group_count(gconstpointer row, guint index) {
  (void)index;
  return dsp_integer(((const DspScoreGroup *)row)->n);
}

enum { RATIO_ERROR, MARGIN };

static DspValue get_group_number(gconstpointer row, guint index) {
  const DspScoreGroup *g = row;
  return dsp_number(index == MARGIN ? g->margin : g->median_ratio_error);
}

static const DspColumn group_columns[] = {
    {NULL, "group", get_group, GROUP_NAME},
    {NULL, "file", get_group, GROUP_FILE},
    {NULL, "kind", get_group, GROUP_KIND},
    {NULL, "n", get_group_count, 0},
    {NULL, "median_ratio_error", get_group_number, RATIO_ERROR},
    {NULL, "winner_measured", get_group, WINNER_MEASURED},
    {NULL, "winner_predicted", get_group, WINNER_PREDICTED},
    {NULL, "margin", get_group_number, MARGIN},
    {NULL},
};

/* --- health -------------------------------------------------------------- */

static const DspPoint *run_point(gconstpointer row) {
  return ((const DspRunHealth *)row)->first->point;
}

enum { RUN_GROUP, RUN_FILE, RUN_CLUSTER, RUN_COLLECTIVE, RUN_TRUST };

static DspValue get_run(gconstpointer row, guint index) {
  const DspPoint *p = run_point(row);
  const char *const texts[] = {
      [RUN_GROUP] = p->group,
      [RUN_FILE] = ((const DspRunHealth *)row)->first->file->file,
      [RUN_CLUSTER] = p->collective.cluster,
      [RUN_COLLECTIVE] = dsp_collective_names[p->collective.collective],
      [RUN_TRUST] = dsp_trust_names[p->trust]};
  return dsp_string(texts[index]);
}

enum { RUN_NODES, RUN_GPUS, RUN_N, WORST_BYTES };

static DspValue get_run_count(gconstpointer row, guint index) {
  const DspRunHealth *r = row;
  const DspCollectivePoint *p = &run_point(row)->collective;
  const int64_t counts[] = {[RUN_NODES] = p->nodes,
                            [RUN_GPUS] = p->gpus_per_node,
                            [RUN_N] = r->n,
                            [WORST_BYTES] = r->worst_bytes};
  return dsp_integer(counts[index]);
}

enum { SLOWDOWN, WORST };

static DspValue get_run_number(gconstpointer row, guint index) {
  const DspRunHealth *r = row;
  return dsp_number(index == WORST ? r->worst : r->slowdown);
}

static DspValue get_run_unhealthy(gconstpointer row, guint index) {
  (void)index;
  return dsp_boolean(((const DspRunHealth *)row)->unhealthy);
}

static const DspColumn health_columns[] = {
    {NULL, "group", get_run, RUN_GROUP},
    {NULL, "file", get_run, RUN_FILE},
    {NULL, "cluster", get_run, RUN_CLUSTER},
    {NULL, "collective", get_run, RUN_COLLECTIVE},
    {NULL, "nodes", get_run_count, RUN_NODES},
    {NULL, "gpus_per_node", get_run_count, RUN_GPUS},
    {NULL, "trust", get_run, RUN_TRUST},
    {NULL, "n", get_run_count, RUN_N},
    {NULL, "slowdown", get_run_number, SLOWDOWN},
    {NULL, "worst", get_run_number, WORST},
    {NULL, "worst_bytes", get_run_count, WORST_BYTES},
    {NULL, "unhealthy", get_run_unhealthy, 0},
    {NULL},
};

/* --- inputs -------------------------------------------------------------- */

static DspValue get_read(gconstpointer row, guint index) {
  const DspInventoryFile *f = row;
  const char *const texts[] = {f->folder, f->name, f->sha256};
  return dsp_string(texts[index]);
}

static const DspColumn read_columns[] = {{NULL, "folder", get_read, 0},
                                         {NULL, "name", get_read, 1},
                                         {NULL, "sha256", get_read, 2},
                                         {NULL}};

/* The row of inputs is the DspScoreTables. */
static DspValue get_asked(gconstpointer row, guint index) {
  const DspScoreAnswer *a = ((const DspScoreTables *)row)->answer;
  return dsp_string(index ? a->by : a->trust);
}

static DspValue get_files(gconstpointer row, guint index) {
  const DspScoreTables *t = row;
  return dsp_table_value(index ? t->read : t->files);
}

static const DspColumn input_columns[] = {{NULL, "trust", get_asked, 0},
                                          {NULL, "by", get_asked, 1},
                                          {NULL, "files", get_files, 0},
                                          {NULL, "read", get_files, 1},
                                          {NULL}};

/* --- tables -------------------------------------------------------------- */

void dsp_score_tables_init(DspScoreTables *t, const DspScoreAnswer *a) {
  *t = (DspScoreTables){
      .answer = a,
      .inputs = dsp_table_new(input_columns),
      .files = dsp_measured_table(a->files),
      .read = dsp_array_table(read_columns, a->read),
      .results = dsp_array_table(point_columns, a->score->points),
      .summary = dsp_array_table(class_columns, a->summary),
      .groups = dsp_array_table(group_columns, a->groups),
      .health = dsp_array_table(health_columns, a->runs),
  };
  dsp_table_add_row(t->inputs, t);
}

void dsp_score_tables_clear(DspScoreTables *t) {
  DspTable *const tables[] = {t->inputs,  t->files,  t->read,  t->results,
                              t->summary, t->groups, t->health};
  for (guint i = 0; i < G_N_ELEMENTS(tables); i++)
    dsp_table_free(tables[i]);
}
