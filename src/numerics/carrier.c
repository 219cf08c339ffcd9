/* SPDX-License-Identifier: Apache-2.0 */
#include "numerics/carrier.h"
#include "numerics/place.h"

void dsp_carrier_init(DspCarrier *carrier, const DspCarrierKind *kind,
                      const DspPlan *plan) {
  carrier->kind = kind;
  carrier->plan = *plan;
  carrier->ranks = dsp_plan_ranks(plan);
  carrier->tallies = g_new0(DspTally, (gsize)carrier->ranks);
  for (int64_t i = 0; i < carrier->ranks; i++)
    carrier->tallies[i].order = g_array_new(FALSE, FALSE, sizeof(DspRecord));
}

void dsp_carrier_free(DspCarrier *carrier) {
  if (!carrier)
    return;
  for (int64_t i = 0; i < carrier->ranks; i++)
    g_array_unref(carrier->tallies[i].order);
  g_free(carrier->tallies);
  carrier->kind->free(carrier);
}

void dsp_carrier_count(DspCarrier *carrier, int64_t rank, gsize bytes) {
  carrier->tallies[rank].moved += (int64_t)bytes;
}

DspGroup dsp_carrier_group(const DspCarrier *carrier, int64_t rank,
                           const DspExchange *exchange) {
  const DspPlan *plan = &carrier->plan;
  return (DspGroup){exchange->axis, rank,
                    dsp_plan_axis(plan, exchange->axis).size,
                    dsp_member_of(plan, exchange->axis, rank)};
}

int64_t dsp_carrier_member(const DspCarrier *carrier, const DspGroup *group,
                           int64_t i) {
  return dsp_member(&carrier->plan, group->axis, group->rank, i);
}

gboolean dsp_carrier_run(DspCarrier *carrier, int64_t rank,
                         const DspCarry *carry) {
  const DspExchange *e = carry->exchange;
  const DspRecord record = {e->collective, e->axis, e->bytes};
  g_array_append_val(carrier->tallies[rank].order, record);
  return carrier->kind->run(carrier, rank, carry);
}

void dsp_carrier_break(DspCarrier *carrier) {
  carrier->kind->stop(carrier);
}

int64_t dsp_carrier_moved(const DspCarrier *carrier, int64_t rank) {
  return carrier->tallies[rank].moved;
}

const GArray *dsp_carrier_order(const DspCarrier *carrier, int64_t rank) {
  return carrier->tallies[rank].order;
}

void dsp_carrier_set_wire(DspCarrier *carrier, DspWire wire) {
  carrier->wire = wire;
}
