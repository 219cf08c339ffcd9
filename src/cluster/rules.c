/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of a cluster must be to each other. */
#include "cluster/profile.h"

#define MAX_RATE 1e15
#define MAX_MESH 64

static gboolean no_nvlink(const DspCluster *c) {
  return c->node_kind == DSP_NODE_SWITCH && c->nvlink_bandwidth <= 0;
}

static gboolean mesh_without_matrix(const DspCluster *c) {
  return (c->node_kind == DSP_NODE_MESH) != (c->mesh != NULL);
}

static gboolean mesh_without_bandwidth(const DspCluster *c) {
  return c->node_kind == DSP_NODE_MESH && c->intra.bandwidth <= 0;
}

static gboolean mesh_too_large(const DspCluster *c) {
  return c->node_kind == DSP_NODE_MESH && c->gpus_per_node > MAX_MESH;
}

static gboolean domain_without_switch(const DspCluster *c) {
  return c->domain_nodes > 1 && c->node_kind != DSP_NODE_SWITCH;
}

static gboolean net_without_nics(const DspCluster *c) {
  return c->node_kind == DSP_NODE_NET && c->nics == 0;
}

static gboolean nics_without_network(const DspCluster *c) {
  return (c->nics > 0) != (c->inter_name != NULL);
}

static gboolean nics_without_bandwidth(const DspCluster *c) {
  return c->nics > 0 && c->nic_bandwidth <= 0;
}

static gboolean nics_without_fabric(const DspCluster *c) {
  return (c->nics > 0) != (c->fabric != DSP_FABRIC_NONE);
}

static gboolean nics_uneven(const DspCluster *c) {
  return c->nics > c->gpus_per_node && c->nics % c->gpus_per_node != 0;
}

static gboolean leaf_without_size(const DspCluster *c) {
  return (c->fabric == DSP_FABRIC_RAIL || c->fabric == DSP_FABRIC_FAT_TREE) &&
         c->nodes_per_leaf == 0;
}

static gboolean sockets_without_link(const DspCluster *c) {
  return c->gpus_per_pcie_switch * c->pcie_switches_per_cpu <
             c->gpus_per_node &&
         c->socket_bandwidth <= 0;
}

static gboolean rate_too_high(const DspCluster *c) {
  double rates[] = {c->nvlink_bandwidth, c->intra.bandwidth,  c->pcie_bandwidth,
                    c->cpu_bandwidth,    c->socket_bandwidth, c->nic_bandwidth};
  for (guint i = 0; i < G_N_ELEMENTS(rates); i++)
    if (rates[i] > MAX_RATE)
      return TRUE;
  return FALSE;
}

static gboolean algorithm_unknown(const DspCluster *c) {
  static const char *const known[] = {"ring",    "tree", "nvls", "nvlstree",
                                      "collnet", "pat",  "p2p",  NULL};
  return c->nccl_algorithm && !g_strv_contains(known, c->nccl_algorithm);
}

static const struct {
  gboolean (*broken)(const DspCluster *cluster);
  const char *message;
} rules[] = {
    {no_nvlink, "kind 'switch' needs 'nvlink_bandwidth', or a GPU with "
                "links and an 'intra' network with 'bandwidth'"},
    {mesh_without_matrix, "kind 'mesh' and the key 'mesh' need each other"},
    {mesh_without_bandwidth,
     "kind 'mesh' needs an 'intra' network with 'bandwidth'"},
    {mesh_too_large, "kind 'mesh' has at most 64 GPUs"},
    {domain_without_switch, "'domain_nodes' needs kind 'switch'"},
    {net_without_nics, "kind 'net' needs 'nic'"},
    {nics_without_network, "'nic' and 'inter' need each other"},
    {nics_without_bandwidth,
     "'nic' needs 'bandwidth', or an 'inter' network that has it"},
    {nics_without_fabric,
     "'nic' and a 'fabric' that is not 'none' need each other"},
    {nics_uneven, "more NICs than GPUs must be a multiple of the GPUs"},
    {leaf_without_size,
     "'fabric' of kind 'rail' or 'tree' needs 'nodes_per_leaf'"},
    {sockets_without_link,
     "GPUs on more than one CPU need 'socket' with 'bandwidth'"},
    {rate_too_high, "no link can have more than 1 PB/s"},
    {algorithm_unknown,
     "'nccl' 'algorithm' must be ring, tree, nvls, nvlstree, collnet, pat or "
     "p2p"},
};

/* The value, or what the shared file says where there is none. */
static double or_else(double value, double shared) {
  return value > 0 ? value : shared;
}

const char *dsp_cluster_complete(DspCluster *c) {
  if (c->node_kind == DSP_NODE_SWITCH)
    c->nvlink_bandwidth =
        or_else(c->nvlink_bandwidth, c->gpu->links * c->intra.bandwidth);
  c->nvlink_latency = or_else(c->nvlink_latency, c->intra.latency);
  c->nic_bandwidth = or_else(c->nic_bandwidth, c->inter.bandwidth);
  c->nic_latency = or_else(c->nic_latency, c->inter.latency);
  if (c->pcie_switches_per_cpu == 0)
    c->pcie_switches_per_cpu = c->gpus_per_node;
  for (guint i = 0; i < G_N_ELEMENTS(rules); i++)
    if (rules[i].broken(c))
      return rules[i].message;
  return NULL;
}
