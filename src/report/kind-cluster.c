/* SPDX-License-Identifier: Apache-2.0 */
/* Clusters: what a node is, and what joins nodes. */
#include "base/paths.h"
#include "cluster/cluster.h"
#include "report/kind.h"
#include <math.h>

typedef struct {
  DspCluster *cluster;
  char *description; /* one line, or NULL */
  GArray *sources;
  DspTable *source_table;
} Row;

static char **names(void) {
  return dsp_list_data("hwprofiles");
}

static gpointer load(const char *name, GError **error) {
  DspCluster *c = dsp_cluster_load(name, error);
  if (!c)
    return NULL;
  Row *row = g_new0(Row, 1);
  row->cluster = c;
  row->description = dsp_cluster_describe(c);
  row->sources = dsp_sources_new();
  dsp_sources_add(row->sources, NULL, c->json);
  dsp_sources_add(row->sources, c->host_name, c->host_json);
  dsp_sources_add(row->sources, c->intra_name, c->intra_json);
  dsp_sources_add(row->sources, c->inter_name, c->network_json);
  row->source_table = dsp_sources_table(row->sources);
  return row;
}

static void row_free(gpointer data) {
  Row *row = data;
  dsp_table_free(row->source_table);
  g_array_unref(row->sources);
  g_free(row->description);
  dsp_cluster_free(row->cluster);
  g_free(row);
}

/* --- as keys ------------------------------------------------------------- */

enum {
  NAME,
  TITLE,
  SHA256,
  GPU,
  HOST,
  GPUS_PER_NODE,
  NODE_KIND,
  DOMAIN_NODES,
  NVLINK,
  NICS,
  NIC_BANDWIDTH,
  GPUDIRECT,
  FABRIC,
  NODES_PER_LEAF,
  OVERSUBSCRIPTION,
  MAX_NODES,
  NCCL_VERSION,
  PRICE,
  CURRENCY,
  DESCRIPTION,
};

static DspValue positive(double number) {
  return number > 0 ? dsp_number(number) : dsp_null();
}

static DspValue count(int64_t number) {
  return number > 0 ? dsp_integer(number) : dsp_null();
}

static DspValue get(gconstpointer data, guint index) {
  const Row *row = data;
  const DspCluster *c = row->cluster;
  const DspValue values[] = {
      [NAME] = dsp_string(c->name),
      [TITLE] = dsp_string(c->title),
      [SHA256] = dsp_string(c->sha256),
      [GPU] = dsp_string(c->gpu->name),
      [HOST] = dsp_string(c->host_name),
      [GPUS_PER_NODE] = dsp_integer(c->gpus_per_node),
      [NODE_KIND] = dsp_string(dsp_node_kind_names[c->node_kind]),
      [DOMAIN_NODES] = dsp_integer(c->domain_nodes),
      [NVLINK] = positive(c->nvlink_bandwidth / 1e9),
      [NICS] = dsp_integer(c->nics),
      [NIC_BANDWIDTH] = positive(c->nic_bandwidth / 1e9),
      [GPUDIRECT] = dsp_boolean(c->gpudirect),
      [FABRIC] = dsp_string(dsp_fabric_kind_names[c->fabric]),
      [NODES_PER_LEAF] = count(c->nodes_per_leaf),
      [OVERSUBSCRIPTION] = positive(c->oversubscription),
      [MAX_NODES] = count(c->max_nodes),
      [NCCL_VERSION] = count(c->nccl_version),
      [PRICE] = positive(c->price),
      [CURRENCY] = dsp_string(c->currency),
      [DESCRIPTION] = dsp_string(row->description),
  };
  return values[index];
}

static DspValue get_sources(gconstpointer data, guint index) {
  (void)index;
  return dsp_table_value(((const Row *)data)->source_table);
}

static const DspColumn columns[] = {
    {NULL, "name", get, NAME},
    {NULL, "title", get, TITLE},
    {NULL, "sha256", get, SHA256},
    {NULL, "gpu", get, GPU},
    {NULL, "host", get, HOST},
    {NULL, "gpus_per_node", get, GPUS_PER_NODE},
    {NULL, "node_kind", get, NODE_KIND},
    {NULL, "domain_nodes", get, DOMAIN_NODES},
    {NULL, "nvlink_bandwidth_GBps", get, NVLINK},
    {NULL, "nics_per_node", get, NICS},
    {NULL, "nic_bandwidth_GBps", get, NIC_BANDWIDTH},
    {NULL, "gpudirect", get, GPUDIRECT},
    {NULL, "fabric", get, FABRIC},
    {NULL, "nodes_per_leaf", get, NODES_PER_LEAF},
    {NULL, "oversubscription", get, OVERSUBSCRIPTION},
    {NULL, "max_nodes", get, MAX_NODES},
    {NULL, "nccl_version", get, NCCL_VERSION},
    {NULL, "price_per_gpu_hour", get, PRICE},
    {NULL, "currency", get, CURRENCY},
    {NULL, "description", get, DESCRIPTION},
    {NULL}};

static DspTable *table(void) {
  DspTable *table = dsp_table_new(columns);
  dsp_table_add_nested(table, "sources", get_sources);
  return table;
}

/* --- as text ------------------------------------------------------------- */

static const DspTextColumn list_columns[] = {
    {"cluster", "", TRUE},     {"GPU", "", TRUE},   {"a node", "", FALSE},
    {"NVLink", "GB/s", FALSE}, {"NICs", "", FALSE}, {"each", "GB/s", FALSE},
    {"fabric", "", TRUE},      {"title", "", TRUE}, {NULL}};

/* What there is not is not zero. */
static double or_none(double rate) {
  return rate > 0 ? rate : NAN;
}

static void add_cells(gconstpointer data, DspGrid *grid) {
  const DspCluster *c = ((const Row *)data)->cluster;
  const DspScale rate = {1e9, "GB/s", 0};
  dsp_grid_cell(grid, "%s", c->name);
  dsp_grid_cell(grid, "%s", c->gpu->name);
  dsp_grid_cell(grid, "%" G_GINT64_FORMAT, c->gpus_per_node);
  dsp_grid_number(grid, &rate, or_none(c->nvlink_bandwidth));
  dsp_grid_cell(grid, "%" G_GINT64_FORMAT, c->nics);
  dsp_grid_number(grid, &rate, or_none(c->nic_bandwidth));
  dsp_grid_cell(grid, "%s", dsp_fabric_kind_names[c->fabric]);
  dsp_grid_cell(grid, "%s", c->title);
}

static void add_node(const DspCluster *c, const DspStyle *style, GString *out) {
  dsp_text_line(out, style, "node", "%" G_GINT64_FORMAT " x %s, joined by %s",
                c->gpus_per_node, c->gpu->name,
                c->intra_name ? c->intra_name
                              : dsp_node_kind_names[c->node_kind]);
  if (c->nvlink_bandwidth > 0)
    dsp_text_line(out, style, "NVLink", "%.4g GB/s a GPU each way",
                  c->nvlink_bandwidth / 1e9);
  if (c->domain_nodes > 1)
    dsp_text_line(out, style, "domain", "%" G_GINT64_FORMAT " nodes",
                  c->domain_nodes);
  if (c->host_name)
    dsp_text_line(out, style, "host", "%s", c->host_name);
}

static void add_network(const DspCluster *c, const DspStyle *style,
                        GString *out) {
  if (c->nics > 0)
    dsp_text_line(out, style, "network",
                  "%" G_GINT64_FORMAT " NICs a node of %.4g GB/s each way%s%s",
                  c->nics, c->nic_bandwidth / 1e9, c->inter_name ? ", " : "",
                  c->inter_name ? c->inter_name : "");
  dsp_text_line(out, style, "fabric", "%s", dsp_fabric_kind_names[c->fabric]);
  if (c->max_nodes > 0)
    dsp_text_line(out, style, "nodes", "%" G_GINT64_FORMAT " at most",
                  c->max_nodes);
}

static void text(gconstpointer data, const DspStyle *style, GString *out) {
  const Row *row = data;
  const DspCluster *c = row->cluster;
  dsp_text_line(out, style, "cluster", "%s", c->name);
  if (c->title)
    dsp_text_line(out, style, "title", "%s", c->title);
  add_node(c, style, out);
  add_network(c, style, out);
  if (c->price > 0)
    dsp_text_line(out, style, "price", "%.4g %s a GPU hour", c->price,
                  c->currency);
  if (row->description)
    dsp_text_line(out, style, "in one line", "%s", row->description);
  dsp_sources_text(row->sources, style, out);
}

const DspKind dsp_kind_cluster = {"cluster",    "clusters", names,
                                  load,         row_free,   table,
                                  list_columns, add_cells,  text};
