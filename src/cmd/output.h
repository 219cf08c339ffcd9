/* SPDX-License-Identifier: Apache-2.0 */
/* The options that say how an answer looks and where it goes. */
#ifndef DSP_CMD_OUTPUT_H
#define DSP_CMD_OUTPUT_H

#include "cmd/cmd.h"
#include "report/report.h"

typedef struct {
  char *file;
  int format; /* -1: by the file's suffix */
  int colour;
  gboolean provenance, quiet, verbose;
} DspOutputOptions;

#define DSP_OUTPUT_DEFAULTS                                                    \
  { .format = -1 }
extern const DspOption dsp_output_options[];
#define DSP_OUTPUT_GROUP(offset)                                               \
  { "What it says", dsp_output_options, offset }

/* The format that is asked for. */
const DspFormat *dsp_output_format(const DspOutputOptions *options);

/* Writes the report to the file, or appends it to `out` where there is none.
 * DSP_ERROR_EXTERNAL if the file cannot be written. */
gboolean dsp_output_write(const DspOutputOptions *options, DspReport *report,
                          GString *out, GError **error);

/* Says something besides on the standard error, unless quiet. */
void dsp_output_note(const DspOutputOptions *options, const char *format, ...)
    G_GNUC_PRINTF(2, 3);
/* The same if verbose. */
void dsp_output_detail(const DspOutputOptions *options, const char *format, ...)
    G_GNUC_PRINTF(2, 3);

#endif
