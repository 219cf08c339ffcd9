/* SPDX-License-Identifier: Apache-2.0 */
/* A priority queue of events in total order: by time, then by the order of
 * insertion. 4-ary array heap with handles, so that an event can be moved or
 * withdrawn. Everything that simulates time uses this one. */
#ifndef DSP_BASE_HEAP_H
#define DSP_BASE_HEAP_H

#include <glib.h>
#include <stdint.h>

typedef struct DspHeap DspHeap;

/* `capacity` is a hint. The caller frees with dsp_heap_free. */
DspHeap *dsp_heap_new(guint capacity);
void dsp_heap_free(DspHeap *heap);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DspHeap, dsp_heap_free)

/* Adds event `id` (the caller's number, dense from 0, at most once in the
 * heap) at `time`, or moves it there if it is in the heap. A moved event keeps
 * its place among equal times as if inserted now. Time must not be NaN. */
void dsp_heap_set(DspHeap *heap, uint32_t id, double time);
/* Withdraws `id`; nothing happens if it is not in the heap. */
void dsp_heap_remove(DspHeap *heap, uint32_t id);
gboolean dsp_heap_is_empty(const DspHeap *heap);
/* The earliest event; the heap must not be empty. */
double dsp_heap_peek(const DspHeap *heap, uint32_t *id);
double dsp_heap_pop(DspHeap *heap, uint32_t *id);

#endif
