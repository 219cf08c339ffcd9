/* SPDX-License-Identifier: Apache-2.0 */
/* NCCL's choice of algorithm and protocol: NVIDIA/nccl:src/graph/tuning.cc at
 * v2.28.9-1, whose latencies (us), bandwidths (GB/s) and corrections these are.
 * It ranks; what the choice then costs is priced by its algorithm. */
#include "network/nccl.h"
#include <math.h>
#include <string.h>

#define N       DSP_N_PROTOCOLS
#define N_SIZES 23

typedef enum {
  RING,
  TREE,
  NVLS,
  NVLSTREE,
  COLLNET,
  PAT,
  N_TUNED,
} Tuned;

static const DspAlgorithm *const tuned[N_TUNED] = {
    [RING] = &dsp_algorithm_ring,       [TREE] = &dsp_algorithm_tree,
    [NVLS] = &dsp_algorithm_nvls,       [NVLSTREE] = &dsp_algorithm_nvlstree,
    [COLLNET] = &dsp_algorithm_collnet, [PAT] = &dsp_algorithm_pat,
};

/* Up to 2.13, and since. */
static const double base_latency[2][2][N] = {
    {[RING] = {3.6, 10.0, 8.4}, [TREE] = {4.4, 4.4, 0}},
    {[RING] = {6.6, 14.0, 8.4}, [TREE] = {6.8, 14.0, 8.4}},
};

typedef enum { NVLINK, PCI, NET, N_MEDIA } Medium;

static const double hop_latency[2][N_MEDIA][N] = {
    [RING] = {[NVLINK] = {0.6, 1.9, 3.4},
              [PCI] = {1.0, 2.5, 5.7},
              [NET] = {2.7, 4.0, 14}},
    [TREE] = {[NVLINK] = {0.6, 1.25, 4.0},
              [PCI] = {1.0, 1.9, 4.0},
              [NET] = {5.0, 8.5, 14}},
};
static const double nvls_latency[] = {25, 18}; /* NVLINK, NET */
static const double nvlstree_latency[] = {25, 20.9};

/* By architecture; columns: 1 node, 2 nodes, more. */
typedef double Caps[DSP_N_NCCL_ARCHS][3];
static const Caps ll_most = {
    {39, 39, 20.4}, {87.7, 22.5, 19}, {141, 45, 35}, {282, 90, 70}};
static const Caps ring_ll128_channel = {
    {20, 20, 20}, {20, 20, 20}, {36.7, 36.7, 36.7}, {73.4, 34.6, 73.4}};
static const Caps tree_ll128_channel = {
    {20, 20, 20}, {20, 20, 20}, {36.7, 36.7, 29}, {55.6, 31.67, 20}};
static const Caps tree_channel = {
    {26.5, 18.5, 10}, {24, 23.6, 17.8}, {38.7, 41.4, 36}, {70, 42.8, 24}};
static const Caps nvlstree_channel = {{0}, {0}, {0, 57.7, 45.5}, {0, 96, 43.8}};
static const double nvls_efficiency[DSP_N_NCCL_ARCHS] = {0, 0, 0.85, 0.74};

/* On the bandwidth of a tree, by log2(bytes/64). */
static const double tree_correction[N][N_SIZES] = {
    {1,  1,  1,  1,  .9, .8, .7, .7, .7, .7, .6, .5,
     .4, .4, .5, .6, .7, .8, .9, 1,  1,  1,  1},
    {1,  1,  1,  1,  1,  .9, .8, .8, .8, .7, .6, .6,
     .6, .6, .6, .6, .8, .9, .9, .9, .9, 1,  1},
    {.9, .9, .9, .9, .9, .9, .9, .8, .7, .6, .6, .5,
     .5, .5, .5, .6, .7, .8, .7, .7, .8, .9, .9},
};

typedef struct {
  const DspNcclJob *job;
  guint column; /* of the caps */
  gboolean all_reduce, nvlink, amd;
  double steps;
} Tuning;

static double cap(const Tuning *t, const Caps caps) {
  return caps[t->job->arch][t->column];
}

static double ll_cap(const Tuning *t) {
  const DspNcclArch row = t->job->nodes == 1 ? t->job->arch
                          : t->amd           ? DSP_NCCL_AMPERE
                                             : DSP_NCCL_VOLTA;
  return ll_most[row][t->column];
}

/* Of a channel, GB/s. */
static double graph_speed(const Tuning *t, const DspNcclGraph *graph) {
  return (t->job->nodes <= 2 ? graph->intra : graph->inter) * 1e-9;
}

static double ring_bus(const Tuning *t, DspProtocol protocol) {
  const DspNcclGraph *ring = &t->job->ring;
  const double bus = ring->channels * graph_speed(t, ring);
  switch (protocol) {
  case DSP_PROTOCOL_LL:
    return MIN(ll_cap(t), 0.5 * bus);
  case DSP_PROTOCOL_LL128:
    return MIN(0.92 * bus, ring->channels * cap(t, ring_ll128_channel));
  default:
    return bus;
  }
}

static double tree_bus(const Tuning *t, DspProtocol protocol) {
  const DspNcclGraph *ring = &t->job->ring;
  const double bus = MIN(0.92 * ring->channels * graph_speed(t, ring),
                         ring->channels * cap(t, tree_channel));
  switch (protocol) {
  case DSP_PROTOCOL_LL:
    return MIN(bus / 3.8, ll_cap(t));
  case DSP_PROTOCOL_LL128:
    return MIN(bus * (t->job->nodes == 1 ? 7.0 / 9 : 120.0 / 128),
               ring->channels * cap(t, tree_ll128_channel));
  default:
    return bus;
  }
}

static double nvls_bus(const Tuning *t, Tuned algorithm) {
  const DspNcclGraph *nvls = &t->job->nvls;
  const double c = nvls->channels, p = t->job->per_node;
  double intra = nvls->intra * 1e-9 * nvls_efficiency[t->job->arch] * (c - 1) /
                 c * (t->all_reduce ? 2 : (p - 1) / p);
  const gboolean doubled = algorithm == NVLSTREE && t->job->nodes <= 2;
  if (t->job->nodes > 1)
    intra = MIN(intra, nvls->inter * 1e-9 * (doubled ? 2 : 1));
  if (algorithm == NVLSTREE)
    intra = MIN(intra, cap(t, nvlstree_channel));
  return c * intra;
}

/* CollNetDirect, with a head for each rail. */
static double collnet_bus(const Tuning *t) {
  const DspNcclGraph *ring = &t->job->ring;
  const double heads = t->job->per_node / (double)t->job->rails;
  const double bus = ring->channels * ring->inter * 1e-9;
  return bus / (heads - (heads - 1) / 2) *
         (t->job->arch >= DSP_NCCL_HOPPER ? 0.85 : 1);
}

/* GB/s of the bytes as nccl-tests counts them; 0: not possible. */
static double bandwidth(const Tuning *t, Tuned algorithm,
                        DspProtocol protocol) {
  const double to_alg = t->job->ranks / t->steps;
  switch (algorithm) {
  case RING:
    return ring_bus(t, protocol) * to_alg;
  case TREE:
    return t->all_reduce ? tree_bus(t, protocol) / 2 : 0;
  case COLLNET:
    return collnet_bus(t) / 2;
  case PAT:
    return 0.75 * ring_bus(t, protocol);
  default:
    return nvls_bus(t, algorithm) * to_alg;
  }
}

static double net_overhead(const Tuning *t, DspProtocol protocol) {
  const double overhead = t->job->nodes == 1 ? 0 : t->amd ? 2 : 1;
  return overhead * (protocol == DSP_PROTOCOL_SIMPLE ? 3 : 1);
}

static double ring_latency(const Tuning *t, DspProtocol protocol, double base) {
  const Medium medium = t->nvlink ? NVLINK : PCI;
  const double lat = hop_latency[RING][medium][protocol];
  const double net =
      hop_latency[t->job->per_node == 1 ? TREE : RING][NET][protocol];
  const double crossings =
      t->job->nodes == 1 ? 0 : (t->job->nodes - 1) * (t->all_reduce ? 2 : 1);
  if (t->job->collective == DSP_BROADCAST || t->job->collective == DSP_REDUCE)
    return base + lat;
  return base + (t->steps - crossings) * MAX(lat, net_overhead(t, protocol)) +
         crossings * net;
}

static double tree_latency(const Tuning *t, DspProtocol protocol, double base) {
  const double intra = hop_latency[TREE][t->nvlink ? NVLINK : PCI][protocol];
  return base + 2 * ((t->job->per_node - 1) * intra +
                     log2(t->job->nodes) * hop_latency[TREE][NET][protocol]);
}

static double latency(const Tuning *t, Tuned algorithm, DspProtocol protocol) {
  const int era = t->job->cluster->nccl_version >= 21400 ? 1 : 0;
  switch (algorithm) {
  case RING:
    return ring_latency(t, protocol, base_latency[era][RING][protocol]);
  case TREE:
    return tree_latency(t, protocol, base_latency[era][TREE][protocol]);
  case NVLS:
    return nvls_latency[0] + (t->job->nodes > 1 ? nvls_latency[1] : 0);
  case COLLNET:
    return 31 + 2 * (MIN(1, t->job->per_node - 1) * 3.7 +
                     0.4 * (t->job->per_node - 1));
  case PAT:
    return 8 + log2(t->job->nodes) * hop_latency[RING][NET][protocol] / 3.5 +
           2.8 * t->job->ranks;
  default:
    return nvlstree_latency[0] + 2 * log2(t->job->nodes) * nvlstree_latency[1];
  }
}

double dsp_nccl_tree_correction(DspProtocol protocol, int64_t bytes) {
  const int size = (int)floor(log2(bytes / 64.0));
  return size >= 0 && size < N_SIZES ? tree_correction[protocol][size] : 1;
}

/* Rings in Simple between nodes start more slowly than their steps say. */
static double ring_factor(const Tuning *t, DspProtocol protocol) {
  const DspNcclJob *job = t->job;
  if (protocol != DSP_PROTOCOL_SIMPLE || job->nodes == 1 || !t->all_reduce ||
      job->bytes / (2.0 * job->ring.channels * job->ranks) < 64)
    return 1;
  return job->arch < DSP_NCCL_AMPERE ? 1.9 : 1.4;
}

static gboolean ll128_enabled(const Tuning *t) {
  return t->nvlink && t->job->cluster->gpu->tile_family >= 70;
}

#define PAT_VERSION 22300

static gboolean enabled(const Tuning *t, Tuned algorithm,
                        DspProtocol protocol) {
  const DspNcclJob *job = t->job;
  const gboolean nvls = job->cluster->intra.nvls && job->per_node > 1 &&
                        job->arch >= DSP_NCCL_HOPPER &&
                        protocol == DSP_PROTOCOL_SIMPLE;
  switch (algorithm) {
  case RING:
    return protocol != DSP_PROTOCOL_LL128 || ll128_enabled(t);
  case TREE:
    return t->all_reduce &&
           (protocol != DSP_PROTOCOL_LL128 || ll128_enabled(t));
  case NVLS:
    return nvls && (job->nodes == 1 || job->cluster->inter.nvls) &&
           job->nvls.channels >= 2 && job->collective <= DSP_ALL_REDUCE &&
           job->collective != DSP_ALL_TO_ALL;
  case COLLNET:
    return job->nodes > 1 && job->cluster->inter.nvls && t->nvlink &&
           t->all_reduce && protocol == DSP_PROTOCOL_SIMPLE;
  case PAT:
    return job->nodes > 1 && job->per_node == 1 &&
           job->cluster->nccl_version >= PAT_VERSION &&
           (job->collective == DSP_ALL_GATHER ||
            job->collective == DSP_REDUCE_SCATTER) &&
           protocol == DSP_PROTOCOL_SIMPLE;
  default:
    return nvls && job->nodes > 1 && t->all_reduce;
  }
}

static gboolean allowed(const DspNcclJob *job, const char *name,
                        DspProtocol protocol) {
  const DspNcclOptions *o = job->options;
  const char *algorithm =
      o && o->algorithm ? o->algorithm : job->cluster->nccl_algorithm;
  return (!algorithm || g_ascii_strcasecmp(algorithm, name) == 0) &&
         (!o || o->protocol < 0 || o->protocol == (int)protocol);
}

static double tuned_time(const Tuning *t, Tuned algorithm,
                         DspProtocol protocol) {
  if (!enabled(t, algorithm, protocol))
    return INFINITY;
  double us = latency(t, algorithm, protocol);
  double gb_per_s = bandwidth(t, algorithm, protocol);
  if (algorithm == RING)
    us *= ring_factor(t, protocol);
  if (algorithm == TREE)
    gb_per_s *= dsp_nccl_tree_correction(protocol, t->job->bytes);
  return gb_per_s > 0 ? us + t->job->bytes / (1e3 * gb_per_s) : INFINITY;
}

static double n_steps(const DspNcclJob *job) {
  switch (job->collective) {
  case DSP_ALL_REDUCE:
    return 2 * (job->ranks - 1);
  case DSP_ALL_GATHER:
  case DSP_REDUCE_SCATTER:
    return job->ranks - 1;
  default:
    return job->ranks;
  }
}

static Tuning tuning_of(const DspNcclJob *job) {
  const DspCluster *c = job->cluster;
  return (Tuning){
      .job = job,
      .column = MIN(job->nodes, 3) - 1,
      .all_reduce = job->collective == DSP_ALL_REDUCE,
      .nvlink = dsp_nccl_has_nvlink(job),
      .amd = c->host_name && strstr(c->host_name, "epyc"),
      .steps = n_steps(job),
  };
}

double dsp_nccl_nvlstree_rate(const DspNcclJob *job) {
  const Tuning t = tuning_of(job);
  return job->nvls.channels * cap(&t, nvlstree_channel) * job->ranks / t.steps *
         1e9;
}

/* The fastest that NCCL expects; `free`: of all, whatever is forced. */
static const DspAlgorithm *tune(const DspNcclJob *job, DspProtocol *protocol,
                                gboolean free) {
  const Tuning t = tuning_of(job);
  const DspAlgorithm *best = NULL;
  double least = INFINITY;
  for (Tuned a = 0; a < N_TUNED; a++)
    for (DspProtocol p = 0; p < N; p++) {
      const double time = tuned_time(&t, a, p);
      if (time < least && (free || allowed(job, tuned[a]->name, p))) {
        least = time;
        best = tuned[a];
        *protocol = p;
      }
    }
  return best;
}

/* Send/recv has LL up to 16 KiB a channel, inside a node only. */
static DspProtocol p2p_protocol(const DspNcclJob *job) {
  const int64_t version = job->cluster->nccl_version;
  const guint channels = version < 22300   ? 1
                         : version < 22900 ? dsp_p2p_peer_channels(job)
                                           : dsp_p2p_channels(job);
  const DspNcclOptions *o = job->options;
  if (o && o->protocol >= 0)
    return (DspProtocol)o->protocol;
  return job->nodes == 1 && dsp_p2p_message(job) <= channels * 16384
             ? DSP_PROTOCOL_LL
             : DSP_PROTOCOL_SIMPLE;
}

const DspAlgorithm *dsp_nccl_select(const DspNcclJob *job,
                                    DspProtocol *protocol) {
  if (job->collective == DSP_ALL_TO_ALL || job->collective == DSP_SENDRECV) {
    *protocol = p2p_protocol(job);
    return &dsp_algorithm_p2p;
  }
  const DspAlgorithm *forced = tune(job, protocol, FALSE);
  return forced ? forced : tune(job, protocol, TRUE);
}
