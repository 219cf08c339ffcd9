/* SPDX-License-Identifier: Apache-2.0 */
#include "numerics/threads.h"
#include "numerics/function.h"
#include <pthread.h>
#include <string.h>

/* What one rank shows the others. */
typedef struct {
  const guint8 *send;
  guint8 *sums; /* its part of an all-reduce */
  DspExchange exchange;
} Slot;

typedef struct {
  DspCarrier carrier;
  DspDtype dtype;
  Slot *slots;
  /* Not those of GLib, which the thread sanitizer cannot see. */
  pthread_mutex_t mutex;
  pthread_cond_t all_here;
  int64_t waiting;
  guint64 round;
  gboolean broken;
} Threads;

/* --- meeting ---------------------------------------------------------------
 */

static void stop(DspCarrier *carrier) {
  Threads *t = (Threads *)carrier;
  pthread_mutex_lock(&t->mutex);
  t->broken = TRUE;
  pthread_cond_broadcast(&t->all_here);
  pthread_mutex_unlock(&t->mutex);
}

/* Waits for all ranks of the world: sibling groups run the same collective. */
static gboolean meet(Threads *t) {
  pthread_mutex_lock(&t->mutex);
  guint64 round = t->round;
  if (++t->waiting == t->carrier.ranks) {
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

/* --- what a rank takes -----------------------------------------------------
 */

typedef struct {
  Threads *t;
  DspGroup g;
} Group;

static Slot *member(const Group *g, int64_t i) {
  return &g->t->slots[dsp_carrier_member(&g->t->carrier, &g->g, i)];
}

static void take(const Group *g, guint8 *to, int64_t from, const guint8 *bytes,
                 gsize n) {
  memcpy(to, bytes, n);
  if (from != g->g.me)
    dsp_carrier_count(&g->t->carrier, g->g.rank, n);
}

/* The sum over members of the `n` bytes at `offset` of their buffers. */
static void sum(const Group *g, guint8 *to, gsize offset, gsize n) {
  DspDtype dtype =
      member(g, g->g.me)->exchange.fp32 ? DSP_DTYPE_FP32 : g->t->dtype;
  gsize size = (gsize)dsp_dtype_bytes(dtype);
  g_autofree guint8 *part = g_malloc(n);
  g_autofree float *sums = g_new0(float, n / size);
  for (int64_t i = 0; i < g->g.members; i++) {
    take(g, part, i, member(g, i)->send + offset, n);
    for (gsize j = 0; j < n / size; j++)
      sums[j] += dsp_fetch(part + j * size, dtype);
  }
  for (gsize j = 0; j < n / size; j++)
    dsp_store(to + j * size, sums[j], dtype);
}

static void all_to_all(const Group *g, guint8 *receive, gsize n) {
  gsize m = n / (gsize)g->g.members;
  gsize due = (gsize)g->g.me;
  if (g->t->carrier.wire == DSP_WIRE_SWAPPED)
    due = (gsize)((g->g.me + 1) % g->g.members);
  for (int64_t i = 0; i < g->g.members; i++)
    if (g->t->carrier.wire == DSP_WIRE_KEEPS)
      take(g, receive + (gsize)i * m, g->g.me,
           member(g, g->g.me)->send + (gsize)i * m, m);
    else
      take(g, receive + (gsize)i * m, i, member(g, i)->send + due * m, m);
}

static void all_gather(const Group *g, guint8 *receive, gsize n) {
  gsize m = n / (gsize)g->g.members;
  for (int64_t i = 0; i < g->g.members; i++)
    take(g, receive + (gsize)i * m, i, member(g, i)->send, m);
}

static gboolean all_reduce(const Group *g, guint8 *receive, gsize n) {
  gsize m = n / (gsize)g->g.members;
  g_autofree guint8 *own = g_malloc(m);
  sum(g, own, (gsize)g->g.me * m, m);
  member(g, g->g.me)->sums = own;
  if (!meet(g->t))
    return FALSE;
  for (int64_t i = 0; i < g->g.members; i++)
    take(g, receive + (gsize)i * m, i, member(g, i)->sums, m);
  return meet(g->t);
}

static gboolean collect(const Group *g, const DspCarry *c) {
  int64_t last = (g->g.me + g->g.members - 1) % g->g.members;
  gsize n = c->received;
  switch (c->exchange->collective) {
  case DSP_ALL_TO_ALL:
    all_to_all(g, c->receive, n);
    break;
  case DSP_ALL_GATHER:
    all_gather(g, c->receive, n);
    break;
  case DSP_REDUCE_SCATTER:
    sum(g, c->receive, (gsize)g->g.me * n, n);
    break;
  case DSP_ALL_REDUCE:
    return all_reduce(g, c->receive, n);
  case DSP_SENDRECV:
    take(g, c->receive, last, member(g, last)->send, n);
    break;
  default:
    return FALSE;
  }
  return TRUE;
}

static gboolean agree(const Group *g, const DspExchange *e) {
  for (int64_t i = 0; i < g->g.members; i++) {
    const DspExchange *other = &member(g, i)->exchange;
    if (other->collective != e->collective || other->axis != e->axis ||
        other->bytes != e->bytes)
      return FALSE;
  }
  return TRUE;
}

static gboolean run(DspCarrier *carrier, int64_t rank, const DspCarry *carry) {
  Threads *t = (Threads *)carrier;
  const Group g = {t, dsp_carrier_group(carrier, rank, carry->exchange)};
  t->slots[rank].send = carry->send;
  t->slots[rank].exchange = *carry->exchange;
  return meet(t) && agree(&g, carry->exchange) && collect(&g, carry) && meet(t);
}

/* --- the carrier -----------------------------------------------------------
 */

static void threads_free(DspCarrier *carrier) {
  Threads *t = (Threads *)carrier;
  pthread_mutex_destroy(&t->mutex);
  pthread_cond_destroy(&t->all_here);
  g_free(t->slots);
  g_free(t);
}

static const DspCarrierKind kind = {run, stop, threads_free};

DspCarrier *dsp_threads_new(const DspPlan *plan, DspDtype dtype) {
  Threads *t = g_new0(Threads, 1);
  dsp_carrier_init(&t->carrier, &kind, plan);
  t->dtype = dtype;
  t->slots = g_new0(Slot, (gsize)t->carrier.ranks);
  pthread_mutex_init(&t->mutex, NULL);
  pthread_cond_init(&t->all_here, NULL);
  return &t->carrier;
}
