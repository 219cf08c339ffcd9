/* SPDX-License-Identifier: Apache-2.0 */
/* Options are GLib's GOption, driven by our tables: one callback finds the
 * option in them and has its type parse the value. What GOption lacks is added
 * before and after: values attached to short options, and suggestions. */
#include "base/error.h"
#include "base/json.h"
#include "base/units.h"
#include "cmd/cmd.h"
#include <string.h>

/* --- types --------------------------------------------------------------- */

static gboolean fail(GError **error, const char *format, ...)
    G_GNUC_PRINTF(2, 3);

static gboolean fail(GError **error, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *message = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  g_set_error_literal(error, DSP_ERROR, DSP_ERROR_USAGE, message);
  return FALSE;
}

gboolean dsp_option_fail(GError **error, const char *name, const char *format,
                         ...) {
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *message = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  return fail(error, "option '--%s': %s", name, message);
}

static gboolean parse_flag(const DspOption *option, const char *text,
                           gpointer member, GError **error) {
  (void)option, (void)text, (void)error;
  *(gboolean *)member = TRUE;
  return TRUE;
}

static gboolean parse_string(const DspOption *option, const char *text,
                             gpointer member, GError **error) {
  (void)option;
  if (!*text)
    return fail(error, "must not be empty");
  g_free(*(char **)member);
  *(char **)member = g_strdup(text);
  return TRUE;
}

static void clear_string(gpointer member) {
  g_clear_pointer((char **)member, g_free);
}

static gboolean parse_list(const DspOption *option, const char *text,
                           gpointer member, GError **error) {
  GPtrArray **list = member;
  (void)option, (void)error;
  if (!*list)
    *list = g_ptr_array_new_with_free_func(g_free);
  g_ptr_array_add(*list, g_strdup(text));
  return TRUE;
}

static void clear_list(gpointer member) {
  g_clear_pointer((GPtrArray **)member, g_ptr_array_unref);
}

static gboolean parse_enum(const DspOption *option, const char *text,
                           gpointer member, GError **error) {
  for (int i = 0; option->values[i]; i++)
    if (g_ascii_strcasecmp(option->values[i], text) == 0) {
      *(int *)member = i;
      return TRUE;
    }
  g_autofree char *all = g_strjoinv(", ", (char **)option->values);
  return fail(error, "'%s' is not one of %s", text, all);
}

static gboolean parse_count(const DspOption *option, const char *text,
                            gpointer member, GError **error) {
  int64_t count;
  (void)option;
  if (!dsp_parse_count(text, DSP_UNITS_COMMAND_LINE, &count, error))
    return FALSE;
  if (count == 0)
    return fail(error, "must be greater than zero");
  *(int64_t *)member = count;
  return TRUE;
}

/* --- what was given ------------------------------------------------------ */

static void tell_flag(const DspOption *option, gconstpointer member,
                      GPtrArray *texts) {
  (void)option;
  if (*(const gboolean *)member)
    g_ptr_array_add(texts, g_strdup("true"));
}

static void tell_string(const DspOption *option, gconstpointer member,
                        GPtrArray *texts) {
  const char *string = *(char *const *)member;
  (void)option;
  if (string)
    g_ptr_array_add(texts, g_strdup(string));
}

static void tell_list(const DspOption *option, gconstpointer member,
                      GPtrArray *texts) {
  const GPtrArray *list = *(GPtrArray *const *)member;
  (void)option;
  for (guint i = 0; list && i < list->len; i++)
    g_ptr_array_add(texts, g_strdup(list->pdata[i]));
}

static void tell_enum(const DspOption *option, gconstpointer member,
                      GPtrArray *texts) {
  const int value = *(const int *)member;
  if (value >= 0)
    g_ptr_array_add(texts, g_strdup(option->values[value]));
}

static void tell_count(const DspOption *option, gconstpointer member,
                       GPtrArray *texts) {
  const int64_t count = *(const int64_t *)member;
  (void)option;
  if (count)
    g_ptr_array_add(texts, g_strdup_printf("%" G_GINT64_FORMAT, count));
}

const DspOptionType dsp_option_flag = {TRUE, parse_flag, NULL, tell_flag};
const DspOptionType dsp_option_string = {FALSE, parse_string, clear_string,
                                         tell_string};
const DspOptionType dsp_option_list = {FALSE, parse_list, clear_list,
                                       tell_list};
const DspOptionType dsp_option_enum = {FALSE, parse_enum, NULL, tell_enum};
const DspOptionType dsp_option_count = {FALSE, parse_count, NULL, tell_count};

/* --- finding them -------------------------------------------------------- */

/* An option and where the record of its group is. */
typedef struct {
  const DspOption *option;
  gsize offset;
} Found;

static gboolean is_named(const DspOption *option, const char *name,
                         gsize length) {
  return strncmp(option->name, name, length) == 0 && !option->name[length];
}

/* By long name (`length` bytes of it) or, if that is NULL, by letter. */
static Found find(const DspOptionGroup *groups, const char *name, gsize length,
                  char letter) {
  for (; groups && groups->title; groups++)
    for (const DspOption *o = groups->options; o->name; o++)
      if (name ? is_named(o, name, length) : o->letter == letter)
        return (Found){o, groups->offset};
  return (Found){NULL, 0};
}

static Found find_long(const DspOptionGroup *groups, const char *argument) {
  return find(groups, argument + 2, strcspn(argument + 2, "="), 0);
}

const DspOption *dsp_option_of_word(const DspOptionGroup *groups,
                                    const char *word) {
  if (word[0] != '-' || !word[1])
    return NULL;
  return word[1] == '-' ? find_long(groups, word).option
                        : find(groups, NULL, 0, word[strlen(word) - 1]).option;
}

/* --- before GOption ------------------------------------------------------ */

/* The arguments as GOption likes them. It wants values apart from letters, and
 * does not say well what is wrong, so that is noted on the way. */
typedef struct {
  const DspOptionGroup *groups;
  GStrvBuilder *words;
  const DspOption *wants; /* a value: the next argument */
  char *unknown;          /* the first option that there is not, as written */
} Normaliser;

static void note_unknown(Normaliser *n, char *word) {
  if (n->unknown)
    g_free(word);
  else
    n->unknown = word;
}

/* One word of short options: "-qj8" becomes "-qj" "8". */
static void add_short(Normaliser *n, const char *word) {
  for (gsize i = 1; word[i]; i++) {
    const DspOption *option = find(n->groups, NULL, 0, word[i]).option;
    if (!option)
      note_unknown(n, g_strdup_printf("-%c", word[i]));
    if (!option || option->type->flag)
      continue;
    g_autofree char *letters = g_strndup(word, i + 1);
    g_strv_builder_add(n->words, letters);
    if (word[i + 1])
      g_strv_builder_add(n->words, word + i + 1);
    else
      n->wants = option;
    return;
  }
  g_strv_builder_add(n->words, word);
}

static void add_long(Normaliser *n, const char *word) {
  const DspOption *option = find_long(n->groups, word).option;
  const gboolean attached = strchr(word, '=') != NULL;
  g_strv_builder_add(n->words, word);
  if (!option || (option->type->flag && attached))
    note_unknown(n, g_strdup(word));
  else if (!option->type->flag && !attached)
    n->wants = option;
}

/* `first` as for dsp_options_parse. */
static char **normalise(Normaliser *n, char *const *arguments, gboolean first) {
  gboolean ended = FALSE;
  n->words = g_strv_builder_new();
  g_strv_builder_add(n->words, "dspsim");
  for (; *arguments; arguments++) {
    const char *word = *arguments;
    if (ended || n->wants || word[0] != '-' || !word[1]) {
      ended |= first && !n->wants;
      n->wants = NULL;
      g_strv_builder_add(n->words, word);
    } else if (!strcmp(word, "--")) {
      ended = TRUE;
      g_strv_builder_add(n->words, word);
    } else if (word[1] == '-') {
      add_long(n, word);
    } else {
      add_short(n, word);
    }
  }
  char **words = g_strv_builder_end(n->words);
  g_clear_pointer(&n->words, g_strv_builder_unref);
  return words;
}

/* --- GOption ------------------------------------------------------------- */

typedef struct {
  const DspOptionGroup *groups;
  gpointer record;
  GPtrArray *operands;
} Parse;

static gboolean set_option(const char *name, const char *text, gpointer data,
                           GError **error) {
  const Parse *parse = data;
  const Found found = name[1] == '-' ? find_long(parse->groups, name)
                                     : find(parse->groups, NULL, 0, name[1]);
  gpointer member =
      G_STRUCT_MEMBER_P(parse->record, found.offset + found.option->offset);
  if (found.option->type->parse(found.option, text, member, error))
    return TRUE;
  g_prefix_error(error, "option '--%s': ", found.option->name);
  return FALSE;
}

static gboolean add_operand(const char *name, const char *text, gpointer data,
                            GError **error) {
  const Parse *parse = data;
  (void)name, (void)error;
  g_ptr_array_add(parse->operands, g_strdup(text));
  return TRUE;
}

/* Values are bytes as they come (FILENAME): the types judge them. */
static GOptionEntry entry_of(const DspOption *option) {
  return (GOptionEntry){.long_name = option->name,
                        .short_name = option->letter,
                        .flags = option->type->flag ? G_OPTION_FLAG_NO_ARG
                                                    : G_OPTION_FLAG_FILENAME,
                        .arg = G_OPTION_ARG_CALLBACK,
                        .arg_data = (gpointer)set_option};
}

static GOptionContext *context_new(Parse *parse, gboolean first) {
  GOptionContext *context = g_option_context_new(NULL);
  GOptionGroup *all = g_option_group_new("", "", "", parse, NULL);
  const GOptionEntry operands[] = {
      {G_OPTION_REMAINING, 0, G_OPTION_FLAG_FILENAME, G_OPTION_ARG_CALLBACK,
       (gpointer)add_operand, NULL, NULL},
      {NULL}};
  for (const DspOptionGroup *g = parse->groups; g && g->title; g++)
    for (const DspOption *o = g->options; o->name; o++) {
      const GOptionEntry entries[] = {entry_of(o), {NULL}};
      g_option_group_add_entries(all, entries);
    }
  g_option_group_add_entries(all, operands);
  g_option_context_set_main_group(context, all);
  g_option_context_set_help_enabled(context, FALSE);
  g_option_context_set_strict_posix(context, first);
  return context;
}

/* --- after GOption ------------------------------------------------------- */

static const char *nearest(const DspOptionGroup *groups, const char *name) {
  g_autoptr(GPtrArray) names = g_ptr_array_new_null_terminated(0, NULL, TRUE);
  for (; groups && groups->title; groups++)
    for (const DspOption *o = groups->options; o->name; o++)
      g_ptr_array_add(names, (gpointer)o->name);
  return names->len ? dsp_nearest_name(name, (const char *const *)names->pdata)
                    : NULL;
}

static gboolean fail_unknown(const DspOptionGroup *groups, const char *word,
                             GError **error) {
  if (word[1] != '-')
    return fail(error, "unknown option '%s'", word);
  g_autofree char *name = g_strndup(word + 2, strcspn(word + 2, "="));
  if (find_long(groups, word).option)
    return fail(error, "option '--%s' takes no value", name);
  const char *near = nearest(groups, name);
  return fail(error, "unknown option '--%s'%s%s%s", name,
              near ? ", did you mean '--" : "", near ? near : "",
              near ? "'?" : "");
}

char **dsp_options_parse(const DspOptionGroup *groups, char *const *arguments,
                         gboolean first, gpointer record, GError **error) {
  g_autoptr(GPtrArray) operands =
      g_ptr_array_new_null_terminated(0, g_free, TRUE);
  g_autoptr(GError) cause = NULL;
  Parse parse = {groups, record, operands};
  Normaliser normaliser = {.groups = groups};
  g_autoptr(GOptionContext) context = context_new(&parse, first);
  g_auto(GStrv) words = normalise(&normaliser, arguments, first);
  g_autofree char *unknown = normaliser.unknown;
  if (unknown)
    fail_unknown(groups, unknown, error);
  else if (g_option_context_parse_strv(context, &words, &cause))
    return (char **)g_ptr_array_free(g_steal_pointer(&operands), FALSE);
  else if (cause->domain == G_OPTION_ERROR && normaliser.wants)
    fail(error, "option '--%s' needs a value", normaliser.wants->name);
  else
    g_propagate_error(error, g_steal_pointer(&cause));
  return NULL;
}

void dsp_options_clear(const DspOptionGroup *groups, gpointer record) {
  for (; groups && groups->title; groups++)
    for (const DspOption *o = groups->options; o->name; o++)
      if (o->type->clear)
        o->type->clear(G_STRUCT_MEMBER_P(record, groups->offset + o->offset));
}
