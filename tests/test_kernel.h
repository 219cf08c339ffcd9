/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DSP_TESTS_TEST_KERNEL_H
#define DSP_TESTS_TEST_KERNEL_H

#include "kernel/kernel.h"
#include "test.h"

extern CU_TestInfo gpu_file_tests[];
extern CU_TestInfo gpu_bad_tests[];
extern CU_TestInfo measured_tests[];
extern CU_TestInfo property_tests[];

/* The shipped GPU `name`; the test stops if it does not load. */
DspGpu *dsp_test_gpu(const char *name);

#endif
