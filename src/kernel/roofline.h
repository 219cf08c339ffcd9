/* SPDX-License-Identifier: Apache-2.0 */
/* Small things that the kernel equations share. */
#ifndef DSP_KERNEL_ROOFLINE_H
#define DSP_KERNEL_ROOFLINE_H

#include <math.h>
#include <stdint.h>

/* Tiles of `size` that cover `extent`. */
static inline int64_t dsp_tiles(int64_t extent, int64_t size) {
  return (extent - 1) / size + 1;
}

/* Rounds that `w` tiles a multiprocessor take: q = 1 counts whole rounds, q = 0
 * lets them flow into each other; at least one. */
static inline double dsp_waves(double w, double q) {
  return fmax(1, (1 - q) * w + q * ceil(w));
}

/* The time of two things that overlap imperfectly: the p-norm, from their sum
 * (p = 1) to the larger (p large). */
static inline double dsp_join(double a, double b, double p) {
  const double most = fmax(a, b), least = fmin(a, b);
  return most > 0 ? most * pow(1 + pow(least / most, p), 1 / p) : 0;
}

#endif
