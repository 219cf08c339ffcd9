/* SPDX-License-Identifier: Apache-2.0 */
/* What is calibrated: points, and the clusters and constants behind them. */
#include "base/error.h"
#include "measurement/calibrate-private.h"
#include "measurement/predict-point.h"
#include "network/collective.h"
#include "schedule/rules.h"
#include <math.h>
#include <string.h>

#define FREE(key, quantity)                                                    \
  { #key, DSP_QUANTITY_##quantity, G_STRUCT_OFFSET(DspTransport, key) }

const DspFreeConstant dsp_free_constants[] = {
    FREE(bandwidth, RATE),        FREE(channel_rate, RATE),
    FREE(p2p_channel_rate, RATE), FREE(all_to_all_rate, RATE),
    FREE(launch, TIME),           FREE(p2p_launch, TIME),
    FREE(p2p_peer, TIME),         FREE(step_ll, TIME),
    FREE(step_ll128, TIME),       FREE(step_simple, TIME),
    FREE(tree_ll, TIME),          FREE(tree_ll128, TIME),
    FREE(tree_simple, TIME),      FREE(nvls_efficiency, SHARE),
    FREE(step_nvls, TIME),
};
#undef FREE
const guint dsp_n_free_constants = G_N_ELEMENTS(dsp_free_constants);

gboolean dsp_is_bandwidth(const DspFreeConstant *constant) {
  return constant->offset == G_STRUCT_OFFSET(DspTransport, bandwidth);
}

double dsp_quantity_to_free(DspQuantity quantity, double value) {
  return quantity == DSP_QUANTITY_SHARE ? log(value / (1 - value)) : log(value);
}

double dsp_quantity_of_free(DspQuantity quantity, double free) {
  return quantity == DSP_QUANTITY_SHARE ? 1 / (1 + exp(-free)) : exp(free);
}

/* --- sites --------------------------------------------------------------- */

static double nvlink_of(const DspCluster *c, double link) {
  return link * (double)c->gpu->links;
}

static DspSite *site_new(DspCluster *cluster, gboolean own) {
  DspSite *site = g_new0(DspSite, 1);
  const guint n = (guint)cluster->gpus_per_node;
  site->cluster = cluster;
  site->intra = cluster->intra;
  site->inter = cluster->inter;
  site->nvlink_bandwidth = cluster->nvlink_bandwidth;
  site->nic_bandwidth = cluster->nic_bandwidth;
  if (cluster->mesh)
    site->mesh =
        g_memdup2(cluster->mesh, sizeof(*cluster->mesh) * (gsize)n * n);
  site->own_nvlink = !own && fabs(nvlink_of(cluster, site->intra.bandwidth) /
                                      site->nvlink_bandwidth -
                                  1) > 1e-9;
  site->own_nic = !own && site->inter.bandwidth != site->nic_bandwidth;
  return site;
}

static void site_free(gpointer data) {
  DspSite *site = data;
  dsp_cluster_free(site->cluster);
  g_free(site->mesh);
  g_free(site);
}

static void stand_free(gpointer data) {
  DspStand *stand = data;
  dsp_topology_free(stand->topology);
  g_free(stand);
}

/* --- constants ----------------------------------------------------------- */

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

static void add_constants(DspCalibration *c, const char *network,
                          gboolean inter) {
  const DspTransport *t = inter ? &c->cluster->inter : &c->cluster->intra;
  for (guint i = 0; i < dsp_n_free_constants; i++) {
    const DspFreeConstant *f = &dsp_free_constants[i];
    const double value = dsp_is_bandwidth(f)
                             ? bandwidth_of(c->cluster, inter)
                             : G_STRUCT_MEMBER(double, t, f->offset);
    const DspCalibratedConstant constant = {
        .network = network,
        .key = f->key,
        .quantity = f->quantity,
        .before = value,
        .after = value,
        .error = NAN,
        .kept = value > 0 ? NULL : g_strdup("the profile has none of it")};
    if (f->quantity == DSP_QUANTITY_SHARE && value >= 1)
      continue;
    g_array_append_val(c->constants, constant);
    g_array_append_val(c->free, i);
  }
}

/* --- trying values ------------------------------------------------------- */

static void set_transport(const DspCalibration *c, const char *network,
                          DspTransport *transport, const double *values) {
  for (guint k = 0; k < c->constants->len; k++) {
    const DspFreeConstant *f =
        &dsp_free_constants[g_array_index(c->free, guint, k)];
    if (dsp_calibrated(c, k)->before > 0 && !dsp_is_bandwidth(f) &&
        g_strcmp0(dsp_calibrated(c, k)->network, network) == 0)
      G_STRUCT_MEMBER(double, transport, f->offset) = values[k];
  }
}

/* The value of the network's bandwidth, or `otherwise`. */
static double get_bandwidth(const DspCalibration *c, const char *network,
                            const double *values, double otherwise) {
  for (guint k = 0; network && k < c->constants->len; k++)
    if (dsp_is_bandwidth(
            &dsp_free_constants[g_array_index(c->free, guint, k)]) &&
        dsp_calibrated(c, k)->before > 0 &&
        strcmp(dsp_calibrated(c, k)->network, network) == 0)
      return values[k];
  return otherwise;
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

void dsp_calibration_set(DspCalibration *c, const double *values) {
  for (guint i = 0; i < c->sites->len; i++) {
    DspSite *site = c->sites->pdata[i];
    set_transport(c, site->cluster->intra_name, &site->cluster->intra, values);
    set_transport(c, site->cluster->inter_name, &site->cluster->inter, values);
    const gboolean nvlinks = set_nvlinks(c, site, values);
    if (set_nics(c, site, values) || nvlinks)
      renew(c, site);
  }
}

double dsp_sample_time(const DspSample *sample) {
  const DspCollectivePoint *p = &sample->point->collective;
  const guint ranks = (guint)(p->nodes * p->gpus_per_node);
  const DspAxis all = {ranks, ranks, 1};
  g_autoptr(DspPrice) price =
      dsp_price_new(sample->stand->topology, &all, -1,
                    (DspCollective)p->collective, p->bytes, NULL);
  return dsp_collective_point_time(p, price);
}

/* --- points -------------------------------------------------------------- */

static gboolean is_excluded(const DspCalibrateJob *job, const DspPoint *point) {
  for (guint i = 0; job->excluded && i < job->excluded->len; i++)
    if (g_strcmp0(point->group, job->excluded->pdata[i]) == 0)
      return TRUE;
  return FALSE;
}

char *dsp_calibrate_name(const char *cluster) {
  char *name = g_path_get_basename(cluster);
  if (g_str_has_suffix(name, ".json"))
    name[strlen(name) - strlen(".json")] = '\0';
  return name;
}

static gboolean is_own(const DspCalibrateJob *job, const DspPoint *point) {
  g_autofree char *name = dsp_calibrate_name(job->cluster);
  return strcmp(point->collective.cluster, name) == 0;
}

static gboolean shares_network(const DspCalibration *c, const DspCluster *d) {
  const char *const ours[] = {c->cluster->intra_name, c->cluster->inter_name};
  const char *const theirs[] = {d->intra_name, d->inter_name};
  for (guint i = 0; i < G_N_ELEMENTS(ours); i++)
    for (guint j = 0; j < G_N_ELEMENTS(theirs); j++)
      if (ours[i] && g_strcmp0(ours[i], theirs[j]) == 0)
        return TRUE;
  return FALSE;
}

/* What has been looked up, by name. */
typedef struct {
  DspCalibration *c;
  const DspCalibrateJob *job;
  GHashTable *sites;  /* "cluster version" -> DspSite, or NULL: of no use */
  GHashTable *stands; /* "cluster version nodes gpus" -> DspStand, or NULL */
} Gather;

/* The cluster as its version of NCCL has it, or NULL where the point is of no
 * use: not installed, or with networks of its own. */
static DspSite *find_site(Gather *g, const DspPoint *point, GError **error) {
  const DspCollectivePoint *p = &point->collective;
  const gboolean own = is_own(g->job, point);
  gpointer found;
  g_autofree char *key = g_strdup_printf(
      "%s %" G_GINT64_FORMAT, own ? g->job->cluster : p->cluster, p->version);
  if (g_hash_table_lookup_extended(g->sites, key, NULL, &found))
    return found;
  g_autoptr(GError) cause = NULL;
  g_autoptr(DspCluster) cluster =
      dsp_cluster_load(own ? g->job->cluster : p->cluster, &cause);
  DspSite *site = NULL;
  if (!cluster && !g_error_matches(cause, DSP_ERROR, DSP_ERROR_USAGE)) {
    g_propagate_error(error, g_steal_pointer(&cause));
    return NULL;
  }
  if (cluster && (own || shares_network(g->c, cluster))) {
    if (p->version)
      cluster->nccl_version = p->version;
    site = site_new(g_steal_pointer(&cluster), own);
    g_ptr_array_add(g->c->sites, site);
  }
  g_hash_table_insert(g->sites, g_steal_pointer(&key), site);
  return site;
}

static DspStand *find_stand(Gather *g, DspSite *site, const DspPoint *point) {
  const DspCollectivePoint *p = &point->collective;
  gpointer found;
  g_autofree char *key =
      g_strdup_printf("%p %" G_GINT64_FORMAT " %" G_GINT64_FORMAT, (void *)site,
                      p->nodes, p->gpus_per_node);
  if (g_hash_table_lookup_extended(g->stands, key, NULL, &found))
    return found;
  DspTopology *topology = dsp_topology_new_partial(
      site->cluster, (guint)p->nodes, (guint)p->gpus_per_node, NULL);
  DspStand *stand = NULL;
  if (topology) {
    stand = g_new(DspStand, 1);
    *stand =
        (DspStand){site, (guint)p->nodes, (guint)p->gpus_per_node, topology};
    g_ptr_array_add(g->c->stands, stand);
  }
  g_hash_table_insert(g->stands, g_steal_pointer(&key), stand);
  return stand;
}

static gboolean is_wanted(const DspCalibrateJob *job, const DspPoint *point) {
  return point->kind == DSP_MEASURED_COLLECTIVE &&
         point->trust == DSP_TRUST_HEALTHY &&
         (job->mode != DSP_CALIBRATE_ALONE || is_own(job, point));
}

/* One process that starts all GPUs of a node needed longer than they do, so
 * that its times tell of the network from a size on; since a version of NCCL it
 * does not (8 A100: 35 us in runs of 2.8 to 2.10, 15 in
 * ai-dynamo/aiconfigurator's of 2.27; the oldest of these is 2.23). */
#define ONE_PROCESS_BYTES   (16 << 20)
#define ONE_PROCESS_VERSION 22300

static gboolean is_trained(const DspCalibrateJob *job, const DspPoint *point) {
  enum { PER_GPU, ONE }; /* dsp_processes_names */
  const DspCollectivePoint *p = &point->collective;
  return !is_excluded(job, point) &&
         (job->mode != DSP_CALIBRATE_WITHOUT || !is_own(job, point)) &&
         (p->processes != ONE || p->version >= ONE_PROCESS_VERSION ||
          p->bytes >= ONE_PROCESS_BYTES);
}

static gboolean gather_point(Gather *g, const DspMeasurements *file,
                             const DspPoint *point, GError **error) {
  GError *cause = NULL;
  DspSite *site = find_site(g, point, &cause);
  if (cause) {
    g_propagate_error(error, cause);
    return FALSE;
  }
  DspStand *stand = site ? find_stand(g, site, point) : NULL;
  const gboolean own = is_own(g->job, point);
  if (!stand) {
    g->c->skipped += site != NULL || own;
    return TRUE;
  }
  const DspSample sample = {.file = file,
                            .point = point,
                            .stand = stand,
                            .own = own,
                            .trained = is_trained(g->job, point)};
  g_array_append_val(g->c->samples, sample);
  g->c->training += sample.trained;
  return TRUE;
}

static guint count_clusters(const DspCalibration *c) {
  g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
  for (guint i = 0; i < c->samples->len; i++)
    if (dsp_sample(c, i)->trained)
      g_hash_table_add(names, dsp_sample(c, i)->point->collective.cluster);
  return g_hash_table_size(names);
}

static gboolean gather_points(Gather *g, GError **error) {
  for (guint i = 0; i < g->job->files->len; i++) {
    const DspMeasurements *file = g->job->files->pdata[i];
    for (guint j = 0; j < file->points->len; j++)
      if (is_wanted(g->job, dsp_point(file, j)) &&
          !gather_point(g, file, dsp_point(file, j), error))
        return FALSE;
  }
  return TRUE;
}

gboolean dsp_calibration_gather(DspCalibration *c, const DspCalibrateJob *job,
                                GError **error) {
  Gather gather = {
      c, job, g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
      g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL)};
  c->cluster = dsp_cluster_load(job->cluster, error);
  c->sites = g_ptr_array_new_with_free_func(site_free);
  c->stands = g_ptr_array_new_with_free_func(stand_free);
  c->samples = g_array_new(FALSE, TRUE, sizeof(DspSample));
  const gboolean done = c->cluster && gather_points(&gather, error);
  g_hash_table_unref(gather.sites);
  g_hash_table_unref(gather.stands);
  if (!done)
    return FALSE;
  add_constants(c, c->cluster->intra_name, FALSE);
  if (c->cluster->inter_name &&
      g_strcmp0(c->cluster->inter_name, c->cluster->intra_name) != 0)
    add_constants(c, c->cluster->inter_name, TRUE);
  c->clusters = count_clusters(c);
  return c->training > 0 || job->mode == DSP_CALIBRATE_WITHOUT ||
         dsp_refuse(error, "no healthy collective on %s to calibrate to",
                    job->cluster);
}
