/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of sim/: what each step of a schedule costs, computed once. */
#ifndef DSP_SIM_COST_H
#define DSP_SIM_COST_H

#include "schedule/schedule.h"

typedef struct {
  double time;  /* s on the GPU at the clocks of long runs; collectives: 0 */
  double boost; /* the same at clocks that no power limits */
  double bound; /* s that no kernel beats */
  double issue; /* s of the CPU */
} DspStepCost;

DspStepCost dsp_step_cost(const DspJob *job, const DspStep *step);

#endif
