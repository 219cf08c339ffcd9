/* SPDX-License-Identifier: Apache-2.0 */
/* Ranks of the groups of an axis. Private to src/network. */
#ifndef DSP_NETWORK_AXIS_H
#define DSP_NETWORK_AXIS_H

#include "schedule/collective.h"

static inline guint dsp_axis_groups(const DspAxis *axis) {
  return axis->world / axis->size;
}

/* The rank of `member` (from 0) of `group`: groups that differ in less than
 * the stride are neighbours. */
static inline guint dsp_axis_rank(const DspAxis *axis, guint group,
                                  guint member) {
  return group / axis->stride * axis->stride * axis->size +
         group % axis->stride + member * axis->stride;
}

/* The rank that is `distance` < size members after `rank` in its group. */
static inline guint dsp_axis_after(const DspAxis *axis, guint rank,
                                   guint distance) {
  const guint member = rank / axis->stride % axis->size;
  const guint other = member + distance;
  return rank + (other < axis->size ? distance * axis->stride : 0) -
         (other < axis->size ? 0 : (axis->size - distance) * axis->stride);
}

#endif
