/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/cluster.h"
#include "base/error.h"
#include "base/paths.h"
#include "cluster/profile.h"
#include <math.h>
#include <string.h>

#define CLUSTER_FOLDER "hwprofiles"
#define CLUSTER_SCHEMA "dspsim.cluster/1"
#define HOST_FOLDER    "hwprofiles/hosts"
#define HOST_SCHEMA    "dspsim.host/1"
#define MAX_FIELDS     16

const char *const dsp_link_type_names[] = {"nvlink", "pcie",   "host",
                                           "nic",    "fabric", NULL};
const char *const dsp_node_kind_names[] = {"switch", "mesh", "pcie", "net",
                                           NULL};
const char *const dsp_fabric_kind_names[] = {"rail", "tree", "switch", "none",
                                             NULL};

/* What a cluster or host file holds besides the cluster's own members. */
typedef struct {
  char *schema, *title, *gpu, *host, *intra, *inter;
  const cJSON *node, *mesh, *pcie, *cpu, *socket;
  const cJSON *nic, *fabric, *launch, *price, *nccl;
} File;

static void file_clear(File *file) {
  g_free(file->schema);
  g_free(file->title);
  g_free(file->gpu);
  g_free(file->host);
  g_free(file->intra);
  g_free(file->inter);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(File, file_clear)

#define NAME(key, flags, doc)                                                  \
  { #key, DSP_FIELD_STRING, G_STRUCT_OFFSET(File, key), flags, NULL, doc }
#define SECTION(key, flags, doc)                                               \
  { #key, DSP_FIELD_OBJECT, G_STRUCT_OFFSET(File, key), flags, NULL, doc }
#define FIELD(key, type, member, flags, doc)                                   \
  {                                                                            \
    key, DSP_FIELD_##type, G_STRUCT_OFFSET(DspCluster, member), flags, NULL,   \
        doc                                                                    \
  }
#define CHOICE(key, member, flags, values, doc)                                \
  {                                                                            \
    key, DSP_FIELD_ENUM, G_STRUCT_OFFSET(DspCluster, member), flags, values,   \
        doc                                                                    \
  }

static const DspField host_root[] = {
    NAME(schema, 0, "\"" HOST_SCHEMA "\""),
    NAME(title, 0, "the platform, one line"),
    SECTION(pcie, 0, "a PCIe slot of a GPU"),
    SECTION(cpu, 0, "a CPU's memory"),
    SECTION(socket, DSP_FIELD_OPTIONAL, "the links between CPUs"),
    SECTION(launch, 0, "time to issue work to a GPU"),
    {NULL},
};

static const DspField node_fields[] = {
    FIELD("gpus", COUNT, gpus_per_node, 0, "GPUs of a node"),
    CHOICE("kind", node_kind, 0, dsp_node_kind_names,
           "how GPUs of a node reach each other"),
    FIELD("domain_nodes", COUNT, domain_nodes, DSP_FIELD_OPTIONAL,
          "nodes that one NVLink switch joins"),
    FIELD("nvlink_bandwidth", RATE, nvlink_bandwidth, DSP_FIELD_OPTIONAL,
          "payload of all NVLinks of a GPU, one way"),
    FIELD("nvlink_latency", TIME, nvlink_latency, DSP_FIELD_OPTIONAL,
          "time over one NVLink"),
    FIELD("gpus_per_pcie_switch", COUNT, gpus_per_pcie_switch,
          DSP_FIELD_OPTIONAL, "GPUs on one PCIe switch"),
    FIELD("pcie_switches_per_cpu", COUNT, pcie_switches_per_cpu,
          DSP_FIELD_OPTIONAL, "PCIe switches on one CPU"),
    FIELD("pcie_p2p", BOOL, pcie_p2p, DSP_FIELD_OPTIONAL,
          "GPUs copy to each other over PCIe"),
    FIELD("memory_reserved", NUMBER, memory_reserved,
          DSP_FIELD_OPTIONAL | DSP_FIELD_ZERO,
          "share of GPU memory that is not for tensors"),
    {NULL},
};

#define PAIR(name, doc)                                                        \
  static const DspField name##_fields[] = {                                    \
      FIELD("bandwidth", RATE, name##_bandwidth, 0, doc ", one way"),          \
      FIELD("latency", TIME, name##_latency, 0, "time over it"),               \
      {NULL},                                                                  \
  }
PAIR(pcie, "payload of a GPU's PCIe slot");
PAIR(cpu, "rate of staging copies in a CPU's memory");
PAIR(socket, "payload between a CPU and the others");

static const DspField nic_fields[] = {
    FIELD("count", COUNT, nics, 0, "NICs of a node"),
    FIELD("bandwidth", RATE, nic_bandwidth, DSP_FIELD_OPTIONAL,
          "payload of one NIC, one way"),
    FIELD("latency", TIME, nic_latency, DSP_FIELD_OPTIONAL,
          "time from a NIC to its leaf switch"),
    FIELD("gpudirect", BOOL, gpudirect, DSP_FIELD_OPTIONAL,
          "NICs read and write GPU memory"),
    {NULL},
};

static const DspField fabric_fields[] = {
    CHOICE("kind", fabric, 0, dsp_fabric_kind_names,
           "how NICs of nodes reach each other"),
    FIELD("nodes_per_leaf", COUNT, nodes_per_leaf, DSP_FIELD_OPTIONAL,
          "nodes on one leaf switch, or one set of rail switches"),
    FIELD("oversubscription", NUMBER, oversubscription, DSP_FIELD_OPTIONAL,
          "bandwidth to the nodes over bandwidth to the spine, at least 1"),
    FIELD("spine_latency", TIME, spine_latency, DSP_FIELD_OPTIONAL,
          "time from a leaf to the spine"),
    FIELD("max_nodes", COUNT, max_nodes, DSP_FIELD_OPTIONAL,
          "most nodes of the cluster"),
    {NULL},
};

static const DspField launch_fields[] = {
    FIELD("eager_forward", TIME, launch.eager_forward, 0,
          "CPU time of one kernel, forward"),
    FIELD("eager_backward", TIME, launch.eager_backward, 0,
          "CPU time of one kernel, backward"),
    FIELD(
        "operation", TIME, launch.operation, DSP_FIELD_ZERO,
        "CPU time of one operation of the model besides its kernels, forward"),
    FIELD("compiled", TIME, launch.compiled, 0,
          "CPU time of one kernel of compiled code"),
    FIELD("graph", TIME, launch.graph, 0, "gap between kernels of a graph"),
    FIELD("collective", TIME, launch.collective, 0,
          "CPU time of one collective call"),
    {NULL},
};

static const DspField price_fields[] = {
    FIELD("gpu_hour", NUMBER, price, 0, "price of one GPU for one hour"),
    FIELD("currency", STRING, currency, 0, "its currency, such as USD"),
    {NULL},
};

typedef struct {
  char *version, *algorithm;
} Nccl;

static const DspField nccl_fields[] = {
    {"version", DSP_FIELD_STRING, G_STRUCT_OFFSET(Nccl, version),
     DSP_FIELD_OPTIONAL, NULL, "version, such as \"2.28\""},
    {"algorithm", DSP_FIELD_STRING, G_STRUCT_OFFSET(Nccl, algorithm),
     DSP_FIELD_OPTIONAL, NULL, "forced, as NCCL_ALGO"},
    {NULL},
};

static const DspRange node_ranges[] = {
    {"gpus", 1, DSP_MAX_GPUS_PER_NODE},
    {"domain_nodes", 1, DSP_MAX_NODES},
    {"gpus_per_pcie_switch", 1, DSP_MAX_GPUS_PER_NODE},
    {"pcie_switches_per_cpu", 1, DSP_MAX_GPUS_PER_NODE},
    {"memory_reserved", 0, 0.9},
    {NULL},
};
static const DspRange nic_ranges[] = {
    {"count", 1, DSP_MAX_NICS_PER_NODE},
    {NULL},
};
static const DspRange fabric_ranges[] = {
    {"nodes_per_leaf", 1, DSP_MAX_NODES},
    {"oversubscription", 1, 1000},
    {"max_nodes", 1, DSP_MAX_NODES},
    {NULL},
};

/* The objects of a file that fill the cluster, in this order. `shared`: the
 * host file gives all of it, so that a cluster may give only what differs. */
static const struct {
  gsize offset;
  const DspField *fields;
  const DspRange *ranges;
  gboolean shared;
} sections[] = {
    {G_STRUCT_OFFSET(File, node), node_fields, node_ranges, FALSE},
    {G_STRUCT_OFFSET(File, pcie), pcie_fields, NULL, TRUE},
    {G_STRUCT_OFFSET(File, cpu), cpu_fields, NULL, TRUE},
    {G_STRUCT_OFFSET(File, socket), socket_fields, NULL, TRUE},
    {G_STRUCT_OFFSET(File, nic), nic_fields, nic_ranges, FALSE},
    {G_STRUCT_OFFSET(File, fabric), fabric_fields, fabric_ranges, FALSE},
    {G_STRUCT_OFFSET(File, launch), launch_fields, NULL, TRUE},
    {G_STRUCT_OFFSET(File, price), price_fields, NULL, FALSE},
};

static const DspField cluster_root[] = {
    NAME(schema, 0, "\"" CLUSTER_SCHEMA "\""),
    NAME(title, 0, "the machine, one line"),
    NAME(gpu, 0, "name in hwprofiles/gpus"),
    NAME(host, 0, "name in hwprofiles/hosts"),
    NAME(intra, 0, "name in hwprofiles/networks, between GPUs of a node"),
    NAME(inter, DSP_FIELD_OPTIONAL,
         "name in hwprofiles/networks, between nodes"),
    SECTION(node, 0, "a node"),
    {"mesh", DSP_FIELD_ARRAY, G_STRUCT_OFFSET(File, mesh), DSP_FIELD_OPTIONAL,
     NULL, "number of NVLinks from each GPU to each"},
    SECTION(pcie, DSP_FIELD_OPTIONAL, "what differs from the host's"),
    SECTION(cpu, DSP_FIELD_OPTIONAL, "what differs from the host's"),
    SECTION(socket, DSP_FIELD_OPTIONAL, "what differs from the host's"),
    SECTION(nic, DSP_FIELD_OPTIONAL, "the NICs of a node"),
    SECTION(fabric, DSP_FIELD_OPTIONAL, "the switches between nodes"),
    SECTION(launch, DSP_FIELD_OPTIONAL, "what differs from the host's"),
    SECTION(price, DSP_FIELD_OPTIONAL, "what a GPU costs"),
    SECTION(nccl, DSP_FIELD_OPTIONAL, "the NCCL that runs there"),
    {NULL},
};

gboolean dsp_check_ranges(const DspJson *json, const cJSON *node,
                          const DspRange *ranges, GError **error) {
  for (const DspRange *r = ranges; r && r->key; r++) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(node, r->key);
    if (cJSON_IsObject(item))
      item = cJSON_GetObjectItemCaseSensitive(item, "value");
    if (cJSON_IsNumber(item) &&
        (item->valuedouble < r->least || item->valuedouble > r->most))
      return dsp_json_fail(json, item, error,
                           "'%s' must be from %.15g to %.15g", r->key, r->least,
                           r->most);
  }
  return TRUE;
}

/* dsp_json_read with every key optional. */
static gboolean read_override(const DspJson *json, const cJSON *node,
                              const DspField *fields, gpointer record,
                              GError **error) {
  DspField optional[MAX_FIELDS] = {0};
  for (guint i = 0; fields[i].key; i++) {
    g_assert(i + 1 < MAX_FIELDS);
    optional[i] = fields[i];
    optional[i].flags |= DSP_FIELD_OPTIONAL;
  }
  return dsp_json_read(json, node, optional, record, error);
}

static gboolean read_sections(DspCluster *cluster, const DspJson *json,
                              const File *file, gboolean override,
                              GError **error) {
  for (guint i = 0; i < G_N_ELEMENTS(sections); i++) {
    const cJSON *node =
        G_STRUCT_MEMBER(const cJSON *, file, sections[i].offset);
    gboolean (*read)(const DspJson *, const cJSON *, const DspField *, gpointer,
                     GError **) =
        override && sections[i].shared ? read_override : dsp_json_read;
    if (node && (!read(json, node, sections[i].fields, cluster, error) ||
                 !dsp_check_ranges(json, node, sections[i].ranges, error)))
      return FALSE;
  }
  return TRUE;
}

static gboolean read_root(const DspJson *json, const DspField *fields,
                          const char *schema, File *file, GError **error) {
  const cJSON *root = dsp_json_root(json);
  if (!dsp_json_read(json, root, fields, file, error))
    return FALSE;
  if (g_strcmp0(file->schema, schema) == 0)
    return TRUE;
  return dsp_json_fail(json, cJSON_GetObjectItemCaseSensitive(root, "schema"),
                       error, "'schema' must be '%s'", schema);
}

static gboolean load_host(DspCluster *cluster, const char *name,
                          GError **error) {
  g_autofree char *path = dsp_find_data(HOST_FOLDER, name, error);
  if (!path || !(cluster->host_json = dsp_json_load(path, error)))
    return FALSE;
  cluster->host_name = g_strdup(name);
  g_auto(File) file = {0};
  return read_root(cluster->host_json, host_root, HOST_SCHEMA, &file, error) &&
         read_sections(cluster, cluster->host_json, &file, FALSE, error);
}

static gboolean load_gpu(DspCluster *cluster, const char *name,
                         GError **error) {
  cluster->gpu = dsp_gpu_load(name, error);
  return cluster->gpu != NULL;
}

static gboolean load_intra(DspCluster *cluster, const char *name,
                           GError **error) {
  cluster->intra_name = g_strdup(name);
  return dsp_transport_load(name, &cluster->intra, &cluster->intra_json, error);
}

static gboolean load_inter(DspCluster *cluster, const char *name,
                           GError **error) {
  cluster->inter_name = g_strdup(name);
  return dsp_transport_load(name, &cluster->inter, &cluster->network_json,
                            error);
}

gboolean dsp_cluster_load_parts(DspCluster *cluster, const char *gpu,
                                const char *host, const char *intra,
                                const char *inter, GError **error) {
  return (!gpu || load_gpu(cluster, gpu, error)) &&
         (!host || load_host(cluster, host, error)) &&
         (!intra || load_intra(cluster, intra, error)) &&
         (!inter || load_inter(cluster, inter, error));
}

/* A path in a file is from that file's folder on. */
static char *resolve(const DspJson *json, const char *name) {
  g_autofree char *folder = g_path_get_dirname(dsp_json_name(json));
  const gboolean path = strchr(name, '/') || g_str_has_suffix(name, ".json");
  return path && !g_path_is_absolute(name) && strcmp(folder, ".") != 0
             ? g_build_filename(folder, name, NULL)
             : g_strdup(name);
}

/* A name that is not found is an error of the file that gives it, and where. */
static gboolean load_part(
    DspCluster *cluster, const DspJson *json, const char *key, const char *name,
    gboolean (*load)(DspCluster *, const char *, GError **), GError **error) {
  g_autoptr(GError) why = NULL;
  g_autofree char *file = name ? resolve(json, name) : NULL;
  if (!file || load(cluster, file, &why))
    return TRUE;
  if (!g_error_matches(why, DSP_ERROR, DSP_ERROR_USAGE)) {
    g_propagate_error(error, g_steal_pointer(&why));
    return FALSE;
  }
  const cJSON *root = dsp_json_root(json);
  return dsp_json_fail(json, cJSON_GetObjectItemCaseSensitive(root, key), error,
                       "'%s': %s", key, why->message);
}

static gboolean load_named_parts(DspCluster *c, const DspJson *json,
                                 const File *file, GError **error) {
  return load_part(c, json, "gpu", file->gpu, load_gpu, error) &&
         load_part(c, json, "host", file->host, load_host, error) &&
         load_part(c, json, "intra", file->intra, load_intra, error) &&
         load_part(c, json, "inter", file->inter, load_inter, error);
}

/* One row of the mesh: how many links GPU i has to each other GPU. */
static gboolean read_mesh_row(DspCluster *cluster, const DspJson *json,
                              const cJSON *row, int64_t i, GError **error) {
  int64_t gpus = cluster->gpus_per_node, links = 0, j = 0;
  if (!cJSON_IsArray(row) || cJSON_GetArraySize(row) != gpus)
    return dsp_json_fail(
        json, row, error,
        "must be an array of %" G_GINT64_FORMAT " numbers of links", gpus);
  for (const cJSON *item = row->child; item; item = item->next, j++) {
    double n = item->valuedouble;
    if (!cJSON_IsNumber(item) || n < 0 || n != floor(n) ||
        n > cluster->gpu->links || (i == j && n != 0))
      return dsp_json_fail(
          json, item, error,
          "must be a number of links from 0 to %" G_GINT64_FORMAT,
          i == j ? (int64_t)0 : cluster->gpu->links);
    links += (int64_t)n;
    cluster->mesh[i * gpus + j] = n * cluster->intra.bandwidth;
  }
  if (links > cluster->gpu->links)
    return dsp_json_fail(json, row, error,
                         "%" G_GINT64_FORMAT
                         " links, but the GPU has %" G_GINT64_FORMAT,
                         links, cluster->gpu->links);
  return TRUE;
}

static gboolean read_mesh(DspCluster *cluster, const DspJson *json,
                          const cJSON *mesh, GError **error) {
  int64_t gpus = cluster->gpus_per_node, i = 0;
  if (!mesh)
    return TRUE;
  if (cJSON_GetArraySize(mesh) != gpus)
    return dsp_json_fail(
        json, mesh, error,
        "must have one row for each of %" G_GINT64_FORMAT " GPUs", gpus);
  cluster->mesh = g_new0(double, gpus *gpus);
  for (const cJSON *row = mesh->child; row; row = row->next, i++)
    if (!read_mesh_row(cluster, json, row, i, error))
      return FALSE;
  for (i = 0; i < gpus * gpus; i++)
    if (cluster->mesh[i] != cluster->mesh[i % gpus * gpus + i / gpus])
      return dsp_json_fail(json, mesh, error, "must be symmetric");
  return TRUE;
}

static gboolean read_nccl(DspCluster *cluster, const DspJson *json,
                          const cJSON *node, GError **error) {
  Nccl nccl = {NULL, NULL};
  if (!node)
    return TRUE;
  gboolean ok = dsp_json_read(json, node, nccl_fields, &nccl, error);
  g_autofree char *version = nccl.version;
  cluster->nccl_algorithm = nccl.algorithm;
  if (!ok || !version ||
      dsp_parse_nccl_version(version, &cluster->nccl_version))
    return ok;
  return dsp_json_fail(json, cJSON_GetObjectItemCaseSensitive(node, "version"),
                       error, "'version' must be such as \"2.28\", not \"%s\"",
                       version);
}

gboolean dsp_cluster_read(DspCluster *cluster, GError **error) {
  const DspJson *json = cluster->json;
  g_auto(File) file = {0};
  if (!read_root(json, cluster_root, CLUSTER_SCHEMA, &file, error) ||
      !load_named_parts(cluster, json, &file, error) ||
      !read_sections(cluster, json, &file, TRUE, error) ||
      !read_mesh(cluster, json, file.mesh, error) ||
      !read_nccl(cluster, json, file.nccl, error))
    return FALSE;
  cluster->title = g_steal_pointer(&file.title);
  const char *why = dsp_cluster_complete(cluster);
  return !why || dsp_json_fail(json, file.node, error, "%s", why);
}

DspCluster *dsp_cluster_new(const char *name) {
  DspCluster *cluster = g_new0(DspCluster, 1);
  cluster->name = g_strdup(name);
  cluster->domain_nodes = 1;
  cluster->gpus_per_pcie_switch = 1;
  cluster->pcie_p2p = TRUE;
  cluster->gpudirect = TRUE;
  cluster->fabric = DSP_FABRIC_NONE;
  cluster->oversubscription = 1;
  cluster->nccl_version = 22800;
  cluster->memory_reserved = 0.05;
  return cluster;
}

void dsp_cluster_free(DspCluster *cluster) {
  if (!cluster)
    return;
  g_free(cluster->name);
  g_free(cluster->title);
  g_free(cluster->file);
  g_free(cluster->sha256);
  g_free(cluster->host_name);
  g_free(cluster->intra_name);
  g_free(cluster->inter_name);
  g_free(cluster->mesh);
  g_free(cluster->nccl_algorithm);
  g_free(cluster->currency);
  dsp_gpu_free(cluster->gpu);
  dsp_json_free(cluster->json);
  dsp_json_free(cluster->host_json);
  dsp_json_free(cluster->intra_json);
  dsp_json_free(cluster->network_json);
  g_free(cluster);
}

static gboolean load_file(DspCluster *cluster, const char *name,
                          GError **error) {
  cluster->file = dsp_find_data(CLUSTER_FOLDER, name, error);
  if (!cluster->file || !(cluster->json = dsp_json_load(cluster->file, error)))
    return FALSE;
  cluster->sha256 = g_strdup(dsp_json_sha256(cluster->json));
  return dsp_cluster_read(cluster, error);
}

DspCluster *dsp_cluster_load(const char *name, GError **error) {
  g_autoptr(DspCluster) cluster = dsp_cluster_new(name);
  gboolean described = strchr(name, ':') && !g_str_has_suffix(name, ".json");
  if (!(described ? dsp_cluster_parse(cluster, name, error)
                  : load_file(cluster, name, error)))
    return NULL;
  return g_steal_pointer(&cluster);
}
