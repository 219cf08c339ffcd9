/* SPDX-License-Identifier: Apache-2.0 */
/* Where a run takes place if not in threads of this process: its ranks are
 * processes, of which this is one. */
#ifndef DSP_NUMERICS_MACHINE_H
#define DSP_NUMERICS_MACHINE_H

#include "numerics/carrier.h"
#include "numerics/kernels.h"

typedef struct DspMachine DspMachine;

struct DspMachine {
  DspDevice *device;
  int64_t rank; /* that this process runs */
  /* A carrier between the ranks of the plan, which are all processes. */
  DspCarrier *(*connect)(const DspMachine *machine, const DspPlan *plan);
  /* The `n` bytes at `mine` of every process, in the order of ranks. */
  void (*gather)(const DspMachine *machine, const void *mine, gsize n,
                 void *all);
};

#endif
