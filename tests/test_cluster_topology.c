/* SPDX-License-Identifier: Apache-2.0 */
#include "test_cluster.h"

static char *route_text(const DspTopology *t, guint from, guint to) {
  uint32_t links[DSP_MAX_ROUTE];
  guint n = dsp_topology_route(t, from, to, links);
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < n; i++) {
    g_autofree char *name = dsp_topology_link_name(t, links[i]);
    g_string_append_printf(text, "%s%s", i ? " " : "", name);
  }
  return g_string_free(text, FALSE);
}

static const struct {
  const char *cluster;
  guint gpus, from, to;
  DspPath path;
  const char *route;
} routes[] = {
    {"dgx-h100", 8, 3, 3, DSP_PATH_LOCAL, ""},
    {"dgx-h100", 8, 0, 5, DSP_PATH_NVLINK,
     "node0/gpu0->nvswitch node0/nvswitch->gpu5"},
    /* the same rail: NIC to NIC over one leaf switch */
    {"dgx-h100", 512, 0, 8, DSP_PATH_NET,
     "node0/gpu0->pcie node0/nic0->leaf node1/leaf->nic0 node1/pcie->gpu0"},
    /* another rail: by NVLink to the GPU on it, then as above */
    {"dgx-h100", 512, 0, 13, DSP_PATH_NET,
     "node0/gpu0->nvswitch node0/nvswitch->gpu5 node0/gpu5->pcie "
     "node0/nic5->leaf node1/leaf->nic5 node1/pcie->gpu5"},
    /* the same rail of another unit of 32 nodes: over the spine */
    {"dgx-h100", 512, 1, 257, DSP_PATH_NET,
     "node0/gpu1->pcie node0/nic1->leaf leaf1->spine spine->leaf9 "
     "node32/leaf->nic1 node32/pcie->gpu1"},
    /* two GPUs share a NIC: no NVLink where the rail is the same */
    {"a3high-h100", 16, 0, 9, DSP_PATH_NET,
     "node0/gpu0->pcie node0/nic0->leaf node1/leaf->nic0 node1/pcie->gpu1"},
    {"a3high-h100", 16, 0, 11, DSP_PATH_NET,
     "node0/gpu0->nvswitch node0/nvswitch->gpu3 node0/gpu3->pcie "
     "node0/nic1->leaf node1/leaf->nic1 node1/pcie->gpu3"},
    /* four NICs of a GPU are one rail */
    {"p5-h100", 16, 7, 15, DSP_PATH_NET,
     "node0/gpu7->pcie node0/nic7->leaf node1/leaf->nic7 node1/pcie->gpu7"},
    /* an NVLink domain of 18 nodes, and the way out of it */
    {"gb200-nvl72", 144, 0, 71, DSP_PATH_NVLINK,
     "node0/gpu0->nvswitch node17/nvswitch->gpu3"},
    {"gb200-nvl72", 144, 0, 72, DSP_PATH_NET,
     "node0/gpu0->pcie node0/nic0->leaf leaf0->spine spine->leaf4 "
     "node18/leaf->nic0 node18/pcie->gpu0"},
    /* mesh: a direct link, the wider of two ways with one GPU between */
    {"dgx-v100", 8, 0, 3, DSP_PATH_NVLINK, "node0/gpu0->gpu3"},
    {"dgx-v100", 8, 0, 7, DSP_PATH_NVLINK, "node0/gpu0->gpu4 node0/gpu4->gpu7"},
    /* a NIC's rail is reached only over a direct NVLink */
    {"dgx-v100", 16, 0, 12, DSP_PATH_NET,
     "node0/gpu0->gpu4 node0/gpu4->pcie node0/nic2->leaf node1/leaf->nic2 "
     "node1/pcie->gpu4"},
    {"dgx-v100", 16, 0, 15, DSP_PATH_NET,
     "node0/gpu0->pcie node0/nic0->leaf node1/leaf->nic3 node1/pcie->gpu7"},
    /* mesh of pairs: PCIe between them */
    {"h100-pcie-nvl2", 8, 0, 1, DSP_PATH_NVLINK, "node0/gpu0->gpu1"},
    {"h100-pcie-nvl2", 8, 0, 2, DSP_PATH_HOST,
     "node0/gpu0->pcie node0/pcie->gpu2"},
    /* PCIe with peer access: under a switch, over a CPU, over both */
    {"rtx6000d-pcie", 8, 0, 1, DSP_PATH_PCIE,
     "node0/gpu0->pcie node0/pcie->gpu1"},
    {"rtx6000d-pcie", 8, 0, 2, DSP_PATH_HOST,
     "node0/gpu0->pcie node0/pcie-switch0->cpu node0/cpu->pcie-switch1 "
     "node0/pcie->gpu2"},
    {"rtx6000d-pcie", 8, 0, 4, DSP_PATH_SOCKET,
     "node0/gpu0->pcie node0/pcie-switch0->cpu node0/cpu0->socket "
     "node0/socket->cpu1 node0/cpu->pcie-switch2 node0/pcie->gpu4"},
    /* without NVLink there is no rail to change to: over the spine */
    {"rtx6000d-pcie", 16, 0, 9, DSP_PATH_NET,
     "node0/gpu0->pcie node0/nic0->leaf leaf0->spine spine->leaf1 "
     "node1/leaf->nic1 node1/pcie->gpu1"},
    /* PCIe without: a copy in host memory, even to a neighbour */
    {"rtx4090-pcie", 8, 0, 1, DSP_PATH_HOST,
     "node0/gpu0->pcie node0/cpu0->memory node0/memory->cpu0 "
     "node0/pcie->gpu1"},
    {"rtx4090-pcie", 8, 0, 4, DSP_PATH_SOCKET,
     "node0/gpu0->pcie node0/cpu0->memory node0/memory->cpu0 "
     "node0/cpu0->socket node0/socket->cpu1 node0/pcie->gpu4"},
    /* nothing inside the node: neighbours meet in the fabric */
    {"rtx6000d-pcie-nop2p", 16, 0, 1, DSP_PATH_NET,
     "node0/gpu0->pcie node0/nic0->leaf leaf0->spine spine->leaf1 "
     "node0/leaf->nic1 node0/pcie->gpu1"},
    /* one NIC that does not read GPU memory */
    {"l40-pcie-100gbe", 16, 0, 12, DSP_PATH_NET,
     "node0/gpu0->pcie node0/cpu0->memory node0/memory->cpu0 "
     "node0/nic0->leaf node1/leaf->nic0 node1/cpu0->memory "
     "node1/memory->cpu0 node1/cpu0->socket node1/socket->cpu1 "
     "node1/pcie->gpu4"},
    {"l40-pcie-100gbe", 16, 5, 8, DSP_PATH_NET,
     "node0/gpu5->pcie node0/cpu1->memory node0/memory->cpu1 "
     "node0/cpu1->socket node0/socket->cpu0 node0/nic0->leaf "
     "node1/leaf->nic0 node1/cpu0->memory node1/memory->cpu0 "
     "node1/pcie->gpu0"},
};

static void test_routes(void) {
  for (guint i = 0; i < G_N_ELEMENTS(routes); i++) {
    g_autoptr(DspCluster) c = load(routes[i].cluster);
    g_autoptr(DspTopology) t = topology(c, routes[i].gpus);
    g_autofree char *route = route_text(t, routes[i].from, routes[i].to);
    DSP_CHECK_STRING(route, routes[i].route);
    DSP_CHECK_INT(dsp_topology_path(t, routes[i].from, routes[i].to),
                  routes[i].path);
  }
}

/* The narrowest link of a route; checks what is true of any route. */
static double check_route(const DspTopology *t, guint from, guint to) {
  uint32_t links[DSP_MAX_ROUTE];
  guint n = dsp_topology_route(t, from, to, links);
  double narrowest = G_MAXDOUBLE;
  DSP_CHECK((n == 0) == (from == to) && n <= DSP_MAX_ROUTE,
            "%u to %u: %u links", from, to, n);
  for (guint i = 0; i < n; i++) {
    const DspLink *link = dsp_topology_link(t, links[i]);
    DSP_CHECK(link && link->bandwidth > 0 && link->latency >= 0, "link %u",
              links[i]);
    narrowest = MIN(narrowest, link->bandwidth);
    for (guint j = 0; j < i; j++)
      DSP_CHECK(links[i] != links[j], "%u to %u crosses %u twice", from, to,
                links[i]);
  }
  return narrowest;
}

/* On every shipped cluster, between all GPUs of two nodes (of two NVLink
 * domains): routes exist, cross no link twice, and go back as they came. */
static void test_all_routes(void) {
  g_auto(GStrv) names = dsp_list_data("hwprofiles");
  for (guint i = 0; names[i]; i++) {
    g_autoptr(DspCluster) c = load(names[i]);
    guint nodes = c->nics ? 2 : 1, per_node = (guint)c->gpus_per_node;
    g_autoptr(DspTopology) t =
        topology(c, nodes * per_node * (guint)c->domain_nodes);
    guint gpus = dsp_topology_gpus(t);
    for (guint from = 0; from < gpus; from++)
      for (guint to = 0; to < gpus; to += 1 + gpus / 32)
        DSP_CHECK_NEAR(check_route(t, from, to), check_route(t, to, from),
                       1e-12);
  }
}

static void test_link_names_unique(void) {
  g_auto(GStrv) names = dsp_list_data("hwprofiles");
  for (guint i = 0; names[i]; i++) {
    g_autoptr(DspCluster) c = load(names[i]);
    g_autoptr(DspTopology) t =
        topology(c, (guint)(c->gpus_per_node * (c->nics ? 2 : 1)));
    g_autoptr(GHashTable) seen =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (guint l = 0; l < dsp_topology_n_links(t); l++)
      DSP_CHECK(g_hash_table_add(seen, dsp_topology_link_name(t, l)),
                "%s: link %u has another's name", c->name, l);
  }
}

/* How often each link is crossed when every GPU sends to every other. */
static guint *count_uses(const DspTopology *t) {
  guint gpus = dsp_topology_gpus(t);
  guint *uses = g_new0(guint, dsp_topology_n_links(t));
  uint32_t links[DSP_MAX_ROUTE];
  for (guint from = 0; from < gpus; from++)
    for (guint to = 0; to < gpus; to++)
      for (guint n = dsp_topology_route(t, from, to, links), i = 0; i < n; i++)
        uses[links[i]]++;
  return uses;
}

/* All-to-all: uses of each kind of link, alike on all of the kind. */
static const struct {
  const char *cluster;
  guint gpus;
  guint uses[DSP_N_LINK_TYPES]; /* nvlink, pcie, host, nic, fabric */
} uses_table[] = {
    /* 7 peers in the node; 7 more whose rail is another's, and as many that
     * others send by way of this GPU: 8 senders to 1 GPU of each other node */
    {"dgx-h100", 16, {14, 8, 0, 8, 0}},
    {"dgx-h100", 64, {7 * 8, 7 * 8, 0, 7 * 8, 0}},
    /* no NVLink: a rail's leaf sends 7 of 8 to the others, from 2 nodes */
    {"rtx6000d-pcie-nop2p", 16, {0, 15, 0, 15, 14 * 2}},
    {"gb200-nvl72", 72, {71, 0, 0, 0, 0}},
};

static void test_uses(void) {
  for (guint i = 0; i < G_N_ELEMENTS(uses_table); i++) {
    g_autoptr(DspCluster) c = load(uses_table[i].cluster);
    g_autoptr(DspTopology) t = topology(c, uses_table[i].gpus);
    g_autofree guint *uses = count_uses(t);
    for (guint l = 0; l < dsp_topology_n_links(t); l++) {
      DspLinkType type = dsp_topology_link(t, l)->type;
      if (type == DSP_LINK_PCIE && c->gpus_per_pcie_switch > 1 && !uses[l])
        continue; /* above a PCIe switch there may be nothing to carry */
      g_autofree char *name = dsp_topology_link_name(t, l);
      DSP_CHECK(uses[l] == uses_table[i].uses[type], "%s: %s used %u times",
                c->name, name, uses[l]);
    }
  }
}

/* The bandwidth of all links of a type, GB/s. */
static double sum(const DspTopology *t, DspLinkType type) {
  double total = 0;
  for (guint l = 0; l < dsp_topology_n_links(t); l++)
    if (dsp_topology_link(t, l)->type == type)
      total += dsp_topology_link(t, l)->bandwidth / 1e9;
  return total;
}

/* Both directions of: NICs of all nodes; leaf to spine, which an
 * oversubscription divides and which there is none of below one switch. */
static const struct {
  const char *cluster;
  guint gpus;
  double nvlink, nic, fabric;
} sums[] = {
    {"dgx-h100", 512, 2 * 512 * 370.8, 2 * 512 * 48.9, 2 * 512 * 48.9},
    {"p5-h100", 256, 2 * 256 * 370.8, 2 * 256 * 46, 2 * 256 * 46},
    {"node:64 gpu:8 nvlink:450GBps nic:8x50GBps", 512, 2 * 512 * 450.0,
     2 * 512 * 50, 2 * 512 * 50},
    {"node:64 gpu:8 nvlink:450GBps nic:8x50GBps oversubscription:4", 512,
     2 * 512 * 450.0, 2 * 512 * 50, 2 * 512 * 50 / 4.0},
    {"node:64 gpu:8 nvlink:450GBps nic:8x50GBps fabric:tree "
     "oversubscription:2.5",
     512, 2 * 512 * 450.0, 2 * 512 * 50, 2 * 512 * 50 / 2.5},
    {"node:64 gpu:8 nvlink:450GBps nic:2x50GBps fabric:switch", 512,
     2 * 512 * 450.0, 2 * 64 * 2 * 50, 0},
    {"dgx-v100", 8, 8 * 6 * 22.5, 2 * 4 * 11.5, 2 * 4 * 4 * 11.5},
};

static void test_sums(void) {
  for (guint i = 0; i < G_N_ELEMENTS(sums); i++) {
    g_autoptr(DspCluster) c = load(sums[i].cluster);
    g_autoptr(DspTopology) t = topology(c, sums[i].gpus);
    DSP_CHECK_NEAR(sum(t, DSP_LINK_NVLINK), sums[i].nvlink, 1e-9);
    DSP_CHECK_NEAR(sum(t, DSP_LINK_NIC), sums[i].nic, 1e-9);
    DSP_CHECK_NEAR(sum(t, DSP_LINK_FABRIC), sums[i].fabric, 1e-9);
  }
}

static const struct {
  const char *cluster;
  guint gpus;
  const char *message; /* NULL: there are that many */
} sizes[] = {
    {"dgx-h100", 1, NULL},
    {"dgx-h100", 1048576, NULL},
    {"dgx-h100", 1048577, "at most 1048576 GPUs"},
    {"dgx-h100", G_MAXUINT, "at most 1048576 GPUs"},
    {"l40-pcie", 8, NULL},
    {"l40-pcie", 9, "at most 8 GPUs"},
    {"alps-gh200", 2688 * 4, NULL},
    {"alps-gh200", 2688 * 4 + 1, "at most 10752 GPUs"},
    {"gpu:8 nvlink:450GBps", 9, "at most 8 GPUs"},
    {"node:3 gpu:8 nvlink:450GBps nic:8x50GBps", 24, NULL},
    {"node:3 gpu:8 nvlink:450GBps nic:8x50GBps", 25, "at most 24 GPUs"},
    {"gpu:1024 nvlink:1GBps nic:1024x1GBps", 1048576, NULL},
};

static void test_sizes(void) {
  for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
    g_autoptr(DspCluster) c = load(sizes[i].cluster);
    g_autoptr(GError) error = NULL;
    g_autoptr(DspTopology) t = dsp_topology_new(c, sizes[i].gpus, &error);
    if (sizes[i].message) {
      DSP_CHECK_ERROR(error, DSP_ERROR_INFEASIBLE, sizes[i].message);
      DSP_CHECK(t == NULL, "%s has %u GPUs", c->name, sizes[i].gpus);
      continue;
    }
    DSP_CHECK_NO_ERROR(error);
    DSP_CHECK_INT(dsp_topology_gpus(t), sizes[i].gpus);
    check_route(t, 0, sizes[i].gpus - 1);
  }
}

/* Numbers of GPUs, nodes and domains. */
static void test_numbering(void) {
  g_autoptr(DspCluster) c = load("gb200-nvl72");
  g_autoptr(DspTopology) t = topology(c, 150);
  DSP_CHECK_INT(dsp_topology_nodes(t), 38);
  DSP_CHECK_INT(dsp_topology_node(t, 149), 37);
  DSP_CHECK_INT(dsp_topology_domain(t, 71), 0);
  DSP_CHECK_INT(dsp_topology_domain(t, 72), 1);
  DSP_CHECK_INT(dsp_topology_domain(t, 149), 2);
  DSP_CHECK(dsp_topology_cluster(t) == c, "another cluster");
}

/* One GPU of each of ten nodes, four of each of two. */
static void test_partial(void) {
  g_autoptr(DspCluster) c = load("dgx-h100");
  g_autoptr(GError) error = NULL;
  g_autoptr(DspTopology) ten = dsp_topology_new_partial(c, 10, 1, &error);
  g_autoptr(DspTopology) two = dsp_topology_new_partial(c, 2, 4, &error);
  DSP_CHECK_NO_ERROR(error);
  DSP_CHECK_INT(dsp_topology_gpus(ten), 10);
  DSP_CHECK_INT(dsp_topology_gpus(two), 8);
  g_autofree char *far = route_text(ten, 2, 9);
  DSP_CHECK_STRING(far, "node2/gpu0->pcie node2/nic0->leaf node9/leaf->nic0 "
                        "node9/pcie->gpu0");
  g_autofree char *near = route_text(two, 4, 7);
  DSP_CHECK_STRING(near, "node1/gpu0->nvswitch node1/nvswitch->gpu3");
  DSP_CHECK_INT(dsp_topology_node(two, 4), 1);
  g_autoptr(DspTopology) nine = dsp_topology_new_partial(c, 2, 9, &error);
  DSP_CHECK(nine == NULL, "nine GPUs of eight");
  DSP_CHECK_ERROR(error, DSP_ERROR_INFEASIBLE, "has 8 GPUs, not 9");
}

CU_TestInfo topology_tests[] = {
    {"routes", test_routes},
    {"all pairs", test_all_routes},
    {"link names", test_link_names_unique},
    {"all-to-all uses", test_uses},
    {"bandwidth sums", test_sums},
    {"sizes", test_sizes},
    {"numbering", test_numbering},
    {"part of a node", test_partial},
    CU_TEST_INFO_NULL,
};
