/* SPDX-License-Identifier: Apache-2.0 */
#include "measurement/write-json.h"
#include "base/error.h"
#include "measurement/measurements.h"

/* cJSON indents with tabs, which stand nowhere else in JSON text. */
static char *print(const cJSON *root) {
  char *text = cJSON_Print(root);
  GString *out = g_string_new(NULL);
  for (const char *c = text; *c; c++)
    if (*c == '\t')
      g_string_append(out, c > text && c[-1] == ':' ? " " : "  ");
    else
      g_string_append_c(out, *c);
  g_string_append_c(out, '\n');
  cJSON_free(text);
  return g_string_free(out, FALSE);
}

gboolean dsp_write_json(const char *file, const cJSON *root, GError **error) {
  g_autofree char *text = print(root);
  g_autoptr(GError) cause = NULL;
  if (g_file_set_contents(file, text, -1, &cause))
    return TRUE;
  g_set_error(error, DSP_ERROR, DSP_ERROR_EXTERNAL, "cannot write '%s': %s",
              file, cause->message);
  return FALSE;
}

char *dsp_write_names(const GPtrArray *files, gboolean sums) {
  GString *names = g_string_new(NULL);
  for (guint i = 0; i < files->len; i++) {
    const DspMeasurements *m = files->pdata[i];
    g_autofree char *base = g_path_get_basename(m->file);
    g_string_append_printf(names, "%s%s", i ? ", " : "", base);
    if (sums)
      g_string_append_printf(names, " (SHA-256 %s)", m->sha256);
  }
  return g_string_free(names, FALSE);
}
