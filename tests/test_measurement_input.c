/* SPDX-License-Identifier: Apache-2.0 */
/* Every key of every kind as it should be, and in every way that it should not;
 * each bad file is refused with the position in it. */
#include "kernel/kernel.h"
#include "test_measurement.h"

#define GOOD "tests/data/measurement/every-key.json"

static char *read_good(void) {
  g_autofree char *path = dsp_test_path(GOOD);
  char *text = NULL;
  if (!g_file_get_contents(path, &text, NULL, NULL))
    abort();
  return text;
}

static DspMeasurements *load(const char *text, GError **error) {
  g_autoptr(DspJson) json = dsp_test_json(text);
  return dsp_measurements_read(json, error);
}

/* --- good files ---------------------------------------------------------- */

static void test_values(void) {
  g_autoptr(GError) error = NULL;
  g_autofree char *text = read_good();
  g_autoptr(DspMeasurements) m = load(text, &error);
  DSP_CHECK_NO_ERROR(error);
  CU_ASSERT_PTR_NOT_NULL_FATAL(m);
  DSP_CHECK_INT(m->points->len, DSP_N_MEASURED);
  for (guint i = 0; i < m->points->len; i++)
    DSP_CHECK_INT(dsp_point(m, i)->kind, i);
  const DspPoint *c = dsp_point(m, DSP_MEASURED_COLLECTIVE);
  DSP_CHECK_STRING(c->id, "c1");
  DSP_CHECK_STRING(c->group, "g");
  DSP_CHECK_INT(c->trust, DSP_TRUST_SUSPECT);
  DSP_CHECK_NEAR(c->spread, 0.05, 0);
  DSP_CHECK_NEAR(c->measured, 123.5, 0);
  DSP_CHECK_INT(c->collective.collective, DSP_ALL_TO_ALL);
  DSP_CHECK_INT(c->collective.bytes, 1048576);
  DSP_CHECK_INT(c->collective.processes, 1);
  DSP_CHECK_INT(dsp_point(m, DSP_MEASURED_GEMM)->gemm.clocks, DSP_CLOCKS_BURST);
  const DspAttentionPoint *a = &dsp_point(m, DSP_MEASURED_ATTENTION)->attention;
  DSP_CHECK_INT(a->pass, DSP_BACKWARD);
  DSP_CHECK_INT(a->kernel, DSP_KERNEL_FA2);
  DSP_CHECK_INT(dsp_point(m, DSP_MEASURED_MEMORY)->memory.op, DSP_MEMORY_ROPE);
  const DspLayerPoint *l = &dsp_point(m, DSP_MEASURED_LAYER)->layer;
  DSP_CHECK(l->zigzag && l->pass == DSP_LAYER_BOTH, "balance and pass");
}

static void test_step(void) {
  static const int64_t degrees[DSP_N_AXES] = {[DSP_AXIS_DP] = 1,
                                              [DSP_AXIS_CFG] = 2,
                                              [DSP_AXIS_RING] = 2,
                                              [DSP_AXIS_SP] = 2,
                                              [DSP_AXIS_TP] = 2};
  g_autofree char *text = read_good();
  g_autoptr(DspMeasurements) m = load(text, NULL);
  CU_ASSERT_PTR_NOT_NULL_FATAL(m);
  const DspPoint *p = dsp_point(m, DSP_MEASURED_STEP);
  const DspStepPoint *s = &p->step;
  DSP_CHECK_STRING(s->plan.method->name, "usp");
  DSP_CHECK_STRING(s->plan.method->variants[s->plan.variant], "naive");
  for (int i = 0; i < DSP_N_AXES; i++)
    DSP_CHECK_INT(s->plan.degree[i], degrees[i]);
  DSP_CHECK_INT(s->n_dims, 3);
  DSP_CHECK_STRING(s->dims[1].name, "S");
  DSP_CHECK_INT(s->dims[1].length, 1024);
  DSP_CHECK_INT(s->outside, 15);
  DSP_CHECK_INT(s->metric, DSP_METRIC_SAMPLES);
  DSP_CHECK_NEAR(dsp_point_seconds(p, p->measured), 1 / 0.375, 1e-15);
}

#define GEMM                                                                   \
  "{\"id\": \"a\", \"kind\": \"gemm\", \"gpu\": \"h100-sxm\", \"m\": 1, "      \
  "\"n\": 2, \"k\": 3, \"dtype\": \"bf16\", \"time_us\": 4.5}"

static void test_defaults(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(DspMeasurements) m = dsp_test_measurements(GEMM, &error);
  DSP_CHECK_NO_ERROR(error);
  CU_ASSERT_PTR_NOT_NULL_FATAL(m);
  const DspPoint *p = dsp_point(m, 0);
  DSP_CHECK(!p->group && p->trust == DSP_TRUST_HEALTHY && p->spread == 0 &&
                p->gemm.clocks == DSP_CLOCKS_SUSTAINED,
            "what is not given");
}

/* --- every key in every way ---------------------------------------------- */

static cJSON *of_another_type(const cJSON *good) {
  return cJSON_IsNumber(good) ? cJSON_CreateString("7")
                              : cJSON_CreateNumber(987);
}
static cJSON *null_value(const cJSON *good) {
  (void)good;
  return cJSON_CreateNull();
}
static cJSON *negative(const cJSON *good) {
  return cJSON_IsNumber(good) ? cJSON_CreateNumber(-987) : NULL;
}
static cJSON *no_name(const cJSON *good) {
  return cJSON_IsString(good) ? cJSON_CreateString("") : NULL;
}

static cJSON *(*const bad_values[])(const cJSON *) = {
    of_another_type, null_value, negative, no_name};

/* The document with `object`'s member `i` replaced is refused. */
static void check_bad(cJSON *document, cJSON *object, int i, cJSON *bad) {
  g_autoptr(GError) error = NULL;
  cJSON *good = cJSON_GetArrayItem(object, i);
  g_autofree char *key = g_strdup(good->string);
  cJSON *copy = cJSON_Duplicate(good, TRUE);
  cJSON_ReplaceItemInObjectCaseSensitive(object, key, bad);
  g_autofree char *value = cJSON_PrintUnformatted(bad);
  char *text = cJSON_Print(document);
  g_autoptr(DspMeasurements) m = load(text, &error);
  guint line = 0, column = 0;
  DSP_CHECK(!m && error->code == DSP_ERROR_INPUT &&
                sscanf(error->message, "test.json:%u:%u: ", &line, &column) ==
                    2,
            "'%s' may be %s: %s", key, value, error ? error->message : "");
  cJSON_free(text);
  cJSON_ReplaceItemInObjectCaseSensitive(object, key, copy);
}

/* What may be empty as a text. */
static gboolean is_free_text(const cJSON *item) {
  static const char *const keys[] = {"note", "source", NULL};
  return g_strv_contains(keys, item->string);
}

static void check_object(cJSON *document, cJSON *object) {
  for (int i = 0; i < cJSON_GetArraySize(object); i++) {
    cJSON *item = cJSON_GetArrayItem(object, i);
    for (guint j = 0; item->string && j < G_N_ELEMENTS(bad_values); j++) {
      cJSON *bad = bad_values[j](item);
      if (bad && !(cJSON_IsString(bad) && is_free_text(item)))
        check_bad(document, object, i, bad);
      else
        cJSON_Delete(bad);
      item = cJSON_GetArrayItem(object, i);
    }
    if (cJSON_IsObject(item) || cJSON_IsArray(item))
      check_object(document, item);
  }
}

static void test_every_key(void) {
  g_autofree char *text = read_good();
  cJSON *document = cJSON_Parse(text);
  check_object(document, document);
  char *after = cJSON_Print(document);
  g_autoptr(GError) error = NULL;
  g_autoptr(DspMeasurements) m = load(after, &error);
  DSP_CHECK_NO_ERROR(error); /* each value was put back */
  cJSON_free(after);
  cJSON_Delete(document);
}

/* A copy of the document, printed without key `key` of point `i`, or with it.
 */
static char *print_changed(const cJSON *document, int i, const char *key,
                           gboolean with) {
  cJSON *copy = cJSON_Duplicate(document, TRUE);
  cJSON *point = cJSON_GetArrayItem(cJSON_GetObjectItem(copy, "points"), i);
  if (with)
    cJSON_AddNumberToObject(point, key, 1);
  else
    cJSON_DeleteItemFromObjectCaseSensitive(point, key);
  char *printed = cJSON_Print(copy);
  char *text = g_strdup(printed);
  cJSON_free(printed);
  cJSON_Delete(copy);
  return text;
}

/* Without any one key that is not optional it is refused. */
static void check_missing(const cJSON *document, int i, const char *key) {
  static const char *const optional[] = {"group",
                                         "spread",
                                         "trust",
                                         "note",
                                         "source",
                                         "estimate",
                                         "nccl",
                                         "processes",
                                         "clocks",
                                         "kernel",
                                         "zero",
                                         "evaluations",
                                         "recompute",
                                         "guidance",
                                         "launch",
                                         "outside_s",
                                         "attention_kernel",
                                         NULL};
  g_autoptr(GError) error = NULL;
  g_autofree char *text = print_changed(document, i, key, FALSE);
  g_autoptr(DspMeasurements) m = load(text, &error);
  DSP_CHECK((m != NULL) == g_strv_contains(optional, key), "without '%s': %s",
            key, error ? error->message : "accepted");
}

static void test_missing_and_unknown(void) {
  g_autofree char *text = read_good();
  cJSON *document = cJSON_Parse(text);
  const cJSON *points = cJSON_GetObjectItem(document, "points");
  for (int i = 0; i < cJSON_GetArraySize(points); i++) {
    const cJSON *item;
    cJSON_ArrayForEach(item, cJSON_GetArrayItem(points, i))
        check_missing(document, i, item->string);
    g_autoptr(GError) error = NULL;
    g_autofree char *with = print_changed(document, i, "trusty", TRUE);
    g_autoptr(DspMeasurements) m = load(with, &error);
    DSP_CHECK(!m, "an unknown key is accepted");
    DSP_CHECK_ERROR(error, DSP_ERROR_INPUT,
                    "unknown key 'trusty', did you mean 'trust'?");
  }
  cJSON_Delete(document);
}

/* --- what no key alone can tell ------------------------------------------ */

/* One text of the good file put in the place of another. */
static const struct {
  const char *what, *from, *to, *message;
} bad[] = {
    {"another schema", "measurements/1", "measurements/2", "'schema' must be"},
    {"a kind that there is not", "\"kind\": \"gemm\"", "\"kind\": \"gemn\"",
     "no kind 'gemn', did you mean 'gemm'?"},
    {"no kind", "\"kind\": \"gemm\", ", "", "a point needs a 'kind'"},
    {"an id twice", "\"id\": \"g1\"", "\"id\": \"c1\"",
     "another point has the id 'c1'"},
    {"a path for a name", "\"dgx-h100\"", "\"/etc/passwd\"",
     "'cluster' must be a name, not a path"},
    {"a file for a name", "\"open-sora-1.0\"", "\"x.json\"",
     "'model' must be a name, not a path"},
    {"one rank", "\"nodes\": 2, \"gpus_per_node\": 8",
     "\"nodes\": 1, \"gpus_per_node\": 1", "at least 2 on one node"},
    {"too many GPUs", "\"nodes\": 2,", "\"nodes\": 1000000000,",
     "at most 2^20"},
    {"no version", "\"2.27.3\"", "\"new\"", "must be a version"},
    {"half a version", "\"2.27.3\"", "\"2\"", "must be a version"},
    {"a product too large", "\"m\": 4096", "\"m\": 4000000000000000",
     "more than can be counted"},
    {"heads that do not divide", "\"kv_heads\": 4", "\"kv_heads\": 5",
     "must divide 'heads'"},
    {"causal of different lengths", "\"causal\": false", "\"causal\": true",
     "as many keys as queries"},
    {"no method", "\"method\": \"usp\"", "\"method\": \"ups\"",
     "no method 'ups'"},
    {"no variant", "\"naive\"", "\"worst\"", "usp has no variant 'worst'"},
    {"a product of degrees", "\"sp\": 4, \"ulysses\": 2",
     "\"sp\": 8, \"ulysses\": 2", "'sp' must be the product"},
    {"a degree without an axis", "\"method\": \"ring\", \"degrees\": {",
     "\"method\": \"dsp\", \"degrees\": {\"ulysses\": 2, ",
     "dsp has no 'ulysses' degree"},
    {"ZeRO 4", "\"zero\": 3", "\"zero\": 4", "must be 0, 1, 2 or 3"},
    {"seconds of nothing",
     "\"outside\": [\"vae\", \"text_encoder\", "
     "\"offload\", \"optimizer\"], ",
     "", "'outside_s' needs 'outside'"},
    {"something else outside", "\"vae\"", "\"vea\"",
     "'outside' must hold names of vae"},
};

static void test_together(void) {
  g_autofree char *good = read_good();
  for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) parts = g_strsplit(good, bad[i].from, 2);
    if (!DSP_CHECK(parts[1] != NULL, "%s: '%s' is not there", bad[i].what,
                   bad[i].from))
      continue;
    g_autofree char *text = g_strjoinv(bad[i].to, parts);
    g_autoptr(DspMeasurements) m = load(text, &error);
    DSP_CHECK(!m, "%s is accepted", bad[i].what);
    DSP_CHECK_ERROR(error, DSP_ERROR_INPUT, bad[i].message);
  }
}

static void test_no_file(void) {
  g_autoptr(GError) error = NULL;
  CU_ASSERT_PTR_NULL(dsp_measurements_load("/nowhere/x.json", &error));
  DSP_CHECK_ERROR(error, DSP_ERROR_INPUT, "/nowhere/x.json");
}

CU_TestInfo measurement_input_tests[] = {
    {"values of each kind", test_values},
    {"a step and its plan", test_step},
    {"what is not given", test_defaults},
    {"each value of another type, null, negative, empty", test_every_key},
    {"missing and unknown keys", test_missing_and_unknown},
    {"what no key alone can tell", test_together},
    {"no such file", test_no_file},
    CU_TEST_INFO_NULL,
};
