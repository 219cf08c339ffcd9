/* SPDX-License-Identifier: Apache-2.0 */
/* Prices of collectives on one topology, each computed once. Plans of one job
 * share them. */
#ifndef DSP_SIM_PRICES_H
#define DSP_SIM_PRICES_H

#include "network/collective.h"

typedef struct DspPrices DspPrices;

/* The topology must outlive the prices, the options are copied (their strings
 * must outlive it too). NULL options: NCCL's own choice. */
DspPrices *dsp_prices_new(const DspTopology *topology,
                          const DspNcclOptions *options);
void dsp_prices_free(DspPrices *prices);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DspPrices, dsp_prices_free)

const DspTopology *dsp_prices_topology(const DspPrices *prices);
/* Bytes, about, that what is kept takes. */
gsize dsp_prices_size(const DspPrices *prices);

/* As dsp_price_new, owned by `prices`. */
const DspPrice *dsp_prices_get(DspPrices *prices, const DspAxis *axis,
                               int group, DspCollective collective,
                               int64_t bytes);
/* As dsp_collective_bound. */
double dsp_prices_bound(DspPrices *prices, const DspAxis *axis,
                        DspCollective collective, int64_t bytes);

#endif
