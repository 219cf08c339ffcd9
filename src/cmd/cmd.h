/* SPDX-License-Identifier: Apache-2.0 */
/* A subcommand is one file that defines one const DspCommand; src/main.c lists
 * them. A command parses nothing itself: its tables say which options there
 * are, what they may be and where in its record they go. */
#ifndef DSP_CMD_CMD_H
#define DSP_CMD_CMD_H

#include <glib.h>
#include <stdint.h>

typedef struct DspOption DspOption;

/* What an option's value may be, and how it goes into the record. */
typedef struct {
  gboolean flag; /* takes no value; parse is given NULL */
  /* Sets *member from `text` or fails with DSP_ERROR_USAGE and a message that
   * says what would be right. */
  gboolean (*parse)(const DspOption *option, const char *text, gpointer member,
                    GError **error);
  void (*clear)(gpointer member); /* frees what parse allocated, or NULL */
  /* Appends (char *) what could be typed to set *member as it is: nothing if it
   * was not given. NULL: not known. */
  void (*tell)(const DspOption *option, gconstpointer member, GPtrArray *texts);
} DspOptionType;

extern const DspOptionType dsp_option_flag;   /* gboolean */
extern const DspOptionType dsp_option_string; /* char *, not empty */
extern const DspOptionType dsp_option_list;   /* GPtrArray * of char *: each
                                                 time it is given */
extern const DspOptionType dsp_option_enum;   /* int: index into .values */
extern const DspOptionType dsp_option_count;  /* int64_t: "128", "8k", > 0 */

struct DspOption {
  const char *name; /* without the dashes */
  char letter;      /* of the short form, or 0 */
  const DspOptionType *type;
  gsize offset;              /* of the member in the group's record */
  const char *argument;      /* what help calls its value: "BYTES" */
  const char *doc;           /* one line */
  const char *standard;      /* what help says is the default, or NULL */
  const char *const *values; /* enum: NULL-terminated names, letter case free */
};

/* Options that belong together, and where their record is in the command's. */
typedef struct {
  const char *title;        /* NULL ends a list of groups */
  const DspOption *options; /* ended by a NULL name */
  gsize offset;
} DspOptionGroup;

typedef struct DspCommand DspCommand;

/* One run of a command. */
typedef struct {
  const DspCommand *const *commands; /* all, NULL-terminated */
  gconstpointer options;             /* the command's record */
  char *const *operands;             /* what is left, NULL-terminated */
  GString *out; /* for the standard output: written if the command is done, or
                   failed with DSP_ERROR_INFEASIBLE (the answer is no) or with
                   DSP_ERROR_EXTERNAL (what stands for the answer) */
} DspInvocation;

struct DspCommand {
  const char *name;
  const char *summary;          /* one line */
  const char *operands;         /* for the usage line: "[MODEL [CLUSTER]]" */
  guint max_operands;           /* more of them are an error */
  const DspOptionGroup *groups; /* NULL for no options */
  gsize record_size;            /* of the record that the options fill */
  gconstpointer defaults;       /* its initial value, or NULL for all zero */
  gboolean (*run)(const DspInvocation *invocation, GError **error);
};

/* Runs what `argv` asks for. Returns the exit status that dspsim(1) lists. */
int dsp_command_main(const DspCommand *const *commands, int argc, char **argv);

/* The command of that name, or NULL with DSP_ERROR_USAGE and the nearest. */
const DspCommand *dsp_command_find(const DspCommand *const *commands,
                                   const char *name, GError **error);

/* Fills `record` by `groups` (NULL: no options) from `arguments` (without the
 * command's name) and returns the operands (g_strfreev), or NULL with
 * DSP_ERROR_USAGE. Accepts "--name value", "--name=value", "-x value",
 * "-xvalue", flags in one word ("-qv"), and "--", after which all are operands.
 * A lone "-" is an operand. A later option overrides an earlier one. `first`:
 * the first operand ends the options, and all from there on are operands.
 * Members that are pointers must be NULL before. */
char **dsp_options_parse(const DspOptionGroup *groups, char *const *arguments,
                         gboolean first, gpointer record, GError **error);
/* Frees what dsp_options_parse allocated in `record`. */
void dsp_options_clear(const DspOptionGroup *groups, gpointer record);
/* The option that `word` names, "--name", "--name=value" or "-x" ("-yx"), or
 * NULL. */
const DspOption *dsp_option_of_word(const DspOptionGroup *groups,
                                    const char *word);
/* Fails with DSP_ERROR_USAGE "option '--name': message"; returns FALSE. */
gboolean dsp_option_fail(GError **error, const char *name, const char *format,
                         ...) G_GNUC_PRINTF(3, 4);

/* The groups of options of every command, and all those of one, ended by a
 * NULL title; g_array_unref. */
extern const DspOptionGroup dsp_common_groups[];
GArray *dsp_command_groups(const DspCommand *command);

/* Appends how to use `command` and what its options are. */
void dsp_command_help_text(const DspCommand *command, GString *out);

extern const DspCommand dsp_command_calibrate, dsp_command_compare,
    dsp_command_complete, dsp_command_cost, dsp_command_help, dsp_command_list,
    dsp_command_merge, dsp_command_plot, dsp_command_predict,
    dsp_command_report, dsp_command_score, dsp_command_show, dsp_command_sweep,
    dsp_command_topo, dsp_command_trace, dsp_command_validate;

#endif
