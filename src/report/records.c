/* SPDX-License-Identifier: Apache-2.0 */
#include "report/records.h"
#include "base/csv.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include <math.h>
#include <string.h>

#define MOST_BYTES (1u << 30)
/* Far more than any answer has. */
#define MOST_KEYS 1000

/* A value of JSON. */
typedef struct {
  guint column;
  const char *text; /* NULL: a list */
  const DspJson *json;
  const cJSON *node;
} Cell;

/* One file. Its rows are of CSV or of JSON. */
typedef struct {
  char *name, *sha256;
  const char *schema;
  GHashTable *columns; /* key -> index + 1 */
  DspCsv *csv;
  GPtrArray *jsons;    /* DspJson */
  GPtrArray *rows;     /* GArray of Cell */
  GPtrArray *inputs;   /* char * */
  GStringChunk *texts; /* of numbers, and keys */
} Source;

typedef struct {
  const Source *source;
  guint row; /* in it */
} Row;

struct DspRecords {
  GPtrArray *sources;
  GArray *rows;
  GPtrArray *keys; /* char *, borrowed from the sources */
};

/* --- life ---------------------------------------------------------------- */

static void json_free(gpointer json) {
  dsp_json_free(json);
}

static void row_free(gpointer row) {
  g_array_unref(row);
}

static Source *source_new(const char *name) {
  Source *source = g_new0(Source, 1);
  source->name = g_strdup(name);
  source->columns = g_hash_table_new(g_str_hash, g_str_equal);
  source->jsons = g_ptr_array_new_with_free_func(json_free);
  source->rows = g_ptr_array_new_with_free_func(row_free);
  source->inputs = g_ptr_array_new();
  source->texts = g_string_chunk_new(4096);
  return source;
}

static void source_free(gpointer data) {
  Source *source = data;
  g_free(source->name);
  g_free(source->sha256);
  g_hash_table_unref(source->columns);
  dsp_csv_free(source->csv);
  g_ptr_array_unref(source->jsons);
  g_ptr_array_unref(source->rows);
  g_ptr_array_unref(source->inputs);
  g_string_chunk_free(source->texts);
  g_free(source);
}

DspRecords *dsp_records_new(void) {
  DspRecords *records = g_new(DspRecords, 1);
  records->sources = g_ptr_array_new_with_free_func(source_free);
  records->rows = g_array_new(FALSE, FALSE, sizeof(Row));
  records->keys = g_ptr_array_new();
  return records;
}

void dsp_records_free(DspRecords *records) {
  if (!records)
    return;
  g_ptr_array_unref(records->keys);
  g_array_unref(records->rows);
  g_ptr_array_unref(records->sources);
  g_free(records);
}

/* --- JSON ---------------------------------------------------------------- */

static const char *text_of(Source *source, const cJSON *node) {
  char number[G_ASCII_DTOSTR_BUF_SIZE];
  if (cJSON_IsString(node))
    return node->valuestring;
  if (cJSON_IsBool(node))
    return cJSON_IsTrue(node) ? "true" : "false";
  if (!cJSON_IsNumber(node))
    return "";
  g_snprintf(number, sizeof number, "%.17g", node->valuedouble);
  return g_string_chunk_insert(source->texts, number);
}

typedef void Visit(Source *source, const DspJson *json, const char *key,
                   const cJSON *node, gpointer data);

/* Visits what is in `node` and is not a list: its key is the path to it. */
static void flatten(Source *source, const DspJson *json, const char *path,
                    const cJSON *node, Visit *visit, gpointer data) {
  const cJSON *child;
  if (!cJSON_IsObject(node)) {
    visit(source, json, path, node, data);
    return;
  }
  cJSON_ArrayForEach(child, node) {
    g_autofree char *key = *path ? g_strconcat(path, ".", child->string, NULL)
                                 : g_strdup(child->string);
    flatten(source, json, key, child, visit, data);
  }
}

static guint column_of(Source *source, const char *key) {
  guint column = GPOINTER_TO_UINT(g_hash_table_lookup(source->columns, key));
  if (column == 0) {
    column = g_hash_table_size(source->columns) + 1;
    g_hash_table_insert(source->columns,
                        g_string_chunk_insert(source->texts, key),
                        GUINT_TO_POINTER(column));
  }
  return column - 1;
}

static void set_cell(Source *source, const DspJson *json, const char *key,
                     const cJSON *node, gpointer data) {
  const char *text = cJSON_IsArray(node) ? NULL : text_of(source, node);
  const Cell cell = {column_of(source, key), text, json, node};
  g_array_append_val((GArray *)data, cell);
}

static void add_object(Source *source, const DspJson *json,
                       const cJSON *object) {
  GArray *row = g_array_new(FALSE, FALSE, sizeof(Cell));
  flatten(source, json, "", object, set_cell, row);
  g_ptr_array_add(source->rows, row);
}

static void add_input(Source *source, const DspJson *json, const char *key,
                      const cJSON *node, gpointer data) {
  const cJSON *child;
  guint i = 0;
  if (!cJSON_IsArray(node)) {
    g_ptr_array_add(source->inputs, g_string_chunk_insert(source->texts, key));
    g_ptr_array_add(source->inputs, (gpointer)text_of(source, node));
    return;
  }
  cJSON_ArrayForEach(child, node) {
    g_autofree char *path = g_strdup_printf("%s.%u", key, ++i);
    flatten(source, json, path, child, add_input, data);
  }
}

static gboolean add_results(Source *source, const DspJson *json,
                            const cJSON *results, GError **error) {
  const cJSON *root = dsp_json_root(json), *child;
  if (!cJSON_IsArray(results))
    return dsp_json_fail(json, results, error, "'results' must be a list");
  source->schema =
      cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(root, "schema"));
  flatten(source, json, "", cJSON_GetObjectItemCaseSensitive(root, "inputs"),
          add_input, NULL);
  cJSON_ArrayForEach(child, results) {
    if (!cJSON_IsObject(child))
      return dsp_json_fail(json, child, error, "a result must be an object");
    add_object(source, json, child);
  }
  return TRUE;
}

/* A document with results, or one row. */
static gboolean add_document(Source *source, const DspJson *json,
                             GError **error) {
  const cJSON *root = dsp_json_root(json);
  const cJSON *results = cJSON_GetObjectItemCaseSensitive(root, "results");
  if (!cJSON_IsObject(root))
    return dsp_json_fail(json, root, error, "must be an object");
  if (results)
    return add_results(source, json, results, error);
  add_object(source, json, root);
  return TRUE;
}

static gboolean parse_json(Source *source, const char *text, gsize length,
                           GError **error) {
  DspJson *json = dsp_json_parse(source->name, text, length, error);
  if (!json)
    return FALSE;
  g_ptr_array_add(source->jsons, json);
  return add_document(source, json, error);
}

/* Again, behind as many lines as it stands behind in the file, for the sake of
 * the position in the message. */
static gboolean fail_line(Source *source, guint number, const char *line,
                          gsize length, GError **error) {
  g_autoptr(GString) padded = g_string_new(NULL);
  g_clear_error(error);
  for (guint i = 1; i < number; i++)
    g_string_append_c(padded, '\n');
  g_string_append_len(padded, line, (gssize)length);
  return parse_json(source, padded->str, padded->len, error);
}

static gboolean parse_lines(Source *source, const GString *text,
                            GError **error) {
  const char *line = text->str, *end = line + text->len;
  for (guint number = 1; line < end; number++) {
    const char *newline = memchr(line, '\n', (gsize)(end - line));
    const gsize length = (gsize)((newline ? newline : end) - line);
    if (!parse_json(source, line, length, error))
      return fail_line(source, number, line, length, error);
    line += length + (newline != NULL);
  }
  return TRUE;
}

/* JSON Lines: the first line is an object, and not the last. */
static gboolean is_lines(const char *text) {
  const char *end = strchr(text, '\n');
  const char *last = end;
  while (last && last > text && g_ascii_isspace(*last))
    last--;
  return end && *last == '}' && end[1] == '{';
}

/* --- CSV ----------------------------------------------------------------- */

static gboolean parse_csv(Source *source, const char *text, gsize length,
                          GError **error) {
  source->csv = dsp_csv_parse(source->name, text, length, error);
  for (guint i = 0; source->csv && i < dsp_csv_n_columns(source->csv); i++)
    column_of(source, dsp_csv_name(source->csv, i));
  return source->csv != NULL;
}

/* --- reading ------------------------------------------------------------- */

/* Lists of keys have commas. */
static gboolean check_keys(const Source *source, GError **error) {
  GHashTableIter iter;
  const guint n = g_hash_table_size(source->columns);
  if (n > MOST_KEYS) {
    g_set_error(error, DSP_ERROR, DSP_ERROR_INPUT,
                "%s: %u keys, more than the %u that it may have", source->name,
                n, MOST_KEYS);
    return FALSE;
  }
  gpointer key;
  g_hash_table_iter_init(&iter, source->columns);
  while (g_hash_table_iter_next(&iter, &key, NULL))
    if (strchr(key, ',')) {
      g_set_error(error, DSP_ERROR, DSP_ERROR_INPUT,
                  "%s: a key with a comma: '%.40s'", source->name,
                  (const char *)key);
      return FALSE;
    }
  return TRUE;
}

static gboolean parse(Source *source, const GString *text, GError **error) {
  const char *begin = text->str + strspn(text->str, " \t\r\n");
  source->sha256 = g_compute_checksum_for_data(
      G_CHECKSUM_SHA256, (const guchar *)text->str, text->len);
  if (*begin == '{')
    return is_lines(begin) ? parse_lines(source, text, error)
                           : parse_json(source, text->str, text->len, error);
  return parse_csv(source, text->str, text->len, error);
}

static gint compare_columns(gconstpointer a, gconstpointer b, gpointer data) {
  GHashTable *columns = data;
  const char *const *one = a, *const *other = b;
  return (gint)GPOINTER_TO_UINT(g_hash_table_lookup(columns, *one)) -
         (gint)GPOINTER_TO_UINT(g_hash_table_lookup(columns, *other));
}

static void add_keys(DspRecords *records, const Source *source) {
  guint n;
  g_autofree gpointer *keys =
      g_hash_table_get_keys_as_array(source->columns, &n);
  g_qsort_with_data(keys, (gint)n, sizeof *keys, compare_columns,
                    source->columns);
  for (guint i = 0; i < n; i++)
    if (!g_ptr_array_find_with_equal_func(records->keys, keys[i], g_str_equal,
                                          NULL))
      g_ptr_array_add(records->keys, keys[i]);
}

/* Takes over `source`. */
static void add_source(DspRecords *records, Source *source) {
  const guint n = source->csv ? dsp_csv_n_rows(source->csv) : source->rows->len;
  g_ptr_array_add(records->sources, source);
  add_keys(records, source);
  for (guint i = 0; i < n; i++) {
    const Row row = {source, i};
    g_array_append_val(records->rows, row);
  }
}

static gboolean read_source(DspRecords *records, const char *name,
                            const GString *text, GError **error) {
  Source *source = source_new(name);
  if (parse(source, text, error) && check_keys(source, error)) {
    add_source(records, source);
    return TRUE;
  }
  source_free(source);
  return FALSE;
}

gboolean dsp_records_load(DspRecords *records, const char *path,
                          GError **error) {
  const gboolean standard = strcmp(path, "-") == 0;
  GString *text =
      dsp_file_read(standard ? "/dev/stdin" : path, MOST_BYTES, error);
  const gboolean done =
      text &&
      read_source(records, standard ? "standard input" : path, text, error);
  if (text)
    g_string_free(text, TRUE);
  return done;
}

gboolean dsp_records_load_all(DspRecords *records, char *const *paths,
                              GError **error) {
  for (; *paths; paths++)
    if (!dsp_records_load(records, *paths, error))
      return FALSE;
  return TRUE;
}

void dsp_records_add(DspRecords *records, const DspTable *table) {
  g_autoptr(GString) text = g_string_new(NULL);
  dsp_csv_write(table, text);
  g_autofree char *valid = g_utf8_make_valid(text->str, (gssize)text->len);
  g_string_assign(text, valid);
  read_source(records, "results", text, NULL);
}

/* --- rows ---------------------------------------------------------------- */

guint dsp_records_n(const DspRecords *records) {
  return records->rows->len;
}

const GPtrArray *dsp_records_keys(const DspRecords *records) {
  return records->keys;
}

gboolean dsp_records_has(const DspRecords *records, const char *key) {
  return g_ptr_array_find_with_equal_func(records->keys, key, g_str_equal,
                                          NULL);
}

static const Row *row_at(const DspRecords *records, guint row) {
  return &g_array_index(records->rows, Row, row);
}

/* The index of the column + 1, 0 if there is none. */
static guint find_column(const Source *source, const char *key) {
  return GPOINTER_TO_UINT(g_hash_table_lookup(source->columns, key));
}

/* The cell of a row of JSON, NULL if there is none. Most rows of a file have
 * the same keys, and so the cell at the index of its column. */
static const Cell *find_cell(const Row *row, guint column) {
  const GArray *array = row->source->rows->pdata[row->row];
  const Cell *cells = (const Cell *)(const void *)array->data;
  if (column < array->len && cells[column].column == column)
    return &cells[column];
  for (guint i = 0; i < array->len; i++)
    if (cells[i].column == column)
      return &cells[i];
  return NULL;
}

static const char *cell_text(const Row *row, guint column) {
  if (row->source->csv)
    return dsp_csv_cell(row->source->csv, row->row, column);
  const Cell *cell = find_cell(row, column);
  return cell ? cell->text : NULL;
}

const char *dsp_record_text(const DspRecords *records, guint i,
                            const char *key) {
  const Row *row = row_at(records, i);
  const guint column = find_column(row->source, key);
  if (column == 0)
    return strcmp(key, "file") == 0 ? row->source->name : NULL;
  const char *text = cell_text(row, column - 1);
  return text && *text ? text : NULL;
}

static gboolean fail_number(const Row *row, const char *key, const char *text,
                            GError **error) {
  const guint column = find_column(row->source, key) - 1;
  g_autofree char *message =
      g_strdup_printf("'%.40s' is not a number that '%.40s' may be", text, key);
  if (column == G_MAXUINT) { /* "file", which no file has written */
    g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE, "%s", message);
    return FALSE;
  }
  if (row->source->csv)
    return dsp_csv_fail(row->source->csv, row->row, column, error, "%s",
                        message);
  const Cell *cell = find_cell(row, column);
  return dsp_json_fail(cell->json, cell->node, error, "%s", message);
}

/* Nothing that is measured or predicted is beyond, and what is computed of such
 * numbers stays finite. */
static gboolean is_plain(double value) {
  return value == 0 || (fabs(value) > 1e-100 && fabs(value) < 1e100);
}

gboolean dsp_record_number(const DspRecords *records, guint i, const char *key,
                           double *number, GError **error) {
  const char *text = dsp_record_text(records, i, key);
  char *end;
  *number = NAN;
  if (!text)
    return TRUE;
  const double value = g_ascii_strtod(text, &end);
  if (*end || g_ascii_isspace(*text) || !is_plain(value))
    return fail_number(row_at(records, i), key, text, error);
  *number = value;
  return TRUE;
}

guint dsp_records_n_files(const DspRecords *records) {
  return records->sources->len;
}

DspRecordFile dsp_records_file(const DspRecords *records, guint i) {
  const Source *source = records->sources->pdata[i];
  return (DspRecordFile){source->name, source->sha256, source->schema,
                         source->inputs};
}
