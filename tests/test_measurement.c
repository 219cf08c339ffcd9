/* SPDX-License-Identifier: Apache-2.0 */
/* Files of measurements, and scores of predictions against them. */
#include "test_measurement.h"

DspMeasurements *dsp_test_measurements(const char *points, GError **error) {
  g_autofree char *text =
      g_strdup_printf("{\"schema\": \"dspsim.measurements/1\", \"title\": "
                      "\"t\", \"source\": \"s\", \"licence\": \"l\",\n"
                      "\"points\": [%s]}",
                      points);
  g_autoptr(DspJson) json = dsp_test_json(text);
  return dsp_measurements_read(json, error);
}

static CU_SuiteInfo suites[] = {
    {.pName = "measurement files", .pTests = measurement_input_tests},
    {.pName = "intervals", .pTests = measurement_interval_tests},
    {.pName = "scores", .pTests = measurement_score_tests},
    CU_SUITE_INFO_NULL,
};

DSP_TEST_MAIN(suites)
