/* SPDX-License-Identifier: Apache-2.0 */
/* One collective simulated message by message, rank by rank: every send is a
 * flow, every rank starts its next round when its last one is done. The check
 * on the closed forms, and the way to see what skew and contention do. */
#ifndef DSP_NETWORK_MESSAGES_H
#define DSP_NETWORK_MESSAGES_H

#include "cluster/cluster.h"
#include "schedule/collective.h"

typedef enum {
  DSP_ROUNDS_PAIRWISE, /* all_to_all: round i with ranks +i and -i */
  DSP_ROUNDS_AT_ONCE,  /* all_to_all: every message starts at once */
  DSP_ROUNDS_RING,     /* all_gather, reduce_scatter, all_reduce */
} DspRounds;

typedef struct {
  double time;        /* s, when the last rank is done */
  uint64_t messages;  /* sent */
  uint64_t events;    /* processed */
  int64_t wire_bytes; /* that left GPUs */
  double bound;       /* s, busiest link at full bandwidth */
} DspMessagesResult;

/* `start`: when each rank begins (NULL: all at 0), s. `overhead`: s between a
 * rank's rounds besides link latency. DSP_ERROR_USAGE where rounds and
 * collective do not fit. */
gboolean dsp_messages_run(const DspTopology *topology, const DspAxis *axis,
                          DspCollective collective, int64_t bytes,
                          DspRounds rounds, double overhead,
                          const double *start, DspMessagesResult *result,
                          GError **error);

#endif
