/* SPDX-License-Identifier: Apache-2.0 */
/* The interval of a predicted step: what its time is made of, as the simulator
 * tells it, with each part as far off as predictions of its class are. */
#ifndef DSP_MEASUREMENT_SPREAD_H
#define DSP_MEASUREMENT_SPREAD_H

#include "measurement/residuals.h"
#include "sim/predict.h"

typedef struct DspSpread DspSpread;

/* For one simulation of the plan. Free with dsp_spread_free. */
DspSpread *dsp_spread_new(const DspPlan *plan, const DspTopology *topology);
void dsp_spread_free(DspSpread *spread);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DspSpread, dsp_spread_free)

DspObserver dsp_spread_observer(DspSpread *spread);

/* s of the step, which its parts add up to. */
double dsp_spread_time(const DspSpread *spread);

#define DSP_SPREAD_DRAWS 400

/* Draws times of the step over the predicted one; the seed is fixed, so that
 * they are the same each time. The error of a kind of operation has a part that
 * all of a class share and one of its own, by the class's `common` (a Gaussian
 * copula). The step is not simulated again: an operation that the CPU keeps
 * waiting takes as long as it computes or as the CPU does, whichever is longer,
 * and a collective that is partly hidden shows what its cover leaves. */
void dsp_spread_draw(const DspSpread *spread, const DspResiduals *residuals,
                     double ratios[DSP_SPREAD_DRAWS]);

/* Share of the step in which the compute stream waits for the CPU. */
double dsp_spread_host_share(const DspSpread *spread);

/* Factors on a predicted time: a measurement lies between them with a chance of
 * 80 %. */
typedef struct {
  double p10, p90;
} DspInterval;

/* Of an operation by itself, from its class. */
DspInterval dsp_interval_of(const DspResiduals *residuals, DspErrors errors);
/* Of a step from its draws, with what steps are off by beyond their operations:
 * class DSP_ERRORS_STEP or DSP_ERRORS_STEP_OUTSIDE. */
DspInterval dsp_interval_of_step(const DspResiduals *residuals,
                                 DspErrors errors,
                                 const double ratios[DSP_SPREAD_DRAWS]);

/* Of a plan of a job, as dsp_predict takes them; it is simulated once more. */
DspInterval dsp_interval_of_plan(const DspJob *job, const DspPlan *plan,
                                 DspPrices *prices,
                                 const DspSimOptions *options,
                                 const DspResiduals *residuals);

#endif
