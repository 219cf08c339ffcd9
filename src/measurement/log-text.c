/* SPDX-License-Identifier: Apache-2.0 */
/* nccl-tests as it speaks to a terminal. A line of results is
 *
 *   size count type [redop] [root] time algbw busbw #wrong [the same in place]
 *
 * with four more columns behind each #wrong where iterations are reported one
 * by one; versions before 2.11 leave out redop and root where there is none.
 * Lines that tell nothing here (of MPI, NCCL, the shell) are passed over, and
 * so are marks that launchers put before each line. */
#include "cluster/cluster.h"
#include "measurement/log.h"
#include <math.h>
#include <string.h>

#define MAX_TOKENS 32

typedef struct {
  char *text;
  guint column;
} Token;

typedef struct {
  guint number; /* from 1 */
  guint n;
  Token tokens[MAX_TOKENS]; /* the first ones */
} Line;

static DspLogMark mark_of(const Line *line, guint token) {
  return (DspLogMark){line->number, line->tokens[token].column};
}

static gboolean is_digits(const char *text) {
  return *text && strspn(text, "0123456789") == strlen(text);
}

static gboolean read_number(const char *text, double *number) {
  char *end;
  *number = g_ascii_strtod(text, &end);
  return end != text && !*end && isfinite(*number) &&
         strspn(text, "+-.0123456789e") == strlen(text);
}

/* --- lines --------------------------------------------------------------- */

/* Bytes of what a launcher puts before a line: "[1,0]<stdout>:" of mpirun, "0:"
 * of srun -l. */
static gsize launcher_mark(const char *text) {
  const char *colon;
  const gsize blank = strspn(text, " \t"),
              digits = strspn(text + blank, "0123456789");
  if (text[blank] == '[' && (colon = strstr(text, ">:")) &&
      strcspn(text, "<") < (gsize)(colon - text))
    return (gsize)(colon + 2 - text);
  if (digits && text[blank + digits] == ':' &&
      strchr(" \t", text[blank + digits + 1]))
    return blank + digits + 1;
  return 0;
}

/* Cuts `text`, a line, into words. */
static void split_line(Line *line, char *text) {
  char *at = text + launcher_mark(text);
  line->n = 0;
  while (*(at += strspn(at, " \t\r")) && line->n < MAX_TOKENS) {
    line->tokens[line->n++] = (Token){at, (guint)(at - text) + 1};
    at += strcspn(at, " \t\r");
    if (*at)
      *at++ = '\0';
  }
}

/* --- results ------------------------------------------------------------- */

static const char *const types[] = {
    "int8",        "uint8",       "char", "int",     "int32",    "uint32",
    "int64",       "uint64",      "half", "float",   "double",   "bfloat16",
    "f8e4m3",      "f8e5m2",      "fp16", "float16", "fp8_e4m3", "fp8_e5m2",
    "float8_e4m3", "float8_e5m2", "bf16", NULL};

static gboolean is_row(const Line *line) {
  return line->n >= 3 && is_digits(line->tokens[0].text) &&
         (is_digits(line->tokens[1].text) ||
          g_strv_contains(types, line->tokens[2].text));
}

/* Columns of numbers that the line ends with, without a date. */
static guint count_numbers(const Line *line, guint first) {
  guint n = line->n;
  if (n >= first + 2 && strchr(line->tokens[n - 1].text, ':'))
    n -= 2;
  return n - first;
}

/* The word of the time: behind the type, and where they are, redop and root. */
static gboolean find_time(const DspLog *log, const Line *line, guint *time,
                          GError **error) {
  enum { TIME_TO_WRONG = 4 };
  double number;
  guint at = 3;
  if (at < line->n && !read_number(line->tokens[at].text, &number) &&
      strcmp(line->tokens[at].text, "N/A") != 0)
    at++;
  guint n = count_numbers(line, at);
  if (n % 2 == 1) {
    at++;
    n--;
  }
  *time = at;
  if (n >= TIME_TO_WRONG && n % TIME_TO_WRONG == 0)
    return TRUE;
  return dsp_log_fail(log, mark_of(line, line->n - 1), error,
                      "this line of results is cut off or has other things in "
                      "it: behind its type must be redop, root, time, algbw, "
                      "busbw and #wrong, once or twice");
}

static gboolean read_cell(const DspLog *log, const Line *line, guint token,
                          const char *what, double *value, GError **error) {
  return (read_number(line->tokens[token].text, value) && *value >= 0) ||
         dsp_log_fail(log, mark_of(line, token), error,
                      "%s must be a number, not '%s'", what,
                      line->tokens[token].text);
}

/* algbw is size over time, to the digits that are printed. */
static gboolean check_algbw(const DspLog *log, const Line *line, guint token,
                            double bytes, const double *cells, GError **error) {
  const double expected = cells[0] > 0 ? bytes / (1e3 * cells[0]) : cells[1];
  const double digits = 0.006, share = 0.06;
  if (fabs(expected - cells[1]) <=
      digits + expected * (share + digits / MAX(cells[0], digits)))
    return TRUE;
  return dsp_log_fail(log, mark_of(line, token), error,
                      "algbw is %.15g GB/s, but %.15g bytes in %.15g us are "
                      "%.3g GB/s",
                      cells[1], bytes, cells[0], expected);
}

static gboolean read_row(DspLog *log, const Line *line, GError **error) {
  static const char *const names[] = {"time", "algbw", "busbw"};
  double cells[G_N_ELEMENTS(names)], wrong = 0;
  gint64 bytes;
  guint time;
  char *end;
  bytes = g_ascii_strtoll(line->tokens[0].text, &end, 10);
  if (bytes > (gint64)1 << 50)
    return dsp_log_fail(log, mark_of(line, 0), error,
                        "size must be at most 2^50 bytes");
  if (!is_digits(line->tokens[1].text) ||
      !g_strv_contains(types, line->tokens[2].text))
    return dsp_log_fail(log, mark_of(line, 1), error,
                        "size, count and type must be two counts and such as "
                        "'float'");
  if (!find_time(log, line, &time, error))
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS(names); i++)
    if (!read_cell(log, line, time + i, names[i], &cells[i], error))
      return FALSE;
  if (!check_algbw(log, line, time + 1, (double)bytes, cells, error))
    return FALSE;
  /* "N/A" without a check; versions before 2.11 have the largest error. */
  if (!read_number(line->tokens[time + 3].text, &wrong) || wrong < 1)
    wrong = 0;
  return dsp_log_row(log, (DspLogMark){line->number, 1}, bytes, cells[0], wrong,
                     error);
}

/* --- what else is told --------------------------------------------------- */

/* The word behind `name`, or NULL. */
static const char *word_after(const Line *line, const char *name) {
  for (guint i = 0; i + 1 < line->n; i++)
    if (strcmp(line->tokens[i].text, name) == 0)
      return line->tokens[i + 1].text;
  return NULL;
}

static gboolean is_comment(const Line *line) {
  return line->tokens[0].text[0] == '#';
}

/* "#  Rank  0 Group  0 Pid 5092 on GENOA-06 device  0 [0x21] NVIDIA ..." */
static void read_device(DspLog *log, const Line *line) {
  const char *host = word_after(line, "on");
  if (is_comment(line) && word_after(line, "Rank") && host &&
      word_after(line, "device"))
    dsp_log_device(log, (DspLogMark){line->number, 1}, host);
}

/* "# nThread 1 nGpus 8 minBytes ..." */
static void read_settings(DspLog *log, const Line *line) {
  const char *threads = word_after(line, "nThread");
  const char *gpus = word_after(line, "nGpus");
  if (is_comment(line) && threads && gpus && is_digits(threads) &&
      is_digits(gpus))
    log->gpus_per_process = MAX(g_ascii_strtoll(threads, NULL, 10),
                                g_ascii_strtoll(gpus, NULL, 10));
}

/* "NCCL version 2.20.5+cuda12.4", "... nccl-library=23007" */
static void read_version(DspLog *log, const Line *line) {
  static const char library[] = "nccl-library=";
  const char *version =
      word_after(line, "NCCL") ? word_after(line, "version") : NULL;
  for (guint i = 0; i < line->n; i++)
    if (g_str_has_prefix(line->tokens[i].text, library) &&
        is_digits(line->tokens[i].text + strlen(library)))
      log->version =
          g_ascii_strtoll(line->tokens[i].text + strlen(library), NULL, 10);
  if (version) {
    g_autofree char *number = g_strndup(version, strcspn(version, "+"));
    dsp_parse_nccl_version(number, &log->version);
  }
}

static gboolean read_programs(DspLog *log, const Line *line, GError **error) {
  for (guint i = 0; i < line->n; i++)
    if (strstr(line->tokens[i].text, "_perf") &&
        !dsp_log_start(log, mark_of(line, i), line->tokens[i].text, error))
      return FALSE;
  return TRUE;
}

/* With -C 1 the time is the CPU's, of the call alone. */
static gboolean check_heading(const DspLog *log, const Line *line,
                              GError **error) {
  for (guint i = 0; is_comment(line) && i < line->n; i++)
    if (strcmp(line->tokens[i].text, "cputime") == 0)
      return dsp_log_fail(log, mark_of(line, i), error,
                          "these are times of the CPU (-C 1), and not of the "
                          "collective");
  return TRUE;
}

static gboolean read_line(DspLog *log, const Line *line, GError **error) {
  if (!line->n)
    return TRUE;
  if (is_row(line))
    return read_row(log, line, error);
  read_device(log, line);
  read_settings(log, line);
  read_version(log, line);
  return read_programs(log, line, error) && check_heading(log, line, error);
}

gboolean dsp_log_read_text(DspLog *log, const char *text, GError **error) {
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  for (guint i = 0; lines[i]; i++) {
    Line line = {.number = i + 1};
    split_line(&line, lines[i]);
    if (!read_line(log, &line, error))
      return FALSE;
  }
  return TRUE;
}
