/* SPDX-License-Identifier: Apache-2.0 */
/* How large rounding errors may become. A sum of n products in arithmetic with
 * unit roundoff u has, with the probability 1 - 2 exp(-lambda^2/2), a relative
 * error of at most lambda sqrt(n) u (Higham and Mary, SIAM J. Sci. Comput. 41
 * (2019) A2815, theorem 2.4: independent roundings of mean zero); its result is
 * rounded to the type that it is stored in. What becomes of such an error on
 * its way through the model is not estimated but computed: the reference runs
 * once more and disturbs the result of every operation, forward and backward,
 * by an error of that size and random sign. The relative error of the disturbed
 * output, and of the disturbed gradients, is the bound. It depends on the
 * model, the lengths of its sums, the type and the number of ranks; no result
 * of the program that is checked enters it. */
#ifndef DSP_NUMERICS_BOUNDS_H
#define DSP_NUMERICS_BOUNDS_H

#include "base/dtype.h"
#include <stdint.h>

typedef struct {
  DspDtype dtype;
  int64_t ranks; /* partial results are stored, exchanged and summed */
  guint64 seed;
} DspNoise;

/* 2 exp(-lambda^2/2) is 0.0007. */
#define DSP_BOUND_LAMBDA 4.0

/* Unit roundoff: 2^-24 and 2^-9. */
double dsp_unit_roundoff(DspDtype dtype);
/* Relative error of a result that is a sum of `n` terms in float32 and stored
 * in the noise's type, once for itself and once for the sum of the ranks'. */
double dsp_step_bound(const DspNoise *noise, int64_t n);
/* ||a - b||/||b|| over n numbers; 0 where both are zero. */
double dsp_relative_error(const double *a, const double *b, int64_t n);

#endif
