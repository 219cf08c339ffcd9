/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"
#include "base/error.h"
#include "base/json.h"
#include <string.h>

static void print_option(const DspOption *option, FILE *out) {
  const gboolean flag = option->type == DSP_OPTION_FLAG;
  g_autofree char *letter =
      option->letter ? g_strdup_printf("-%c,", option->letter) : g_strdup("");
  g_autofree char *usage =
      g_strdup_printf("%-3s --%s%s%s", letter, option->name, flag ? "" : "=",
                      flag ? "" : option->argument);
  fprintf(out, "  %-28s  %s", usage, option->doc);
  if (option->type == DSP_OPTION_ENUM) {
    g_autofree char *values = g_strjoinv(", ", (char **)option->values);
    fprintf(out, ": %s", values);
  }
  fputc('\n', out);
}

void dsp_command_print_help(const DspCommand *command, FILE *out) {
  fprintf(out, "usage: dspsim %s%s%s%s\n\n%s\n", command->name,
          command->options ? " [OPTION]..." : "", *command->operands ? " " : "",
          command->operands, command->summary);
  if (command->options)
    fputs("\nOptions:\n", out);
  for (const DspOption *o = command->options; o && o->name; o++)
    print_option(o, out);
}

static void print_commands(const DspCommand *const *commands, FILE *out) {
  fputs("usage: dspsim COMMAND [OPTION]... [OPERAND]...\n\nCommands:\n", out);
  for (; *commands; commands++)
    fprintf(out, "  %-10s  %s\n", (*commands)->name, (*commands)->summary);
  fputs("\n'dspsim help COMMAND' tells its options; "
        "so does the manual page dspsim-COMMAND(1).\n",
        out);
}

static gboolean run(const DspCall *call, GError **error) {
  const char *name = call->operands[0];
  if (!name) {
    print_commands(call->commands, call->out);
    return TRUE;
  }
  const DspCommand *command = dsp_command_find(call->commands, name, error);
  if (command)
    dsp_command_print_help(command, call->out);
  return command != NULL;
}

const DspCommand dsp_command_help = {
    .name = "help",
    .summary = "list the commands, or tell how to use one",
    .operands = "[COMMAND]",
    .run = run,
};
