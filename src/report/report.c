/* SPDX-License-Identifier: Apache-2.0 */
#include "report/report.h"

const DspFormat *const dsp_formats[] = {&dsp_format_text, &dsp_format_csv,
                                        &dsp_format_json, NULL};
const char *const dsp_format_names[] = {"text", "csv", "json", NULL};

G_STATIC_ASSERT(G_N_ELEMENTS(dsp_formats) == G_N_ELEMENTS(dsp_format_names));

const DspFormat *dsp_format_of_file(const char *file) {
  for (const DspFormat *const *f = dsp_formats; file && *f; f++)
    if (g_str_has_suffix(file, (*f)->suffix))
      return *f;
  return &dsp_format_text;
}

DspTable *dsp_table_new(const DspColumn *columns) {
  DspTable *table = g_new(DspTable, 1);
  table->columns = g_array_new(FALSE, FALSE, sizeof(DspColumn));
  table->nested = g_array_new(FALSE, FALSE, sizeof(DspColumn));
  table->rows = g_ptr_array_new();
  dsp_table_add_columns(table, columns);
  return table;
}

void dsp_table_free(DspTable *table) {
  if (!table)
    return;
  g_array_free(table->columns, TRUE);
  g_array_free(table->nested, TRUE);
  g_ptr_array_free(table->rows, TRUE);
  g_free(table);
}

void dsp_table_add_columns(DspTable *table, const DspColumn *columns) {
  for (; columns && columns->key; columns++)
    g_array_append_val(table->columns, *columns);
}

void dsp_table_add_group(DspTable *table, const char *group,
                         const char *const *keys, guint n,
                         DspValue (*get)(gconstpointer row, guint index)) {
  for (guint i = 0; i < n; i++) {
    const DspColumn column = {group, keys[i], get, i};
    g_array_append_val(table->columns, column);
  }
}

void dsp_table_add_nested(DspTable *table, const char *key,
                          DspValue (*get)(gconstpointer row, guint index)) {
  const DspColumn column = {NULL, key, get, 0};
  g_array_append_val(table->nested, column);
}

void dsp_table_add_row(DspTable *table, gconstpointer row) {
  g_ptr_array_add(table->rows, (gpointer)row);
}

char *dsp_column_name(const DspColumn *column) {
  return column->group ? g_strconcat(column->group, ".", column->key, NULL)
                       : g_strdup(column->key);
}
