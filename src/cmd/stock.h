/* SPDX-License-Identifier: Apache-2.0 */
/* What tasks are made of, kept so that many tasks share it: models and clusters
 * are read once, topologies built and collectives priced once. */
#ifndef DSP_CMD_STOCK_H
#define DSP_CMD_STOCK_H

#include "model/model.h"
#include "sim/prices.h"

typedef struct DspStock DspStock;

/* The GPUs of a cluster that a task uses. */
typedef struct {
  const DspCluster *cluster;
  guint gpus;
  DspNcclOptions nccl;
  DspTopology *topology;
  DspPrices *prices;
} DspMachine;

/* A stock is for one thread at a time. It takes models and clusters from `base`
 * (or NULL) where that has them; nothing is added to `base`, so that stocks of
 * many threads may have the same. `limit`: bytes, about, that machines may take
 * before those not used for longest are forgotten. Free with
 * dsp_stock_free. */
DspStock *dsp_stock_new(const DspStock *base, gsize limit);
void dsp_stock_free(DspStock *stock);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DspStock, dsp_stock_free)

/* As dsp_model_load; the stock's. */
DspModel *dsp_stock_model(DspStock *stock, const char *name, GError **error);

/* As dsp_cluster_load; the stock's. With `currency` (NULL: none) a GPU hour has
 * that price. */
DspCluster *dsp_stock_cluster(DspStock *stock, const char *name, double price,
                              const char *currency, GError **error);

/* Topology and prices, until another machine is asked for. Errors as
 * dsp_topology_new. */
const DspMachine *dsp_stock_machine(DspStock *stock, const DspCluster *cluster,
                                    guint gpus, const DspNcclOptions *nccl,
                                    GError **error);

/* All models (DspModel) and clusters (DspCluster), in the order in which they
 * were read, without those of the base. Borrowed. */
const GPtrArray *dsp_stock_models(const DspStock *stock);
const GPtrArray *dsp_stock_clusters(const DspStock *stock);

#endif
