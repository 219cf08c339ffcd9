/* SPDX-License-Identifier: Apache-2.0 */
#include "test_kernel.h"

DspGpu *dsp_test_gpu(const char *name) {
  g_autoptr(GError) error = NULL;
  DspGpu *gpu = dsp_gpu_load(name, &error);
  DSP_CHECK_NO_ERROR(error);
  CU_ASSERT_PTR_NOT_NULL_FATAL(gpu);
  return gpu;
}

static CU_SuiteInfo suites[] = {
    {.pName = "GPU files", .pTests = gpu_file_tests},
    {.pName = "bad GPU files", .pTests = gpu_bad_tests},
    {.pName = "measurements", .pTests = measured_tests},
    {.pName = "properties", .pTests = property_tests},
    CU_SUITE_INFO_NULL,
};
DSP_TEST_MAIN(suites)
