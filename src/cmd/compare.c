/* SPDX-License-Identifier: Apache-2.0 */
/* compare: every method, variant and degree side by side. */
#include "base/error.h"
#include "cmd/job.h"
#include "cmd/output.h"
#include "report/plot.h"
#include "schedule/rules.h"
#include "search/compare.h"

typedef struct {
  DspJobOptions job;
  DspOutputOptions output;
  gboolean all, interval;
  char *plot;
} Options;

#define AT(member) G_STRUCT_OFFSET(Options, member)

static const DspOption answer_options[] = {
    {"all", 'a', &dsp_option_flag, AT(all), NULL,
     "every plan, not only the best of each method", NULL, NULL},
    {"interval", 'i', &dsp_option_flag, AT(interval), NULL,
     "between what the step times likely are", NULL, NULL},
    {"plot", 0, &dsp_option_string, AT(plot), "FILE",
     "a picture as well: .svg, .png or .pdf", NULL, NULL},
    {NULL}};

static const DspOptionGroup groups[] = {DSP_JOB_GROUPS(AT(job)),
                                        {"Answer", answer_options, 0},
                                        DSP_OUTPUT_GROUP(AT(output)),
                                        {NULL}};

static const Options defaults = {.job = DSP_JOB_DEFAULTS,
                                 .output = DSP_OUTPUT_DEFAULTS};

static void add_intervals(const DspTask *task, GArray *results) {
  for (guint i = 0; i < results->len; i++) {
    DspResult *result = &g_array_index(results, DspResult, i);
    if (result->prediction->feasible)
      result->interval = dsp_interval_of_plan(
          &task->job, &result->prediction->plan, task->prices, &task->sim,
          task->inputs.residuals);
  }
}

/* The best plans come first. */
static gboolean runs(const GArray *rows) {
  return rows->len && g_array_index(rows, DspResult, 0).prediction->feasible;
}

static gboolean draw(const char *file, const DspTable *results,
                     GError **error) {
  const DspPlotRequest usual = {NULL};
  g_autoptr(DspRecords) records = dsp_records_new();
  if (!dsp_plot_check_file(file, "plot", error))
    return FALSE;
  dsp_records_add(records, results);
  g_autoptr(DspFigure) figure =
      dsp_figure_new(&dsp_plot_breakdown, records, &usual, error);
  return figure && dsp_figure_save(figure, file, error);
}

static gboolean answer(const DspInvocation *invocation, const DspTask *task,
                       const GArray *rows, GError **error) {
  const Options *options = invocation->options;
  const DspCompareText text = {&task->inputs, rows, options->all};
  g_autoptr(DspTable) inputs = dsp_inputs_table(&task->inputs);
  g_autoptr(DspTable) results = dsp_result_table(task->model, TRUE);
  for (guint i = 0; i < rows->len; i++)
    dsp_table_add_row(results, &g_array_index(rows, DspResult, i));
  if (options->interval)
    dsp_result_table_add_interval(results);
  DspReport report = {.schema = "dspsim.compare/1",
                      .inputs = inputs,
                      .results = results,
                      .text = dsp_compare_text,
                      .data = &text};
  if (options->plot && runs(rows) && !draw(options->plot, results, error))
    return FALSE;
  return dsp_output_write(&options->output, &report, invocation->out, error);
}

static gboolean has_plans(const GArray *rows, const DspTask *task,
                          GError **error) {
  return rows->len ||
         dsp_refuse(error, "no plan of these degrees fills %u GPUs",
                    task->job.gpus);
}

static gboolean any_runs(const GArray *rows, GError **error) {
  return runs(rows) || dsp_refuse(error, "no plan can run");
}

/* Text tells only the best plans: the others need not be simulated to their
 * end. */
static gboolean is_brief(const Options *options) {
  return !options->all &&
         dsp_output_format(&options->output) == &dsp_format_text;
}

static void tell_effort(const GArray *rows, const DspOutputOptions *output) {
  guint64 events = 0;
  guint feasible = 0;
  for (guint i = 0; i < rows->len; i++) {
    const DspPrediction *p = g_array_index(rows, DspResult, i).prediction;
    events += p->sim.events;
    feasible += p->feasible;
  }
  dsp_output_detail(output,
                    "%u plans predicted to the end, of which %u can run; "
                    "%" G_GUINT64_FORMAT " events",
                    rows->len, feasible, events);
}

static gboolean run(const DspInvocation *invocation, GError **error) {
  const Options *options = invocation->options;
  g_autoptr(DspTask) task =
      dsp_task_new(&options->job, invocation->operands, NULL, error);
  g_autofree DspResiduals *residuals = NULL;
  if (!task || (options->interval &&
                !(residuals = dsp_residuals_load(DSP_RESIDUALS_NAME, error))))
    return FALSE;
  task->inputs.residuals = residuals;
  g_autoptr(GArray) compared = dsp_compare(
      &task->job, &task->space, task->prices, &task->sim, is_brief(options));
  g_autoptr(GArray) rows = dsp_results_of(&task->job, compared);
  if (residuals)
    add_intervals(task, rows);
  tell_effort(rows, &options->output);
  return has_plans(rows, task, error) &&
         answer(invocation, task, rows, error) && any_runs(rows, error);
}

const DspCommand dsp_command_compare = {
    .name = "compare",
    .summary = "compare all methods of sequence parallelism",
    .operands = DSP_JOB_OPERANDS,
    .max_operands = 2,
    .groups = groups,
    .record_size = sizeof(Options),
    .defaults = &defaults,
    .run = run,
};
