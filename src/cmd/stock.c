/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/stock.h"

/* Things by name, in the order in which they came. */
typedef struct {
  GPtrArray *all;
  GHashTable *named; /* char * -> one of them */
} Shelf;

struct DspStock {
  const DspStock *base;
  Shelf models, clusters;
  GQueue *machines; /* DspMachine, the last used first */
  gsize limit;
};

static void free_model(gpointer model) {
  dsp_model_free(model);
}

static void free_cluster(gpointer cluster) {
  dsp_cluster_free(cluster);
}

static void shelf_init(Shelf *shelf, GDestroyNotify free_one) {
  shelf->all = g_ptr_array_new_with_free_func(free_one);
  shelf->named = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
}

static void shelf_clear(Shelf *shelf) {
  g_hash_table_destroy(shelf->named);
  g_ptr_array_unref(shelf->all);
}

/* Takes `name` and `one`, which may be NULL. */
static gpointer shelf_add(Shelf *shelf, char *name, gpointer one) {
  if (one) {
    g_hash_table_insert(shelf->named, name, one);
    g_ptr_array_add(shelf->all, one);
  } else {
    g_free(name);
  }
  return one;
}

DspStock *dsp_stock_new(const DspStock *base, gsize limit) {
  DspStock *stock = g_new(DspStock, 1);
  stock->base = base;
  stock->limit = limit;
  stock->machines = g_queue_new();
  shelf_init(&stock->models, free_model);
  shelf_init(&stock->clusters, free_cluster);
  return stock;
}

static void machine_free(gpointer data) {
  DspMachine *machine = data;
  dsp_prices_free(machine->prices);
  dsp_topology_free(machine->topology);
  g_free(machine);
}

void dsp_stock_free(DspStock *stock) {
  if (!stock)
    return;
  g_queue_free_full(stock->machines, machine_free);
  shelf_clear(&stock->clusters);
  shelf_clear(&stock->models);
  g_free(stock);
}

const GPtrArray *dsp_stock_models(const DspStock *stock) {
  return stock->models.all;
}

const GPtrArray *dsp_stock_clusters(const DspStock *stock) {
  return stock->clusters.all;
}

/* --- models and clusters ------------------------------------------------- */

DspModel *dsp_stock_model(DspStock *stock, const char *name, GError **error) {
  DspModel *model = g_hash_table_lookup(stock->models.named, name);
  for (const DspStock *s = stock->base; s && !model; s = s->base)
    model = g_hash_table_lookup(s->models.named, name);
  return model ? model
               : shelf_add(&stock->models, g_strdup(name),
                           dsp_model_load(name, error));
}

static DspCluster *cluster_new(const char *name, double price,
                               const char *currency, GError **error) {
  DspCluster *cluster = dsp_cluster_load(name, error);
  if (!cluster || !currency)
    return cluster;
  cluster->price = price;
  g_free(cluster->currency);
  cluster->currency = g_strdup(currency);
  return cluster;
}

DspCluster *dsp_stock_cluster(DspStock *stock, const char *name, double price,
                              const char *currency, GError **error) {
  g_autofree char *key =
      currency ? g_strdup_printf("%s\n%.17g%s", name, price, currency)
               : g_strdup(name);
  DspCluster *cluster = g_hash_table_lookup(stock->clusters.named, key);
  for (const DspStock *s = stock->base; s && !cluster; s = s->base)
    cluster = g_hash_table_lookup(s->clusters.named, key);
  return cluster ? cluster
                 : shelf_add(&stock->clusters, g_steal_pointer(&key),
                             cluster_new(name, price, currency, error));
}

/* --- machines ------------------------------------------------------------ */

static gboolean is_machine(const DspMachine *m, const DspCluster *cluster,
                           guint gpus, const DspNcclOptions *nccl) {
  return m->cluster == cluster && m->gpus == gpus &&
         m->nccl.algorithm == nccl->algorithm &&
         m->nccl.protocol == nccl->protocol &&
         m->nccl.channels == nccl->channels;
}

static gsize size_of(const DspMachine *machine) {
  /* A link, and what is kept for one of it to find routes. */
  enum { LINK = 64 };
  return dsp_topology_n_links(machine->topology) * (gsize)LINK +
         dsp_prices_size(machine->prices);
}

/* Forgets machines that were not used for longest; if the last used one is too
 * large by itself, its prices. */
static void trim(DspStock *stock) {
  gsize size = 0;
  GList *next = NULL;
  for (GList *l = stock->machines->head; l; l = next) {
    next = l->next;
    size += size_of(l->data);
    if (size <= stock->limit || l == stock->machines->head)
      continue;
    machine_free(l->data);
    g_queue_delete_link(stock->machines, l);
  }
  DspMachine *last = g_queue_peek_head(stock->machines);
  if (last && dsp_prices_size(last->prices) > stock->limit) {
    dsp_prices_free(last->prices);
    last->prices = dsp_prices_new(last->topology, &last->nccl);
  }
}

static DspMachine *machine_new(const DspCluster *cluster, guint gpus,
                               const DspNcclOptions *nccl, GError **error) {
  DspTopology *topology = dsp_topology_new(cluster, gpus, error);
  if (!topology)
    return NULL;
  DspMachine *machine = g_new(DspMachine, 1);
  *machine = (DspMachine){cluster, gpus, *nccl, topology,
                          dsp_prices_new(topology, nccl)};
  return machine;
}

const DspMachine *dsp_stock_machine(DspStock *stock, const DspCluster *cluster,
                                    guint gpus, const DspNcclOptions *nccl,
                                    GError **error) {
  trim(stock);
  for (GList *link = stock->machines->head; link; link = link->next)
    if (is_machine(link->data, cluster, gpus, nccl)) {
      g_queue_unlink(stock->machines, link);
      g_queue_push_head_link(stock->machines, link);
      return link->data;
    }
  DspMachine *machine = machine_new(cluster, gpus, nccl, error);
  if (machine)
    g_queue_push_head(stock->machines, machine);
  return machine;
}
