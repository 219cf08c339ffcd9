/* SPDX-License-Identifier: Apache-2.0 */
/* One prediction as text. */
#include "report/explain.h"
#include "report/text.h"
#include "schedule/rules.h"

static void add_time(GString *out, const DspStyle *style, const char *key,
                     double time, const DspSimResult *sim) {
  g_autofree char *text = dsp_text_time(time);
  dsp_text_line(out, style, key, "%s (%.1f %%)", text,
                100 * time / sim->step_time);
}

static void add_plan(GString *out, const DspStyle *style,
                     const DspResult *result) {
  const DspPlan *plan = &result->prediction->plan;
  const int home = dsp_plan_sequence_degree(plan) > 1
                       ? dsp_plan_home(result->job, plan, 0)
                       : -1;
  g_autofree char *what = dsp_plan_describe(plan);
  dsp_text_line(out, style, "plan", "%s%s%s", what,
                home < 0 ? "" : ", home shard ",
                home < 0 ? "" : result->job->model->dims[home].name);
}

static void add_rates(GString *out, const DspStyle *style,
                      const DspPrediction *p) {
  g_autofree char *samples = dsp_text_number(p->samples_per_s);
  g_autofree char *tokens = dsp_text_number(p->tokens_per_s);
  dsp_text_line(out, style, "throughput", "%s samples/s, %s tokens/s", samples,
                tokens);
  dsp_text_line(out, style, "MFU", "%.1f %%", 100 * p->mfu);
  if (p->run_time > 0) {
    g_autofree char *run = dsp_text_time(p->run_time);
    dsp_text_line(out, style, "run", "%s", run);
  }
}

static void add_interval(GString *out, const DspStyle *style,
                         const DspResult *result) {
  const double step = result->prediction->sim.step_time;
  g_autofree char *p10 = dsp_text_time(step * result->interval.p10);
  g_autofree char *p90 = dsp_text_time(step * result->interval.p90);
  if (result->interval.p90 > 0)
    dsp_text_line(out, style, "  likely", "%s to %s (P10 to P90)", p10, p90);
}

static void add_step(GString *out, const DspStyle *style,
                     const DspResult *result) {
  const DspSimResult *sim = &result->prediction->sim;
  g_autofree char *step = dsp_text_time(sim->step_time);
  g_autofree char *bound = dsp_text_time(sim->bound);
  dsp_text_line(out, style, "step", "%s, %.2f times its lower bound of %s (%s)",
                step, sim->step_time / sim->bound, bound, sim->bound_by);
  add_interval(out, style, result);
  add_time(out, style, "compute", sim->compute_time, sim);
  add_time(out, style, "  contention", sim->contention_time, sim);
  add_time(out, style, "communication", sim->comm_time, sim);
  add_time(out, style, "  exposed", sim->exposed_comm_time, sim);
  add_time(out, style, "launch idle", sim->launch_idle_time, sim);
}

static void add_bytes(GString *out, const DspStyle *style,
                      const DspResult *result) {
  const DspPrediction *p = result->prediction;
  g_autofree char *sent = dsp_text_bytes((double)p->volume.total);
  g_autofree char *peak = dsp_text_bytes((double)p->memory.peak);
  g_autofree char *limit = dsp_text_bytes((double)p->memory.limit);
  dsp_text_line(out, style, "sent by a GPU",
                "%s in %" G_GINT64_FORMAT " collectives", sent,
                p->volume.collectives);
  dsp_text_line(out, style, "memory", "%s of %s", peak, limit);
  if (p->cost_per_1k_samples > 0)
    dsp_text_line(out, style, "cost", "%.4g %s for 1000 samples",
                  p->cost_per_1k_samples, result->job->cluster->currency);
}

void dsp_predict_text(const DspReport *report, const DspStyle *style,
                      GString *out) {
  const DspPredictText *text = report->data;
  const DspPrediction *p = text->result->prediction;
  dsp_text_job(text->inputs, style, out);
  g_string_append(out, "#\n");
  add_plan(out, style, text->result);
  if (!p->feasible) {
    dsp_text_line(out, style, "cannot run", "%s", p->reason);
    if (p->suggestion)
      dsp_text_line(out, style, "what can", "%s", p->suggestion);
    return;
  }
  add_step(out, style, text->result);
  add_rates(out, style, p);
  add_bytes(out, style, text->result);
  if (text->result->explanation)
    dsp_explanation_text(text->result, style, out);
}
