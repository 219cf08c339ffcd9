/* SPDX-License-Identifier: Apache-2.0 */
#include "cuda/client.h"
#include "base/error.h"
#include "base/json.h"
#include "cuda/cases.h"
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/* --- the program -----------------------------------------------------------
 */

/* $DSPSIM_CUDA, else where it is installed; NULL if it is not there. */
static char *find_program(void) {
  const char *given = g_getenv("DSPSIM_CUDA");
  g_autofree char *path =
      given ? g_strdup(given)
            : g_build_filename(DSP_LIBEXECDIR, "dspsim-cuda", NULL);
  return g_file_test(path, G_FILE_TEST_IS_EXECUTABLE) ? g_steal_pointer(&path)
                                                      : NULL;
}

static void die_with_parent(gpointer data) {
  (void)data;
  prctl(PR_SET_PDEATHSIG, SIGTERM);
}

/* Why it could not be loaded, as the loader says it, or NULL. */
static char *not_loaded(int status, const char *errors) {
  enum { LOADER_FAILED = 127 };
  if (!WIFEXITED(status) || WEXITSTATUS(status) != LOADER_FAILED)
    return NULL;
  return g_strdup_printf("dspsim-cuda cannot be loaded: %s", errors);
}

/* Its output; NULL and *skipped, or an error. */
static char *run_program(const char *const *arguments, char **skipped,
                         GError **error) {
  g_autofree char *program = find_program();
  g_autofree char *output = NULL, *errors = NULL;
  int status = 0;
  if (!program) {
    *skipped = g_strdup("dspsim-cuda is not installed");
    return NULL;
  }
  const char *argv[] = {program, arguments[0], arguments[1], arguments[2],
                        NULL};
  if (!g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_DEFAULT, die_with_parent,
                    NULL, &output, &errors, &status, NULL)) {
    g_set_error(error, DSP_ERROR, DSP_ERROR_EXTERNAL, "%s: cannot be started",
                program);
    return NULL;
  }
  g_strchomp(errors);
  *skipped = not_loaded(status, errors);
  if (*skipped)
    return NULL;
  if (status == 0)
    return g_steal_pointer(&output);
  g_set_error(error, DSP_ERROR, DSP_ERROR_EXTERNAL, "%s failed: %s", program,
              *errors ? errors : "no message");
  return NULL;
}

/* --- its answer ------------------------------------------------------------
 */

static char *string_of(const cJSON *node, const char *key) {
  const cJSON *item = cJSON_GetObjectItemCaseSensitive(node, key);
  return cJSON_IsString(item) ? g_strdup(item->valuestring) : NULL;
}

static void read_row(const cJSON *node, DspCudaReport *report) {
  const cJSON *number = cJSON_GetObjectItemCaseSensitive(node, "case");
  double at = cJSON_IsNumber(number) ? number->valuedouble : -1;
  if (!(at >= 0 && at < report->n_rows))
    return;
  DspCudaRow *row = &report->rows[(guint)at];
  g_free(row->error);
  row->error = string_of(node, "error");
  if (!row->error && !dsp_validation_read(node, &row->validation))
    row->error = g_strdup("its answer cannot be understood");
}

static gboolean read_answer(const char *text, guint n, DspCudaReport *report,
                            GError **error) {
  g_autoptr(DspJson) json =
      dsp_json_parse("dspsim-cuda", text, strlen(text), error);
  if (!json)
    return FALSE;
  const cJSON *root = dsp_json_root(json), *node;
  report->skipped = string_of(root, "skipped");
  report->machine = string_of(root, "machine");
  if (report->skipped)
    return TRUE;
  report->n_rows = n;
  report->rows = g_new0(DspCudaRow, n);
  for (guint i = 0; i < n; i++)
    report->rows[i].error = g_strdup("no answer");
  cJSON_ArrayForEach(node, cJSON_GetObjectItemCaseSensitive(root, "rows"))
      read_row(node, report);
  return TRUE;
}

/* --- questions -------------------------------------------------------------
 */

/* A file of the cases; the caller removes it. */
static char *write_cases(const DspCudaCase *cases, guint n, GError **error) {
  g_autofree char *text = dsp_cases_text(cases, n), *path = NULL;
  g_autoptr(GError) why = NULL;
  int file = g_file_open_tmp("dspsim-cases-XXXXXX", &path, &why);
  if (file >= 0 && g_close(file, &why) &&
      g_file_set_contents(path, text, -1, &why))
    return g_steal_pointer(&path);
  g_set_error(error, DSP_ERROR, DSP_ERROR_EXTERNAL, "%s", why->message);
  return NULL;
}

DspCudaReport *dsp_cuda_validate(const DspCudaCase *cases, guint n,
                                 guint timeout, GError **error) {
  g_autofree char *path = write_cases(cases, n, error);
  g_autofree char *seconds = g_strdup_printf("%u", timeout);
  if (!path)
    return NULL;
  const char *const arguments[] = {"validate", path, seconds};
  g_autoptr(DspCudaReport) report = g_new0(DspCudaReport, 1);
  g_autofree char *answer = run_program(arguments, &report->skipped, error);
  g_unlink(path);
  if (report->skipped)
    return g_steal_pointer(&report);
  if (!answer || !read_answer(answer, n, report, error))
    return NULL;
  return g_steal_pointer(&report);
}

void dsp_cuda_report_free(DspCudaReport *report) {
  if (!report)
    return;
  for (guint i = 0; i < report->n_rows; i++)
    g_free(report->rows[i].error);
  g_free(report->rows);
  g_free(report->skipped);
  g_free(report->machine);
  g_free(report);
}

gboolean dsp_cuda_measure(const char *file, char **skipped, GError **error) {
  const char *const arguments[] = {"measure", file, NULL};
  DspCudaReport report = {NULL};
  *skipped = NULL;
  g_autofree char *answer = run_program(arguments, skipped, error);
  if (*skipped)
    return TRUE;
  gboolean read = answer && read_answer(answer, 0, &report, error);
  *skipped = g_steal_pointer(&report.skipped);
  g_free(report.rows);
  g_free(report.machine);
  return read;
}
