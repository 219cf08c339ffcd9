/* SPDX-License-Identifier: Apache-2.0 */
/* NVLink SHARP: the switch adds and multicasts, so that every rank sends and
 * receives its bytes once; where the network's switches add, too, so does every
 * node. The bytes on links differ from
 * dsp_collective_sent_bytes, which counts those of a ring.
 * Source: NVIDIA/nccl:src/device/all_reduce.h, src/transport/nvls.cc. */
#include "network/uses.h"
#include <math.h>

/* Buffers of a channel that fill before bytes leave as fast as they come, with
 * 8 ranks: fitted to h100-dgx-1n8-allreduce-dgxc and b200-vultr-1n8-allreduce;
 * gb200-coreweave-72-allreduce has 9 times as much. */
#define CHANNEL_BUFFER (3 << 19)
#define HEADS          8

/* s to post a channel's message between nodes: levels take longer on B200 (32
 * channels, b200-vultr-2n16-allreduce) than on H100 (16,
 * h100-ndr-2n16-allreduce-issue309a). */
#define POST 0.5e-6

/* What NVLSTree reaches of the most that NCCL's tuner expects on two nodes:
 * 469, 481 and 486 GB/s of 462 (h100-ndr-, h100-p5-, h200-roce-2n16-allreduce).
 */
#define TREE_GAIN 1.04

/* Channels of the kernel: 16 on Hopper, 32 on Blackwell (init.cc). */
static guint n_channels(const DspNcclJob *job) {
  return job->arch == DSP_NCCL_BLACKWELL ? 32 : 16;
}

/* Every head, the GPU that a part of the bytes is added up for, has its own. */
static double buffers(const DspNcclJob *job, int64_t channels) {
  return (double)channels * CHANNEL_BUFFER * job->per_node / HEADS;
}

static void price_nvls(const DspNcclJob *job, DspPrice *price) {
  const DspTransport *t = &job->cluster->intra;
  const gboolean all_reduce = job->collective == DSP_ALL_REDUCE;
  const double part = (job->ranks - 1.0) / job->ranks;
  const double nodes = job->nodes;
  const double inter = all_reduce ? 1 : (nodes - 1) / nodes;
  price->uses = dsp_uses_tree(job, all_reduce ? 1 : part, inter);
  price->channels = n_channels(job);
  price->latency = dsp_nccl_launch(job) + t->step_nvls +
                   (nodes > 1 ? job->cluster->inter.step_nvls : 0);
  const DspLimits limits = {
      .channels = INFINITY,
      .share = 1,
      .cap = MIN(t->nvls_efficiency * job->gpu_bandwidth /
                     (all_reduce ? 1 : part) / dsp_nccl_cold(job, 1),
                 nodes > 1 ? dsp_nccl_sharp_rate(job, price->uses) : INFINITY),
      .fill = MIN((double)job->bytes, buffers(job, price->channels)) / 2,
  };
  dsp_price_set_limits(job, price, &limits);
}

/* The same between nodes by a tree: up through the NICs and down again. The
 * buffers of heads beyond 8 fill on every level (gb200-coreweave-1440- and
 * gb300-oci-128-2rack-allreduce). */
static void price_nvlstree(const DspNcclJob *job, DspPrice *price) {
  const DspTransport *intra = &job->cluster->intra;
  const double n = job->nodes, level = job->cluster->inter.tree_simple;
  price->uses = dsp_uses_tree(job, 1, 2 * (n - 1) / n);
  price->channels = n_channels(job);
  const double more =
      buffers(job, price->channels) - (double)price->channels * CHANNEL_BUFFER;
  price->latency = dsp_nccl_launch(job) + intra->step_nvls +
                   2 * log2(n) * (level + POST * price->channels) +
                   dsp_nccl_window(job, level, price->channels);
  const DspLimits limits = {
      .channels = intra->nvls_efficiency * job->gpu_bandwidth,
      .share = 1,
      .cap = TREE_GAIN * dsp_nccl_nvlstree_rate(job),
      .fill = log2(n) * MIN((double)job->bytes, MAX(0, more)) / 2,
  };
  dsp_price_set_limits(job, price, &limits);
}

const DspAlgorithm dsp_algorithm_nvls = {"nvls", price_nvls};
const DspAlgorithm dsp_algorithm_nvlstree = {"nvlstree", price_nvlstree};
