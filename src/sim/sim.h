/* SPDX-License-Identifier: Apache-2.0 */
/* When: runs a schedule on a topology, event by event. Every rank has a CPU
 * that issues the steps in order, and streams that run them in order; a
 * collective begins when its last rank is ready and is then a flow on links
 * shared with all others in flight. Ranks that do the same are simulated once,
 * unless every rank is asked for; both give the same times. */
#ifndef DSP_SIM_SIM_H
#define DSP_SIM_SIM_H

#include "schedule/schedule.h"
#include "sim/prices.h"

typedef struct {
  /* Called at the end of each step on each simulated rank, in order of time;
   * NULL: not wanted. */
  void (*step)(gpointer data, guint rank, const DspSegment *segment,
               const DspStep *step, double start, double end);
  gpointer data;
} DspObserver;

typedef struct {
  gboolean every_rank;
  double limit; /* s: give up when the step is found to take longer; 0: never */
  DspObserver observer;
} DspSimOptions;

/* Seconds, of the rank that ends last. */
typedef struct {
  gboolean cut; /* longer than the limit: only bound and bound_by hold */
  double step_time;
  double compute_time;      /* of the compute stream */
  double comm_time;         /* of collectives, overlapped or not */
  double exposed_comm_time; /* compute stream idle for a collective */
  double exposed_by[DSP_N_COLLECTIVES]; /* the same by what it waited for */
  double launch_idle_time;  /* compute stream idle for the CPU */
  double bound;         /* no schedule of this plan can be faster (see below) */
  const char *bound_by; /* "compute" or the collectives' stream */
  uint64_t events;
} DspSimResult;

/* Simulates one step (training) or one forward evaluation. bound is the largest
 * of: FLOP over peak and bytes over memory bandwidth of all compute steps, one
 * after another; the busiest link's time of the collectives of each stream. */
void dsp_simulate(const DspSchedule *schedule, DspPrices *prices,
                  const DspSimOptions *options, DspSimResult *result);

#endif
