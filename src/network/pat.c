/* SPDX-License-Identifier: Apache-2.0 */
/* all_gather and reduce_scatter by parallel aggregated trees, one GPU a node:
 * as many steps as the logarithm of the nodes, and a time for each rank's part.
 * Nothing published times it, so both are those of NCCL's tuner.
 * Source: NVIDIA/nccl:src/graph/tuning.cc, src/device/all_gather.h at
 * v2.28.9-1; S. Jeaugey, "PAT: a new algorithm for all-gather and
 * reduce-scatter operations at scale", 2025. */
#include "network/uses.h"
#include <math.h>

/* A step against one of a ring, s a rank, and the share of a ring's rate. */
#define STEPS_AT_ONCE 3.5
#define RANK          2.8e-6
#define SHARE         0.75

static void price_pat(const DspNcclJob *job, DspPrice *price) {
  const DspTransport *t = &job->cluster->inter;
  const double n = job->ranks, traffic = (n - 1) / n;
  price->uses = dsp_uses_ring(job, traffic, TRUE);
  const double channels = dsp_nccl_channels(job, price->protocol, FALSE);
  price->channels = (int64_t)channels;
  price->latency = dsp_nccl_launch(job) +
                   log2(n) * t->step_simple / STEPS_AT_ONCE + n * RANK;
  const DspLimits limits = {
      .channels = channels * t->channel_rate / traffic,
      .share = SHARE,
      .cap = INFINITY,
  };
  dsp_price_set_limits(job, price, &limits);
}

const DspAlgorithm dsp_algorithm_pat = {"pat", price_pat};
