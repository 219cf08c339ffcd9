/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the JSON reader share. */
#ifndef DSP_BASE_JSON_PRIVATE_H
#define DSP_BASE_JSON_PRIVATE_H

#include "base/json.h"

/* Where a value stands in the text, in bytes. */
typedef struct {
  guint32 key; /* of the member's key; the value itself if it has none */
  guint32 value;
} DspJsonMark;

/* What is wrong, and where. */
typedef struct {
  gsize offset;
  const char *what;
} DspJsonDefect;

/* Checks `length` bytes against RFC 8259, stricter than cJSON does, and
 * appends the mark of every value in document order to `marks`. The text must
 * be valid UTF-8 and end with a NUL that `length` does not count. */
G_GNUC_INTERNAL gboolean dsp_json_scan(const char *text, gsize length,
                                       GArray *marks, DspJsonDefect *defect);

/* Like dsp_json_fail, at the key of `member`. */
G_GNUC_INTERNAL gboolean dsp_json_fail_key(const DspJson *json,
                                           const cJSON *member, GError **error,
                                           const char *format, ...)
    G_GNUC_PRINTF(4, 5);

#endif
