/* SPDX-License-Identifier: Apache-2.0 */
/* Which plans there are: every method and variant at every sequence degree that
 * divides the GPUs, data parallelism taking the rest. */
#ifndef DSP_SEARCH_ENUMERATE_H
#define DSP_SEARCH_ENUMERATE_H

#include "schedule/method.h"

/* What the user has fixed. */
typedef struct {
  int64_t sequence;           /* degree that carries the method; 0: every */
  int64_t degree[DSP_N_AXES]; /* 0: free (dp, ring, sp), or 1 (cfg, tp) */
  const DspMethod *method;    /* NULL: every */
  const char *variant;        /* by name, NULL: every */
  int home;
  DspRecompute recompute;
  int zero;
} DspPlanSpace;

/* Plans (DspPlan) of the space in a fixed order, whether they can run or not.
 * Free with g_array_unref. */
GArray *dsp_enumerate_plans(const DspJob *job, const DspPlanSpace *space);

/* Whether the plan may be chosen: a variant that repeats published benchmark
 * code, or that no code has, only if it was asked for. */
gboolean dsp_plan_is_candidate(const DspPlanSpace *space, const DspPlan *plan);

#endif
