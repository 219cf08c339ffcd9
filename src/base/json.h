/* SPDX-License-Identifier: Apache-2.0 */
/* JSON input with positions. cJSON parses; this adds what it lacks: strict
 * grammar, duplicate keys, the line and column of every node, and records read
 * by table so that a missing, mistyped, negative or unknown key is one error
 * message "file:line:column: what, and what would be right". */
#ifndef DSP_BASE_JSON_H
#define DSP_BASE_JSON_H

#include <cjson/cJSON.h>
#include <glib.h>

typedef struct DspJson DspJson;

/* Reads and checks a whole file (UTF-8, at most 64 MiB). Errors:
 * DSP_ERROR_INPUT with the position. The caller frees with dsp_json_free. */
DspJson *dsp_json_load(const char *path, GError **error);
/* The same for text in memory; `name` stands for the file in messages. */
DspJson *dsp_json_parse(const char *name, const char *text, gsize length,
                        GError **error);
void dsp_json_free(DspJson *json);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DspJson, dsp_json_free)

const cJSON *dsp_json_root(const DspJson *json);
const char *dsp_json_name(const DspJson *json);   /* as given */
const char *dsp_json_sha256(const DspJson *json); /* 64 hex digits */
/* Line and column (from 1) where `node` (a node of this tree) begins. */
void dsp_json_position(const DspJson *json, const cJSON *node, guint *line,
                       guint *column);

/* Sets *error to DSP_ERROR_INPUT "name:line:column: message" for `node`;
 * returns FALSE so that callers can return it. */
gboolean dsp_json_fail(const DspJson *json, const cJSON *node, GError **error,
                       const char *format, ...) G_GNUC_PRINTF(4, 5);

typedef enum {
  DSP_FIELD_STRING, /* char *: g_strdup'ed, non-empty */
  DSP_FIELD_ENUM,   /* int: index into .values */
  DSP_FIELD_BOOL,   /* gboolean */
  DSP_FIELD_COUNT,  /* int64_t: integral JSON number, at most 2^53 */
  DSP_FIELD_NUMBER, /* double: JSON number without a unit */
  DSP_FIELD_SIZE,   /* int64_t bytes from "80GiB" */
  DSP_FIELD_RATE,   /* double bytes/s from "450GB/s" */
  DSP_FIELD_TIME,   /* double s from "3.4us" */
  DSP_FIELD_FLOPS,  /* double FLOP/s from "989.4TFLOPS" */
  DSP_FIELD_OBJECT, /* const cJSON *: an object, read by the caller */
  DSP_FIELD_ARRAY,  /* const cJSON *: an array, read by the caller */
} DspFieldType;

typedef enum {
  DSP_FIELD_OPTIONAL = 1 << 0, /* absent leaves the record's value as it is */
  DSP_FIELD_ZERO = 1 << 1,     /* zero is a valid number (default: > 0) */
  DSP_FIELD_NEGATIVE = 1 << 2, /* any finite number is valid */
} DspFieldFlags;

typedef struct {
  const char *key;
  DspFieldType type;
  gsize offset; /* of the member in the record: G_STRUCT_OFFSET */
  guint flags;
  const char *const *values; /* ENUM: NULL-terminated names */
  const char *doc;           /* one line, for manuals and messages */
} DspField;

/* Reads `node` (must be an object) by `fields` (ended by a NULL key) into
 * `record`. Every scalar or array may be written plainly or with its
 * provenance, as {"value": ..., "source": "...", "estimate": true, "note":
 * "..."}; the keys "source", "note" and "estimate" are allowed in every
 * object. Unknown keys are errors that suggest the nearest name; duplicate
 * keys are errors. Pointers that `record` holds are overwritten, not freed;
 * after an error it may be partly read, and its strings are the caller's. */
gboolean dsp_json_read(const DspJson *json, const cJSON *node,
                       const DspField *fields, gpointer record, GError **error);

/* The nearest of `names` (NULL-terminated) to `text` by edit distance, or NULL
 * if none is near enough to suggest. */
const char *dsp_nearest_name(const char *text, const char *const *names);

#endif
