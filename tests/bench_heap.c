/* SPDX-License-Identifier: Apache-2.0 */
/* Events per second of the queue: with `pending` events waiting, takes the
 * earliest and sets it again later (the hold model). */
#include "base/heap.h"
#include <stdio.h>

#define ROUNDS 4000000u

/* A linear congruential generator (Knuth's MMIX): the same times every run. */
static double random_delay(guint64 *state) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return 1e-6 + (double)(*state >> 40) * 1e-9;
}

static void hold(guint pending) {
  g_autoptr(DspHeap) heap = dsp_heap_new(pending);
  guint64 state = 1;
  for (guint32 id = 0; id < pending; id++)
    dsp_heap_set(heap, id, random_delay(&state));
  const gint64 start = g_get_monotonic_time();
  for (guint i = 0; i < ROUNDS; i++) {
    guint32 id;
    const double now = dsp_heap_pop(heap, &id);
    dsp_heap_set(heap, id, now + random_delay(&state));
  }
  const double seconds = (double)(g_get_monotonic_time() - start) * 1e-6;
  printf("heap: %7u pending, %5.1f M events/s\n", pending,
         ROUNDS / seconds * 1e-6);
}

int main(void) {
  static const guint pending[] = {10, 100, 1000, 10000, 100000};
  for (guint i = 0; i < G_N_ELEMENTS(pending); i++)
    hold(pending[i]);
  return 0;
}
