/* SPDX-License-Identifier: Apache-2.0 */
#include "test_base.h"
#include <glib/gstdio.h>
#include <unistd.h>

/* A document and what is wrong with it; `length` 0 stands for strlen. */
typedef struct {
  const char *text;
  const char *error;
  gsize length;
} DefectRow;

static const DefectRow defects[] = {
    {"", "1:1: unexpected end of file", 0},
    {" \n\t ", "2:3: unexpected end of file", 0},
    {"{", "1:2: unexpected end of file", 0},
    {"{\"a\"", "1:5: unexpected end of file", 0},
    {"{\"a\":", "1:6: unexpected end of file", 0},
    {"{\"a\": 1", "1:8: unexpected end of file", 0},
    {"{\"a\": 1,", "1:9: unexpected end of file", 0},
    {"[1, 2", "1:6: unexpected end of file", 0},
    {"{\n \"a\": tru", "2:7: expected a value", 0},
    {"{\"a\": \"b", "1:7: string without a closing '\"'", 0},
    {"{\"a\": \"b\\", "1:9: unknown escape in a string", 0},
    {"{\"a\": 1}}", "1:9: text after the end of the document", 0},
    {"{} x", "1:4: text after the end", 0},
    {"{\"a\": 1,}", "1:9: nothing follows the comma", 0},
    {"[1,\n]", "2:1: nothing follows the comma", 0},
    {"[1 2]", "1:4: expected ',' or ']'", 0},
    {"{\"a\": 1 \"b\": 2}", "1:9: expected ',' or '}'", 0},
    {"{\"a\" 1}", "1:6: expected ':' after a key", 0},
    {"{a: 1}", "1:2: expected a key in '\"'", 0},
    {"{'a': 1}", "1:2: expected a key", 0},
    {"{1: 1}", "1:2: expected a key", 0},
    {"[,]", "1:2: expected a value", 0},
    {"[True]", "1:2: expected a value", 0},
    {"[nul]", "1:2: expected a value", 0},
    {"[NaN]", "1:2: expected a value", 0},
    {"[Infinity]", "1:2: expected a value", 0},
    {"// comment\n{}", "1:1: expected a value", 0},
    {"[01]", "1:2: a number must not begin with 0", 0},
    {"[-01]", "1:2: a number must not begin with 0", 0},
    {"[1.]", "1:4: digits must follow a decimal point", 0},
    {"[1.e5]", "1:4: digits must follow a decimal point", 0},
    {"[.5]", "1:2: expected a value", 0},
    {"[+5]", "1:2: expected a value", 0},
    {"[-]", "1:3: digits must follow '-'", 0},
    {"[-x]", "1:3: digits must follow '-'", 0},
    {"[1e]", "1:4: digits must follow an exponent's 'e'", 0},
    {"[1E+]", "1:5: digits must follow an exponent's 'e'", 0},
    {"[0x10]", "1:3: expected ',' or ']'", 0},
    {"[1e400]", "1:2: number too large", 0},
    {"[-1e309]", "1:2: number too large", 0},
    {"[1234567890123456789012345678901234567890"
     "123456789012345678901234]",
     "1:2: number longer than 63 characters", 0},
    {"[\"a\tb\"]", "1:4: control character in a string", 0},
    {"[\"a\nb\"]", "1:4: control character in a string", 0},
    {"[\"\\x\"]", "1:3: unknown escape in a string", 0},
    {"[\"\\u12\"]", "1:3: \\u must be followed by four", 0},
    {"[\"\\u12g4\"]", "1:3: \\u must be followed by four", 0},
    {"[\"\\u0000\"]", "1:3: a string must not contain \\u0000", 0},
    {"[\"\\ud800\"]", "1:3: unpaired surrogate", 0},
    {"[\"\\ud800\\u0041\"]", "1:3: unpaired surrogate", 0},
    {"[\"\\udc00\"]", "1:3: unpaired surrogate", 0},
    {"\xef\xbb\xbf{}", "1:1: byte order mark", 0},
    {"[\"\xc3\xa9\xff\"]", "1:4: not valid UTF-8", 0},
    {"[\"\xc0\x80\"]", "1:3: not valid UTF-8", 0},
    {"[1]\0", "1:4: not valid UTF-8", 4},
    {"{\v}", "1:2: expected a key", 0},
    {"{\"a\": 1, \"a\": 1}", "1:10: duplicate key 'a'", 0},
    {"{\"a\": 1, \"\\u0061\": 1}", "1:10: duplicate key 'a'", 0},
    {"{\"x\": [{\"b\": {\"c\": 1,\n\"c\": 2}}]}", "2:1: duplicate key 'c'", 0},
    {"{\"\xc3\xa9\xc3\xa9\": 1, \"\\u001b[2J\": 1, \"\\u001b[2J\": 2}",
     "1:27: duplicate key '?[2J'", 0},
};

static void test_defects(void) {
  for (guint i = 0; i < G_N_ELEMENTS(defects); i++) {
    const DefectRow *row = &defects[i];
    const gsize length = row->length ? row->length : strlen(row->text);
    g_autoptr(GError) error = NULL;
    g_autofree char *want = g_strconcat("x.json:", row->error, NULL);
    g_autoptr(DspJson) json =
        dsp_json_parse("x.json", row->text, length, &error);
    DSP_CHECK(!json, "accepted '%s'", row->text);
    DSP_CHECK_ERROR(error, DSP_ERROR_INPUT, want);
  }
}

static const char *const valid[] = {
    "0",
    "-0",
    "\"\"",
    "null",
    "[]",
    "{}",
    " [ ] ",
    "\r\n{\t}\n",
    "[0.5, -1e-7, 1E+2, 0e0, 10]",
    "[[[[1]]], {\"a\": {\"b\": []}}]",
    "{\"\": 1, \"a\": 2, \"A\": 3}",
    "[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]",
    "[\"\\u00e9\\ud83d\\ude00\xf0\x9f\x98\x80\x7f\"]",
    "[1e-400]",
    "[true, false, null]",
};

static void test_valid(void) {
  for (guint i = 0; i < G_N_ELEMENTS(valid); i++) {
    g_autoptr(GError) error = NULL;
    g_autoptr(DspJson) json =
        dsp_json_parse("x.json", valid[i], strlen(valid[i]), &error);
    DSP_CHECK(json != NULL, "refused '%s'", valid[i]);
    DSP_CHECK_NO_ERROR(error);
  }
}

/* Every beginning of a document is not a document. */
static void test_truncated(void) {
  static const char text[] =
      "{\"a\": [1.5e3, {\"b\": \"\\u00e9\\n\"}, true],\n \"c\": null}";
  for (gsize length = 0; length < strlen(text); length++) {
    g_autoptr(GError) error = NULL;
    g_autoptr(DspJson) json = dsp_json_parse("x.json", text, length, &error);
    DSP_CHECK(!json, "accepted %zu bytes", length);
    DSP_CHECK_ERROR(error, DSP_ERROR_INPUT, "x.json:");
  }
}

/* No single changed byte may crash the reader or leave an error unset. */
static void test_mutated(void) {
  static const char text[] = "{\"a\": [1.5e3, {\"b\": \"\\u00e9\"}], \"c\": 0}";
  const gsize length = strlen(text);
  g_autofree char *copy = g_strdup(text);
  for (gsize i = 0; i < length; i++) {
    for (int byte = 0; byte < 256; byte++) {
      g_autoptr(GError) error = NULL;
      copy[i] = (char)byte;
      g_autoptr(DspJson) json = dsp_json_parse("x.json", copy, length, &error);
      DSP_CHECK(!json == (error != NULL), "byte %zu as %d", i, byte);
    }
    copy[i] = text[i];
  }
}

static void test_depth(void) {
  for (guint depth = 64; depth <= 65; depth++) {
    g_autofree char *opening = g_strnfill(depth, '[');
    g_autofree char *closing = g_strnfill(depth, ']');
    g_autofree char *text = g_strconcat(opening, closing, NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(DspJson) json =
        dsp_json_parse("x.json", text, strlen(text), &error);
    DSP_CHECK_INT(json != NULL, depth == 64);
    if (depth == 64)
      DSP_CHECK_NO_ERROR(error);
    else
      DSP_CHECK_ERROR(error, DSP_ERROR_INPUT,
                      "x.json:1:65: nested more than 64 levels deep");
  }
}

/* Megabytes of commas must not become gigabytes of nodes. */
static void test_many_values(void) {
  g_autoptr(GString) text = g_string_new("[0");
  for (guint i = 0; i < 1u << 22; i++)
    g_string_append(text, ",0");
  g_string_append(text, "]");
  g_autoptr(GError) error = NULL;
  g_autoptr(DspJson) json =
      dsp_json_parse("x.json", text->str, text->len, &error);
  DSP_CHECK_ERROR(error, DSP_ERROR_INPUT, "more than 4194304 values");
}

static const cJSON *member(const cJSON *object, const char *key) {
  return cJSON_GetObjectItemCaseSensitive(object, key);
}

static void test_positions(void) {
  g_autoptr(DspJson) json =
      dsp_test_json("{\n  \"a\": [1, \"\xc3\xa9\", {}],\r\n\t\"b\" :\n{\"c\": "
                    "\"\xf0\x9f\x98\x80\", \"d\": false}}");
  const cJSON *root = dsp_json_root(json);
  const cJSON *a = member(root, "a"), *b = member(root, "b");
  const struct {
    const cJSON *node;
    guint line, column;
  } rows[] = {
      {root, 1, 1},
      {a, 2, 8},
      {cJSON_GetArrayItem(a, 0), 2, 9},
      {cJSON_GetArrayItem(a, 1), 2, 12},
      {cJSON_GetArrayItem(a, 2), 2, 17},
      {b, 4, 1},
      {member(b, "c"), 4, 7},
      {member(b, "d"), 4, 17},
  };
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
    guint line, column;
    dsp_json_position(json, rows[i].node, &line, &column);
    DSP_CHECK(line == rows[i].line && column == rows[i].column,
              "row %u: got %u:%u, want %u:%u", i, line, column, rows[i].line,
              rows[i].column);
  }
}

static void test_fail(void) {
  g_autoptr(DspJson) json = dsp_test_json("{\"a\":\n  [1]}");
  g_autoptr(GError) error = NULL;
  const cJSON *a = member(dsp_json_root(json), "a");
  DSP_CHECK(!dsp_json_fail(json, a, &error, "'%s' is %d\x1b[2J", "a", 7),
            "returns FALSE");
  DSP_CHECK_ERROR(error, DSP_ERROR_INPUT, "test.json:2:3: 'a' is 7?[2J");
  g_autofree char *endless = g_strnfill(100000, 'x');
  dsp_json_fail(json, a, &error, "'%s'", endless);
  DSP_CHECK(strlen(error->message) < 500, "message of %zu bytes",
            strlen(error->message));
}

static void test_file(void) {
  g_autoptr(GError) error = NULL;
  g_autofree char *path = NULL;
  const int fd = g_file_open_tmp("dspsim-XXXXXX.json", &path, &error);
  DSP_CHECK_NO_ERROR(error);
  close(fd);
  g_file_set_contents(path, "[1, 2]", -1, NULL);
  g_autoptr(DspJson) json = dsp_json_load(path, &error);
  DSP_CHECK_NO_ERROR(error);
  DSP_CHECK_STRING(dsp_json_name(json), path);
  g_autofree char *digest =
      g_compute_checksum_for_string(G_CHECKSUM_SHA256, "[1, 2]", -1);
  DSP_CHECK_STRING(dsp_json_sha256(json), digest);
  DSP_CHECK_INT(cJSON_GetArraySize(dsp_json_root(json)), 2);
  g_unlink(path);
  DSP_CHECK(!dsp_json_load(path, &error), "the file is gone");
  DSP_CHECK_ERROR(error, DSP_ERROR_INPUT, "cannot be read: No such file");
  DSP_CHECK(!dsp_json_load("/", &error), "a folder is no file");
  DSP_CHECK_ERROR(error, DSP_ERROR_INPUT, "/: cannot be read: Is a directory");
  DSP_CHECK(!dsp_json_load("/dev/zero", &error), "an endless file");
  DSP_CHECK_ERROR(error, DSP_ERROR_INPUT, "file larger than 64 MiB");
  dsp_json_free(NULL);
}

CU_TestInfo json_tests[] = {
    {"defects with their line and column", test_defects},
    {"valid documents", test_valid},
    {"truncated documents", test_truncated},
    {"one byte changed", test_mutated},
    {"depth", test_depth},
    {"number of values", test_many_values},
    {"positions of nodes", test_positions},
    {"messages", test_fail},
    {"files", test_file},
    CU_TEST_INFO_NULL,
};
