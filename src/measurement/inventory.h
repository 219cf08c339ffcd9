/* SPDX-License-Identifier: Apache-2.0 */
/* The models, GPUs and clusters that points name, each read once, and the
 * prices of collectives on each part of a cluster. All functions fail with
 * DSP_ERROR_INFEASIBLE where there is nothing of that name, or not as many
 * GPUs, and with DSP_ERROR_INPUT where the file is wrong. What they give
 * belongs to the inventory. */
#ifndef DSP_MEASUREMENT_INVENTORY_H
#define DSP_MEASUREMENT_INVENTORY_H

#include "measurement/spread.h"
#include "model/model.h"
#include "sim/prices.h"

typedef struct DspInventory DspInventory;

DspInventory *dsp_inventory_new(void);
void dsp_inventory_free(DspInventory *inventory);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DspInventory, dsp_inventory_free)

const DspGpu *dsp_inventory_gpu(DspInventory *inventory, const char *name,
                                GError **error);
const DspModel *dsp_inventory_model(DspInventory *inventory, const char *name,
                                    GError **error);
/* `nccl`: its version, 22703, or 0 for that of the profile. */
const DspCluster *dsp_inventory_cluster(DspInventory *inventory,
                                        const char *name, int64_t nccl,
                                        GError **error);

/* Prices on the first `gpus` GPUs of each of `nodes` nodes, or, with `nodes` 0,
 * on `gpus` GPUs that fill node after node. */
DspPrices *dsp_inventory_prices(DspInventory *inventory,
                                const DspCluster *cluster, guint nodes,
                                guint gpus, GError **error);

/* Points that name a GPU, or a cluster without a version of NCCL, `name` get
 * this one, which belongs to the inventory now; the caller may change it, but
 * what prices go by only if it has the prices forgotten. */
void dsp_inventory_put_gpu(DspInventory *inventory, const char *name,
                           DspGpu *gpu);
void dsp_inventory_put_cluster(DspInventory *inventory, const char *name,
                               DspCluster *cluster);
void dsp_inventory_forget_prices(DspInventory *inventory);

/* What has been read, sorted by folder and name. */
typedef struct {
  const char *folder, *name, *sha256;
} DspInventoryFile;

/* DspInventoryFile; free with g_array_unref, before the inventory. */
GArray *dsp_inventory_files(const DspInventory *inventory);

/* The observer of the next simulation of a plan of that job: what its time is
 * made of. And what it saw since, NULL: nothing; the caller frees. */
DspObserver dsp_inventory_watch(DspInventory *inventory, const DspPlan *plan,
                                DspPrices *prices);
DspSpread *dsp_inventory_take_spread(DspInventory *inventory);

#endif
