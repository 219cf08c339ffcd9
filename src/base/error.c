/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

G_DEFINE_QUARK(dsp - error - quark, dsp_error)

gboolean dsp_error_at(GError **error, const char *file, guint line,
                      guint column, const char *format, va_list arguments) {
  g_autofree char *message = g_strdup_vprintf(format, arguments);
  g_set_error(error, DSP_ERROR, DSP_ERROR_INPUT, "%s:%u:%u: %s", file, line,
              column, message);
  return FALSE;
}
