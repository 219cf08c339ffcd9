/* SPDX-License-Identifier: Apache-2.0 */
/* Cells are taken apart in place, in a copy of the text: each begins where it
 * begins in the file, so that its offset is its position. */
#include "base/csv.h"
#include "base/error.h"
#include "base/file.h"
#include <string.h>

#define MAX_BYTES (1u << 30)

struct DspCsv {
  char *name;
  char *text;    /* as in the file */
  char *parts;   /* the same, each cell unquoted and ended by a NUL */
  GArray *cells; /* guint32 offsets, row after row from the header on */
  guint columns;
};

void dsp_csv_free(DspCsv *csv) {
  if (!csv)
    return;
  g_free(csv->name);
  g_free(csv->text);
  g_free(csv->parts);
  g_array_unref(csv->cells);
  g_free(csv);
}

guint dsp_csv_n_columns(const DspCsv *csv) {
  return csv->columns;
}

guint dsp_csv_n_rows(const DspCsv *csv) {
  return csv->cells->len / csv->columns - 1;
}

static const char *part(const DspCsv *csv, guint i) {
  return csv->parts + g_array_index(csv->cells, guint32, i);
}

const char *dsp_csv_name(const DspCsv *csv, guint column) {
  return part(csv, column);
}

const char *dsp_csv_cell(const DspCsv *csv, guint row, guint column) {
  return part(csv, (row + 1) * csv->columns + column);
}

/* --- errors -------------------------------------------------------------- */

static gboolean fail_at(const DspCsv *csv, gsize offset, GError **error,
                        const char *message) {
  guint line, column;
  dsp_file_position(csv->text, offset, &line, &column);
  g_set_error(error, DSP_ERROR, DSP_ERROR_INPUT, "%s:%u:%u: %s", csv->name,
              line, column, message);
  return FALSE;
}

gboolean dsp_csv_fail(const DspCsv *csv, guint row, guint column,
                      GError **error, const char *format, ...) {
  const guint i = (row + 1) * csv->columns + column;
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *message = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  return fail_at(csv, g_array_index(csv->cells, guint32, i), error, message);
}

/* --- cells --------------------------------------------------------------- */

/* Where the text is read, and where its parts are written. */
typedef struct {
  DspCsv *csv;
  const char *at; /* in text */
  guint row_cells;
} Scan;

static gsize offset_of(const Scan *scan) {
  return (gsize)(scan->at - scan->csv->text);
}

/* From behind the opening quote to behind the closing one. */
static gboolean scan_quoted(Scan *scan, char **to, GError **error) {
  const gsize opening = offset_of(scan) - 1;
  for (;;) {
    const gsize n = strcspn(scan->at, "\"");
    memcpy(*to, scan->at, n);
    *to += n;
    scan->at += n;
    if (!*scan->at)
      return fail_at(scan->csv, opening, error, "cell without a closing '\"'");
    if (*++scan->at != '"')
      return TRUE;
    *(*to)++ = *scan->at++;
  }
}

static gboolean ends_cell(const char *at) {
  return !*at || *at == ',' || *at == '\n' || (*at == '\r' && at[1] == '\n');
}

static gboolean scan_plain(Scan *scan, char **to, GError **error) {
  while (!ends_cell(scan->at)) {
    if (*scan->at == '"')
      return fail_at(scan->csv, offset_of(scan), error,
                     "'\"' within a cell, which must be in '\"' as a whole, "
                     "with this one doubled");
    *(*to)++ = *scan->at++;
  }
  return TRUE;
}

static gboolean scan_cell(Scan *scan, GError **error) {
  const guint32 offset = (guint32)offset_of(scan);
  char *to = scan->csv->parts + offset;
  const gboolean quoted = *scan->at == '"';
  if (quoted)
    scan->at++;
  if (!(quoted ? scan_quoted : scan_plain)(scan, &to, error))
    return FALSE;
  if (!ends_cell(scan->at))
    return fail_at(scan->csv, offset_of(scan), error,
                   "expected ',' or the end of the line behind '\"'");
  *to = '\0';
  g_array_append_val(scan->csv->cells, offset);
  scan->row_cells++;
  return TRUE;
}

static gboolean check_row(const Scan *scan, GError **error) {
  const guint columns = scan->csv->columns;
  if (columns == 0 || scan->row_cells == columns)
    return TRUE;
  g_autofree char *message =
      g_strdup_printf("the line ends with cell %u, the header with %u",
                      scan->row_cells, columns);
  return fail_at(scan->csv, offset_of(scan), error, message);
}

static gboolean scan_row(Scan *scan, GError **error) {
  for (scan->row_cells = 0;; scan->at++) {
    if (!scan_cell(scan, error))
      return FALSE;
    if (*scan->at != ',')
      break;
  }
  if (!check_row(scan, error))
    return FALSE;
  scan->at += *scan->at == '\r';
  scan->at += *scan->at == '\n';
  return TRUE;
}

static gboolean check_header(const DspCsv *csv, GError **error) {
  g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
  for (guint i = 0; i < csv->columns; i++) {
    const guint32 offset = g_array_index(csv->cells, guint32, i);
    if (!*part(csv, i))
      return fail_at(csv, offset, error, "a column without a name");
    if (!g_hash_table_add(names, (gpointer)part(csv, i)))
      return fail_at(csv, offset, error, "a column of the same name is there");
  }
  return TRUE;
}

static gboolean check_text(const DspCsv *csv, gsize length, GError **error) {
  const char *end;
  if (length > MAX_BYTES)
    return fail_at(csv, 0, error, "file larger than 1 GiB");
  if (!g_utf8_validate_len(csv->text, length, &end))
    return fail_at(csv, (gsize)(end - csv->text), error, "not valid UTF-8");
  return length > 0 || fail_at(csv, 0, error, "an empty file");
}

static gboolean scan_text(DspCsv *csv, GError **error) {
  Scan scan = {.csv = csv, .at = csv->text};
  if (!scan_row(&scan, error))
    return FALSE;
  csv->columns = scan.row_cells;
  if (!check_header(csv, error))
    return FALSE;
  while (*scan.at)
    if (!scan_row(&scan, error))
      return FALSE;
  return TRUE;
}

DspCsv *dsp_csv_parse(const char *name, const char *text, gsize length,
                      GError **error) {
  g_autoptr(DspCsv) csv = g_new0(DspCsv, 1);
  csv->name = g_strdup(name);
  csv->text = g_strndup(text, length);
  csv->cells = g_array_new(FALSE, FALSE, sizeof(guint32));
  if (!check_text(csv, length, error))
    return NULL;
  csv->parts = g_malloc(length + 1);
  return scan_text(csv, error) ? g_steal_pointer(&csv) : NULL;
}
