/* SPDX-License-Identifier: Apache-2.0 */
/* All nodes are alike, so the links of one node stand for all: a link's number
 * is its node's base plus its place in the template, and after all nodes come
 * the leaf switches' links to the spine. A route is put together from those
 * numbers; nothing is stored per pair of GPUs but one node's mesh. */
#include "base/error.h"
#include "cluster/cluster.h"
#include <string.h>

#define MAX_GPUS (1u << 20)

const char *const dsp_path_names[] = {"local",  "nvlink", "pcie", "host",
                                      "socket", "net",    NULL};

/* The kinds of links in a node. Those a node does not have are absent from its
 * template, and a route that asks for one simply does not cross any link. */
typedef enum {
  NVLINK_OUT, /* GPU to NVSwitch */
  NVLINK_IN,  /* NVSwitch to GPU */
  MESH,       /* GPU i to GPU j, i * gpus + j */
  PCIE_OUT,   /* GPU to its PCIe switch, or to the CPU if there is none */
  PCIE_IN,
  SWITCH_OUT, /* PCIe switch to CPU */
  SWITCH_IN,
  STAGE_WRITE, /* into a CPU's memory */
  STAGE_READ,
  SOCKET_OUT, /* CPU to the other CPUs */
  SOCKET_IN,
  NIC_OUT, /* rail's NICs to leaf switch */
  NIC_IN,
  N_FAMILIES,
} Family;

static const struct {
  const char *before, *after; /* of the index, in a link's name */
} family_names[N_FAMILIES] = {
    [NVLINK_OUT] = {"gpu", "->nvswitch"},
    [NVLINK_IN] = {"nvswitch->gpu", ""},
    [MESH] = {"", ""},
    [PCIE_OUT] = {"gpu", "->pcie"},
    [PCIE_IN] = {"pcie->gpu", ""},
    [SWITCH_OUT] = {"pcie-switch", "->cpu"},
    [SWITCH_IN] = {"cpu->pcie-switch", ""},
    [STAGE_WRITE] = {"cpu", "->memory"},
    [STAGE_READ] = {"memory->cpu", ""},
    [SOCKET_OUT] = {"cpu", "->socket"},
    [SOCKET_IN] = {"socket->cpu", ""},
    [NIC_OUT] = {"nic", "->leaf"},
    [NIC_IN] = {"leaf->nic", ""},
};

struct DspTopology {
  const DspCluster *cluster;
  guint gpus, nodes, gpus_per_node;
  guint used;           /* GPUs of a node that are numbered, the first of it */
  guint rails;          /* NICs of a node, those of one GPU counted as one */
  guint switches, cpus; /* of a node */
  guint leaves;
  guint first[N_FAMILIES], count[N_FAMILIES]; /* in the template */
  guint per_node;                             /* links of a node */
  DspLink *links; /* of one node, then leaf to spine and back */
  guint *via;     /* MESH: the GPU between i and j, or NO_GPU */
};

#define NO_GPU G_MAXUINT

static guint ceil_div(guint a, guint b) {
  return a / b + (a % b != 0);
}

/* ------------------------------------------------------------------------- */
/* Places in a node */

static guint local(const DspTopology *t, guint gpu) {
  return gpu % t->used;
}

static guint switch_of(const DspTopology *t, guint gpu) {
  return gpu / (guint)t->cluster->gpus_per_pcie_switch;
}

static guint cpu_of(const DspTopology *t, guint gpu) {
  return switch_of(t, gpu) / (guint)t->cluster->pcie_switches_per_cpu;
}

static guint rail_of(const DspTopology *t, guint gpu) {
  return gpu * t->rails / t->gpus_per_node;
}

/* The GPU beside which a rail's NIC sits: the first that uses it. */
static guint gpu_of_rail(const DspTopology *t, guint rail) {
  return ceil_div(rail * t->gpus_per_node, t->rails);
}

static guint leaf_of(const DspTopology *t, guint node, guint rail) {
  const DspCluster *c = t->cluster;
  guint unit = node / (guint)c->nodes_per_leaf;
  return c->fabric == DSP_FABRIC_RAIL ? unit * t->rails + rail : unit;
}

/* ------------------------------------------------------------------------- */
/* The template */

static void add_family(DspTopology *t, Family family, guint count,
                       DspLinkType type, double bandwidth, double latency) {
  t->first[family] = t->per_node;
  t->count[family] = count;
  t->links = g_renew(DspLink, t->links, t->per_node + count);
  for (guint i = 0; i < count; i++)
    t->links[t->per_node++] = (DspLink){type, bandwidth, latency};
}

/* A family and its opposite direction, which is the next in the enum, if the
 * node has such links. */
static void add_pair(DspTopology *t, Family out, guint count, DspLinkType type,
                     double bandwidth, double latency) {
  if (bandwidth <= 0)
    return;
  add_family(t, out, count, type, bandwidth, latency);
  add_family(t, out + 1, count, type, bandwidth, latency);
}

static void add_mesh(DspTopology *t) {
  const double *mesh = t->cluster->mesh;
  guint n = t->gpus_per_node * t->gpus_per_node;
  add_family(t, MESH, n, DSP_LINK_NVLINK, 1, t->cluster->nvlink_latency);
  for (guint i = 0; i < n; i++)
    t->links[t->first[MESH] + i].bandwidth = mesh[i];
}

/* The NVLink bandwidth from i to j by way of k. */
static double two_hops(const DspTopology *t, guint i, guint k, guint j) {
  const double *mesh = t->cluster->mesh;
  return MIN(mesh[i * t->gpus_per_node + k], mesh[k * t->gpus_per_node + j]);
}

/* For each pair without a link the neighbour of both with the widest links. To
 * spread the load over equal ones, the search begins after i + j. */
static guint best_via(const DspTopology *t, guint i, guint j) {
  guint n = t->gpus_per_node, best = NO_GPU;
  for (guint step = 0; step < n; step++) {
    guint k = (i + j + step) % n;
    double width = two_hops(t, i, k, j);
    if (width > 0 && (best == NO_GPU || width > two_hops(t, i, best, j)))
      best = k;
  }
  return best;
}

static void find_vias(DspTopology *t) {
  guint n = t->gpus_per_node;
  t->via = g_new(guint, n * n);
  for (guint i = 0; i < n; i++)
    for (guint j = 0; j < n; j++)
      t->via[i * n + j] = best_via(t, i, j);
}

static void add_node(DspTopology *t) {
  const DspCluster *c = t->cluster;
  if (c->node_kind == DSP_NODE_SWITCH)
    add_pair(t, NVLINK_OUT, t->gpus_per_node, DSP_LINK_NVLINK,
             c->nvlink_bandwidth, c->nvlink_latency);
  if (c->mesh) {
    add_mesh(t);
    find_vias(t);
  }
  add_pair(t, PCIE_OUT, t->gpus_per_node, DSP_LINK_PCIE, c->pcie_bandwidth,
           c->pcie_latency);
  if (c->gpus_per_pcie_switch > 1)
    add_pair(t, SWITCH_OUT, t->switches, DSP_LINK_PCIE, c->pcie_bandwidth,
             c->pcie_latency);
  add_pair(t, STAGE_WRITE, t->cpus, DSP_LINK_HOST, c->cpu_bandwidth,
           c->cpu_latency);
  if (t->cpus > 1)
    add_pair(t, SOCKET_OUT, t->cpus, DSP_LINK_HOST, c->socket_bandwidth,
             c->socket_latency);
  if (t->rails > 0)
    add_pair(t, NIC_OUT, t->rails, DSP_LINK_NIC,
             c->nic_bandwidth * ((double)c->nics / t->rails), c->nic_latency);
}

/* A leaf's links to the spine, each direction as one: the spine spreads the
 * load evenly over them. */
static void add_fabric(DspTopology *t) {
  const DspCluster *c = t->cluster;
  if (c->fabric != DSP_FABRIC_RAIL && c->fabric != DSP_FABRIC_FAT_TREE)
    return;
  guint units = ceil_div(t->nodes, (guint)c->nodes_per_leaf);
  gboolean rail = c->fabric == DSP_FABRIC_RAIL;
  t->leaves = units * (rail ? t->rails : 1);
  double down = c->nic_bandwidth * (double)c->nics * (double)c->nodes_per_leaf /
                (rail ? t->rails : 1);
  t->links = g_renew(DspLink, t->links, t->per_node + 2);
  for (guint i = 0; i < 2; i++)
    t->links[t->per_node + i] = (DspLink){
        DSP_LINK_FABRIC, down / c->oversubscription, c->spine_latency};
}

/* The most nodes that the cluster has, at most MAX_GPUS. */
static guint most_nodes(const DspCluster *c) {
  int64_t nodes = c->max_nodes ? c->max_nodes : MAX_GPUS;
  if (c->fabric == DSP_FABRIC_NONE)
    nodes = MIN(nodes, c->domain_nodes);
  return (guint)MIN(nodes, MAX_GPUS / c->gpus_per_node);
}

static gboolean check_size(const DspCluster *cluster, guint nodes, guint gpus,
                           GError **error) {
  guint most = most_nodes(cluster), per_node = (guint)cluster->gpus_per_node;
  if (nodes <= most && gpus <= most * per_node)
    return TRUE;
  g_set_error(error, DSP_ERROR, DSP_ERROR_INFEASIBLE,
              "%s has at most %u nodes of %u GPUs; use at most %u GPUs",
              cluster->name, most, per_node, most * per_node);
  return FALSE;
}

static DspTopology *new_topology(const DspCluster *cluster, guint nodes,
                                 guint used, guint gpus) {
  DspTopology *t = g_new0(DspTopology, 1);
  t->cluster = cluster;
  t->gpus = gpus;
  t->nodes = nodes;
  t->used = used;
  t->gpus_per_node = (guint)cluster->gpus_per_node;
  t->rails = (guint)MIN(cluster->nics, cluster->gpus_per_node);
  t->switches =
      ceil_div(t->gpus_per_node, (guint)cluster->gpus_per_pcie_switch);
  t->cpus = ceil_div(t->switches, (guint)cluster->pcie_switches_per_cpu);
  add_node(t);
  add_fabric(t);
  return t;
}

guint dsp_cluster_share(const DspCluster *cluster, guint gpus) {
  guint per_node = (guint)cluster->gpus_per_node;
  guint nodes = ceil_div(gpus, per_node);
  return nodes > 1 && gpus % nodes == 0 ? gpus / nodes : per_node;
}

DspTopology *dsp_topology_new(const DspCluster *cluster, guint gpus,
                              GError **error) {
  g_return_val_if_fail(cluster && gpus > 0, NULL);
  guint nodes = ceil_div(gpus, (guint)cluster->gpus_per_node);
  return check_size(cluster, nodes, gpus, error)
             ? new_topology(cluster, nodes, dsp_cluster_share(cluster, gpus),
                            gpus)
             : NULL;
}

DspTopology *dsp_topology_new_partial(const DspCluster *cluster, guint nodes,
                                      guint gpus_per_node, GError **error) {
  g_return_val_if_fail(cluster && nodes > 0 && gpus_per_node > 0, NULL);
  if (gpus_per_node > cluster->gpus_per_node) {
    g_set_error(error, DSP_ERROR, DSP_ERROR_INFEASIBLE,
                "a node of %s has %u GPUs, not %u", cluster->name,
                (guint)cluster->gpus_per_node, gpus_per_node);
    return NULL;
  }
  return check_size(cluster, nodes, 1, error)
             ? new_topology(cluster, nodes, gpus_per_node,
                            nodes * gpus_per_node)
             : NULL;
}

void dsp_topology_free(DspTopology *topology) {
  if (!topology)
    return;
  g_free(topology->links);
  g_free(topology->via);
  g_free(topology);
}

const DspCluster *dsp_topology_cluster(const DspTopology *topology) {
  return topology->cluster;
}

guint dsp_topology_gpus(const DspTopology *topology) {
  return topology->gpus;
}

guint dsp_topology_nodes(const DspTopology *topology) {
  return topology->nodes;
}

guint dsp_topology_node(const DspTopology *topology, guint gpu) {
  return gpu / topology->used;
}

guint dsp_topology_domain(const DspTopology *topology, guint gpu) {
  return dsp_topology_node(topology, gpu) /
         (guint)topology->cluster->domain_nodes;
}

/* ------------------------------------------------------------------------- */
/* Links */

static guint first_fabric_link(const DspTopology *t) {
  return t->nodes * t->per_node;
}

guint dsp_topology_n_links(const DspTopology *topology) {
  return first_fabric_link(topology) + 2 * topology->leaves;
}

const DspLink *dsp_topology_link(const DspTopology *topology, guint link) {
  g_return_val_if_fail(link < dsp_topology_n_links(topology), NULL);
  guint fabric = first_fabric_link(topology);
  return link < fabric
             ? &topology->links[link % topology->per_node]
             : &topology->links[topology->per_node + (link - fabric) % 2];
}

static char *node_link_name(const DspTopology *t, guint node, guint place) {
  guint f = 0, n = t->gpus_per_node;
  while (place - t->first[f] >= t->count[f])
    f++;
  guint index = place - t->first[f];
  if (f == MESH)
    return g_strdup_printf("node%u/gpu%u->gpu%u", node, index / n, index % n);
  return g_strdup_printf("node%u/%s%u%s", node, family_names[f].before, index,
                         family_names[f].after);
}

char *dsp_topology_link_name(const DspTopology *topology, guint link) {
  g_return_val_if_fail(link < dsp_topology_n_links(topology), NULL);
  guint fabric = first_fabric_link(topology);
  if (link < fabric)
    return node_link_name(topology, link / topology->per_node,
                          link % topology->per_node);
  guint leaf = (link - fabric) / 2;
  return (link - fabric) % 2 ? g_strdup_printf("spine->leaf%u", leaf)
                             : g_strdup_printf("leaf%u->spine", leaf);
}

/* ------------------------------------------------------------------------- */
/* Routes */

typedef struct {
  const DspTopology *t;
  uint32_t *links;
  guint n;
} Route;

/* GPUs below are numbered in their node unless the name says otherwise. */
static void cross(Route *route, guint node, Family family, guint index) {
  const DspTopology *t = route->t;
  if (index < t->count[family])
    route->links[route->n++] = node * t->per_node + t->first[family] + index;
}

/* From the PCIe switch of `from` to that of `to`. Not `direct`: by a copy in
 * the memory of the CPU of `from`, even below one switch. */
static void cross_host(Route *route, guint node, guint from, guint to,
                       gboolean direct) {
  const DspTopology *t = route->t;
  guint here = cpu_of(t, from), there = cpu_of(t, to);
  if (direct && switch_of(t, from) == switch_of(t, to))
    return;
  cross(route, node, SWITCH_OUT, switch_of(t, from));
  if (!direct) {
    cross(route, node, STAGE_WRITE, here);
    cross(route, node, STAGE_READ, here);
  }
  if (here != there) {
    cross(route, node, SOCKET_OUT, here);
    cross(route, node, SOCKET_IN, there);
  }
  cross(route, node, SWITCH_IN, switch_of(t, to));
}

static void cross_pcie(Route *route, guint node, guint from, guint to) {
  cross(route, node, PCIE_OUT, from);
  cross_host(route, node, from, to, route->t->cluster->pcie_p2p);
  cross(route, node, PCIE_IN, to);
}

static void cross_mesh(Route *route, guint node, guint from, guint to) {
  const DspTopology *t = route->t;
  guint n = t->gpus_per_node, via = t->via[from * n + to];
  if (t->cluster->mesh[from * n + to] > 0) {
    cross(route, node, MESH, from * n + to);
  } else if (via != NO_GPU) {
    cross(route, node, MESH, from * n + via);
    cross(route, node, MESH, via * n + to);
  } else {
    cross_pcie(route, node, from, to);
  }
}

static void gpu_to_nic(Route *route, guint node, guint gpu, guint rail) {
  cross(route, node, PCIE_OUT, gpu);
  cross_host(route, node, gpu, gpu_of_rail(route->t, rail),
             route->t->cluster->gpudirect);
  cross(route, node, NIC_OUT, rail);
}

static void nic_to_gpu(Route *route, guint node, guint rail, guint gpu) {
  cross(route, node, NIC_IN, rail);
  cross_host(route, node, gpu_of_rail(route->t, rail), gpu,
             route->t->cluster->gpudirect);
  cross(route, node, PCIE_IN, gpu);
}

static void cross_fabric(Route *route, guint from_leaf, guint to_leaf) {
  if (from_leaf == to_leaf)
    return;
  guint fabric = first_fabric_link(route->t);
  route->links[route->n++] = fabric + 2 * from_leaf;
  route->links[route->n++] = fabric + 2 * to_leaf + 1;
}

/* Whether one GPU writes to another's memory over NVLink without a third. */
static gboolean has_nvlink(const DspTopology *t, guint from, guint to) {
  const DspCluster *c = t->cluster;
  return c->node_kind == DSP_NODE_SWITCH ||
         (c->mesh && c->mesh[from * t->gpus_per_node + to] > 0);
}

/* The GPU of the sender's node at whose NIC the message leaves: the one on the
 * rail of `to`, or the sender (PXN needs NVLink and GPUDirect). */
static guint exit_gpu(const DspTopology *t, guint from, guint to) {
  gboolean proxy = rail_of(t, from) != rail_of(t, to) &&
                   t->cluster->gpudirect && has_nvlink(t, from, to);
  return proxy ? to : from;
}

static void cross_nvlink(Route *route, guint from_node, guint from,
                         guint to_node, guint to) {
  if (route->t->cluster->node_kind == DSP_NODE_MESH) {
    cross_mesh(route, from_node, from, to);
    return;
  }
  cross(route, from_node, NVLINK_OUT, from);
  cross(route, to_node, NVLINK_IN, to);
}

static void cross_network(Route *route, guint from_node, guint from,
                          guint to_node, guint to) {
  const DspTopology *t = route->t;
  guint leaver = from_node == to_node ? from : exit_gpu(t, from, to);
  if (leaver != from)
    cross_nvlink(route, from_node, from, from_node, leaver);
  gpu_to_nic(route, from_node, leaver, rail_of(t, leaver));
  if (t->leaves > 0)
    cross_fabric(route, leaf_of(t, from_node, rail_of(t, leaver)),
                 leaf_of(t, to_node, rail_of(t, to)));
  nic_to_gpu(route, to_node, rail_of(t, to), to);
}

static DspPath pcie_path(const DspTopology *t, guint from, guint to) {
  if (t->cluster->pcie_p2p && switch_of(t, from) == switch_of(t, to))
    return DSP_PATH_PCIE;
  return cpu_of(t, from) == cpu_of(t, to) ? DSP_PATH_HOST : DSP_PATH_SOCKET;
}

static DspPath mesh_path(const DspTopology *t, guint from, guint to) {
  guint at = from * t->gpus_per_node + to;
  return t->cluster->mesh[at] > 0 || t->via[at] != NO_GPU
             ? DSP_PATH_NVLINK
             : pcie_path(t, from, to);
}

DspPath dsp_topology_path(const DspTopology *t, guint from, guint to) {
  g_return_val_if_fail(from < t->gpus && to < t->gpus, DSP_PATH_LOCAL);
  if (from == to)
    return DSP_PATH_LOCAL;
  if (dsp_topology_domain(t, from) != dsp_topology_domain(t, to))
    return DSP_PATH_NET;
  switch (t->cluster->node_kind) {
  case DSP_NODE_SWITCH:
    return DSP_PATH_NVLINK;
  case DSP_NODE_MESH:
    return mesh_path(t, local(t, from), local(t, to));
  case DSP_NODE_PCIE:
    return pcie_path(t, local(t, from), local(t, to));
  default:
    return DSP_PATH_NET;
  }
}

guint dsp_topology_route(const DspTopology *t, guint from, guint to,
                         uint32_t links[DSP_MAX_ROUTE]) {
  Route route = {t, links, 0};
  guint from_node = dsp_topology_node(t, from),
        to_node = dsp_topology_node(t, to);
  guint i = local(t, from), j = local(t, to);
  switch (dsp_topology_path(t, from, to)) {
  case DSP_PATH_LOCAL:
    break;
  case DSP_PATH_NVLINK:
    cross_nvlink(&route, from_node, i, to_node, j);
    break;
  case DSP_PATH_NET:
    cross_network(&route, from_node, i, to_node, j);
    break;
  default:
    cross_pcie(&route, from_node, i, j);
    break;
  }
  return route.n;
}
