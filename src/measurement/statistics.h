/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of measurement/: statistics of lists of numbers, NaN where empty. */
#ifndef DSP_MEASUREMENT_STATISTICS_H
#define DSP_MEASUREMENT_STATISTICS_H

#include <glib.h>

/* `values` are doubles; these two sort them. */
double dsp_median(GArray *values);
double dsp_quantile(GArray *values, double share);
double dsp_mean(const GArray *values);

#endif
