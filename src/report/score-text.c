/* SPDX-License-Identifier: Apache-2.0 */
/* A score as text. */
#include "report/measured.h"
#include "report/score.h"
#include "report/text.h"
#include <math.h>
#include <string.h>

#define PERCENT (&(const DspScale){0.01, "%", 1})
#define FACTOR  (&(const DspScale){1, "", 2})

/* --- classes ------------------------------------------------------------- */

static const DspTextColumn class_columns[] = {
    {"kind", "", TRUE},     {"n", "", FALSE},       {"skipped", "", FALSE},
    {"median", "%", FALSE}, {"mean", "%", FALSE},   {"P90", "%", FALSE},
    {"bias", "%", FALSE},   {"inside", "%", FALSE}, {"class", "", TRUE},
};

static void add_class(DspGrid *grid, const char *kind, const char *value,
                      const DspScoreClass *c) {
  dsp_grid_cell(grid, "%s", kind);
  dsp_grid_cell(grid, "%u", c->n);
  dsp_grid_cell(grid, "%u", c->skipped);
  dsp_grid_number(grid, PERCENT, c->median_ape);
  dsp_grid_number(grid, PERCENT, c->mean_ape);
  dsp_grid_number(grid, PERCENT, c->p90_ape);
  dsp_grid_number(grid, PERCENT, c->bias);
  dsp_grid_number(grid, PERCENT, c->in_interval);
  dsp_grid_cell(grid, "%s", value);
}

static const DspScoreClass *class_at(const GArray *classes, guint i) {
  return &g_array_index(classes, DspScoreClass, i);
}

/* A line for each kind, and below it one for each of its classes. */
static void add_classes(const DspScoreAnswer *a, const DspStyle *style,
                        GString *out) {
  g_autoptr(DspGrid) grid =
      dsp_grid_new(style, class_columns, G_N_ELEMENTS(class_columns));
  g_string_append_printf(out,
                         "#\n# Errors of %s points: |predicted / measured - 1|."
                         " Bias above zero: too slow.\n"
                         "# Inside: of the interval in which 80 %% should "
                         "be.\n",
                         a->trusts == DSP_TRUST_ALL ? "all" : a->trust);
  for (guint i = 0; i < a->kinds->len; i++) {
    const DspScoreClass *kind = class_at(a->kinds, i);
    add_class(grid, dsp_measured_names[kind->kind], "all", kind);
    for (guint j = 0; j < a->classes->len; j++)
      if (class_at(a->classes, j)->kind == kind->kind)
        add_class(grid, "", class_at(a->classes, j)->value,
                  class_at(a->classes, j));
  }
  dsp_grid_print(grid, out);
}

static void add_apart(const DspScoreAnswer *a, const DspStyle *style,
                      GString *out) {
  g_autoptr(DspGrid) grid =
      dsp_grid_new(style, class_columns, G_N_ELEMENTS(class_columns));
  if (!a->apart->len)
    return;
  g_string_append(out, "#\n# Apart, since their machines are not trusted.\n");
  for (guint i = 0; i < a->apart->len; i++) {
    const DspScoreClass *c = class_at(a->apart, i);
    add_class(grid, dsp_measured_names[c->kind], c->value, c);
  }
  dsp_grid_print(grid, out);
}

/* --- groups -------------------------------------------------------------- */

/* "-" where groups have no winner. */
static void add_count(DspGrid *grid, guint count, gboolean applies) {
  if (applies)
    dsp_grid_cell(grid, "%u", count);
  else
    dsp_grid_cell(grid, "-");
}

static void add_contests(const DspScoreAnswer *a, const DspStyle *style,
                         GString *out) {
  static const DspTextColumn columns[] = {
      {"kind", "", TRUE},           {"groups", "", FALSE},
      {"ratios", "", FALSE},        {"ratio error", "%", FALSE},
      {"with a winner", "", FALSE}, {"named", "", FALSE}};
  g_autoptr(DspGrid) grid = dsp_grid_new(style, columns, G_N_ELEMENTS(columns));
  if (!a->contests->len)
    return;
  g_string_append_printf(out,
                         "#\n# Ratios to the first point of a group, median "
                         "error; groups whose fastest\n# is so by more than "
                         "%.0f %%, and those where it was predicted.\n",
                         100 * DSP_SCORE_MARGIN);
  for (guint i = 0; i < a->contests->len; i++) {
    const DspScoreContest *c = &g_array_index(a->contests, DspScoreContest, i);
    dsp_grid_cell(grid, "%s", dsp_measured_names[c->kind]);
    dsp_grid_cell(grid, "%u", c->groups);
    dsp_grid_cell(grid, "%u", c->ratios);
    dsp_grid_number(grid, PERCENT, c->median_ratio_error);
    add_count(grid, c->contests, c->contested);
    add_count(grid, c->named, c->contested);
  }
  dsp_grid_print(grid, out);
}

static const char *verdict_of(const DspScoreGroup *g) {
  if (!g->winner_measured)
    return "-";
  return strcmp(g->winner_measured, g->winner_predicted) == 0 ? "yes" : "no";
}

static void add_groups(const DspScoreAnswer *a, const DspStyle *style,
                       GString *out) {
  static const DspTextColumn columns[] = {{"n", "", FALSE},
                                          {"ratio error", "%", FALSE},
                                          {"margin", "%", FALSE},
                                          {"named", "", TRUE},
                                          {"group", "", TRUE}};
  g_autoptr(DspGrid) grid = dsp_grid_new(style, columns, G_N_ELEMENTS(columns));
  g_string_append(out, "#\n");
  for (guint i = 0; i < a->groups->len; i++) {
    const DspScoreGroup *g = &g_array_index(a->groups, DspScoreGroup, i);
    dsp_grid_cell(grid, "%u", g->n);
    dsp_grid_number(grid, PERCENT, g->median_ratio_error);
    dsp_grid_number(grid, PERCENT, g->margin);
    dsp_grid_cell(grid, "%s", verdict_of(g));
    dsp_grid_cell(grid, "%s", g->group);
  }
  dsp_grid_print(grid, out);
}

/* --- points -------------------------------------------------------------- */

static const char *unit_of(const DspPoint *p) {
  if (p->kind != DSP_MEASURED_STEP)
    return "us";
  return p->step.metric == DSP_METRIC_SAMPLES ? "samples/s" : "s";
}

static void add_points(const DspScoreAnswer *a, const DspStyle *style,
                       GString *out) {
  static const DspTextColumn columns[] = {{"measured", "", FALSE},
                                          {"predicted", "", FALSE},
                                          {"unit", "", TRUE},
                                          {"error", "%", FALSE},
                                          {"point", "", TRUE}};
  g_autoptr(DspGrid) grid = dsp_grid_new(style, columns, G_N_ELEMENTS(columns));
  g_string_append(out, "#\n");
  for (guint i = 0; i < a->score->points->len; i++) {
    const DspScored *s = dsp_scored(a->score, i);
    if (s->skipped || !(a->trusts & (1u << s->point->trust)))
      continue;
    dsp_grid_cell(grid, "%.4g", s->point->measured);
    dsp_grid_cell(grid, "%.4g", s->predicted);
    dsp_grid_cell(grid, "%s", unit_of(s->point));
    dsp_grid_number(grid, PERCENT, dsp_scored_error(s));
    dsp_grid_cell(grid, "%s", s->point->id);
  }
  dsp_grid_print(grid, out);
}

/* --- health -------------------------------------------------------------- */

/* "group", or "all_reduce on 2 x 8 of dgx-h100". */
static char *run_name(const DspPoint *p) {
  const DspCollectivePoint *c = &p->collective;
  if (p->group)
    return g_strdup(p->group);
  return g_strdup_printf("%s on %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT
                         " GPUs of %s",
                         dsp_collective_names[c->collective], c->nodes,
                         c->gpus_per_node, c->cluster);
}

static void add_run(DspGrid *grid, const DspRunHealth *r) {
  const DspPoint *p = r->first->point;
  g_autofree char *bytes = dsp_text_bytes((double)r->worst_bytes);
  g_autofree char *name = run_name(p);
  dsp_grid_number(grid, FACTOR, r->slowdown);
  dsp_grid_number(grid, FACTOR, r->worst);
  dsp_grid_cell(grid, "%s", bytes);
  dsp_grid_cell(grid, "%u", r->n);
  dsp_grid_cell(grid, r->unhealthy ? "slow" : "ok");
  dsp_grid_cell(grid, "%s", dsp_trust_names[p->trust]);
  dsp_grid_cell(grid, "%s", name);
  dsp_grid_colour(grid, r->unhealthy ? DSP_TEXT_BEST : DSP_TEXT_PLAIN);
}

static void add_health(const DspScoreAnswer *a, const DspStyle *style,
                       GString *out) {
  static const DspTextColumn columns[] = {
      {"slower", "times", FALSE}, {"at worst", "times", FALSE},
      {"at", "", FALSE},          {"sizes", "", FALSE},
      {"which is", "", TRUE},     {"marked", "", TRUE},
      {"run", "", TRUE}};
  g_autoptr(DspGrid) grid = dsp_grid_new(style, columns, G_N_ELEMENTS(columns));
  guint unhealthy = 0;
  for (guint i = 0; i < a->runs->len; i++) {
    const DspRunHealth *r = &g_array_index(a->runs, DspRunHealth, i);
    unhealthy += r->unhealthy;
    add_run(grid, r);
  }
  g_string_append_printf(
      out,
      "#\n# %u of %u runs of collectives are slower than the "
      "machine should be: more than\n# %.2g times in the "
      "median of sizes of 1 MiB and more.\n",
      unhealthy, a->runs->len, DSP_HEALTH_THRESHOLD);
  if (a->runs->len)
    dsp_grid_print(grid, out);
}

/* --- the whole ----------------------------------------------------------- */

static void add_reasons(const DspScoreAnswer *a, const DspStyle *style,
                        GString *out) {
  if (a->reasons->len)
    g_string_append(out, "#\n# skipped\n");
  for (guint i = 0; i < a->reasons->len; i++) {
    const DspScoreReason *r = &g_array_index(a->reasons, DspScoreReason, i);
    g_autofree char *line =
        g_strdup_printf("%s: %s", dsp_measured_names[r->kind], r->reason);
    g_string_append_printf(out, "  %5u  ", r->n);
    dsp_text_wrap(out, style, "", 9, line);
  }
}

static void add_summary(const DspScoreAnswer *a, const DspStyle *style,
                        GString *out) {
  add_classes(a, style, out);
  add_contests(a, style, out);
  add_apart(a, style, out);
  add_reasons(a, style, out);
}

void dsp_score_text(const DspReport *report, const DspStyle *style,
                    GString *out) {
  const DspScoreAnswer *a = report->data;
  dsp_measured_text(a->files, style, out);
  if (a->tell_points)
    add_points(a, style, out);
  if (a->tell_groups)
    add_groups(a, style, out);
  if (a->tell_health)
    add_health(a, style, out);
  else
    add_summary(a, style, out);
}
