/* SPDX-License-Identifier: Apache-2.0 */
#include "test_model.h"

static CU_SuiteInfo suites[] = {
    {.pName = "files", .pTests = file_tests},
    {.pName = "flop", .pTests = flop_tests},
    {.pName = "lengths", .pTests = length_tests},
    {.pName = "bad input", .pTests = bad_input_tests},
    CU_SUITE_INFO_NULL,
};
DSP_TEST_MAIN(suites)
