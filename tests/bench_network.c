/* SPDX-License-Identifier: Apache-2.0 */
/* Flows alone and sharing links, one ending and another starting again and
 * again; then collectives simulated message by message: wall time, peak memory
 * and events a second. 64 MiB a rank over one switch (50 GB/s a port, 1 us),
 * over nodes of 8 GPUs (450 GB/s; 50 GB/s a NIC), and over a fat tree with a
 * quarter of the bandwidth above its leaves. Each of these runs in a process of
 * its own. */
#include "network/flow.h"
#include "network/messages.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define BYTES (64 << 20)

typedef enum { SWITCH, NODES, TREE } Net;

typedef struct {
  const char *name;
  Net net;
  DspCollective collective;
  DspRounds rounds;
  double skew; /* ranks start up to so much later, s */
  guint most;  /* ranks; 0: all sizes */
} Workload;

static const Workload workloads[] = {
    {"switch: pairwise", SWITCH, DSP_ALL_TO_ALL, DSP_ROUNDS_PAIRWISE, 0, 0},
    {"switch: pairwise, skewed", SWITCH, DSP_ALL_TO_ALL, DSP_ROUNDS_PAIRWISE,
     100e-6, 0},
    {"switch: at once", SWITCH, DSP_ALL_TO_ALL, DSP_ROUNDS_AT_ONCE, 0, 0},
    {"switch: at once, skewed", SWITCH, DSP_ALL_TO_ALL, DSP_ROUNDS_AT_ONCE,
     100e-6, 0},
    {"switch: ring all-gather", SWITCH, DSP_ALL_GATHER, DSP_ROUNDS_RING, 0, 0},
    {"nodes: pairwise", NODES, DSP_ALL_TO_ALL, DSP_ROUNDS_PAIRWISE, 0, 0},
    {"nodes: at once", NODES, DSP_ALL_TO_ALL, DSP_ROUNDS_AT_ONCE, 0, 0},
    /* Every start changes every rate: half a minute with 1,024 ranks. */
    {"nodes: at once, skewed", NODES, DSP_ALL_TO_ALL, DSP_ROUNDS_AT_ONCE,
     100e-6, 256},
    {"nodes: ring all-gather", NODES, DSP_ALL_GATHER, DSP_ROUNDS_RING, 0, 0},
    {"tree: pairwise", TREE, DSP_ALL_TO_ALL, DSP_ROUNDS_PAIRWISE, 0, 0},
    {"tree: pairwise, skewed", TREE, DSP_ALL_TO_ALL, DSP_ROUNDS_PAIRWISE,
     100e-6, 0},
    {"tree: at once", TREE, DSP_ALL_TO_ALL, DSP_ROUNDS_AT_ONCE, 0, 0},
};

/* Flows that hold `sharing` to a link and one link of their own. */
static void bench_flows(const char *name, guint n_flows, guint sharing,
                        guint rounds) {
  const guint n_links = n_flows + n_flows / sharing;
  g_autofree double *capacity = g_new(double, n_links);
  guint64 random = 1, events = n_flows;
  for (guint i = 0; i < n_links; i++)
    capacity[i] = 1;
  g_autoptr(DspFlows) flows = dsp_flows_new(n_links, capacity);
  g_autofree guint *place = g_new(guint, n_flows);
  const gint64 begin = g_get_monotonic_time();
  for (guint i = 0; i < n_flows + rounds; i++) {
    uint32_t id;
    const double now = i < n_flows ? 0 : dsp_flows_next(flows);
    guint own = i;
    if (i >= n_flows) {
      dsp_flows_finish(flows, now, &id);
      own = place[id];
      events += 2;
    }
    random = random * 6364136223846793005u + 1442695040888963407u;
    const double bytes = 1 + (double)(random >> 40) * 1e-6;
    const DspLinkUse uses[] = {{own, 1}, {n_flows + own / sharing, 1}};
    place[dsp_flows_start(flows, now, bytes, INFINITY, uses, 2)] = own;
  }
  const double wall = (double)(g_get_monotonic_time() - begin) * 1e-6;
  printf("%-26s %5u %51" G_GUINT64_FORMAT " %8.2f\n", name, n_flows, events,
         (double)events / wall * 1e-6);
}

static DspCluster make_cluster(Net net, guint ranks) {
  const gboolean nodes = net != SWITCH;
  return (DspCluster){
      .name = (char *)"bench",
      .gpus_per_node = nodes ? 8 : ranks,
      .node_kind = DSP_NODE_SWITCH,
      .domain_nodes = 1,
      .nvlink_bandwidth = nodes ? 450e9 : 50e9,
      .nvlink_latency = 0.5e-6,
      .gpus_per_pcie_switch = 1,
      .pcie_switches_per_cpu = 1,
      .nics = nodes ? 8 : 0,
      .nic_bandwidth = 50e9,
      .nic_latency = 0.5e-6,
      .gpudirect = TRUE,
      .fabric = net == TREE    ? DSP_FABRIC_FAT_TREE
                : net == NODES ? DSP_FABRIC_SWITCH
                               : DSP_FABRIC_NONE,
      .nodes_per_leaf = 4,
      .oversubscription = 4,
      .spine_latency = 0.5e-6,
  };
}

static gboolean run(const Workload *workload, guint ranks,
                    DspMessagesResult *result) {
  const DspCluster cluster = make_cluster(workload->net, ranks);
  const DspAxis axis = {ranks, ranks, 1};
  g_autofree double *start = g_new(double, ranks);
  g_autoptr(GError) error = NULL;
  g_autoptr(DspTopology) topology = dsp_topology_new(&cluster, ranks, &error);
  guint32 random = 1;
  for (guint r = 0; r < ranks; r++) {
    random = random * 1664525 + 1013904223;
    start[r] = workload->skew * random / G_MAXUINT32;
  }
  return topology &&
         dsp_messages_run(topology, &axis, workload->collective, BYTES,
                          workload->rounds, 0, start, result, &error);
}

static int print_row(const Workload *workload, guint ranks) {
  DspMessagesResult result;
  struct rusage usage;
  const gint64 begin = g_get_monotonic_time();
  if (!run(workload, ranks, &result))
    return EXIT_FAILURE;
  const double wall = (double)(g_get_monotonic_time() - begin) * 1e-6;
  getrusage(RUSAGE_SELF, &usage);
  printf("%-26s %5u %11.1f %9.1f %9.4f %8.1f %10" G_GUINT64_FORMAT " %8.2f\n",
         workload->name, ranks, result.time * 1e6, result.bound * 1e6, wall,
         (double)usage.ru_maxrss / 1024, result.events,
         (double)result.events / wall * 1e-6);
  return EXIT_SUCCESS;
}

/* In a child, so that memory is this row's alone. */
static gboolean bench_row(const Workload *workload, guint ranks) {
  int status = 0;
  fflush(stdout);
  const pid_t child = fork();
  if (child < 0)
    return FALSE;
  if (child == 0) {
    const int code = print_row(workload, ranks);
    fflush(stdout);
    _exit(code);
  }
  return waitpid(child, &status, 0) == child && WIFEXITED(status) &&
         WEXITSTATUS(status) == EXIT_SUCCESS;
}

int main(void) {
  static const guint sizes[] = {8, 64, 256, 1024};
  printf("%-26s %5s %51s %8s\n", "flows", "", "events", "10^6/s");
  bench_flows("alone", 1024, 1, 1000000);
  bench_flows("8 on a link", 1024, 8, 500000);
  bench_flows("64 on a link", 1024, 64, 100000);
  printf("%-26s %5s %11s %9s %9s %8s %10s %8s\n", "64 MiB a rank", "ranks",
         "simulated", "bound", "wall", "memory", "events", "events");
  printf("%-26s %5s %11s %9s %9s %8s %10s %8s\n", "", "", "us", "us", "s",
         "MiB", "", "10^6/s");
  for (guint w = 0; w < G_N_ELEMENTS(workloads); w++)
    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++)
      if ((workloads[w].most == 0 || sizes[i] <= workloads[w].most) &&
          !bench_row(&workloads[w], sizes[i]))
        return EXIT_FAILURE;
  return EXIT_SUCCESS;
}
