/* SPDX-License-Identifier: Apache-2.0 */
/* Predictions as rows: the keys of dspsim.predict/1 and dspsim.compare/1, and
 * what they were made from. */
#ifndef DSP_REPORT_PREDICTION_H
#define DSP_REPORT_PREDICTION_H

#include "measurement/spread.h"
#include "report/report.h"
#include "search/enumerate.h"
#include "sim/predict.h"

typedef struct DspExplanation DspExplanation; /* explain.h */

/* One row of results. */
typedef struct {
  const DspJob *job;
  const DspPrediction *prediction;
  const DspExplanation *explanation; /* NULL: not asked for */
  gboolean chosen;                   /* the best of its method */
  double speedup; /* samples/s over those of the best embedded plan, 0: none */
  DspInterval interval; /* factors on the step time, zeros: not asked for */
} DspResult;

/* The results (DspResult) of a comparison (DspCompared), which they borrow
 * from. Free with g_array_unref. */
GArray *dsp_results_of(const DspJob *job, const GArray *compared);

/* The row of inputs. */
typedef struct {
  const DspJob *job;
  const DspPlanSpace *space;
  const DspNcclOptions *nccl;
  gboolean every_rank;
  const DspResiduals *residuals; /* that intervals are from, NULL: none are
                                    asked for */
} DspInputs;

/* The degrees of a plan as members of "degrees". */
enum { DSP_N_DEGREE_KEYS = 7 };
extern const char *const dsp_degree_keys[];
DspValue dsp_degree_value(const DspPlan *plan, guint index);

/* The columns of rows of DspResult for this model; `compared`: with those of a
 * comparison. Without rows. Free with dsp_table_free. */
DspTable *dsp_result_table(const DspModel *model, gboolean compared);
/* Adds those of intervals. */
void dsp_result_table_add_interval(DspTable *table);
/* The columns and the row of DspInputs, which is borrowed. */
DspTable *dsp_inputs_table(const DspInputs *inputs);

/* Header lines that say what was asked: model, cluster and job. */
void dsp_text_job(const DspInputs *inputs, const DspStyle *style, GString *out);
/* "sp=8 dp=2": degrees above one, "-" where there are none; the caller
 * frees. */
char *dsp_text_degrees(const DspPlan *plan);

/* Text of one prediction (DspReport.text); its data is a DspPredictText. */
typedef struct {
  const DspInputs *inputs;
  const DspResult *result;
} DspPredictText;
void dsp_predict_text(const DspReport *report, const DspStyle *style,
                      GString *out);

/* Text of a comparison (DspReport.text); its data is a DspCompareText. */
typedef struct {
  const DspInputs *inputs;
  const GArray *results; /* DspResult, best first, then what cannot run */
  gboolean all;          /* every plan, not only the chosen */
} DspCompareText;
/* Whether the result speaks for a method of which no plan can run. */
gboolean dsp_compare_speaks(const DspCompareText *text,
                            const DspResult *result);
void dsp_compare_text(const DspReport *report, const DspStyle *style,
                      GString *out);

#endif
