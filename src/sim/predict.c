/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/predict.h"
#include "base/units.h"
#include "schedule/rules.h"
#include <string.h>

/* --- does it fit, and what would
 * ---------------------------------------------------- */

static gboolean same_plan(const DspPlan *a, const DspPlan *b) {
  return a->method == b->method && a->variant == b->variant &&
         a->home == b->home && a->recompute == b->recompute &&
         a->zero == b->zero &&
         memcmp(a->degree, b->degree, sizeof a->degree) == 0;
}

static gboolean is_refused(const GArray *refused, const DspPlan *plan) {
  for (guint i = 0; i < refused->len; i++)
    if (same_plan(&g_array_index(refused, DspPlan, i), plan))
      return TRUE;
  return FALSE;
}

/* Plans that did not fit are kept in `refused`: the search comes to them again
 * from elsewhere, and a schedule takes a thousand times as long. */
static gboolean fits(const DspJob *job, const DspPlan *plan, gpointer refused) {
  if (is_refused(refused, plan))
    return FALSE;
  g_autoptr(DspSchedule) schedule = dsp_schedule_new(job, plan, NULL);
  if (schedule) {
    const DspMemoryUse use = dsp_schedule_memory(schedule);
    if (use.peak <= use.limit)
      return TRUE;
  }
  g_array_append_vals(refused, plan, 1);
  return FALSE;
}

static gboolean other_that_fits(const DspJob *job, const DspPlan *base,
                                GArray *refused, DspPlan *nearest) {
  return dsp_plan_nearest(job, base, fits, refused, nearest) ||
         dsp_plan_alternative(job, base, fits, refused, nearest);
}

/* Out of memory: first full recompute, then a higher ZeRO stage, then another
 * degree, then another method; both last without and with ZeRO 3. */
static gboolean nearest_that_fits(const DspJob *job, const DspPlan *plan,
                                  DspPlan *nearest) {
  g_autoptr(GArray) refused = g_array_new(FALSE, FALSE, sizeof(DspPlan));
  gboolean train = job->mode == DSP_MODE_TRAIN;
  DspPlan base = *plan;
  if (train)
    base.recompute = DSP_RECOMPUTE_FULL;
  for (*nearest = base; train && nearest->zero <= 3; nearest->zero++)
    if (fits(job, nearest, refused))
      return TRUE;
  if (other_that_fits(job, &base, refused, nearest))
    return TRUE;
  base.zero = 3;
  return train && other_that_fits(job, &base, refused, nearest);
}

static char *suggest(const DspPlan *plan, const DspPlan *nearest) {
  GString *text = g_string_new(NULL);
  g_autofree char *what = dsp_plan_describe(nearest);
  gboolean recompute = nearest->recompute != plan->recompute;
  g_string_append(text, what);
  if (recompute)
    g_string_append(text, " with full recompute");
  if (nearest->zero != plan->zero)
    g_string_append_printf(text, " %s ZeRO %d", recompute ? "and" : "with",
                           nearest->zero);
  return g_string_free(text, FALSE);
}

static void refuse_memory(DspPrediction *p) {
  g_autofree char *peak = dsp_format_size(p->memory.peak);
  g_autofree char *limit = dsp_format_size(p->memory.limit);
  p->reason =
      g_strdup_printf("needs %s of memory on a GPU with %s", peak, limit);
}

/* The nearest that can be scheduled. */
static gboolean nearest_that_runs(const DspJob *job, const DspPlan *plan,
                                  DspPlan *nearest) {
  return dsp_plan_nearest(job, plan, NULL, NULL, nearest) ||
         dsp_plan_alternative(job, plan, NULL, NULL, nearest);
}

void dsp_prediction_advise(DspPrediction *p, const DspJob *job) {
  const gboolean scheduled = p->memory.peak > 0;
  DspPlan nearest;
  if (!p->feasible && !p->suggestion &&
      (scheduled ? nearest_that_fits : nearest_that_runs)(job, &p->plan,
                                                          &nearest))
    p->suggestion = suggest(&p->plan, &nearest);
}

/* --- rates
 * -------------------------------------------------------------------------------
 */

/* Forward FLOP of one replica's batch, both passes of guidance; training is
 * three times as much (backward twice the forward; PaLM, appendix B). */
static double model_flop(const DspJob *job) {
  double forward =
      dsp_model_forward_flop(job->model, &job->lengths) * (double)job->batch;
  if (job->mode == DSP_MODE_TRAIN)
    return 3 * forward;
  return job->guidance == DSP_GUIDANCE_NONE ? forward : 2 * forward;
}

static void find_rates(DspPrediction *p, const DspJob *job) {
  const DspCluster *cluster = job->cluster;
  double step = p->sim.step_time;
  double replicas = (double)p->plan.degree[DSP_AXIS_DP];
  double samples = replicas * (double)job->batch;
  double run = job->mode == DSP_MODE_INFER && job->evaluations > 0
                   ? step * (double)job->evaluations
                   : step;
  p->run_time = job->evaluations > 0 ? run : 0;
  p->samples_per_s = samples / run;
  p->tokens_per_s =
      samples * (double)dsp_stream_tokens(job->model, 0, &job->lengths) / step;
  p->mfu = model_flop(job) * replicas /
           (step * cluster->gpu->peak[job->dtype] * job->gpus);
  p->cost_per_1k_samples =
      cluster->price > 0
          ? 1000 / p->samples_per_s * job->gpus * cluster->price / 3600
          : -1;
}

void dsp_predict_unadvised(const DspJob *job, const DspPlan *plan,
                           DspPrices *prices, const DspSimOptions *options,
                           DspPrediction *p) {
  g_autoptr(GError) error = NULL;
  *p = (DspPrediction){.plan = *plan, .cost_per_1k_samples = -1};
  g_autoptr(DspSchedule) schedule = dsp_schedule_new(job, plan, &error);
  if (!schedule) {
    p->reason = g_strdup(error->message);
    return;
  }
  p->volume = dsp_schedule_volume(schedule, (1u << DSP_N_PASSES) - 1);
  p->memory = dsp_schedule_memory(schedule);
  if (p->memory.peak > p->memory.limit) {
    refuse_memory(p);
    return;
  }
  p->feasible = TRUE;
  dsp_simulate(schedule, prices, options, &p->sim);
  if (!p->sim.cut)
    find_rates(p, job);
}

void dsp_predict(const DspJob *job, const DspPlan *plan, DspPrices *prices,
                 const DspSimOptions *options, DspPrediction *p) {
  dsp_predict_unadvised(job, plan, prices, options, p);
  dsp_prediction_advise(p, job);
}

void dsp_prediction_clear(DspPrediction *p) {
  g_clear_pointer(&p->reason, g_free);
  g_clear_pointer(&p->suggestion, g_free);
}
