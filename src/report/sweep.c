/* SPDX-License-Identifier: Apache-2.0 */
#include "report/sweep.h"
#include "report/text.h"
#include <string.h>

/* --- formats ------------------------------------------------------------- */

const DspSweepFormat dsp_sweep_formats[] = {
    {"csv", ".csv", TRUE, TRUE, dsp_csv_row},
    {"jsonl", ".jsonl", FALSE, FALSE, dsp_json_line}};
const char *const dsp_sweep_format_names[] = {"csv", "jsonl", NULL};

G_STATIC_ASSERT(G_N_ELEMENTS(dsp_sweep_formats) + 1 ==
                G_N_ELEMENTS(dsp_sweep_format_names));

int dsp_sweep_format_of_file(const char *file) {
  for (guint i = 0; file && i < G_N_ELEMENTS(dsp_sweep_formats); i++)
    if (g_str_has_suffix(file, dsp_sweep_formats[i].suffix))
      return (int)i;
  return 0;
}

/* --- columns ------------------------------------------------------------- */

struct DspSweepTable {
  const DspSweepGrid *grid;
  gboolean *whole;      /* of each parameter: all its values are numbers */
  GPtrArray *dims;      /* char *: names */
  DspTable *prediction; /* the columns of a prediction */
  DspTable *row;
};

static const DspSweepRow *row_of(gconstpointer row) {
  return row;
}

static DspValue get_cell(gconstpointer row, guint index) {
  (void)index;
  return dsp_integer(row_of(row)->cell);
}

static DspValue get_varied(gconstpointer data, guint index) {
  const DspSweepRow *row = data;
  const char *value = dsp_sweep_grid_value(row->table->grid, index, row->cell);
  return row->table->whole[index]
             ? dsp_integer(g_ascii_strtoll(value, NULL, 10))
             : dsp_string(value);
}

/* Null where the row's model has no such dimension. */
static DspValue get_dim(gconstpointer data, guint index) {
  const DspSweepRow *row = data;
  const DspJob *job = row->result.job;
  const int dim =
      job ? dsp_model_dim(job->model, row->table->dims->pdata[index]) : -1;
  return dim < 0 ? dsp_null() : dsp_integer(job->lengths.length[dim]);
}

/* A column of the prediction by its place. Without a prediction there are but
 * the reason and that it is not feasible. */
static DspValue get_prediction(gconstpointer data, guint index) {
  const DspSweepRow *row = data;
  const DspColumn *column = dsp_column(row->table->prediction->columns, index);
  if (row->result.job)
    return column->get(&row->result, column->index);
  if (g_str_equal(column->key, "feasible"))
    return dsp_boolean(FALSE);
  return g_str_equal(column->key, "reason") ? dsp_string(row->reason)
                                            : dsp_null();
}

static const DspColumn cell_columns[] = {{NULL, "cell", get_cell, 0}, {NULL}};

static gboolean is_dim(const DspColumn *column) {
  return g_strcmp0(column->group, "dims") == 0;
}

static void add_prediction(DspSweepTable *table) {
  const GArray *columns = table->prediction->columns;
  gboolean dims_added = FALSE;
  for (guint i = 0; i < columns->len; i++) {
    DspColumn column = *dsp_column(columns, i);
    column.get = get_prediction;
    column.index = i;
    if (!is_dim(&column))
      g_array_append_val(table->row->columns, column);
    else if (!dims_added)
      dsp_table_add_group(table->row, "dims",
                          (const char *const *)table->dims->pdata,
                          table->dims->len, get_dim);
    dims_added |= is_dim(&column);
  }
}

static GPtrArray *dims_of(const GPtrArray *models) {
  GPtrArray *dims = g_ptr_array_new();
  for (guint i = 0; i < models->len; i++) {
    const DspModel *model = models->pdata[i];
    for (guint j = 0; j < model->n_dims; j++)
      if (!g_ptr_array_find_with_equal_func(dims, model->dims[j].name,
                                            g_str_equal, NULL))
        g_ptr_array_add(dims, model->dims[j].name);
  }
  return dims;
}

static gboolean is_whole(const char *value) {
  return g_ascii_string_to_unsigned(value, 10, 0, G_MAXINT64, NULL, NULL);
}

static gboolean all_whole(const GPtrArray *values) {
  for (guint i = 0; i < values->len; i++)
    if (!is_whole(values->pdata[i]))
      return FALSE;
  return TRUE;
}

DspSweepTable *dsp_sweep_table_new(const DspSweepGrid *grid,
                                   const GPtrArray *models, gboolean interval) {
  DspSweepTable *table = g_new0(DspSweepTable, 1);
  table->grid = grid;
  table->whole = g_new(gboolean, grid->varied->len);
  table->dims = dims_of(models);
  table->prediction = dsp_result_table(models->pdata[0], TRUE);
  if (interval)
    dsp_result_table_add_interval(table->prediction);
  table->row = dsp_table_new(cell_columns);
  for (guint i = 0; i < grid->varied->len; i++) {
    const DspVaried *varied = dsp_sweep_grid_varied(grid, i);
    const DspColumn column = {"vary", varied->name, get_varied, i};
    table->whole[i] = all_whole(varied->values);
    g_array_append_val(table->row->columns, column);
  }
  add_prediction(table);
  return table;
}

void dsp_sweep_table_free(DspSweepTable *table) {
  if (!table)
    return;
  dsp_table_free(table->row);
  dsp_table_free(table->prediction);
  g_ptr_array_unref(table->dims);
  g_free(table->whole);
  g_free(table);
}

void dsp_sweep_header(const DspSweepTable *table, const DspSweepFormat *format,
                      GString *out) {
  if (format->header)
    dsp_csv_header(table->row, out);
}

void dsp_sweep_row(const DspSweepRow *row, const DspSweepFormat *format,
                   GString *out) {
  format->row(row->table->row, row, out);
}

/* --- text ---------------------------------------------------------------- */

enum { SHOWN_CELLS = 10 };

static void add_parameter(const DspVaried *varied, const DspStyle *style,
                          GString *out) {
  g_autoptr(GString) values = g_string_new(NULL);
  for (guint i = 0; i < MIN(varied->values->len, SHOWN_CELLS); i++)
    g_string_append_printf(values, "%s%s", i ? ", " : "",
                           (const char *)varied->values->pdata[i]);
  if (varied->values->len > SHOWN_CELLS)
    g_string_append_printf(
        values, ", ... %s (%u values)",
        (const char *)varied->values->pdata[varied->values->len - 1],
        varied->values->len);
  dsp_text_line(out, style, varied->name, "%s", values->str);
}

static void add_cells(const DspSweepGrid *grid, const DspStyle *style,
                      GString *out) {
  const guint n = grid->varied->len;
  g_autofree DspTextColumn *columns = g_new0(DspTextColumn, n + 1);
  columns[0] = (DspTextColumn){"cell", "", FALSE};
  for (guint i = 0; i < n; i++)
    columns[i + 1] =
        (DspTextColumn){dsp_sweep_grid_varied(grid, i)->name, "", FALSE};
  g_autoptr(DspGrid) text = dsp_grid_new(style, columns, n + 1);
  for (int64_t cell = 0; cell < MIN(grid->cells, SHOWN_CELLS); cell++) {
    dsp_grid_cell(text, "%" G_GINT64_FORMAT, cell);
    for (guint i = 0; i < n; i++)
      dsp_grid_cell(text, "%s", dsp_sweep_grid_value(grid, i, cell));
  }
  dsp_grid_print(text, out);
}

void dsp_sweep_text(const DspSweepGrid *grid, const DspStyle *style,
                    GString *out) {
  g_string_append_printf(out, "# %" G_GINT64_FORMAT " cell%s%s\n", grid->cells,
                         grid->cells == 1 ? "" : "s",
                         grid->varied->len == 1 ? ""
                         : grid->zip            ? ", values side by side"
                                                : ", every combination");
  for (guint i = 0; i < grid->varied->len; i++)
    add_parameter(dsp_sweep_grid_varied(grid, i), style, out);
  g_string_append(out, "#\n");
  add_cells(grid, style, out);
  if (grid->cells > SHOWN_CELLS)
    g_string_append_printf(out, "# and %" G_GINT64_FORMAT " more\n",
                           grid->cells - SHOWN_CELLS);
}
