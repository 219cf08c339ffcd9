/* SPDX-License-Identifier: Apache-2.0 */
#include "measurement/statistics.h"
#include <gsl/gsl_sort.h>
#include <gsl/gsl_statistics.h>
#include <math.h>

static double *numbers_of(const GArray *values) {
  return (double *)(void *)values->data;
}

double dsp_quantile(GArray *values, double share) {
  double *numbers = numbers_of(values);
  if (!values->len)
    return NAN;
  gsl_sort(numbers, 1, values->len);
  return gsl_stats_quantile_from_sorted_data(numbers, 1, values->len, share);
}

double dsp_median(GArray *values) {
  return dsp_quantile(values, 0.5);
}

double dsp_mean(const GArray *values) {
  return values->len ? gsl_stats_mean(numbers_of(values), 1, values->len) : NAN;
}
