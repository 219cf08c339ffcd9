/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"
#include "base/json.h"
#include "cmd/cmd.h"
#include "report/text.h"
#include <string.h>

static void add_option(const DspOption *option, GString *out) {
  static const DspStyle plain = {.utf8 = FALSE};
  const gboolean flag = option->type->flag;
  g_autofree char *letter =
      option->letter ? g_strdup_printf("-%c,", option->letter) : g_strdup("");
  g_autofree char *usage =
      g_strdup_printf("%-3s --%s%s%s", letter, option->name, flag ? "" : "=",
                      flag ? "" : option->argument);
  g_string_append_printf(out, "  %-26s  ", usage);
  g_autoptr(GString) text = g_string_new(option->doc);
  if (option->values) {
    g_autofree char *values = g_strjoinv(", ", (char **)option->values);
    g_string_append_printf(text, ": %s", values);
  }
  if (option->standard)
    g_string_append_printf(text, " [%s]", option->standard);
  dsp_text_wrap(out, &plain, "", 30, text->str);
}

void dsp_command_help_text(const DspCommand *command, GString *out) {
  g_string_append_printf(out, "usage: dspsim %s%s%s%s\n\n%s.\n", command->name,
                         command->groups ? " [OPTION]..." : "",
                         *command->operands ? " " : "", command->operands,
                         command->summary);
  for (const DspOptionGroup *g = command->groups; g && g->title; g++) {
    g_string_append_printf(out, "\n%s:\n", g->title);
    for (const DspOption *o = g->options; o->name; o++)
      add_option(o, out);
  }
}

static void add_commands(const DspCommand *const *commands, GString *out) {
  g_string_append(out, "usage: dspsim COMMAND [OPTION]... [OPERAND]...\n\n"
                       "Commands:\n");
  for (; *commands; commands++)
    g_string_append_printf(out, "  %-10s  %s\n", (*commands)->name,
                           (*commands)->summary);
  g_string_append(out, "\n'dspsim help COMMAND' tells its options; so does the "
                       "manual page dspsim-COMMAND(1).\n");
}

static gboolean run(const DspInvocation *invocation, GError **error) {
  const char *name = invocation->operands[0];
  if (!name) {
    add_commands(invocation->commands, invocation->out);
    return TRUE;
  }
  const DspCommand *command =
      dsp_command_find(invocation->commands, name, error);
  if (command)
    dsp_command_help_text(command, invocation->out);
  return command != NULL;
}

const DspCommand dsp_command_help = {
    .name = "help",
    .summary = "list the commands, or tell how to use one",
    .operands = "[COMMAND]",
    .max_operands = 1,
    .run = run,
};
