/* SPDX-License-Identifier: Apache-2.0 */
/* CSV input with positions (RFC 4180: commas, quotes that are doubled within
 * quotes, lines ended by LF or CRLF, one header line). */
#ifndef DSP_BASE_CSV_H
#define DSP_BASE_CSV_H

#include <glib.h>

typedef struct DspCsv DspCsv;

/* Checks and takes apart `text`; `name` stands for the file in messages. Names
 * in the header must not be empty or repeated, and every row has as many cells
 * as there are. DSP_ERROR_INPUT with the position. The caller frees with
 * dsp_csv_free. */
DspCsv *dsp_csv_parse(const char *name, const char *text, gsize length,
                      GError **error);
void dsp_csv_free(DspCsv *csv);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DspCsv, dsp_csv_free)

guint dsp_csv_n_columns(const DspCsv *csv);
guint dsp_csv_n_rows(const DspCsv *csv); /* without the header */
const char *dsp_csv_name(const DspCsv *csv, guint column);
/* The text of a cell, "" if there is none. */
const char *dsp_csv_cell(const DspCsv *csv, guint row, guint column);

/* Sets *error to DSP_ERROR_INPUT "name:line:column: message" for a cell;
 * returns FALSE. */
gboolean dsp_csv_fail(const DspCsv *csv, guint row, guint column,
                      GError **error, const char *format, ...)
    G_GNUC_PRINTF(5, 6);

#endif
