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
  int64_t size;
} Record;

static const char *const formats[] = {"text", "csv", "json", NULL};

#define AT(member) G_STRUCT_OFFSET(Record, member)

static const DspOption options[] = {
    {"quiet", 'q', DSP_OPTION_FLAG, AT(quiet), NULL, "say less", NULL},
    {"all", 'a', DSP_OPTION_FLAG, AT(all), NULL, "show all", NULL},
    {"output", 'o', DSP_OPTION_STRING, AT(output), "FILE", "where", NULL},
    {"dim", 0, DSP_OPTION_LIST, AT(dims), "NAME=N", "a length", NULL},
    {"format", 0, DSP_OPTION_ENUM, AT(format), "FORMAT", "how", formats},
    {"gpus", 'n', DSP_OPTION_COUNT, AT(gpus), "N", "how many", NULL},
    {"size", 'b', DSP_OPTION_SIZE, AT(size), "BYTES", "how much", NULL},
    {NULL, 0, 0, 0, NULL, NULL, NULL},
};

/* What a command line (split at spaces) gives: every member and the operands
 * as text, or an error. */
static const struct {
  const char *line, *result, *error;
} rows[] = {
    {"", "q0 a0 o- d- f0 n8 b0:", NULL},
    {"x y", "q0 a0 o- d- f0 n8 b0: x y", NULL},
    {"-q x -a y", "q1 a1 o- d- f0 n8 b0: x y", NULL},
    {"-qa", "q1 a1 o- d- f0 n8 b0:", NULL},
    {"--quiet --all", "q1 a1 o- d- f0 n8 b0:", NULL},
    {"-o f", "q0 a0 of d- f0 n8 b0:", NULL},
    {"-of", "q0 a0 of d- f0 n8 b0:", NULL},
    {"-qof", "q1 a0 of d- f0 n8 b0:", NULL},
    {"--output f", "q0 a0 of d- f0 n8 b0:", NULL},
    {"--output=f", "q0 a0 of d- f0 n8 b0:", NULL},
    {"--output=f=g -o h", "q0 a0 oh d- f0 n8 b0:", NULL},
    {"-o -", "q0 a0 o- d- f0 n8 b0:", NULL},
    {"-o --", "q0 a0 o-- d- f0 n8 b0:", NULL},
    {"--dim T=4 x --dim S=8", "q0 a0 o- dT=4,S=8 f0 n8 b0: x", NULL},
    {"--format csv", "q0 a0 o- d- f1 n8 b0:", NULL},
    {"-n 2k", "q0 a0 o- d- f0 n2048 b0:", NULL},
    {"-n16 -b64M", "q0 a0 o- d- f0 n16 b67108864:", NULL},
    {"- -- -q --all", "q0 a0 o- d- f0 n8 b0: - -q --all", NULL},
    {"--quite", NULL, "unknown option '--quite', did you mean '--quiet'?"},
    {"--zebra", NULL, "unknown option '--zebra'"},
    {"--quie", NULL, "unknown option '--quie', did you mean '--quiet'?"},
    {"-qz", NULL, "unknown option '-z'"},
    {"--quiet=1", NULL, "option '--quiet' takes no value"},
    {"--output", NULL, "option '--output' needs a value"},
    {"-qo", NULL, "option '--output' needs a value"},
    {"--format yaml", NULL,
     "option '--format': 'yaml' is not one of text, csv, json"},
    {"-n 0", NULL, "option '--gpus': must be greater than zero"},
    {"-n -3", NULL, "option '--gpus': invalid count '-3': must not be"},
    {"-b 1Q", NULL, "option '--size': invalid size '1Q': unknown unit 'Q'"},
};

static char *describe(const Record *r, char *const *operands) {
  g_autoptr(GString) text = g_string_new(NULL);
  g_string_append_printf(text, "q%d a%d o%s d", r->quiet, r->all,
                         r->output ? r->output : "-");
  for (guint i = 0; r->dims && i < r->dims->len; i++)
    g_string_append_printf(text, "%s%s", i ? "," : "",
                           (char *)r->dims->pdata[i]);
  g_string_append_printf(text,
                         "%s f%d n%" G_GINT64_FORMAT " b%" G_GINT64_FORMAT ":",
                         r->dims ? "" : "-", r->format, r->gpus, r->size);
  for (; *operands; operands++)
    g_string_append_printf(text, " %s", *operands);
  return g_string_free(g_steal_pointer(&text), FALSE);
}

static void test_options(void) {
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autoptr(GError) error = NULL;
    Record record = {.gpus = 8};
    g_auto(GStrv) arguments = g_strsplit(rows[i].line, " ", -1);
    g_auto(GStrv) operands =
        dsp_options_parse(options, arguments, &record, &error);
    g_autofree char *got = operands ? describe(&record, operands) : NULL;
    DSP_CHECK_STRING(got, rows[i].result);
    if (rows[i].error)
      DSP_CHECK_ERROR(error, DSP_ERROR_USAGE, rows[i].error);
    else
      DSP_CHECK_NO_ERROR(error);
    dsp_options_clear(options, &record);
    DSP_CHECK(!record.output && !record.dims, "cleared");
  }
}

static void test_no_options(void) {
  char *const arguments[] = {"--quiet", NULL};
  g_autoptr(GError) error = NULL;
  DSP_CHECK(!dsp_options_parse(NULL, arguments, NULL, &error),
            "has no options");
  DSP_CHECK_ERROR(error, DSP_ERROR_USAGE, "unknown option '--quiet'");
  dsp_options_clear(NULL, NULL);
}

static CU_TestInfo option_tests[] = {{"command lines", test_options},
                                     {"none", test_no_options},
                                     CU_TEST_INFO_NULL};
static CU_SuiteInfo suites[] = {{.pName = "options", .pTests = option_tests},
                                CU_SUITE_INFO_NULL};
DSP_TEST_MAIN(suites)
