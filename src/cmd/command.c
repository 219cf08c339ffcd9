/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"
#include "base/json.h"
#include "cmd/cmd.h"
#include "report/text.h"
#include <gsl/gsl_errno.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

enum { DONE = 0, BUG = 70 };

static const int exit_statuses[] = {
    [DSP_ERROR_INFEASIBLE] = 1,    [DSP_ERROR_USAGE] = 2,
    [DSP_ERROR_INPUT] = 3,         [DSP_ERROR_EXTERNAL] = 4,
    [DSP_ERROR_INTERRUPTED] = 130,
};

/* Every command's first option, and those of dspsim itself. */
typedef struct {
  gboolean help, version;
} Common;

static const DspOption common_options[] = {
    {"help", 'h', &dsp_option_flag, G_STRUCT_OFFSET(Common, help), NULL,
     "say how to use it", NULL, NULL},
    {"version", 0, &dsp_option_flag, G_STRUCT_OFFSET(Common, version), NULL,
     "say which version it is", NULL, NULL},
    {NULL}};

const DspOptionGroup dsp_common_groups[] = {{"Options", common_options, 0},
                                            {NULL}};

const DspCommand *dsp_command_find(const DspCommand *const *commands,
                                   const char *name, GError **error) {
  g_autoptr(GPtrArray) names = g_ptr_array_new_null_terminated(0, NULL, TRUE);
  for (const DspCommand *const *c = commands; *c; c++) {
    if (strcmp((*c)->name, name) == 0)
      return *c;
    g_ptr_array_add(names, (gpointer)(*c)->name);
  }
  const char *near = dsp_nearest_name(name, (const char *const *)names->pdata);
  g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE, "unknown command '%s', %s%s%s",
              name, near ? "did you mean '" : "see 'dspsim help'",
              near ? near : "", near ? "'?" : "");
  return NULL;
}

/* Errors in a file begin with its name, as compilers' do, so that editors can
 * jump there. What they quote of it must not reach the terminal as it is. */
static int report(const GError *error) {
  const gboolean ours = error->domain == DSP_ERROR;
  const gboolean in_file = ours && error->code == DSP_ERROR_INPUT;
  const DspStyle style = {g_get_charset(NULL), FALSE};
  g_auto(GStrv) lines = g_strsplit(error->message, "\n", -1);
  fputs(in_file ? "" : "dspsim: ", stderr);
  for (char **line = lines; *line; line++) {
    g_autofree char *clean = dsp_text_clean(&style, *line);
    fprintf(stderr, "%s\n", clean);
  }
  return ours ? exit_statuses[error->code] : BUG;
}

static gboolean write_out(const GString *out, GError **error) {
  fwrite(out->str, 1, out->len, stdout);
  /* A full disk or a closed pipe shows at the latest here. */
  if (fflush(stdout) == 0 && !ferror(stdout))
    return TRUE;
  g_set_error(error, DSP_ERROR, DSP_ERROR_EXTERNAL,
              "cannot write the standard output");
  return FALSE;
}

/* --- one command --------------------------------------------------------- */

/* The record is the command's, then Common. */
static gsize common_offset(const DspCommand *command) {
  const gsize unit = sizeof(int64_t);
  return (command->record_size + unit - 1) / unit * unit;
}

GArray *dsp_command_groups(const DspCommand *command) {
  GArray *groups = g_array_new(TRUE, TRUE, sizeof(DspOptionGroup));
  DspOptionGroup common = dsp_common_groups[0];
  common.offset = common_offset(command);
  for (const DspOptionGroup *g = command->groups; g && g->title; g++)
    g_array_append_val(groups, *g);
  g_array_append_val(groups, common);
  return groups;
}

static gboolean operands_fit(const DspCommand *command, char *const *operands,
                             GError **error) {
  const guint n = g_strv_length((char **)operands);
  if (n <= command->max_operands)
    return TRUE;
  g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE,
              "'%s' is one operand too many, usage: dspsim %s%s%s",
              operands[command->max_operands], command->name,
              *command->operands ? " " : "", command->operands);
  return FALSE;
}

static gboolean run_parsed(const DspInvocation *invocation,
                           const DspCommand *command, GError **error) {
  const Common *common =
      G_STRUCT_MEMBER_P(invocation->options, common_offset(command));
  if (common->help) {
    dsp_command_help_text(command, invocation->out);
    return TRUE;
  }
  return operands_fit(command, invocation->operands, error) &&
         command->run(invocation, error);
}

static gboolean run_command(const DspCommand *const *commands,
                            const DspCommand *command, char *const *arguments,
                            GString *out, GError **error) {
  g_autoptr(GArray) array = dsp_command_groups(command);
  const DspOptionGroup *groups = (const DspOptionGroup *)(void *)array->data;
  g_autofree gpointer record =
      g_malloc0(common_offset(command) + sizeof(Common));
  if (command->defaults)
    memcpy(record, command->defaults, command->record_size);
  g_auto(GStrv) operands =
      dsp_options_parse(groups, arguments, FALSE, record, error);
  if (!operands)
    g_prefix_error(error, "%s: ", command->name);
  const DspInvocation invocation = {commands, record, operands, out};
  const gboolean done = operands && run_parsed(&invocation, command, error);
  dsp_options_clear(groups, record);
  return done;
}

/* --- dspsim itself ------------------------------------------------------- */

static gboolean run(const DspCommand *const *commands, char *const *arguments,
                    GString *out, GError **error) {
  Common common = {FALSE, FALSE};
  g_auto(GStrv) rest =
      dsp_options_parse(dsp_common_groups, arguments, TRUE, &common, error);
  if (!rest)
    return FALSE;
  if (common.version) {
    g_string_append(out, "dspsim " PACKAGE_VERSION "\n");
    return TRUE;
  }
  const char *name = common.help || !*rest ? "help" : *rest;
  const DspCommand *command = dsp_command_find(commands, name, error);
  return command &&
         run_command(commands, command, *rest ? rest + 1 : rest, out, error);
}

/* Only characters follow the user's locale: numbers and messages are the same
 * everywhere. GSL's own error handler would end the process. */
int dsp_command_main(const DspCommand *const *commands, int argc, char **argv) {
  g_autoptr(GError) error = NULL, trouble = NULL;
  g_autoptr(GString) out = g_string_new(NULL);
  setlocale(LC_CTYPE, "");
  gsl_set_error_handler_off();
  const gboolean done = run(commands, argc > 0 ? argv + 1 : argv, out, &error);
  const gboolean answered =
      done || g_error_matches(error, DSP_ERROR, DSP_ERROR_INFEASIBLE) ||
      g_error_matches(error, DSP_ERROR, DSP_ERROR_EXTERNAL);
  if (answered && !write_out(out, &trouble))
    return report(trouble);
  return done ? DONE : report(error);
}
