/* SPDX-License-Identifier: Apache-2.0 */
/* Which elements of a dimension each rank holds. */
#include "schedule/schedule.h"

static int64_t divide_up(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

/* Positions of the ring, elements that each holds (with padding), and the ranks
 * that share it. */
typedef struct {
  int64_t positions, held, sharing;
} Ring;

static Ring ring_of(DspLayout layout, int64_t length) {
  int64_t n = MAX(layout.ring, 1);
  return (Ring){
      n, layout.zigzag ? 2 * divide_up(length, 2 * n) : divide_up(length, n),
      layout.ranks / n};
}

/* Where a slice of a rank's part begins, or the last one ends. */
static int64_t slice_at(DspLayout layout, int64_t part, int64_t slice) {
  return slice * part / MAX(layout.slices, 1);
}

int64_t dsp_layout_part(DspLayout layout, int64_t length) {
  Ring ring = ring_of(layout, length);
  int64_t part = divide_up(ring.held, ring.sharing);
  return slice_at(layout, part, layout.slice + 1) -
         slice_at(layout, part, layout.slice);
}

int64_t dsp_layout_index(DspLayout layout, int64_t length, int64_t position,
                         int64_t i) {
  Ring ring = ring_of(layout, length);
  int64_t part = divide_up(ring.held, ring.sharing);
  int64_t at = position / ring.sharing;
  int64_t held =
      position % ring.sharing * part + slice_at(layout, part, layout.slice) + i;
  int64_t index = at * ring.held + held;
  if (held >= ring.held)
    return -1;
  if (layout.zigzag) {
    int64_t chunk = ring.held / 2;
    int64_t which = held < chunk ? at : 2 * ring.positions - 1 - at;
    index = which * chunk + held % chunk;
  }
  return index < length ? index : -1;
}
