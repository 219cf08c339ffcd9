/* SPDX-License-Identifier: Apache-2.0 */
/* Calibration of profiles, and the logs that it reads. */
#include "test_calibrate.h"

double dsp_test_worst_error(const DspCalibration *c) {
  const GArray *points = dsp_calibration_points(c, TRUE);
  double worst = 0;
  for (guint i = 0; i < points->len; i++)
    worst = MAX(worst,
                fabs(dsp_scored_error(&g_array_index(points, DspScored, i))));
  return worst;
}

static CU_SuiteInfo suites[] = {
    {.pName = "logs of nccl-tests", .pTests = calibrate_log_tests},
    {.pName = "calibration", .pTests = calibrate_fit_tests},
    {.pName = "kernels", .pTests = calibrate_kernels_tests},
    CU_SUITE_INFO_NULL,
};

DSP_TEST_MAIN(suites)
