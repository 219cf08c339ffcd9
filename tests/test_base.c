/* SPDX-License-Identifier: Apache-2.0 */
#include "base/dtype.h"
#include "test.h"

static void test_dtypes(void) {
  static const int bytes[] = {2, 2, 4, 1};
  for (int d = 0; d < DSP_N_DTYPES; d++)
    DSP_CHECK_INT(dsp_dtype_bytes(d), bytes[d]);
  DSP_CHECK_STRING(dsp_dtype_names[DSP_DTYPE_FP8], "fp8");
  DSP_CHECK(!dsp_dtype_names[DSP_N_DTYPES], "names end with NULL");
}

static CU_TestInfo dtype_tests[] = {{"bytes and names", test_dtypes},
                                    CU_TEST_INFO_NULL};
static CU_SuiteInfo suites[] = {{.pName = "dtype", .pTests = dtype_tests},
                                CU_SUITE_INFO_NULL};
DSP_TEST_MAIN(suites)
