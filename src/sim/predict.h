/* SPDX-License-Identifier: Apache-2.0 */
/* The prediction of one plan: step time, throughput, MFU, communication,
 * memory and cost; or why it cannot run and which plan near it can. */
#ifndef DSP_SIM_PREDICT_H
#define DSP_SIM_PREDICT_H

#include "schedule/memory.h"
#include "sim/sim.h"

typedef struct {
  DspPlan plan;
  gboolean feasible;
  char *reason;     /* not feasible: why */
  char *suggestion; /* the nearest plan that runs, or NULL */
  /* Below: zeros where not feasible for another reason than memory. */
  DspSimResult sim;
  DspVolume volume;
  DspMemoryUse memory;
  double samples_per_s; /* of all GPUs; infer: forward evaluations, or whole
                           runs if the job says how many evaluations one has */
  double tokens_per_s;  /* of the main stream, all GPUs */
  double run_time;      /* s, all evaluations of a run; 0: not asked for */
  double mfu;           /* model FLOP, no recompute, over peak of all GPUs */
  double cost_per_1k_samples; /* in the profile's currency, -1: no price */
} DspPrediction;

/* Predicts `plan` of `job`. `prices` must be for the job's cluster and number
 * of GPUs. Free the prediction's strings with dsp_prediction_clear. */
void dsp_predict(const DspJob *job, const DspPlan *plan, DspPrices *prices,
                 const DspSimOptions *options, DspPrediction *prediction);
/* The same in two parts: without the suggestion, and adding it where the plan
 * cannot run, which takes many times as long. */
void dsp_predict_unadvised(const DspJob *job, const DspPlan *plan,
                           DspPrices *prices, const DspSimOptions *options,
                           DspPrediction *prediction);
void dsp_prediction_advise(DspPrediction *prediction, const DspJob *job);
void dsp_prediction_clear(DspPrediction *prediction);

#endif
