/* SPDX-License-Identifier: Apache-2.0 */
/* Errors of the library: one domain, one code for each exit status. */
#ifndef DSP_BASE_ERROR_H
#define DSP_BASE_ERROR_H

#include <glib.h>
#include <stdarg.h>

#define DSP_ERROR (dsp_error_quark())

/* What went wrong, as the command's exit status tells it (dspsim(1)). */
typedef enum {
  DSP_ERROR_INFEASIBLE,  /* the answer is no: exit status 1 */
  DSP_ERROR_USAGE,       /* wrong option or argument: exit status 2 */
  DSP_ERROR_INPUT,       /* bad input file: exit status 3 */
  DSP_ERROR_EXTERNAL,    /* an external program is missing or failed: 4 */
  DSP_ERROR_INTERRUPTED, /* stopped by a signal: 130 */
} DspError;

GQuark dsp_error_quark(void);

/* Sets DSP_ERROR_INPUT "file:line:column: message", the form of all errors of
 * files; returns FALSE. */
gboolean dsp_error_at(GError **error, const char *file, guint line,
                      guint column, const char *format, va_list arguments)
    G_GNUC_PRINTF(5, 0);

#endif
