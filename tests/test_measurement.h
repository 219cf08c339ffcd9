/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DSP_TESTS_TEST_MEASUREMENT_H
#define DSP_TESTS_TEST_MEASUREMENT_H

#include "measurement/measurements.h"
#include "test.h"

/* A file whose points are `points`, written as in JSON; NULL and *error if it
 * is refused. In messages it is "test.json". */
DspMeasurements *dsp_test_measurements(const char *points, GError **error);

extern CU_TestInfo measurement_input_tests[], measurement_interval_tests[],
    measurement_score_tests[];

#endif
