/* SPDX-License-Identifier: Apache-2.0 */
#include "report/topo.h"
#include "report/text.h"
#include <math.h>

/* --- rows ---------------------------------------------------------------- */

void dsp_topo_row_clear(DspTopoRow *row) {
  g_free(row->link);
}

static void add_link(GArray *rows, const DspTopoJob *job, guint hop,
                     guint link) {
  const DspLink *l = dsp_topology_link(job->topology, link);
  const DspTopoRow row = {.job = job,
                          .from = job->from,
                          .to = job->to,
                          .hop = hop,
                          .link = dsp_topology_link_name(job->topology, link),
                          .type = l->type,
                          .bandwidth = l->bandwidth,
                          .latency = l->latency};
  g_array_append_val(rows, row);
}

/* Pairs without NVLink have links without bandwidth. */
static void add_links(GArray *rows, const DspTopoJob *job) {
  for (guint i = 0; i < dsp_topology_n_links(job->topology); i++)
    if (dsp_topology_link(job->topology, i)->bandwidth > 0)
      add_link(rows, job, 0, i);
}

/* One message alone: the narrowest link, and all latencies. */
static void add_pair(GArray *rows, const DspTopoJob *job, guint from,
                     guint to) {
  uint32_t route[DSP_MAX_ROUTE];
  DspTopoRow row = {.job = job, .from = from, .to = to, .bandwidth = INFINITY};
  row.n_links = dsp_topology_route(job->topology, from, to, route);
  for (guint i = 0; i < row.n_links; i++) {
    const DspLink *link = dsp_topology_link(job->topology, route[i]);
    row.bandwidth = MIN(row.bandwidth, link->bandwidth);
    row.latency += link->latency;
  }
  g_array_append_val(rows, row);
}

static void add_pairs(GArray *rows, const DspTopoJob *job) {
  const guint n = dsp_topology_gpus(job->topology);
  for (guint i = 0; i < n; i++)
    for (guint j = 0; j < n; j++)
      add_pair(rows, job, i, j);
}

static void add_route(GArray *rows, const DspTopoJob *job) {
  uint32_t route[DSP_MAX_ROUTE];
  const guint n = dsp_topology_route(job->topology, job->from, job->to, route);
  for (guint i = 0; i < n; i++)
    add_link(rows, job, i, route[i]);
}

GArray *dsp_topo_rows(const DspTopoJob *job) {
  static void (*const add[])(GArray *, const DspTopoJob *) = {
      [DSP_TOPO_TREE] = add_links,
      [DSP_TOPO_MATRIX] = add_pairs,
      [DSP_TOPO_ROUTE] = add_route,
  };
  GArray *rows = g_array_new(FALSE, FALSE, sizeof(DspTopoRow));
  g_array_set_clear_func(rows, (GDestroyNotify)dsp_topo_row_clear);
  add[job->view](rows, job);
  return rows;
}

/* --- as keys ------------------------------------------------------------- */

enum { FROM, TO, HOP, PATH, LINKS, LINK, TYPE, BANDWIDTH, LATENCY };

static DspValue get(gconstpointer data, guint index) {
  const DspTopoRow *row = data;
  const DspTopology *t = row->job->topology;
  const DspValue values[] = {
      [FROM] = dsp_integer(row->from),
      [TO] = dsp_integer(row->to),
      [HOP] = dsp_integer(row->hop),
      [PATH] =
          dsp_string(dsp_path_names[dsp_topology_path(t, row->from, row->to)]),
      [LINKS] = dsp_integer(row->n_links),
      [LINK] = dsp_string(row->link),
      [TYPE] = dsp_string(dsp_link_type_names[row->type]),
      [BANDWIDTH] = dsp_number(row->bandwidth / 1e9),
      [LATENCY] = dsp_number(row->latency * 1e6),
  };
  return values[index];
}

#define LINK_COLUMNS                                                           \
  {NULL, "link", get, LINK}, {NULL, "type", get, TYPE}, RATE_COLUMNS
#define RATE_COLUMNS                                                           \
  {NULL, "bandwidth_GBps", get, BANDWIDTH},                                    \
      {NULL, "latency_us", get, LATENCY}, {                                    \
    NULL                                                                       \
  }

static const DspColumn link_columns[] = {LINK_COLUMNS};
static const DspColumn pair_columns[] = {{NULL, "from", get, FROM},
                                         {NULL, "to", get, TO},
                                         {NULL, "path", get, PATH},
                                         {NULL, "links", get, LINKS},
                                         RATE_COLUMNS};
static const DspColumn hop_columns[] = {{NULL, "from", get, FROM},
                                        {NULL, "to", get, TO},
                                        {NULL, "path", get, PATH},
                                        {NULL, "hop", get, HOP},
                                        LINK_COLUMNS};

DspTable *dsp_topo_table(DspTopoView view) {
  static const DspColumn *const columns[] = {
      [DSP_TOPO_TREE] = link_columns,
      [DSP_TOPO_MATRIX] = pair_columns,
      [DSP_TOPO_ROUTE] = hop_columns,
  };
  return dsp_table_new(columns[view]);
}

enum { CLUSTER, SHA256, GPU, VIEW, GPUS, NODES };

static DspValue get_input(gconstpointer data, guint index) {
  static const char *const views[] = {"tree", "matrix", "route"};
  const DspTopoJob *job = data;
  const DspValue values[] = {
      [CLUSTER] = dsp_string(job->cluster->name),
      [SHA256] = dsp_string(job->cluster->sha256),
      [GPU] = dsp_string(job->cluster->gpu->name),
      [VIEW] = dsp_string(views[job->view]),
      [GPUS] = dsp_integer(dsp_topology_gpus(job->topology)),
      [NODES] = dsp_integer(dsp_topology_nodes(job->topology)),
  };
  return values[index];
}

static const DspColumn input_columns[] = {
    {NULL, "cluster", get_input, CLUSTER},
    {NULL, "cluster_sha256", get_input, SHA256},
    {NULL, "gpu", get_input, GPU},
    {NULL, "view", get_input, VIEW},
    {NULL, "gpus", get_input, GPUS},
    {NULL, "nodes", get_input, NODES},
    {NULL}};

DspTable *dsp_topo_inputs(const DspTopoJob *job) {
  DspTable *table = dsp_table_new(input_columns);
  dsp_table_add_row(table, job);
  return table;
}

/* --- the tree ------------------------------------------------------------ */

/* Something in a node, and what hangs on it. */
typedef struct {
  char *label;
  GPtrArray *children;
} Tree;

static void tree_free(Tree *tree) {
  g_free(tree->label);
  g_ptr_array_free(tree->children, TRUE);
  g_free(tree);
}

/* A child of `parent`, or a root; it keeps the label. */
static Tree *grow(Tree *parent, char *label) {
  Tree *tree = g_new(Tree, 1);
  tree->label = label;
  tree->children = g_ptr_array_new_with_free_func((GDestroyNotify)tree_free);
  if (parent)
    g_ptr_array_add(parent->children, tree);
  return tree;
}

/* `edge`: what stands before its children's lines. */
static void print_tree(const Tree *tree, const char *edge,
                       const DspStyle *style, GString *out) {
  const char *const signs[2][4] = {{"|-- ", "`-- ", "|   ", "    "},
                                   {"├── ", "└── ", "│   ", "    "}};
  g_autofree char *label = dsp_text_clean(style, tree->label);
  g_string_append_printf(out, "%s\n", label);
  for (guint i = 0; i < tree->children->len; i++) {
    const gboolean last = i + 1 == tree->children->len;
    g_autofree char *below =
        g_strconcat(edge, signs[style->utf8][2 + last], NULL);
    g_string_append_printf(out, "%s%s", edge, signs[style->utf8][last]);
    print_tree(tree->children->pdata[i], below, style, out);
  }
}

/* "450 GB/s, 0.8 us" */
static char *describe_link(double bandwidth, double latency) {
  return g_strdup_printf("%.6g GB/s, %.3g us", bandwidth / 1e9, latency * 1e6);
}

static void add_nic(Tree *parent, const DspCluster *c, guint rail) {
  const guint rails = dsp_topo_rails(c);
  const int64_t each = c->nics / rails;
  g_autofree char *link =
      describe_link(c->nic_bandwidth * (double)each, c->nic_latency);
  g_autofree char *leaf = c->fabric == DSP_FABRIC_RAIL
                              ? g_strdup_printf(" to leaf %u", rail)
                              : g_strdup("");
  g_autofree char *several =
      each > 1 ? g_strdup_printf(" (%" G_GINT64_FORMAT " as one)", each)
               : g_strdup("");
  grow(parent, g_strdup_printf("NIC %u%s: %s%s", rail, several, link, leaf));
}

static void add_gpu(Tree *parent, const DspCluster *c, guint gpu) {
  g_autofree char *memory = dsp_topo_memory(c);
  grow(parent, g_strdup_printf("GPU %u: %s, %s", gpu, c->gpu->name, memory));
  for (guint r = 0; r < dsp_topo_rails(c); r++)
    if (dsp_topo_gpu_of_rail(c, r) == gpu)
      add_nic(parent, c, r);
}

static void add_cpus(Tree *node, const DspCluster *c) {
  Tree *cpu = NULL, *parent = NULL;
  const guint gpus = (guint)c->gpus_per_node;
  for (guint gpu = 0; gpu < gpus; gpu++) {
    if (gpu == 0 || dsp_topo_cpu_of(c, gpu) != dsp_topo_cpu_of(c, gpu - 1))
      parent = cpu =
          grow(node, g_strdup_printf("CPU %u", dsp_topo_cpu_of(c, gpu)));
    if (dsp_topo_has_switches(c) && gpu % c->gpus_per_pcie_switch == 0)
      parent = grow(
          cpu, g_strdup_printf("PCIe switch %u", dsp_topo_switch_of(c, gpu)));
    add_gpu(parent, c, gpu);
  }
}

static void add_nvlink(Tree *node, const DspCluster *c) {
  g_autofree char *link = describe_link(c->nvlink_bandwidth, c->nvlink_latency);
  if (c->node_kind == DSP_NODE_SWITCH && c->domain_nodes > 1)
    grow(node,
         g_strdup_printf("NVSwitch of %" G_GINT64_FORMAT " nodes: %s a GPU",
                         c->domain_nodes, link));
  else if (c->node_kind == DSP_NODE_SWITCH)
    grow(node, g_strdup_printf("NVSwitch: %s a GPU", link));
  else if (c->node_kind == DSP_NODE_MESH)
    grow(node, g_strdup("NVLinks between pairs, see --matrix"));
}

static void add_host_links(Tree *node, const DspCluster *c) {
  g_autofree char *pcie = describe_link(c->pcie_bandwidth, c->pcie_latency);
  g_autofree char *socket =
      describe_link(c->socket_bandwidth, c->socket_latency);
  grow(node, g_strdup_printf("PCIe: %s a slot%s", pcie,
                             c->pcie_p2p ? "" : ", no copies from GPU to GPU"));
  if (dsp_topo_cpu_of(c, (guint)c->gpus_per_node - 1) > 0)
    grow(node, g_strdup_printf("between CPUs: %s", socket));
}

static void add_fabric(Tree *root, const DspCluster *c) {
  const gboolean spine = dsp_topo_has_spine(c);
  g_autofree char *link =
      spine ? describe_link(dsp_topo_spine_bandwidth(c), c->spine_latency)
            : NULL;
  if (c->fabric != DSP_FABRIC_NONE)
    grow(root,
         g_strdup_printf("fabric: %s%s%s%s", dsp_fabric_kind_names[c->fabric],
                         c->inter_name ? " of " : "",
                         c->inter_name ? c->inter_name : "",
                         c->gpudirect ? "" : ", copies through host memory"));
  if (spine)
    grow(root->children->pdata[root->children->len - 1],
         g_strdup_printf("leaf of %" G_GINT64_FORMAT " nodes to spine: %s",
                         c->nodes_per_leaf, link));
}

static void tree_text(const DspTopoText *text, const DspStyle *style,
                      GString *out) {
  const DspCluster *c = text->job->cluster;
  Tree *root = grow(NULL, g_strdup_printf("%s: %s", c->name, c->title));
  Tree *node;
  if (c->max_nodes == 1 ||
      (c->fabric == DSP_FABRIC_NONE && c->domain_nodes == 1))
    node = grow(root, g_strdup("node"));
  else if (c->max_nodes > 0)
    node = grow(root, g_strdup_printf("each of %" G_GINT64_FORMAT " nodes",
                                      c->max_nodes));
  else
    node = grow(root, g_strdup("each node"));
  add_nvlink(node, c);
  add_host_links(node, c);
  add_cpus(node, c);
  add_fabric(root, c);
  print_tree(root, "", style, out);
  tree_free(root);
}

/* --- the matrix ---------------------------------------------------------- */

static const DspTopoRow *pair_at(const DspTopoText *text, guint n, guint i,
                                 guint j) {
  return &g_array_index(text->rows, DspTopoRow, i * n + j);
}

static DspTextColumn *number_columns(guint n, char **titles) {
  DspTextColumn *columns = g_new(DspTextColumn, n + 1);
  columns[0] = (DspTextColumn){"GPU", "", FALSE};
  for (guint i = 0; i < n; i++)
    columns[i + 1] = (DspTextColumn){titles[i], "", FALSE};
  return columns;
}

static char **number_titles(guint n) {
  char **titles = g_new0(char *, n + 1);
  for (guint i = 0; i < n; i++)
    titles[i] = g_strdup_printf("%u", i);
  return titles;
}

static void add_rate(DspGrid *grid, const DspTopoRow *pair) {
  const double rate = pair->bandwidth / 1e9;
  if (pair->n_links > 0)
    dsp_grid_cell(grid, "%.*f", rate < 100 ? 1 : 0, rate);
  else
    dsp_grid_cell(grid, "-");
}

static void add_path(DspGrid *grid, const DspTopoRow *pair) {
  const DspPath path =
      dsp_topology_path(pair->job->topology, pair->from, pair->to);
  dsp_grid_cell(grid, "%s",
                path == DSP_PATH_LOCAL ? "-" : dsp_path_names[path]);
}

static void add_matrix(const DspTopoText *text, const DspStyle *style,
                       void (*add)(DspGrid *, const DspTopoRow *),
                       GString *out) {
  const guint n = dsp_topology_gpus(text->job->topology);
  g_auto(GStrv) titles = number_titles(n);
  g_autofree DspTextColumn *columns = number_columns(n, titles);
  g_autoptr(DspGrid) grid = dsp_grid_new(style, columns, n + 1);
  for (guint i = 0; i < n; i++) {
    dsp_grid_cell(grid, "%u", i);
    for (guint j = 0; j < n; j++)
      add(grid, pair_at(text, n, i, j));
  }
  dsp_grid_print(grid, out);
}

static void matrix_text(const DspTopoText *text, const DspStyle *style,
                        GString *out) {
  g_string_append_printf(out, "# %s: GB/s of one message from GPU to GPU\n",
                         text->job->cluster->name);
  add_matrix(text, style, add_rate, out);
  g_string_append(out, "#\n# the worst hop on its way\n");
  add_matrix(text, style, add_path, out);
}

/* --- a route ------------------------------------------------------------- */

static void add_hop(DspGrid *grid, const DspTopoRow *row) {
  const DspScale rate = {1e9, "GB/s", 1}, time = {1e-6, "us", 2};
  dsp_grid_cell(grid, "%s", row->link);
  dsp_grid_cell(grid, "%s", dsp_link_type_names[row->type]);
  dsp_grid_number(grid, &rate, row->bandwidth);
  dsp_grid_number(grid, &time, row->latency);
}

static void route_text(const DspTopoText *text, const DspStyle *style,
                       GString *out) {
  static const DspTextColumn columns[] = {{"link", "", TRUE},
                                          {"type", "", TRUE},
                                          {"bandwidth", "GB/s", FALSE},
                                          {"latency", "us", FALSE}};
  const DspTopoJob *job = text->job;
  const DspPath path = dsp_topology_path(job->topology, job->from, job->to);
  g_autoptr(GArray) all = g_array_new(FALSE, FALSE, sizeof(DspTopoRow));
  add_pair(all, job, job->from, job->to);
  const DspTopoRow *whole = &g_array_index(all, DspTopoRow, 0);
  g_string_append_printf(out, "# %s, GPU %u to GPU %u: path %s",
                         job->cluster->name, job->from, job->to,
                         dsp_path_names[path]);
  if (whole->n_links > 0)
    g_string_append_printf(out, ", %.1f GB/s, %.2f us", whole->bandwidth / 1e9,
                           whole->latency * 1e6);
  g_string_append_c(out, '\n');
  g_autoptr(DspGrid) grid = dsp_grid_new(style, columns, 4);
  for (guint i = 0; i < text->rows->len; i++)
    add_hop(grid, &g_array_index(text->rows, DspTopoRow, i));
  if (text->rows->len > 0)
    dsp_grid_print(grid, out);
}

void dsp_topo_text(const DspReport *report, const DspStyle *style,
                   GString *out) {
  static void (*const texts[])(const DspTopoText *, const DspStyle *,
                               GString *) = {
      [DSP_TOPO_TREE] = tree_text,
      [DSP_TOPO_MATRIX] = matrix_text,
      [DSP_TOPO_ROUTE] = route_text,
  };
  const DspTopoText *text = report->data;
  texts[text->job->view](text, style, out);
}
