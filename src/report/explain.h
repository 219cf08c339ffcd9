/* SPDX-License-Identifier: Apache-2.0 */
/* Where the time, the bytes and the memory of one prediction go. */
#ifndef DSP_REPORT_EXPLAIN_H
#define DSP_REPORT_EXPLAIN_H

#include "report/prediction.h"

/* Free with dsp_explanation_free. */
DspExplanation *dsp_explanation_new(void);
void dsp_explanation_free(DspExplanation *explanation);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DspExplanation, dsp_explanation_free)

/* Notes what a simulation does. */
DspObserver dsp_explanation_observer(DspExplanation *explanation);

/* After the simulation of `plan`: sums up the rank that held up the rest.
 * `prices` tell how its collectives were carried out. */
void dsp_explanation_finish(DspExplanation *explanation, const DspPlan *plan,
                            DspPrices *prices);

/* Adds "operations" and "exchanges" to a table of results whose rows have an
 * explanation. */
void dsp_explanation_add_columns(DspTable *results);

void dsp_explanation_text(const DspResult *result, const DspStyle *style,
                          GString *out);

#endif
