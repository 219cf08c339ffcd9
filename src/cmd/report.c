/* SPDX-License-Identifier: Apache-2.0 */
/* report: a page for those who decide. */
#include "base/error.h"
#include "cmd/cmd.h"
#include "cmd/output.h"
#include "report/html.h"

typedef struct {
  DspOutputOptions output;
  char *title;
} Options;

#define AT(member) G_STRUCT_OFFSET(Options, member)

static const DspOption page_options[] = {
    {"title", 't', &dsp_option_string, AT(title), "TEXT", "of the page", NULL,
     NULL},
    {"output", 'o', &dsp_option_string, AT(output.file), "FILE",
     "write the page there", "the standard output", NULL},
    {"provenance", 0, &dsp_option_flag, AT(output.provenance), NULL,
     "say which dspsim it was, and when", NULL, NULL},
    {"quiet", 'q', &dsp_option_flag, AT(output.quiet), NULL, "no notes", NULL,
     NULL},
    {NULL}};

static const DspOptionGroup groups[] = {{"Page", page_options, 0}, {NULL}};

static const Options defaults = {.output = DSP_OUTPUT_DEFAULTS};

static gboolean run(const DspInvocation *invocation, GError **error) {
  const Options *options = invocation->options;
  g_autoptr(DspRecords) records = dsp_records_new();
  g_autoptr(GString) page = g_string_new(NULL);
  g_autofree char *undrawn = NULL, *provenance = NULL;
  if (!*invocation->operands) {
    g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE,
                "report what? usage: dspsim report FILE...");
    return FALSE;
  }
  if (!dsp_records_load_all(records, invocation->operands, error))
    return FALSE;
  if (options->output.provenance)
    provenance = dsp_output_provenance();
  const DspHtmlReport report = {records, options->title, provenance};
  if (!dsp_html_report(&report, page, &undrawn, error))
    return FALSE;
  if (undrawn)
    dsp_output_note(&options->output, "pictures are bars of characters: %s",
                    undrawn);
  return dsp_output_text(&options->output, page, invocation->out, error);
}

const DspCommand dsp_command_report = {
    .name = "report",
    .summary = "make a page for a meeting of what compare or sweep answered",
    .operands = "FILE...",
    .max_operands = G_MAXUINT,
    .groups = groups,
    .record_size = sizeof(Options),
    .defaults = &defaults,
    .run = run,
};
