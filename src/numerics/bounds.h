/* SPDX-License-Identifier: Apache-2.0 */
/* How large rounding errors may become. A rounding in arithmetic with unit
 * roundoff u has a relative error of mean zero between -u and u, so of a
 * variance of at most u^2/3; those of a sum of n products are independent and
 * add up to n u^2/3 (the model of Higham and Mary, SIAM J. Sci. Comput. 41
 * (2019) A2815, section 2), and its result is rounded to the type that it is
 * stored in. What becomes of such an error on its way through the model is not
 * estimated but computed: the reference runs again and disturbs the result of
 * every operation, forward and backward, by that standard deviation with random
 * sign. To first order the error of the output is linear in all of these, and
 * hence normal: the bound is DSP_BOUND_LAMBDA times the relative error of the
 * disturbed output, and of the disturbed gradients, the larger of
 * DSP_BOUND_RUNS such runs. It depends on the model, the lengths of its sums,
 * the type and the number of ranks; no result of the program that is checked
 * enters it. */
#ifndef DSP_NUMERICS_BOUNDS_H
#define DSP_NUMERICS_BOUNDS_H

#include "base/dtype.h"
#include <stdint.h>

typedef struct {
  DspDtype dtype;
  int64_t ranks; /* partial results are stored, exchanged and summed */
  guint64 seed;
} DspNoise;

/* One normal error in 16,000 is larger than four standard deviations. */
#define DSP_BOUND_LAMBDA 4.0
#define DSP_BOUND_RUNS   2

/* Unit roundoff: 2^-24 and 2^-9. */
double dsp_unit_roundoff(DspDtype dtype);
/* Standard deviation of the relative error of a result that is a sum of `n`
 * terms in float32 and stored in the noise's type, once for itself and once for
 * the sum of the ranks'. */
double dsp_step_error(const DspNoise *noise, int64_t n);
/* ||a - b||/||b|| over n numbers; 0 where both are zero. */
double dsp_relative_error(const double *a, const double *b, int64_t n);

#endif
