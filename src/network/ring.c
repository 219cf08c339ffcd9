/* SPDX-License-Identifier: Apache-2.0 */
/* Every rank sends to the next: n-1 steps of a part of the bytes (all_gather,
 * reduce_scatter), twice that (all_reduce), or a chain of all bytes (broadcast,
 * reduce). A thread block does one step after another, and the last only
 * copies out, so of s+1 steps s keep the link busy.
 * Source: NVIDIA/nccl:src/device/all_gather.h, reduce_scatter.h, all_reduce.h;
 * the model is fitted (dspsim(7), NETWORK). */
#include "network/uses.h"
#include <math.h>

/* Steps of a buffer that a chunk of LL128 takes, and so the steps before the
 * first chunk has passed; a chain's takes one. */
#define CHUNK_STEPS 4

/* s that Simple takes to fill its buffers, and a rank to copy its own part
 * where it gathers: on 2, 4 and 8 GPUs in ai-dynamo/aiconfigurator's tables, 8
 * MiB to 64 MiB, of A100, H100, H200, B200 and GB200 alike. */
#define FILL     10e-6
#define OWN_PART 6e-6

static gboolean is_chain(const DspNcclJob *job) {
  return job->collective == DSP_BROADCAST || job->collective == DSP_REDUCE;
}

/* s before the first chunk has passed. */
static double fill(const DspNcclJob *job, DspProtocol protocol) {
  const double step = dsp_nccl_step(&job->cluster->intra, protocol);
  if (protocol == DSP_PROTOCOL_LL)
    return 0;
  if (is_chain(job))
    return step;
  if (protocol == DSP_PROTOCOL_LL128)
    return CHUNK_STEPS * step;
  return job->collective == DSP_ALL_GATHER ? FILL + OWN_PART : FILL;
}

static double latency(const DspNcclJob *job, DspProtocol protocol,
                      double channels) {
  const guint rounds = job->collective == DSP_ALL_REDUCE ? 2 : 1;
  const guint crossings = rounds * (job->nodes - 1);
  const guint steps = rounds * (job->ranks - 1) - crossings;
  return dsp_nccl_launch(job) + fill(job, protocol) +
         steps * dsp_nccl_step(&job->cluster->intra, protocol) +
         crossings *
             dsp_nccl_crossing(protocol,
                               dsp_nccl_step(&job->cluster->inter, protocol),
                               channels);
}

/* The share of a thread block's steps that send. */
static double sending(const DspNcclJob *job) {
  const double steps =
      (job->collective == DSP_ALL_REDUCE ? 2 : 1) * (job->ranks - 1);
  return is_chain(job) ? 1 : steps / (steps + 1);
}

static void price_ring(const DspNcclJob *job, DspPrice *price) {
  const double traffic =
      dsp_collective_busbw_factor(job->collective, job->ranks);
  const double rate = dsp_nccl_copy_rate(job, price->protocol,
                                         dsp_nccl_transport(job)->channel_rate);
  price->uses = dsp_uses_ring(job, traffic, !is_chain(job));
  const double channels = dsp_nccl_channels(job, price->protocol, TRUE);
  price->channels = (int64_t)channels;
  price->latency = latency(job, price->protocol, channels);
  const DspLimits limits = {
      .channels = channels * rate * sending(job) / traffic /
                  dsp_nccl_cold(job, traffic),
      .share = dsp_nccl_wire_share(job, price->protocol),
      .cap = INFINITY,
      .sharpness = job->nodes > 1 ? 0 : DSP_NODE_SHARPNESS,
  };
  dsp_price_set_limits(job, price, &limits);
}

const DspAlgorithm dsp_algorithm_ring = {"ring", price_ring};
