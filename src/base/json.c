/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json-private.h"
#include "base/error.h"
#include "base/file.h"
#include <string.h>

#define MAX_BYTES   (64u << 20)
#define MAX_MESSAGE 400 /* characters: a file may quote megabytes at us */

struct DspJson {
  char *name;
  char *text; /* ends with a NUL */
  gsize length;
  char *sha256;
  cJSON *root;
  GArray *marks;     /* DspJsonMark, in document order */
  GHashTable *index; /* const cJSON *: index into marks */
};

void dsp_json_free(DspJson *json) {
  if (!json)
    return;
  g_free(json->name);
  g_free(json->text);
  g_free(json->sha256);
  cJSON_Delete(json->root);
  g_array_unref(json->marks);
  g_hash_table_unref(json->index);
  g_free(json);
}

const cJSON *dsp_json_root(const DspJson *json) {
  return json->root;
}

const char *dsp_json_name(const DspJson *json) {
  return json->name;
}

const char *dsp_json_sha256(const DspJson *json) {
  return json->sha256;
}

static DspJsonMark find_mark(const DspJson *json, const cJSON *node) {
  const guint i = GPOINTER_TO_UINT(g_hash_table_lookup(json->index, node));
  return g_array_index(json->marks, DspJsonMark, i);
}

void dsp_json_position(const DspJson *json, const cJSON *node, guint *line,
                       guint *column) {
  dsp_file_position(json->text, find_mark(json, node).value, line, column);
}

/* The message may quote the file: nothing of it may steer a terminal. */
static char *harmless(const char *message) {
  g_autoptr(GString) out = g_string_new(NULL);
  const char *p = message;
  for (int i = 0; *p && i < MAX_MESSAGE; i++, p = g_utf8_next_char(p)) {
    const gunichar c = g_utf8_get_char(p);
    g_string_append_unichar(out, g_unichar_isprint(c) ? c : '?');
  }
  return g_strconcat(out->str, *p ? "..." : "", NULL);
}

static void set_error_at(const DspJson *json, gsize offset, GError **error,
                         const char *message) {
  g_autofree char *shown = harmless(message);
  guint line, column;
  dsp_file_position(json->text, offset, &line, &column);
  g_set_error(error, DSP_ERROR, DSP_ERROR_INPUT, "%s:%u:%u: %s", json->name,
              line, column, shown);
}

static void set_error_va(const DspJson *json, gsize offset, GError **error,
                         const char *format, va_list arguments) {
  g_autofree char *message = g_strdup_vprintf(format, arguments);
  set_error_at(json, offset, error, message);
}

gboolean dsp_json_fail(const DspJson *json, const cJSON *node, GError **error,
                       const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  set_error_va(json, find_mark(json, node).value, error, format, arguments);
  va_end(arguments);
  return FALSE;
}

gboolean dsp_json_fail_key(const DspJson *json, const cJSON *member,
                           GError **error, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  set_error_va(json, find_mark(json, member).key, error, format, arguments);
  va_end(arguments);
  return FALSE;
}

static gboolean check_duplicates(const DspJson *json, const cJSON *object,
                                 GError **error) {
  g_autoptr(GHashTable) keys = g_hash_table_new(g_str_hash, g_str_equal);
  const cJSON *member;
  cJSON_ArrayForEach(member, object) {
    if (!g_hash_table_add(keys, member->string))
      return dsp_json_fail_key(json, member, error, "duplicate key '%s'",
                               member->string);
  }
  return TRUE;
}

/* Gives `node` and what is in it their marks: cJSON keeps document order. */
static void index_nodes(DspJson *json, const cJSON *node) {
  const cJSON *child;
  g_hash_table_insert(json->index, (gpointer)node,
                      GUINT_TO_POINTER(g_hash_table_size(json->index)));
  cJSON_ArrayForEach(child, node) {
    index_nodes(json, child);
  }
}

static gboolean check_keys(const DspJson *json, const cJSON *node,
                           GError **error) {
  const cJSON *child;
  if (cJSON_IsObject(node) && !check_duplicates(json, node, error))
    return FALSE;
  cJSON_ArrayForEach(child, node) {
    if (!check_keys(json, child, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean check_text(DspJson *json, GError **error) {
  DspJsonDefect defect;
  const char *end;
  if (json->length > MAX_BYTES)
    defect = (DspJsonDefect){0, "file larger than 64 MiB"};
  else if (!g_utf8_validate_len(json->text, json->length, &end))
    defect = (DspJsonDefect){(gsize)(end - json->text), "not valid UTF-8"};
  else if (dsp_json_scan(json->text, json->length, json->marks, &defect))
    return TRUE;
  set_error_at(json, defect.offset, error, defect.what);
  return FALSE;
}

static gboolean parse_text(DspJson *json, GError **error) {
  const char *end = NULL;
  json->root =
      cJSON_ParseWithLengthOpts(json->text, json->length + 1, &end, TRUE);
  if (json->root)
    return TRUE;
  set_error_at(json, end ? (gsize)(end - json->text) : 0, error,
               "cannot be parsed");
  return FALSE;
}

/* Takes over `text`, which ends with a NUL that `length` does not count. */
static DspJson *take_text(const char *name, char *text, gsize length,
                          GError **error) {
  g_autoptr(DspJson) json = g_new0(DspJson, 1);
  json->name = g_strdup(name);
  json->text = text;
  json->length = length;
  json->marks = g_array_new(FALSE, FALSE, sizeof(DspJsonMark));
  json->index = g_hash_table_new(NULL, NULL);
  if (!check_text(json, error) || !parse_text(json, error))
    return NULL;
  index_nodes(json, json->root);
  if (!check_keys(json, json->root, error))
    return NULL;
  json->sha256 = g_compute_checksum_for_data(G_CHECKSUM_SHA256,
                                             (const guchar *)text, length);
  return g_steal_pointer(&json);
}

DspJson *dsp_json_parse(const char *name, const char *text, gsize length,
                        GError **error) {
  char *copy = g_malloc(length + 1);
  memcpy(copy, text, length);
  copy[length] = '\0';
  return take_text(name, copy, length, error);
}

DspJson *dsp_json_load(const char *path, GError **error) {
  GString *text = dsp_file_read(path, MAX_BYTES, error);
  if (!text)
    return NULL;
  const gsize length = text->len;
  return take_text(path, g_string_free(text, FALSE), length, error);
}
