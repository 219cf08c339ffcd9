/* SPDX-License-Identifier: Apache-2.0 */
/* One plan of a method where the user has not said which. */
#ifndef DSP_SEARCH_CHOOSE_H
#define DSP_SEARCH_CHOOSE_H

#include "search/enumerate.h"
#include "sim/predict.h"

/* Predicts the fastest candidate of the largest degree of which any can run; if
 * none can, the first of the largest degree; if the GPUs do not divide by the
 * degrees that are fixed, the plan of these, which then says so. `space` must
 * have a method. Clear the prediction with dsp_prediction_clear. */
void dsp_choose(const DspJob *job, const DspPlanSpace *space, DspPrices *prices,
                const DspSimOptions *options, DspPrediction *prediction);

#endif
