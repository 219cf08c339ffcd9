/* SPDX-License-Identifier: Apache-2.0 */
/* What the CUnit programs share: a main that speaks TAP (so that automake
 * counts every test), and assertions that tell the values. A program is
 *
 *   static CU_TestInfo sizes[] = {{"suffixes", test_suffixes},
 *                                 CU_TEST_INFO_NULL};
 *   static CU_SuiteInfo suites[] = {{.pName = "sizes", .pTests = sizes},
 *                                   CU_SUITE_INFO_NULL};
 *   DSP_TEST_MAIN(suites)
 */
#ifndef DSP_TESTS_TEST_H
#define DSP_TESTS_TEST_H

#include "base/error.h"
#include "base/json.h"
#include <CUnit/CUnit.h>
#include <CUnit/TestDB.h>
#include <CUnit/TestRun.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Asserts `ok`; printf-like arguments tell what was found. */
#define DSP_CHECK(ok, ...)                                                     \
  dsp_test_check((ok) ? TRUE : FALSE, __LINE__, __FILE__, __VA_ARGS__)

#define DSP_CHECK_INT(got, want)                                               \
  dsp_test_int((got), (want), #got, __LINE__, __FILE__)
#define DSP_CHECK_STRING(got, want)                                            \
  dsp_test_string((got), (want), #got, __LINE__, __FILE__)
/* Relative error of at most `tolerance`; NaN fails. */
#define DSP_CHECK_NEAR(got, want, tolerance)                                   \
  dsp_test_near((got), (want), (tolerance), #got, __LINE__, __FILE__)
/* `error` is of the library's domain, with `code`, and its message contains
 * `text`. Clears it. */
#define DSP_CHECK_ERROR(error, code, text)                                     \
  dsp_test_error(&(error), (code), (text), __LINE__, __FILE__)
/* There is no `error`; tells it and clears it if there is. */
#define DSP_CHECK_NO_ERROR(error)                                              \
  dsp_test_no_error(&(error), __LINE__, __FILE__)

static inline gboolean dsp_test_check(gboolean ok, guint line, const char *file,
                                      const char *format, ...)
    G_GNUC_PRINTF(4, 5);

static inline gboolean dsp_test_check(gboolean ok, guint line, const char *file,
                                      const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *message = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  CU_assertImplementation(ok, line, message, file, "", CU_FALSE);
  return ok;
}

static inline void dsp_test_int(gint64 got, gint64 want, const char *what,
                                guint line, const char *file) {
  dsp_test_check(got == want, line, file,
                 "%s: got %" G_GINT64_FORMAT ", want %" G_GINT64_FORMAT, what,
                 got, want);
}

static inline void dsp_test_string(const char *got, const char *want,
                                   const char *what, guint line,
                                   const char *file) {
  dsp_test_check(g_strcmp0(got, want) == 0, line, file,
                 "%s: got '%s', want '%s'", what, got, want);
}

static inline void dsp_test_near(double got, double want, double tolerance,
                                 const char *what, guint line,
                                 const char *file) {
  const double error = fabs(got - want) / (want == 0 ? 1 : fabs(want));
  dsp_test_check(got == want || error <= tolerance, line, file,
                 "%s: got %.17g, want %.17g, relative error %.3g > %.3g", what,
                 got, want, error, tolerance);
}

static inline void dsp_test_error(GError **error, int code, const char *text,
                                  guint line, const char *file) {
  const GError *e = *error;
  dsp_test_check(e && e->domain == DSP_ERROR && e->code == code &&
                     strstr(e->message, text),
                 line, file, "got error %d '%s', want %d '%s'",
                 e ? e->code : -1, e ? e->message : "none", code, text);
  g_clear_error(error);
}

static inline void dsp_test_no_error(GError **error, guint line,
                                     const char *file) {
  dsp_test_check(!*error, line, file, "unexpected error '%s'",
                 *error ? (*error)->message : "");
  g_clear_error(error);
}

/* A document from text that must be right; in messages it is "test.json". */
static inline DspJson *dsp_test_json(const char *text) {
  g_autoptr(GError) error = NULL;
  DspJson *json = dsp_json_parse("test.json", text, strlen(text), &error);
  DSP_CHECK_NO_ERROR(error);
  if (!json)
    abort();
  return json;
}

/* The path of a file in the source tree, such as "tests/data/x.json"; the
 * caller frees. */
static inline char *dsp_test_path(const char *name) {
  const char *source = g_getenv("DSP_TEST_SOURCE");
  return g_build_filename(source ? source : ".", name, NULL);
}

static inline void dsp_test_complete(const CU_pTest test, const CU_pSuite suite,
                                     const CU_pFailureRecord failures) {
  printf("%sok - %s: %s\n", failures ? "not " : "", suite->pName, test->pName);
  for (CU_pFailureRecord f = failures; f; f = f->pNext)
    printf("# %s:%u: %s\n", f->strFileName, f->uiLineNumber, f->strCondition);
  fflush(stdout);
}

/* CUnit's own return codes do not tell failed assertions. */
static inline int dsp_test_main(CU_SuiteInfo *suites) {
  if (CU_initialize_registry() != CUE_SUCCESS ||
      CU_register_suites(suites) != CUE_SUCCESS) {
    printf("Bail out! %s\n", CU_get_error_msg());
    return EXIT_FAILURE;
  }
  CU_set_test_complete_handler(dsp_test_complete);
  printf("1..%u\n", CU_get_registry()->uiNumberOfTests);
  const CU_ErrorCode code = CU_run_all_tests();
  const guint failures = CU_get_number_of_failure_records();
  printf("# %u assertions, %u failed\n", CU_get_number_of_asserts(), failures);
  CU_cleanup_registry();
  return code == CUE_SUCCESS && failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#define DSP_TEST_MAIN(suites)                                                  \
  int main(void) {                                                             \
    return dsp_test_main(suites);                                              \
  }

#endif
