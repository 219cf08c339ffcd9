/* SPDX-License-Identifier: Apache-2.0 */
/* Where it runs: nodes of GPUs, their links and NICs, and the fabric between
 * nodes. Read from hwprofiles/NAME.json or from a one-line description
 * (dspsim-hwprofile(5)). Links are one-way, with the payload bandwidth that
 * software reaches, not the raw signalling rate. */
#ifndef DSP_CLUSTER_CLUSTER_H
#define DSP_CLUSTER_CLUSTER_H

#include "cluster/gpu.h"

typedef enum {
  DSP_LINK_NVLINK, /* GPU to NVSwitch, or GPU to GPU */
  DSP_LINK_PCIE,   /* GPU or NIC to PCIe switch, switch to CPU */
  DSP_LINK_HOST,   /* between CPU sockets, or staging through host memory */
  DSP_LINK_NIC,    /* NIC to its leaf switch */
  DSP_LINK_FABRIC, /* leaf to spine */
  DSP_N_LINK_TYPES,
} DspLinkType;

extern const char *const dsp_link_type_names[];

typedef struct {
  DspLinkType type;
  double bandwidth; /* bytes/s of payload */
  double latency;   /* s */
} DspLink;

/* How GPUs of a node reach each other. */
typedef enum {
  DSP_NODE_SWITCH, /* every GPU to one non-blocking switch (NVSwitch) */
  DSP_NODE_MESH,   /* NVLinks between pairs, from a matrix */
  DSP_NODE_PCIE,   /* a tree: GPU - PCIe switch - CPU - other CPU */
  DSP_NODE_NET,    /* not at all: peers of a node meet in the fabric */
  DSP_N_NODE_KINDS,
} DspNodeKind;

/* "switch", "mesh", "pcie", "net", NULL */
extern const char *const dsp_node_kind_names[];

typedef enum {
  DSP_FABRIC_RAIL,     /* NIC i of every node on leaf i; spines above */
  DSP_FABRIC_FAT_TREE, /* all NICs of some nodes on a leaf; oversubscribable */
  DSP_FABRIC_SWITCH,   /* one non-blocking switch */
  DSP_FABRIC_NONE,     /* a single node, or one NVLink domain of many nodes */
  DSP_N_FABRIC_KINDS,
} DspFabricKind;

/* "rail", "tree", "switch", "none", NULL */
extern const char *const dsp_fabric_kind_names[];

/* Constants of collectives over one kind of network or GPU interconnect, all
 * in dspsim-hwprofile(5) with their sources (hwprofiles/networks). Times in s,
 * rates in bytes/s. dspsim(7), NETWORK, has the equations in which they stand,
 * by the same names. */
typedef struct {
  double bandwidth;            /* payload of one NVLink or one NIC, one way */
  double latency;              /* s over one link */
  double channel_rate;         /* of one channel (thread block), collectives */
  double p2p_channel_rate;     /* of one channel, send/recv */
  double all_to_all_rate;      /* what leaves one GPU or one NIC; 0: no limit */
  int64_t channels;            /* most channels of a collective, on all NICs */
  int64_t p2p_channels;        /* most channels of send/recv */
  int64_t peer_channels;       /* most channels of send/recv with one peer */
  double launch;               /* s a collective launch, above step time */
  double p2p_launch, p2p_peer; /* s a group of send/recv, and each peer of it */
  double step_ll, step_ll128, step_simple; /* s a step, per protocol */
  double tree_ll, tree_ll128, tree_simple; /* s a level of a tree */
  double efficiency_ll, efficiency_ll128;  /* share of payload on the wire */
  gboolean nvls; /* in-switch reduction (NVLink SHARP) */
  double nvls_efficiency, step_nvls;
} DspTransport;

typedef struct {
  double eager_forward, eager_backward; /* s the CPU needs for one kernel */
  double operation;       /* s more for an operation forward: its Python */
  double compiled, graph; /* s a kernel, compiled or in a graph */
  double collective;      /* s to issue one collective call */
} DspLaunchCosts;

typedef struct {
  char *name, *title, *file, *sha256; /* file NULL: synthetic description */
  DspGpu *gpu;
  char *host_name, *intra_name, *inter_name; /* inter: NULL without NICs */
  int64_t gpus_per_node;
  DspNodeKind node_kind;
  int64_t domain_nodes; /* nodes that one NVLink switch joins, usually 1 */
  double nvlink_bandwidth, nvlink_latency; /* per GPU and direction, payload */
  double *mesh; /* MESH: bytes/s from i to j, row-major, 0: no link */
  int64_t gpus_per_pcie_switch, pcie_switches_per_cpu; /* 1 GPU: no switch */
  double pcie_bandwidth, pcie_latency, cpu_bandwidth, cpu_latency;
  double socket_bandwidth, socket_latency; /* between CPUs */
  gboolean pcie_p2p; /* peers copy directly, else staged in host memory */
  int64_t nics;      /* a node */
  double nic_bandwidth, nic_latency; /* of one, to its leaf switch */
  gboolean gpudirect; /* NIC reads GPU memory, else staged in host memory */
  DspFabricKind fabric;
  int64_t nodes_per_leaf;
  double oversubscription; /* leaf down over leaf up, 1: none */
  double spine_latency;    /* s, leaf to spine */
  int64_t max_nodes;       /* 0: not limited */
  DspTransport intra, inter;
  char *nccl_algorithm; /* forced, as NCCL_ALGO, or NULL */
  int64_t nccl_version; /* as NCCL_VERSION_CODE: 22800 is 2.28 */
  DspLaunchCosts launch;
  double memory_reserved; /* share of GPU memory that is not for tensors */
  double price;           /* a GPU hour, 0: not given */
  char *currency;
  /* The profile (NULL: synthetic) and the shared files that it names. */
  DspJson *json, *host_json, *intra_json, *network_json;
} DspCluster;

/* `name`: a profile (dsp_find_data, folder "hwprofiles"), or a description
 * such as "node:16 gpu:8 nvlink:450GBps nic:8x50GBps" (recognised by ':').
 * Errors as dsp_model_load. Free with dsp_cluster_free. */
DspCluster *dsp_cluster_load(const char *name, GError **error);
void dsp_cluster_free(DspCluster *cluster);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DspCluster, dsp_cluster_free)

/* The one-line description from which dsp_cluster_load makes a cluster with the
 * same GPUs, NVLinks, NICs and kind of fabric; NULL where there is none (a
 * mesh, GPUs on several CPUs, an NVLink domain of many nodes). The caller
 * frees. */
char *dsp_cluster_describe(const DspCluster *cluster);

/* "2.28" is 22800, "2.27.3" 22703; FALSE if it is no version of two or three
 * numbers below 100. And back; the caller frees. */
gboolean dsp_parse_nccl_version(const char *text, int64_t *version);
char *dsp_format_nccl_version(int64_t version);

/* ------------------------------------------------------------------------- */

/* The cluster's links for a number of GPUs, and the way between any two. */
typedef struct DspTopology DspTopology;

#define DSP_MAX_ROUTE 20

/* Path classes in NCCL's order (graph.h): the worst hop of a route. */
typedef enum {
  DSP_PATH_LOCAL,
  DSP_PATH_NVLINK,
  DSP_PATH_PCIE,   /* one PCIe switch (PIX, PXB) */
  DSP_PATH_HOST,   /* through a CPU (PHB) */
  DSP_PATH_SOCKET, /* between CPUs (SYS) */
  DSP_PATH_NET,
  DSP_N_PATHS,
} DspPath;

extern const char *const dsp_path_names[];

/* How many GPUs of a node a job of `gpus` GPUs gets: as launchers do, equally
 * many of each of the fewest nodes that suffice, else it fills them one after
 * the other. */
guint dsp_cluster_share(const DspCluster *cluster, guint gpus);

/* `gpus` > 0 GPUs, as dsp_cluster_share deals them out; fails with
 * DSP_ERROR_INFEASIBLE and the most that the cluster has if there are not so
 * many. The cluster must outlive the topology. Free with dsp_topology_free. */
DspTopology *dsp_topology_new(const DspCluster *cluster, guint gpus,
                              GError **error);

/* The same with the first `gpus_per_node` GPUs of each of `nodes` nodes, as
 * measurements with one or four GPUs of a node have it. GPUs are numbered
 * without gaps; the node's links and NICs are all there. */
DspTopology *dsp_topology_new_partial(const DspCluster *cluster, guint nodes,
                                      guint gpus_per_node, GError **error);
void dsp_topology_free(DspTopology *topology);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DspTopology, dsp_topology_free)

const DspCluster *dsp_topology_cluster(const DspTopology *topology);
guint dsp_topology_gpus(const DspTopology *topology);
guint dsp_topology_nodes(const DspTopology *topology);
/* The NVLink domain (node, or rack of nodes) of a GPU. */
guint dsp_topology_domain(const DspTopology *topology, guint gpu);
guint dsp_topology_node(const DspTopology *topology, guint gpu);
guint dsp_topology_n_links(const DspTopology *topology);
const DspLink *dsp_topology_link(const DspTopology *topology, guint link);
/* A name for people: "node0/gpu3->nvswitch". The caller frees. */
char *dsp_topology_link_name(const DspTopology *topology, guint link);

/* The links from GPU `from` to GPU `to`, in order; returns how many, 0 for a
 * GPU to itself. O(1), no allocation. Across nodes the message leaves through
 * the NIC on the rail of `to` where NVLink reaches that NIC's GPU (PXN of NCCL)
 * and else through the NIC nearest to `from`. */
guint dsp_topology_route(const DspTopology *topology, guint from, guint to,
                         uint32_t links[DSP_MAX_ROUTE]);
DspPath dsp_topology_path(const DspTopology *topology, guint from, guint to);

#endif
