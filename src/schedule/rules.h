/* SPDX-License-Identifier: Apache-2.0 */
/* Which plans can run: a table of rules, each with its reason; and the nearest
 * plan that can. Memory is no rule here: it takes a schedule (memory.h). */
#ifndef DSP_SCHEDULE_RULES_H
#define DSP_SCHEDULE_RULES_H

#include "base/error.h"
#include "schedule/method.h"

/* Sets *error to DSP_ERROR_INFEASIBLE with the reason; returns FALSE, so that
 * a rule can return it. */
gboolean dsp_refuse(GError **error, const char *format, ...)
    G_GNUC_PRINTF(2, 3);

/* TRUE if every rule accepts the plan; else DSP_ERROR_INFEASIBLE with the
 * reason of the first that does not. */
gboolean dsp_plan_check(const DspJob *job, const DspPlan *plan, GError **error);

/* Changes the degrees that carry the method, dp taking the rest, to the nearest
 * (by ratio) that every rule and `accepts` (NULL: anything) let pass; the plan
 * itself is not considered. FALSE if there is none. */
gboolean dsp_plan_nearest(const DspJob *job, const DspPlan *plan,
                          gboolean (*accepts)(const DspJob *, const DspPlan *,
                                              gpointer),
                          gpointer data, DspPlan *nearest);

/* Where no degree of the method will do: the default variant of this or, in
 * the order of reports, of another method, at the degree of the plan or the
 * nearest to it. FALSE if there is none. */
gboolean dsp_plan_alternative(const DspJob *job, const DspPlan *plan,
                              gboolean (*accepts)(const DspJob *,
                                                  const DspPlan *, gpointer),
                              gpointer data, DspPlan *alternative);

/* "ulysses (naive) sp=16 dp=8": method, variant, degrees above one. The caller
 * frees. */
char *dsp_plan_describe(const DspPlan *plan);

#endif
