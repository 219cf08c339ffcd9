/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DSP_NUMERICS_FAULTS_H
#define DSP_NUMERICS_FAULTS_H

#include "numerics/executor.h"
#include "numerics/validate.h"

/* Whether the schedule does what the fault does wrong. */
gboolean dsp_fault_applies(DspFault fault, const DspSchedule *schedule);
/* Makes the schedule, or the run of it, wrong. */
void dsp_fault_apply(DspFault fault, DspSchedule *schedule, DspRun *run);

#endif
