/* SPDX-License-Identifier: Apache-2.0 */
#include "report/measured.h"
#include "report/text.h"

DspTable *dsp_array_table(const DspColumn *columns, const GArray *rows) {
  DspTable *table = dsp_table_new(columns);
  const guint size = g_array_get_element_size((GArray *)rows);
  for (guint i = 0; i < rows->len; i++)
    dsp_table_add_row(table, rows->data + (gsize)i * size);
  return table;
}

enum { FILE_NAME, TITLE, SHA256 };

static DspValue get_file(gconstpointer row, guint index) {
  const DspMeasurements *m = row;
  const char *const texts[] = {
      [FILE_NAME] = m->file, [TITLE] = m->title, [SHA256] = m->sha256};
  return dsp_string(texts[index]);
}

static DspValue get_n_points(gconstpointer row, guint index) {
  (void)index;
  return dsp_integer(((const DspMeasurements *)row)->points->len);
}

DspTable *dsp_measured_table(const GPtrArray *files) {
  static const DspColumn columns[] = {{NULL, "file", get_file, FILE_NAME},
                                      {NULL, "title", get_file, TITLE},
                                      {NULL, "points", get_n_points, 0},
                                      {NULL, "sha256", get_file, SHA256},
                                      {NULL}};
  DspTable *table = dsp_table_new(columns);
  for (guint i = 0; i < files->len; i++)
    dsp_table_add_row(table, files->pdata[i]);
  return table;
}

void dsp_measured_text(const GPtrArray *files, const DspStyle *style,
                       GString *out) {
  for (guint i = 0; i < files->len; i++) {
    const DspMeasurements *m = files->pdata[i];
    g_autofree char *line =
        g_strdup_printf("%s, %u points: %s", m->file, m->points->len, m->title);
    g_string_append(out, "# file     ");
    dsp_text_wrap(out, style, "#", 11, line);
  }
}
