/* SPDX-License-Identifier: Apache-2.0 */
/* send/recv, and all_to_all made of it: every message is cut into parts, one a
 * channel, and up to eight peers share a channel. The number of channels makes
 * a staircase of the bandwidth: it doubles only where parts would be too long.
 * Between nodes messages leave by the NIC on the rail of their destination.
 * Source: NVIDIA/nccl:src/enqueue.cc, src/init.cc, src/graph/paths.cc at
 * v2.28.9-1. */
#include "network/axis.h"
#include "network/uses.h"
#include <math.h>

#define NET_CHUNK    (128 << 10)
#define PCIE_CHUNK   (128 << 10)
#define NVLINK_CHUNK (512 << 10)

int64_t dsp_p2p_message(const DspNcclJob *job) {
  return job->collective == DSP_ALL_TO_ALL ? job->bytes / job->ranks
                                           : job->bytes;
}

static guint pow2_up(guint n) {
  return n > 1 ? 1u << g_bit_storage(n - 1) : 1;
}

guint dsp_p2p_all_channels(const DspNcclJob *job) {
  const DspNcclOptions *o = job->options;
  const int64_t most = o && o->channels > 0 ? o->channels : G_MAXINT64;
  return pow2_up((guint)MIN(
      MIN(2 * job->ring.channels, dsp_nccl_transport(job)->p2p_channels),
      most));
}

guint dsp_p2p_peer_channels(const DspNcclJob *job) {
  const guint all = dsp_p2p_all_channels(job);
  guint channels = pow2_up((guint)dsp_nccl_transport(job)->peer_channels);
  while (job->nodes > 1 && channels > 1 && channels * job->ranks > 4 * all)
    channels /= 2;
  return MIN(channels, all);
}

static int64_t chunk_of(const DspNcclJob *job) {
  return job->nodes > 1             ? NET_CHUNK
         : dsp_nccl_has_nvlink(job) ? NVLINK_CHUNK
                                    : PCIE_CHUNK;
}

guint dsp_p2p_channels(const DspNcclJob *job) {
  const gboolean net = job->nodes > 1;
  const int64_t chunk = chunk_of(job), bytes = dsp_p2p_message(job);
  const int64_t least = net ? chunk / 2 : chunk / 8;
  const int64_t most = net ? chunk : 32 * chunk;
  const guint peer = dsp_p2p_peer_channels(job);
  guint channels = peer;
  while (channels > 1 &&
         (guint64)channels * job->ranks > dsp_p2p_all_channels(job))
    channels /= 2;
  channels = (guint)CLAMP((bytes + least - 1) / least, 1, channels);
  while (bytes > most * channels && channels <= peer / 2)
    channels *= 2;
  return channels;
}

static double latency(const DspNcclJob *job, guint peers) {
  const DspCluster *c = job->cluster;
  const guint remote =
      job->nodes == 1 ? 0 : MIN(peers, job->ranks - job->per_node);
  double time = c->intra.p2p_launch + (peers - remote) * c->intra.p2p_peer;
  if (remote > 0)
    time += c->inter.p2p_launch + (remote - 1) * c->inter.p2p_peer;
  return time;
}

/* Pairs of the first group's ranks that meet in its busiest CPU. Siblings do
 * not count: two groups of three or four L40 are as fast as one. */
static guint host_pairs(const DspNcclJob *job) {
  g_autofree guint *pairs = g_new0(guint, job->node_gpus);
  guint most = 0;
  for (guint i = 0; i < job->ranks; i++)
    for (guint j = i + 1; j < job->ranks; j++) {
      const guint a = dsp_axis_rank(job->axis, job->first_group, i);
      const guint b = dsp_axis_rank(job->axis, job->first_group, j);
      const DspPath path = dsp_topology_path(job->topology, a, b);
      if (path != DSP_PATH_HOST && path != DSP_PATH_SOCKET)
        continue;
      const guint here = dsp_nccl_cpu(job, a), there = dsp_nccl_cpu(job, b);
      pairs[here]++;
      pairs[there] += here != there;
      most = MAX(most, MAX(pairs[here], pairs[there]));
    }
  return most;
}

/* On Ampere the receiver reads over NVLink what others have others write
 * (paths.cc), which even one peer does not do at the links' rate
 * (a100-1n8-sendrecv). */
static gboolean is_fetched(const DspNcclJob *job) {
  return job->nodes == 1 && job->arch == DSP_NCCL_AMPERE &&
         dsp_nccl_has_nvlink(job);
}

/* What NICs lose of an all-to-all with each doubling of the nodes that send to
 * one: 47.8 GB/s on 2 nodes, 44.8 and 45.9 on 10
 * (h100-01-pairwise-2n8-alltoall, h100-01-multinode-10n10- and
 * -10n40-alltoall). */
#define INCAST 0.022

static double net_cap(const DspNcclJob *job, const GArray *uses) {
  const double nic = job->cluster->nic_bandwidth;
  const double most = dsp_nccl_transport(job)->all_to_all_rate;
  const DspLink *least;
  return dsp_uses_rate(job->topology, uses, DSP_LINK_NIC, &least) *
         (most > 0 ? most / nic : 1) / (1 + INCAST * log2(job->nodes / 2.0));
}

/* Bytes/s where all send to all, which GPUs and NICs do not take as well as
 * streams. CPUs take it worse the more pairs there are. */
static double crowd_cap(const DspNcclJob *job, const GArray *uses) {
  const gboolean all = job->collective == DSP_ALL_TO_ALL;
  const double most = dsp_nccl_transport(job)->all_to_all_rate;
  if (job->nodes > 1)
    return all ? net_cap(job, uses) : INFINITY;
  if (most <= 0 || (!all && !is_fetched(job)))
    return INFINITY;
  const double part = all ? (job->ranks - 1.0) / job->ranks : 1;
  const double pairs = all && job->cluster->node_kind == DSP_NODE_PCIE
                           ? MAX(1, host_pairs(job))
                           : 1;
  return most / pairs / part / (all ? dsp_nccl_cold(job, part) : 1);
}

static GArray *uses_of(const DspNcclJob *job) {
  return job->collective == DSP_ALL_TO_ALL
             ? dsp_uses_all_to_all(job, 1.0 / job->ranks)
             : dsp_uses_next(job);
}

/* Simple hands over whole chunks. Between nodes each crosses the NIC before it
 * is copied out. In a node that is a step more, and the last one is copied out
 * of the buffer, twice as fast as it came where peers share a channel's threads
 * or the receiver fetches it, else in no time
 * (b200-vultr-1n8-sendrecv, 1 to 4 MiB). */
static double hand_over(const DspNcclJob *job, double chunk, double rate) {
  if (job->nodes > 1)
    return chunk / rate + chunk / job->cluster->nic_bandwidth;
  const gboolean copied = job->collective == DSP_ALL_TO_ALL || is_fetched(job);
  return (copied ? chunk / (2 * rate) : 0) + job->cluster->intra.step_simple;
}

/* What a channel copies. One peer's lines of LL go as fast as chunks, but over
 * all channels no faster than over one: 20 GB/s in b200-vultr-1n8-sendrecv, 15
 * in a100-nv4-2-sendrecv-issue331. */
static double copy_rate(const DspNcclJob *job, DspProtocol protocol) {
  const double simple = dsp_nccl_transport(job)->p2p_channel_rate;
  return job->collective == DSP_ALL_TO_ALL
             ? dsp_nccl_copy_rate(job, protocol, simple)
             : simple;
}

static void price_p2p(const DspNcclJob *job, DspPrice *price) {
  const gboolean all = job->collective == DSP_ALL_TO_ALL;
  const guint peers = all ? job->ranks - 1 : 1;
  const gboolean lines = !all && price->protocol == DSP_PROTOCOL_LL;
  const double rate = copy_rate(job, price->protocol);
  const double message = (double)dsp_p2p_message(job);
  price->channels = dsp_p2p_channels(job);
  price->blocks =
      MIN(price->channels * peers, (int64_t)dsp_p2p_all_channels(job));
  const double part = message / price->channels;
  /* Peers whose parts wait for each other on a channel. */
  const double queue =
      MAX(1, (double)peers * price->channels / dsp_p2p_all_channels(job));
  price->uses = uses_of(job);
  price->latency = latency(job, peers);
  const DspLimits limits = {
      .channels = lines ? rate : job->bytes * rate / (part * queue),
      .share = dsp_nccl_wire_share(job, price->protocol),
      .cap = crowd_cap(job, price->uses),
      .sharpness = job->nodes > 1 ? DSP_P2P_SHARPNESS
                   : all          ? DSP_NODE_SHARPNESS
                                  : 0,
  };
  if (price->protocol == DSP_PROTOCOL_SIMPLE)
    price->latency += hand_over(job, MIN(part, (double)chunk_of(job)), rate);
  dsp_price_set_limits(job, price, &limits);
}

const DspAlgorithm dsp_algorithm_p2p = {"p2p", price_p2p};
