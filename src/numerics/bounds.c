/* SPDX-License-Identifier: Apache-2.0 */
#include "numerics/bounds.h"
#include <math.h>

double dsp_unit_roundoff(DspDtype dtype) {
  return dtype == DSP_DTYPE_BF16 ? 0x1p-9 : 0x1p-24;
}

double dsp_step_error(const DspNoise *noise, int64_t n) {
  enum { STORED = 2 };
  double sum = dsp_unit_roundoff(DSP_DTYPE_FP32);
  double store = dsp_unit_roundoff(noise->dtype);
  return sqrt(
      ((double)(n + noise->ranks) * sum * sum + STORED * store * store) / 3);
}

double dsp_relative_error(const double *a, const double *b, int64_t n) {
  double difference = 0, norm = 0;
  for (int64_t i = 0; i < n; i++) {
    difference += (a[i] - b[i]) * (a[i] - b[i]);
    norm += b[i] * b[i];
  }
  return difference == 0 ? 0 : sqrt(difference / norm);
}
