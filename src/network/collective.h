/* SPDX-License-Identifier: Apache-2.0 */
/* What a collective costs on a topology: NCCL's choice of algorithm, protocol
 * and channels, then its price as a fixed part and a flow over links. One file
 * an algorithm; the table in select.c lists them. */
#ifndef DSP_NETWORK_COLLECTIVE_H
#define DSP_NETWORK_COLLECTIVE_H

#include "cluster/cluster.h"
#include "network/flow.h"
#include "schedule/collective.h"

typedef enum {
  DSP_PROTOCOL_LL,
  DSP_PROTOCOL_LL128,
  DSP_PROTOCOL_SIMPLE,
  DSP_N_PROTOCOLS,
} DspProtocol;

extern const char *const dsp_protocol_names[];
/* Those that NCCL_ALGO may name: "ring", "tree", "nvls", "nvlstree", "collnet",
 * "pat", NULL. */
extern const char *const dsp_forced_algorithm_names[];

/* Forced choices, as NCCL_ALGO, NCCL_PROTO, NCCL_MAX_NCHANNELS. NULL, -1 and 0
 * leave the choice to the selection. */
typedef struct {
  const char *algorithm; /* of dsp_forced_algorithm_names, or "p2p" */
  int protocol;          /* DspProtocol or -1 */
  int64_t channels;
} DspNcclOptions;

/* The price of one collective on the groups of an axis, all sibling groups at
 * once: latency, then `bytes` of work at rate_limit or what links allow. */
typedef struct {
  const char *algorithm; /* a constant name */
  DspProtocol protocol;
  int64_t channels;     /* of one message, for p2p */
  int64_t blocks;       /* thread blocks on each GPU: channels of all peers */
  double latency;       /* s that no bandwidth shortens, launch included */
  int64_t bytes;        /* as nccl-tests counts */
  double rate_limit;    /* bytes/s of `bytes` on idle links: what channels,
                           protocol and these links allow together */
  guint n_groups;       /* groups priced: 1, or all siblings */
  GArray *uses;         /* DspLinkUse: payload on a link for each byte of work,
                           summed over the groups priced, links in order */
  const char *bound_by; /* "launch", "channels", or a type of links */
  double time;          /* closed form without contention from others, s */
} DspPrice;

/* Prices `collective` of `bytes` on the axis. `group` < 0: all sibling groups
 * as one flow, which is exact when they are alike; otherwise that group alone.
 * bytes > 0, axis.size > 1. Free with dsp_price_free. */
DspPrice *dsp_price_new(const DspTopology *topology, const DspAxis *axis,
                        int group, DspCollective collective, int64_t bytes,
                        const DspNcclOptions *options);
void dsp_price_free(DspPrice *price);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DspPrice, dsp_price_free)

/* The time of the same, back to back, by one process that starts its `gpus`
 * GPUs itself, with a version of NCCL as DspCluster has it (0: not known, as in
 * old logs). Before 2.23 that takes longer than what it starts: GPU after GPU,
 * channel after channel. */
double dsp_price_by_one_process(const DspPrice *price, guint gpus,
                                int64_t nccl_version);

/* Lower bound of the same for all sibling groups: what must leave the busiest
 * GPU over all its links, or the busiest node over all its NICs, at full
 * bandwidth; no latency, no protocol, any algorithm. */
double dsp_collective_bound(const DspTopology *topology, const DspAxis *axis,
                            DspCollective collective, int64_t bytes);

#endif
