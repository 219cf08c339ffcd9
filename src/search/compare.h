/* SPDX-License-Identifier: Apache-2.0 */
/* All plans of a space side by side, best first. */
#ifndef DSP_SEARCH_COMPARE_H
#define DSP_SEARCH_COMPARE_H

#include "search/enumerate.h"
#include "sim/predict.h"

typedef struct {
  DspPrediction prediction;
  gboolean chosen; /* the best of its method; a variant that repeats published
                      benchmark code is chosen only if it was asked for */
  double speedup;  /* samples/s over those of the best embedded plan that could
                      be chosen; 0: there is none, or this does not run */
} DspCompared;

/* Predicts every plan of the space. Plans that run come first, most samples a
 * second first; the others follow as enumerated. With `best_only`, a plan is
 * given up as soon as it is known to be slower than another of its method and
 * variant (prediction.sim.cut) and left out of the result, and of plans that do
 * not run only one of each method that does not run at all has a suggestion;
 * the best ones are the same as without. Free with g_array_unref. */
GArray *dsp_compare(const DspJob *job, const DspPlanSpace *space,
                    DspPrices *prices, const DspSimOptions *options,
                    gboolean best_only);

/* The step time in s above which `plan` yields fewer than `samples_per_s`; 0
 * (none) if that is 0. */
double dsp_step_limit(const DspJob *job, const DspPlan *plan,
                      double samples_per_s);

#endif
