/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"
#include "base/json.h"
#include "cmd/cmd.h"
#include <gsl/gsl_errno.h>
#include <locale.h>
#include <string.h>

enum { DONE = 0, BUG = 70 };

static const int exit_statuses[] = {
    [DSP_ERROR_INFEASIBLE] = 1,
    [DSP_ERROR_USAGE] = 2,
    [DSP_ERROR_INPUT] = 3,
    [DSP_ERROR_EXTERNAL] = 4,
};

/* What scripts and people try first, and the command that answers. */
static const struct {
  const char *option;
  const char *command;
} aliases[] = {{"--help", "help"}, {"-h", "help"}};

const DspCommand *dsp_command_find(const DspCommand *const *commands,
                                   const char *name, GError **error) {
  g_autoptr(GPtrArray) names = g_ptr_array_new();
  for (const DspCommand *const *c = commands; *c; c++) {
    if (strcmp((*c)->name, name) == 0)
      return *c;
    g_ptr_array_add(names, (gpointer)(*c)->name);
  }
  g_ptr_array_add(names, NULL);
  const char *near = dsp_nearest_name(name, (const char *const *)names->pdata);
  g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE, "unknown command '%s', %s%s%s",
              name, near ? "did you mean '" : "see 'dspsim help'",
              near ? near : "", near ? "'?" : "");
  return NULL;
}

/* Errors in a file begin with its name, as compilers' do, so that editors can
 * jump there. */
static int report(const GError *error) {
  const gboolean ours = error->domain == DSP_ERROR;
  const gboolean in_file = ours && error->code == DSP_ERROR_INPUT;
  fprintf(stderr, "%s%s\n", in_file ? "" : "dspsim: ", error->message);
  return ours ? exit_statuses[error->code] : BUG;
}

static gboolean asks_for_help(char *const *arguments) {
  for (; *arguments && strcmp(*arguments, "--") != 0; arguments++)
    if (strcmp(*arguments, "--help") == 0 || strcmp(*arguments, "-h") == 0)
      return TRUE;
  return FALSE;
}

/* A full disk or a closed pipe shows at the latest when the stream is flushed.
 */
static gboolean flush(FILE *out, GError **error) {
  if (fflush(out) == 0 && !ferror(out))
    return TRUE;
  g_set_error(error, DSP_ERROR, DSP_ERROR_EXTERNAL,
              "cannot write the standard output");
  return FALSE;
}

static gboolean run_with_record(const DspCommand *const *commands,
                                const DspCommand *command,
                                char *const *arguments, gpointer record,
                                GError **error) {
  g_auto(GStrv) operands =
      dsp_options_parse(command->options, arguments, record, error);
  if (!operands) {
    g_prefix_error(error, "%s: ", command->name);
    return FALSE;
  }
  const DspCall call = {commands, record, operands, stdout};
  return command->run(&call, error);
}

static gboolean run_command(const DspCommand *const *commands,
                            const DspCommand *command, char *const *arguments,
                            GError **error) {
  if (asks_for_help(arguments)) {
    dsp_command_print_help(command, stdout);
    return TRUE;
  }
  g_autofree gpointer record = g_malloc0(command->record_size + 1);
  if (command->defaults)
    memcpy(record, command->defaults, command->record_size);
  const gboolean done =
      run_with_record(commands, command, arguments, record, error);
  dsp_options_clear(command->options, record);
  return done;
}

static gboolean run_arguments(const DspCommand *const *commands,
                              char *const *arguments, GError **error) {
  const char *name = *arguments ? *arguments : "help";
  for (guint i = 0; i < G_N_ELEMENTS(aliases); i++)
    if (strcmp(name, aliases[i].option) == 0)
      name = aliases[i].command;
  if (strcmp(name, "--version") == 0) {
    puts("dspsim " PACKAGE_VERSION);
    return TRUE;
  }
  const DspCommand *command = dsp_command_find(commands, name, error);
  return command && run_command(commands, command,
                                *arguments ? arguments + 1 : arguments, error);
}

int dsp_command_main(const DspCommand *const *commands, int argc, char **argv) {
  g_autoptr(GError) error = NULL;
  setlocale(LC_ALL, "");
  setlocale(LC_NUMERIC, "C");  /* numbers are the same everywhere */
  gsl_set_error_handler_off(); /* its default ends the process */
  const gboolean done =
      run_arguments(commands, argc > 0 ? argv + 1 : argv, &error);
  const gboolean written = flush(stdout, done ? &error : NULL);
  return done && written ? DONE : report(error);
}
