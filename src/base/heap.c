/* SPDX-License-Identifier: Apache-2.0 */
#include "base/heap.h"

#define NOWHERE   UINT32_MAX
#define ARITY     4
#define MIN_NODES 16

#define SIGN (UINT64_C(1) << 63)

/* The order of events as one integer: the time, then the sequence number that
 * every insertion has to itself. Which of two events is earlier cannot be
 * predicted, and integers compare without a branch. */
typedef unsigned __int128 Key;

/* keys[i] and ids[i] are node i of the heap, whose children are the nodes
 * ARITY*i + 1 .. ARITY*i + ARITY; the keys of siblings are neighbours in
 * memory. position[id] is where an event stands, NOWHERE if it does not. */
struct DspHeap {
  Key *keys;
  uint32_t *ids;
  uint32_t *position;
  uint32_t n_nodes;
  uint32_t n_positions;
  uint64_t sequence;
};

static void grow(DspHeap *heap, uint32_t n) {
  heap->keys = g_renew(Key, heap->keys, n);
  heap->ids = g_renew(uint32_t, heap->ids, n);
  heap->position = g_renew(uint32_t, heap->position, n);
  for (uint32_t i = heap->n_positions; i < n; i++)
    heap->position[i] = NOWHERE;
  heap->n_positions = n;
}

DspHeap *dsp_heap_new(guint capacity) {
  DspHeap *heap = g_new0(DspHeap, 1);
  grow(heap, MAX(capacity, MIN_NODES));
  return heap;
}

void dsp_heap_free(DspHeap *heap) {
  if (!heap)
    return;
  g_free(heap->keys);
  g_free(heap->ids);
  g_free(heap->position);
  g_free(heap);
}

/* IEEE 754 numbers order as integers do once the sign bit of the positive and
 * all bits of the negative are turned over; adding zero makes -0.0 be 0.0. */
static Key make_key(double time, uint64_t sequence) {
  const union {
    double real;
    uint64_t bits;
  } t = {.real = time + 0.0};
  const uint64_t turned = t.bits & SIGN ? ~t.bits : t.bits ^ SIGN;
  return (Key)turned << 64 | sequence;
}

static double key_time(Key key) {
  const uint64_t turned = (uint64_t)(key >> 64);
  const union {
    uint64_t bits;
    double real;
  } t = {.bits = turned & SIGN ? turned ^ SIGN : ~turned};
  return t.real;
}

static inline void put(DspHeap *heap, uint32_t at, Key key, uint32_t id) {
  heap->keys[at] = key;
  heap->ids[at] = id;
  heap->position[id] = at;
}

/* Fills the hole `at` with the event, moving it up to its place. */
static void sift_up(DspHeap *heap, uint32_t at, Key key, uint32_t id) {
  while (at > 0) {
    const uint32_t parent = (at - 1) / ARITY;
    if (key > heap->keys[parent])
      break;
    put(heap, at, heap->keys[parent], heap->ids[parent]);
    at = parent;
  }
  put(heap, at, key, id);
}

/* Arithmetic, lest the compiler make a branch of it. */
static inline uint32_t earlier_of(const Key *keys, uint32_t a, uint32_t b) {
  return a ^ ((a ^ b) & -(uint32_t)(keys[b] < keys[a]));
}

/* The earliest child of a node whose first child is `first`. */
static uint32_t earliest_child(const DspHeap *heap, uint32_t first) {
  const Key *keys = heap->keys;
  if (G_LIKELY(heap->n_nodes - first >= ARITY))
    return earlier_of(keys, earlier_of(keys, first, first + 1),
                      earlier_of(keys, first + 2, first + 3));
  uint32_t best = first;
  for (uint32_t i = first + 1; i < heap->n_nodes; i++)
    best = earlier_of(keys, best, i);
  return best;
}

/* Moves the hole `at` down to a leaf and fills it from there: the event comes
 * from the end of the heap, where it mostly belongs. */
static void sift_down(DspHeap *heap, uint32_t at, Key key, uint32_t id) {
  for (;;) {
    const uint64_t first = (uint64_t)at * ARITY + 1;
    if (first >= heap->n_nodes)
      break;
    const uint32_t child = earliest_child(heap, (uint32_t)first);
    put(heap, at, heap->keys[child], heap->ids[child]);
    at = child;
  }
  sift_up(heap, at, key, id);
}

void dsp_heap_set(DspHeap *heap, uint32_t id, double time) {
  const Key key = make_key(time, heap->sequence++);
  g_return_if_fail(time == time && id < NOWHERE);
  if (id >= heap->n_positions)
    grow(heap, (uint32_t)MIN(MAX((uint64_t)id + 1, 2ull * heap->n_positions),
                             NOWHERE));
  const uint32_t at = heap->position[id];
  if (at == NOWHERE)
    sift_up(heap, heap->n_nodes++, key, id);
  else if (key < heap->keys[at])
    sift_up(heap, at, key, id);
  else
    sift_down(heap, at, key, id);
}

void dsp_heap_remove(DspHeap *heap, uint32_t id) {
  const uint32_t at = id < heap->n_positions ? heap->position[id] : NOWHERE;
  if (at == NOWHERE)
    return;
  heap->position[id] = NOWHERE;
  const uint32_t last = --heap->n_nodes;
  if (at != last)
    sift_down(heap, at, heap->keys[last], heap->ids[last]);
}

gboolean dsp_heap_is_empty(const DspHeap *heap) {
  return heap->n_nodes == 0;
}

double dsp_heap_peek(const DspHeap *heap, uint32_t *id) {
  *id = heap->ids[0];
  return key_time(heap->keys[0]);
}

double dsp_heap_pop(DspHeap *heap, uint32_t *id) {
  const double time = dsp_heap_peek(heap, id);
  dsp_heap_remove(heap, *id);
  return time;
}
