/* SPDX-License-Identifier: Apache-2.0 */
/* Files of input: read whole, and positions in them. */
#ifndef DSP_BASE_FILE_H
#define DSP_BASE_FILE_H

#include <glib.h>

/* The bytes of a file, ended by a NUL. Reads at most one byte more than `most`,
 * so that an endless file ends. DSP_ERROR_INPUT if it cannot be read. */
GString *dsp_file_read(const char *path, gsize most, GError **error);

/* Line and column (from 1) of a byte of `text`. Columns count characters, as
 * editors do. */
void dsp_file_position(const char *text, gsize offset, guint *line,
                       guint *column);

#endif
