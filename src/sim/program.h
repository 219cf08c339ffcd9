/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of sim/: a schedule made ready to run: costs beside steps, waits as
 * positions in streams, prices of collectives, links folded. */
#ifndef DSP_SIM_PROGRAM_H
#define DSP_SIM_PROGRAM_H

#include "sim/cost.h"
#include "sim/sim.h"

/* A wait: stream `stream` has ended `position` steps of this iteration. */
typedef struct {
  DspStreamKind stream;
  guint position;
} DspWait;

typedef struct {
  const DspStep *step;
  DspStepCost cost;
  guint n_waits;
  DspWait waits[DSP_MAX_WAITS];
  int exchange; /* index of its distinct exchange, -1: none */
} DspInstruction;

/* One segment. */
typedef struct {
  const DspSegment *segment;
  guint n;
  DspInstruction *instructions;
  guint per_stream[DSP_N_STREAM_KINDS]; /* instructions of an iteration */
} DspLoop;

typedef struct {
  const DspSchedule *schedule;
  guint n_loops;
  DspLoop *loops;
  GArray *exchanges; /* DspExchange: the distinct ones */
} DspProgram;

DspProgram *dsp_program_new(const DspSchedule *schedule);
void dsp_program_free(DspProgram *program);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DspProgram, dsp_program_free)

/* Ranks of the ring do different work. */
gboolean dsp_schedule_is_uneven(const DspSchedule *schedule);

#endif
