/* SPDX-License-Identifier: Apache-2.0 */
/* JSON: {"schema", "inputs", "results", ...}. Written here and not by cJSON,
 * whose numbers do not round-trip. One key a line, a group of keys in one line.
 */
#include "report/report.h"
#include <math.h>
#include <string.h>

static void add_escaped(GString *out, gunichar c) {
  static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
  const char *special = c < 128 && c ? strchr(from, (int)c) : NULL;
  if (special)
    g_string_append_printf(out, "\\%c", to[special - from]);
  else if (c < 32 || c == 127)
    g_string_append_printf(out, "\\u%04x", c);
  else
    g_string_append_unichar(out, c);
}

void dsp_json_string(GString *out, const char *string) {
  g_autofree char *valid = g_utf8_make_valid(string, -1);
  g_string_append_c(out, '"');
  for (const char *s = valid; *s; s = g_utf8_next_char(s))
    add_escaped(out, g_utf8_get_char(s));
  g_string_append_c(out, '"');
}

static void add_key(GString *out, const char *key) {
  dsp_json_string(out, key);
  g_string_append(out, ": ");
}

static void new_line(GString *out, guint depth) {
  g_string_append_printf(out, "\n%*s", (int)(2 * depth), "");
}

static void add_array(GString *out, const DspTable *table, guint depth);

static void add_value(GString *out, DspValue value, guint depth) {
  switch (value.type) {
  case DSP_VALUE_NULL:
    g_string_append(out, "null");
    break;
  case DSP_VALUE_BOOLEAN:
    g_string_append(out, value.boolean ? "true" : "false");
    break;
  case DSP_VALUE_INTEGER:
    g_string_append_printf(out, "%" G_GINT64_FORMAT, value.integer);
    break;
  case DSP_VALUE_NUMBER:
    g_string_append_printf(out, isfinite(value.number) ? "%.17g" : "null",
                           value.number);
    break;
  case DSP_VALUE_STRING:
    dsp_json_string(out, value.string);
    break;
  case DSP_VALUE_TABLE:
    add_array(out, value.table, depth);
    break;
  }
}

static void add_member(GString *out, const DspColumn *column, gconstpointer row,
                       guint depth) {
  add_key(out, column->key);
  add_value(out, column->get(row, column->index), depth);
}

/* The columns from `i` on that are of its group; returns the next. */
static guint add_group(GString *out, const GArray *columns, guint i,
                       gconstpointer row, guint depth) {
  const char *group = dsp_column(columns, i)->group, *separator = "";
  add_key(out, group);
  g_string_append_c(out, '{');
  for (; i < columns->len; i++) {
    const DspColumn *column = dsp_column(columns, i);
    if (g_strcmp0(column->group, group))
      break;
    g_string_append(out, separator);
    add_member(out, column, row, depth);
    separator = ", ";
  }
  g_string_append_c(out, '}');
  return i;
}

static void add_members(GString *out, const GArray *columns, gconstpointer row,
                        guint depth) {
  for (guint i = 0; i < columns->len;) {
    const DspColumn *column = dsp_column(columns, i);
    if (out->str[out->len - 1] != '{')
      g_string_append_c(out, ',');
    new_line(out, depth);
    if (column->group)
      i = add_group(out, columns, i, row, depth);
    else
      add_member(out, dsp_column(columns, i++), row, depth);
  }
}

static void add_object(GString *out, const DspTable *table, gconstpointer row,
                       guint depth) {
  g_string_append_c(out, '{');
  add_members(out, table->columns, row, depth + 1);
  add_members(out, table->nested, row, depth + 1);
  new_line(out, depth);
  g_string_append_c(out, '}');
}

static void add_array(GString *out, const DspTable *table, guint depth) {
  g_string_append_c(out, '[');
  for (guint i = 0; i < table->rows->len; i++) {
    g_string_append(out, i ? "," : "");
    new_line(out, depth + 1);
    add_object(out, table, table->rows->pdata[i], depth + 1);
  }
  if (table->rows->len)
    new_line(out, depth);
  g_string_append_c(out, ']');
}

/* Keys of a group are "group.key", as in CSV. */
void dsp_json_line(const DspTable *table, gconstpointer row, GString *out) {
  for (guint i = 0; i < table->columns->len; i++) {
    const DspColumn *column = dsp_column(table->columns, i);
    g_autofree char *key = dsp_column_name(column);
    g_string_append(out, i ? ", " : "{");
    add_key(out, key);
    add_value(out, column->get(row, column->index), 0);
  }
  g_string_append(out, "}\n");
}

static void add_section(GString *out, const char *key, const DspTable *table) {
  if (!table)
    return;
  add_key(out, key);
  add_object(out, table, table->rows->pdata[0], 1);
  g_string_append(out, ",\n  ");
}

static void write(const DspReport *report, const DspStyle *style,
                  GString *out) {
  (void)style;
  g_string_append(out, "{\n  \"schema\": ");
  dsp_json_string(out, report->schema);
  g_string_append(out, ",\n  ");
  add_section(out, "provenance", report->provenance);
  add_section(out, "inputs", report->inputs);
  add_key(out, "results");
  add_array(out, report->results, 1);
  for (const DspSection *s = report->sections; s && s->key; s++) {
    g_string_append(out, ",\n  ");
    add_key(out, s->key);
    add_array(out, s->table, 1);
  }
  g_string_append(out, "\n}\n");
}

const DspFormat dsp_format_json = {"json", ".json", write};
