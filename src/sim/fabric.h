/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of sim/: the links that the collectives of one program share. */
#ifndef DSP_SIM_FABRIC_H
#define DSP_SIM_FABRIC_H

#include "sim/prices.h"
#include "sim/program.h"

typedef struct {
  DspFlows *flows;
  guint n_links;
  GPtrArray *uses; /* folded: GArray of DspLinkUse by exchange */
} DspFabric;

/* All links as they are. */
DspFabric *dsp_fabric_new(const DspTopology *topology);
/* Links that every exchange of the program uses alike become one: they carry
 * the same flows at the same time, so one constraint stands for all. */
DspFabric *dsp_fabric_new_folded(DspPrices *prices, const DspProgram *program);
void dsp_fabric_free(DspFabric *fabric);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DspFabric, dsp_fabric_free)

#endif
