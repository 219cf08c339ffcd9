/* SPDX-License-Identifier: Apache-2.0 */
/* The suites of tests/test_base, one file each. */
#ifndef DSP_TESTS_TEST_BASE_H
#define DSP_TESTS_TEST_BASE_H

#include "test.h"

extern CU_TestInfo heap_tests[];
extern CU_TestInfo json_tests[];
extern CU_TestInfo names_tests[];
extern CU_TestInfo record_tests[];
extern CU_TestInfo units_tests[];

#endif
