/* SPDX-License-Identifier: Apache-2.0 */
/* The suites of tests/test_model, and models from text. */
#ifndef DSP_TESTS_TEST_MODEL_H
#define DSP_TESTS_TEST_MODEL_H

#include "model/model.h"
#include "test.h"

extern CU_TestInfo bad_input_tests[];
extern CU_TestInfo file_tests[];
extern CU_TestInfo flop_tests[];
extern CU_TestInfo length_tests[];

/* A shipped model; ends the program if it does not load. */
static inline DspModel *dsp_test_model(const char *name) {
  g_autoptr(GError) error = NULL;
  DspModel *model = dsp_model_load(name, &error);
  DSP_CHECK_NO_ERROR(error);
  if (!model)
    abort();
  return model;
}

/* The model that `text` describes, through a file "test-model.json" in the
 * current folder, or NULL and *error. */
static inline DspModel *dsp_test_model_text(const char *text, GError **error) {
  if (!g_file_set_contents("test-model.json", text, -1, error))
    return NULL;
  DspModel *model = dsp_model_load("test-model.json", error);
  remove("test-model.json");
  return model;
}

#endif
