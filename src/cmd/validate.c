/* SPDX-License-Identifier: Apache-2.0 */
/* validate: do plans compute what their model says? */
#include "base/error.h"
#include "base/units.h"
#include "cmd/job.h"
#include "cmd/output.h"
#include "cmd/validate-cuda.h"
#include "numerics/shrink.h"
#include "report/validate.h"
#include "schedule/rules.h"

/* --- options -------------------------------------------------------------- */

typedef struct {
  DspJobOptions job;
  DspOutputOptions output;
  char *gpus, *measure;
  int dtype, backend, fault;
  int64_t seed;
  gboolean shrink;
} Options;

#define AT(member)    G_STRUCT_OFFSET(Options, member)
#define DEFAULT_MODEL "transformer-2d-720m"
#define DEFAULT_GPUS  "2,3,4,8"
/* Of an example that is neither well nor badly conditioned. */
enum { DEFAULT_SEED = 7 };

static const char *const dtype_names[] = {"fp32", "bf16", NULL};
static const DspDtype dtypes[] = {DSP_DTYPE_FP32, DSP_DTYPE_BF16};
static const char *const backend_names[];

static const DspOption what_options[] = {
    {"gpus", 'g', &dsp_option_string, AT(gpus), "N,...",
     "ranks: every plan that fills them", DEFAULT_GPUS, NULL},
    {"mode", 0, &dsp_option_enum, AT(job.mode), "MODE", "what is run", "train",
     dsp_mode_names},
    {"dim", 0, &dsp_option_list, AT(job.dims), "NAME=N",
     "length of a dimension in tokens: T=1", NULL, NULL},
    {"batch", 'b', &dsp_option_count, AT(job.batch), "N",
     "samples of a replica", "1", NULL},
    {"dtype", 0, &dsp_option_enum, AT(dtype), "TYPE", "of the tensors", "fp32",
     dtype_names},
    {"guidance", 0, &dsp_option_enum, AT(job.guidance), "HOW",
     "classifier-free, in inference", "none", dsp_guidance_names},
    {NULL}};

static const DspOption how_options[] = {
    {"backend", 0, &dsp_option_enum, AT(backend), "NAME", "who runs it", "cpu",
     backend_names},
    {"seed", 0, &dsp_option_count, AT(seed), "N", "of weights and inputs", "7",
     NULL},
    {"shrink", 0, &dsp_option_flag, AT(shrink), NULL,
     "a small model of the same structure, though the model is small", NULL,
     NULL},
    {"fault", 0, &dsp_option_enum, AT(fault), "NAME",
     "run them wrong on purpose", "none", dsp_fault_names},
    {"measure", 0, &dsp_option_string, AT(measure), "FILE",
     "time kernels of the GPU too", NULL, NULL},
    {NULL}};

static const DspOptionGroup groups[] = {
    {"What", what_options, 0},
    {"Which plans", dsp_plan_options, AT(job)},
    {"How it is checked", how_options, 0},
    DSP_OUTPUT_GROUP(AT(output)),
    {NULL}};

static const Options defaults = {.job = DSP_JOB_DEFAULTS,
                                 .output = DSP_OUTPUT_DEFAULTS};

/* --- models ----------------------------------------------------------------
 */

/* What one model needs, beside what the report tells. */
typedef struct {
  DspSubject subject; /* first, so that a report may borrow it */
  DspTask *task;
  DspModel *small; /* in place of the task's, or NULL */
} Case;

static void row_clear(gpointer data) {
  DspValidateRow *row = data;
  g_free(row->skipped);
  g_free(row->reason);
}

static void case_free(gpointer data) {
  Case *c = data;
  g_array_unref(c->subject.rows);
  dsp_task_free(c->task);
  dsp_model_free(c->small);
  g_free(c);
}

/* Multiply-adds of a forward pass, weights and elements: a measure of what the
 * numbers of one replica cost in time and memory. */
static double effort_of(const DspTask *task) {
  const DspModel *model = task->model;
  const DspLengths *lengths = &task->job.lengths;
  double tokens = 0;
  for (guint i = 0; i < model->n_streams; i++)
    tokens += (double)dsp_stream_tokens(model, i, lengths) *
              (double)model->streams[i].width;
  return (dsp_model_forward_flop(model, lengths) + tokens) *
             (double)dsp_job_batch(&task->job) +
         (double)dsp_model_parameters(model);
}

/* What a CPU computes within a second, and within minutes. */
#define EASY     1e9
#define POSSIBLE 1e11

static gboolean shrink(Case *c, const DspJobOptions *o, GError **error) {
  DspTask *task = c->task;
  c->small = dsp_model_shrink(task->model, error);
  if (!c->small)
    return FALSE;
  task->job.model = task->model = c->small;
  c->subject.shrunk = TRUE;
  return dsp_task_set_lengths(task, o, error);
}

static gboolean prepare(Case *c, const Options *options, const char *model,
                        GError **error) {
  DspJobOptions o = options->job;
  o.model = (char *)model;
  o.cluster = (char *)"node:1 gpu:64 nvlink:450GBps";
  o.dtype = (int)dtypes[options->dtype];
  c->task = dsp_task_new(&o, (char *[]){NULL, NULL}, NULL, error);
  if (!c->task ||
      ((options->shrink || effort_of(c->task) > EASY) && !shrink(c, &o, error)))
    return FALSE;
  c->subject.job = c->task->job;
  c->subject.backend = backend_names[options->backend];
  if (effort_of(c->task) <= POSSIBLE)
    return TRUE;
  g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE,
              "%s is too much to compute here: shorter dimensions or a smaller "
              "batch would do",
              c->task->model->name);
  return FALSE;
}

static Case *case_new(const Options *options, const char *model,
                      GError **error) {
  Case *c = g_new0(Case, 1);
  c->subject.rows = g_array_new(FALSE, TRUE, sizeof(DspValidateRow));
  g_array_set_clear_func(c->subject.rows, row_clear);
  if (prepare(c, options, model, error))
    return c;
  case_free(c);
  return NULL;
}

/* --- plans ------------------------------------------------------------------
 */

static gboolean add_plans(Case *c, int64_t gpus, GError **error) {
  enum { MAX_RANKS = 64 };
  DspJob job = c->task->job;
  if (gpus < 1 || gpus > MAX_RANKS)
    return dsp_option_fail(error, "gpus",
                           "%" G_GINT64_FORMAT " is not from 1 to %d", gpus,
                           MAX_RANKS);
  job.gpus = (guint)gpus;
  g_autoptr(GArray) plans = dsp_enumerate_plans(&job, &c->task->space);
  for (guint i = 0; i < plans->len; i++) {
    const DspValidateRow row = {.subject = &c->subject,
                                .plan = g_array_index(plans, DspPlan, i)};
    g_array_append_val(c->subject.rows, row);
  }
  return TRUE;
}

static gboolean add_all_plans(Case *c, const char *gpus, GError **error) {
  g_auto(GStrv) numbers = g_strsplit(gpus, ",", -1);
  for (char **number = numbers; *number; number++) {
    int64_t n;
    if (!dsp_parse_count(*number, DSP_UNITS_COMMAND_LINE, &n, error)) {
      g_prefix_error(error, "option '--gpus': ");
      return FALSE;
    }
    if (!add_plans(c, n, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean add_case(GPtrArray *cases, const Options *options,
                         const char *model, GError **error) {
  Case *c = case_new(options, model, error);
  if (!c)
    return FALSE;
  g_ptr_array_add(cases, c);
  return add_all_plans(c, options->gpus ? options->gpus : DEFAULT_GPUS, error);
}

static GPtrArray *find_cases(const DspInvocation *invocation, GError **error) {
  g_autoptr(GPtrArray) cases = g_ptr_array_new_with_free_func(case_free);
  char *const *models = invocation->operands;
  gboolean found =
      *models || add_case(cases, invocation->options, DEFAULT_MODEL, error);
  for (; found && *models; models++)
    found = add_case(cases, invocation->options, *models, error);
  return found ? g_steal_pointer(&cases) : NULL;
}

/* --- backends ----------------------------------------------------------------
 */

static void check_plan(DspValidator *validator, DspValidateRow *row) {
  g_autoptr(GError) error = NULL;
  if (!dsp_validator_can(validator, &row->plan, &error)) {
    row->skipped = g_strdup(error->message);
    return;
  }
  row->judged =
      dsp_validator_run(validator, &row->plan, &row->validation, &error);
  if (row->judged) {
    row->reason = dsp_validation_reason(&row->validation, &row->plan);
    return;
  }
  row->validation.verdict = DSP_VERDICT_FAILED;
  row->reason = g_strdup(error->message);
}

/* Ranks are threads of this process. */
static gboolean check_here(DspValidateAnswer *answer, GError **error) {
  (void)error;
  for (guint i = 0; i < answer->subjects->len; i++) {
    DspSubject *subject = answer->subjects->pdata[i];
    const DspValidateOptions options = {.seed = answer->inputs.seed,
                                        .fault = answer->inputs.fault};
    g_autoptr(DspValidator) validator =
        dsp_validator_new(&subject->job, &options);
    for (guint j = 0; j < subject->rows->len; j++)
      check_plan(validator, dsp_validate_row(subject, j));
  }
  return TRUE;
}

/* Who runs plans: fills in what became of every row. */
static gboolean (*const backends[])(DspValidateAnswer *, GError **) = {
    check_here, dsp_validate_on_gpus};

static const char *const backend_names[] = {"cpu", "cuda", NULL};

/* --- the answer --------------------------------------------------------------
 */

static gboolean judge(const DspValidateAnswer *answer, GError **error) {
  const DspOutcomes o = dsp_validate_outcomes(answer);
  const guint failed = o.of[DSP_VERDICT_FAILED];
  if (o.all == o.of[DSP_OUTCOME_SKIPPED])
    return dsp_refuse(error, "no plan could be run");
  return !failed || dsp_refuse(error, "%u of %u plans failed", failed,
                               o.all - o.of[DSP_OUTCOME_SKIPPED]);
}

static gboolean write_answer(const DspInvocation *invocation,
                             const DspValidateAnswer *answer, GError **error) {
  const Options *options = invocation->options;
  DspValidateTables tables;
  dsp_validate_tables_init(&tables, answer);
  DspReport report = {.schema = "dspsim.validate/1",
                      .inputs = tables.inputs,
                      .results = tables.results,
                      .text = dsp_validate_text,
                      .data = answer};
  const gboolean written =
      dsp_output_write(&options->output, &report, invocation->out, error);
  dsp_validate_tables_clear(&tables);
  return written;
}

static gboolean run(const DspInvocation *invocation, GError **error) {
  const Options *options = invocation->options;
  g_autoptr(GPtrArray) cases = find_cases(invocation, error);
  if (!cases)
    return FALSE;
  DspValidateAnswer answer = {
      .inputs = {.gpus = options->gpus ? options->gpus : DEFAULT_GPUS,
                 .seed = options->seed ? (guint64)options->seed : DEFAULT_SEED,
                 .fault = (DspFault)options->fault},
      .subjects = cases};
  const gboolean done =
      backends[options->backend](&answer, error) &&
      write_answer(invocation, &answer, error) && judge(&answer, error) &&
      (!options->measure || dsp_validate_measure(options->measure, error));
  g_free(answer.inputs.machine);
  return done;
}

const DspCommand dsp_command_validate = {
    .name = "validate",
    .summary = "check that plans compute what their model says",
    .operands = "[MODEL]...",
    .max_operands = G_MAXUINT,
    .groups = groups,
    .record_size = sizeof(Options),
    .defaults = &defaults,
    .run = run,
};
