/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"
#include "test.h"

typedef struct {
  gboolean quiet;
  gboolean all;
  char *output;
  GPtrArray *dims;
  int format;
  int64_t gpus;
  struct {
    gboolean verbose;
    int64_t batch;
  } more;
} Record;

static const char *const formats[] = {"text", "csv", "json", NULL};

#define AT(member)      G_STRUCT_OFFSET(Record, member)
#define AT_MORE(member) (AT(more.member) - AT(more))

static const DspOption options[] = {
    {"quiet", 'q', &dsp_option_flag, AT(quiet), NULL, "say less", NULL, NULL},
    {"all", 'a', &dsp_option_flag, AT(all), NULL, "show all", NULL, NULL},
    {"output", 'o', &dsp_option_string, AT(output), "FILE", "where", NULL,
     NULL},
    {"dim", 0, &dsp_option_list, AT(dims), "NAME=N", "a length", NULL, NULL},
    {"format", 0, &dsp_option_enum, AT(format), "FORMAT", "how", "text",
     formats},
    {"gpus", 'n', &dsp_option_count, AT(gpus), "N", "how many", NULL, NULL},
    {NULL}};

/* A group whose record lies within the command's. */
static const DspOption more_options[] = {
    {"verbose", 'v', &dsp_option_flag, AT_MORE(verbose), NULL, "more", NULL,
     NULL},
    {"batch", 'b', &dsp_option_count, AT_MORE(batch), "N", "samples", NULL,
     NULL},
    {NULL}};

static const DspOptionGroup groups[] = {
    {"Options", options, 0}, {"More", more_options, AT(more)}, {NULL}};

/* What a command line (split at spaces) gives: every member and the operands
 * as text, or an error. */
typedef struct {
  const char *line, *result, *error;
} Row;

static const Row rows[] = {
    {"", "q0 a0 o- d- f0 n8 v0 b1:", NULL},
    {"x y", "q0 a0 o- d- f0 n8 v0 b1: x y", NULL},
    {"-q x -a y", "q1 a1 o- d- f0 n8 v0 b1: x y", NULL},
    {"-qa", "q1 a1 o- d- f0 n8 v0 b1:", NULL},
    {"-qva", "q1 a1 o- d- f0 n8 v1 b1:", NULL},
    {"--quiet --all", "q1 a1 o- d- f0 n8 v0 b1:", NULL},
    {"-o f", "q0 a0 of d- f0 n8 v0 b1:", NULL},
    {"-of", "q0 a0 of d- f0 n8 v0 b1:", NULL},
    {"-qof", "q1 a0 of d- f0 n8 v0 b1:", NULL},
    {"-qo f", "q1 a0 of d- f0 n8 v0 b1:", NULL},
    {"-o=f", "q0 a0 o=f d- f0 n8 v0 b1:", NULL},
    {"--output f", "q0 a0 of d- f0 n8 v0 b1:", NULL},
    {"--output=f", "q0 a0 of d- f0 n8 v0 b1:", NULL},
    {"--output=f=g -o h", "q0 a0 oh d- f0 n8 v0 b1:", NULL},
    {"-o -", "q0 a0 o- d- f0 n8 v0 b1:", NULL},
    {"-o -- x", "q0 a0 o-- d- f0 n8 v0 b1: x", NULL},
    {"-o -b9 -b2", "q0 a0 o-b9 d- f0 n8 v0 b2:", NULL},
    {"--output --zebra", "q0 a0 o--zebra d- f0 n8 v0 b1:", NULL},
    {"--dim T=4 x --dim S=8", "q0 a0 o- dT=4,S=8 f0 n8 v0 b1: x", NULL},
    {"--format csv", "q0 a0 o- d- f1 n8 v0 b1:", NULL},
    {"-n 2k", "q0 a0 o- d- f0 n2048 v0 b1:", NULL},
    {"-n16 -b64", "q0 a0 o- d- f0 n16 v0 b64:", NULL},
    {"-qvn16", "q1 a0 o- d- f0 n16 v1 b1:", NULL},
    {"- -- -q --all", "q0 a0 o- d- f0 n8 v0 b1: - -q --all", NULL},
    {"-- x -q", "q0 a0 o- d- f0 n8 v0 b1: x -q", NULL},
    {"x -- --", "q0 a0 o- d- f0 n8 v0 b1: x --", NULL},
    {"--quite", NULL, "unknown option '--quite', did you mean '--quiet'?"},
    {"--zebra", NULL, "unknown option '--zebra'"},
    {"--zebra=--quiet", NULL, "unknown option '--zebra'"},
    {"--quie", NULL, "unknown option '--quie', did you mean '--quiet'?"},
    {"--verbos", NULL, "unknown option '--verbos', did you mean '--verbose'?"},
    {"-qz", NULL, "unknown option '-z'"},
    {"-z5", NULL, "unknown option '-z'"},
    {"-o --zebra --zoo", NULL, "unknown option '--zoo'"},
    {"--quiet=1", NULL, "option '--quiet' takes no value"},
    {"--output", NULL, "option '--output' needs a value"},
    {"--output=", NULL, "option '--output': must not be empty"},
    {"-qo", NULL, "option '--output' needs a value"},
    {"--format yaml", NULL,
     "option '--format': 'yaml' is not one of text, csv, json"},
    {"-n 0", NULL, "option '--gpus': must be greater than zero"},
    {"-n -3", NULL, "option '--gpus': invalid count '-3': must not be"},
    {"-b1Q", NULL, "option '--batch': invalid count '1Q'"},
};

/* The same where the first operand ends the options. */
static const Row rows_of_first[] = {
    {"-q x -a y", "q1 a0 o- d- f0 n8 v0 b1: x -a y", NULL},
    {"-o x y -n", "q0 a0 ox d- f0 n8 v0 b1: y -n", NULL},
    {"-o x -qb2 y -q -b3", "q1 a0 ox d- f0 n8 v0 b2: y -q -b3", NULL},
    {"--zebra x", NULL, "unknown option '--zebra'"},
};

static char *describe(const Record *r, char *const *operands) {
  g_autoptr(GString) text = g_string_new(NULL);
  g_string_append_printf(text, "q%d a%d o%s d", r->quiet, r->all,
                         r->output ? r->output : "-");
  for (guint i = 0; r->dims && i < r->dims->len; i++)
    g_string_append_printf(text, "%s%s", i ? "," : "",
                           (char *)r->dims->pdata[i]);
  g_string_append_printf(
      text, "%s f%d n%" G_GINT64_FORMAT " v%d b%" G_GINT64_FORMAT ":",
      r->dims ? "" : "-", r->format, r->gpus, r->more.verbose, r->more.batch);
  for (; *operands; operands++)
    g_string_append_printf(text, " %s", *operands);
  return g_string_free(g_steal_pointer(&text), FALSE);
}

static void check_row(const Row *row, gboolean first) {
  g_autoptr(GError) error = NULL;
  Record record = {.gpus = 8, .more = {.batch = 1}};
  g_auto(GStrv) arguments = g_strsplit(row->line, " ", -1);
  g_auto(GStrv) operands =
      dsp_options_parse(groups, arguments, first, &record, &error);
  g_autofree char *got = operands ? describe(&record, operands) : NULL;
  DSP_CHECK_STRING(got, row->result);
  if (row->error)
    DSP_CHECK_ERROR(error, DSP_ERROR_USAGE, row->error);
  else
    DSP_CHECK_NO_ERROR(error);
  dsp_options_clear(groups, &record);
  DSP_CHECK(!record.output && !record.dims, "cleared");
}

static void test_options(void) {
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
    check_row(&rows[i], FALSE);
}

static void test_first(void) {
  for (guint i = 0; i < G_N_ELEMENTS(rows_of_first); i++)
    check_row(&rows_of_first[i], TRUE);
}

static void test_no_options(void) {
  char *const arguments[] = {"--quiet", NULL};
  g_autoptr(GError) error = NULL;
  DSP_CHECK(!dsp_options_parse(NULL, arguments, FALSE, NULL, &error),
            "has no options");
  DSP_CHECK_ERROR(error, DSP_ERROR_USAGE, "unknown option '--quiet'");
  dsp_options_clear(NULL, NULL);
}

static CU_TestInfo option_tests[] = {{"command lines", test_options},
                                     {"up to the first operand", test_first},
                                     {"none", test_no_options},
                                     CU_TEST_INFO_NULL};
static CU_SuiteInfo suites[] = {{.pName = "options", .pTests = option_tests},
                                CU_SUITE_INFO_NULL};
DSP_TEST_MAIN(suites)
