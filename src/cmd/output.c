/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/output.h"
#include "base/error.h"
#include "report/text.h"
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

typedef enum { AUTO, ALWAYS, NEVER } When;
static const char *const when_names[] = {"auto", "always", "never", NULL};

#define AT(member) G_STRUCT_OFFSET(DspOutputOptions, member)

/* No letter for --format: -f is a factor of sizes where nccl-tests has it. */
const DspOption dsp_output_options[] = {
    {"output", 'o', &dsp_option_string, AT(file), "FILE",
     "write there, in the format of its suffix", NULL, NULL},
    {"format", 0, &dsp_option_enum, AT(format), "FORMAT", "of the answer",
     "text", dsp_format_names},
    {"color", 0, &dsp_option_enum, AT(colour), "WHEN", "colours in text",
     "auto", when_names},
    {"provenance", 0, &dsp_option_flag, AT(provenance), NULL,
     "say which dspsim it was, and when", NULL, NULL},
    {"quiet", 'q', &dsp_option_flag, AT(quiet), NULL, "no notes", NULL, NULL},
    {"verbose", 'v', &dsp_option_flag, AT(verbose), NULL, "more notes", NULL,
     NULL},
    {NULL}};

const DspOption dsp_output_picture_options[] = {
    {"output", 'o', &dsp_option_string, AT(file), "FILE",
     "draw there: .svg, .png or .pdf", "in characters, on a terminal", NULL},
    {"color", 0, &dsp_option_enum, AT(colour), "WHEN", "colours of characters",
     "auto", when_names},
    {NULL}};

/* --- provenance ---------------------------------------------------------- */

/* SOURCE_DATE_EPOCH stands for the clock, so that builds can be repeated. */
static char *now(void) {
  const char *epoch = g_getenv("SOURCE_DATE_EPOCH");
  guint64 seconds;
  g_autoptr(GDateTime) time =
      epoch && g_ascii_string_to_unsigned(epoch, 10, 0, G_MAXINT32, &seconds,
                                          NULL)
          ? g_date_time_new_from_unix_utc((gint64)seconds)
          : g_date_time_new_now_utc();
  return g_date_time_format(time, "%Y-%m-%dT%H:%M:%SZ");
}

static DspValue get_provenance(gconstpointer row, guint index) {
  return dsp_string(((const char *const *)row)[index]);
}

static const char *const provenance_keys[] = {"tool", "version", "time"};

/* --- where --------------------------------------------------------------- */

gboolean dsp_output_is_file(const DspOutputOptions *options) {
  return options->file && strcmp(options->file, "-") != 0;
}

/* no-color.org and what terminals say of themselves. */
static gboolean is_colourful(const DspOutputOptions *options) {
  const char *no_colour = g_getenv("NO_COLOR"), *term = g_getenv("TERM");
  if (options->colour != AUTO)
    return options->colour == ALWAYS;
  return !dsp_output_is_file(options) && isatty(STDOUT_FILENO) &&
         !(no_colour && *no_colour) && g_strcmp0(term, "dumb") != 0;
}

DspStyle dsp_output_style(const DspOutputOptions *options) {
  return (DspStyle){g_get_charset(NULL), is_colourful(options)};
}

gboolean dsp_output_is_terminal(void) {
  return isatty(STDOUT_FILENO);
}

guint dsp_output_columns(void) {
  enum { LEAST = 60, MOST = 400 };
  struct winsize size;
  guint64 columns = DSP_TEXT_WIDTH;
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
    columns = size.ws_col;
  else if (g_getenv("COLUMNS"))
    g_ascii_string_to_unsigned(g_getenv("COLUMNS"), 10, 1, MOST, &columns,
                               NULL);
  return (guint)CLAMP(columns, LEAST, MOST);
}

const DspFormat *dsp_output_format(const DspOutputOptions *options) {
  return options->format < 0 ? dsp_format_of_file(options->file)
                             : dsp_formats[options->format];
}

/* Replaces a plain file as a whole, and writes into anything else (a device,
 * what a link points to) as it is. */
static gboolean write_file(const char *file, const GString *text,
                           GError **error) {
  GStatBuf status;
  const gboolean plain = g_lstat(file, &status) != 0 || S_ISREG(status.st_mode);
  g_autoptr(GError) cause = NULL;
  if (g_file_set_contents_full(file, text->str, (gssize)text->len,
                               plain ? G_FILE_SET_CONTENTS_CONSISTENT
                                     : G_FILE_SET_CONTENTS_NONE,
                               0666, &cause))
    return TRUE;
  g_set_error(error, DSP_ERROR, DSP_ERROR_EXTERNAL, "cannot write '%s': %s",
              file, cause->message);
  return FALSE;
}

gboolean dsp_output_text(const DspOutputOptions *options, const GString *text,
                         GString *out, GError **error) {
  if (dsp_output_is_file(options))
    return write_file(options->file, text, error);
  g_string_append_len(out, text->str, (gssize)text->len);
  return TRUE;
}

char *dsp_output_provenance(void) {
  g_autofree char *time = now();
  return g_strdup_printf("dspsim " PACKAGE_VERSION ", %s", time);
}

gboolean dsp_output_write(const DspOutputOptions *options, DspReport *report,
                          GString *out, GError **error) {
  const DspStyle style = dsp_output_style(options);
  g_autofree char *time = now();
  const char *const row[] = {"dspsim", PACKAGE_VERSION, time};
  g_autoptr(DspTable) provenance = dsp_table_new(NULL);
  g_autoptr(GString) text = g_string_new(NULL);
  dsp_table_add_group(provenance, NULL, provenance_keys,
                      G_N_ELEMENTS(provenance_keys), get_provenance);
  dsp_table_add_row(provenance, row);
  report->provenance = options->provenance ? provenance : NULL;
  dsp_output_format(options)->write(report, &style, text);
  report->provenance = NULL;
  return dsp_output_text(options, text, out, error);
}

/* --- besides ------------------------------------------------------------- */

void dsp_output_note(const DspOutputOptions *options, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *text = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  if (!options->quiet)
    fprintf(stderr, "dspsim: %s\n", text);
}

void dsp_output_detail(const DspOutputOptions *options, const char *format,
                       ...) {
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *text = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  if (options->verbose)
    fprintf(stderr, "dspsim: %s\n", text);
}
