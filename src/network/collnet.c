/* SPDX-License-Identifier: Apache-2.0 */
/* all_reduce where the network's switches add (CollNetDirect over SHARP): every
 * GPU of a node adds up a part, its NIC sends that part once and gets the sum
 * back, and the parts are gathered. The bytes on links differ from
 * dsp_collective_sent_bytes, which counts those of a ring.
 * Source: NVIDIA/nccl:src/device/all_reduce.h, src/transport/coll_net.cc. */
#include "network/uses.h"
#include <math.h>

double dsp_nccl_sharp_rate(const DspNcclJob *job, const GArray *uses) {
  const DspLink *nic;
  return job->cluster->inter.nvls_efficiency *
         dsp_uses_rate(job->topology, uses, DSP_LINK_NIC, &nic);
}

static void price_collnet(const DspNcclJob *job, DspPrice *price) {
  const DspCluster *c = job->cluster;
  const double p = job->per_node;
  price->uses = dsp_uses_tree(job, 2 * (p - 1) / p, 1);
  const double channels = dsp_nccl_channels(job, price->protocol, FALSE);
  price->channels = (int64_t)channels;
  price->latency = dsp_nccl_launch(job) + c->inter.step_nvls +
                   (p > 1 ? 2 * c->intra.step_simple : 0);
  const DspLimits limits = {
      .channels = channels * c->intra.channel_rate,
      .share = 1,
      .cap = dsp_nccl_sharp_rate(job, price->uses),
  };
  dsp_price_set_limits(job, price, &limits);
}

const DspAlgorithm dsp_algorithm_collnet = {"collnet", price_collnet};
