/* SPDX-License-Identifier: Apache-2.0 */
/* Collectives between ranks, in one of several ways (threads.h; NCCL), and the
 * account of them: which ones each rank ran, in which order, and how many bytes
 * it got from others. */
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

/* For tests that must fail: what goes wrong in every exchange of activations.
 */
typedef enum {
  DSP_WIRE_SOUND,
  DSP_WIRE_KEEPS,   /* every rank gets back what it sent */
  DSP_WIRE_SWAPPED, /* every rank gets what its neighbour is due */
} DspWire;

/* What is sent and what comes, in the device's memory. */
typedef struct {
  const DspExchange *exchange;
  const guint8 *send;
  guint8 *receive;
  gsize sent, received;
} DspCarry;

typedef struct {
  gboolean (*run)(DspCarrier *carrier, int64_t rank, const DspCarry *carry);
  void (*stop)(DspCarrier *carrier);
  void (*free)(DspCarrier *carrier);
} DspCarrierKind;

typedef struct {
  int64_t moved;
  GArray *order; /* DspRecord */
} DspTally;

/* A kind of carrier extends this. */
struct DspCarrier {
  const DspCarrierKind *kind;
  DspPlan plan;
  DspWire wire;
  int64_t ranks;
  DspTally *tallies; /* by rank */
};

/* For carriers: fills in what they share; what a rank got from others. */
void dsp_carrier_init(DspCarrier *carrier, const DspCarrierKind *kind,
                      const DspPlan *plan);
void dsp_carrier_count(DspCarrier *carrier, int64_t rank, gsize bytes);
/* The group of an exchange: its members, and which of them `rank` is. */
typedef struct {
  DspAxisName axis;
  int64_t rank, members, me;
} DspGroup;
DspGroup dsp_carrier_group(const DspCarrier *carrier, int64_t rank,
                           const DspExchange *exchange);
/* The rank that is member `i` of the group. */
int64_t dsp_carrier_member(const DspCarrier *carrier, const DspGroup *group,
                           int64_t i);

void dsp_carrier_free(DspCarrier *carrier);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DspCarrier, dsp_carrier_free)

/* Carries out an exchange for `rank`: what it sends is a message for each
 * member (all-to-all, reduce-scatter) or one for all; what it receives is one
 * from each member (all-to-all, all-gather) or one. FALSE if another rank has
 * failed or runs another collective. */
gboolean dsp_carrier_run(DspCarrier *carrier, int64_t rank,
                         const DspCarry *carry);
/* A rank cannot go on: nobody waits for it any longer. */
void dsp_carrier_break(DspCarrier *carrier);

/* Bytes that `rank` has got from others, and DspRecord in order. */
int64_t dsp_carrier_moved(const DspCarrier *carrier, int64_t rank);
const GArray *dsp_carrier_order(const DspCarrier *carrier, int64_t rank);

void dsp_carrier_set_wire(DspCarrier *carrier, DspWire wire);

#endif
