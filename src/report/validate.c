/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of validations. */
#include "report/validate.h"
#include "report/prediction.h"

static guint outcome_of(const DspValidateRow *row) {
  return row->skipped ? DSP_OUTCOME_SKIPPED : row->validation.verdict;
}

DspOutcomes dsp_validate_outcomes(const DspValidateAnswer *answer) {
  DspOutcomes outcomes = {{0}, 0};
  for (guint i = 0; i < answer->subjects->len; i++) {
    const DspSubject *subject = answer->subjects->pdata[i];
    for (guint j = 0; j < subject->rows->len; j++)
      outcomes.of[outcome_of(dsp_validate_row(subject, j))]++;
    outcomes.all += subject->rows->len;
  }
  return outcomes;
}

/* --- results ------------------------------------------------------------- */

static const DspJob *job_of(gconstpointer row) {
  return &((const DspValidateRow *)row)->subject->job;
}

static const DspPlan *plan_of(gconstpointer row) {
  return &((const DspValidateRow *)row)->plan;
}

enum {
  MODEL,
  METHOD,
  VARIANT,
  RECOMPUTE,
  BACKEND,
  DTYPE,
  VERDICT,
  REASON,
  SKIPPED
};

static DspValue get_word(gconstpointer data, guint index) {
  const DspValidateRow *row = data;
  const DspPlan *plan = &row->plan;
  const gboolean trains = job_of(row)->mode == DSP_MODE_TRAIN;
  const char *const words[] = {
      [MODEL] = job_of(row)->model->name,
      [METHOD] = plan->method->name,
      [VARIANT] = plan->method->variants[plan->variant],
      [RECOMPUTE] = trains ? dsp_recompute_names[plan->recompute] : NULL,
      [BACKEND] = row->subject->backend,
      [DTYPE] = dsp_dtype_names[job_of(row)->dtype],
      [VERDICT] =
          row->skipped ? NULL : dsp_verdict_names[row->validation.verdict],
      [REASON] = row->reason,
      [SKIPPED] = row->skipped};
  return dsp_string(words[index]);
}

static DspValue get_zero(gconstpointer row, guint index) {
  (void)index;
  return job_of(row)->mode == DSP_MODE_TRAIN ? dsp_integer(plan_of(row)->zero)
                                             : dsp_null();
}

static DspValue get_gpus(gconstpointer row, guint index) {
  (void)index;
  return dsp_integer(dsp_plan_ranks(plan_of(row)));
}

static DspValue get_degree(gconstpointer row, guint index) {
  return dsp_degree_value(plan_of(row), index);
}

/* A member of the validation by its offset, where there is one. */
static const void *member(gconstpointer data, guint offset) {
  const DspValidateRow *row = data;
  return row->judged ? G_STRUCT_MEMBER_P(&row->validation, offset) : NULL;
}

static DspValue get_number(gconstpointer row, guint offset) {
  const double *number = member(row, offset);
  return number ? dsp_number(*number) : dsp_null();
}

/* There is no backward pass in inference, and no loss. */
static DspValue get_training(gconstpointer row, guint offset) {
  return job_of(row)->mode == DSP_MODE_TRAIN ? get_number(row, offset)
                                             : dsp_null();
}

static DspValue get_bytes(gconstpointer row, guint offset) {
  const int64_t *bytes = member(row, offset);
  return bytes ? dsp_integer(*bytes) : dsp_null();
}

static DspValue get_flag(gconstpointer row, guint offset) {
  const gboolean *flag = member(row, offset);
  return flag ? dsp_boolean(*flag) : dsp_null();
}

/* Neither true nor false of what was not run, or differs as published. */
static DspValue get_passed(gconstpointer data, guint index) {
  const DspValidateRow *row = data;
  const guint outcome = outcome_of(row);
  (void)index;
  return outcome == DSP_VERDICT_PASSED || outcome == DSP_VERDICT_FAILED
             ? dsp_boolean(outcome == DSP_VERDICT_PASSED)
             : dsp_null();
}

static const DspColumn method_columns[] = {{NULL, "model", get_word, MODEL},
                                           {NULL, "method", get_word, METHOD},
                                           {NULL, "variant", get_word, VARIANT},
                                           {NULL}};

#define AT(member) G_STRUCT_OFFSET(DspValidation, member)

static const DspColumn result_columns[] = {
    {NULL, "gpus", get_gpus, 0},
    {NULL, "recompute", get_word, RECOMPUTE},
    {NULL, "zero", get_zero, 0},
    {NULL, "backend", get_word, BACKEND},
    {NULL, "dtype", get_word, DTYPE},
    {NULL, "forward_error", get_number, AT(forward_error)},
    {NULL, "forward_bound", get_number, AT(forward_bound)},
    {NULL, "backward_error", get_training, AT(backward_error)},
    {NULL, "backward_bound", get_training, AT(backward_bound)},
    {NULL, "loss", get_training, AT(loss)},
    {NULL, "reference_loss", get_training, AT(reference_loss)},
    {NULL, "bit_identical", get_flag, AT(bit_identical)},
    {NULL, "must_be_identical", get_flag, AT(must_be_identical)},
    {NULL, "declared_bytes", get_bytes, AT(declared_bytes)},
    {NULL, "moved_bytes", get_bytes, AT(moved_bytes)},
    {NULL, "collectives_in_order", get_flag, AT(in_order)},
    {NULL, "verdict", get_word, VERDICT},
    {NULL, "passed", get_passed, 0},
    {NULL, "reason", get_word, REASON},
    {NULL, "skipped", get_word, SKIPPED},
    {NULL}};

#undef AT

/* --- inputs --------------------------------------------------------------- */

static const DspSubject *subject_of(gconstpointer row) {
  return row;
}

enum { NAME, SHA256 };

static DspValue get_model(gconstpointer row, guint index) {
  const DspModel *model = subject_of(row)->job.model;
  return dsp_string(index == SHA256 ? model->sha256 : model->name);
}

static DspValue get_shrunk(gconstpointer row, guint index) {
  (void)index;
  return dsp_boolean(subject_of(row)->shrunk);
}

enum { TOKENS, WIDTH };

static DspValue get_size(gconstpointer row, guint index) {
  const DspJob *job = &subject_of(row)->job;
  return dsp_integer(index == WIDTH
                         ? job->model->hidden
                         : dsp_stream_tokens(job->model, 0, &job->lengths));
}

static const DspColumn model_columns[] = {
    {NULL, "name", get_model, NAME},  {NULL, "sha256", get_model, SHA256},
    {NULL, "shrunk", get_shrunk, 0},  {NULL, "tokens", get_size, TOKENS},
    {NULL, "width", get_size, WIDTH}, {NULL}};

/* The row of inputs is the DspValidateTables. */
static const DspValidateInputs *inputs_of(gconstpointer row) {
  return &((const DspValidateTables *)row)->answer->inputs;
}

static const DspSubject *any_subject(gconstpointer row) {
  return ((const DspValidateTables *)row)->answer->subjects->pdata[0];
}

static const DspJob *any_job(gconstpointer row) {
  return &any_subject(row)->job;
}

enum { GPUS, MACHINE, MODE, JOB_DTYPE, GUIDANCE, FAULT };

static DspValue get_input(gconstpointer row, guint index) {
  const DspValidateInputs *inputs = inputs_of(row);
  const DspJob *job = any_job(row);
  const char *const words[] = {
      [GPUS] = inputs->gpus,
      [MACHINE] = inputs->machine,
      [MODE] = dsp_mode_names[job->mode],
      [JOB_DTYPE] = dsp_dtype_names[job->dtype],
      [GUIDANCE] = dsp_guidance_names[job->guidance],
      [FAULT] = inputs->fault ? dsp_fault_names[inputs->fault] : NULL};
  return dsp_string(words[index]);
}

static DspValue get_backend(gconstpointer row, guint index) {
  (void)index;
  return dsp_string(any_subject(row)->backend);
}

static DspValue get_batch(gconstpointer row, guint index) {
  (void)index;
  return dsp_integer(any_job(row)->batch);
}

static DspValue get_seed(gconstpointer row, guint index) {
  (void)index;
  return dsp_integer((int64_t)inputs_of(row)->seed);
}

static DspValue get_models(gconstpointer row, guint index) {
  (void)index;
  return dsp_table_value(((const DspValidateTables *)row)->models);
}

static const DspColumn input_columns[] = {
    {NULL, "models", get_models, 0},
    {NULL, "gpus", get_input, GPUS},
    {NULL, "mode", get_input, MODE},
    {NULL, "batch", get_batch, 0},
    {NULL, "dtype", get_input, JOB_DTYPE},
    {NULL, "guidance", get_input, GUIDANCE},
    {NULL, "backend", get_backend, 0},
    {NULL, "machine", get_input, MACHINE},
    {NULL, "seed", get_seed, 0},
    {NULL, "fault", get_input, FAULT},
    {NULL}};

/* --- tables --------------------------------------------------------------- */

void dsp_validate_tables_init(DspValidateTables *t,
                              const DspValidateAnswer *answer) {
  *t = (DspValidateTables){.answer = answer,
                           .inputs = dsp_table_new(input_columns),
                           .models = dsp_table_new(model_columns),
                           .results = dsp_table_new(method_columns)};
  dsp_table_add_group(t->results, "degrees", dsp_degree_keys, DSP_N_DEGREE_KEYS,
                      get_degree);
  dsp_table_add_columns(t->results, result_columns);
  for (guint i = 0; i < answer->subjects->len; i++) {
    const DspSubject *subject = answer->subjects->pdata[i];
    dsp_table_add_row(t->models, subject);
    for (guint j = 0; j < subject->rows->len; j++)
      dsp_table_add_row(t->results, dsp_validate_row(subject, j));
  }
  dsp_table_add_row(t->inputs, t);
}

void dsp_validate_tables_clear(DspValidateTables *t) {
  dsp_table_free(t->inputs);
  dsp_table_free(t->models);
  dsp_table_free(t->results);
}
