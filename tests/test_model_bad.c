/* SPDX-License-Identifier: Apache-2.0 */
/* Bad models: every key in every way, and what no key alone can tell. Each
 * must be refused with the position in the file. */
#include "test_model.h"

#define GOOD "tests/data/model-every-key.json"

static char *read_good(void) {
  g_autofree char *path = dsp_test_path(GOOD);
  char *text = NULL;
  if (!g_file_get_contents(path, &text, NULL, NULL))
    abort();
  return text;
}

/* --- positions ------------------------------------------------------------ */

/* "test-model.json:LINE:COLUMN: " at the head of a message. */
static gboolean position_of(const char *message, guint *line, guint *column) {
  return sscanf(message, "test-model.json:%u:%u: ", line, column) == 2;
}

/* Line and column of the first `mark` in `text`; (0, 0) if there is none. */
static void find_mark(const char *text, const char *mark, guint *line,
                      guint *column) {
  const char *at = strstr(text, mark);
  *line = *column = 0;
  if (!at)
    return;
  *line = *column = 1;
  for (; text < at; text++) {
    *column = *text == '\n' ? 1 : *column + 1;
    *line += *text == '\n';
  }
}

/* `text` is refused with a position in the file; on the line of `mark` if
 * there is one. Returns the message. */
static char *check_refused(const char *text, const char *mark,
                           const char *what) {
  g_autoptr(GError) error = NULL;
  g_autoptr(DspModel) model = dsp_test_model_text(text, &error);
  guint line = 0, column = 0, mark_line, mark_column;
  if (!DSP_CHECK(!model && error, "%s is accepted", what))
    return g_strdup("");
  DSP_CHECK(error->domain == DSP_ERROR && error->code == DSP_ERROR_INPUT &&
                position_of(error->message, &line, &column) && line > 0 &&
                column > 0,
            "%s: %s", what, error->message);
  find_mark(text, mark, &mark_line, &mark_column);
  DSP_CHECK(mark_line == 0 || mark_line == line, "%s: line %u, not %u: %s",
            what, line, mark_line, error->message);
  return g_strdup(error->message);
}

static void test_good(void) {
  g_autoptr(GError) error = NULL;
  g_autofree char *text = read_good();
  g_autoptr(DspModel) model = dsp_test_model_text(text, &error);
  DSP_CHECK_NO_ERROR(error);
  DSP_CHECK(model && model->n_streams == DSP_MAX_STREAMS, "all streams used");
}

/* --- every key ------------------------------------------------------------ */

#define MARK_NUMBER 987654321
#define MARK        "987654321" /* found in the text of each bad value */

/* A value that no field of the type of `good` takes. */
static cJSON *of_another_type(const cJSON *good) {
  return cJSON_IsString(good) ? cJSON_CreateNumber(MARK_NUMBER)
                              : cJSON_CreateString(MARK);
}
static cJSON *null_value(const cJSON *good) {
  (void)good;
  return cJSON_CreateNull();
}
static cJSON *negative(const cJSON *good) {
  return cJSON_IsNumber(good) ? cJSON_CreateNumber(-MARK_NUMBER) : NULL;
}
static cJSON *zero(const cJSON *good) {
  return cJSON_IsNumber(good) ? cJSON_CreateNumber(0) : NULL;
}
static cJSON *fraction(const cJSON *good) {
  return cJSON_IsNumber(good) ? cJSON_CreateRaw(MARK ".5") : NULL;
}
static cJSON *too_large(const cJSON *good) {
  return cJSON_IsNumber(good) ? cJSON_CreateRaw(MARK "e30") : NULL;
}
static cJSON *beyond_double(const cJSON *good) {
  return cJSON_IsNumber(good) ? cJSON_CreateRaw(MARK "e999") : NULL;
}
static cJSON *empty(const cJSON *good) {
  return cJSON_IsString(good) ? cJSON_CreateString("") : NULL;
}
static cJSON *unheard_of(const cJSON *good) {
  return cJSON_IsString(good) ? cJSON_CreateString(MARK) : NULL;
}

static const struct {
  const char *name;
  cJSON *(*make)(const cJSON *good); /* NULL: does not apply */
} values[] = {
    {"another type", of_another_type},
    {"null", null_value},
    {"negative", negative},
    {"zero", zero},
    {"fraction", fraction},
    {"too large", too_large},
    {"beyond double", beyond_double},
    {"empty", empty},
    {"unheard of", unheard_of},
};

/* Free text takes any string, a tolerance of 0 is exact. */
static gboolean is_good_enough(const char *key, const char *way) {
  static const char *const free_text[] = {"title",   "source", "note",
                                          "meaning", "name",   NULL};
  if (strcmp(way, "unheard of") == 0)
    return g_strv_contains(free_text, key);
  if (strcmp(way, "empty") == 0) /* provenance is not read */
    return strcmp(key, "note") == 0 || strcmp(key, "source") == 0;
  return strcmp(way, "zero") == 0 && strcmp(key, "within") == 0;
}

typedef struct {
  cJSON *root;
  guint members;
} Sweep;

static void try_tree(const Sweep *sweep, const char *mark, const char *key,
                     const char *way) {
  g_autofree char *what = g_strdup_printf("'%s', %s", key, way);
  char *text = cJSON_Print(sweep->root);
  g_free(check_refused(text, mark, what));
  cJSON_free(text);
}

/* Printing follows child and next alone, so nodes are exchanged by these. */
static void try_values(const Sweep *sweep, cJSON *member) {
  for (guint i = 0; i < G_N_ELEMENTS(values); i++) {
    cJSON *bad = values[i].make(member);
    if (bad && !is_good_enough(member->string, values[i].name)) {
      const cJSON good = *member;
      member->type = bad->type;
      member->valuestring = bad->valuestring;
      member->valuedouble = bad->valuedouble;
      member->child = NULL;
      try_tree(sweep, MARK, member->string, values[i].name);
      *member = good;
    }
    cJSON_Delete(bad);
  }
}

/* Required wherever they occur. */
static const char *const required[] = {
    "schema",      "title",      "dims",     "streams", "blocks",   "meaning",
    "width",       "height",     "patch",    "space",   "channels", "ops",
    "stages",      "op",         "out",      "over",    "heads",    "head_dim",
    "from",        "count",      "function", "length",  "same_as",  "value",
    "evaluations", "parameters", NULL};

/* Missed before unknown keys are looked for. */
static const char *const needed_first[] = {"op", "value", NULL};

static void try_without(const Sweep *sweep, cJSON *object, cJSON *member) {
  cJSON **link = &object->child;
  while (*link != member)
    link = &(*link)->next;
  *link = member->next;
  if (g_strv_contains(required, member->string))
    try_tree(sweep, "no mark", member->string, "missing");
  *link = member;
}

static void try_keys(const Sweep *sweep, cJSON *member) {
  char *key = member->string;
  g_autofree char *unknown = g_strdup_printf("%s_" MARK, key);
  member->string = unknown;
  try_tree(sweep, g_strv_contains(needed_first, key) ? "no mark" : unknown, key,
           "unknown");
  member->string = key;
  cJSON twin = *member;
  member->next = &twin;
  try_tree(sweep, "no mark", key, "duplicated");
  member->next = twin.next;
}

/* Members of these are named by the user. */
static gboolean is_dictionary(const cJSON *node) {
  return node->string && (strcmp(node->string, "dims") == 0 ||
                          strcmp(node->string, "streams") == 0);
}

static void sweep_node(Sweep *sweep, cJSON *node) {
  cJSON *child;
  cJSON_ArrayForEach(child, node) {
    sweep_node(sweep, child);
    if (!cJSON_IsObject(node))
      continue;
    try_values(sweep, child);
    if (is_dictionary(node))
      continue;
    try_without(sweep, node, child);
    try_keys(sweep, child);
    sweep->members++;
  }
}

static void test_every_key(void) {
  g_autofree char *text = read_good();
  Sweep sweep = {.root = cJSON_Parse(text)};
  sweep_node(&sweep, sweep.root);
  DSP_CHECK(sweep.members > 150, "only %u members tried", sweep.members);
  cJSON_Delete(sweep.root);
}

/* --- what no key alone can tell ------------------------------------------- */

/* In the good text `find` becomes `put`; the error is at `at` of the result
 * and says `says`. */
static const struct {
  const char *find, *put, *at, *says;
} rows[] = {
    {"dspsim.model/1", "dspsim.model/2", "\"dspsim.model/2",
     "'dspsim.model/1'"},
    /* dimensions */
    {"\"home\": \"T\"", "\"home\": \"V\"", "\"V\"",
     "must be one of T, S, U, L"},
    {"\"home\": \"T\"", "\"home\": \"L\"", "\"L\"", "'x' has no dimension 'L'"},
    {"\"text\": \"L\"", "\"text\": \"M\"", "\"M\"", "no dimension 'M'"},
    {"\"S\": {\"meaning\"", "\"S-1\": {\"meaning\"",
     "{\"meaning\": \"patches\"", "must be a letter"},
    {"\"S\": {\"meaning\"", "\"\": {\"meaning\"", "{\"meaning\": \"patches\"",
     "must be a letter"},
    {"\"length\": 64", "\"length\": 64, \"same_as\": \"T\"",
     "{\"meaning\": \"patches\", \"l", "either 'length' or 'same_as'"},
    {"\"same_as\": \"S\"", "\"same_as\": \"U\"", "\"U\"}", "no dimension 'U'"},
    {"\"L\": {\"meaning\": \"text tokens\", \"length\": {",
     "\"L\": {\"meaning\": \"text tokens\", \"same_as\": \"U\", \"length\": {",
     "{\"meaning\": \"text", "either"},
    {"\"length\": {\"value\": 12, \"source\": \"made up\", \"note\": \"few\", "
     "\"estimate\": true}",
     "\"same_as\": \"U\"", "\"U\"}\n  }", "itself equals another"},
    {"\"U\": {\"meaning\": \"patches again\", \"same_as\": \"S\"},",
     "\"U\": {\"meaning\": \"m\", \"length\": 1}, \"V\": {\"meaning\": \"m\", "
     "\"length\": 1}, \"W\": {\"meaning\": \"m\", \"length\": 1}, \"A\": "
     "{\"meaning\": \"m\", \"length\": 1}, \"B\": {\"meaning\": \"m\", "
     "\"length\": 1}, \"C\": {\"meaning\": \"m\", \"length\": 1},",
     "{\n    \"T\"", "9 dimensions given, must be 1 to 8"},
    /* streams */
    {"\"cond\": {\"dims\"",
     "\"more\": {\"dims\": [], \"width\": 1}, \"cond\": "
     "{\"dims\"",
     "{\n    \"x\"", "5 streams given, must be 1 to 4"},
    {"[\"T\", \"S\"], \"width\"", "[\"T\", \"T\"], \"width\"",
     "\"T\"], \"width", "named twice"},
    {"[\"T\", \"S\"], \"width\"", "[\"T\", 3], \"width\"", "3], \"width",
     "name of a dimension"},
    {"[\"T\", \"S\"], \"width\"", "[\"T\", \"V\"], \"width\"", "\"V\"]",
     "no dimension 'V'"},
    {"\"sharded\": true", "\"sharded\": false", "{\"dims\": [\"T\"",
     "the first stream is the main one"},
    /* input */
    {"\"height\": \"S\"", "\"height\": \"T\"", "{\n    \"time\"",
     "shares a dimension"},
    {", \"chunk_latents\": 6", "", "{\"time\": 4, \"space\"", "go together"},
    {"\"space\": 8", "\"space\": 2000000", "{\n    \"time\"", "at most 2^20"},
    /* stages and blocks */
    {"\"stream\": \"pair\"", "\"stream\": \"pear\"", "\"pear\"",
     "must be one of x, text, pair, cond"},
    {"\"with\": \"text\"", "\"with\": \"x\"", "{\"name\": \"shared\"",
     "cannot share weights with itself"},
    {"\"with\": \"text\"", "\"with\": \"pair\"",
     "{\"op\": \"norm\", \"beside\"", "but stream 'pair' has 8"},
    {"{\"name\": \"head\", \"ops\": [{\"op\": \"linear\", \"name\": \"out\", "
     "\"out\": 20}]}",
     "{\"name\": \"head\", \"ops\": []}", "[]}", "at least one operation"},
    {"{\"name\": \"head\", \"ops\": [{\"op\": \"linear\", \"name\": \"out\", "
     "\"out\": 20}]}",
     "{\"name\": \"head\", \"ops\": [5]}", "5]}", "must be an operation"},
    {"{\"name\": \"head\", \"ops\": [{\"op\": \"linear\", \"name\": \"out\", "
     "\"out\": 20}]}",
     "7", "7\n", "must be an object"},
    {"\"in\": 20, \"out\": 32", "\"in\": 20, \"out\": 33",
     "{\"name\": \"patch embedding\"", "leaves stream 'x' 33 columns wide"},
    {"\"count\": 3", "\"count\": 9007199254740992", "{\n  \"schema\"",
     "more parameters than can be counted"},
    /* operations */
    {"\"op\": \"rope\"", "\"op\": \"ropes\"", "\"ropes\"", "mean 'rope'?"},
    {"\"op\": \"rope\"", "\"op\": \"qwxyz\"", "\"qwxyz\"", "unknown operation"},
    {"\"op\": \"rope\"", "\"op\": \"rope\", \"on\": \"txt\"", "\"txt\"",
     "no stream 'txt'"},
    {"\"op\": \"rope\"", "\"op\": \"rope\", \"on\": \"pair\"",
     "\"rope\", \"on\"", "needs an attention"},
    {"\"op\": \"rope\"", "\"op\": \"rope\", \"heads\": 2", "\"heads\": 2",
     "unknown key 'heads'"},
    {"\"over\": [\"T\"], \"heads\": 4", "\"over\": [], \"heads\": 4", "[], \"h",
     "at least one dimension"},
    {"\"over\": [\"T\"], \"heads\": 4", "\"over\": [\"L\"], \"heads\": 4",
     "[\"L\"], \"h", "'x' has no dimension 'L'"},
    {"\"over\": [\"L\"], \"from\"", "\"over\": [\"S\"], \"from\"",
     "[\"S\"], \"from", "'text' has no dimension 'S'"},
    {"\"joint\": \"text\"", "\"joint\": \"x\"", "\"x\", \"window",
     "cannot join itself"},
    {"\"head_dim\": 4, \"causal\": true",
     "\"head_dim\": 4, \"joint\": \"text\"",
     "\"text\"},\n        {\"op\": \"activation", "leave out 'joint'"},
    {"\"from\": \"text\", \"heads\"", "\"from\": \"x\", \"heads\"",
     "\"x\", \"heads\"", "another stream"},
    {"\"kv_heads\": 2", "\"kv_heads\": 3", "3, \"head_dim\": 4, \"joint",
     "cannot share 3 key heads"},
    {"\"heads\": 2, \"head_dim\": 4}",
     "\"heads\": 9007199254740992, \"head_dim\": 9007199254740992}",
     "9007199254740992, \"head", "too large"},
    {"\"heads\": 2, \"head_dim\": 4}", "\"heads\": 2, \"head_dim\": 5}",
     "{\"op\": \"linear_attention\"", "takes 30 columns"},
    {"\"beside\": 4}", "\"beside\": 5}",
     "{\"op\": \"attention\", \"over\": [\"T\"]",
     "takes 37 columns, but stream 'x' has 36"},
    {"\"name\": \"text qkv\", \"on\": \"text\", \"out\": 36",
     "\"name\": \"text qkv\", \"on\": \"text\", \"out\": 40",
     "{\"op\": \"attention\", \"over\": [\"T\"]", "stream 'text' has 40"},
    {"\"name\": \"kv\", \"on\": \"text\", \"out\": 32",
     "\"name\": \"kv\", \"on\": \"text\", \"out\": 34",
     "{\"op\": \"cross_attention\"",
     "takes 32 columns, but stream 'text' has 34"},
    {"\"name\": \"q\", \"out\": 16", "\"name\": \"q\", \"out\": 17",
     "{\"op\": \"cross_attention\"", "stream 'x' has 17"},
    {"\"norm\", \"beside\": 5", "\"norm\", \"beside\": 32",
     "32},\n        {\"op\": \"linear\", \"name\": \"qkv\", \"out\": 48",
     "no column to work on"},
    {"\"calls\": 3", "\"calls\": 37", "37},\n", "must not exceed 'out'"},
    {"\"name\": \"proj\", \"out\": 64", "\"name\": \"proj\", \"out\": 63",
     "\"swiglu\"", "even number of columns"},
    {"\"name\": \"proj\", \"out\": 64", "\"name\": \"proj\", \"out\": 62",
     "{\"op\": \"residual\"}\n      ]},\n      {\"name\": \"pair\"",
     "residual takes 32 columns, but stream 'x' has 31"},
    {"\"text\", \"out\": 6", "\"text\", \"out\": 7",
     "\"text\"},\n        {\"op\": "
     "\"linear\", \"name\": \"factors",
     "even number of columns"},
    {"\"text\", \"out\": 6", "\"text\", \"out\": 900719925474098",
     "\"text\"},\n        {\"op\": \"linear\", \"name\": \"factors",
     "too wide"},
    {"\"name\": \"factors\", \"out\": 16", "\"name\": \"factors\", \"out\": 15",
     "\"triangle\"", "even number of columns"},
    {"\"modulate\"", "\"norm\", \"in\": 31", "{\"op\": \"norm\", \"in\": 31",
     "norm takes 31 columns, but stream 'x' has 32"},
    {"\"name\": \"proj\", \"out\": 64",
     "\"name\": \"proj\", \"in\": 9, "
     "\"out\": 64",
     "{\"op\": \"linear\", \"name\": \"proj\", \"in\"",
     "proj takes 9 columns, but stream 'x' has 8"},
    {"\"name\": \"patch\", \"in\": 20, \"out\": 32",
     "\"name\": \"patch\", \"in\": 9007199254740992, \"out\": 9007199254740992",
     "9007199254740992, \"bias", "more parameters than can be counted"},
    {"\"length\": 64", "\"length\": 9007199254740992", "{\n  \"schema\"",
     "2^60 elements"},
    {"\"guidance\": 2", "\"guidance\": 3", "3},\n  \"published", "1 or 2"},
};

/* The text with the first `find` replaced. */
static char *replaced(const char *text, const char *find, const char *put) {
  const char *at = strstr(text, find);
  if (!at)
    return NULL;
  return g_strdup_printf("%.*s%s%s", (int)(at - text), text, put,
                         at + strlen(find));
}

static void test_rules(void) {
  g_autofree char *good = read_good();
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autofree char *what = g_strdup_printf("row %u (%s)", i, rows[i].put);
    g_autofree char *text = replaced(good, rows[i].find, rows[i].put);
    guint line, column, want_line, want_column;
    if (!DSP_CHECK(text, "%s is not in the text", rows[i].find))
      continue;
    g_autofree char *message = check_refused(text, "no mark", what);
    find_mark(text, rows[i].at, &want_line, &want_column);
    DSP_CHECK(position_of(message, &line, &column) && line == want_line &&
                  column == want_column && strstr(message, rows[i].says),
              "%s: want %u:%u '%s', got %s", what, want_line, want_column,
              rows[i].says, message);
  }
}

/* A file that stops anywhere is refused, never half read. */
static void test_truncated(void) {
  g_autofree char *text = read_good();
  for (gsize n = strlen(text) - 3; n > 0; n = n * 9 / 10) {
    text[n] = '\0';
    g_autofree char *what = g_strdup_printf("%d bytes", (int)n);
    g_free(check_refused(text, "no mark", what));
  }
}

CU_TestInfo bad_input_tests[] = {
    {"every key has a good value", test_good},
    {"every key in every bad way", test_every_key},
    {"rules between keys", test_rules},
    {"truncated files", test_truncated},
    CU_TEST_INFO_NULL,
};
