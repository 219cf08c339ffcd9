/* SPDX-License-Identifier: Apache-2.0 */
/* Logs of nccl-tests: what is read from them, and what is refused where. */
#include "base/error.h"
#include "measurement/nccl-log.h"
#include "schedule/collective.h"
#include "test_calibrate.h"
#include <string.h>

static const DspNcclLogOptions alone = {"dgx-h100", 1, 8, DSP_ALL_REDUCE};
static const DspNcclLogOptions told = {"dgx-h100", 0, 0, -1};

static DspMeasurements *
parse(const char *text, const DspNcclLogOptions *options, GError **error) {
  return dsp_nccl_log_parse("run.txt", text, strlen(text), options, error);
}

static DspMeasurements *load(const char *name, GError **error) {
  g_autofree char *path = dsp_test_path(name);
  return dsp_nccl_log_load(path, &told, error);
}

static void test_text_of_two_nodes(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(DspMeasurements) m =
      load("tests/data/calibrate/two-nodes.txt", &error);
  CU_ASSERT_PTR_NOT_NULL_FATAL(m);
  CU_ASSERT_EQUAL_FATAL(m->points->len, 31);
  const DspPoint *p = dsp_point(m, 30);
  CU_ASSERT_EQUAL(p->kind, DSP_MEASURED_COLLECTIVE);
  CU_ASSERT_STRING_EQUAL(p->collective.cluster, "dgx-h100");
  CU_ASSERT_STRING_EQUAL(p->group, "two-nodes.txt all_reduce");
  CU_ASSERT_EQUAL(p->collective.collective, DSP_ALL_REDUCE);
  CU_ASSERT_EQUAL(p->collective.nodes, 2);
  CU_ASSERT_EQUAL(p->collective.gpus_per_node, 4);
  CU_ASSERT_EQUAL(p->collective.version, 22809);
  CU_ASSERT_EQUAL(p->collective.bytes, 8589934592);
  CU_ASSERT_EQUAL(p->measured, 70955.7);
  CU_ASSERT_EQUAL(strlen(m->sha256), 64);
}

static void test_json_of_one_node(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(DspMeasurements) m =
      load("tests/data/calibrate/one-node.json", &error);
  CU_ASSERT_PTR_NOT_NULL_FATAL(m);
  CU_ASSERT_EQUAL_FATAL(m->points->len, 2);
  const DspPoint *p = dsp_point(m, 1);
  CU_ASSERT_EQUAL(p->collective.collective, DSP_ALL_TO_ALL);
  CU_ASSERT_EQUAL(p->collective.nodes, 1);
  CU_ASSERT_EQUAL(p->collective.gpus_per_node, 4);
  CU_ASSERT_EQUAL(p->collective.version, 22703);
  CU_ASSERT_EQUAL(p->collective.bytes, 268435456);
  CU_ASSERT_EQUAL(p->measured, 662.25);
}

/* A file of measurements passes as it is. */
static void test_measurements(void) {
  static const char text[] =
      "{\"schema\": \"dspsim.measurements/1\", \"title\": \"t\", \"source\": "
      "\"s\", \"licence\": \"l\", \"points\": [{\"id\": \"a\", \"kind\": "
      "\"collective\", \"cluster\": \"dgx-2\", \"nodes\": 1, "
      "\"gpus_per_node\": 2, \"collective\": \"reduce\", \"bytes\": 8, "
      "\"time_us\": 9}]}";
  g_autoptr(GError) error = NULL;
  g_autoptr(DspMeasurements) m = parse(text, &told, &error);
  CU_ASSERT_PTR_NOT_NULL_FATAL(m);
  CU_ASSERT_STRING_EQUAL(dsp_point(m, 0)->collective.cluster, "dgx-2");
}

/* Rows of different versions and launchers, each with the same numbers. */
static const char *const rows[] = {
    "  1048576  262144  float  sum  -1  105.9  9.90  17.33  0  105.7  9.92  "
    "17.36  0",
    "  1048576  262144  float  sum  105.9  9.90  17.33  2e-07  105.7  9.92  "
    "17.36  2e-07",
    "  1048576  262144  float  105.9  9.90  17.33  0e+00  105.7  9.92  17.36  "
    "0e+00",
    "  1048576  262144  float  none  -1  105.9  9.90  17.33  N/A",
    "[1,0]<stdout>: 1048576  262144  float  sum  -1  105.9  9.90  17.33  0",
    " 0:  1048576  262144  bfloat16  sum  -1  105.9  9.90  17.33  0\r",
    "1048576 262144 float sum -1 105.9 9.90 17.33 0 105 106 106 0.3 105.7 9.92 "
    "17.36 0 105 106 106 0.2",
    "1048576 262144 half sum -1 105.9 9.90 17.33 0 105.7 9.92 17.36 0 "
    "2026-01-02 03:04:05",
};

static void test_rows(void) {
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autoptr(GError) error = NULL;
    g_autoptr(DspMeasurements) m = parse(rows[i], &alone, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_EQUAL_FATAL(m->points->len, 1);
    CU_ASSERT_EQUAL(dsp_point(m, 0)->collective.bytes, 1048576);
    CU_ASSERT_EQUAL(dsp_point(m, 0)->measured, 105.9);
  }
}

/* Several programs one after the other, and chatter. */
static void test_programs(void) {
  static const char text[] =
      "$ cat log\n# Collective test starting: all_gather_perf\n"
      "8 2 float none -1 5.00 0.00 0.00 0\n"
      "2026-01-02 03:04:05 12 34 nothing\n\n"
      "$ /opt/bin/reduce_scatter_perf_mpi -g 8\n"
      "NCCL version 2.20.5+cuda12.4\n"
      "16 4 float sum -1 6.00 0.00 0.00 0\n";
  static const DspNcclLogOptions options = {"dgx-h100", 1, 8, -1};
  g_autoptr(GError) error = NULL;
  g_autoptr(DspMeasurements) m = parse(text, &options, &error);
  CU_ASSERT_PTR_NOT_NULL_FATAL(m);
  CU_ASSERT_EQUAL_FATAL(m->points->len, 2);
  CU_ASSERT_EQUAL(dsp_point(m, 0)->collective.collective, DSP_ALL_GATHER);
  CU_ASSERT_EQUAL(dsp_point(m, 1)->collective.collective, DSP_REDUCE_SCATTER);
  CU_ASSERT_EQUAL(dsp_point(m, 1)->collective.version, 22005);
}

#define ROW(n) n " 262144 float sum -1 105.9 9.90 17.33 0"
#define DEVICE(rank, host)                                                     \
  "# Rank " rank " Group 0 Pid 1 on " host " device 0 [0x21] GPU\n"

static const struct {
  const char *text;
  int code;
  const char *message;
} bad[] = {
    {"", DSP_ERROR_INPUT, "run.txt:1:1: no line of results"},
    {"# size count\n", DSP_ERROR_INPUT, "run.txt:1:1: no line of results"},
    {"\n1048576 262144 float sum -1 105.9 9.90", DSP_ERROR_INPUT,
     "run.txt:2:35: this line of results is cut off"},
    {"1048576 26x float sum -1 105.9 9.90 17.33 0", DSP_ERROR_INPUT,
     "run.txt:1:9: size, count and type must be"},
    {"1048576 262144 floot sum -1 105.9 9.90 17.33 0", DSP_ERROR_INPUT,
     "run.txt:1:9: size, count and type must be"},
    {"1048576 262144 float sum -1 1o5.9 9.90 17.33 0", DSP_ERROR_INPUT,
     "run.txt:1:29: time must be a number, not '1o5.9'"},
    {"1048576 262144 float sum -1 -105.9 9.90 17.33 0", DSP_ERROR_INPUT,
     "run.txt:1:29: time must be a number"},
    {"1048576 262144 float sum -1 nan 9.90 17.33 0", DSP_ERROR_INPUT,
     "run.txt:1:29: time must be a number"},
    {"1048576 262144 float sum -1 0 9.90 17.33 0", DSP_ERROR_INPUT,
     "run.txt:1:1: the time must be above zero"},
    {ROW("2097152"), DSP_ERROR_INPUT,
     "run.txt:1:35: algbw is 9.9 GB/s, but 2097152 bytes in 105.9 us are 19.8"},
    {ROW("99999999999999999999"), DSP_ERROR_INPUT, "run.txt:1:1: size must be"},
    {"1048576 262144 float sum -1 105.9 9.90 17.33 3", DSP_ERROR_INPUT,
     "run.txt:1:1: 3 elements came out wrong"},
    {"# Collective test starting: all_gather_perf\n", DSP_ERROR_INPUT,
     "run.txt:1:29: this is all_gather, and not all_reduce as asked for"},
    {"$ ./gather_perf\n", DSP_ERROR_INPUT,
     "run.txt:1:3: gather_perf is not priced"},
    {"# size count type redop root cputime algbw\n", DSP_ERROR_INPUT,
     "run.txt:1:30: these are times of the CPU"},
    {DEVICE("0", "a") DEVICE("1", "b") ROW("1048576"), DSP_ERROR_INPUT,
     "run.txt:1:1: lists 2 nodes, and not 1 as asked for"},
    {DEVICE("0", "a") DEVICE("1", "a") ROW("1048576"), DSP_ERROR_INPUT,
     "run.txt:1:1: lists 2 GPUs a node, and not 8 as asked for"},
    {DEVICE("0", "a") DEVICE("1", "a") DEVICE("2", "b") ROW("1048576"),
     DSP_ERROR_INPUT, "run.txt:1:1: lists 3 GPUs on 2 nodes"},
    {"# \xff\n", DSP_ERROR_INPUT, "run.txt:1:3: not UTF-8"},
    {"{\"a\": 1}", DSP_ERROR_INPUT, "run.txt:1:1: neither 'schema'"},
    {"{\"results\": [{\"size\": -8}]}", DSP_ERROR_INPUT,
     "'size' must be a number of bytes"},
    {"{\"results\": [{\"size\": 8, \"out_of_place\": {}}]}", DSP_ERROR_INPUT,
     "'out_of_place' must have a number 'time'"},
    {"{\"results\": [{\"size\": 8, \"out_of_place\": {\"time\": 1, \"nwrong\": "
     "2}}]}",
     DSP_ERROR_INPUT, "run.txt:1:14: 2 elements came out wrong"},
    {"{\"results\": []}", DSP_ERROR_INPUT, "no line of results"},
    {"{\"results\": [", DSP_ERROR_INPUT, "run.txt:1:"},
};

static void test_bad(void) {
  for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
    g_autoptr(GError) error = NULL;
    g_autoptr(DspMeasurements) m = parse(bad[i].text, &alone, &error);
    CU_ASSERT_PTR_NULL(m);
    if (!g_error_matches(error, DSP_ERROR, bad[i].code) ||
        !strstr(error->message, bad[i].message)) {
      printf("# %s\n# %s\n", bad[i].text, error ? error->message : "accepted");
      CU_FAIL("not this message");
    }
  }
}

/* What neither the log nor the options tell is asked for. */
static const struct {
  DspNcclLogOptions options;
  const char *option;
} missing[] = {
    {{"dgx-h100", 0, 8, DSP_REDUCE}, "'--nodes'"},
    {{"dgx-h100", 1, 0, DSP_REDUCE}, "'--gpus-per-node'"},
    {{"dgx-h100", 1, 8, -1}, "'--collective'"},
};

static void test_missing(void) {
  for (guint i = 0; i < G_N_ELEMENTS(missing); i++) {
    g_autoptr(GError) error = NULL;
    g_autoptr(DspMeasurements) m =
        parse(ROW("1048576"), &missing[i].options, &error);
    CU_ASSERT_PTR_NULL(m);
    CU_ASSERT(g_error_matches(error, DSP_ERROR, DSP_ERROR_USAGE));
    CU_ASSERT(error && strstr(error->message, missing[i].option));
  }
}

/* A log cut anywhere is read or refused, and never read beyond its end. */
static void test_cut(void) {
  g_autofree char *path = dsp_test_path("tests/data/calibrate/two-nodes.txt");
  g_autofree char *text = NULL;
  gsize length;
  CU_ASSERT_FATAL(g_file_get_contents(path, &text, &length, NULL));
  for (gsize n = 0; n < length; n += 7) {
    g_autofree char *cut = g_strndup(text, n);
    g_autoptr(GError) error = NULL;
    g_autoptr(DspMeasurements) m =
        dsp_nccl_log_parse("cut.txt", cut, n, &told, &error);
    CU_ASSERT_EQUAL(m == NULL, error != NULL);
    CU_ASSERT(!m || m->points->len <= 31);
  }
}

CU_TestInfo calibrate_log_tests[] = {
    {"text of two nodes", test_text_of_two_nodes},
    {"JSON of one node", test_json_of_one_node},
    {"a file of measurements", test_measurements},
    {"rows of all versions", test_rows},
    {"several programs", test_programs},
    {"what is refused", test_bad},
    {"what is missing", test_missing},
    {"cut logs", test_cut},
    CU_TEST_INFO_NULL,
};
