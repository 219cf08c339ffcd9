/* SPDX-License-Identifier: Apache-2.0 */
/* Methods of sequence parallelism. */
#include "report/kind.h"
#include "schedule/method.h"
#include "base/error.h"

typedef struct {
  const DspMethod *method;
  char *variants, *degrees;
} Row;

static char **names(void) {
  const DspMethod *const *methods;
  const guint n = dsp_methods(&methods);
  g_autoptr(GStrvBuilder) list = g_strv_builder_new();
  for (guint i = 0; i < n; i++)
    g_strv_builder_add(list, methods[i]->name);
  return g_strv_builder_end(list);
}

static char *degrees_of(const DspMethod *method) {
  GString *text = g_string_new(NULL);
  for (int i = 0; i < DSP_N_AXES; i++)
    if (method->degree_names[i])
      g_string_append_printf(text, "%s%s", text->len ? " " : "",
                             method->degree_names[i]);
  return g_string_free(text, FALSE);
}

static gpointer load(const char *name, GError **error) {
  const DspMethod *method = dsp_method_find(name);
  if (!method) {
    g_auto(GStrv) all = names();
    const char *near = dsp_nearest_name(name, (const char *const *)all);
    g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE, "no method '%s'%s%s%s", name,
                near ? ", did you mean '" : "", near ? near : "",
                near ? "'?" : "");
    return NULL;
  }
  Row *row = g_new(Row, 1);
  *row = (Row){method, g_strjoinv(" ", (char **)method->variants),
               degrees_of(method)};
  return row;
}

static void row_free(gpointer data) {
  Row *row = data;
  g_free(row->variants);
  g_free(row->degrees);
  g_free(row);
}

enum { NAME, SUMMARY, VARIANTS, DEGREES, EMBEDDED };

static DspValue get(gconstpointer data, guint index) {
  const Row *row = data;
  const DspValue values[] = {
      [NAME] = dsp_string(row->method->name),
      [SUMMARY] = dsp_string(row->method->summary),
      [VARIANTS] = dsp_string(row->variants),
      [DEGREES] = dsp_string(row->degrees),
      [EMBEDDED] = dsp_boolean(row->method->embedded),
  };
  return values[index];
}

static DspTable *table(void) {
  static const DspColumn columns[] = {
      {NULL, "name", get, NAME},         {NULL, "summary", get, SUMMARY},
      {NULL, "variants", get, VARIANTS}, {NULL, "degrees", get, DEGREES},
      {NULL, "embedded", get, EMBEDDED}, {NULL}};
  return dsp_table_new(columns);
}

static const DspTextColumn list_columns[] = {{"method", "", TRUE},
                                             {"degrees", "", TRUE},
                                             {"variants", "", TRUE},
                                             {"summary", "", TRUE},
                                             {NULL}};

static void add_cells(gconstpointer data, DspGrid *grid) {
  const Row *row = data;
  dsp_grid_cell(grid, "%s", row->method->name);
  dsp_grid_cell(grid, "%s", row->degrees);
  dsp_grid_cell(grid, "%s", row->variants);
  dsp_grid_cell(grid, "%s", row->method->summary);
}

static void text(gconstpointer data, const DspStyle *style, GString *out) {
  const Row *row = data;
  dsp_text_line(out, style, "method", "%s", row->method->name);
  dsp_text_line(out, style, "summary", "%s", row->method->summary);
  dsp_text_line(out, style, "variants", "%s", row->variants);
  dsp_text_line(out, style, "degrees", "%s",
                *row->degrees ? row->degrees : "none");
  dsp_text_line(out, style, "embedded", "%s",
                row->method->embedded ? "yes: it shards one dimension for good"
                                      : "no");
}

const DspKind dsp_kind_method = {"method",     "methods", names,
                                 load,         row_free,  table,
                                 list_columns, add_cells, text};
