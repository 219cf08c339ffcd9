/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DSP_TESTS_TEST_CALIBRATE_H
#define DSP_TESTS_TEST_CALIBRATE_H

#include "test.h"

extern CU_TestInfo calibrate_fit_tests[], calibrate_kernels_tests[],
    calibrate_log_tests[];

#endif
