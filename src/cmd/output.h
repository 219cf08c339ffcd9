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
/* Those of them that a picture has: where it goes, and colours. */
extern const DspOption dsp_output_picture_options[];
#define DSP_OUTPUT_GROUP(offset)                                               \
  { "What it says", dsp_output_options, offset }

/* Whether the answer goes to a file; whether the standard output is a terminal,
 * and how wide: its columns, 100 if there is none. */
gboolean dsp_output_is_file(const DspOutputOptions *options);
gboolean dsp_output_is_terminal(void);
guint dsp_output_columns(void);
/* How text looks there. */
DspStyle dsp_output_style(const DspOutputOptions *options);

/* The format that is asked for. */
const DspFormat *dsp_output_format(const DspOutputOptions *options);

/* Writes the report to the file, or appends it to `out` where there is none.
 * DSP_ERROR_EXTERNAL if the file cannot be written. */
gboolean dsp_output_write(const DspOutputOptions *options, DspReport *report,
                          GString *out, GError **error);

/* The same with text that is there. */
gboolean dsp_output_text(const DspOutputOptions *options, const GString *text,
                         GString *out, GError **error);
/* "dspsim 0.1.0, 2026-11-23T17:00:00Z"; the caller frees. */
char *dsp_output_provenance(void);

/* Says something besides on the standard error, unless quiet. */
void dsp_output_note(const DspOutputOptions *options, const char *format, ...)
    G_GNUC_PRINTF(2, 3);
/* The same if verbose. */
void dsp_output_detail(const DspOutputOptions *options, const char *format, ...)
    G_GNUC_PRINTF(2, 3);

#endif
