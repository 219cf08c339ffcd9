/* SPDX-License-Identifier: Apache-2.0 */
/* plot: pictures of what other commands have answered. */
#include "report/plot.h"
#include "base/error.h"
#include "base/json.h"
#include "cmd/cmd.h"
#include "cmd/output.h"
#include <string.h>

typedef struct {
  DspOutputOptions output;
  char *by, *x, *y, *title;
  GPtrArray *where;
} Options;

#define AT(member) G_STRUCT_OFFSET(Options, member)

static const DspOption plot_options[] = {
    {"by", 'b', &dsp_option_string, AT(by), "KEY,...",
     "what tells curves, bars and colours apart", "method", NULL},
    {"x", 'x', &dsp_option_string, AT(x), "KEY", "what lies on the axis",
     "of each kind", NULL},
    {"y", 'y', &dsp_option_string, AT(y), "KEY",
     "crossover: what lies on the other axis", "the first that varies", NULL},
    {"where", 'w', &dsp_option_list, AT(where), "KEY=VALUE",
     "only rows that have it (again for more)", NULL, NULL},
    {"title", 't', &dsp_option_string, AT(title), "TEXT", "another title", NULL,
     NULL},
    {NULL}};

static const DspOptionGroup groups[] = {
    {"Picture", plot_options, 0},
    {"What it says", dsp_output_picture_options, AT(output)},
    {NULL}};

static const Options defaults = {.output = DSP_OUTPUT_DEFAULTS};

/* --- what is asked ------------------------------------------------------- */

/* A word that is neither a kind nor a file is a kind with a slip. */
static gboolean check_kind(const char *word, GError **error) {
  g_autoptr(GPtrArray) names = g_ptr_array_new_null_terminated(0, NULL, TRUE);
  for (const DspPlotKind *const *kind = dsp_plot_kinds; *kind; kind++)
    g_ptr_array_add(names, (gpointer)(*kind)->name);
  const char *near = dsp_nearest_name(word, (const char *const *)names->pdata);
  if (!near || g_file_test(word, G_FILE_TEST_EXISTS))
    return TRUE;
  g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE,
              "no kind of picture is called '%s', did you mean '%s'?", word,
              near);
  return FALSE;
}

static gboolean load(DspRecords *records, char *const *files, GError **error) {
  if (!*files) {
    g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE,
                "plot what? usage: dspsim plot [KIND] FILE...");
    return FALSE;
  }
  return dsp_records_load_all(records, files, error);
}

/* --- the picture --------------------------------------------------------- */

/* On the standard output. Without gnuplot there are bars, and the failure. */
static gboolean print(const DspFigure *figure, const Options *options,
                      GString *out, GError **error) {
  const DspStyle style = dsp_output_style(&options->output);
  const guint columns = dsp_output_columns();
  if (dsp_figure_print(figure, &style, columns, out, error))
    return TRUE;
  dsp_figure_bars(figure, &style, columns, out);
  return FALSE;
}

static gboolean save(const DspFigure *figure, const Options *options,
                     GString *out, GError **error) {
  const DspStyle style = dsp_output_style(&options->output);
  if (dsp_figure_save(figure, options->output.file, error))
    return TRUE;
  if (dsp_output_is_terminal())
    dsp_figure_bars(figure, &style, dsp_output_columns(), out);
  return FALSE;
}

static gboolean draw(const DspInvocation *invocation, const DspPlotKind *kind,
                     const DspRecords *records, GError **error) {
  const Options *options = invocation->options;
  const DspPlotRequest request = {.by = options->by,
                                  .x = options->x,
                                  .y = options->y,
                                  .title = options->title,
                                  .where = options->where};
  g_autoptr(DspFigure) figure = dsp_figure_new(kind, records, &request, error);
  if (!figure)
    return FALSE;
  return (dsp_output_is_file(&options->output) ? save : print)(
      figure, options, invocation->out, error);
}

static gboolean run(const DspInvocation *invocation, GError **error) {
  const Options *options = invocation->options;
  char *const *files = invocation->operands;
  const DspPlotKind *kind = *files ? dsp_plot_kind_find(*files) : NULL;
  g_autoptr(DspRecords) records = dsp_records_new();
  if (dsp_output_is_file(&options->output) &&
      !dsp_plot_check_file(options->output.file, "output", error))
    return FALSE;
  if (!kind && *files && !check_kind(*files, error))
    return FALSE;
  return load(records, kind ? files + 1 : files, error) &&
         draw(invocation, kind ? kind : dsp_plot_kind_for(records), records,
              error);
}

const DspCommand dsp_command_plot = {
    .name = "plot",
    .summary = "draw what sweep, compare, cost or score have answered",
    .operands = "[scaling|breakdown|volume|memory|crossover|roofline|pareto|"
                "busbw|score] FILE...",
    .max_operands = G_MAXUINT,
    .groups = groups,
    .record_size = sizeof(Options),
    .defaults = &defaults,
    .run = run,
};
