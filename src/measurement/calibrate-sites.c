/* SPDX-License-Identifier: Apache-2.0 */
/* What is calibrated: points, and the clusters and GPUs behind them. */
#include "base/error.h"
#include "measurement/calibrate-private.h"
#include "measurement/predict-point.h"
#include "network/collective.h"
#include "schedule/rules.h"
#include <math.h>
#include <string.h>

/* --- sites --------------------------------------------------------------- */

static DspSite *site_new(DspCluster *cluster, gboolean own) {
  DspSite *site = g_new0(DspSite, 1);
  const guint n = (guint)cluster->gpus_per_node;
  site->cluster = cluster;
  site->own = own;
  site->intra = cluster->intra;
  site->inter = cluster->inter;
  site->nvlink_bandwidth = cluster->nvlink_bandwidth;
  site->nic_bandwidth = cluster->nic_bandwidth;
  if (cluster->mesh)
    site->mesh =
        g_memdup2(cluster->mesh, sizeof(*cluster->mesh) * (gsize)n * n);
  site->own_nvlink =
      !own && fabs(site->intra.bandwidth * (double)cluster->gpu->links /
                       site->nvlink_bandwidth -
                   1) > 1e-9;
  site->own_nic = !own && site->inter.bandwidth != site->nic_bandwidth;
  return site;
}

void dsp_site_free(gpointer data) {
  DspSite *site = data;
  if (!site->borrowed)
    dsp_cluster_free(site->cluster);
  g_free(site->mesh);
  g_free(site);
}

void dsp_stand_free(gpointer data) {
  DspStand *stand = data;
  dsp_topology_free(stand->topology);
  g_free(stand);
}

/* --- predictions --------------------------------------------------------- */

static double collective_time(const DspSample *sample) {
  const DspCollectivePoint *p = &sample->point->collective;
  const guint ranks = (guint)(p->nodes * p->gpus_per_node);
  const DspAxis all = {ranks, ranks, 1};
  g_autoptr(DspPrice) price =
      dsp_price_new(sample->stand->topology, &all, -1,
                    (DspCollective)p->collective, p->bytes, NULL);
  return dsp_collective_point_time(p, price);
}

void dsp_calibration_predict(DspCalibration *c, DspSample *sample) {
  const double micro = 1e6;
  g_autoptr(GError) error = NULL;
  if (sample->stand)
    sample->predicted = micro * collective_time(sample);
  else if (!dsp_point_predict(c->inventory, sample->point, &sample->predicted,
                              &error))
    g_assert_not_reached(); /* it could be when it was gathered */
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
  return g_strcmp0(dsp_point_cluster(point), name) == 0;
}

/* Of the profile's GPU, "h100-sxm", or the one that an earlier calibration has
 * made of it, "mine-h100-sxm". */
static gboolean is_own_gpu(const DspCalibration *c, const DspPoint *point) {
  const char *name = dsp_point_gpu(point), *own = c->cluster->gpu->name;
  g_autofree char *suffix = g_strconcat("-", name, NULL);
  return name && (strcmp(name, own) == 0 || g_str_has_suffix(own, suffix));
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
  GHashTable *taken;  /* GPUs, or "" for the cluster, in the inventory */
  guint others;       /* points that are no collectives */
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

/* Steps tell of launches only if all that they hold is modelled. */
static gboolean is_wanted(const DspCalibration *c, const DspCalibrateJob *job,
                          const DspPoint *point) {
  if (point->trust != DSP_TRUST_HEALTHY)
    return FALSE;
  switch (point->kind) {
  case DSP_MEASURED_COLLECTIVE:
    return job->mode != DSP_CALIBRATE_ALONE || is_own(job, point);
  case DSP_MEASURED_STEP:
    return job->mode != DSP_CALIBRATE_WITHOUT && is_own(job, point) &&
           !dsp_point_unmodelled(point);
  case DSP_MEASURED_LAYER:
    return FALSE;
  default:
    return job->mode != DSP_CALIBRATE_WITHOUT && is_own_gpu(c, point);
  }
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
  if (point->kind != DSP_MEASURED_COLLECTIVE)
    return !is_excluded(job, point);
  return !is_excluded(job, point) &&
         (job->mode != DSP_CALIBRATE_WITHOUT || !is_own(job, point)) &&
         (p->processes != ONE || p->version >= ONE_PROCESS_VERSION ||
          p->bytes >= ONE_PROCESS_BYTES);
}

static void add_sample(Gather *g, const DspSample *sample) {
  g_array_append_val(g->c->samples, *sample);
  g->c->training += sample->trained;
}

static gboolean gather_collective(Gather *g, const DspMeasurements *file,
                                  const DspPoint *point, GError **error) {
  GError *cause = NULL;
  DspSite *site = find_site(g, point, &cause);
  if (cause) {
    g_propagate_error(error, cause);
    return FALSE;
  }
  DspStand *stand = site ? find_stand(g, site, point) : NULL;
  const gboolean own = is_own(g->job, point);
  const DspSample sample = {.file = file,
                            .point = point,
                            .stand = stand,
                            .own = own,
                            .trained = is_trained(g->job, point)};
  if (stand)
    add_sample(g, &sample);
  else
    g->c->skipped += site != NULL || own;
  return TRUE;
}

/* The cluster, the GPU and the one-GPU cluster that dsp_point_predict makes of
 * it, once each, to be changed. */
static gboolean take_inventory(Gather *g, const DspPoint *point,
                               GError **error) {
  DspCalibration *c = g->c;
  const char *name = dsp_point_gpu(point);
  if (!name) {
    DspCluster *cluster = dsp_cluster_load(g->job->cluster, error);
    if (!cluster)
      return FALSE;
    DspSite *site = site_new(cluster, TRUE);
    site->borrowed = TRUE;
    g_ptr_array_add(c->sites, site);
    g_ptr_array_add(c->gpus, cluster->gpu);
    dsp_inventory_put_cluster(c->inventory, dsp_point_cluster(point), cluster);
    return TRUE;
  }
  g_autofree char *one = g_strdup_printf("node:1 gpu:1 type:%s", name);
  DspGpu *gpu = dsp_gpu_load(c->cluster->gpu->file, error);
  DspCluster *cluster = gpu ? dsp_cluster_load(one, error) : NULL;
  if (!cluster) {
    dsp_gpu_free(gpu);
    return FALSE;
  }
  dsp_gpu_free(cluster->gpu);
  cluster->gpu = dsp_gpu_load(gpu->file, NULL);
  g_ptr_array_add(c->gpus, gpu);
  g_ptr_array_add(c->gpus, cluster->gpu);
  dsp_inventory_put_gpu(c->inventory, name, gpu);
  dsp_inventory_put_cluster(c->inventory, one, cluster);
  return TRUE;
}

/* A kernel or step, of which there may be some that cannot be predicted. */
static gboolean gather_other(Gather *g, const DspMeasurements *file,
                             const DspPoint *point, GError **error) {
  g_autoptr(GError) cause = NULL;
  const gboolean left_out =
      g->job->folds && g->others++ % g->job->folds == g->job->fold;
  DspSample sample = {.file = file,
                      .point = point,
                      .own = left_out || !g->job->folds,
                      .trained = !left_out && is_trained(g->job, point)};
  const char *name = dsp_point_gpu(point);
  const char *key = name ? name : "";
  if (g_hash_table_add(g->taken, (gpointer)key) &&
      !take_inventory(g, point, error))
    return FALSE;
  if (dsp_point_predict(g->c->inventory, point, &sample.predicted, &cause)) {
    add_sample(g, &sample);
    return TRUE;
  }
  g->c->skipped++;
  if (g_error_matches(cause, DSP_ERROR, DSP_ERROR_INFEASIBLE))
    return TRUE;
  g_propagate_error(error, g_steal_pointer(&cause));
  return FALSE;
}

static guint count_machines(const DspCalibration *c) {
  g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
  for (guint i = 0; i < c->samples->len; i++) {
    const DspPoint *p = dsp_sample(c, i)->point;
    const char *cluster = dsp_point_cluster(p);
    if (dsp_sample(c, i)->trained)
      g_hash_table_add(names, (gpointer)(cluster ? cluster : dsp_point_gpu(p)));
  }
  return g_hash_table_size(names);
}

static gboolean gather_points(Gather *g, GError **error) {
  for (guint i = 0; i < g->job->files->len; i++) {
    const DspMeasurements *file = g->job->files->pdata[i];
    for (guint j = 0; j < file->points->len; j++) {
      const DspPoint *p = dsp_point(file, j);
      if (is_wanted(g->c, g->job, p) &&
          !(p->kind == DSP_MEASURED_COLLECTIVE
                ? gather_collective
                : gather_other)(g, file, p, error))
        return FALSE;
    }
  }
  return TRUE;
}

gboolean dsp_calibration_gather(DspCalibration *c, const DspCalibrateJob *job,
                                GError **error) {
  Gather gather = {c,
                   job,
                   g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
                   g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
                   g_hash_table_new(g_str_hash, g_str_equal),
                   0};
  c->cluster = dsp_cluster_load(job->cluster, error);
  const gboolean done = c->cluster && gather_points(&gather, error);
  g_hash_table_unref(gather.sites);
  g_hash_table_unref(gather.stands);
  g_hash_table_unref(gather.taken);
  if (!done)
    return FALSE;
  c->machines = count_machines(c);
  return c->training > 0 || job->mode == DSP_CALIBRATE_WITHOUT ||
         dsp_refuse(error, "no healthy point of %s to calibrate to",
                    job->cluster);
}
