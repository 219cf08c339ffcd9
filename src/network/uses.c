/* SPDX-License-Identifier: Apache-2.0 */
#include "network/uses.h"
#include "network/axis.h"
#include <math.h>

DspUses dsp_uses_begin(const DspNcclJob *job) {
  const guint n = dsp_topology_n_links(job->topology);
  return (DspUses){job, n, g_new0(double, n)};
}

void dsp_uses_add(DspUses *uses, guint from, guint to, double weight) {
  uint32_t route[DSP_MAX_ROUTE];
  const guint n = dsp_topology_route(uses->job->topology, from, to, route);
  for (guint i = 0; i < n; i++)
    uses->load[route[i]] += weight;
}

GArray *dsp_uses_end(DspUses *uses) {
  guint n = 0;
  for (guint i = 0; i < uses->n_links; i++)
    n += uses->load[i] > 0;
  GArray *list = g_array_sized_new(FALSE, FALSE, sizeof(DspLinkUse), n);
  for (guint i = 0; i < uses->n_links; i++) {
    const DspLinkUse use = {i, uses->load[i]};
    if (use.weight > 0)
      g_array_append_val(list, use);
  }
  g_free(uses->load);
  return list;
}

double dsp_uses_rate(const DspTopology *topology, const GArray *uses, int type,
                     const DspLink **least) {
  double rate = INFINITY;
  *least = NULL;
  for (guint i = 0; i < uses->len; i++) {
    const DspLinkUse *use = &g_array_index(uses, DspLinkUse, i);
    const DspLink *link = dsp_topology_link(topology, use->link);
    if ((type < 0 || type == (int)link->type) &&
        link->bandwidth / use->weight < rate) {
      rate = link->bandwidth / use->weight;
      *least = link;
    }
  }
  return rate;
}

/* ------------------------------------------------------------------------- */
/* The nodes of a group */

/* Neighbouring members of a group in one node. */
typedef struct {
  const DspNcclJob *job;
  guint group, first, count;
} Run;

static guint rank_at(const Run *run, guint i) {
  return dsp_axis_rank(run->job->axis, run->group, run->first + i % run->count);
}

static guint domain_of(const DspNcclJob *job, guint group, guint member) {
  return dsp_topology_domain(job->topology,
                             dsp_axis_rank(job->axis, group, member));
}

static Run run_from(const DspNcclJob *job, guint group, guint first) {
  const guint domain = domain_of(job, group, first);
  Run run = {job, group, first, 1};
  while (first + run.count < job->ranks &&
         domain_of(job, group, first + run.count) == domain)
    run.count++;
  return run;
}

static gboolean is_last(const Run *run) {
  return run->first + run->count == run->job->ranks;
}

/* Does a ring enter the node at member i: is it the first on its rail? */
static gboolean is_entry(const Run *run, guint i) {
  return i == 0 || dsp_nccl_rail(run->job, rank_at(run, i)) !=
                       dsp_nccl_rail(run->job, rank_at(run, i - 1));
}

static guint n_entries(const Run *run) {
  guint n = 0;
  for (guint i = 0; i < run->count; i++)
    n += is_entry(run, i);
  return n;
}

/* ------------------------------------------------------------------------- */
/* Hops inside a node */

static double mesh_link(const Run *run, guint i, guint j) {
  const DspNcclJob *job = run->job;
  const guint from = dsp_nccl_place(job, rank_at(run, i));
  const guint to = dsp_nccl_place(job, rank_at(run, j));
  return job->cluster->mesh[from * (guint)job->cluster->gpus_per_node + to];
}

/* What a rank sends goes over all its NVLinks to the others. */
static void add_mesh(DspUses *uses, const Run *run, guint i, double weight) {
  double sum = 0;
  for (guint j = i + 1; j < i + run->count; j++)
    sum += mesh_link(run, i, j);
  if (sum <= 0)
    dsp_uses_add(uses, rank_at(run, i), rank_at(run, i + 1), weight);
  for (guint j = i + 1; j < i + run->count && sum > 0; j++)
    if (mesh_link(run, i, j) > 0)
      dsp_uses_add(uses, rank_at(run, i), rank_at(run, j),
                   weight * mesh_link(run, i, j) / sum);
}

/* Member i sends to the next one of the node. */
static void add_hop(DspUses *uses, const Run *run, guint i, double weight) {
  if (weight <= 0 || run->count == 1)
    return;
  if (run->job->cluster->node_kind == DSP_NODE_MESH)
    add_mesh(uses, run, i, weight);
  else
    dsp_uses_add(uses, rank_at(run, i), rank_at(run, i + 1), weight);
}

/* ------------------------------------------------------------------------- */

/* The share of rings that leave the node at member i. */
static double leaving(const Run *run, guint i, gboolean closed) {
  if (run->count == run->job->ranks)
    return !closed && i + 1 == run->count ? 1 : 0;
  return is_entry(run, (i + 1) % run->count) ? 1.0 / n_entries(run) : 0;
}

static void add_ring_node(DspUses *uses, const Run *run, double weight,
                          gboolean closed) {
  for (guint i = 0; i < run->count; i++)
    add_hop(uses, run, i, weight * (1 - leaving(run, i, closed)));
}

/* Each rail's hop from one node to the next, out of the member that is `back`
 * before the one beside the NIC. */
static void add_crossing(DspUses *uses, const Run *from, const Run *to,
                         guint back, double weight) {
  const double share = weight / n_entries(from);
  for (guint i = 0; i < from->count; i++)
    if (is_entry(from, i))
      dsp_uses_add(uses, rank_at(from, i + from->count - back), rank_at(to, i),
                   share);
}

GArray *dsp_uses_ring(const DspNcclJob *job, double weight, gboolean closed) {
  DspUses uses = dsp_uses_begin(job);
  for (guint g = job->first_group; g < job->first_group + job->n_groups; g++) {
    const Run first = run_from(job, g, 0);
    Run run = first;
    add_ring_node(&uses, &run, weight, closed);
    while (!is_last(&run)) {
      const Run next = run_from(job, g, run.first + run.count);
      add_ring_node(&uses, &next, weight, closed);
      add_crossing(&uses, &run, &next, 1, weight);
      run = next;
    }
    if (closed && run.first > 0)
      add_crossing(&uses, &run, &first, 1, weight);
  }
  return dsp_uses_end(&uses);
}

GArray *dsp_uses_tree(const DspNcclJob *job, double intra, double inter) {
  DspUses uses = dsp_uses_begin(job);
  for (guint g = job->first_group; g < job->first_group + job->n_groups; g++) {
    const Run first = run_from(job, g, 0);
    Run run = first;
    for (gboolean last = FALSE; !last;) {
      last = is_last(&run);
      const Run next = last ? first : run_from(job, g, run.first + run.count);
      for (guint i = 0; i < run.count; i++)
        add_hop(&uses, &run, i, intra);
      if (next.first != run.first)
        add_crossing(&uses, &run, &next, 0, inter);
      run = next;
    }
  }
  return dsp_uses_end(&uses);
}

GArray *dsp_uses_next(const DspNcclJob *job) {
  DspUses uses = dsp_uses_begin(job);
  for (guint g = job->first_group; g < job->first_group + job->n_groups; g++)
    for (guint m = 0; m < job->ranks; m++)
      dsp_uses_add(&uses, dsp_axis_rank(job->axis, g, m),
                   dsp_axis_rank(job->axis, g, (m + 1) % job->ranks), 1);
  return dsp_uses_end(&uses);
}

/* ------------------------------------------------------------------------- */
/* All to all */

/* Nodes of a group on one leaf switch (or one set of rail switches). */
static guint unit_of(const Run *run) {
  const DspCluster *c = run->job->cluster;
  const guint node = dsp_topology_node(run->job->topology, rank_at(run, 0));
  return c->fabric == DSP_FABRIC_RAIL || c->fabric == DSP_FABRIC_FAT_TREE
             ? node / (guint)c->nodes_per_leaf
             : 0;
}

/* How many runs share the first one's unit, if all units have as many whole
 * runs and all runs hold the same places of their nodes; else 0. */
static guint regular_unit(const Run *runs, guint n) {
  const DspNcclJob *job = runs->job;
  const DspCluster *c = job->cluster;
  guint size = 1;
  if (c->domain_nodes > 1 && c->nodes_per_leaf % c->domain_nodes != 0)
    return 0;
  while (size < n && unit_of(&runs[size]) == unit_of(&runs[0]))
    size++;
  for (guint i = 0; i < n; i++)
    if (runs[i].count != runs[0].count ||
        dsp_nccl_place(job, rank_at(&runs[i], 0)) !=
            dsp_nccl_place(job, rank_at(&runs[0], 0)) ||
        unit_of(&runs[i]) != unit_of(&runs[i / size * size]))
      return 0;
  return n % size == 0 ? size : 0;
}

/* Every member of a run sends to every other member of `to`. */
static void add_pairs(DspUses *uses, const Run *from, const Run *to,
                      double weight) {
  const guint stride = from->job->axis->stride;
  const guint source = rank_at(from, 0), target = rank_at(to, 0);
  for (guint i = 0; i < from->count; i++)
    for (guint j = 0; j < to->count; j++)
      if (source + i * stride != target + j * stride)
        dsp_uses_add(uses, source + i * stride, target + j * stride, weight);
}

/* The same where GPUs of a node are alike: the member in the same place stands
 * for itself, and the next one for all others. */
static void add_places(DspUses *uses, const Run *from, const Run *to,
                       double weight) {
  for (guint i = 0; i < from->count; i++) {
    if (from != to)
      dsp_uses_add(uses, rank_at(from, i), rank_at(to, i), weight);
    if (from->count > 1)
      dsp_uses_add(uses, rank_at(from, i), rank_at(to, i + 1),
                   weight * (from->count - 1));
  }
}

/* One switch, and between nodes a rail for each GPU that NVLink reaches. */
static gboolean has_like_gpus(const DspNcclJob *job) {
  const DspCluster *c = job->cluster;
  return c->node_kind == DSP_NODE_SWITCH &&
         (job->nodes == 1 || (c->nics >= c->gpus_per_node && c->gpudirect &&
                              c->domain_nodes == 1));
}

/* Where all nodes are alike, the next node of the unit stands for the others
 * there, and the same one of the next unit for all beyond: every link carries
 * the same as if each sent to each. */
static void add_regular(DspUses *uses, const Run *runs, guint n, guint size,
                        double weight) {
  void (*const add)(DspUses *, const Run *, const Run *, double) =
      has_like_gpus(runs->job) ? add_places : add_pairs;
  for (guint i = 0; i < n; i++) {
    const guint unit = i / size * size;
    add(uses, &runs[i], &runs[i], weight);
    if (size > 1)
      add(uses, &runs[i], &runs[unit + (i + 1) % size], weight * (size - 1));
    if (n > size)
      add(uses, &runs[i], &runs[(i + size) % n], weight * (n - size));
  }
}

GArray *dsp_uses_all_to_all(const DspNcclJob *job, double weight) {
  DspUses uses = dsp_uses_begin(job);
  g_autofree Run *runs = g_new(Run, job->ranks);
  for (guint g = job->first_group; g < job->first_group + job->n_groups; g++) {
    guint n = 0;
    for (guint m = 0; m < job->ranks; m += runs[n - 1].count)
      runs[n++] = run_from(job, g, m);
    const guint size = regular_unit(runs, n);
    if (size > 0)
      add_regular(&uses, runs, n, size, weight);
    for (guint i = 0; i < n && size == 0; i++)
      for (guint j = 0; j < n; j++)
        add_pairs(&uses, &runs[i], &runs[j], weight);
  }
  return dsp_uses_end(&uses);
}
