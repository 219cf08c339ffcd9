/* SPDX-License-Identifier: Apache-2.0 */
#include "numerics/carrier.h"
#include "numerics/function.h"
#include "numerics/place.h"
#include <pthread.h>
#include <string.h>

/* What one rank shows the others. */
typedef struct {
  const guint8 *send;
  guint8 *sums; /* its part of an all-reduce */
  DspRecord record;
  int64_t moved;
  GArray *order;
} Slot;

struct DspCarrier {
  DspPlan plan;
  DspDtype dtype;
  DspWire wire;
  int64_t ranks;
  Slot *slots;
  /* Not those of GLib, which the thread sanitizer cannot see. */
  pthread_mutex_t mutex;
  pthread_cond_t all_here;
  int64_t waiting;
  guint64 round;
  gboolean broken;
};

DspCarrier *dsp_carrier_new(const DspPlan *plan, DspDtype dtype) {
  DspCarrier *t = g_new0(DspCarrier, 1);
  t->plan = *plan;
  t->dtype = dtype;
  t->ranks = dsp_plan_ranks(plan);
  t->slots = g_new0(Slot, (gsize)t->ranks);
  for (int64_t i = 0; i < t->ranks; i++)
    t->slots[i].order = g_array_new(FALSE, FALSE, sizeof(DspRecord));
  pthread_mutex_init(&t->mutex, NULL);
  pthread_cond_init(&t->all_here, NULL);
  return t;
}

void dsp_carrier_free(DspCarrier *t) {
  if (!t)
    return;
  for (int64_t i = 0; i < t->ranks; i++)
    g_array_unref(t->slots[i].order);
  pthread_mutex_destroy(&t->mutex);
  pthread_cond_destroy(&t->all_here);
  g_free(t->slots);
  g_free(t);
}

void dsp_carrier_set_wire(DspCarrier *t, DspWire wire) {
  t->wire = wire;
}

int64_t dsp_carrier_moved(const DspCarrier *t, int64_t rank) {
  return t->slots[rank].moved;
}

const GArray *dsp_carrier_order(const DspCarrier *t, int64_t rank) {
  return t->slots[rank].order;
}

void dsp_carrier_break(DspCarrier *t) {
  pthread_mutex_lock(&t->mutex);
  t->broken = TRUE;
  pthread_cond_broadcast(&t->all_here);
  pthread_mutex_unlock(&t->mutex);
}

/* Waits for all ranks of the world: sibling groups run the same collective. */
static gboolean meet(DspCarrier *t) {
  pthread_mutex_lock(&t->mutex);
  guint64 round = t->round;
  if (++t->waiting == t->ranks) {
    t->waiting = 0;
    t->round++;
    pthread_cond_broadcast(&t->all_here);
  }
  while (t->round == round && !t->broken)
    pthread_cond_wait(&t->all_here, &t->mutex);
  gboolean sound = !t->broken;
  pthread_mutex_unlock(&t->mutex);
  return sound;
}

/* --- what a rank takes
 * ---------------------------------------------------------- */

typedef struct {
  DspCarrier *t;
  int64_t rank, members, me;
  DspAxisName axis;
} Group;

static Slot *member(const Group *g, int64_t i) {
  return &g->t->slots[dsp_member(&g->t->plan, g->axis, g->rank, i)];
}

static void take(const Group *g, guint8 *to, int64_t from, const guint8 *bytes,
                 gsize n) {
  memcpy(to, bytes, n);
  if (from != g->me)
    g->t->slots[g->rank].moved += (int64_t)n;
}

/* The sum over members of the `n` bytes at `offset` of their buffers. */
static void sum(const Group *g, guint8 *to, gsize offset, gsize n) {
  gsize size = (gsize)dsp_dtype_bytes(g->t->dtype);
  g_autofree guint8 *part = g_malloc(n);
  g_autofree float *sums = g_new0(float, n / size);
  for (int64_t i = 0; i < g->members; i++) {
    take(g, part, i, member(g, i)->send + offset, n);
    for (gsize j = 0; j < n / size; j++)
      sums[j] += dsp_fetch(part + j * size, g->t->dtype);
  }
  for (gsize j = 0; j < n / size; j++)
    dsp_store(to + j * size, sums[j], g->t->dtype);
}

static void all_to_all(const Group *g, guint8 *receive, gsize n) {
  gsize m = n / (gsize)g->members;
  gsize due = (gsize)g->me;
  if (g->t->wire == DSP_WIRE_SWAPPED)
    due = (gsize)((g->me + 1) % g->members);
  for (int64_t i = 0; i < g->members; i++)
    if (g->t->wire == DSP_WIRE_KEEPS)
      take(g, receive + (gsize)i * m, g->me,
           member(g, g->me)->send + (gsize)i * m, m);
    else
      take(g, receive + (gsize)i * m, i, member(g, i)->send + due * m, m);
}

static gboolean all_reduce(const Group *g, guint8 *receive, gsize n) {
  gsize m = n / (gsize)g->members;
  g_autofree guint8 *own = g_malloc(m);
  sum(g, own, (gsize)g->me * m, m);
  member(g, g->me)->sums = own;
  if (!meet(g->t))
    return FALSE;
  for (int64_t i = 0; i < g->members; i++)
    take(g, receive + (gsize)i * m, i, member(g, i)->sums, m);
  return meet(g->t);
}

static gboolean collect(const Group *g, const DspExchange *e, guint8 *receive,
                        gsize n) {
  int64_t last = (g->me + g->members - 1) % g->members;
  switch (e->collective) {
  case DSP_ALL_TO_ALL:
    all_to_all(g, receive, n);
    break;
  case DSP_ALL_GATHER:
    for (gsize i = 0, m = n / (gsize)g->members; i < (gsize)g->members; i++)
      take(g, receive + i * m, (int64_t)i, member(g, (int64_t)i)->send, m);
    break;
  case DSP_REDUCE_SCATTER:
    sum(g, receive, (gsize)g->me * n, n);
    break;
  case DSP_ALL_REDUCE:
    return all_reduce(g, receive, n);
  case DSP_SENDRECV:
    take(g, receive, last, member(g, last)->send, n);
    break;
  default:
    return FALSE;
  }
  return TRUE;
}

static gboolean agree(const Group *g, const DspExchange *e) {
  for (int64_t i = 0; i < g->members; i++) {
    const DspRecord *other = &member(g, i)->record;
    if (other->collective != e->collective || other->axis != e->axis ||
        other->bytes != e->bytes)
      return FALSE;
  }
  return TRUE;
}

gboolean dsp_carrier_run(DspCarrier *t, int64_t rank,
                         const DspExchange *exchange, const guint8 *send,
                         gsize sent, guint8 *receive, gsize received) {
  (void)sent;
  Group g = {.t = t,
             .rank = rank,
             .members = dsp_plan_axis(&t->plan, exchange->axis).size,
             .me = dsp_member_of(&t->plan, exchange->axis, rank),
             .axis = exchange->axis};
  Slot *slot = &t->slots[rank];
  slot->send = send;
  slot->record =
      (DspRecord){exchange->collective, exchange->axis, exchange->bytes};
  g_array_append_val(slot->order, slot->record);
  if (!meet(t) || !agree(&g, exchange) ||
      !collect(&g, exchange, receive, received))
    return FALSE;
  return meet(t);
}
