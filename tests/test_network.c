/* SPDX-License-Identifier: Apache-2.0 */
#include "test_network.h"
#include <CUnit/Basic.h>

static CU_SuiteInfo suites[] = {
    {"flows", NULL, NULL, NULL, NULL, dsp_flow_tests},
    CU_SUITE_INFO_NULL,
};

int main(void) {
  if (CU_initialize_registry() != CUE_SUCCESS ||
      CU_register_suites(suites) != CUE_SUCCESS)
    return 1;
  CU_basic_set_mode(CU_BRM_NORMAL);
  CU_basic_run_tests();
  const unsigned failures = CU_get_number_of_failures();
  CU_cleanup_registry();
  return failures > 0;
}
