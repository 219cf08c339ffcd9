/* SPDX-License-Identifier: Apache-2.0 */
/* Calibration of profiles, and the logs that it reads. */
#include "test_calibrate.h"

static CU_SuiteInfo suites[] = {
    {.pName = "logs of nccl-tests", .pTests = calibrate_log_tests},
    {.pName = "calibration", .pTests = calibrate_fit_tests},
    {.pName = "kernels", .pTests = calibrate_kernels_tests},
    CU_SUITE_INFO_NULL,
};

DSP_TEST_MAIN(suites)
