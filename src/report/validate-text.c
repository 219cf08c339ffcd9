/* SPDX-License-Identifier: Apache-2.0 */
/* Validations as text: for each model a table of what was run, then why plans
 * have failed, differ or were not run. */
#include "report/prediction.h"
#include "report/text.h"
#include "report/validate.h"
#include "schedule/rules.h"

static const char *const outcome_names[DSP_N_OUTCOMES] = {
    [DSP_VERDICT_PASSED] = "passed",
    [DSP_VERDICT_FAILED] = "FAILED",
    [DSP_VERDICT_DIFFERS] = "differs",
    [DSP_OUTCOME_SKIPPED] = "skipped"};

static void add_line(GString *out, const DspStyle *style, const char *key,
                     const char *text) {
  g_string_append_printf(out, "# %-7s  ", key);
  dsp_text_wrap(out, style, "#", 11, text);
}

/* --- what was asked ------------------------------------------------------- */

static void add_job(const DspValidateAnswer *answer, const DspStyle *style,
                    GString *out) {
  const DspSubject *subject = answer->subjects->pdata[0];
  const DspJob *job = &subject->job;
  const DspValidateInputs *inputs = &answer->inputs;
  g_autofree char *fault =
      inputs->fault ? g_strdup_printf(", with a fault on purpose: %s",
                                      dsp_fault_names[inputs->fault])
                    : g_strdup("");
  g_autofree char *text = g_strdup_printf(
      "%s, batch %" G_GINT64_FORMAT " a replica, %s, seed %" G_GUINT64_FORMAT
      ", on %s%s",
      dsp_mode_names[job->mode], job->batch, dsp_dtype_names[job->dtype],
      inputs->seed, inputs->machine ? inputs->machine : subject->backend,
      fault);
  add_line(out, style, "job", text);
  add_line(out, style, "errors",
           "relative, of the output and of all gradients, to one rank in "
           "float64");
}

static void add_model(const DspSubject *subject, const DspStyle *style,
                      GString *out) {
  const DspModel *model = subject->job.model;
  g_autoptr(GString) text = g_string_new(model->name);
  g_string_append(text, subject->shrunk ? " made small," : ",");
  for (guint i = 0; i < model->n_dims; i++)
    g_string_append_printf(text, " %s=%" G_GINT64_FORMAT, model->dims[i].name,
                           subject->job.lengths.length[i]);
  g_string_append_printf(text,
                         ": %" G_GINT64_FORMAT " tokens, %" G_GINT64_FORMAT
                         " wide, %" G_GINT64_FORMAT " heads",
                         dsp_stream_tokens(model, 0, &subject->job.lengths),
                         model->hidden, model->heads);
  g_string_append(out, "#\n");
  add_line(out, style, "model", text->str);
}

/* --- plans ---------------------------------------------------------------- */

static const DspTextColumn columns[] = {
    {"method", "", TRUE}, {"degrees", "", TRUE},    {"forward", "", FALSE},
    {"bound", "", FALSE}, {"backward", "", FALSE},  {"bound", "", FALSE},
    {"bits", "", TRUE},   {"declared", "B", FALSE}, {"moved", "B", FALSE},
    {"order", "", TRUE},  {"verdict", "", TRUE}};

static void add_error(DspGrid *grid, gboolean there, double error) {
  if (there)
    dsp_grid_cell(grid, "%.0e", error);
  else
    dsp_grid_cell(grid, "-");
}

static void add_numbers(DspGrid *grid, const DspValidateRow *row) {
  const DspValidation *v = &row->validation;
  const gboolean trains = row->subject->job.mode == DSP_MODE_TRAIN;
  add_error(grid, row->judged, v->forward_error);
  add_error(grid, row->judged, v->forward_bound);
  add_error(grid, row->judged && trains, v->backward_error);
  add_error(grid, row->judged && trains, v->backward_bound);
}

static void add_moves(DspGrid *grid, const DspValidateRow *row) {
  const DspValidation *v = &row->validation;
  dsp_grid_cell(grid, "%s",
                !row->judged       ? "-"
                : v->bit_identical ? "same"
                                   : "differ");
  const int64_t bytes[] = {v->declared_bytes, v->moved_bytes};
  for (guint i = 0; i < G_N_ELEMENTS(bytes); i++)
    if (row->judged)
      dsp_grid_cell(grid, "%" G_GINT64_FORMAT, bytes[i]);
    else
      dsp_grid_cell(grid, "-");
  dsp_grid_cell(grid, "%s", !row->judged ? "-" : v->in_order ? "yes" : "NO");
}

static guint outcome_of(const DspValidateRow *row) {
  return row->skipped ? DSP_OUTCOME_SKIPPED : row->validation.verdict;
}

static void add_row(DspGrid *grid, const DspValidateRow *row) {
  const DspMethod *method = row->plan.method;
  g_autofree char *degrees = dsp_text_degrees(&row->plan);
  dsp_grid_cell(grid, "%s%s%s", method->name, row->plan.variant ? " " : "",
                row->plan.variant ? method->variants[row->plan.variant] : "");
  dsp_grid_cell(grid, "%s", degrees);
  add_numbers(grid, row);
  add_moves(grid, row);
  dsp_grid_cell(grid, "%s", outcome_names[outcome_of(row)]);
  if (outcome_of(row) != DSP_VERDICT_PASSED)
    dsp_grid_colour(grid, DSP_TEXT_BEST);
}

static void add_plans(const DspSubject *subject, const DspStyle *style,
                      GString *out) {
  g_autoptr(DspGrid) grid = dsp_grid_new(style, columns, G_N_ELEMENTS(columns));
  gboolean any = FALSE;
  for (guint i = 0; i < subject->rows->len; i++) {
    const DspValidateRow *row = dsp_validate_row(subject, i);
    if (row->skipped)
      continue;
    add_row(grid, row);
    any = TRUE;
  }
  if (any)
    dsp_grid_print(grid, out);
}

/* --- reasons -------------------------------------------------------------- */

static const char *reason_of(const DspValidateRow *row) {
  return row->skipped ? row->skipped : row->reason;
}

/* The plans of one outcome for one reason, in the order of the first. */
static void add_reasons(const DspSubject *subject, guint outcome,
                        const DspStyle *style, GString *out) {
  g_autoptr(GHashTable) lines =
      g_hash_table_new_full(g_str_hash, g_str_equal, NULL, NULL);
  g_autoptr(GPtrArray) order = g_ptr_array_new();
  for (guint i = 0; i < subject->rows->len; i++) {
    const DspValidateRow *row = dsp_validate_row(subject, i);
    if (outcome_of(row) != outcome)
      continue;
    g_autofree char *plan = dsp_plan_describe(&row->plan);
    GString *line = g_hash_table_lookup(lines, reason_of(row));
    if (!line) {
      line = g_string_new(NULL);
      g_hash_table_insert(lines, (gpointer)reason_of(row), line);
      g_ptr_array_add(order, (gpointer)reason_of(row));
    }
    g_string_append_printf(line, "%s%s", line->len ? ", " : "", plan);
  }
  if (order->len)
    g_string_append_printf(out, "#\n# %s\n", outcome_names[outcome]);
  for (guint i = 0; i < order->len; i++) {
    GString *line = g_hash_table_lookup(lines, order->pdata[i]);
    g_string_append_printf(line, ": %s", (const char *)order->pdata[i]);
    g_string_append(out, "  ");
    dsp_text_wrap(out, style, "", 4, line->str);
    g_string_free(line, TRUE);
  }
}

static void add_sum(const DspValidateAnswer *answer, GString *out) {
  const DspOutcomes o = dsp_validate_outcomes(answer);
  g_string_append_printf(
      out,
      "#\n# %u plan%s: %u passed, %u failed, %u differ as published, %u "
      "skipped\n",
      o.all, o.all == 1 ? "" : "s", o.of[DSP_VERDICT_PASSED],
      o.of[DSP_VERDICT_FAILED], o.of[DSP_VERDICT_DIFFERS],
      o.of[DSP_OUTCOME_SKIPPED]);
}

void dsp_validate_text(const DspReport *report, const DspStyle *style,
                       GString *out) {
  static const guint told[] = {DSP_VERDICT_FAILED, DSP_VERDICT_DIFFERS,
                               DSP_OUTCOME_SKIPPED};
  const DspValidateAnswer *answer = report->data;
  add_job(answer, style, out);
  for (guint i = 0; i < answer->subjects->len; i++) {
    const DspSubject *subject = answer->subjects->pdata[i];
    add_model(subject, style, out);
    add_plans(subject, style, out);
    for (guint j = 0; j < G_N_ELEMENTS(told); j++)
      add_reasons(subject, told[j], style, out);
  }
  add_sum(answer, out);
}
