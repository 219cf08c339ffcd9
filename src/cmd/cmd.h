/* SPDX-License-Identifier: Apache-2.0 */
/* A subcommand is one file that defines one const DspCommand; src/main.c lists
 * them. A command parses nothing itself: its table says which options there
 * are, what they may be and where in its record they go. */
#ifndef DSP_CMD_CMD_H
#define DSP_CMD_CMD_H

#include <glib.h>
#include <stdio.h>

typedef struct DspCommand DspCommand;

typedef enum {
  DSP_OPTION_FLAG,   /* gboolean: given or not, takes no value */
  DSP_OPTION_STRING, /* char *: g_strdup'ed, any text */
  DSP_OPTION_LIST,   /* GPtrArray * of char *: each time it is given */
  DSP_OPTION_ENUM,   /* int: index into .values */
  DSP_OPTION_COUNT,  /* int64_t: "128", "8k", greater than zero */
  DSP_OPTION_SIZE,   /* int64_t bytes: "64M", "80GiB" */
} DspOptionType;

typedef struct {
  const char *name; /* without the dashes */
  char letter;      /* of the short form, or 0 */
  DspOptionType type;
  gsize offset;              /* of the member in the command's record */
  const char *argument;      /* what help calls its value: "BYTES" */
  const char *doc;           /* one line */
  const char *const *values; /* ENUM: NULL-terminated names */
} DspOption;

/* One run of a command. */
typedef struct {
  const DspCommand *const *commands; /* all, NULL-terminated */
  gconstpointer options;             /* the command's record */
  char *const *operands;             /* what is left, NULL-terminated */
  FILE *out;                         /* for results and nothing else */
} DspCall;

struct DspCommand {
  const char *name;
  const char *summary;      /* one line */
  const char *operands;     /* for the usage line, may be "": "MODEL CLUSTER" */
  const DspOption *options; /* ended by a NULL name, or NULL for none */
  gsize record_size;        /* of the record that the options fill */
  gconstpointer defaults;   /* its initial value, or NULL for all zero */
  gboolean (*run)(const DspCall *call, GError **error);
};

/* Runs what `argv` asks for. Returns the exit status that dspsim(1) lists. */
int dsp_command_main(const DspCommand *const *commands, int argc, char **argv);

/* The command of that name, or NULL with DSP_ERROR_USAGE and the nearest. */
const DspCommand *dsp_command_find(const DspCommand *const *commands,
                                   const char *name, GError **error);

/* Fills `record` by `options` from the arguments after the command's name and
 * returns the operands (g_strfreev), or NULL with DSP_ERROR_USAGE. Accepts
 * "--name value", "--name=value", "-x value", "-xvalue", flags in one word
 * ("-qv"), and "--", after which all are operands. A lone "-" is an operand.
 * A later option overrides an earlier one. STRING and LIST members of the
 * defaults must be NULL. */
char **dsp_options_parse(const DspOption *options, char *const *arguments,
                         gpointer record, GError **error);
/* Frees what dsp_options_parse allocated in `record`. */
void dsp_options_clear(const DspOption *options, gpointer record);

/* Prints how to use `command` and what its options are. */
void dsp_command_print_help(const DspCommand *command, FILE *out);

extern const DspCommand dsp_command_help;

#endif
