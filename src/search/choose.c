/* SPDX-License-Identifier: Apache-2.0 */
#include "search/choose.h"
#include "search/compare.h"

static int64_t degree_of(const DspPlan *plan) {
  int64_t degree = 1;
  for (int i = 0; i < DSP_N_AXES; i++)
    if (plan->method->axes & (1u << i))
      degree *= plan->degree[i];
  return degree;
}

static gint by_degree(gconstpointer a, gconstpointer b) {
  const int64_t x = degree_of(a), y = degree_of(b);
  return (y > x) - (y < x);
}

/* The axis that the sequence degree means, as far as one does. */
static DspAxisName axis_of(const DspMethod *method) {
  for (int i = 0; i < DSP_N_AXES; i++)
    if (method->axes & (1u << i))
      return (DspAxisName)i;
  return DSP_AXIS_SP;
}

/* The plan that was asked for although the GPUs do not divide by its degrees:
 * it says so when it is predicted. */
static DspPlan misfit(const DspJob *job, const DspPlanSpace *space) {
  DspPlan plan = {.method = space->method,
                  .home = space->home,
                  .recompute = space->recompute,
                  .zero = space->zero};
  if (space->variant)
    plan.variant = (guint)dsp_method_variant(plan.method, space->variant);
  for (int i = 0; i < DSP_N_AXES; i++)
    plan.degree[i] = MAX(space->degree[i], 1);
  if (space->sequence && degree_of(&plan) == 1)
    plan.degree[axis_of(plan.method)] = space->sequence;
  if (!space->degree[DSP_AXIS_DP])
    plan.degree[DSP_AXIS_DP] = MAX(job->gpus / dsp_plan_ranks(&plan), 1);
  return plan;
}

/* The candidates, largest degree first; never empty. */
static GArray *list_plans(const DspJob *job, const DspPlanSpace *space) {
  GArray *plans = dsp_enumerate_plans(job, space);
  for (guint i = plans->len; i-- > 0;)
    if (!dsp_plan_is_candidate(space, &g_array_index(plans, DspPlan, i)))
      g_array_remove_index(plans, i);
  if (!plans->len) {
    const DspPlan plan = misfit(job, space);
    g_array_append_val(plans, plan);
  }
  g_array_sort(plans, by_degree);
  return plans;
}

/* Of equally fast ones the first stays. */
static void keep_better(DspPrediction *best, DspPrediction *other) {
  if (other->samples_per_s > best->samples_per_s) {
    const DspPrediction worse = *best;
    *best = *other;
    *other = worse;
  }
  dsp_prediction_clear(other);
}

void dsp_choose(const DspJob *job, const DspPlanSpace *space, DspPrices *prices,
                const DspSimOptions *options, DspPrediction *best) {
  g_autoptr(GArray) plans = list_plans(job, space);
  const DspPlan *all = (const DspPlan *)(void *)plans->data;
  dsp_predict_unadvised(job, &all[0], prices, options, best);
  for (guint i = 1; i < plans->len; i++) {
    DspPrediction other;
    DspSimOptions limited = *options;
    if (best->samples_per_s > 0 && degree_of(&all[i]) < degree_of(&best->plan))
      break;
    limited.limit = dsp_step_limit(job, &all[i], best->samples_per_s);
    dsp_predict_unadvised(job, &all[i], prices, &limited, &other);
    keep_better(best, &other);
  }
  dsp_prediction_advise(best, job);
}
