/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/prices.h"

struct DspPrices {
  const DspTopology *topology;
  DspNcclOptions options;
  GHashTable *entries; /* Key -> Entry */
  gsize size;          /* bytes, about, that they take */
};

typedef struct {
  DspAxis axis;
  int group;
  DspCollective collective;
  int64_t bytes;
} Key;

typedef struct {
  DspPrice *price; /* NULL: not asked for yet */
  double bound;    /* s, negative: not asked for yet */
} Entry;

static guint key_hash(gconstpointer data) {
  const Key *k = data;
  guint64 h = (guint64)k->bytes * 0x9E3779B97F4A7C15u;
  h ^= ((guint64)k->axis.size << 40) ^ ((guint64)k->axis.stride << 20) ^
       ((guint64)(guint)k->group << 4) ^ (guint64)k->collective;
  return (guint)(h ^ (h >> 32));
}

static gboolean key_equal(gconstpointer a, gconstpointer b) {
  const Key *x = a, *y = b;
  return x->bytes == y->bytes && x->axis.world == y->axis.world &&
         x->axis.size == y->axis.size && x->axis.stride == y->axis.stride &&
         x->group == y->group && x->collective == y->collective;
}

static void entry_free(gpointer data) {
  Entry *entry = data;
  dsp_price_free(entry->price);
  g_free(entry);
}

DspPrices *dsp_prices_new(const DspTopology *topology,
                          const DspNcclOptions *options) {
  DspPrices *prices = g_new0(DspPrices, 1);
  prices->topology = topology;
  prices->options = options ? *options : (DspNcclOptions){NULL, -1, 0};
  prices->entries =
      g_hash_table_new_full(key_hash, key_equal, g_free, entry_free);
  return prices;
}

void dsp_prices_free(DspPrices *prices) {
  if (!prices)
    return;
  g_hash_table_destroy(prices->entries);
  g_free(prices);
}

const DspTopology *dsp_prices_topology(const DspPrices *prices) {
  return prices->topology;
}

gsize dsp_prices_size(const DspPrices *prices) {
  return prices->size;
}

static Entry *entry_of(DspPrices *prices, const Key *key) {
  Entry *entry = g_hash_table_lookup(prices->entries, key);
  if (!entry) {
    entry = g_new0(Entry, 1);
    entry->bound = -1;
    g_hash_table_insert(prices->entries, g_memdup2(key, sizeof *key), entry);
    prices->size += sizeof *key + sizeof *entry;
  }
  return entry;
}

const DspPrice *dsp_prices_get(DspPrices *prices, const DspAxis *axis,
                               int group, DspCollective collective,
                               int64_t bytes) {
  Key key = {*axis, group, collective, bytes};
  Entry *entry = entry_of(prices, &key);
  if (!entry->price) {
    entry->price = dsp_price_new(prices->topology, axis, group, collective,
                                 bytes, &prices->options);
    prices->size +=
        sizeof(DspPrice) + entry->price->uses->len * sizeof(DspLinkUse);
  }
  return entry->price;
}

double dsp_prices_bound(DspPrices *prices, const DspAxis *axis,
                        DspCollective collective, int64_t bytes) {
  Key key = {*axis, -1, collective, bytes};
  Entry *entry = entry_of(prices, &key);
  if (entry->bound < 0)
    entry->bound =
        dsp_collective_bound(prices->topology, axis, collective, bytes);
  return entry->bound;
}
