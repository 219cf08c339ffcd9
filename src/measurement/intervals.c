/* SPDX-License-Identifier: Apache-2.0 */
/* Whether measurements fall into the intervals of their predictions, and what
 * intervals are made from. */
#include "measurement/score.h"
#include "measurement/statistics.h"
#include <math.h>
#include <string.h>

/* What points have in common that were not measured independently: the machine,
 * or the model of steps. */
static const char *subject_of(const DspPoint *p) {
  const char *gpu = dsp_point_gpu(p);
  if (p->kind == DSP_MEASURED_STEP)
    return p->step.model;
  return gpu ? gpu : dsp_point_cluster(p);
}

static double log_error(const DspScored *s) {
  return -log1p(dsp_scored_time_error(s));
}

static DspErrors errors_of(const DspScored *s) {
  return dsp_errors_of_point(s->point, s->predicted);
}

gboolean dsp_scored_inside(const DspScored *s) {
  const double ratio = exp(log_error(s));
  return ratio >= s->interval.p10 && ratio <= s->interval.p90;
}

/* --- of points ----------------------------------------------------------- */

static void find_interval(DspScored *s, const DspResiduals *residuals) {
  const DspErrors errors = errors_of(s);
  double ratios[DSP_SPREAD_DRAWS];
  if (!s->spread) {
    s->interval = dsp_interval_of(residuals, errors);
    return;
  }
  dsp_spread_draw(s->spread, residuals, ratios);
  s->interval = dsp_interval_of_step(residuals, errors, ratios);
}

/* Of all points or, of those of one subject. */
static void find_intervals(DspScore *score, const DspResiduals *residuals,
                           const char *subject) {
  for (guint i = 0; i < score->points->len; i++) {
    DspScored *s = &g_array_index(score->points, DspScored, i);
    if (!s->skipped &&
        (!subject || g_strcmp0(subject_of(s->point), subject) == 0))
      find_interval(s, residuals);
  }
}

void dsp_score_intervals(DspScore *score, const DspResiduals *residuals) {
  find_intervals(score, residuals, NULL);
}

/* --- what errors there are ----------------------------------------------- */

static gboolean is_source(const DspScored *s) {
  return !s->skipped && s->point->trust == DSP_TRUST_HEALTHY;
}

static void add_error(GArray *errors, const DspScored *s, DspErrors class,
                      double error) {
  const DspResidual residual = {class, subject_of(s->point), error};
  g_array_append_val(errors, residual);
}

/* Of points as they are; steps that mostly wait for the CPU tell of it, too. */
static GArray *plain_errors(const DspScore *score) {
  GArray *errors = g_array_new(FALSE, FALSE, sizeof(DspResidual));
  const double most = 0.5;
  for (guint i = 0; i < score->points->len; i++) {
    const DspScored *s = dsp_scored(score, i);
    if (!is_source(s))
      continue;
    add_error(errors, s, errors_of(s), log_error(s));
    if (s->spread && dsp_spread_host_share(s->spread) > most)
      add_error(errors, s, DSP_ERRORS_HOST, log_error(s));
  }
  return errors;
}

/* Median and variance of logarithms of draws. */
static double log_median(const double *ratios, double *variance) {
  g_autoptr(GArray) logs = g_array_new(FALSE, FALSE, sizeof(double));
  double sum = 0, squares = 0;
  for (guint i = 0; i < DSP_SPREAD_DRAWS; i++) {
    const double value = log(ratios[i]);
    g_array_append_val(logs, value);
    sum += value;
    squares += value * value;
  }
  *variance = (squares - sum * sum / DSP_SPREAD_DRAWS) / DSP_SPREAD_DRAWS;
  return dsp_median(logs);
}

/* Errors of the steps of a class less what their operations' errors make of
 * them; `explained`: the mean variance of that. */
static GArray *rest_of(const DspScore *score, DspErrors class,
                       const DspResiduals *residuals, double *explained) {
  GArray *rest = g_array_new(FALSE, FALSE, sizeof(DspResidual));
  double variance, ratios[DSP_SPREAD_DRAWS], sum = 0;
  for (guint i = 0; i < score->points->len; i++) {
    const DspScored *s = dsp_scored(score, i);
    if (!is_source(s) || !s->spread || errors_of(s) != class)
      continue;
    dsp_spread_draw(s->spread, residuals, ratios);
    add_error(rest, s, class, log_error(s) - log_median(ratios, &variance));
    sum += variance;
  }
  *explained = sum / MAX(rest->len, 1);
  return rest;
}

/* The median, and the standard deviation if they are normal. */
static double middle_of(const GArray *errors, double *width) {
  g_autoptr(GArray) values = g_array_new(FALSE, FALSE, sizeof(double));
  const double normal = 2.5631; /* P90 - P10 of a normal distribution */
  for (guint i = 0; i < errors->len; i++)
    g_array_append_val(values, g_array_index(errors, DspResidual, i).error);
  *width = (dsp_quantile(values, 0.9) - dsp_quantile(values, 0.1)) / normal;
  return dsp_median(values);
}

/* What is left of the errors of steps of a class if their operations are off as
 * operations are: variances add up, so that the errors are drawn together about
 * their median by what the operations explain. */
static void add_rest(GArray *all, const DspScore *score, DspErrors class,
                     const DspResiduals *residuals) {
  double explained, width;
  g_autoptr(GArray) rest = rest_of(score, class, residuals, &explained);
  const double middle = middle_of(rest, &width);
  const double left = sqrt(fmax(0, 1 - explained / (width * width)));
  for (guint i = 0; i < rest->len; i++) {
    DspResidual *r = &g_array_index(rest, DspResidual, i);
    r->error = middle + left * (r->error - middle);
    g_array_append_val(all, *r);
  }
}

static gboolean is_of_step(const DspResidual *r) {
  return r->errors == DSP_ERRORS_STEP || r->errors == DSP_ERRORS_STEP_OUTSIDE;
}

/* The errors of all classes, those of steps beside their operations'. */
static GArray *collect(const DspScore *score) {
  GArray *errors = plain_errors(score);
  DspResiduals parts;
  dsp_residuals_make(&parts, errors, 0, DSP_ERRORS_STEP, NULL);
  for (guint i = errors->len; i-- > 0;)
    if (is_of_step(&g_array_index(errors, DspResidual, i)))
      g_array_remove_index_fast(errors, i);
  add_rest(errors, score, DSP_ERRORS_STEP, &parts);
  add_rest(errors, score, DSP_ERRORS_STEP_OUTSIDE, &parts);
  return errors;
}

void dsp_score_residuals(const DspScore *score, DspResiduals *residuals) {
  g_autoptr(GArray) errors = collect(score);
  dsp_residuals_make(residuals, errors, 0, DSP_N_ERRORS, NULL);
}

/* Each subject's from the others. */
void dsp_score_intervals_held_out(DspScore *score) {
  g_autoptr(GArray) errors = collect(score);
  g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
  for (guint i = 0; i < score->points->len; i++) {
    const char *subject = subject_of(dsp_scored(score, i)->point);
    DspResiduals residuals;
    if (!g_hash_table_add(seen, (gpointer)subject))
      continue;
    dsp_residuals_make(&residuals, errors, 0, DSP_N_ERRORS, subject);
    find_intervals(score, &residuals, subject);
  }
}
