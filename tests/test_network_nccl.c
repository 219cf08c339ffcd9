/* SPDX-License-Identifier: Apache-2.0 */
/* NCCL's choices: the graphs that its logs print, the algorithm and protocol
 * at sizes where published sweeps jump, the channels of send/recv. */
#include "network/nccl.h"
#include "test_network.h"

typedef struct {
  DspCluster *cluster;
  DspTopology *topology;
} Machine;

static Machine open_machine(const char *name, guint nodes, guint gpus) {
  g_autoptr(GError) error = NULL;
  Machine machine = {.cluster = dsp_cluster_load(name, &error)};
  DSP_CHECK_NO_ERROR(error);
  machine.topology =
      dsp_topology_new_partial(machine.cluster, nodes, gpus, &error);
  DSP_CHECK_NO_ERROR(error);
  return machine;
}

static void close_machine(Machine *machine) {
  dsp_topology_free(machine->topology);
  dsp_cluster_free(machine->cluster);
}

/* Rings found, times GB/s; reference figures of NVIDIA/nccl issue 1197 (log of
 * 8 H100), nccl-tests issue 331 (A100 with 4 links a pair). */
static const struct {
  const char *cluster;
  guint nodes, gpus, channels;
  double speed;
  guint kernel; /* channels of its kernels */
} graphs[] = {
    {"dgx-h100", 1, 8, 12, 30, 24},    {"dgx-a100-80", 1, 8, 12, 20, 24},
    {"hgx-h800", 1, 8, 8, 20, 16},     {"dgx-b200", 1, 8, 16, 45, 32},
    {"leonardo-a100", 1, 2, 4, 20, 8}, {"dgx-h100", 2, 8, 8, 48, 16},
    {"dgx-a100-80", 2, 8, 8, 24, 16},  {"dgx-h100", 10, 1, 2, 24, 4},
};

static void test_graphs(void) {
  for (guint i = 0; i < G_N_ELEMENTS(graphs); i++) {
    Machine machine =
        open_machine(graphs[i].cluster, graphs[i].nodes, graphs[i].gpus);
    const guint ranks = graphs[i].nodes * graphs[i].gpus;
    const DspAxis axis = {ranks, ranks, 1};
    DspNcclJob job;
    dsp_nccl_job_init(&job, machine.topology, &axis, -1, DSP_ALL_REDUCE, 1,
                      NULL);
    DSP_CHECK_INT(job.nodes, graphs[i].nodes);
    DSP_CHECK_INT(job.per_node, graphs[i].gpus);
    DSP_CHECK_INT(job.ring.channels, graphs[i].channels);
    DSP_CHECK_NEAR(job.ring.intra, graphs[i].speed * 1e9, 1e-12);
    DSP_CHECK_INT(dsp_nccl_most_channels(&job), graphs[i].kernel);
    close_machine(&machine);
  }
}

#define KiB *1024ll
#define MiB *1048576ll

/* Where ai-dynamo/aiconfigurator's tables and nccl-tests logs change slope. */
static const struct {
  const char *cluster;
  guint nodes, gpus;
  DspCollective collective;
  gint64 bytes;
  const char *algorithm, *protocol;
} choices[] = {
    {"dgx-h100", 1, 8, DSP_ALL_REDUCE, 1 MiB, "ring", "ll"},
    {"dgx-h100", 1, 8, DSP_ALL_REDUCE, 2 MiB, "nvls", "simple"},
    {"dgx-h100", 1, 8, DSP_REDUCE_SCATTER, 4 MiB, "ring", "ll"},
    {"dgx-h100", 1, 8, DSP_REDUCE_SCATTER, 8 MiB, "ring", "ll128"},
    {"dgx-h100", 1, 8, DSP_REDUCE_SCATTER, 32 MiB, "ring", "simple"},
    {"dgx-h100", 1, 4, DSP_ALL_GATHER, 2 MiB, "ring", "ll"},
    {"dgx-h100", 1, 4, DSP_ALL_GATHER, 4 MiB, "ring", "simple"},
    {"dgx-h100", 1, 4, DSP_ALL_REDUCE, 512 MiB, "ring", "simple"},
    {"dgx-a100-80", 1, 2, DSP_ALL_GATHER, 1 MiB, "ring", "ll"},
    {"dgx-a100-80", 1, 2, DSP_ALL_GATHER, 2 MiB, "ring", "simple"},
    {"dgx-a100-80", 1, 8, DSP_ALL_REDUCE, 4 MiB, "ring", "ll128"},
    {"dgx-b200", 1, 2, DSP_ALL_REDUCE, 2 MiB, "ring", "ll"},
    {"dgx-b200", 1, 2, DSP_ALL_REDUCE, 4 MiB, "ring", "simple"},
    {"dgx-b200", 1, 8, DSP_ALL_REDUCE, 4 MiB, "nvls", "simple"},
    {"dgx-h100", 2, 8, DSP_ALL_REDUCE, 4 KiB, "tree", "ll"},
    {"dgx-h100", 2, 8, DSP_ALL_REDUCE, 1 MiB, "tree", "ll128"},
    {"dgx-h100", 2, 8, DSP_ALL_REDUCE, 8 MiB, "nvlstree", "simple"},
    {"dgx-h100", 10, 4, DSP_ALL_GATHER, 1024 MiB, "ring", "simple"},
    {"p4de", 2, 8, DSP_ALL_REDUCE, 64 MiB, "tree", "ll128"}, /* forced */
    {"rtx4090-pcie", 1, 8, DSP_ALL_REDUCE, 256 KiB, "ring", "ll"},
    {"rtx4090-pcie", 1, 8, DSP_ALL_REDUCE, 1 MiB, "ring", "simple"},
    {"dgx-b200", 1, 8, DSP_SENDRECV, 512 KiB, "p2p", "ll"},
    {"dgx-b200", 1, 8, DSP_SENDRECV, 1 MiB, "p2p", "simple"},
    {"dgx-h100", 1, 8, DSP_ALL_TO_ALL, 4 MiB, "p2p", "ll"},
    {"dgx-h100", 1, 8, DSP_ALL_TO_ALL, 8 MiB, "p2p", "simple"},
    {"dgx-h100", 2, 8, DSP_ALL_TO_ALL, 4 KiB, "p2p", "simple"},
    {"dgx-a100-80", 1, 8, DSP_BROADCAST, 64 MiB, "ring", "simple"},
    /* What NCCL's tables say where nothing is published. */
    {"dgx-h100-sharp", 2, 8, DSP_ALL_REDUCE, 1024 MiB, "nvlstree", "simple"},
    {"dgx-h100-sharp", 4, 8, DSP_ALL_REDUCE, 1024 MiB, "nvls", "simple"},
    {"dgx-h100-sharp", 4, 8, DSP_ALL_GATHER, 8 MiB, "nvls", "simple"},
    {"dgx-h100", 16, 1, DSP_ALL_GATHER, 1 MiB, "pat", "simple"},
    {"dgx-h100", 16, 1, DSP_REDUCE_SCATTER, 1024 MiB, "ring", "simple"},
    {"dgx-h100", 16, 2, DSP_ALL_GATHER, 1 MiB, "ring", "ll"},
};

static void test_choices(void) {
  for (guint i = 0; i < G_N_ELEMENTS(choices); i++) {
    Machine machine =
        open_machine(choices[i].cluster, choices[i].nodes, choices[i].gpus);
    const guint ranks = choices[i].nodes * choices[i].gpus;
    const DspAxis axis = {ranks, ranks, 1};
    machine.cluster->nccl_version = 22700;
    g_autoptr(DspPrice) price =
        dsp_price_new(machine.topology, &axis, -1, choices[i].collective,
                      choices[i].bytes, NULL);
    DSP_CHECK(g_str_equal(price->algorithm, choices[i].algorithm) &&
                  g_str_equal(dsp_protocol_names[price->protocol],
                              choices[i].protocol),
              "choice %u, %s: %s %s, want %s %s", i, choices[i].cluster,
              price->algorithm, dsp_protocol_names[price->protocol],
              choices[i].algorithm, choices[i].protocol);
    close_machine(&machine);
  }
}

static void test_options(void) {
  static const struct {
    DspCollective collective;
    DspNcclOptions options;
    const char *algorithm;
    int protocol;    /* -1: any */
    gint64 channels; /* 0: any */
  } cases[] = {
      {DSP_ALL_REDUCE, {"ring", -1, 0}, "ring", -1, 0},
      {DSP_ALL_REDUCE, {"Tree", DSP_PROTOCOL_LL, 0}, "tree", 0, 0},
      {DSP_ALL_REDUCE, {NULL, DSP_PROTOCOL_LL128, 0}, "ring", 1, 0},
      {DSP_ALL_REDUCE, {"ring", DSP_PROTOCOL_SIMPLE, 2}, "ring", 2, 2},
      {DSP_ALL_GATHER, {"tree", -1, 0}, "ring", -1, 0},     /* has none */
      {DSP_ALL_REDUCE, {"nvlstree", -1, 0}, "nvls", -1, 0}, /* one node */
      {DSP_SENDRECV, {NULL, DSP_PROTOCOL_SIMPLE, 1}, "p2p", 2, 1},
  };
  Machine machine = open_machine("dgx-h100", 1, 8);
  const DspAxis axis = {8, 8, 1};
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(DspPrice) price =
        dsp_price_new(machine.topology, &axis, -1, cases[i].collective, 64 MiB,
                      &cases[i].options);
    DSP_CHECK_STRING(price->algorithm, cases[i].algorithm);
    DSP_CHECK(cases[i].protocol < 0 ||
                  (int)price->protocol == cases[i].protocol,
              "case %u: protocol %d", i, price->protocol);
    DSP_CHECK(cases[i].channels == 0 || price->channels == cases[i].channels,
              "case %u: %d channels", i, (int)price->channels);
  }
  close_machine(&machine);
}

/* The staircase of nccl-tests groups b200-vultr-1n8-sendrecv and
 * h100-01-singlenode-1n8-sendrecv: 4 channels until a part has 16 MiB; and of
 * h100-01-pairwise and -multinode: 2 channels a remote peer, or 1. */
static void test_p2p_channels(void) {
  static const struct {
    const char *cluster;
    guint nodes, gpus;
    gint64 bytes;
    guint channels;
  } cases[] = {
      {"dgx-b200", 1, 8, 64 KiB, 1},    {"dgx-b200", 1, 8, 256 KiB, 4},
      {"dgx-b200", 1, 8, 64 MiB, 4},    {"dgx-b200", 1, 8, 128 MiB, 8},
      {"dgx-b200", 1, 8, 256 MiB, 16},  {"dgx-h100", 1, 8, 512 MiB, 32},
      {"dgx-h100", 1, 8, 4096 MiB, 32}, {"dgx-h100", 2, 4, 4096 MiB, 2},
      {"dgx-h100", 10, 1, 64 MiB, 1},   {"dgx-h100", 10, 4, 64 MiB, 1},
  };
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    Machine machine =
        open_machine(cases[i].cluster, cases[i].nodes, cases[i].gpus);
    const guint ranks = cases[i].nodes * cases[i].gpus;
    const DspAxis axis = {ranks, ranks, 1};
    g_autoptr(DspPrice) price = dsp_price_new(
        machine.topology, &axis, -1, DSP_SENDRECV, cases[i].bytes, NULL);
    DSP_CHECK(price->channels == cases[i].channels,
              "case %u: %d channels, want %u", i, (int)price->channels,
              cases[i].channels);
    close_machine(&machine);
  }
}

CU_TestInfo dsp_nccl_tests[] = {
    {"graphs of NCCL's search", test_graphs},
    {"algorithms and protocols", test_choices},
    {"forced choices", test_options},
    {"channels of send/recv", test_p2p_channels},
    CU_TEST_INFO_NULL,
};
