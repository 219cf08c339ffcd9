/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DSP_TESTS_TEST_CALIBRATE_H
#define DSP_TESTS_TEST_CALIBRATE_H

#include "measurement/calibrate.h"
#include "test.h"

/* The largest |predicted / measured - 1| of the points, as calibrated. */
double dsp_test_worst_error(const DspCalibration *calibration);

extern CU_TestInfo calibrate_fit_tests[], calibrate_kernels_tests[],
    calibrate_log_tests[];

#endif
