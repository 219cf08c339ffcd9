/* SPDX-License-Identifier: Apache-2.0 */
/* Prices of collectives: what they put on links, NCCL's choices, the bound
 * below all of them, and the same time from the flows. */
#include "network/collective.h"
#include "network/flow.h"
#include "test_network.h"

typedef struct {
  const char *cluster;
  DspAxis axis;
} Place;

/* Switches, meshes, PCIe trees, racks; rails, trees; groups in a node, across
 * nodes, in rows and in columns, one that begins in the middle of a node. */
static const Place places[] = {
    {"dgx-h100", {8, 8, 1}},         {"dgx-h100", {8, 2, 4}},
    {"dgx-h100", {16, 16, 1}},       {"dgx-h100", {32, 4, 8}},
    {"dgx-h100", {64, 16, 2}},       {"dgx-h100", {512, 512, 1}},
    {"dgx-h100", {24, 12, 1}},       {"dgx-a100-80", {8, 4, 2}},
    {"dgx-h100-sharp", {32, 32, 1}}, {"dgx-b200", {16, 16, 1}},
    {"hgx-h800", {64, 8, 8}},        {"dgx-v100", {8, 8, 1}},
    {"alps-gh200", {4, 4, 1}},       {"alps-gh200", {16, 8, 2}},
    {"gb200-nvl72", {72, 72, 1}},    {"gb300-nvl72", {144, 144, 1}},
    {"p5-h100", {16, 16, 1}},        {"rtx4090-pcie", {8, 8, 1}},
    {"l40-pcie", {8, 4, 1}},         {"a100-pcie", {8, 2, 4}},
};

/* Do groups lie differently on their nodes of eight? */
static gboolean is_uneven(const DspAxis *axis) {
  const guint span = axis->size * axis->stride;
  return span > 8 && span % 8 != 0;
}

static const gint64 sizes[] = {1, 3, 40, 1200, 70000, 1 << 20};

typedef struct {
  DspCluster *cluster;
  DspTopology *topology;
} Machine;

static Machine open_machine(const char *name, guint gpus) {
  g_autoptr(GError) error = NULL;
  Machine machine = {.cluster = dsp_cluster_load(name, &error)};
  DSP_CHECK_NO_ERROR(error);
  machine.topology = dsp_topology_new(machine.cluster, gpus, &error);
  DSP_CHECK_NO_ERROR(error);
  return machine;
}

static void close_machine(Machine *machine) {
  dsp_topology_free(machine->topology);
  dsp_cluster_free(machine->cluster);
}

/* `body` for every place, collective and size. */
typedef void (*Body)(const Place *place, const DspTopology *topology,
                     DspCollective collective, gint64 bytes);

static void each_case(Body body) {
  for (guint i = 0; i < G_N_ELEMENTS(places); i++) {
    Machine machine = open_machine(places[i].cluster, places[i].axis.world);
    for (DspCollective c = 0; c < DSP_N_COLLECTIVES; c++)
      for (guint s = 0; s < G_N_ELEMENTS(sizes); s++)
        body(&places[i], machine.topology, c,
             sizes[s] * places[i].axis.size * 16);
    close_machine(&machine);
  }
}

/* ------------------------------------------------------------------------- */

static void check_bound(const Place *place, const DspTopology *topology,
                        DspCollective collective, gint64 bytes) {
  g_autoptr(DspPrice) price =
      dsp_price_new(topology, &place->axis, -1, collective, bytes, NULL);
  const double bound =
      dsp_collective_bound(topology, &place->axis, collective, bytes);
  DSP_CHECK(bound > 0 && bound < price->time, "%s on %s: %g s, bound %g s",
            dsp_collective_names[collective], place->cluster, price->time,
            bound);
  DSP_CHECK(price->latency > 0 && price->rate_limit > 0 &&
                isfinite(price->rate_limit),
            "%s on %s: latency %g s, rate %g", price->algorithm, place->cluster,
            price->latency, price->rate_limit);
  DSP_CHECK_NEAR(price->time,
                 price->latency + (double)bytes / price->rate_limit, 1e-15);
}

static void test_bound(void) {
  each_case(check_bound);
}

/* ------------------------------------------------------------------------- */

/* One flow of the price over the links that it uses. */
static void start_price(DspFlows *flows, const DspPrice *price) {
  dsp_flows_start(flows, 0, (double)price->bytes, price->rate_limit,
                  (const DspLinkUse *)(void *)price->uses->data,
                  price->uses->len);
}

static DspFlows *flows_of(const DspTopology *topology) {
  const guint n = dsp_topology_n_links(topology);
  g_autofree double *capacity = g_new(double, n);
  for (guint i = 0; i < n; i++)
    capacity[i] = dsp_topology_link(topology, i)->bandwidth;
  return dsp_flows_new(n, capacity);
}

static double run_flows(DspFlows *flows) {
  double end = 0;
  uint32_t id;
  for (double next; (next = dsp_flows_next(flows)) < INFINITY; end = next)
    while (dsp_flows_finish(flows, next, &id))
      ;
  return end;
}

/* The closed form is what the event simulation gives, and sibling groups as
 * one flow take what they take one by one, but for what flows that share links
 * do not know: links and channels that limit alike reach a tenth less
 * together, the first gigabytes are slower, and LL doubles the bytes on the
 * wire (left out here). */
static void check_flow(const Place *place, const DspTopology *topology,
                       DspCollective collective, gint64 bytes) {
  const DspNcclOptions simple = {NULL, DSP_PROTOCOL_SIMPLE, 0};
  const guint groups = place->axis.world / place->axis.size;
  g_autoptr(DspPrice) folded =
      dsp_price_new(topology, &place->axis, -1, collective, bytes, &simple);
  g_autoptr(DspFlows) one = flows_of(topology);
  g_autoptr(DspFlows) many = flows_of(topology);
  start_price(one, folded);
  for (guint g = 0; g < groups; g++) {
    g_autoptr(DspPrice) price = dsp_price_new(topology, &place->axis, (int)g,
                                              collective, bytes, &simple);
    start_price(many, price);
  }
  const double together = run_flows(one), apart = run_flows(many);
  DSP_CHECK_NEAR(together, folded->time - folded->latency, 1e-9);
  if (!is_uneven(&place->axis))
    DSP_CHECK(apart <= together * 1.001 && apart >= together / 1.2,
              "%s of %" G_GINT64_FORMAT " on %s: %g s, one by one %g s",
              dsp_collective_names[collective], bytes, place->cluster, together,
              apart);
}

static void test_flow(void) {
  each_case(check_flow);
}

/* ------------------------------------------------------------------------- */

/* Loads by link of a list of uses. */
static double *loads_of(const DspTopology *topology, const GArray *uses) {
  double *loads = g_new0(double, dsp_topology_n_links(topology));
  for (guint i = 0; i < uses->len; i++) {
    const DspLinkUse *use = &g_array_index(uses, DspLinkUse, i);
    loads[use->link] += use->weight;
  }
  return loads;
}

static void check_same(const Place *place, const DspTopology *topology,
                       const double *got, const double *want) {
  for (guint i = 0; i < dsp_topology_n_links(topology); i++) {
    g_autofree char *name = dsp_topology_link_name(topology, i);
    DSP_CHECK(fabs(got[i] - want[i]) <= 1e-12 * (1 + want[i]),
              "%s, %s: %.17g, want %.17g", place->cluster, name, got[i],
              want[i]);
  }
}

/* What a price puts on links is the sum over its groups. */
static void check_siblings(const Place *place, const DspTopology *topology,
                           DspCollective collective, gint64 bytes) {
  const guint groups = place->axis.world / place->axis.size;
  g_autoptr(DspPrice) folded =
      dsp_price_new(topology, &place->axis, -1, collective, bytes, NULL);
  g_autofree double *together = loads_of(topology, folded->uses);
  g_autofree double *sum = g_new0(double, dsp_topology_n_links(topology));
  DSP_CHECK_INT(folded->n_groups, groups);
  for (guint g = 0; g < groups; g++) {
    g_autoptr(DspPrice) price =
        dsp_price_new(topology, &place->axis, (int)g, collective, bytes, NULL);
    g_autofree double *loads = loads_of(topology, price->uses);
    DSP_CHECK_INT(price->n_groups, 1);
    for (guint i = 0; i < dsp_topology_n_links(topology); i++)
      sum[i] += loads[i];
  }
  if (!is_uneven(&place->axis))
    check_same(place, topology, sum, together);
}

static void test_siblings(void) {
  for (guint i = 0; i < G_N_ELEMENTS(places); i++) {
    Machine machine = open_machine(places[i].cluster, places[i].axis.world);
    for (DspCollective c = 0; c < DSP_N_COLLECTIVES; c++)
      check_siblings(&places[i], machine.topology, c,
                     places[i].axis.size * 1048576);
    close_machine(&machine);
  }
}

/* all_to_all loads links as if every pair were added. */
static void test_pairs(void) {
  for (guint p = 0; p < G_N_ELEMENTS(places); p++) {
    const DspAxis *axis = &places[p].axis;
    Machine machine = open_machine(places[p].cluster, axis->world);
    g_autoptr(DspPrice) price = dsp_price_new(
        machine.topology, axis, -1, DSP_ALL_TO_ALL, axis->size * 4096, NULL);
    g_autofree double *got = loads_of(machine.topology, price->uses);
    g_autofree double *want =
        g_new0(double, dsp_topology_n_links(machine.topology));
    const guint span = axis->size * axis->stride;
    uint32_t route[DSP_MAX_ROUTE];
    for (guint from = 0; from < axis->world; from++)
      for (guint to = from / span * span + from % axis->stride;
           to < (from / span + 1) * span; to += axis->stride)
        for (guint n = dsp_topology_route(machine.topology, from, to, route);
             n > 0; n--)
          want[route[n - 1]] += 1.0 / axis->size;
    check_same(&places[p], machine.topology, got, want);
    close_machine(&machine);
  }
}

/* Bytes that leave GPUs are those that a schedule declares: rings and send/recv
 * on one switch, where a GPU has one way out, and with one GPU a node. */
static void test_sent_bytes(void) {
  static const DspCollective collectives[] = {DSP_ALL_TO_ALL, DSP_ALL_GATHER,
                                              DSP_REDUCE_SCATTER,
                                              DSP_ALL_REDUCE, DSP_SENDRECV};
  const DspNcclOptions ring = {"ring", -1, 0};
  for (guint n = 2; n <= 9; n++)
    for (guint i = 0; i < 2 * G_N_ELEMENTS(collectives); i++) {
      const gboolean nodes = i % 2;
      const DspCollective collective = collectives[i / 2];
      DspCluster cluster = dsp_test_cluster(nodes ? n : 1, nodes ? 1 : n);
      DspGpu gpu = {.tile_family = 90};
      cluster.gpu = &gpu;
      dsp_test_transports(&cluster);
      g_autoptr(DspTopology) topology = dsp_topology_new(&cluster, n, NULL);
      const DspAxis axis = {n, n, 1};
      const gint64 bytes = n * 1000003;
      g_autoptr(DspPrice) price =
          dsp_price_new(topology, &axis, -1, collective, bytes, &ring);
      g_autofree double *loads = loads_of(topology, price->uses);
      for (guint from = 0; from < n; from++) {
        uint32_t route[DSP_MAX_ROUTE];
        dsp_topology_route(topology, from, (from + 1) % n, route);
        DSP_CHECK_INT(llround(loads[route[0]] * bytes),
                      dsp_collective_sent_bytes(collective, n, bytes));
      }
    }
}

/* ------------------------------------------------------------------------- */

/* The bandwidths of a cluster, doubled one at a time. */
static const struct {
  const char *name;
  gsize offset;
} bandwidths[] = {
    {"nvlink", G_STRUCT_OFFSET(DspCluster, nvlink_bandwidth)},
    {"pcie", G_STRUCT_OFFSET(DspCluster, pcie_bandwidth)},
    {"cpu", G_STRUCT_OFFSET(DspCluster, cpu_bandwidth)},
    {"socket", G_STRUCT_OFFSET(DspCluster, socket_bandwidth)},
    {"nic", G_STRUCT_OFFSET(DspCluster, nic_bandwidth)},
};

static void check_faster(const Place *place, const char *what,
                         const DspTopology *slow, const DspTopology *fast) {
  for (DspCollective c = 0; c < DSP_N_COLLECTIVES; c++)
    for (gint64 part = 16; part < 64 << 20; part *= 4) {
      const gint64 bytes = part * place->axis.size;
      g_autoptr(DspPrice) a =
          dsp_price_new(slow, &place->axis, -1, c, bytes, NULL);
      g_autoptr(DspPrice) b =
          dsp_price_new(fast, &place->axis, -1, c, bytes, NULL);
      DSP_CHECK(b->time <= a->time * (1 + 1e-12),
                "%s of %" G_GINT64_FORMAT " on %s, twice the %s: %s %s %g s, "
                "then %s %s %g s",
                dsp_collective_names[c], bytes, place->cluster, what,
                a->algorithm, dsp_protocol_names[a->protocol], a->time,
                b->algorithm, dsp_protocol_names[b->protocol], b->time);
    }
}

static void test_monotone(void) {
  for (guint p = 0; p < G_N_ELEMENTS(places); p++)
    for (guint i = 0; i < G_N_ELEMENTS(bandwidths); i++) {
      Machine slow = open_machine(places[p].cluster, places[p].axis.world);
      Machine fast = open_machine(places[p].cluster, places[p].axis.world);
      dsp_topology_free(fast.topology);
      G_STRUCT_MEMBER(double, fast.cluster, bandwidths[i].offset) *= 2;
      fast.topology =
          dsp_topology_new(fast.cluster, places[p].axis.world, NULL);
      check_faster(&places[p], bandwidths[i].name, slow.topology,
                   fast.topology);
      close_machine(&slow);
      close_machine(&fast);
    }
}

/* One process is never faster than one a GPU, as fast with a newer NCCL, and
 * takes what starting kernels takes where there is little to do. */
static void test_one_process(void) {
  Machine machine = open_machine("dgx-a100-80", 8);
  const DspAxis axis = {8, 8, 1};
  for (gint64 bytes = 1024; bytes <= (gint64)1 << 33; bytes *= 2) {
    g_autoptr(DspPrice) price =
        dsp_price_new(machine.topology, &axis, -1, DSP_ALL_REDUCE, bytes, NULL);
    const double old = dsp_price_by_one_process(price, 8, 0);
    DSP_CHECK_NEAR(dsp_price_by_one_process(price, 8, 22703), price->time, 0);
    DSP_CHECK(old > price->time && old < price->time + 80e-6 && old > 34e-6,
              "%" G_GINT64_FORMAT " bytes: %g s, %g s by one process", bytes,
              price->time, old);
  }
  close_machine(&machine);
}

/* Through CPUs an all-to-all slows down with the pairs, below a PCIe switch it
 * does not. */
static void test_host_pairs(void) {
  static const struct {
    guint ranks;
    double most; /* GB/s that leave a GPU */
  } cases[] = {{2, 24}, {3, 8}, {4, 4}, {8, 24.0 / 22}};
  Machine machine = open_machine("l40-pcie", 8);
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    const guint n = cases[i].ranks;
    const DspAxis axis = {n, n, 1};
    g_autoptr(DspPrice) price = dsp_price_new(machine.topology, &axis, -1,
                                              DSP_ALL_TO_ALL, 1 << 30, NULL);
    const double leaves = price->rate_limit * (n - 1) / n;
    DSP_CHECK(leaves <= cases[i].most * 1.001e9 &&
                  leaves > cases[i].most * 0.6e9,
              "%u GPUs: %g bytes/s", n, leaves);
  }
  close_machine(&machine);
  machine = open_machine("l40-pcie", 8);
  machine.cluster->gpus_per_pcie_switch = 8;
  g_autoptr(GError) error = NULL;
  g_autoptr(DspTopology) one = dsp_topology_new(machine.cluster, 8, &error);
  const DspAxis axis = {8, 8, 1};
  g_autoptr(DspPrice) price =
      dsp_price_new(one, &axis, -1, DSP_ALL_TO_ALL, 1 << 30, NULL);
  DSP_CHECK(price->rate_limit > 10e9, "%g bytes/s", price->rate_limit);
  close_machine(&machine);
}

CU_TestInfo dsp_price_tests[] = {
    {"no price beats the bound", test_bound},
    {"closed form and flows", test_flow},
    {"more bandwidth is never slower", test_monotone},
    {"sibling groups add up", test_siblings},
    {"all to all is every pair", test_pairs},
    {"sent bytes are those declared", test_sent_bytes},
    {"one process starts all", test_one_process},
    {"pairs that meet in a CPU", test_host_pairs},
    CU_TEST_INFO_NULL,
};
