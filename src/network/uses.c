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

GArray *dsp_uses_all_to_all(const DspNcclJob *job, double weight) {
  DspUses uses = dsp_uses_begin(job);
  for (guint g = job->first_group; g < job->first_group + job->n_groups; g++)
    for (guint m = 0; m < job->ranks; m++)
      for (guint d = 1; d < job->ranks; d++) {
        const guint rank = dsp_axis_rank(job->axis, g, m);
        dsp_uses_add(&uses, rank, dsp_axis_after(job->axis, rank, d), weight);
      }
  return dsp_uses_end(&uses);
}
