/* SPDX-License-Identifier: Apache-2.0 */
/* When: runs a schedule on a topology, event by event. Every rank has a CPU
 * that issues the steps in order, and streams that run them in order; a
 * collective begins when its last rank is ready and is then a flow on links
 * shared with all others in flight. Ranks that do the same are simulated once,
 * unless every rank is asked for; both give the same times. Repetitions of a
 * block that are the same to rounding are simulated once, unless someone
 * observes: times then agree to 1e-12 of the step. */
#ifndef DSP_SIM_SIM_H
#define DSP_SIM_SIM_H

#include "schedule/schedule.h"
#include "sim/prices.h"

/* What one simulated rank did of one step. Times in seconds. */
typedef struct {
  guint rank;
  const DspSegment *segment;
  const DspStep *step;
  int64_t iteration; /* of the segment, from 0 */
  double start;      /* from here on the step had its stream */
  double begin;      /* a collective: when the last rank had come; else start */
  double end;
} DspStepRun;

/* NULL: not wanted. */
typedef struct {
  /* Called at the end of each step on each simulated rank, in order of time. */
  void (*step)(gpointer data, const DspStepRun *run);
  gpointer data;
  /* Called when the transfers on links have changed at `now`, in order of time:
   * `load` in bytes/s by link of the topology, valid during the call. */
  void (*links)(gpointer data, double now, const double *load);
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
  double compute_time;    /* of the compute stream */
  double contention_time; /* of it, what collectives beside its kernels cost */
  double comm_time;       /* of collectives, overlapped or not */
  double exposed_comm_time; /* compute stream idle for a collective */
  double exposed_by[DSP_N_COLLECTIVES]; /* the same by what it waited for */
  double launch_idle_time;              /* compute stream idle for the CPU */
  double bound;         /* no schedule of this plan can be faster (see below) */
  const char *bound_by; /* "compute" or the collectives' stream */
  uint64_t events;
} DspSimResult;

/* Simulates one step (training) or one forward evaluation. bound is the largest
 * of: FLOP over peak and bytes over memory bandwidth of all compute steps, one
 * after another; the busiest link's time of the collectives of each stream. */
void dsp_simulate(const DspSchedule *schedule, DspPrices *prices,
                  const DspSimOptions *options, DspSimResult *result);

/* The simulated rank that stands for rank `rank` of the job. */
guint dsp_simulated_rank(const DspSchedule *schedule,
                         const DspSimOptions *options, guint rank);

#endif
