/* SPDX-License-Identifier: Apache-2.0 */
/* predict: one plan. */
#include "base/error.h"
#include "cmd/job.h"
#include "cmd/output.h"
#include "report/explain.h"
#include "schedule/rules.h"

typedef struct {
  DspJobOptions job;
  DspOutputOptions output;
  gboolean explain;
} Options;

static const DspOption answer_options[] = {
    {"explain", 'e', &dsp_option_flag, G_STRUCT_OFFSET(Options, explain), NULL,
     "break the prediction down", NULL, NULL},
    {NULL}};

static const DspOptionGroup groups[] = {
    DSP_JOB_GROUPS(G_STRUCT_OFFSET(Options, job)),
    {"Answer", answer_options, 0},
    DSP_OUTPUT_GROUP(G_STRUCT_OFFSET(Options, output)),
    {NULL}};

static const Options defaults = {.job = DSP_JOB_DEFAULTS,
                                 .output = DSP_OUTPUT_DEFAULTS};

/* --- which plan ---------------------------------------------------------- */

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

/* The axis that --sp means, as far as one does. */
static DspAxisName axis_of(const DspMethod *method) {
  for (int i = 0; i < DSP_N_AXES; i++)
    if (method->axes & (1u << i))
      return (DspAxisName)i;
  return DSP_AXIS_SP;
}

/* The plan that was asked for although the GPUs do not divide by its degrees:
 * it says so when it is predicted. */
static DspPlan misfit(const DspTask *task) {
  const DspPlanSpace *space = &task->space;
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
    plan.degree[DSP_AXIS_DP] = MAX(task->job.gpus / dsp_plan_ranks(&plan), 1);
  return plan;
}

/* The fastest plan of the largest degree of which any can run; if none can,
 * the first of the largest degree. */
static DspPlan choose(const DspTask *task) {
  g_autoptr(GArray) plans = dsp_enumerate_plans(&task->job, &task->space);
  if (!plans->len)
    return misfit(task);
  g_array_sort(plans, by_degree);
  const DspPlan *all = (const DspPlan *)(void *)plans->data, *best = &all[0];
  double most = 0;
  for (guint i = 0; i < plans->len; i++) {
    DspPrediction p;
    if (most > 0 && degree_of(&all[i]) < degree_of(best))
      break;
    dsp_predict(&task->job, &all[i], task->prices, &task->sim, &p);
    if (p.samples_per_s > most) {
      most = p.samples_per_s;
      best = &all[i];
    }
    dsp_prediction_clear(&p);
  }
  return *best;
}

static void note_choice(const DspTask *task, const Options *options,
                        const DspPlan *plan) {
  g_autofree char *what = dsp_plan_describe(plan);
  if (!options->job.sequence && !options->job.degrees &&
      task->space.method->axes)
    dsp_output_note(&options->output,
                    "%s: the largest degree that can run, '--sp' sets another",
                    what);
}

/* --- the answer ---------------------------------------------------------- */

static gboolean answer(const DspInvocation *invocation, const DspTask *task,
                       DspResult *result, GError **error) {
  const Options *options = invocation->options;
  const DspPredictText text = {&task->inputs, result};
  g_autoptr(DspTable) inputs = dsp_inputs_table(&task->inputs);
  g_autoptr(DspTable) results = dsp_result_table(task->model, FALSE);
  dsp_table_add_row(results, result);
  if (result->explanation)
    dsp_explanation_add_columns(results);
  DspReport report = {.schema = "dspsim.predict/1",
                      .inputs = inputs,
                      .results = results,
                      .text = dsp_predict_text,
                      .data = &text};
  if (!dsp_output_write(&options->output, &report, invocation->out, error))
    return FALSE;
  return result->prediction->feasible ||
         dsp_refuse(error, "this plan cannot run: %s",
                    result->prediction->reason);
}

static gboolean predict(const DspInvocation *invocation, DspTask *task,
                        const DspPlan *plan, GError **error) {
  const Options *options = invocation->options;
  g_autoptr(DspExplanation) explanation =
      options->explain ? dsp_explanation_new() : NULL;
  DspPrediction prediction;
  if (explanation)
    task->sim.observer = dsp_explanation_observer(explanation);
  dsp_predict(&task->job, plan, task->prices, &task->sim, &prediction);
  DspResult result = {.job = &task->job, .prediction = &prediction};
  if (explanation && prediction.feasible) {
    dsp_explanation_finish(explanation, plan, task->prices);
    result.explanation = explanation;
  }
  if (prediction.feasible)
    note_choice(task, options, plan);
  dsp_output_detail(&options->output, "simulated %" G_GUINT64_FORMAT " events",
                    (guint64)prediction.sim.events);
  const gboolean done = answer(invocation, task, &result, error);
  dsp_prediction_clear(&prediction);
  return done;
}

static gboolean run(const DspInvocation *invocation, GError **error) {
  const Options *options = invocation->options;
  g_autoptr(DspTask) task =
      dsp_task_new(&options->job, invocation->operands, "dsp", error);
  if (!task)
    return FALSE;
  const DspPlan plan = choose(task);
  return predict(invocation, task, &plan, error);
}

const DspCommand dsp_command_predict = {
    .name = "predict",
    .summary = "predict step time, throughput, communication and memory of one "
               "plan",
    .operands = DSP_JOB_OPERANDS,
    .max_operands = 2,
    .groups = groups,
    .record_size = sizeof(Options),
    .defaults = &defaults,
    .run = run,
};
