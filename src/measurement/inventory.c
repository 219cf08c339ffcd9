/* SPDX-License-Identifier: Apache-2.0 */
#include "measurement/inventory.h"
#include "base/error.h"
#include "base/paths.h"
#include "schedule/rules.h"
#include <string.h>

typedef struct {
  DspTopology *topology;
  DspPrices *prices;
} Site;

/* One kind of file that names stand for. */
typedef enum { GPUS, MODELS, CLUSTERS, N_SHELVES } Shelf;

typedef struct {
  const char *folder, *what;
  gpointer (*load)(const char *name, GError **error);
  void (*free)(gpointer thing);
  gsize name, sha256; /* members of what was loaded */
} ShelfType;

struct DspInventory {
  GHashTable *shelves[N_SHELVES]; /* key -> what was loaded */
  GHashTable *missing;            /* "folder/name" */
  GHashTable *sites;              /* key -> Site */
  DspSpread *spread;              /* what was watched last, or NULL */
};

static gpointer load_gpu(const char *name, GError **error) {
  return dsp_gpu_load(name, error);
}

static gpointer load_model(const char *name, GError **error) {
  return dsp_model_load(name, error);
}

static gpointer load_cluster(const char *name, GError **error) {
  return dsp_cluster_load(name, error);
}

static void free_gpu(gpointer gpu) {
  dsp_gpu_free(gpu);
}

static void free_model(gpointer model) {
  dsp_model_free(model);
}

static void free_cluster(gpointer cluster) {
  dsp_cluster_free(cluster);
}

#define FILE_OF(type) G_STRUCT_OFFSET(type, name), G_STRUCT_OFFSET(type, sha256)

static const ShelfType shelf_types[N_SHELVES] = {
    [GPUS] = {"hwprofiles/gpus", "GPU", load_gpu, free_gpu, FILE_OF(DspGpu)},
    [MODELS] = {"models", "model", load_model, free_model, FILE_OF(DspModel)},
    [CLUSTERS] = {"hwprofiles", "cluster", load_cluster, free_cluster,
                  FILE_OF(DspCluster)},
};

static void site_free(gpointer data) {
  Site *site = data;
  dsp_prices_free(site->prices);
  dsp_topology_free(site->topology);
  g_free(site);
}

DspInventory *dsp_inventory_new(void) {
  DspInventory *inventory = g_new0(DspInventory, 1);
  for (int i = 0; i < N_SHELVES; i++)
    inventory->shelves[i] = g_hash_table_new_full(g_str_hash, g_str_equal,
                                                  g_free, shelf_types[i].free);
  inventory->missing =
      g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  inventory->sites =
      g_hash_table_new_full(g_str_hash, g_str_equal, g_free, site_free);
  return inventory;
}

void dsp_inventory_free(DspInventory *inventory) {
  if (!inventory)
    return;
  dsp_spread_free(inventory->spread);
  g_hash_table_unref(inventory->sites);
  g_hash_table_unref(inventory->missing);
  for (int i = 0; i < N_SHELVES; i++)
    g_hash_table_unref(inventory->shelves[i]);
  g_free(inventory);
}

/* Whether there is a file of that name. One-line descriptions of clusters need
 * none. */
static gboolean is_installed(DspInventory *inventory, const ShelfType *type,
                             const char *name) {
  g_autofree char *key = g_build_filename(type->folder, name, NULL);
  g_autofree char *path = NULL;
  if (strchr(name, ':'))
    return TRUE;
  if (g_hash_table_contains(inventory->missing, key))
    return FALSE;
  path = dsp_find_data(type->folder, name, NULL);
  if (!path)
    g_hash_table_add(inventory->missing, g_steal_pointer(&key));
  return path != NULL;
}

/* What `name` stands for, kept under `key`. */
static gpointer take(DspInventory *inventory, Shelf shelf, const char *key,
                     const char *name, GError **error) {
  const ShelfType *type = &shelf_types[shelf];
  gpointer thing = g_hash_table_lookup(inventory->shelves[shelf], key);
  if (thing)
    return thing;
  if (!is_installed(inventory, type, name)) {
    dsp_refuse(error, "no %s '%s' is installed", type->what, name);
    return NULL;
  }
  thing = type->load(name, error);
  if (thing)
    g_hash_table_insert(inventory->shelves[shelf], g_strdup(key), thing);
  return thing;
}

const DspGpu *dsp_inventory_gpu(DspInventory *inventory, const char *name,
                                GError **error) {
  return take(inventory, GPUS, name, name, error);
}

const DspModel *dsp_inventory_model(DspInventory *inventory, const char *name,
                                    GError **error) {
  return take(inventory, MODELS, name, name, error);
}

static char *cluster_key(const char *name, int64_t nccl) {
  return g_strdup_printf("%s %" G_GINT64_FORMAT, name, nccl);
}

/* Versions of NCCL choose differently: each has a cluster of its own. */
const DspCluster *dsp_inventory_cluster(DspInventory *inventory,
                                        const char *name, int64_t nccl,
                                        GError **error) {
  g_autofree char *key = cluster_key(name, nccl);
  DspCluster *cluster = take(inventory, CLUSTERS, key, name, error);
  if (cluster && nccl > 0)
    cluster->nccl_version = nccl;
  return cluster;
}

void dsp_inventory_put_gpu(DspInventory *inventory, const char *name,
                           DspGpu *gpu) {
  g_hash_table_insert(inventory->shelves[GPUS], g_strdup(name), gpu);
}

void dsp_inventory_put_cluster(DspInventory *inventory, const char *name,
                               DspCluster *cluster) {
  g_hash_table_insert(inventory->shelves[CLUSTERS], cluster_key(name, 0),
                      cluster);
}

void dsp_inventory_forget_prices(DspInventory *inventory) {
  g_hash_table_remove_all(inventory->sites);
}

DspPrices *dsp_inventory_prices(DspInventory *inventory,
                                const DspCluster *cluster, guint nodes,
                                guint gpus, GError **error) {
  g_autofree char *key =
      g_strdup_printf("%s %" G_GINT64_FORMAT " %u %u", cluster->name,
                      cluster->nccl_version, nodes, gpus);
  Site *site = g_hash_table_lookup(inventory->sites, key);
  if (site)
    return site->prices;
  DspTopology *topology =
      nodes ? dsp_topology_new_partial(cluster, nodes, gpus, error)
            : dsp_topology_new(cluster, gpus, error);
  if (!topology)
    return NULL;
  site = g_new(Site, 1);
  *site = (Site){topology, dsp_prices_new(topology, NULL)};
  g_hash_table_insert(inventory->sites, g_steal_pointer(&key), site);
  return site->prices;
}

DspObserver dsp_inventory_watch(DspInventory *inventory, const DspPlan *plan,
                                DspPrices *prices) {
  dsp_spread_free(inventory->spread);
  inventory->spread = dsp_spread_new(plan, dsp_prices_topology(prices));
  return dsp_spread_observer(inventory->spread);
}

DspSpread *dsp_inventory_take_spread(DspInventory *inventory) {
  return g_steal_pointer(&inventory->spread);
}

/* --- what has been read -------------------------------------------------- */

static gint by_name(gconstpointer a, gconstpointer b) {
  const DspInventoryFile *x = a, *y = b;
  const int order = strcmp(x->folder, y->folder);
  return order ? order : strcmp(x->name, y->name);
}

GArray *dsp_inventory_files(const DspInventory *inventory) {
  GArray *files = g_array_new(FALSE, FALSE, sizeof(DspInventoryFile));
  g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
  for (int i = 0; i < N_SHELVES; i++) {
    GHashTableIter iter;
    gpointer thing;
    g_hash_table_iter_init(&iter, inventory->shelves[i]);
    g_hash_table_remove_all(seen);
    while (g_hash_table_iter_next(&iter, NULL, &thing)) {
      const DspInventoryFile file = {
          shelf_types[i].folder,
          G_STRUCT_MEMBER(char *, thing, shelf_types[i].name),
          G_STRUCT_MEMBER(char *, thing, shelf_types[i].sha256)};
      if (file.sha256 && g_hash_table_add(seen, (gpointer)file.name))
        g_array_append_val(files, file);
    }
  }
  g_array_sort(files, by_name);
  return files;
}
