/* SPDX-License-Identifier: Apache-2.0 */
#include "test_base.h"

/* A record with a member of every type. */
typedef struct {
  char *name;
  int colour;
  gboolean on;
  int64_t count;
  double number;
  double offset;
  int64_t size;
  int64_t spare;
  double rate;
  double time;
  double flops;
  const cJSON *object;
  const cJSON *array;
} Record;

static const char *const colours[] = {"red", "green", NULL};

#define AT(member) G_STRUCT_OFFSET(Record, member)

static const DspField fields[] = {
    {"name", DSP_FIELD_STRING, AT(name), 0, NULL, "what it is called"},
    {"colour", DSP_FIELD_ENUM, AT(colour), 0, colours, NULL},
    {"on", DSP_FIELD_BOOL, AT(on), DSP_FIELD_OPTIONAL, NULL, NULL},
    {"count", DSP_FIELD_COUNT, AT(count), 0, NULL, NULL},
    {"number", DSP_FIELD_NUMBER, AT(number), DSP_FIELD_ZERO, NULL, NULL},
    {"offset", DSP_FIELD_NUMBER, AT(offset),
     DSP_FIELD_OPTIONAL | DSP_FIELD_NEGATIVE, NULL, NULL},
    {"size", DSP_FIELD_SIZE, AT(size), 0, NULL, NULL},
    {"spare", DSP_FIELD_SIZE, AT(spare), DSP_FIELD_OPTIONAL | DSP_FIELD_ZERO,
     NULL, NULL},
    {"rate", DSP_FIELD_RATE, AT(rate), 0, NULL, NULL},
    {"time", DSP_FIELD_TIME, AT(time), 0, NULL, NULL},
    {"flops", DSP_FIELD_FLOPS, AT(flops), 0, NULL, NULL},
    {"object", DSP_FIELD_OBJECT, AT(object), 0, NULL, NULL},
    {"array", DSP_FIELD_ARRAY, AT(array), 0, NULL, NULL},
    {NULL, 0, 0, 0, NULL, NULL},
};

/* The document that the tests break: one member of it a line, from line 2. */
static const struct {
  const char *key;
  const char *value;
} good[] = {
    {"name", "\"x\""},     {"colour", "\"green\""},    {"count", "3"},
    {"number", "2.385"},   {"size", "\"80GiB\""},      {"rate", "\"450GB/s\""},
    {"time", "\"3.4us\""}, {"flops", "\"1.2PFLOPS\""}, {"object", "{}"},
    {"array", "[7]"},
};

/* The good document with `key` given `value`: replaced, or added as the last
 * line; without a value the key is left out. */
static char *document(const char *key, const char *value) {
  g_autoptr(GString) text = g_string_new("{\n\"note\": \"made up\"");
  gboolean known = FALSE;
  for (guint i = 0; i < G_N_ELEMENTS(good); i++) {
    const gboolean replaced = g_strcmp0(key, good[i].key) == 0;
    const char *member = replaced ? value : good[i].value;
    known |= replaced;
    if (member)
      g_string_append_printf(text, ",\n\"%s\": %s", good[i].key, member);
  }
  if (key && !known)
    g_string_append_printf(text, ",\n\"%s\": %s", key, value);
  g_string_append(text, "}");
  return g_string_free(g_steal_pointer(&text), FALSE);
}

static gboolean read_record(const char *text, Record *record, GError **error) {
  g_autoptr(DspJson) json = dsp_test_json(text);
  const gboolean done =
      dsp_json_read(json, dsp_json_root(json), fields, record, error);
  g_clear_pointer(&record->name, g_free);
  return done;
}

static void test_plain(void) {
  g_autofree char *text = document(NULL, NULL);
  g_autoptr(DspJson) json = dsp_test_json(text);
  g_autoptr(GError) error = NULL;
  Record r = {.on = TRUE, .offset = -1.5, .spare = 77};
  dsp_json_read(json, dsp_json_root(json), fields, &r, &error);
  DSP_CHECK_NO_ERROR(error);
  DSP_CHECK_STRING(r.name, "x");
  DSP_CHECK_INT(r.colour, 1);
  DSP_CHECK_INT(r.on, TRUE);
  DSP_CHECK_INT(r.count, 3);
  DSP_CHECK_NEAR(r.number, 2.385, 0);
  DSP_CHECK_NEAR(r.offset, -1.5, 0);
  DSP_CHECK_INT(r.size, 80ll << 30);
  DSP_CHECK_INT(r.spare, 77);
  DSP_CHECK_NEAR(r.rate, 450e9, 0);
  DSP_CHECK_NEAR(r.time, 3.4e-6, 0);
  DSP_CHECK_NEAR(r.flops, 1.2e15, 0);
  DSP_CHECK(cJSON_IsObject(r.object), "an object");
  DSP_CHECK_INT(cJSON_GetArraySize(r.array), 1);
  g_free(r.name);
}

/* Values that are valid, plain or with their provenance. */
static void test_accepted(void) {
  static const struct {
    const char *key, *value;
  } rows[] = {
      {"count", "9007199254740992"},
      {"count", "3.0"},
      {"count", "{\"value\": 3, \"source\": \"a book\", \"estimate\": true}"},
      {"number", "0"},
      {"number", "{\"value\": 0.5, \"note\": \"rounded\"}"},
      {"offset", "-3.5"},
      {"offset", "0"},
      {"spare", "\"0B\""},
      {"on", "false"},
      {"on", "{\"value\": true}"},
      {"size", "{\"source\": \"a data sheet\", \"value\": \"1B\"}"},
      {"object", "{\"value\": 1}"},
      {"array", "{\"value\": [1], \"source\": \"a table\"}"},
      {"source", "\"a data sheet\""},
      {"estimate", "false"},
  };
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autofree char *text = document(rows[i].key, rows[i].value);
    g_autoptr(GError) error = NULL;
    Record r = {0};
    DSP_CHECK(read_record(text, &r, &error), "refused %s", rows[i].value);
    DSP_CHECK_NO_ERROR(error);
  }
}

/* A member, its value (none: left out), and the error at its position. Lines
 * count from the opening brace; "note" is on line 2, "name" on line 3. */
static const struct {
  const char *key, *value, *error;
} refused[] = {
    {"name", NULL, "1:1: missing key 'name' (what it is called)"},
    {"colour", NULL, "1:1: missing key 'colour'"},
    {"count", NULL, "1:1: missing key 'count'"},
    {"number", NULL, "1:1: missing key 'number'"},
    {"size", NULL, "1:1: missing key 'size'"},
    {"rate", NULL, "1:1: missing key 'rate'"},
    {"time", NULL, "1:1: missing key 'time'"},
    {"flops", NULL, "1:1: missing key 'flops'"},
    {"object", NULL, "1:1: missing key 'object'"},
    {"array", NULL, "1:1: missing key 'array'"},
    {"name", "7", "3:9: 'name' must be a string, not a number"},
    {"name", "\"\"", "3:9: 'name' must not be empty"},
    {"colour", "1", "4:11: 'colour' must be a string, not a number"},
    {"colour", "\"blue\"",
     "4:11: 'colour' must be one of red, green, not 'blue'"},
    {"on", "1", "13:7: 'on' must be true or false, not a number"},
    {"count", "\"3\"", "5:10: 'count' must be a whole number, not a string"},
    {"count", "2.5", "5:10: 'count' must be a whole number of at most 2^53"},
    {"count", "1e16", "5:10: 'count' must be a whole number of at most 2^53"},
    {"count", "0", "5:10: 'count' must be greater than zero"},
    {"count", "-3", "5:10: 'count' must be greater than zero"},
    {"number", "null", "6:11: 'number' must be a number, not null"},
    {"number", "-0.5", "6:11: 'number' must not be negative"},
    {"offset", "[]", "13:11: 'offset' must be a number, not an array"},
    {"size", "85899345920",
     "7:9: 'size' must be a size such as \"80GiB\", not a number"},
    {"size", "\"80\"", "7:9: 'size': invalid size '80': must have a unit"},
    {"size", "\"80G\"", "7:9: 'size': invalid size '80G': unknown unit 'G'"},
    {"size", "\"80GB/s\"", "7:9: 'size': invalid size '80GB/s': unknown unit"},
    {"size", "\"0B\"", "7:9: 'size' must be greater than zero"},
    {"size", "\"-1B\"",
     "7:9: 'size': invalid size '-1B': must not be negative"},
    {"size", "\"9999999TiB\"", "7:9: 'size': invalid size '9999999TiB': too"},
    {"spare", "\"1.5B\"", "13:10: 'spare': invalid size '1.5B': must be a"},
    {"rate", "true",
     "8:9: 'rate' must be a rate such as \"450GB/s\", not true or false"},
    {"rate", "\"450Gb/s\"", "8:9: 'rate': invalid rate '450Gb/s': unknown"},
    {"rate", "\"0GB/s\"", "8:9: 'rate' must be greater than zero"},
    {"time", "3.4", "9:9: 'time' must be a time such as \"3.4us\", not a"},
    {"time", "\"3.4 us\"", "9:9: 'time': invalid time '3.4 us': unknown unit"},
    {"flops", "{}",
     "10:10: 'flops' must be a compute rate such as \"989.4TFLOPS\", not an "
     "object"},
    {"flops", "\"1EFLOPS\"", "10:10: 'flops': invalid compute rate"},
    {"object", "[]", "11:11: 'object' must be an object, not an array"},
    {"array", "{}", "12:10: 'array' must be an array, not an object"},
    {"cuont", "3", "13:1: unknown key 'cuont', did you mean 'count'?"},
    {"Count", "3", "13:1: unknown key 'Count', did you mean 'count'?"},
    {"sourse", "3", "13:1: unknown key 'sourse', did you mean 'source'?"},
    {"zebra", "3", "13:1: unknown key 'zebra', must be one of name, colour"},
    {"source", "7", "13:11: 'source' must be a string, not a number"},
    {"estimate", "\"yes\"", "13:13: 'estimate' must be true or false, not a"},
    {"count", "{\"value\": -3}", "5:20: 'count' must be greater than zero"},
    {"count", "{\"value\": \"3\"}",
     "5:20: 'count' must be a whole number, not"},
    {"count", "{\"value\": {\"value\": 3}}",
     "5:20: 'count' must be a whole number, not an object"},
    {"count", "{\"value\": 3, \"sorce\": \"x\"}",
     "5:23: unknown key 'sorce', did you mean 'source'?"},
    {"count", "{\"value\": 3, \"source\": 1}",
     "5:33: 'source' must be a string, not a number"},
    {"count", "{\"source\": \"x\"}",
     "5:10: 'count' must be a whole number, not an object"},
};

static void test_refused(void) {
  for (guint i = 0; i < G_N_ELEMENTS(refused); i++) {
    g_autofree char *text = document(refused[i].key, refused[i].value);
    g_autofree char *want = g_strconcat("test.json:", refused[i].error, NULL);
    g_autoptr(GError) error = NULL;
    Record r = {0};
    DSP_CHECK(!read_record(text, &r, &error), "accepted %s", text);
    DSP_CHECK_ERROR(error, DSP_ERROR_INPUT, want);
  }
}

static void test_not_an_object(void) {
  g_autoptr(GError) error = NULL;
  Record r = {0};
  DSP_CHECK(!read_record("\n [1]", &r, &error), "an array is no record");
  DSP_CHECK_ERROR(error, DSP_ERROR_INPUT,
                  "test.json:2:2: must be an object, not an array");
}

CU_TestInfo record_tests[] = {
    {"every type", test_plain},
    {"accepted values", test_accepted},
    {"refused values with their line and column", test_refused},
    {"not an object", test_not_an_object},
    CU_TEST_INFO_NULL,
};
