/* SPDX-License-Identifier: Apache-2.0 */
/* Collectives and what they move: the words shared by schedules, which declare
 * them, and by the network and the transports, which carry them out. */
#ifndef DSP_SCHEDULE_COLLECTIVE_H
#define DSP_SCHEDULE_COLLECTIVE_H

#include <glib.h>
#include <stdint.h>

typedef enum {
  DSP_ALL_TO_ALL,
  DSP_ALL_GATHER,
  DSP_REDUCE_SCATTER,
  DSP_ALL_REDUCE,
  DSP_SENDRECV, /* every rank sends to the next and receives from the last */
  DSP_BROADCAST,
  DSP_REDUCE,
  DSP_N_COLLECTIVES,
} DspCollective;

/* "all_to_all", "all_gather", ..., NULL */
extern const char *const dsp_collective_names[];

/* Payload that leaves one rank of `ranks` in a collective of `bytes`, counted
 * as nccl-tests counts size: the send buffer of one rank for all_to_all,
 * all_reduce, sendrecv, broadcast and reduce; the whole gathered or scattered
 * buffer (ranks times one rank's part) for all_gather and reduce_scatter.
 *   all_to_all, all_gather, reduce_scatter: (n-1)/n of bytes
 *   all_reduce: 2(n-1)/n; sendrecv, broadcast, reduce: bytes (mean: (n-1)/n
 *   for the last two, since one rank of the chain does not send)
 * The parts are those that NCCL makes: bytes must be divisible by ranks where
 * the formula divides (a bug otherwise). 0 for one rank.
 * Source: nccl-tests doc/PERFORMANCE.md. */
int64_t dsp_collective_sent_bytes(DspCollective collective, int64_t ranks,
                                  int64_t bytes);

/* busbw / algbw of nccl-tests: 2(n-1)/n for all_reduce; (n-1)/n for
 * all_gather, reduce_scatter, all_to_all; 1 otherwise. */
double dsp_collective_busbw_factor(DspCollective collective, int64_t ranks);

/* Which ranks take part: the groups of one axis of the device mesh. In a world
 * of `world` ranks (rank r runs on GPU r; GPUs are numbered node by node),
 * group members are `stride` apart and `size` many; every rank belongs to one
 * group, and the world/size sibling groups run the same collective at the same
 * time. world % (size*stride) == 0. */
typedef struct {
  guint world, size, stride;
} DspAxis;

#endif
