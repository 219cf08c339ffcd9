/* SPDX-License-Identifier: Apache-2.0 */
#include "schedule/collective.h"

const char *const dsp_collective_names[] = {
    "all_to_all", "all_gather", "reduce_scatter", "all_reduce",
    "sendrecv",   "broadcast",  "reduce",         NULL};

/* Times that the parts of all other ranks leave a rank; 0: all bytes do. */
static const int64_t part_trips[DSP_N_COLLECTIVES] = {
    [DSP_ALL_TO_ALL] = 1,
    [DSP_ALL_GATHER] = 1,
    [DSP_REDUCE_SCATTER] = 1,
    [DSP_ALL_REDUCE] = 2,
};

int64_t dsp_collective_sent_bytes(DspCollective collective, int64_t ranks,
                                  int64_t bytes) {
  const int64_t trips = part_trips[collective];
  g_return_val_if_fail(ranks > 0 && (trips == 0 || bytes % ranks == 0), 0);
  if (ranks == 1)
    return 0;
  return trips > 0 ? trips * (bytes / ranks) * (ranks - 1) : bytes;
}

double dsp_collective_busbw_factor(DspCollective collective, int64_t ranks) {
  const int64_t trips = part_trips[collective];
  return trips > 0 ? (double)(trips * (ranks - 1)) / (double)ranks : 1;
}
