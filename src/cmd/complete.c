/* SPDX-License-Identifier: Apache-2.0 */
/* complete: what may come next on a command line. The scripts in
 * src/completions/ ask it, so that shells know what the option tables, models
 * and clusters of this very dspsim are. */
#include "cmd/cmd.h"
#include "report/kind.h"
#include <string.h>

/* What is typed of the word that is to be completed. */
typedef struct {
  const DspCommand *const *commands;
  const char *before; /* stays before every answer: "--mode=" */
  int n_before;
  const char *prefix; /* every answer begins with it */
  GString *out;
} Completion;

static void add(const Completion *c, const char *name, const char *after,
                const char *doc) {
  if (g_str_has_prefix(name, c->prefix))
    g_string_append_printf(c->out, "%.*s%s%s%s%s\n", c->n_before, c->before,
                           name, after, *doc ? "\t" : "", doc);
}

static void add_commands(const Completion *c) {
  for (const DspCommand *const *command = c->commands; *command; command++)
    add(c, (*command)->name, "", (*command)->summary);
}

static void add_option(const Completion *c, const DspOption *option) {
  g_autofree char *name = g_strconcat("--", option->name, NULL);
  add(c, name, option->type->flag ? "" : "=", option->doc);
}

static void add_options(const Completion *c, const DspOptionGroup *groups) {
  for (; groups->title; groups++)
    for (const DspOption *o = groups->options; o->name; o++)
      add_option(c, o);
}

/* --- values -------------------------------------------------------------- */

static void add_names(const Completion *c, const DspKind *kind) {
  g_auto(GStrv) names = kind->names();
  for (char **name = names; *name; name++)
    add(c, *name, "", "");
}

/* What a usage line calls a value says what it may be: MODEL the name of a
 * model, NAME that of anything, COMMAND a command. In small letters it is
 * itself. Nothing else is known, and shells then complete names of files. */
static void add_placeholder(const Completion *c, const char *word) {
  if (g_ascii_islower(*word))
    add(c, word, "", "");
  if (strcmp(word, "COMMAND") == 0)
    add_commands(c);
  for (const DspKind *const *kind = dsp_kinds; *kind; kind++) {
    g_autofree char *name = g_ascii_strup((*kind)->name, -1);
    if (strcmp(word, name) == 0 || strcmp(word, "NAME") == 0)
      add_names(c, *kind);
  }
}

static void add_values(const Completion *c, const DspOption *option) {
  for (const char *const *value = option->values; value && *value; value++)
    add(c, *value, "", "");
  if (!option->values && option->argument)
    add_placeholder(c, option->argument);
}

/* One operand of a usage line: "[model|gpu]". */
static void add_operand_values(const Completion *c, const char *operand) {
  g_auto(GStrv) words = g_strsplit_set(operand, "[]|.", -1);
  for (char **word = words; *word; word++)
    if (**word)
      add_placeholder(c, *word);
}

/* The `i`th operand; where that may be left out, the next one too. */
static void add_operands(const Completion *c, const char *usage, guint i) {
  g_auto(GStrv) operands = g_strsplit(usage, " ", -1);
  const guint n = g_strv_length(operands);
  gboolean more = TRUE;
  if (i >= n && g_str_has_suffix(usage, "..."))
    i = n - 1;
  for (; i < n && more; i++) {
    add_operand_values(c, operands[i]);
    more = *operands[i] == '[' && g_str_has_suffix(operands[i], "]");
  }
}

/* --- the line ------------------------------------------------------------ */

/* The option whose value is the word after `word`, or NULL. */
static const DspOption *wants(const DspOptionGroup *groups, const char *word) {
  const DspOption *option = dsp_option_of_word(groups, word);
  return option && !option->type->flag && !strchr(word, '=') ? option : NULL;
}

/* Operands before the last word. */
static guint count_operands(const DspOptionGroup *groups, char *const *words) {
  guint n = 0;
  for (; words[0] && words[1]; words++)
    if (wants(groups, words[0]) && words[2])
      words++;
    else
      n += words[0][0] != '-';
  return n;
}

static void complete_attached(Completion *c, const DspOptionGroup *groups) {
  const DspOption *option = dsp_option_of_word(groups, c->prefix);
  c->before = c->prefix;
  c->prefix = strchr(c->prefix, '=') + 1;
  c->n_before = (int)(c->prefix - c->before);
  if (option)
    add_values(c, option);
}

/* `words` are those after the command's name, at least one. */
static void complete_command(Completion *c, const DspCommand *command,
                             char *const *words) {
  g_autoptr(GArray) array = dsp_command_groups(command);
  const DspOptionGroup *groups = (const DspOptionGroup *)(void *)array->data;
  const guint n = g_strv_length((char **)words);
  const DspOption *option = n > 1 ? wants(groups, words[n - 2]) : NULL;
  if (option)
    add_values(c, option);
  else if (g_str_has_prefix(c->prefix, "--") && strchr(c->prefix, '='))
    complete_attached(c, groups);
  else if (*c->prefix == '-')
    add_options(c, groups);
  else
    add_operands(c, command->operands, count_operands(groups, words));
}

static gboolean run(const DspInvocation *invocation, GError **error) {
  char *const *words = invocation->operands;
  const guint n = g_strv_length((char **)words);
  Completion c = {.commands = invocation->commands,
                  .before = "",
                  .prefix = n ? words[n - 1] : "",
                  .out = invocation->out};
  (void)error;
  if (n > 1) {
    const DspCommand *command = dsp_command_find(c.commands, words[0], NULL);
    if (command)
      complete_command(&c, command, words + 1);
  } else if (*c.prefix == '-') {
    add_options(&c, dsp_common_groups);
  } else {
    add_commands(&c);
  }
  return TRUE;
}

const DspCommand dsp_command_complete = {
    .name = "complete",
    .summary = "tell what may come next on a command line, for shells",
    .operands = "[WORD...]",
    .max_operands = G_MAXUINT,
    .run = run,
};
