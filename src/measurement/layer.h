/* SPDX-License-Identifier: Apache-2.0 */
/* One operation of a model by itself, as schedules have it: measurements of
 * attention layers under sequence parallelism, and of chains of kernels that
 * the framework runs for one pointwise operation. */
#ifndef DSP_MEASUREMENT_LAYER_H
#define DSP_MEASUREMENT_LAYER_H

#include "schedule/schedule.h"
#include "sim/prices.h"

/* A model of one block, in which `op` works on one sequence of `tokens` tokens
 * (dimension 0, stream 0, both sharded), between projections. The operation's
 * kind, widths and heads are given; the rest is filled in. */
typedef struct DspLayer DspLayer;

DspLayer *dsp_layer_new(const DspOp *op, int64_t tokens);
void dsp_layer_free(DspLayer *layer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DspLayer, dsp_layer_free)

/* Sets seconds[PASS] to the time from the operation's first step to its last in
 * that pass, on all ranks; 0 where it has none. `job` says all but model and
 * lengths. DSP_ERROR_INFEASIBLE where the plan cannot run. */
gboolean dsp_layer_time(const DspLayer *layer, const DspJob *job,
                        const DspPlan *plan, DspPrices *prices,
                        double seconds[DSP_N_PASSES], GError **error);

#endif
