/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/prices.h"

struct DspPrices {
  const DspTopology *topology;
  DspNcclOptions options;
  GHashTable *prices; /* Key -> DspPrice */
};

typedef struct {
  DspAxis axis;
  int group;
  DspCollective collective;
  int64_t bytes;
} Key;

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

static void price_free(gpointer price) {
  dsp_price_free(price);
}

DspPrices *dsp_prices_new(const DspTopology *topology,
                          const DspNcclOptions *options) {
  DspPrices *prices = g_new0(DspPrices, 1);
  prices->topology = topology;
  prices->options = options ? *options : (DspNcclOptions){NULL, -1, 0};
  prices->prices =
      g_hash_table_new_full(key_hash, key_equal, g_free, price_free);
  return prices;
}

void dsp_prices_free(DspPrices *prices) {
  if (!prices)
    return;
  g_hash_table_destroy(prices->prices);
  g_free(prices);
}

const DspTopology *dsp_prices_topology(const DspPrices *prices) {
  return prices->topology;
}

const DspPrice *dsp_prices_get(DspPrices *prices, const DspAxis *axis,
                               int group, DspCollective collective,
                               int64_t bytes) {
  Key key = {*axis, group, collective, bytes};
  DspPrice *price = g_hash_table_lookup(prices->prices, &key);
  if (!price) {
    price = dsp_price_new(prices->topology, axis, group, collective, bytes,
                          &prices->options);
    g_hash_table_insert(prices->prices, g_memdup2(&key, sizeof key), price);
  }
  return price;
}
