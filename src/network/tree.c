/* SPDX-License-Identifier: Apache-2.0 */
/* all_reduce up and down a double binary tree of nodes, inside which the ranks
 * are a chain. Every node passes on 2(N-1)/N of the bytes on average (S on two
 * nodes, where a ring passes on 2(n-1)/n S). The bytes on links differ from
 * dsp_collective_sent_bytes, which counts those of a ring.
 * Source: NVIDIA/nccl:src/graph/trees.cc, src/device/all_reduce.h. */
#include "network/uses.h"
#include <math.h>

static double level(const DspTransport *transport, DspProtocol protocol) {
  const double levels[] = {transport->tree_ll, transport->tree_ll128,
                           transport->tree_simple};
  return levels[protocol];
}

static double latency(const DspNcclJob *job, DspProtocol protocol,
                      double channels) {
  const double up =
      (job->per_node - 1.0) * level(&job->cluster->intra, protocol);
  double time = dsp_nccl_launch(job) + 2 * up;
  if (job->nodes > 1) {
    const double step = level(&job->cluster->inter, protocol);
    time += 2 * log2(job->nodes) * dsp_nccl_crossing(protocol, step, channels) +
            dsp_nccl_window(job, step, channels);
  }
  return time;
}

/* In a node NCCL's own table tells what small sizes lose; between nodes it is
 * the time that buffers need to fill. */
static double one_node_share(const DspNcclJob *job, DspProtocol protocol) {
  return job->nodes > 1 ? 1 : dsp_nccl_tree_correction(protocol, job->bytes);
}

static void price_tree(const DspNcclJob *job, DspPrice *price) {
  const double p = job->per_node, n = job->nodes;
  price->uses = dsp_uses_tree(job, 2 * (p - 1) / p, 2 * (n - 1) / n);
  const double channels = dsp_nccl_channels(job, price->protocol, FALSE);
  price->channels = (int64_t)channels;
  price->latency = latency(job, price->protocol, channels);
  /* Every channel copies all of its bytes up and down. */
  const double rate = dsp_nccl_copy_rate(job, price->protocol,
                                         dsp_nccl_transport(job)->channel_rate);
  const double share = one_node_share(job, price->protocol);
  const DspLimits limits = {
      .channels = channels * rate * share / 2 / dsp_nccl_cold(job, 2),
      .share = dsp_nccl_wire_share(job, price->protocol) * share,
      .cap = INFINITY,
      .sharpness = job->nodes > 1 ? 0 : DSP_NODE_SHARPNESS,
  };
  dsp_price_set_limits(job, price, &limits);
}

const DspAlgorithm dsp_algorithm_tree = {"tree", price_tree};
