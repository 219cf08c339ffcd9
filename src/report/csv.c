/* SPDX-License-Identifier: Apache-2.0 */
/* CSV (RFC 4180, lines ended by a line feed as elsewhere on Unix): one header
 * line, then the results. Keys of a group are "group.key". */
#include "report/report.h"
#include <math.h>
#include <string.h>

static void add_string(GString *out, const char *string) {
  if (!strpbrk(string, "\",\r\n")) {
    g_string_append(out, string);
    return;
  }
  g_string_append_c(out, '"');
  for (; *string; string++) {
    if (*string == '"')
      g_string_append_c(out, '"');
    g_string_append_c(out, *string);
  }
  g_string_append_c(out, '"');
}

static void add_value(GString *out, DspValue value) {
  switch (value.type) {
  case DSP_VALUE_BOOLEAN:
    g_string_append(out, value.boolean ? "true" : "false");
    break;
  case DSP_VALUE_INTEGER:
    g_string_append_printf(out, "%" G_GINT64_FORMAT, value.integer);
    break;
  case DSP_VALUE_NUMBER:
    if (isfinite(value.number))
      g_string_append_printf(out, "%.17g", value.number);
    break;
  case DSP_VALUE_STRING:
    add_string(out, value.string);
    break;
  case DSP_VALUE_NULL:
  case DSP_VALUE_TABLE:
    break;
  }
}

static void end_line(GString *out) {
  g_string_truncate(out, out->len - 1); /* the last comma */
  g_string_append(out, "\n");
}

void dsp_csv_header(const DspTable *table, GString *out) {
  for (guint i = 0; i < table->columns->len; i++) {
    const DspColumn *column = dsp_column(table->columns, i);
    g_autofree char *key = dsp_column_name(column);
    add_string(out, key);
    g_string_append_c(out, ',');
  }
  end_line(out);
}

void dsp_csv_row(const DspTable *table, gconstpointer row, GString *out) {
  for (guint i = 0; i < table->columns->len; i++) {
    const DspColumn *column = dsp_column(table->columns, i);
    add_value(out, column->get(row, column->index));
    g_string_append_c(out, ',');
  }
  end_line(out);
}

void dsp_csv_write(const DspTable *table, GString *out) {
  dsp_csv_header(table, out);
  for (guint i = 0; i < table->rows->len; i++)
    dsp_csv_row(table, table->rows->pdata[i], out);
}

static void write(const DspReport *report, const DspStyle *style,
                  GString *out) {
  (void)style;
  dsp_csv_write(report->results, out);
}

const DspFormat dsp_format_csv = {"csv", ".csv", write};
