/* SPDX-License-Identifier: Apache-2.0 */
/* A collective as NCCL sees it: the shape of its communicator, the graphs that
 * NCCL's search finds on the topology, and its choice of algorithm and
 * protocol. Private to src/network. */
#ifndef DSP_NETWORK_NCCL_H
#define DSP_NETWORK_NCCL_H

#include "network/collective.h"

/* The rows of NCCL's tables. */
typedef enum {
  DSP_NCCL_VOLTA,
  DSP_NCCL_AMPERE,
  DSP_NCCL_HOPPER,
  DSP_NCCL_BLACKWELL,
  DSP_N_NCCL_ARCHS,
} DspNcclArch;

/* What NCCL's search found: bytes/s of a channel in nodes and between. */
typedef struct {
  guint channels;
  double intra, inter;
} DspNcclGraph;

typedef struct {
  const DspTopology *topology;
  const DspCluster *cluster;
  const DspAxis *axis;
  DspCollective collective;
  int64_t bytes;
  guint first_group, n_groups; /* those that are priced */
  guint ranks;                 /* of a group */
  guint nodes;     /* NVLink domains, or nodes, that a group spans */
  guint per_node;  /* ranks of a group in one of them, at most */
  guint rails;     /* of the group's GPUs in a node */
  guint node_gpus; /* GPUs of a node that the topology numbers */
  DspNcclArch arch;
  double gpu_bandwidth; /* of a GPU to the group's others in the node */
  DspNcclGraph ring, nvls;
  const DspNcclOptions *options;
} DspNcclJob;

/* `options` may be NULL. */
void dsp_nccl_job_init(DspNcclJob *job, const DspTopology *topology,
                       const DspAxis *axis, int group, DspCollective collective,
                       int64_t bytes, const DspNcclOptions *options);

/* A GPU's place in its node, and the rail of its nearest NIC (of which there
 * must be some). */
guint dsp_nccl_place(const DspNcclJob *job, guint gpu);
guint dsp_nccl_rail(const DspNcclJob *job, guint gpu);
/* The CPU of its node that a GPU is below. */
guint dsp_nccl_cpu(const DspNcclJob *job, guint gpu);

/* Constants of the path that bounds the group: between nodes if it spans
 * several. */
const DspTransport *dsp_nccl_transport(const DspNcclJob *job);

/* Whether GPUs of a node are joined by NVLink. */
gboolean dsp_nccl_has_nvlink(const DspNcclJob *job);

/* s of a step of a ring. */
double dsp_nccl_step(const DspTransport *transport, DspProtocol protocol);

/* s to start a collective on the GPUs of the group. */
double dsp_nccl_launch(const DspNcclJob *job);

/* s of a message between nodes in a ring's step or a tree's level, whose time
 * alone is `step`: of the messages of many channels the slowest counts. */
double dsp_nccl_crossing(DspProtocol protocol, double step, double channels);

/* s until all buffers of the channels are on their way between nodes, which
 * follow each other by a tree's level of `step` at first. */
double dsp_nccl_window(const DspNcclJob *job, double step, double channels);

/* Channels of a collective's kernel, and what its bytes are worth, of which
 * NCCL takes the whole ones. */
guint dsp_nccl_most_channels(const DspNcclJob *job);
double dsp_nccl_channels(const DspNcclJob *job, DspProtocol protocol,
                         gboolean ring);

/* Payload bytes/s that a channel copies whose rate is `simple` in Simple. */
double dsp_nccl_copy_rate(const DspNcclJob *job, DspProtocol protocol,
                          double simple);

/* How much slower thread blocks copy at first; `traffic`: bytes that leave a
 * GPU for each byte of work. */
double dsp_nccl_cold(const DspNcclJob *job, double traffic);

/* Share of a link's payload bandwidth that the protocol leaves. */
double dsp_nccl_wire_share(const DspNcclJob *job, DspProtocol protocol);

/* Channels that carry one message of send/recv. */
guint dsp_p2p_channels(const DspNcclJob *job);
/* The most for any message, and those that all peers share. */
guint dsp_p2p_peer_channels(const DspNcclJob *job);
guint dsp_p2p_all_channels(const DspNcclJob *job);

/* Bytes of one message of all_to_all or sendrecv. */
int64_t dsp_p2p_message(const DspNcclJob *job);

/* ------------------------------------------------------------------------- */

/* Fills latency, channels, rate_limit, bound_by and uses of a price that has
 * its protocol. */
typedef struct {
  const char *name;
  void (*price)(const DspNcclJob *job, DspPrice *price);
} DspAlgorithm;

extern const DspAlgorithm dsp_algorithm_ring, dsp_algorithm_tree,
    dsp_algorithm_nvls, dsp_algorithm_nvlstree, dsp_algorithm_collnet,
    dsp_algorithm_pat, dsp_algorithm_p2p;

/* NCCL's choice, or the one that the options or the cluster force. */
const DspAlgorithm *dsp_nccl_select(const DspNcclJob *job,
                                    DspProtocol *protocol);

/* The most bytes/s of work that switches which add take from the NICs. */
double dsp_nccl_sharp_rate(const DspNcclJob *job, const GArray *uses);

/* The share of its bandwidth that a tree reaches for so many bytes, and the
 * most bytes/s of NVLSTree's channels, both from NCCL's tables. */
double dsp_nccl_tree_correction(DspProtocol protocol, int64_t bytes);
double dsp_nccl_nvlstree_rate(const DspNcclJob *job);

/* ------------------------------------------------------------------------- */

/* What holds back a transfer on idle links, all in bytes/s of work. */
typedef struct {
  double channels;  /* thread blocks that copy */
  double share;     /* of the links' bandwidth that is usable, <= 1 */
  double cap;       /* anything else */
  double fill;      /* bytes of work more, for buffers that fill first */
  double sharpness; /* how sharply links and channels meet; 0: a minimum */
} DspLimits;

/* Inside a node the threads that copy also load the links: where both allow the
 * same, the two together reach a tenth less. Fitted to ring collectives of 2, 4
 * and 8 GPUs, whose channels differ. A NIC fetches by itself; only the chunks
 * of send/recv wait for it (h100-01-pairwise-2n2- and -2n8-sendrecv: 40 and 42
 * GB/s where one channel has 25.5 and the NIC 48.9). */
#define DSP_NODE_SHARPNESS 6.5
#define DSP_P2P_SHARPNESS  4

/* Sets rate_limit and bound_by, and adds the fill to latency; `uses` and
 * latency are there. */
void dsp_price_set_limits(const DspNcclJob *job, DspPrice *price,
                          const DspLimits *limits);

#endif
