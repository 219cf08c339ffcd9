/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"
#include "base/json.h"
#include "base/units.h"
#include "cmd/cmd.h"
#include <string.h>

typedef struct {
  const DspOption *options;
  gpointer record;
  char *const *rest; /* arguments not looked at yet */
  GPtrArray *operands;
} Parser;

static gboolean fail(GError **error, const char *format, ...)
    G_GNUC_PRINTF(2, 3);

static gboolean fail(GError **error, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  g_clear_error(error);
  if (error)
    *error = g_error_new_valist(DSP_ERROR, DSP_ERROR_USAGE, format, arguments);
  va_end(arguments);
  return FALSE;
}

static gboolean set_enum(const DspOption *option, int *member, const char *text,
                         GError **error) {
  for (int i = 0; option->values[i]; i++)
    if (strcmp(option->values[i], text) == 0) {
      *member = i;
      return TRUE;
    }
  g_autofree char *all = g_strjoinv(", ", (char **)option->values);
  return fail(error, "'%s' is not one of %s", text, all);
}

static gboolean set_count(int64_t *member, const char *text, GError **error) {
  int64_t count;
  if (!dsp_parse_count(text, DSP_UNITS_COMMAND_LINE, &count, error))
    return FALSE;
  if (count == 0)
    return fail(error, "must be greater than zero");
  *member = count;
  return TRUE;
}

static void set_string(char **member, const char *text) {
  g_free(*member);
  *member = g_strdup(text);
}

static void add_to_list(GPtrArray **member, const char *text) {
  if (!*member)
    *member = g_ptr_array_new_with_free_func(g_free);
  g_ptr_array_add(*member, g_strdup(text));
}

static gboolean set_member(const DspOption *option, gpointer member,
                           const char *text, GError **error) {
  switch (option->type) {
  case DSP_OPTION_FLAG:
    *(gboolean *)member = TRUE;
    return TRUE;
  case DSP_OPTION_STRING:
    set_string(member, text);
    return TRUE;
  case DSP_OPTION_LIST:
    add_to_list(member, text);
    return TRUE;
  case DSP_OPTION_ENUM:
    return set_enum(option, member, text, error);
  case DSP_OPTION_COUNT:
    return set_count(member, text, error);
  case DSP_OPTION_SIZE:
    return dsp_parse_size(text, DSP_UNITS_COMMAND_LINE, member, error);
  }
  g_return_val_if_reached(FALSE);
}

static gboolean set(const Parser *parser, const DspOption *option,
                    const char *text, GError **error) {
  gpointer member = G_STRUCT_MEMBER_P(parser->record, option->offset);
  if (set_member(option, member, text, error))
    return TRUE;
  g_prefix_error(error, "option '--%s': ", option->name);
  return FALSE;
}

/* Sets an option from the text attached to it, or else the next argument. */
static gboolean take(Parser *parser, const DspOption *option,
                     const char *attached, GError **error) {
  if (!attached && !*parser->rest)
    return fail(error, "option '--%s' needs a value", option->name);
  return set(parser, option, attached ? attached : *parser->rest++, error);
}

static gboolean fail_unknown(const Parser *parser, const char *name,
                             GError **error) {
  g_autoptr(GPtrArray) names = g_ptr_array_new();
  for (const DspOption *o = parser->options; o && o->name; o++)
    g_ptr_array_add(names, (gpointer)o->name);
  g_ptr_array_add(names, NULL);
  const char *near = dsp_nearest_name(name, (const char *const *)names->pdata);
  if (near)
    return fail(error, "unknown option '--%s', did you mean '--%s'?", name,
                near);
  return fail(error, "unknown option '--%s'", name);
}

static gboolean parse_long(Parser *parser, const char *argument,
                           GError **error) {
  const char *equals = strchr(argument, '=');
  g_autofree char *name =
      equals ? g_strndup(argument, equals - argument) : g_strdup(argument);
  const DspOption *option = parser->options;
  while (option && option->name && strcmp(option->name, name) != 0)
    option++;
  if (!option || !option->name)
    return fail_unknown(parser, name, error);
  if (option->type != DSP_OPTION_FLAG)
    return take(parser, option, equals ? equals + 1 : NULL, error);
  if (equals)
    return fail(error, "option '--%s' takes no value", name);
  return set(parser, option, NULL, error);
}

static const DspOption *find_letter(const DspOption *options, char letter) {
  for (; options && options->name; options++)
    if (options->letter == letter)
      return options;
  return NULL;
}

/* One word of short options: flags, then perhaps one that takes a value. */
static gboolean parse_short(Parser *parser, const char *letters,
                            GError **error) {
  for (; *letters; letters++) {
    const DspOption *option = find_letter(parser->options, *letters);
    if (!option)
      return fail(error, "unknown option '-%s'", letters);
    if (option->type != DSP_OPTION_FLAG)
      return take(parser, option, letters[1] ? letters + 1 : NULL, error);
    set(parser, option, NULL, NULL);
  }
  return TRUE;
}

static void add_operand(Parser *parser, const char *argument) {
  g_ptr_array_add(parser->operands, g_strdup(argument));
}

static gboolean parse_next(Parser *parser, GError **error) {
  const char *argument = *parser->rest++;
  if (strcmp(argument, "--") == 0)
    while (*parser->rest)
      add_operand(parser, *parser->rest++);
  else if (g_str_has_prefix(argument, "--"))
    return parse_long(parser, argument + 2, error);
  else if (argument[0] == '-' && argument[1])
    return parse_short(parser, argument + 1, error);
  else
    add_operand(parser, argument);
  return TRUE;
}

char **dsp_options_parse(const DspOption *options, char *const *arguments,
                         gpointer record, GError **error) {
  g_autoptr(GPtrArray) operands = g_ptr_array_new_with_free_func(g_free);
  Parser parser = {options, record, arguments, operands};
  while (*parser.rest)
    if (!parse_next(&parser, error))
      return NULL;
  g_ptr_array_add(operands, NULL);
  return (char **)g_ptr_array_free(g_steal_pointer(&operands), FALSE);
}

void dsp_options_clear(const DspOption *options, gpointer record) {
  for (; options && options->name; options++) {
    gpointer member = G_STRUCT_MEMBER_P(record, options->offset);
    if (options->type == DSP_OPTION_STRING)
      g_clear_pointer((char **)member, g_free);
    else if (options->type == DSP_OPTION_LIST)
      g_clear_pointer((GPtrArray **)member, g_ptr_array_unref);
  }
}
