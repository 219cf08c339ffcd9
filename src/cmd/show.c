/* SPDX-License-Identifier: Apache-2.0 */
/* list: what models, clusters, GPUs and methods there are; show: all of one. */
#include "base/error.h"
#include "cmd/cmd.h"
#include "cmd/output.h"
#include "report/kind.h"
#include <string.h>

typedef struct {
  DspOutputOptions output;
} Options;

static const DspOptionGroup groups[] = {
    DSP_OUTPUT_GROUP(G_STRUCT_OFFSET(Options, output)), {NULL}};
static const Options defaults = {.output = DSP_OUTPUT_DEFAULTS};

/* --- kinds --------------------------------------------------------------- */

static const DspKind *find_kind(const char *name) {
  for (const DspKind *const *k = dsp_kinds; *k; k++)
    if (strcmp((*k)->name, name) == 0 || strcmp((*k)->plural, name) == 0)
      return *k;
  return NULL;
}

static gboolean has(const DspKind *kind, const char *name) {
  g_auto(GStrv) names = kind->names();
  return g_strv_contains((const char *const *)names, name);
}

/* The nearest name of any kind. */
static void fail_name(const char *name, GError **error) {
  g_autoptr(GPtrArray) all = g_ptr_array_new_null_terminated(0, g_free, TRUE);
  for (const DspKind *const *k = dsp_kinds; *k; k++) {
    g_auto(GStrv) names = (*k)->names();
    for (char **n = names; *n; n++)
      g_ptr_array_add(all, g_strdup(*n));
  }
  const char *near = dsp_nearest_name(name, (const char *const *)all->pdata);
  g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE,
              "no model, cluster, GPU or method '%s', %s%s%s", name,
              near ? "did you mean '" : "see 'dspsim list'", near ? near : "",
              near ? "'?" : "");
}

/* --- answers ------------------------------------------------------------- */

/* Rows of one kind. */
typedef struct {
  const DspKind *kind;
  GPtrArray *rows;
  gboolean list;
} Rows;

static void rows_text(const DspReport *report, const DspStyle *style,
                      GString *out) {
  const Rows *rows = report->data;
  if (!rows->list) {
    rows->kind->text(rows->rows->pdata[0], style, out);
    return;
  }
  guint n = 0;
  while (rows->kind->columns[n].title)
    n++;
  g_autoptr(DspGrid) grid = dsp_grid_new(style, rows->kind->columns, n);
  for (guint i = 0; i < rows->rows->len; i++)
    rows->kind->add_cells(rows->rows->pdata[i], grid);
  dsp_grid_print(grid, out);
}

static DspValue get_kind(gconstpointer row, guint index) {
  (void)index;
  return dsp_string(((const Rows *)row)->kind->name);
}

static const DspColumn input_columns[] = {{NULL, "kind", get_kind, 0}, {NULL}};

static gboolean answer(const DspInvocation *invocation, const Rows *rows,
                       GError **error) {
  const Options *options = invocation->options;
  g_autoptr(DspTable) table = rows->kind->table();
  g_autoptr(DspTable) inputs = dsp_table_new(input_columns);
  dsp_table_add_row(inputs, rows);
  for (guint i = 0; i < rows->rows->len; i++)
    dsp_table_add_row(table, rows->rows->pdata[i]);
  DspReport report = {.schema = "dspsim.show/1",
                      .inputs = inputs,
                      .results = table,
                      .text = rows_text,
                      .data = rows};
  return dsp_output_write(&options->output, &report, invocation->out, error);
}

static gboolean answer_with(const DspInvocation *invocation,
                            const DspKind *kind, const char *const *names,
                            gboolean list, GError **error) {
  g_autoptr(GPtrArray) array = g_ptr_array_new_with_free_func(kind->free);
  const Rows rows = {kind, array, list};
  for (; *names; names++) {
    gpointer row = kind->load(*names, error);
    if (!row)
      return FALSE;
    g_ptr_array_add(array, row);
  }
  return answer(invocation, &rows, error);
}

static gboolean list_kind(const DspInvocation *invocation, const DspKind *kind,
                          GError **error) {
  g_auto(GStrv) names = kind->names();
  return answer_with(invocation, kind, (const char *const *)names, TRUE, error);
}

/* All kinds, as text: they have different keys. */
static gboolean list_all(const DspInvocation *invocation, GError **error) {
  const Options *options = invocation->options;
  if (dsp_output_format(&options->output) != &dsp_format_text ||
      options->output.file) {
    g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE,
                "list of what: models, clusters, gpus or methods?");
    return FALSE;
  }
  for (const DspKind *const *k = dsp_kinds; *k; k++) {
    g_string_append(invocation->out, k == dsp_kinds ? "" : "\n");
    if (!list_kind(invocation, *k, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean run_list(const DspInvocation *invocation, GError **error) {
  const char *name = invocation->operands[0];
  if (!name)
    return list_all(invocation, error);
  const DspKind *kind = find_kind(name);
  if (kind)
    return list_kind(invocation, kind, error);
  g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE,
              "'%s' is not one of models, clusters, gpus, methods", name);
  return FALSE;
}

static gboolean show(const DspInvocation *invocation, const DspKind *kind,
                     const char *name, GError **error) {
  const char *const names[] = {name, NULL};
  return answer_with(invocation, kind, names, FALSE, error);
}

static gboolean run_show(const DspInvocation *invocation, GError **error) {
  const char *first = invocation->operands[0];
  const char *second = first ? invocation->operands[1] : NULL;
  const DspKind *kind = first ? find_kind(first) : NULL;
  if (!first || (kind && !second)) {
    g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE,
                "show what? usage: dspsim show [KIND] NAME");
    return FALSE;
  }
  if (second && !kind) {
    g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE,
                "'%s' is not one of model, cluster, gpu, method", first);
    return FALSE;
  }
  if (second)
    return show(invocation, kind, second, error);
  for (const DspKind *const *k = dsp_kinds; *k; k++)
    if (has(*k, first))
      return show(invocation, *k, first, error);
  fail_name(first, error);
  return FALSE;
}

const DspCommand dsp_command_list = {
    .name = "list",
    .summary = "list the models, clusters, GPUs and methods that there are",
    .operands = "[models|clusters|gpus|methods]",
    .max_operands = 1,
    .groups = groups,
    .record_size = sizeof(Options),
    .defaults = &defaults,
    .run = run_list,
};

const DspCommand dsp_command_show = {
    .name = "show",
    .summary = "tell all of one model, cluster, GPU or method, with sources",
    .operands = "[model|cluster|gpu|method] NAME",
    .max_operands = 2,
    .groups = groups,
    .record_size = sizeof(Options),
    .defaults = &defaults,
    .run = run_show,
};
