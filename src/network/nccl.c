/* SPDX-License-Identifier: Apache-2.0 */
/* What NCCL finds out about a communicator: NVIDIA/nccl:src/graph/search.cc,
 * topo.h and connect.cc at v2.28.9-1. */
#include "network/nccl.h"
#include "network/axis.h"
#include <math.h>

#define MAX_SPEEDS 16

/* Bytes/s of a channel that the search tries, high to low, ended by 0. */
typedef struct {
  double intra[MAX_SPEEDS], inter[MAX_SPEEDS];
} Speeds;

#define DEFAULT_SPEEDS                                                         \
  {                                                                            \
    {40, 30, 20, 18, 15, 12, 10, 9, 7, 6, 5, 4, 3}, {                          \
      48, 30, 28, 24, 20, 18, 15, 12, 10, 9, 7, 6, 5, 4, 3                     \
    }                                                                          \
  }

static const Speeds speeds[DSP_N_NCCL_ARCHS] = {
    [DSP_NCCL_VOLTA] = DEFAULT_SPEEDS,
    [DSP_NCCL_AMPERE] = DEFAULT_SPEEDS,
    [DSP_NCCL_HOPPER] = {{60, 50, 40, 30, 24, 20, 15, 12, 11, 6, 3},
                         {48, 45, 42, 40, 30, 24, 22, 20, 17.5, 15, 12, 6, 3}},
    [DSP_NCCL_BLACKWELL] = {{90, 80, 70, 60, 50, 40, 30, 24, 20, 19, 18},
                            {96, 48, 45.1, 42, 40, 30, 24, 22, 20, 17.5, 15, 12,
                             6, 3}},
};

/* NCCL knows a NIC's signalling rate; network files have its payload. */
#define NIC_PAYLOAD 0.94

#define MAX_CHANNELS 32
#define MAX_HEADS    8

static DspNcclArch arch_of(const DspGpu *gpu) {
  const int64_t generation = gpu->tile_family / 10;
  return generation >= 10  ? DSP_NCCL_BLACKWELL
         : generation == 9 ? DSP_NCCL_HOPPER
         : generation == 8 ? DSP_NCCL_AMPERE
                           : DSP_NCCL_VOLTA;
}

guint dsp_nccl_place(const DspNcclJob *job, guint gpu) {
  return gpu - dsp_topology_node(job->topology, gpu) * job->node_gpus;
}

guint dsp_nccl_cpu(const DspNcclJob *job, guint gpu) {
  const DspCluster *c = job->cluster;
  return dsp_nccl_place(job, gpu) / (guint)c->gpus_per_pcie_switch /
         (guint)c->pcie_switches_per_cpu;
}

guint dsp_nccl_rail(const DspNcclJob *job, guint gpu) {
  const guint gpus = (guint)job->cluster->gpus_per_node;
  const guint rails = (guint)MIN(job->cluster->nics, gpus);
  return dsp_nccl_place(job, gpu) * rails / gpus;
}

static double mesh_bandwidth(const DspNcclJob *job) {
  const guint n = (guint)job->cluster->gpus_per_node;
  const guint first = dsp_axis_rank(job->axis, job->first_group, 0);
  const guint from = dsp_nccl_place(job, first);
  double sum = 0;
  for (guint m = 1; m < job->per_node; m++)
    sum +=
        job->cluster->mesh[from * n +
                           dsp_nccl_place(job, first + m * job->axis->stride)];
  return sum > 0 ? sum : job->cluster->pcie_bandwidth;
}

static double gpu_bandwidth(const DspNcclJob *job) {
  const DspCluster *c = job->cluster;
  switch (c->node_kind) {
  case DSP_NODE_SWITCH:
    return c->nvlink_bandwidth;
  case DSP_NODE_MESH:
    return mesh_bandwidth(job);
  case DSP_NODE_PCIE:
    return c->pcie_p2p ? c->pcie_bandwidth
                       : MIN(c->pcie_bandwidth, c->cpu_bandwidth);
  default:
    return c->nic_bandwidth;
  }
}

/* The shape of the first group; the others are alike. */
static void count_nodes(DspNcclJob *job) {
  const DspTopology *t = job->topology;
  guint run = 0, last = G_MAXUINT;
  while (job->node_gpus < dsp_topology_gpus(t) &&
         dsp_topology_node(t, job->node_gpus) == 0)
    job->node_gpus++;
  for (guint m = 0; m < job->ranks; m++) {
    const guint gpu = dsp_axis_rank(job->axis, job->first_group, m);
    const guint domain = dsp_topology_domain(t, gpu);
    run = domain == last ? run + 1 : 1;
    job->nodes += domain != last;
    job->per_node = MAX(job->per_node, run);
    last = domain;
  }
}

/* NCCL has tables of what a link of a kind carries: its choices follow the
 * hardware that the files name, whatever a profile says that it reaches. */
static double nominal_gpu_bandwidth(const DspNcclJob *job) {
  const DspCluster *c = job->cluster;
  return c->node_kind == DSP_NODE_SWITCH && c->intra.bandwidth > 0 &&
                 c->gpu->links > 0
             ? c->intra.bandwidth * (double)c->gpu->links
             : job->gpu_bandwidth;
}

/* The NICs of one rail, which NCCL merges. */
static double nominal_rail_bandwidth(const DspCluster *c) {
  const double nic =
      c->inter.bandwidth > 0 ? c->inter.bandwidth : c->nic_bandwidth;
  return nic * (double)c->nics / (double)MIN(c->nics, c->gpus_per_node) /
         NIC_PAYLOAD;
}

/* Of how many rails the group's GPUs of a node are. */
static guint count_rails(const DspNcclJob *job) {
  guint count = 0, last = G_MAXUINT;
  for (guint m = 0; job->cluster->nics > 0 && m < job->per_node; m++) {
    const guint rail =
        dsp_nccl_rail(job, dsp_axis_rank(job->axis, job->first_group, m));
    count += rail != last;
    last = rail;
  }
  return count;
}

/* The most channels times speed that `width` allows on each of `paths` paths.
 * The search begins with the fastest channels and gives up below half the speed
 * of the best found so far. */
static DspNcclGraph search(const double *tried, double width, guint paths,
                           double most) {
  DspNcclGraph best = {0, 0, 0};
  for (guint i = 0; i < MAX_SPEEDS && tried[i] > 0; i++) {
    const double speed = tried[i] * 1e9;
    const double channels = MIN(
        MIN(floor(width / speed) * paths, floor(most / speed)), MAX_CHANNELS);
    if (speed < 0.49 * best.intra)
      break;
    if (channels * speed > best.channels * best.intra)
      best = (DspNcclGraph){(guint)channels, speed, speed};
  }
  return best.channels > 0 ? best : (DspNcclGraph){1, width, width};
}

/* Fast channels are split in two. */
static DspNcclGraph split(const DspNcclJob *job, DspNcclGraph graph) {
  const gboolean newer = job->cluster->gpu->tile_family > 80;
  if (graph.intra < 25e9 || (newer && graph.intra < 50e9 && graph.channels > 4))
    return graph;
  return (DspNcclGraph){2 * graph.channels, graph.intra / 2, graph.inter / 2};
}

/* Between racks no more rings than heads: gb200-coreweave-1440-allreduce stays
 * with nvlstree, which more rings would beat in NCCL's tables. */
static DspNcclGraph ring_graph(const DspNcclJob *job) {
  const Speeds *tried = &speeds[job->arch];
  const double gpu = nominal_gpu_bandwidth(job), p = job->per_node;
  if (job->nodes == 1)
    return split(job, search(tried->intra, gpu, 1, INFINITY));
  const double rail = nominal_rail_bandwidth(job->cluster);
  const double most = p > 1 ? gpu * p / (p - 1) : INFINITY;
  DspNcclGraph graph = search(tried->inter, rail, job->rails, most);
  if (job->per_node > MAX_HEADS)
    graph.channels = MIN(graph.channels, MAX_HEADS);
  return split(job, graph);
}

/* A channel for each of up to eight GPUs of a node, which reduces its share.
 * The tenth that is left free fits the channels seen on 8 H100 (40) and 8 B200
 * (80), the eight those of GB300 racks. */
static DspNcclGraph nvls_graph(const DspNcclJob *job) {
  const guint heads = MIN(job->per_node, MAX_HEADS);
  const double share = 0.9 * nominal_gpu_bandwidth(job) / heads;
  DspNcclGraph graph = search(speeds[job->arch].intra, share, 1, INFINITY);
  graph.channels = heads;
  if (job->nodes > 1)
    graph.inter = job->ring.inter;
  return graph;
}

void dsp_nccl_job_init(DspNcclJob *job, const DspTopology *topology,
                       const DspAxis *axis, int group, DspCollective collective,
                       int64_t bytes, const DspNcclOptions *options) {
  *job = (DspNcclJob){
      .topology = topology,
      .cluster = dsp_topology_cluster(topology),
      .axis = axis,
      .collective = collective,
      .bytes = bytes,
      .first_group = group < 0 ? 0 : (guint)group,
      .n_groups = group < 0 ? dsp_axis_groups(axis) : 1,
      .ranks = axis->size,
      .options = options,
  };
  count_nodes(job);
  job->rails = count_rails(job);
  job->arch = arch_of(job->cluster->gpu);
  job->gpu_bandwidth = gpu_bandwidth(job);
  job->ring = ring_graph(job);
  job->nvls = nvls_graph(job);
}

const DspTransport *dsp_nccl_transport(const DspNcclJob *job) {
  return job->nodes > 1 ? &job->cluster->inter : &job->cluster->intra;
}

gboolean dsp_nccl_has_nvlink(const DspNcclJob *job) {
  return job->cluster->node_kind == DSP_NODE_SWITCH ||
         job->cluster->node_kind == DSP_NODE_MESH;
}

double dsp_nccl_step(const DspTransport *transport, DspProtocol protocol) {
  const double steps[] = {transport->step_ll, transport->step_ll128,
                          transport->step_simple};
  return steps[protocol];
}

double dsp_nccl_launch(const DspNcclJob *job) {
  return job->cluster->intra.launch +
         (job->nodes > 1 ? job->cluster->inter.launch : 0);
}

/* The latest of so many independent delays grows as the logarithm of their
 * number: a fifth for each doubling in the LL rows of h200-roce-2n16-, h100-p5-
 * and a100-p4de-2n16-allreduce. LL128 and Simple use all channels, and their
 * steps are measured so. */
#define SLOWEST 0.17

double dsp_nccl_crossing(DspProtocol protocol, double step, double channels) {
  return protocol == DSP_PROTOCOL_LL ? step * (1 + SLOWEST * log2(channels))
                                     : step;
}

/* Buffers of a channel (NCCL_STEPS), and the bytes that all hold together:
 * fitted to h100-a3mega-2n16-allreduce, h100-p5-2n16-allreduce-doeks,
 * a100-p4de-2n16-allreduce and h100-ndr-2n16-allreduce-issue309a. */
#define STEPS          8
#define CHANNEL_WINDOW (2 << 20)

double dsp_nccl_window(const DspNcclJob *job, double step, double channels) {
  return STEPS * step *
         MIN(1, (double)job->bytes / (channels * CHANNEL_WINDOW));
}

guint dsp_nccl_most_channels(const DspNcclJob *job) {
  const DspNcclOptions *o = job->options;
  const int64_t most = o && o->channels > 0 ? o->channels : G_MAXINT64;
  return (guint)MIN(
      MIN(2 * job->ring.channels, dsp_nccl_transport(job)->channels), most);
}

/* A channel is dropped where its threads would have too little to do, and then
 * threads are (enqueue.cc), so that there is no step between two channels. */
double dsp_nccl_channels(const DspNcclJob *job, DspProtocol protocol,
                         gboolean ring) {
  const guint threads = protocol == DSP_PROTOCOL_LL128 ? 640 : 512;
  const guint threshold = protocol == DSP_PROTOCOL_SIMPLE       ? 64
                          : protocol == DSP_PROTOCOL_LL && ring ? 8 * job->ranks
                                                                : 8;
  const double worth = (double)job->bytes / ((double)threads * threshold);
  return CLAMP(worth, 1, dsp_nccl_most_channels(job));
}

/* LL writes a flag with every 4 bytes, LL128 one with every 120, and both go
 * through registers. Shares of the rate of Simple, fitted to the slopes of
 * ai-dynamo/aiconfigurator's nccl tables (Apache-2.0). */
static const double copy_shares[DSP_N_NCCL_ARCHS][DSP_N_PROTOCOLS] = {
    [DSP_NCCL_VOLTA] = {0.38, 0.55, 1},
    [DSP_NCCL_AMPERE] = {0.38, 0.55, 1},
    [DSP_NCCL_HOPPER] = {0.38, 0.8, 1},
    [DSP_NCCL_BLACKWELL] = {0.38, 0.8, 1},
};

/* A rank that gathers stores each line of LL twice, in its result and for the
 * next rank; one that adds reads its own part in the place of a store. On the
 * shares above, which are those of sends, in the tables of the same. */
#define LL_GATHERS 0.9
#define LL_ADDS    1.25

static double ll_factor(DspCollective collective) {
  switch (collective) {
  case DSP_ALL_TO_ALL:
  case DSP_SENDRECV:
    return 1;
  case DSP_ALL_GATHER:
  case DSP_BROADCAST:
    return LL_GATHERS;
  default:
    return LL_ADDS;
  }
}

double dsp_nccl_copy_rate(const DspNcclJob *job, DspProtocol protocol,
                          double simple) {
  const double rate = copy_shares[job->arch][protocol] * simple;
  return protocol == DSP_PROTOCOL_LL ? ll_factor(job->collective) * rate : rate;
}

/* Thread blocks copy the first gigabytes over NVLink more slowly by up to this
 * share: in every nccl-tests sweep of one node beyond 4 GiB whose links are not
 * much slower than its channels (h100-01, b200-vultr; not h800-8card or
 * v100-8card-para). */
#define COLD_SHARE 0.09
#define COLD_BYTES 1.3e9

double dsp_nccl_cold(const DspNcclJob *job, double traffic) {
  return job->nodes == 1 && dsp_nccl_has_nvlink(job)
             ? 1 + COLD_SHARE / (1 + (double)job->bytes * traffic / COLD_BYTES)
             : 1;
}

double dsp_nccl_wire_share(const DspNcclJob *job, DspProtocol protocol) {
  const DspTransport *transport = dsp_nccl_transport(job);
  const double shares[] = {transport->efficiency_ll,
                           transport->efficiency_ll128, 1};
  return shares[protocol];
}
