/* SPDX-License-Identifier: Apache-2.0 */
#include "test_cluster.h"

static CU_SuiteInfo suites[] = {
    {.pName = "profiles", .pTests = profile_tests},
    {.pName = "topology", .pTests = topology_tests},
    {.pName = "description", .pTests = description_tests},
    {.pName = "input", .pTests = input_tests},
    CU_SUITE_INFO_NULL,
};
DSP_TEST_MAIN(suites)
