/* SPDX-License-Identifier: Apache-2.0 */
/* The least time of a collective by any algorithm: the bytes that must leave
 * or enter one GPU over all its links, and one node over all its NICs, at full
 * bandwidth. */
#include "network/nccl.h"

/* Bytes that must cross the links of one of `k` equal parties for each byte of
 * work. Where a switch adds, a sum need not come back the way it went. */
static double crossing(const DspNcclJob *job, double k, gboolean adds) {
  switch (job->collective) {
  case DSP_ALL_REDUCE:
    return (adds ? 1 : 2) * (k - 1) / k;
  case DSP_SENDRECV:
  case DSP_BROADCAST:
  case DSP_REDUCE:
    return k > 1 ? 1 : 0;
  default:
    return (k - 1) / k;
  }
}

/* What leaves a node for a group with `per_node` of its ranks there. */
static double node_crossing(const DspNcclJob *job) {
  const double n = job->ranks, p = job->per_node;
  switch (job->collective) {
  case DSP_ALL_TO_ALL:
    return p * (n - p) / n;
  case DSP_ALL_GATHER:
  case DSP_REDUCE_SCATTER:
    return (n - p) / n;
  default:
    return crossing(job, job->nodes, job->cluster->inter.nvls);
  }
}

static double widest_mesh(const DspCluster *c) {
  const guint n = (guint)c->gpus_per_node;
  double widest = 0;
  for (guint i = 0; i < n; i++) {
    double sum = 0;
    for (guint j = 0; j < n; j++)
      sum += c->mesh[i * n + j];
    widest = MAX(widest, sum);
  }
  return widest;
}

/* All that leaves a GPU at once. */
static double gpu_width(const DspNcclJob *job) {
  const DspCluster *c = job->cluster;
  const gboolean net = job->nodes > 1 || c->node_kind == DSP_NODE_NET;
  double width = net ? MAX(c->pcie_bandwidth, c->nic_bandwidth * c->nics) : 0;
  if (c->node_kind == DSP_NODE_SWITCH)
    width += c->nvlink_bandwidth;
  else if (c->node_kind == DSP_NODE_MESH)
    width += widest_mesh(c) + c->pcie_bandwidth;
  else if (!net)
    width += c->pcie_bandwidth;
  return width;
}

double dsp_collective_bound(const DspTopology *topology, const DspAxis *axis,
                            DspCollective collective, int64_t bytes) {
  DspNcclJob job;
  dsp_nccl_job_init(&job, topology, axis, -1, collective, bytes, NULL);
  const DspCluster *c = job.cluster;
  const double gpu = crossing(&job, job.ranks, c->intra.nvls || c->inter.nvls) /
                     gpu_width(&job);
  if (job.nodes == 1)
    return (double)bytes * gpu;
  /* An NVLink domain of several nodes has the NICs of all. */
  const guint gpus = job.node_gpus * (guint)c->domain_nodes;
  const double groups = MAX(1, gpus / job.per_node);
  const double nics = c->nic_bandwidth * (double)(c->nics * c->domain_nodes);
  return (double)bytes * MAX(gpu, groups * node_crossing(&job) / nics);
}
