/* SPDX-License-Identifier: Apache-2.0 */
/* Which constants there are, and giving them values. */
#include "measurement/calibrate-private.h"
#include <math.h>
#include <string.h>

typedef struct {
  const char *key;
  DspQuantity quantity;
  gsize offset;
} Row;

#define ROW(key, quantity, type, member)                                       \
  { key, DSP_QUANTITY_##quantity, G_STRUCT_OFFSET(type, member) }

#define OF(key, quantity) ROW(#key, quantity, DspTransport, key)
static const Row network_rows[] = {
    OF(bandwidth, RATE),        OF(channel_rate, RATE),
    OF(p2p_channel_rate, RATE), OF(all_to_all_rate, RATE),
    OF(launch, TIME),           OF(p2p_launch, TIME),
    OF(p2p_peer, TIME),         OF(step_ll, TIME),
    OF(step_ll128, TIME),       OF(step_simple, TIME),
    OF(tree_ll, TIME),          OF(tree_ll128, TIME),
    OF(tree_simple, TIME),      OF(nvls_efficiency, SHARE),
    OF(step_nvls, TIME),
};
#undef OF

#define OF(key, quantity) ROW(#key, quantity, DspGemmConstants, key)
static const Row gemm_rows[] = {
    OF(t0, TIME),
    OF(e_max, SHARE),
    OF(b_dram, SHARE),
    OF(k0, NUMBER),
    OF(l2x, NUMBER),
    OF(b_red, NUMBER),
    OF(q, SHARE),
    OF(p, FACTOR),
    OF(burst_d, NUMBER),
    OF(burst_width, NUMBER),
    OF(burst_flop_time, TIME),
    OF(sustained, FACTOR),
};
#undef OF

#define OF(key, quantity) ROW(#key, quantity, DspAttentionConstants, key)
#define PASS(name, i)                                                          \
  ROW(name "_tensor", SHARE, DspAttentionConstants, pass[i].tensor),           \
      ROW(name "_exp", NUMBER, DspAttentionConstants, pass[i].exp),            \
      ROW(name "_start_narrow", TIME, DspAttentionConstants,                   \
          pass[i].start[0]),                                                   \
      ROW(name "_start_wide", TIME, DspAttentionConstants, pass[i].start[1]),  \
      ROW(name "_p", FACTOR, DspAttentionConstants, pass[i].p)
static const Row attention_rows[] = {
    OF(t0, TIME),
    OF(b, SHARE),
    OF(q, SHARE),
    OF(ragged_math, FACTOR),
    OF(ragged_memory, FACTOR),
    OF(tail, SHARE),
    OF(l2_gain, FACTOR),
    OF(sides, SHARE),
    OF(sustained, FACTOR),
    PASS("forward", 0),
    PASS("backward", 1),
};
#undef PASS
#undef OF

#define OF(key, quantity) ROW(#key, quantity, DspMemoryConstants, key)
static const Row memory_rows[] = {OF(t0, TIME), OF(fused, SHARE),
                                  OF(eager, SHARE), OF(l2_gain, FACTOR)};
#undef OF

#define OF(key, quantity) ROW(#key, quantity, DspLaunchCosts, key)
static const Row launch_rows[] = {
    OF(eager_forward, TIME), OF(eager_backward, TIME), OF(operation, TIME),
    OF(compiled, TIME),      OF(graph, TIME),          OF(collective, TIME)};
#undef OF

/* Links of a host; each is the bandwidth of a section. */
static const Row link_rows[] = {
    ROW("pcie", RATE, DspCluster, pcie_bandwidth),
    ROW("cpu", RATE, DspCluster, cpu_bandwidth),
    ROW("socket", RATE, DspCluster, socket_bandwidth),
};

gboolean dsp_is_bandwidth(const DspFreeConstant *f) {
  return f->holder <= DSP_HOLDER_INTER &&
         f->offset == G_STRUCT_OFFSET(DspTransport, bandwidth);
}

/* --- quantities ---------------------------------------------------------- */

double dsp_quantity_to_free(DspQuantity quantity, double value) {
  switch (quantity) {
  case DSP_QUANTITY_SHARE:
    return log(value / (1 - value));
  case DSP_QUANTITY_FACTOR:
    return log(value - 1);
  default:
    return log(value);
  }
}

double dsp_quantity_of_free(DspQuantity quantity, double free) {
  switch (quantity) {
  case DSP_QUANTITY_SHARE:
    return 1 / (1 + exp(-free));
  case DSP_QUANTITY_FACTOR:
    return 1 + exp(free);
  default:
    return exp(free);
  }
}

double dsp_quantity_error(DspQuantity quantity, double value, double error) {
  switch (quantity) {
  case DSP_QUANTITY_SHARE:
    return error * (1 - value);
  case DSP_QUANTITY_FACTOR:
    return error * (value - 1) / value;
  default:
    return error;
  }
}

/* Why a constant of this value cannot move, or NULL. */
static const char *stuck(DspQuantity quantity, double value) {
  if (value <= 0)
    return "the profile has none of it";
  return (quantity == DSP_QUANTITY_SHARE && value >= 1) ||
                 (quantity == DSP_QUANTITY_FACTOR && value <= 1)
             ? "it is at its limit"
             : NULL;
}

/* --- the list ------------------------------------------------------------ */

/* What constants of one table have in common. */
typedef struct {
  const char *file;
  DspMeasuredKind kind;
  DspHolder holder;
  gsize offset; /* of the record in its holder */
  const char *section, *part;
} Place;

static char *key_of(const Place *p, const char *key) {
  return g_strdup_printf("%s%s%s%s%s", p->section ? p->section : "",
                         p->section ? "." : "", p->part ? p->part : "",
                         p->part ? "." : "", key);
}

static void add(DspCalibration *c, const Place *p, const Row *row,
                double value) {
  const DspFreeConstant free = {p->holder, p->offset + row->offset, p->section,
                                p->part, row->key};
  const DspCalibratedConstant constant = {
      .file = p->file,
      .key = key_of(p, row->key),
      .kind = p->kind,
      .quantity = row->quantity,
      .before = value,
      .after = value,
      .error = NAN,
      .kept = g_strdup(stuck(row->quantity, value))};
  g_array_append_val(c->free, free);
  g_array_append_val(c->constants, constant);
}

static double *held(DspCluster *cluster, const DspFreeConstant *f) {
  gpointer const holders[] = {[DSP_HOLDER_INTRA] = &cluster->intra,
                              [DSP_HOLDER_INTER] = &cluster->inter,
                              [DSP_HOLDER_CLUSTER] = cluster,
                              [DSP_HOLDER_GPU] = cluster->gpu};
  return G_STRUCT_MEMBER_P(holders[f->holder], f->offset);
}

static void add_rows(DspCalibration *c, const Place *p, const Row *rows,
                     guint n) {
  for (guint i = 0; i < n; i++) {
    const DspFreeConstant f = {p->holder, p->offset + rows[i].offset, NULL,
                               NULL, NULL};
    add(c, p, &rows[i], *held(c->cluster, &f));
  }
}
#define ADD_ROWS(c, p, rows) add_rows(c, p, rows, G_N_ELEMENTS(rows))

/* What the profile makes of a network's bandwidth, where it is a profile's. */
static double bandwidth_of(const DspCluster *c, gboolean inter) {
  if (inter)
    return c->nic_bandwidth;
  if (c->node_kind == DSP_NODE_MESH)
    return c->intra.bandwidth;
  return c->node_kind == DSP_NODE_SWITCH && c->gpu->links > 0
             ? c->nvlink_bandwidth / (double)c->gpu->links
             : 0;
}

static void add_network(DspCalibration *c, const char *name, DspHolder holder) {
  const Place place = {
      .file = name, .kind = DSP_MEASURED_COLLECTIVE, .holder = holder};
  const Row *bandwidth = &network_rows[0];
  add(c, &place, bandwidth, bandwidth_of(c->cluster, holder));
  add_rows(c, &place, network_rows + 1, G_N_ELEMENTS(network_rows) - 1);
}

/* Links that are there only where GPUs or NICs are below CPUs. */
static void add_links(DspCalibration *c) {
  for (guint i = 0; i < G_N_ELEMENTS(link_rows); i++) {
    const Row row = {"bandwidth", link_rows[i].quantity, link_rows[i].offset};
    const Place place = {.file = c->cluster->name,
                         .kind = DSP_MEASURED_COLLECTIVE,
                         .holder = DSP_HOLDER_CLUSTER,
                         .section = link_rows[i].key};
    add_rows(c, &place, &row, 1);
  }
}

static void add_launches(DspCalibration *c) {
  const Place place = {.file = c->cluster->name,
                       .kind = DSP_MEASURED_STEP,
                       .holder = DSP_HOLDER_CLUSTER,
                       .offset = G_STRUCT_OFFSET(DspCluster, launch),
                       .section = "launch"};
  ADD_ROWS(c, &place, launch_rows);
}

static void add_kernels(DspCalibration *c) {
  const DspGpu *gpu = c->cluster->gpu;
  Place place = {.file = gpu->name,
                 .kind = DSP_MEASURED_GEMM,
                 .holder = DSP_HOLDER_GPU,
                 .offset = G_STRUCT_OFFSET(DspGpu, gemm),
                 .section = "gemm"};
  ADD_ROWS(c, &place, gemm_rows);
  place.kind = DSP_MEASURED_ATTENTION;
  place.section = "attention";
  for (guint i = 0; i < DSP_KERNEL_NATIVE; i++) {
    place.offset =
        G_STRUCT_OFFSET(DspGpu, attention) + i * sizeof(DspAttentionConstants);
    place.part = dsp_attention_kernel_names[i];
    if (gpu->attention[i].present)
      ADD_ROWS(c, &place, attention_rows);
  }
  place.kind = DSP_MEASURED_MEMORY;
  place.section = "memory_kernels";
  for (guint i = 0; i < DSP_N_MEMORY_OPS; i++) {
    place.offset =
        G_STRUCT_OFFSET(DspGpu, memory) + i * sizeof(DspMemoryConstants);
    place.part = dsp_memory_op_names[i];
    ADD_ROWS(c, &place, memory_rows);
  }
}

void dsp_calibration_list(DspCalibration *c) {
  const DspCluster *cluster = c->cluster;
  add_network(c, cluster->intra_name, DSP_HOLDER_INTRA);
  if (cluster->inter_name &&
      g_strcmp0(cluster->inter_name, cluster->intra_name) != 0)
    add_network(c, cluster->inter_name, DSP_HOLDER_INTER);
  add_links(c);
  add_kernels(c);
  add_launches(c);
}

/* --- trying values ------------------------------------------------------- */

/* Whether the constant is the network's of this name. */
static gboolean is_of(const DspCalibration *c, guint k, const char *network) {
  return dsp_free_constant(c, k)->holder <= DSP_HOLDER_INTER &&
         dsp_calibrated(c, k)->before > 0 &&
         g_strcmp0(dsp_calibrated(c, k)->file, network) == 0;
}

static void set_transport(const DspCalibration *c, const char *network,
                          DspTransport *transport, const double *values) {
  for (guint k = 0; k < c->constants->len; k++) {
    const DspFreeConstant *f = dsp_free_constant(c, k);
    if (is_of(c, k, network) && !dsp_is_bandwidth(f))
      G_STRUCT_MEMBER(double, transport, f->offset) = values[k];
  }
}

/* The value of the network's bandwidth, or `otherwise`. */
static double get_bandwidth(const DspCalibration *c, const char *network,
                            const double *values, double otherwise) {
  for (guint k = 0; network && k < c->constants->len; k++)
    if (is_of(c, k, network) && dsp_is_bandwidth(dsp_free_constant(c, k)))
      return values[k];
  return otherwise;
}

static double nvlink_of(const DspCluster *c, double link) {
  return link * (double)c->gpu->links;
}

static gboolean set_nvlinks(const DspCalibration *c, DspSite *s,
                            const double *values) {
  DspCluster *d = s->cluster;
  const double link =
      get_bandwidth(c, d->intra_name, values, s->intra.bandwidth);
  const guint n = (guint)d->gpus_per_node;
  gboolean changed = FALSE;
  for (guint i = 0; s->mesh && i < n * n; i++) {
    const double rate = s->mesh[i] * link / s->intra.bandwidth;
    changed |= d->mesh[i] != rate;
    d->mesh[i] = rate;
  }
  if (d->node_kind != DSP_NODE_SWITCH || s->own_nvlink ||
      d->nvlink_bandwidth == nvlink_of(d, link) || d->gpu->links == 0)
    return changed;
  d->nvlink_bandwidth = nvlink_of(d, link);
  return TRUE;
}

static gboolean set_nics(const DspCalibration *c, DspSite *s,
                         const double *values) {
  DspCluster *d = s->cluster;
  const double nic =
      s->own_nic ? s->nic_bandwidth
                 : get_bandwidth(c, d->inter_name, values, s->nic_bandwidth);
  const gboolean changed = d->nic_bandwidth != nic;
  d->nic_bandwidth = nic;
  return changed;
}

/* Links and launches of the cluster that is calibrated. */
static gboolean set_own(const DspCalibration *c, const DspSite *s,
                        const double *values) {
  gboolean changed = FALSE;
  for (guint k = 0; s->own && k < c->constants->len; k++) {
    const DspFreeConstant *f = dsp_free_constant(c, k);
    if (f->holder != DSP_HOLDER_CLUSTER || dsp_calibrated(c, k)->before <= 0)
      continue;
    double *value = held(s->cluster, f);
    changed |= *value != values[k] &&
               dsp_calibrated(c, k)->kind == DSP_MEASURED_COLLECTIVE;
    *value = values[k];
  }
  return changed;
}

/* Topologies hold the bandwidth of links: new ones where it changed. NCCL's
 * choices go by what the network's file says, which stays. */
static void renew(DspCalibration *c, const DspSite *site) {
  for (guint i = 0; i < c->stands->len; i++) {
    DspStand *stand = c->stands->pdata[i];
    if (stand->site != site)
      continue;
    dsp_topology_free(stand->topology);
    stand->topology = dsp_topology_new_partial(site->cluster, stand->nodes,
                                               stand->gpus_per_node, NULL);
  }
}

static void set_site(DspCalibration *c, DspSite *site, const double *values) {
  set_transport(c, site->cluster->intra_name, &site->cluster->intra, values);
  set_transport(c, site->cluster->inter_name, &site->cluster->inter, values);
  const gboolean nvlinks = set_nvlinks(c, site, values);
  const gboolean nics = set_nics(c, site, values);
  if (set_own(c, site, values) || nvlinks || nics)
    renew(c, site);
}

static void set_gpus(const DspCalibration *c, const double *values) {
  for (guint k = 0; k < c->constants->len; k++)
    if (dsp_free_constant(c, k)->holder == DSP_HOLDER_GPU)
      for (guint i = 0; i < c->gpus->len; i++)
        G_STRUCT_MEMBER(double, c->gpus->pdata[i],
                        dsp_free_constant(c, k)->offset) = values[k];
}

void dsp_calibration_set(DspCalibration *c, const double *values) {
  for (guint i = 0; i < c->sites->len; i++)
    set_site(c, c->sites->pdata[i], values);
  set_gpus(c, values);
}
