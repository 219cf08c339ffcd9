/* SPDX-License-Identifier: Apache-2.0 */
#include "test_base.h"

static CU_SuiteInfo suites[] = {
    {.pName = "heap", .pTests = heap_tests},
    {.pName = "json", .pTests = json_tests},
    {.pName = "names", .pTests = names_tests},
    {.pName = "record", .pTests = record_tests},
    {.pName = "units", .pTests = units_tests},
    CU_SUITE_INFO_NULL,
};
DSP_TEST_MAIN(suites)
