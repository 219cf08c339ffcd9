/* SPDX-License-Identifier: Apache-2.0 */
/* Which elements of a dimension each rank holds. */
#include "schedule/schedule.h"

static int64_t divide_up(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

/* Elements of one of the 2*zigzag chunks, padded. */
static int64_t chunk_of(DspLayout layout, int64_t length) {
  return divide_up(length, 2 * layout.zigzag);
}

int64_t dsp_layout_part(DspLayout layout, int64_t length) {
  if (!layout.zigzag)
    return divide_up(length, layout.ranks);
  return divide_up(2 * chunk_of(layout, length), layout.ranks / layout.zigzag);
}

int64_t dsp_layout_index(DspLayout layout, int64_t length, int64_t position,
                         int64_t i) {
  int64_t part = dsp_layout_part(layout, length);
  if (!layout.zigzag) {
    int64_t index = position * part + i;
    return index < length ? index : -1;
  }
  int64_t chunk = chunk_of(layout, length),
          sharing = layout.ranks / layout.zigzag;
  int64_t ring = position / sharing, held = position % sharing * part + i;
  if (held >= 2 * chunk)
    return -1;
  int64_t which = held < chunk ? ring : 2 * layout.zigzag - 1 - ring;
  int64_t index = which * chunk + held % chunk;
  return index < length ? index : -1;
}
