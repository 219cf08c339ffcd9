/* SPDX-License-Identifier: Apache-2.0 */
#include "base/csv.h"
#include "report/html.h"
#include "report/plot.h"
#include "test.h"
#include <glib/gstdio.h>

/* --- CSV ----------------------------------------------------------------- */

static DspCsv *csv_of(const char *text, GError **error) {
  return dsp_csv_parse("x.csv", text, strlen(text), error);
}

static void test_cells(void) {
  static const struct {
    const char *text, *cell; /* of the first row, second column */
  } cases[] = {
      {"a,b\n1,2\n", "2"},
      {"a,b\r\n1,2\r\n", "2"},
      {"a,b\n1,2", "2"},
      {"a,b\n1,\n", ""},
      {"a,b\n,\"\"\n", ""},
      {"a,b\n1,\"x, y\"\n", "x, y"},
      {"a,b\n1,\"say \"\"so\"\"\"\n", "say \"so\""},
      {"a,b\n\"\n\",\"two\nlines\"\n", "two\nlines"},
      {"\"a\",\"b\"\n1, 2 \n", " 2 "},
      {"a,b\n1,\xc3\xa9\n", "\xc3\xa9"},
  };
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    GError *error = NULL;
    g_autoptr(DspCsv) csv = csv_of(cases[i].text, &error);
    DSP_CHECK_NO_ERROR(error);
    if (!csv)
      continue;
    DSP_CHECK_INT(dsp_csv_n_columns(csv), 2);
    DSP_CHECK_INT(dsp_csv_n_rows(csv), 1);
    DSP_CHECK_STRING(dsp_csv_name(csv, 1), "b");
    DSP_CHECK_STRING(dsp_csv_cell(csv, 0, 1), cases[i].cell);
  }
}

static void test_bad_csv(void) {
  static const struct {
    const char *text, *message;
  } cases[] = {
      {"", "x.csv:1:1: an empty file"},
      {"\n", "x.csv:1:1: a column without a name"},
      {"a,\n", "x.csv:1:3: a column without a name"},
      {"a,b,a\n", "x.csv:1:5: a column of the same name"},
      {"a,b\n1\n", "x.csv:2:2: the line ends with cell 1, the header with 2"},
      {"a,b\n1,2,3\n", "x.csv:2:6: the line ends with cell 3"},
      {"a,b\n1,2\n\n", "x.csv:3:1: the line ends with cell 1"},
      {"a,b\n1,\"2\n", "x.csv:2:3: cell without a closing '\"'"},
      {"a,b\n1,\"2\"3\n", "x.csv:2:6: expected ',' or the end of the line"},
      {"a,b\n1,2\"\n", "x.csv:2:4: '\"' within a cell"},
      {"a,b\n\xc3\xa9,\xff\n", "x.csv:2:3: not valid UTF-8"},
  };
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    GError *error = NULL;
    g_autoptr(DspCsv) csv = csv_of(cases[i].text, &error);
    DSP_CHECK(!csv, "'%s' is taken", cases[i].text);
    DSP_CHECK_ERROR(error, DSP_ERROR_INPUT, cases[i].message);
  }
}

/* Any byte in any place: an answer or an error, never more than was given. */
static void test_any_bytes(void) {
  static const char bytes[] = "a,\"\n\r";
  enum { LENGTH = 7 };
  guint n = 1;
  for (guint i = 0; i < LENGTH; i++)
    n *= sizeof bytes - 1;
  for (guint i = 0, taken = 0; i < n; i++) {
    char text[LENGTH + 1] = {0};
    for (guint j = 0, rest = i; j < LENGTH; j++, rest /= sizeof bytes - 1)
      text[j] = bytes[rest % (sizeof bytes - 1)];
    g_autoptr(GError) error = NULL;
    g_autoptr(DspCsv) csv = csv_of(text, &error);
    taken += csv != NULL;
    if (!csv == !error || (csv && dsp_csv_n_rows(csv) > LENGTH))
      DSP_CHECK(FALSE, "'%s'", text);
    if (i == n - 1)
      DSP_CHECK(taken > 0 && taken < n, "%u of %u", taken, n);
  }
}

static CU_TestInfo csv_tests[] = {{"cells", test_cells},
                                  {"bad files", test_bad_csv},
                                  {"any bytes", test_any_bytes},
                                  CU_TEST_INFO_NULL};

/* --- records ------------------------------------------------------------- */

/* Records of a file with this text. */
static DspRecords *records_of(const char *text, GError **error) {
  g_autofree char *folder = g_dir_make_tmp("dspsim-XXXXXX", NULL);
  g_autofree char *path = g_build_filename(folder, "x", NULL);
  g_autoptr(DspRecords) records = dsp_records_new();
  g_file_set_contents(path, text, -1, NULL);
  const gboolean loaded = dsp_records_load(records, path, error);
  g_unlink(path);
  g_rmdir(folder);
  return loaded ? g_steal_pointer(&records) : NULL;
}

/* The same rows in each format. */
static void test_formats(void) {
  static const char *const texts[] = {
      "gpus,mode,dims.T,feasible,rate\n8,train,16,true,0.5\n8,,32,false,\n",
      "{\"schema\": \"s\", \"results\": [\n{\"gpus\": 8, \"mode\": \"train\", "
      "\"dims\": {\"T\": 16}, \"feasible\": true, \"rate\": 0.5},\n{\"gpus\": "
      "8, \"mode\": null, \"dims\": {\"T\": 32}, \"feasible\": false, "
      "\"rate\": null, \"list\": [1]}]}",
      "{\"gpus\": 8, \"mode\": \"train\", \"dims.T\": 16, \"feasible\": true, "
      "\"rate\": 0.5}\n{\"gpus\": 8, \"dims.T\": 32, \"feasible\": false}\n"};
  for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
    GError *error = NULL;
    double number;
    g_autoptr(DspRecords) records = records_of(texts[i], &error);
    DSP_CHECK_NO_ERROR(error);
    if (!records)
      continue;
    DSP_CHECK_INT(dsp_records_n(records), 2);
    DSP_CHECK_STRING(dsp_record_text(records, 0, "mode"), "train");
    DSP_CHECK_STRING(dsp_record_text(records, 1, "mode"), NULL);
    DSP_CHECK_STRING(dsp_record_text(records, 1, "dims.T"), "32");
    DSP_CHECK_STRING(dsp_record_text(records, 1, "feasible"), "false");
    DSP_CHECK_STRING(dsp_record_text(records, 0, "nothing"), NULL);
    DSP_CHECK(dsp_record_number(records, 0, "rate", &number, &error) &&
                  number == 0.5,
              "rate");
    DSP_CHECK(dsp_record_number(records, 1, "rate", &number, &error) &&
                  isnan(number),
              "no rate");
    DSP_CHECK(!dsp_record_number(records, 0, "mode", &number, &error), "mode");
    DSP_CHECK_ERROR(error, DSP_ERROR_INPUT, "'train' is not a number");
  }
}

/* Where numbers must be: none of what strtod takes besides. */
static void test_no_numbers(void) {
  static const char *const cells[] = {"inf",   "nan", " 1", "1 ",
                                      "1e999", "x",   "1,"};
  for (guint i = 0; i < G_N_ELEMENTS(cells); i++) {
    GError *error = NULL;
    double number;
    g_autofree char *text = g_strdup_printf("a,b\n0,\"%s\"\n", cells[i]);
    g_autoptr(DspRecords) records = records_of(text, &error);
    DSP_CHECK(!dsp_record_number(records, 0, "b", &number, &error), "'%s'",
              cells[i]);
    DSP_CHECK_ERROR(error, DSP_ERROR_INPUT, "x:2:3: '");
  }
}

static CU_TestInfo record_tests[] = {{"formats", test_formats},
                                     {"no numbers", test_no_numbers},
                                     CU_TEST_INFO_NULL};

/* --- figures ------------------------------------------------------------- */

static char *bars_of(const char *kind, const DspPlotRequest *request,
                     const char *text, GError **error) {
  static const DspStyle ascii = {FALSE, FALSE};
  g_autoptr(DspRecords) records = records_of(text, error);
  g_autoptr(DspFigure) figure =
      dsp_figure_new(dsp_plot_kind_find(kind), records, request, error);
  GString *out = g_string_new(NULL);
  if (figure)
    dsp_figure_bars(figure, &ascii, 60, out);
  return g_string_free(out, FALSE);
}

/* The fastest plan of each method and number of GPUs, methods in the order of
 * the list of methods, GPUs by number. */
static void test_best(void) {
  static const char text[] = "method,gpus,samples_per_s,degrees.sp\n"
                             "ulysses,16,4,2\nulysses,16,3,4\nulysses,8,2,1\n"
                             "dsp,8,1,1\ndsp,8,2,8\ndsp,16,8,1\n";
  const DspPlotRequest usual = {NULL};
  GError *error = NULL;
  g_autofree char *bars = bars_of("scaling", &usual, text, &error);
  DSP_CHECK_NO_ERROR(error);
  DSP_CHECK_STRING(bars, "# Throughput and efficiency by method\n"
                         "# samples/s\n"
                         "# 8 GPUs\n"
                         "  dsp      ######## 2.00 samples/s\n"
                         "  ulysses  ######## 2.00 samples/s\n"
                         "# 16 GPUs\n"
                         "  dsp      ################################# "
                         "8.00 samples/s\n"
                         "  ulysses  ################ 4.00 samples/s\n");
}

/* Parts fill a bar, each to the column that is nearest to its end. */
static void test_parts(void) {
  static const char text[] =
      "method,samples_per_s,step_time_us,compute_us,exposed_comm_us,"
      "launch_idle_us,feasible,reason\n"
      "dsp,2,1e6,5e5,2.5e5,2.5e5,true,\nring,,,,,,false,no room\n";
  const DspPlotRequest usual = {NULL};
  GError *error = NULL;
  g_autofree char *bars = bars_of("breakdown", &usual, text, &error);
  DSP_CHECK_NO_ERROR(error);
  DSP_CHECK(strstr(bars, "  dsp   ##################%%%%%%%%%......... "
                         "2.00 samples/s\n") &&
                strstr(bars, "  ring   cannot run: no room\n"),
            "got '%s'", bars);
}

static void test_lead(void) {
  static const char text[] = "method,gpus,dims.T,samples_per_s,feasible\n"
                             "dsp,8,16,3,true\nring,8,16,2,true\n"
                             "usp,8,16,1,true\ndsp,8,32,1,true\n"
                             "dsp,16,16,,false\nring,16,32,5,true\n"
                             "dsp,16,32,4,true\n";
  const DspPlotRequest usual = {NULL};
  static const char *const want[] = {
      "dsp +50%\n", "dsp alone\n", "  16 GPUs    cannot run\n", "ring +25%\n"};
  GError *error = NULL;
  g_autofree char *bars = bars_of("crossover", &usual, text, &error);
  DSP_CHECK_NO_ERROR(error);
  for (guint i = 0; i < G_N_ELEMENTS(want); i++)
    DSP_CHECK(strstr(bars, want[i]), "no '%s' in '%s'", want[i], bars);
}

/* Plans that no other beats in time and cost. */
static void test_front(void) {
  static const char text[] =
      "method,gpus,samples_per_s,cost_per_1k_samples\n"
      "dsp,8,10,5\ndsp,16,20,7\ndsp,32,15,8\nring,8,9,4\nring,16,8,4\n";
  const DspPlotRequest usual = {NULL};
  GError *error = NULL;
  g_autofree char *bars = bars_of("pareto", &usual, text, &error);
  g_auto(GStrv) lines = g_strsplit(bars, "\n", -1);
  DSP_CHECK_NO_ERROR(error);
  DSP_CHECK_INT(g_strv_length(lines), 6);
  DSP_CHECK(strstr(bars, "  dsp, 16 GPUs  ") && strstr(bars, " 7 in 50.0 s"),
            "got '%s'", bars);
  DSP_CHECK(!strstr(bars, "32 GPUs") && !strstr(bars, "ring, 16"), "got '%s'",
            bars);
}

static void test_where(void) {
  static const char text[] = "method,gpus,dims.T,samples_per_s\n"
                             "dsp,8,16,1\ndsp,8,32,2\n";
  g_autoptr(GPtrArray) where = g_ptr_array_new();
  const DspPlotRequest request = {.where = where};
  GError *error = NULL;
  g_ptr_array_add(where, (gpointer) "dims.T=32");
  g_autofree char *bars = bars_of("scaling", &request, text, &error);
  DSP_CHECK_NO_ERROR(error);
  DSP_CHECK(strstr(bars, "2.00 samples/s") && !strstr(bars, "1.00 samples/s"),
            "got '%s'", bars);
}

static CU_TestInfo figure_tests[] = {
    {"best plans", test_best},   {"parts of bars", test_parts},
    {"who is ahead", test_lead}, {"time and cost", test_front},
    {"where", test_where},       CU_TEST_INFO_NULL};

/* --- pages --------------------------------------------------------------- */

/* What draws, and nothing else. */
static void test_svg(void) {
  static const struct {
    const char *svg, *part; /* NULL: none */
  } cases[] = {
      {"<?xml version='1.0'?>\n<!-- x --><svg width='9' xmlns='http://x'>"
       "<title>t</title><g id='a'><path d='M0,0'/></g></svg>",
       "<svg role=\"img\" width=\"9\"><g id=\"p-a\"><path d=\"M0,0\">"
       "</path></g></svg>\n"},
      {"<svg><script>alert(1)</script><text>a&lt;b&amp;</text></svg>",
       "<svg role=\"img\"><text>a&lt;b&amp;</text></svg>\n"},
      {"<svg onload='x'><rect style='x' onclick='y' x='1'/></svg>",
       "<svg role=\"img\"><rect x=\"1\"></rect></svg>\n"},
      {"<svg><use xlink:href='#a' x='1'/><use xlink:href='http://x#a'/>"
       "<use href='data:x'/></svg>",
       "<svg role=\"img\"><use href=\"#p-a\" x=\"1\"></use><use></use>"
       "<use></use></svg>\n"},
      {"<svg><rect fill='url(#a)' stroke='url(http://x)'/></svg>",
       "<svg role=\"img\"><rect fill=\"url(#p-a)\"></rect></svg>\n"},
      {"<svg><foreignObject><p>x</p><svg/></foreignObject><g/></svg>",
       "<svg role=\"img\"><g></g></svg>\n"},
      {"<svg><rect x='\"&gt;&lt;script>'/></svg>",
       "<svg role=\"img\"><rect "
       "x=\"&quot;&gt;&lt;script&gt;\"></rect></svg>\n"},
      {"<svg><g></svg>", NULL},
      {"<html></html>", NULL},
      {"no SVG", NULL},
      {"", NULL},
  };
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(GString) out = g_string_new("before");
    const gboolean done =
        dsp_html_svg(out, cases[i].svg, strlen(cases[i].svg), "p-");
    g_autofree char *want =
        g_strconcat("before", cases[i].part ? cases[i].part : "", NULL);
    DSP_CHECK_INT(done, cases[i].part != NULL);
    DSP_CHECK_STRING(out->str, want);
  }
}

static void test_html_text(void) {
  g_autoptr(GString) out = g_string_new(NULL);
  dsp_html_element(out, "p class=\"x\"", "<b> & \"'\n\x01\xff");
  DSP_CHECK_STRING(out->str, "<p class=\"x\">&lt;b&gt; &amp; &quot;&apos;?"
                             "?\xef\xbf\xbd</p>\n");
}

static CU_TestInfo page_tests[] = {{"pictures in pages", test_svg},
                                   {"text in pages", test_html_text},
                                   CU_TEST_INFO_NULL};

static CU_SuiteInfo suites[] = {{.pName = "CSV", .pTests = csv_tests},
                                {.pName = "records", .pTests = record_tests},
                                {.pName = "figures", .pTests = figure_tests},
                                {.pName = "pages", .pTests = page_tests},
                                CU_SUITE_INFO_NULL};
DSP_TEST_MAIN(suites)
