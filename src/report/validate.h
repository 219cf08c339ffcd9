/* SPDX-License-Identifier: Apache-2.0 */
/* What became of plans that were run on real tensors: the keys of
 * dspsim.validate/1. */
#ifndef DSP_REPORT_VALIDATE_H
#define DSP_REPORT_VALIDATE_H

#include "numerics/validate.h"
#include "report/report.h"

/* A model and what is computed with it. */
typedef struct {
  DspJob job;          /* its gpus are those of the plans */
  const char *backend; /* "cpu" */
  gboolean shrunk;
  GArray *rows; /* DspValidateRow */
} DspSubject;

/* One plan of a subject. */
typedef struct {
  const DspSubject *subject;
  DspPlan plan;
  char *skipped;   /* why it was not run, or NULL */
  gboolean judged; /* else a rank could not go on, and only the verdict of the
                      validation is there */
  DspValidation validation;
  char *reason; /* why it has failed or differs, or NULL */
} DspValidateRow;

/* What was asked. */
typedef struct {
  const char *gpus; /* "2,3,4,8" */
  char *machine;    /* that the backend ran on, or NULL */
  guint64 seed;
  DspFault fault;
} DspValidateInputs;

/* All that is said. */
typedef struct {
  DspValidateInputs inputs;
  GPtrArray *subjects; /* DspSubject, at least one */
} DspValidateAnswer;

static inline DspValidateRow *dsp_validate_row(const DspSubject *subject,
                                               guint i) {
  return &g_array_index(subject->rows, DspValidateRow, i);
}

/* Plans by what became of them; skipped ones are behind the verdicts. */
enum { DSP_OUTCOME_SKIPPED = DSP_VERDICT_DIFFERS + 1, DSP_N_OUTCOMES };
typedef struct {
  guint of[DSP_N_OUTCOMES], all;
} DspOutcomes;
DspOutcomes dsp_validate_outcomes(const DspValidateAnswer *answer);

/* The tables of JSON and CSV; they borrow from the answer. */
typedef struct {
  DspTable *inputs, *models, *results;
  const DspValidateAnswer *answer;
} DspValidateTables;

void dsp_validate_tables_init(DspValidateTables *tables,
                              const DspValidateAnswer *answer);
void dsp_validate_tables_clear(DspValidateTables *tables);

/* Text (DspReport.text); its data is a DspValidateAnswer. */
void dsp_validate_text(const DspReport *report, const DspStyle *style,
                       GString *out);

#endif
