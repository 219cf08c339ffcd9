/* SPDX-License-Identifier: Apache-2.0 */
/* predict: one plan. */
#include "base/error.h"
#include "cmd/job.h"
#include "cmd/output.h"
#include "report/explain.h"
#include "schedule/rules.h"
#include "search/choose.h"

typedef struct {
  DspJobOptions job;
  DspOutputOptions output;
  gboolean explain, interval;
} Options;

static const DspOption answer_options[] = {
    {"explain", 'e', &dsp_option_flag, G_STRUCT_OFFSET(Options, explain), NULL,
     "break the prediction down", NULL, NULL},
    {"interval", 'i', &dsp_option_flag, G_STRUCT_OFFSET(Options, interval),
     NULL, "between what the step time likely is", NULL, NULL},
    {NULL}};

static const DspOptionGroup groups[] = {
    DSP_JOB_GROUPS(G_STRUCT_OFFSET(Options, job)),
    {"Answer", answer_options, 0},
    DSP_OUTPUT_GROUP(G_STRUCT_OFFSET(Options, output)),
    {NULL}};

static const Options defaults = {.job = DSP_JOB_DEFAULTS,
                                 .output = DSP_OUTPUT_DEFAULTS};

/* --- the answer ---------------------------------------------------------- */

static DspPlan chosen(const DspTask *task) {
  DspPrediction prediction;
  dsp_choose(&task->job, &task->space, task->prices, &task->sim, &prediction);
  const DspPlan plan = prediction.plan;
  dsp_prediction_clear(&prediction);
  return plan;
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

static gboolean answer(const DspInvocation *invocation, const DspTask *task,
                       DspResult *result, GError **error) {
  const Options *options = invocation->options;
  const DspPredictText text = {&task->inputs, result};
  g_autoptr(DspTable) inputs = dsp_inputs_table(&task->inputs);
  g_autoptr(DspTable) results = dsp_result_table(task->model, FALSE);
  dsp_table_add_row(results, result);
  if (result->explanation)
    dsp_explanation_add_columns(results);
  if (options->interval)
    dsp_result_table_add_interval(results);
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
  if (options->interval && prediction.feasible)
    result.interval = dsp_interval_of_plan(&task->job, plan, task->prices,
                                           &task->sim, task->inputs.residuals);
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
  g_autofree DspResiduals *residuals = NULL;
  if (!task || (options->interval &&
                !(residuals = dsp_residuals_load(DSP_RESIDUALS_NAME, error))))
    return FALSE;
  task->inputs.residuals = residuals;
  const DspPlan plan = chosen(task);
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
