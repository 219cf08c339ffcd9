/* SPDX-License-Identifier: Apache-2.0 */
/* Bad GPU files: every key in every way. Each must be refused with the
 * position in the file. */
#include "test_kernel.h"
#include <glib/gstdio.h>

#define FILE_NAME "test-gpu.json"
#define MARK      "987654321" /* found in the text of each bad value */

static cJSON *read_good(void) {
  g_autofree char *path = dsp_test_path("tests/data/gpu-every-key.json");
  g_autofree char *text = NULL;
  cJSON *root = NULL;
  if (g_file_get_contents(path, &text, NULL, NULL))
    root = cJSON_Parse(text);
  CU_ASSERT_PTR_NOT_NULL_FATAL(root);
  return root;
}

static DspGpu *load_text(const char *text, GError **error) {
  if (!g_file_set_contents(FILE_NAME, text, -1, error))
    return NULL;
  DspGpu *gpu = dsp_gpu_load(FILE_NAME, error);
  g_unlink(FILE_NAME);
  return gpu;
}

static DspGpu *load_tree(const cJSON *root, GError **error) {
  char *text = cJSON_Print(root);
  DspGpu *gpu = load_text(text, error);
  cJSON_free(text);
  return gpu;
}

/* Line of `mark` in `text`, 0 if it is not there. */
static guint line_of(const char *text, const char *mark) {
  const char *at = strstr(text, mark);
  guint line = at != NULL;
  for (; at && text < at; text++)
    line += *text == '\n';
  return line;
}

/* `text` is refused, at the line of MARK where it has one. */
static void check_refused(const char *text, const char *what) {
  g_autoptr(GError) error = NULL;
  g_autoptr(DspGpu) gpu = load_text(text, &error);
  guint line = 0, column = 0;
  if (!DSP_CHECK(!gpu && error, "%s is accepted", what))
    return;
  DSP_CHECK(error->domain == DSP_ERROR && error->code == DSP_ERROR_INPUT &&
                sscanf(error->message, FILE_NAME ":%u:%u: ", &line, &column) ==
                    2 &&
                line > 0 && column > 0,
            "%s: %s", what, error->message);
  const guint mark = line_of(text, MARK);
  DSP_CHECK(mark == 0 || mark == line, "%s: line %u, not %u: %s", what, line,
            mark, error->message);
}

static void check_tree_refused(const cJSON *root, const char *what) {
  char *text = cJSON_Print(root);
  check_refused(text, what);
  cJSON_free(text);
}

static void test_good(void) {
  g_autoptr(GError) error = NULL;
  cJSON *root = read_good();
  g_autoptr(DspGpu) gpu = load_tree(root, &error);
  DSP_CHECK_NO_ERROR(error);
  DSP_CHECK(gpu && gpu->compute_scale == 1.25, "all keys are read");
  cJSON_Delete(root);
}

/* --- every key ------------------------------------------------------------ */

static gboolean is_any(const char *key, const char *const *keys) {
  return key && g_strv_contains(keys, key);
}

static gboolean may_be_absent(const char *key) {
  static const char *const keys[] = {"source", "compute_scale", "bf16", "fp8",
                                     "fa2",    "cudnn",         NULL};
  return is_any(key, keys);
}

static gboolean may_be_zero(const char *key) {
  static const char *const keys[] = {"k0",    "q",           "burst_d",
                                     "links", "forward_exp", "backward_exp",
                                     "tail",  NULL};
  return is_any(key, keys) || strstr(key, "_start_");
}

static gboolean is_free_text(const char *key) {
  static const char *const keys[] = {"title", "arch", "source", NULL};
  return is_any(key, keys);
}

static cJSON *another_type(const char *key, const cJSON *good) {
  (void)key;
  return cJSON_IsString(good) ? cJSON_CreateRaw(MARK)
                              : cJSON_CreateString(MARK);
}
static cJSON *null_value(const char *key, const cJSON *good) {
  (void)key;
  (void)good;
  return cJSON_CreateNull();
}
static cJSON *negative(const char *key, const cJSON *good) {
  if (is_free_text(key) || cJSON_IsObject(good))
    return NULL;
  return cJSON_IsString(good) ? cJSON_CreateString("-" MARK "us")
                              : cJSON_CreateRaw("-" MARK);
}
/* "2.5us" becomes "0us". */
static cJSON *zero(const char *key, const cJSON *good) {
  if (may_be_zero(key) || is_free_text(key))
    return NULL;
  if (cJSON_IsNumber(good))
    return cJSON_CreateNumber(0);
  if (!cJSON_IsString(good) || !g_ascii_isdigit(good->valuestring[0]))
    return NULL;
  const char *unit = good->valuestring;
  unit += strspn(unit, "0123456789.");
  g_autofree char *text = g_strconcat("0", unit, NULL);
  return cJSON_CreateString(text);
}
static cJSON *overflowing(const char *key, const cJSON *good) {
  if (is_free_text(key) || cJSON_IsObject(good))
    return NULL;
  return cJSON_IsString(good) ? cJSON_CreateString(MARK "e999us")
                              : cJSON_CreateRaw(MARK "e999");
}
static cJSON *without_unit(const char *key, const cJSON *good) {
  return cJSON_IsString(good) && !is_free_text(key) ? cJSON_CreateString(MARK)
                                                    : NULL;
}

static const struct {
  const char *name;
  cJSON *(*make)(const char *key, const cJSON *good); /* NULL: not this key */
} ways[] = {
    {"another type", another_type}, {"null", null_value},
    {"negative", negative},         {"zero", zero},
    {"overflowing", overflowing},   {"without unit", without_unit},
};

static void check_key(cJSON *root, cJSON *parent, const char *key) {
  for (guint i = 0; i < G_N_ELEMENTS(ways); i++) {
    const cJSON *good = cJSON_GetObjectItemCaseSensitive(parent, key);
    cJSON *copy = cJSON_Duplicate(good, TRUE);
    cJSON *bad = ways[i].make(key, good);
    if (bad) {
      g_autofree char *what =
          g_strdup_printf("%s of %s as %s", key, parent->string, ways[i].name);
      cJSON_ReplaceItemInObjectCaseSensitive(parent, key, bad);
      check_tree_refused(root, what);
      cJSON_ReplaceItemInObjectCaseSensitive(parent, key, copy);
    } else {
      cJSON_Delete(copy);
    }
  }
}

static void check_missing(cJSON *root, cJSON *parent, const char *key) {
  g_autofree char *what = g_strdup_printf("%s without %s", parent->string, key);
  g_autoptr(GError) error = NULL;
  cJSON *item = cJSON_DetachItemFromObjectCaseSensitive(parent, key);
  if (may_be_absent(key)) {
    g_autoptr(DspGpu) gpu = load_tree(root, &error);
    DSP_CHECK(gpu != NULL, "%s: %s", what, error ? error->message : "");
  } else if (strcmp(key, "like") != 0) {
    check_tree_refused(root, what);
  }
  cJSON_AddItemToObject(parent, key, item);
}

static void check_duplicate(cJSON *root, cJSON *parent, const char *key) {
  g_autofree char *what = g_strdup_printf("%s twice", key);
  cJSON *copy =
      cJSON_Duplicate(cJSON_GetObjectItemCaseSensitive(parent, key), TRUE);
  cJSON_AddItemToObject(parent, key, copy);
  check_tree_refused(root, what);
  cJSON_Delete(cJSON_DetachItemViaPointer(parent, copy));
}

static void check_unknown(cJSON *root, cJSON *parent) {
  cJSON_AddStringToObject(parent, "sourze", "no such key");
  g_autoptr(GError) error = NULL;
  g_autoptr(DspGpu) gpu = load_tree(root, &error);
  DSP_CHECK(!gpu, "an unknown key in %s is accepted", parent->string);
  DSP_CHECK_ERROR(error, DSP_ERROR_INPUT, "'source'");
  cJSON_DeleteItemFromObject(parent, "sourze");
}

/* All that can be wrong in one object, and in those below it. */
static void check_object(cJSON *root, cJSON *object) {
  g_autoptr(GPtrArray) keys = g_ptr_array_new_with_free_func(g_free);
  cJSON *child;
  cJSON_ArrayForEach(child, object)
      g_ptr_array_add(keys, g_strdup(child->string));
  check_unknown(root, object);
  for (guint i = 0; i < keys->len; i++) {
    const char *key = g_ptr_array_index(keys, i);
    check_key(root, object, key);
    check_missing(root, object, key);
    check_duplicate(root, object, key);
    child = cJSON_GetObjectItemCaseSensitive(object, key);
    if (cJSON_IsObject(child))
      check_object(root, child);
  }
}

static void test_every_key(void) {
  cJSON *root = read_good();
  check_object(root, root);
  g_autoptr(GError) error = NULL;
  g_autoptr(DspGpu) gpu = load_tree(root, &error);
  DSP_CHECK(gpu != NULL, "the tree is whole again: %s",
            error ? error->message : "");
  cJSON_Delete(root);
}

/* --- what no type alone can tell ------------------------------------------ */

static void test_ranges(void) {
  static const struct {
    const char *section, *kernel, *key;
    double value;
  } cases[] = {
      {"gemm", NULL, "e_max", 1.01},
      {"gemm", NULL, "b_dram", 1.5},
      {"gemm", NULL, "q", 1.001},
      {"gemm", NULL, "p", 0.5},
      {"gemm", NULL, "sustained", 0.9},
      {"attention", "fa2", "b", 1.1},
      {"attention", "fa2", "tail", 2},
      {"attention", "fa2", "sides", 1.2},
      {"attention", "fa2", "forward_tensor", 1.1},
      {"attention", "fa2", "backward_p", 0.9},
      {"attention", "fa2", "l2_gain", 0.5},
      {"attention", "fa2", "ragged_math", 0.9},
      {"memory_kernels", "norm", "fused", 1.01},
      {"memory_kernels", "copy", "eager", 1.01},
  };
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    cJSON *root = read_good();
    cJSON *node = cJSON_GetObjectItem(root, cases[i].section);
    if (cases[i].kernel)
      node = cJSON_GetObjectItem(node, cases[i].kernel);
    cJSON_ReplaceItemInObject(node, cases[i].key,
                              cJSON_CreateNumber(cases[i].value));
    check_tree_refused(root, cases[i].key);
    cJSON_Delete(root);
  }
}

static void test_like(void) {
  static const struct {
    const char *like, *message;
  } cases[] = {
      {"h200-sxn", "h200-sxm"},           /* no such GPU: the nearest is told */
      {"h800-sxm", "of its own"},         /* itself like another */
      {"rtx4090", "\"cudnn\" constants"}, /* has none of this kernel */
  };
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(GError) error = NULL;
    cJSON *root = read_good();
    cJSON *cudnn =
        cJSON_GetObjectItem(cJSON_GetObjectItem(root, "attention"), "cudnn");
    cJSON_ReplaceItemInObject(cudnn, "like", cJSON_CreateString(cases[i].like));
    g_autoptr(DspGpu) gpu = load_tree(root, &error);
    DSP_CHECK(!gpu, "like %s is accepted", cases[i].like);
    DSP_CHECK_ERROR(error, DSP_ERROR_INPUT, cases[i].message);
    cJSON_Delete(root);
  }
}

static void test_whole_file(void) {
  static const char *const texts[] = {
      "", "{", "[]", "7", "{\"schema\": \"dspsim.gpu/1\"", "\xff\xfe"};
  for (guint i = 0; i < G_N_ELEMENTS(texts); i++)
    check_refused(texts[i], texts[i]);
  cJSON *root = read_good();
  char *text = cJSON_Print(root);
  for (gsize n = strlen(text) - 1; n > 0; n /= 2) {
    g_autofree char *head = g_strndup(text, n);
    check_refused(head, "a truncated file");
  }
  cJSON_free(text);
  cJSON_ReplaceItemInObject(root, "schema", cJSON_CreateString("dspsim.gpu/2"));
  check_tree_refused(root, "another schema");
  cJSON_Delete(root);
}

static void test_no_file(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(DspGpu) gpu = dsp_gpu_load("h100-sxn", &error);
  DSP_CHECK(!gpu, "no such GPU");
  DSP_CHECK_ERROR(error, DSP_ERROR_USAGE, "h100-sxm");
}

CU_TestInfo gpu_bad_tests[] = {
    {"the good file", test_good},
    {"every key in every way", test_every_key},
    {"numbers out of range", test_ranges},
    {"constants of a GPU that has none", test_like},
    {"whole files", test_whole_file},
    {"a name that is not there", test_no_file},
    CU_TEST_INFO_NULL,
};
