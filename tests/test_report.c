/* SPDX-License-Identifier: Apache-2.0 */
#include "report/report.h"
#include "report/text.h"
#include "test.h"

static const DspStyle ascii = {FALSE, FALSE}, utf8 = {TRUE, FALSE},
                      colourful = {TRUE, TRUE};

/* --- tables -------------------------------------------------------------- */

/* A row is what a column of each type may have. */
typedef struct {
  DspValue value;
  const char *csv, *json;
} Case;

static const Case cases[] = {
    {{.type = DSP_VALUE_NULL}, "", "null"},
    {{.type = DSP_VALUE_BOOLEAN, .boolean = TRUE}, "true", "true"},
    {{.type = DSP_VALUE_BOOLEAN, .boolean = FALSE}, "false", "false"},
    {{.type = DSP_VALUE_INTEGER, .integer = G_MAXINT64},
     "9223372036854775807",
     "9223372036854775807"},
    {{.type = DSP_VALUE_INTEGER, .integer = -7}, "-7", "-7"},
    {{.type = DSP_VALUE_NUMBER, .number = 0.1},
     "0.10000000000000001",
     "0.10000000000000001"},
    {{.type = DSP_VALUE_NUMBER, .number = 2385}, "2385", "2385"},
    {{.type = DSP_VALUE_NUMBER, .number = NAN}, "", "null"},
    {{.type = DSP_VALUE_NUMBER, .number = -INFINITY}, "", "null"},
    {{.type = DSP_VALUE_STRING, .string = "plain"}, "plain", "\"plain\""},
    {{.type = DSP_VALUE_STRING, .string = ""}, "", "\"\""},
    {{.type = DSP_VALUE_STRING, .string = "a,b"}, "\"a,b\"", "\"a,b\""},
    {{.type = DSP_VALUE_STRING, .string = "say \"so\""},
     "\"say \"\"so\"\"\"",
     "\"say \\\"so\\\"\""},
    {{.type = DSP_VALUE_STRING, .string = "a\nb\\\t\x01\x7f"},
     "\"a\nb\\\t\x01\x7f\"",
     "\"a\\nb\\\\\\t\\u0001\\u007f\""},
    {{.type = DSP_VALUE_STRING, .string = "\xc3\xa9 \xff"},
     "\xc3\xa9 \xff",
     "\"\xc3\xa9 \xef\xbf\xbd\""},
};

static DspValue get_case(gconstpointer row, guint index) {
  (void)index;
  return ((const Case *)row)->value;
}

static DspValue get_index(gconstpointer row, guint index) {
  (void)row;
  return dsp_integer(index);
}

/* {"v": value, "g": {"a": 0, "b": 1}, "w": 5} */
static DspTable *table_new(void) {
  static const DspColumn first[] = {{NULL, "v", get_case, 0}, {NULL}};
  static const DspColumn last[] = {{NULL, "w", get_index, 5}, {NULL}};
  static const char *const keys[] = {"a", "b"};
  DspTable *table = dsp_table_new(first);
  dsp_table_add_group(table, "g", keys, 2, get_index);
  dsp_table_add_columns(table, last);
  return table;
}

static char *written(const DspFormat *format, const DspReport *report) {
  GString *out = g_string_new(NULL);
  format->write(report, &ascii, out);
  return g_string_free(out, FALSE);
}

static void test_values(void) {
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(DspTable) table = table_new();
    dsp_table_add_row(table, &cases[i]);
    const DspReport report = {.schema = "dspsim.test/1", .results = table};
    g_autofree char *csv = written(&dsp_format_csv, &report);
    g_autofree char *json = written(&dsp_format_json, &report);
    g_autofree char *want_csv =
        g_strdup_printf("v,g.a,g.b,w\n%s,0,1,5\n", cases[i].csv);
    g_autofree char *want_json = g_strdup_printf(
        "{\n  \"schema\": \"dspsim.test/1\",\n  \"results\": [\n    {\n"
        "      \"v\": %s,\n      \"g\": {\"a\": 0, \"b\": 1},\n"
        "      \"w\": 5\n    }\n  ]\n}\n",
        cases[i].json);
    DSP_CHECK_STRING(csv, want_csv);
    DSP_CHECK_STRING(json, want_json);
  }
}

/* cJSON reads what was written. */
static void test_json_is_read(void) {
  g_autoptr(DspTable) table = table_new(), inputs = table_new();
  dsp_table_add_row(inputs, &cases[0]);
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++)
    dsp_table_add_row(table, &cases[i]);
  const DspReport report = {
      .schema = "dspsim.test/1", .inputs = inputs, .results = table};
  g_autofree char *text = written(&dsp_format_json, &report);
  g_autoptr(DspJson) json = dsp_test_json(text);
  const cJSON *results =
      cJSON_GetObjectItemCaseSensitive(dsp_json_root(json), "results");
  DSP_CHECK_INT(cJSON_GetArraySize(results), G_N_ELEMENTS(cases));
  const cJSON *v =
      cJSON_GetObjectItemCaseSensitive(cJSON_GetArrayItem(results, 13), "v");
  DSP_CHECK_STRING(cJSON_GetStringValue(v), cases[13].value.string);
}

static DspValue get_inner(gconstpointer row, guint index) {
  (void)index;
  return dsp_table_value(row);
}

/* Tables within a table: JSON has them, CSV has not. */
static void test_nested(void) {
  g_autoptr(DspTable) inner = table_new(), empty = table_new(),
                      table = dsp_table_new(NULL);
  dsp_table_add_row(inner, &cases[1]);
  dsp_table_add_nested(table, "t", get_inner);
  dsp_table_add_row(table, inner);
  dsp_table_add_row(table, empty);
  const DspReport report = {.schema = "s", .results = table};
  g_autofree char *json = written(&dsp_format_json, &report);
  DSP_CHECK(strstr(json, "      \"t\": [\n        {\n          \"v\": true,"),
            "got '%s'", json);
  DSP_CHECK(strstr(json, "      \"t\": []\n"), "got '%s'", json);
}

static void test_format_of_file(void) {
  static const struct {
    const char *file, *name;
  } files[] = {{NULL, "text"},       {"x", "text"},      {"x.txt", "text"},
               {"x.csv", "csv"},     {"x.json", "json"}, {"csv", "text"},
               {"x.csv.gz", "text"}, {"-", "text"}};
  for (guint i = 0; i < G_N_ELEMENTS(files); i++)
    DSP_CHECK_STRING(dsp_format_of_file(files[i].file)->name, files[i].name);
}

static CU_TestInfo table_tests[] = {{"every type of value", test_values},
                                    {"JSON is JSON", test_json_is_read},
                                    {"nested", test_nested},
                                    {"format of a file", test_format_of_file},
                                    CU_TEST_INFO_NULL};

/* --- text ---------------------------------------------------------------- */

static void test_units(void) {
  static const struct {
    char *(*format)(double);
    double value;
    const char *want;
  } rows[] = {
      {dsp_text_time, 0, "0 us"},
      {dsp_text_time, 2.384e-7, "0.238 us"},
      {dsp_text_time, 2.384e-6, "2.38 us"},
      {dsp_text_time, 23.86e-3, "23.9 ms"},
      {dsp_text_time, 0.2385, "238 ms"},
      {dsp_text_time, 2385, "2385 s"},
      {dsp_text_bytes, 0, "0 B"},
      {dsp_text_bytes, 1023, "1023 B"},
      {dsp_text_bytes, 1024, "1.00 KiB"},
      {dsp_text_bytes, 1 << 20, "1.00 MiB"},
      {dsp_text_bytes, 5e15, "4547 TiB"},
      {dsp_text_number, 0, "0"},
      {dsp_text_number, 759.2e6, "759 M"},
      {dsp_text_number, 12.3, "12.3"},
  };
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autofree char *got = rows[i].format(rows[i].value);
    DSP_CHECK_STRING(got, rows[i].want);
  }
}

static void test_least(void) {
  DSP_CHECK(dsp_scale_least(3, 0) == 3, "from nothing");
  DSP_CHECK(dsp_scale_least(3, 5) == 3, "less");
  DSP_CHECK(dsp_scale_least(5, 3) == 3, "more");
  DSP_CHECK(dsp_scale_least(0, 3) == 3, "nothing is not least");
}

static void test_clean(void) {
  static const struct {
    const DspStyle *style;
    const char *text, *want;
  } rows[] = {
      {&ascii, "plain", "plain"},
      {&utf8, "\xc3\xa9t\xc3\xa9 \xc2\xb5", "\xc3\xa9t\xc3\xa9 \xc2\xb5"},
      {&ascii, "\xc3\xa9t\xc3\xa9", "ete"},
      {&utf8, "a\033[31mb\n\t\x7f", "a?[31mb???"},
      {&utf8,
       "\xe2\x80\xae"
       "evil",
       "?evil"}, /* right to left */
      {&ascii, "\xff", "?"},
  };
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autofree char *got = dsp_text_clean(rows[i].style, rows[i].text);
    DSP_CHECK_STRING(got, rows[i].want);
  }
}

static void test_wrap(void) {
  g_autoptr(GString) out = g_string_new("# key  ");
  g_autoptr(GString) long_text = g_string_new("one");
  for (int i = 0; i < 40; i++)
    g_string_append(long_text, " seven77");
  dsp_text_wrap(out, &ascii, "#", 7, long_text->str);
  g_auto(GStrv) lines = g_strsplit(out->str, "\n", -1);
  DSP_CHECK_INT(g_strv_length(lines), 5);
  DSP_CHECK(g_str_has_prefix(lines[0], "# key  one seven77 "), "first line");
  DSP_CHECK(g_str_has_prefix(lines[1], "#      seven77 "), "second line");
  for (guint i = 0; lines[i]; i++)
    DSP_CHECK(strlen(lines[i]) <= DSP_TEXT_WIDTH, "line %u", i);
}

static void test_grid(void) {
  static const DspTextColumn columns[] = {
      {"name", "", TRUE}, {"time", "ms", FALSE}, {"n", "", FALSE}};
  const DspScale scale = {1e-3, "ms", 1};
  g_autoptr(DspGrid) grid = dsp_grid_new(&ascii, columns, 3);
  g_autoptr(GString) out = g_string_new(NULL);
  dsp_grid_cell(grid, "%s", "a longer name");
  dsp_grid_number(grid, &scale, 0.01234);
  dsp_grid_cell(grid, "%d", 7);
  dsp_grid_cell(grid, "%s", "\xc3\xa9t\xc3\xa9");
  dsp_grid_number(grid, &scale, NAN);
  dsp_grid_cell(grid, "%s", "");
  dsp_grid_print(grid, out);
  DSP_CHECK_STRING(out->str, "# name           time  n\n"
                             "#                (ms)\n"
                             "  a longer name  12.3  7\n"
                             "  ete               -\n");
}

/* Too wide: a last column of text is cut, numbers stand closer. */
static void test_wide_grid(void) {
  DspTextColumn columns[] = {
      {"a", "", FALSE}, {"b", "", FALSE}, {"c", "", TRUE}};
  for (int text = 0; text <= 1; text++) {
    columns[2].left = text;
    g_autoptr(DspGrid) grid = dsp_grid_new(&ascii, columns, 3);
    g_autoptr(GString) out = g_string_new(NULL);
    for (int i = 0; i < 3; i++)
      dsp_grid_cell(grid, "%0*d", 32 + text * i, 1);
    dsp_grid_print(grid, out);
    const char *row = strchr(out->str, '\n') + 1;
    DSP_CHECK_INT(strlen(row) - 1, 100);
    DSP_CHECK_INT(g_str_has_suffix(row, "...\n"), text);
  }
}

static void test_colours(void) {
  static const DspTextColumn columns[] = {{"a", "", TRUE}};
  const DspStyle *const styles[] = {&ascii, &colourful};
  const char *const want[] = {"# a\n  x\n", "# a\n  \033[1;32mx\033[0m\n"};
  for (int i = 0; i < 2; i++) {
    g_autoptr(DspGrid) grid = dsp_grid_new(styles[i], columns, 1);
    g_autoptr(GString) out = g_string_new(NULL);
    dsp_grid_cell(grid, "x");
    dsp_grid_colour(grid, DSP_TEXT_BEST);
    dsp_grid_print(grid, out);
    DSP_CHECK_STRING(out->str, want[i]);
  }
}

static CU_TestInfo text_tests[] = {{"units", test_units},
                                   {"least of a column", test_least},
                                   {"control characters", test_clean},
                                   {"long lines", test_wrap},
                                   {"columns", test_grid},
                                   {"too many columns", test_wide_grid},
                                   {"colours", test_colours},
                                   CU_TEST_INFO_NULL};

static CU_SuiteInfo suites[] = {{.pName = "tables", .pTests = table_tests},
                                {.pName = "text", .pTests = text_tests},
                                CU_SUITE_INFO_NULL};
DSP_TEST_MAIN(suites)
