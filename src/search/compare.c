/* SPDX-License-Identifier: Apache-2.0 */
#include "search/compare.h"

static void compared_clear(gpointer data) {
  dsp_prediction_clear(&((DspCompared *)data)->prediction);
}

static DspCompared *at(GArray *plans, guint i) {
  return &g_array_index(plans, DspCompared, i);
}

static gboolean same_kind(const DspPlan *a, const DspPlan *b) {
  return a->method == b->method && a->variant == b->variant;
}

double dsp_step_limit(const DspJob *job, const DspPlan *plan,
                      double samples_per_s) {
  const double samples =
      (double)plan->degree[DSP_AXIS_DP] * (double)job->batch /
      (double)(job->mode == DSP_MODE_INFER ? MAX(job->evaluations, 1) : 1);
  return samples_per_s > 0 ? samples / samples_per_s : 0;
}

/* The step time above which `plan` is slower than the best of its kind. */
static double limit_of(const DspJob *job, const DspPlan *plan, GArray *done) {
  double best = 0;
  for (guint i = 0; i < done->len; i++)
    if (same_kind(&at(done, i)->prediction.plan, plan))
      best = MAX(best, at(done, i)->prediction.samples_per_s);
  return dsp_step_limit(job, plan, best);
}

static GArray *predict_all(const DspJob *job, const DspPlanSpace *space,
                           DspPrices *prices, const DspSimOptions *options,
                           gboolean best_only) {
  g_autoptr(GArray) plans = dsp_enumerate_plans(job, space);
  GArray *done =
      g_array_sized_new(FALSE, TRUE, sizeof(DspCompared), plans->len);
  g_array_set_clear_func(done, compared_clear);
  for (guint i = 0; i < plans->len; i++) {
    const DspPlan *plan = &g_array_index(plans, DspPlan, i);
    DspCompared compared = {.speedup = 0};
    DspSimOptions limited = *options;
    if (best_only)
      limited.limit = limit_of(job, plan, done);
    dsp_predict_unadvised(job, plan, prices, &limited, &compared.prediction);
    if (compared.prediction.sim.cut)
      compared_clear(&compared);
    else
      g_array_append_val(done, compared);
  }
  return done;
}

/* Whether nobody needs to know what could run instead of the plan: another of
 * its method runs, or one before it has told. */
static gboolean is_advised(GArray *plans, guint i) {
  const DspMethod *method = at(plans, i)->prediction.plan.method;
  for (guint j = 0; j < plans->len; j++) {
    const DspPrediction *p = &at(plans, j)->prediction;
    if (p->plan.method == method && (p->feasible || (j < i && p->suggestion)))
      return TRUE;
  }
  return FALSE;
}

static void advise(const DspJob *job, GArray *plans, gboolean best_only) {
  for (guint i = 0; i < plans->len; i++)
    if (!at(plans, i)->prediction.feasible &&
        !(best_only && is_advised(plans, i)))
      dsp_prediction_advise(&at(plans, i)->prediction, job);
}

/* By samples a second; equal ones (and those that do not run) stay as they
 * are, since g_array_sort is stable. */
static gint by_rate(gconstpointer a, gconstpointer b) {
  double x = ((const DspCompared *)a)->prediction.samples_per_s;
  double y = ((const DspCompared *)b)->prediction.samples_per_s;
  return (y > x) - (y < x);
}

static gboolean is_candidate(const DspPlanSpace *space,
                             const DspPrediction *p) {
  return p->feasible && dsp_plan_is_candidate(space, &p->plan);
}

static double best_embedded(const DspPlanSpace *space, GArray *plans) {
  for (guint i = 0; i < plans->len; i++) {
    const DspPrediction *p = &at(plans, i)->prediction;
    if (p->plan.method->embedded && is_candidate(space, p))
      return p->samples_per_s;
  }
  return 0;
}

static void choose(const DspPlanSpace *space, GArray *plans) {
  g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);
  for (guint i = 0; i < plans->len; i++) {
    DspCompared *c = at(plans, i);
    c->chosen = is_candidate(space, &c->prediction) &&
                g_hash_table_add(seen, (gpointer)c->prediction.plan.method);
  }
}

GArray *dsp_compare(const DspJob *job, const DspPlanSpace *space,
                    DspPrices *prices, const DspSimOptions *options,
                    gboolean best_only) {
  GArray *plans = predict_all(job, space, prices, options, best_only);
  advise(job, plans, best_only);
  g_array_sort(plans, by_rate);
  double embedded = best_embedded(space, plans);
  choose(space, plans);
  for (guint i = 0; embedded > 0 && i < plans->len; i++)
    at(plans, i)->speedup = at(plans, i)->prediction.samples_per_s / embedded;
  return plans;
}
