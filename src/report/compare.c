/* SPDX-License-Identifier: Apache-2.0 */
/* A comparison as text: what runs, best first, then what cannot and why. */
#include "report/prediction.h"
#include "report/text.h"
#include "schedule/rules.h"
#include "search/compare.h"

#define PERCENT (&(const DspScale){0.01, "%", 1})

typedef struct {
  DspScale samples, step, sent, memory;
} Scales;

GArray *dsp_results_of(const DspJob *job, const GArray *compared) {
  GArray *results = g_array_new(FALSE, FALSE, sizeof(DspResult));
  for (guint i = 0; i < compared->len; i++) {
    const DspCompared *c = &g_array_index(compared, DspCompared, i);
    const DspResult result = {.job = job,
                              .prediction = &c->prediction,
                              .chosen = c->chosen,
                              .speedup = c->speedup};
    g_array_append_val(results, result);
  }
  return results;
}

static const DspResult *result_at(const DspCompareText *text, guint i) {
  return &g_array_index(text->results, DspResult, i);
}

static gboolean is_shown(const DspCompareText *text, const DspResult *result) {
  return result->prediction->feasible && (text->all || result->chosen);
}

static Scales find_scales(const DspCompareText *text) {
  double samples = 0, step = 0, sent = 0, memory = 0;
  for (guint i = 0; i < text->results->len; i++) {
    const DspResult *r = result_at(text, i);
    const DspPrediction *p = r->prediction;
    if (!is_shown(text, r))
      continue;
    samples = dsp_scale_least(p->samples_per_s, samples);
    step = dsp_scale_least(p->sim.step_time, step);
    sent = dsp_scale_least((double)p->volume.total, sent);
    memory = dsp_scale_least((double)p->memory.peak, memory);
  }
  return (Scales){dsp_scale_number(samples), dsp_scale_time(step),
                  dsp_scale_bytes(sent), dsp_scale_bytes(memory)};
}

static void add_result(DspGrid *grid, const Scales *scales,
                       const DspResult *result) {
  const DspPrediction *p = result->prediction;
  const char *const *variants = p->plan.method->variants;
  g_autofree char *degrees = dsp_text_degrees(&p->plan);
  dsp_grid_cell(grid, "%s%s%s", p->plan.method->name,
                p->plan.variant ? " " : "",
                p->plan.variant ? variants[p->plan.variant] : "");
  dsp_grid_cell(grid, "%s", degrees);
  dsp_grid_number(grid, &scales->samples, p->samples_per_s);
  if (result->speedup > 0)
    dsp_grid_cell(grid, "%.2fx", result->speedup);
  else
    dsp_grid_cell(grid, "-");
  dsp_grid_number(grid, &scales->step, p->sim.step_time);
  dsp_grid_number(grid, PERCENT, p->mfu);
  dsp_grid_number(grid, PERCENT, p->sim.exposed_comm_time / p->sim.step_time);
  dsp_grid_number(grid, &scales->sent, (double)p->volume.total);
  dsp_grid_number(grid, &scales->memory, (double)p->memory.peak);
  if (p->cost_per_1k_samples > 0)
    dsp_grid_cell(grid, "%.4g", p->cost_per_1k_samples);
  if (result->interval.p90 > 0) {
    const double step = p->sim.step_time;
    dsp_grid_number(grid, &scales->step, step * result->interval.p10);
    dsp_grid_number(grid, &scales->step, step * result->interval.p90);
  }
}

static void add_results(const DspCompareText *text, const DspStyle *style,
                        GString *out) {
  const DspCluster *cluster = text->inputs->job->cluster;
  const Scales scales = find_scales(text);
  g_autofree char *unit =
      g_strconcat(cluster->price > 0 ? cluster->currency : "", "/1000", NULL);
  const gboolean likely = text->inputs->residuals != NULL;
  guint n = 9;
  DspTextColumn columns[] = {
      {"method", "", TRUE},
      {"degrees", "", TRUE},
      {"samples/s", scales.samples.unit, FALSE},
      {"speedup", "", FALSE},
      {"step", scales.step.unit, FALSE},
      {"MFU", "%", FALSE},
      {"exposed", "%", FALSE},
      {"sent", scales.sent.unit, FALSE},
      {"memory", scales.memory.unit, FALSE},
      {NULL},
      {NULL},
      {NULL}, /* cost, interval */
  };
  if (cluster->price > 0)
    columns[n++] = (DspTextColumn){"cost", unit, FALSE};
  if (likely) {
    columns[n++] = (DspTextColumn){"P10", scales.step.unit, FALSE};
    columns[n++] = (DspTextColumn){"P90", scales.step.unit, FALSE};
  }
  g_autoptr(DspGrid) grid = dsp_grid_new(style, columns, n);
  g_string_append(out, "#\n# A step takes batch x dp samples: compare plans of "
                       "different dp by samples/s.\n"
                       "# speedup: samples/s over those of the best embedded "
                       "plan.\n");
  if (cluster->price > 0)
    g_string_append(out, "# cost: of 1000 samples.\n");
  if (likely)
    g_string_append(out, "# P10, P90: between them the step is in 8 of 10 "
                         "cases.\n");
  for (guint i = 0; i < text->results->len; i++)
    if (is_shown(text, result_at(text, i))) {
      add_result(grid, &scales, result_at(text, i));
      dsp_grid_colour(grid, i == 0 ? DSP_TEXT_BEST : DSP_TEXT_PLAIN);
    }
  dsp_grid_print(grid, out);
}

/* --- what cannot run ----------------------------------------------------- */

static gboolean method_runs(const DspCompareText *text,
                            const DspMethod *method) {
  for (guint i = 0; i < text->results->len; i++) {
    const DspPrediction *p = result_at(text, i)->prediction;
    if (p->feasible && p->plan.method == method)
      return TRUE;
  }
  return FALSE;
}

/* The plan that speaks for a method that cannot run: the first of its plans
 * for which there is something to suggest, or the first. */
static const DspResult *spokesman(const DspCompareText *text,
                                  const DspMethod *method) {
  const DspResult *first = NULL;
  for (guint i = 0; i < text->results->len; i++) {
    const DspResult *result = result_at(text, i);
    if (result->prediction->plan.method != method)
      continue;
    if (result->prediction->suggestion)
      return result;
    first = first ? first : result;
  }
  return first;
}

gboolean dsp_compare_speaks(const DspCompareText *text,
                            const DspResult *result) {
  const DspMethod *method = result->prediction->plan.method;
  return !result->prediction->feasible && !method_runs(text, method) &&
         spokesman(text, method) == result;
}

static gboolean is_told(const DspCompareText *text, const DspResult *result) {
  return (text->all && !result->prediction->feasible) ||
         dsp_compare_speaks(text, result);
}

/* What could run instead is in the table if the method is. */
static void add_refusal(const DspCompareText *text, const DspResult *result,
                        const DspStyle *style, GString *out) {
  const DspPrediction *p = result->prediction;
  const char *suggestion =
      method_runs(text, p->plan.method) ? NULL : p->suggestion;
  g_autofree char *plan = dsp_plan_describe(&p->plan);
  g_autofree char *line = g_strdup_printf(
      "%s: %s%s%s", plan, p->reason, suggestion ? "; what can run is " : "",
      suggestion ? suggestion : "");
  g_string_append(out, "  ");
  dsp_text_wrap(out, style, "", 4, line);
}

static void add_refusals(const DspCompareText *text, const DspStyle *style,
                         GString *out) {
  gboolean any = FALSE;
  for (guint i = 0; i < text->results->len; i++) {
    if (!is_told(text, result_at(text, i)))
      continue;
    if (!any)
      g_string_append(out, "#\n# cannot run\n");
    any = TRUE;
    add_refusal(text, result_at(text, i), style, out);
  }
}

void dsp_compare_text(const DspReport *report, const DspStyle *style,
                      GString *out) {
  const DspCompareText *text = report->data;
  dsp_text_job(text->inputs, style, out);
  if (text->results->len && result_at(text, 0)->prediction->feasible)
    add_results(text, style, out);
  add_refusals(text, style, out);
}
