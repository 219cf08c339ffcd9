/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of measurement/: files that calibrations write. */
#ifndef DSP_MEASUREMENT_WRITE_JSON_H
#define DSP_MEASUREMENT_WRITE_JSON_H

#include <cjson/cJSON.h>
#include <glib.h>

/* Writes the tree as text with two blanks a level. DSP_ERROR_EXTERNAL if it
 * cannot. */
gboolean dsp_write_json(const char *file, const cJSON *root, GError **error);

/* "gemm.json (SHA-256 ...), ..." or, without `sums`, "gemm.json, ..." of files
 * (DspMeasurements). The caller frees. */
char *dsp_write_names(const GPtrArray *files, gboolean sums);

#endif
