/* SPDX-License-Identifier: Apache-2.0 */
#include "report/cost.h"
#include "report/text.h"
#include <math.h>

/* --- one row ------------------------------------------------------------- */

static const DspLinkUse *busiest_use(const DspCostRow *row, double *time) {
  const DspLinkUse *busiest = NULL;
  *time = 0;
  for (guint i = 0; i < row->price->uses->len; i++) {
    const DspLinkUse *use = &g_array_index(row->price->uses, DspLinkUse, i);
    const double bytes = (double)row->price->bytes * use->weight;
    const double t =
        bytes / dsp_topology_link(row->job->topology, use->link)->bandwidth;
    if (t > *time) {
      *time = t;
      busiest = use;
    }
  }
  return busiest;
}

void dsp_cost_row_complete(DspCostRow *row) {
  const DspLinkUse *use = busiest_use(row, &row->busiest_time);
  row->busiest =
      use ? dsp_topology_link_name(row->job->topology, use->link) : NULL;
}

void dsp_cost_row_clear(DspCostRow *row) {
  dsp_price_free(row->price);
  g_free(row->busiest);
}

static guint nodes_of(const DspCostJob *job) {
  guint nodes = 0, last = G_MAXUINT;
  for (guint m = 0; m < job->axis.size; m++) {
    const guint node = dsp_topology_node(job->topology, m * job->axis.stride);
    nodes += node != last;
    last = node;
  }
  return nodes;
}

static guint groups_of(const DspCostJob *job) {
  return job->alone ? 1 : job->axis.world / job->axis.size;
}

static gboolean spans_domains(const DspCostJob *job) {
  const guint last = (job->axis.size - 1) * job->axis.stride;
  return dsp_topology_domain(job->topology, last) != 0;
}

/* What a collective costs before its first byte and step. */
static double launch_of(const DspCostRow *row) {
  const DspCluster *c = row->job->cluster;
  const gboolean p2p = row->job->collective == DSP_ALL_TO_ALL ||
                       row->job->collective == DSP_SENDRECV;
  const double intra = p2p ? c->intra.p2p_launch : c->intra.launch;
  const double inter = p2p ? c->inter.p2p_launch : c->inter.launch;
  return intra + (spans_domains(row->job) ? inter : 0);
}

static double algbw(const DspCostRow *row) {
  return (double)row->price->bytes / row->price->time;
}

static double busbw(const DspCostRow *row) {
  return algbw(row) *
         dsp_collective_busbw_factor(row->job->collective, row->job->axis.size);
}

static double steps_of(const DspCostRow *row) {
  return row->price->latency - launch_of(row);
}

static double transfer_of(const DspCostRow *row) {
  return row->price->time - row->price->latency;
}

/* --- as keys ------------------------------------------------------------- */

enum {
  COLLECTIVE,
  BYTES,
  COUNT,
  DATATYPE,
  RANKS,
  NODES,
  TIME,
  ALGBW,
  BUSBW,
  ALGORITHM,
  PROTOCOL,
  CHANNELS,
  BOUND_BY,
  LAUNCH,
  STEPS,
  TRANSFER,
  LINK_TIME,
  LINK,
  MESSAGES,
};

static DspValue get(gconstpointer data, guint index) {
  const DspCostRow *row = data;
  const DspCostJob *job = row->job;
  const DspPrice *price = row->price;
  const DspValue values[] = {
      [COLLECTIVE] = dsp_string(dsp_collective_names[job->collective]),
      [BYTES] = dsp_integer(price->bytes),
      [COUNT] = dsp_integer(row->count),
      [DATATYPE] = dsp_string(job->type),
      [RANKS] = dsp_integer(job->axis.size),
      [NODES] = dsp_integer(nodes_of(job)),
      [TIME] = dsp_number(price->time * 1e6),
      [ALGBW] = dsp_number(algbw(row) / 1e9),
      [BUSBW] = dsp_number(busbw(row) / 1e9),
      [ALGORITHM] = dsp_string(price->algorithm),
      [PROTOCOL] = dsp_string(dsp_protocol_names[price->protocol]),
      [CHANNELS] = dsp_integer(price->channels),
      [BOUND_BY] = dsp_string(price->bound_by),
      [LAUNCH] = dsp_number(launch_of(row) * 1e6),
      [STEPS] = dsp_number(steps_of(row) * 1e6),
      [TRANSFER] = dsp_number(transfer_of(row) * 1e6),
      [LINK_TIME] = dsp_number(row->busiest_time * 1e6),
      [LINK] = dsp_string(row->busiest),
      [MESSAGES] = dsp_number(row->message_time * 1e6),
  };
  return values[index];
}

static const DspColumn columns[] = {
    {NULL, "collective", get, COLLECTIVE}, {NULL, "bytes", get, BYTES},
    {NULL, "count", get, COUNT},           {NULL, "datatype", get, DATATYPE},
    {NULL, "ranks", get, RANKS},           {NULL, "nodes", get, NODES},
    {NULL, "time_us", get, TIME},          {NULL, "algbw_GBps", get, ALGBW},
    {NULL, "busbw_GBps", get, BUSBW},      {NULL, "algorithm", get, ALGORITHM},
    {NULL, "protocol", get, PROTOCOL},     {NULL, "channels", get, CHANNELS},
    {NULL, "bound_by", get, BOUND_BY},     {NULL, "launch_us", get, LAUNCH},
    {NULL, "steps_us", get, STEPS},        {NULL, "transfer_us", get, TRANSFER},
    {NULL, "link_us", get, LINK_TIME},     {NULL, "link", get, LINK},
    {NULL, "messages_us", get, MESSAGES},  {NULL}};

DspTable *dsp_cost_table(void) {
  return dsp_table_new(columns);
}

enum {
  CLUSTER,
  SHA256,
  GPU,
  NCCL_VERSION,
  WORLD,
  GROUP_SIZE,
  STRIDE,
  GROUPS,
  FORCED_ALGORITHM,
  FORCED_PROTOCOL,
  FORCED_CHANNELS,
};

static DspValue get_input(gconstpointer data, guint index) {
  const DspCostJob *job = data;
  const DspNcclOptions *f = &job->forced;
  const DspValue values[] = {
      [CLUSTER] = dsp_string(job->cluster->name),
      [SHA256] = dsp_string(job->cluster->sha256),
      [GPU] = dsp_string(job->cluster->gpu->name),
      [NCCL_VERSION] = dsp_integer(job->cluster->nccl_version),
      [WORLD] = dsp_integer(job->axis.world),
      [GROUP_SIZE] = dsp_integer(job->axis.size),
      [STRIDE] = dsp_integer(job->axis.stride),
      [GROUPS] = dsp_integer(groups_of(job)),
      [FORCED_ALGORITHM] = dsp_string(f->algorithm),
      [FORCED_PROTOCOL] =
          dsp_string(f->protocol < 0 ? NULL : dsp_protocol_names[f->protocol]),
      [FORCED_CHANNELS] =
          f->channels > 0 ? dsp_integer(f->channels) : dsp_null(),
  };
  return values[index];
}

static const DspColumn input_columns[] = {
    {NULL, "cluster", get_input, CLUSTER},
    {NULL, "cluster_sha256", get_input, SHA256},
    {NULL, "gpu", get_input, GPU},
    {NULL, "nccl_version", get_input, NCCL_VERSION},
    {NULL, "gpus", get_input, WORLD},
    {NULL, "ranks", get_input, GROUP_SIZE},
    {NULL, "stride", get_input, STRIDE},
    {NULL, "groups", get_input, GROUPS},
    {NULL, "algorithm", get_input, FORCED_ALGORITHM},
    {NULL, "protocol", get_input, FORCED_PROTOCOL},
    {NULL, "channels", get_input, FORCED_CHANNELS},
    {NULL}};

DspTable *dsp_cost_inputs(const DspCostJob *job) {
  DspTable *table = dsp_table_new(input_columns);
  dsp_table_add_row(table, job);
  return table;
}

/* --- as text ------------------------------------------------------------- */

static const DspCostRow *row_at(const GArray *rows, guint i) {
  return &g_array_index(rows, DspCostRow, i);
}

/* Fewer decimals where there are more digits, as nccl-tests has them. */
static void add_time(DspGrid *grid, double seconds) {
  const double us = seconds * 1e6;
  if (isfinite(us))
    dsp_grid_cell(grid, "%.*f", us < 1e4 ? 2 : us < 1e5 ? 1 : 0, us);
  else
    dsp_grid_cell(grid, "-");
}

static void add_job(const DspCostJob *job, GString *out) {
  const guint nodes = nodes_of(job), groups = groups_of(job);
  g_autofree char *version =
      dsp_format_nccl_version(job->cluster->nccl_version);
  g_string_append_printf(out,
                         "# %s on %s (%s), NCCL %s\n"
                         "# %u ranks on %u node%s",
                         dsp_collective_names[job->collective],
                         job->cluster->name, job->cluster->gpu->name, version,
                         job->axis.size, nodes, nodes > 1 ? "s" : "");
  if (job->axis.stride > 1)
    g_string_append_printf(out, ", %u GPUs apart", job->axis.stride);
  if (groups > 1)
    g_string_append_printf(out, ", %u such groups at the same time", groups);
  g_string_append(out, "\n#\n");
}

static gboolean reduces(DspCollective collective) {
  return collective == DSP_ALL_REDUCE || collective == DSP_REDUCE_SCATTER ||
         collective == DSP_REDUCE;
}

static gboolean has_root(DspCollective collective) {
  return collective == DSP_BROADCAST || collective == DSP_REDUCE;
}

static void add_result(DspGrid *grid, const DspCostRow *row) {
  const DspCostJob *job = row->job;
  const DspScale rate = {1e9, "GB/s", 2};
  dsp_grid_cell(grid, "%" G_GINT64_FORMAT, row->price->bytes);
  dsp_grid_cell(grid, "%" G_GINT64_FORMAT, row->count);
  dsp_grid_cell(grid, "%s", job->type);
  dsp_grid_cell(grid, "%s", reduces(job->collective) ? "sum" : "none");
  dsp_grid_cell(grid, "%d", has_root(job->collective) ? 0 : -1);
  add_time(grid, row->price->time);
  dsp_grid_number(grid, &rate, algbw(row));
  dsp_grid_number(grid, &rate, busbw(row));
  dsp_grid_cell(grid, "%s", row->price->algorithm);
  dsp_grid_cell(grid, "%s", dsp_protocol_names[row->price->protocol]);
  dsp_grid_cell(grid, "%" G_GINT64_FORMAT, row->price->channels);
  if (job->messages)
    add_time(grid, row->message_time);
}

static void add_results(const GArray *rows, const DspStyle *style,
                        GString *out) {
  static const DspTextColumn titles[] = {
      {"size", "B", FALSE},     {"count", "elements", FALSE},
      {"type", "", FALSE},      {"redop", "", FALSE},
      {"root", "", FALSE},      {"time", "us", FALSE},
      {"algbw", "GB/s", FALSE}, {"busbw", "GB/s", FALSE},
      {"algo", "", TRUE},       {"proto", "", TRUE},
      {"ch", "", FALSE},        {"messages", "us", FALSE},
  };
  const gboolean messages = row_at(rows, 0)->job->messages;
  g_autoptr(DspGrid) grid =
      dsp_grid_new(style, titles, G_N_ELEMENTS(titles) - !messages);
  for (guint i = 0; i < rows->len; i++)
    add_result(grid, row_at(rows, i));
  dsp_grid_print(grid, out);
}

static void add_average(const GArray *rows, GString *out) {
  double sum = 0;
  for (guint i = 0; i < rows->len; i++)
    sum += busbw(row_at(rows, i));
  g_string_append_printf(out, "# Avg bus bandwidth    : %.4f\n#\n",
                         sum / rows->len / 1e9);
}

static void add_parts(DspGrid *grid, const DspCostRow *row) {
  dsp_grid_cell(grid, "%" G_GINT64_FORMAT, row->price->bytes);
  add_time(grid, row->price->time);
  dsp_grid_cell(grid, "%s", row->price->bound_by);
  add_time(grid, launch_of(row));
  add_time(grid, steps_of(row));
  add_time(grid, transfer_of(row));
  add_time(grid, row->busiest_time);
  dsp_grid_cell(grid, "%.1f", 100 * row->busiest_time / row->price->time);
  dsp_grid_cell(grid, "%s", row->busiest);
}

static void add_explanation(const GArray *rows, const DspStyle *style,
                            GString *out) {
  static const DspTextColumn titles[] = {
      {"size", "B", FALSE},      {"time", "us", FALSE},
      {"bound by", "", TRUE},    {"launch", "us", FALSE},
      {"steps", "us", FALSE},    {"transfer", "us", FALSE},
      {"on link", "us", FALSE},  {"busy", "%", FALSE},
      {"busiest link", "", TRUE}};
  g_autoptr(DspGrid) grid = dsp_grid_new(style, titles, G_N_ELEMENTS(titles));
  g_string_append(out, "# time = launch + steps + transfer; on link: what of "
                       "it the busiest link needs\n");
  for (guint i = 0; i < rows->len; i++)
    add_parts(grid, row_at(rows, i));
  dsp_grid_print(grid, out);
}

void dsp_cost_text(const DspReport *report, const DspStyle *style,
                   GString *out) {
  const GArray *rows = report->data;
  add_job(row_at(rows, 0)->job, out);
  add_results(rows, style, out);
  add_average(rows, out);
  if (row_at(rows, 0)->job->explain)
    add_explanation(rows, style, out);
}
