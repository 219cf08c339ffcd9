/* SPDX-License-Identifier: Apache-2.0 */
/* Plans of validate that run on GPUs. */
#include "cmd/validate-cuda.h"
#include "base/error.h"
#include "cuda/client.h"

/* Seconds without progress. */
enum { TIMEOUT = 60 };

/* Rows whose plans can be run, and what is asked about each. */
typedef struct {
  GPtrArray *rows; /* DspValidateRow */
  GArray *cases;   /* DspCudaCase */
} Question;

static void add_row(Question *q, const DspValidateAnswer *answer,
                    const DspSubject *subject, DspValidateRow *row) {
  const DspCudaCase c = {&subject->job, &row->plan, subject->shrunk,
                         answer->inputs.seed, answer->inputs.fault};
  g_ptr_array_add(q->rows, row);
  g_array_append_val(q->cases, c);
}

static void add_subject(Question *q, const DspValidateAnswer *answer,
                        const DspSubject *subject) {
  const DspValidateOptions options = {.seed = answer->inputs.seed,
                                      .fault = answer->inputs.fault,
                                      .on_gpus = TRUE};
  g_autoptr(DspValidator) validator =
      dsp_validator_new(&subject->job, &options);
  for (guint i = 0; i < subject->rows->len; i++) {
    DspValidateRow *row = dsp_validate_row(subject, i);
    g_autoptr(GError) error = NULL;
    if (dsp_validator_can(validator, &row->plan, &error))
      add_row(q, answer, subject, row);
    else
      row->skipped = g_strdup(error->message);
  }
}

static void fill_row(DspValidateRow *row, const DspCudaRow *from) {
  row->judged = from->error == NULL;
  row->validation = from->validation;
  if (row->judged) {
    row->reason = dsp_validation_reason(&row->validation, &row->plan);
    return;
  }
  row->validation.verdict = DSP_VERDICT_FAILED;
  row->reason = g_strdup(from->error);
}

static gboolean ask(const Question *q, DspValidateAnswer *answer,
                    GError **error) {
  g_autoptr(DspCudaReport) report =
      dsp_cuda_validate((const DspCudaCase *)(void *)q->cases->data,
                        q->cases->len, TIMEOUT, error);
  if (!report)
    return FALSE;
  answer->inputs.machine = g_strdup(report->machine);
  for (guint i = 0; i < q->rows->len; i++)
    if (report->skipped)
      ((DspValidateRow *)q->rows->pdata[i])->skipped =
          g_strdup(report->skipped);
    else
      fill_row(q->rows->pdata[i], &report->rows[i]);
  return TRUE;
}

gboolean dsp_validate_on_gpus(DspValidateAnswer *answer, GError **error) {
  Question q = {g_ptr_array_new(),
                g_array_new(FALSE, FALSE, sizeof(DspCudaCase))};
  for (guint i = 0; i < answer->subjects->len; i++)
    add_subject(&q, answer, answer->subjects->pdata[i]);
  const gboolean done = ask(&q, answer, error);
  g_ptr_array_unref(q.rows);
  g_array_unref(q.cases);
  return done;
}

gboolean dsp_validate_measure(const char *file, GError **error) {
  g_autofree char *skipped = NULL;
  if (!dsp_cuda_measure(file, &skipped, error))
    return FALSE;
  if (skipped)
    g_set_error(error, DSP_ERROR, DSP_ERROR_EXTERNAL,
                "nothing was measured: %s", skipped);
  return !skipped;
}
