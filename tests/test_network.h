/* SPDX-License-Identifier: Apache-2.0 */
/* The suites of test_network, one a file. */
#ifndef DSP_TEST_NETWORK_H
#define DSP_TEST_NETWORK_H

#include <CUnit/CUnit.h>

extern CU_TestInfo dsp_flow_tests[];

#endif
