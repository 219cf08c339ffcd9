/* SPDX-License-Identifier: Apache-2.0 */
/* Collectives between ranks that are threads of one process: every rank shows
 * its send buffer, all wait for each other, each copies what it is due from the
 * buffers of the others. Bytes are counted where they are copied. */
#ifndef DSP_NUMERICS_CARRIER_H
#define DSP_NUMERICS_CARRIER_H

#include "schedule/schedule.h"

typedef struct DspCarrier DspCarrier;

/* One collective as it was run. */
typedef struct {
  DspCollective collective;
  DspAxisName axis;
  int64_t bytes; /* as DspExchange counts */
} DspRecord;

DspCarrier *dsp_carrier_new(const DspPlan *plan, DspDtype dtype);
void dsp_carrier_free(DspCarrier *carrier);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DspCarrier, dsp_carrier_free)

/* Carries out `exchange` for `rank`: `send` holds a message for each member
 * (all-to-all, reduce-scatter) or one for all; `receive` is a message from each
 * member (all-to-all, all-gather) or one. Sums are taken in float32 in the
 * order of members. FALSE if another rank has failed or runs another
 * collective. */
gboolean dsp_carrier_run(DspCarrier *carrier, int64_t rank,
                         const DspExchange *exchange, const guint8 *send,
                         gsize sent, guint8 *receive, gsize received);
/* `rank` cannot go on: nobody waits for it any longer. */
void dsp_carrier_break(DspCarrier *carrier);

/* Bytes that `rank` has copied from others, and DspRecord in order. */
int64_t dsp_carrier_moved(const DspCarrier *carrier, int64_t rank);
const GArray *dsp_carrier_order(const DspCarrier *carrier, int64_t rank);

/* For tests that must fail: what goes wrong in every exchange of activations.
 */
typedef enum {
  DSP_WIRE_SOUND,
  DSP_WIRE_KEEPS,   /* every rank gets back what it sent */
  DSP_WIRE_SWAPPED, /* every rank gets what its neighbour is due */
} DspWire;
void dsp_carrier_set_wire(DspCarrier *carrier, DspWire wire);

#endif
