/* SPDX-License-Identifier: Apache-2.0 */
#include "cuda/cases.h"
#include "base/error.h"
#include "base/json.h"
#include "numerics/shrink.h"
#include "schedule/method.h"
#include <math.h>

/* --- a case as it is written -----------------------------------------------
 */

typedef struct {
  char *model, *method, *variant;
  gboolean shrunk;
  int mode, dtype, guidance, recompute, fault;
  int64_t batch, home, zero, seed; /* home: from 1 on, 0: by rule */
  const cJSON *lengths, *degrees;
} Written;

static void written_clear(Written *w) {
  g_free(w->model);
  g_free(w->method);
  g_free(w->variant);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Written, written_clear)

#define FIELD(key, type, flags, names, doc)                                    \
  { #key, DSP_FIELD_##type, G_STRUCT_OFFSET(Written, key), flags, names, doc }

static const Written defaults = {.shrunk = TRUE,
                                 .mode = DSP_MODE_TRAIN,
                                 .dtype = DSP_DTYPE_FP32,
                                 .batch = 1,
                                 .seed = 1};

enum { OPTIONAL = DSP_FIELD_OPTIONAL, ZERO = OPTIONAL | DSP_FIELD_ZERO };

static const DspField fields[] = {
    FIELD(model, STRING, 0, NULL, "file of the model"),
    FIELD(shrunk, BOOL, OPTIONAL, NULL, "whether the model is shrunk"),
    FIELD(lengths, ARRAY, OPTIONAL, NULL, "length of each dimension"),
    FIELD(mode, ENUM, OPTIONAL, dsp_mode_names, "train or infer"),
    FIELD(batch, COUNT, OPTIONAL, NULL, "samples of a replica"),
    FIELD(dtype, ENUM, OPTIONAL, dsp_dtype_names, "type of numbers"),
    FIELD(guidance, ENUM, OPTIONAL, dsp_guidance_names, "guidance"),
    FIELD(method, STRING, 0, NULL, "method of sequence parallelism"),
    FIELD(variant, STRING, OPTIONAL, NULL, "form of the method"),
    FIELD(degrees, ARRAY, 0, NULL, "ranks of each axis"),
    FIELD(home, COUNT, ZERO, NULL, "home dimension, from 1 on"),
    FIELD(recompute, ENUM, OPTIONAL, dsp_recompute_names, "recomputation"),
    FIELD(zero, COUNT, ZERO, NULL, "stage of ZeRO"),
    FIELD(seed, COUNT, ZERO, NULL, "of weights and inputs"),
    FIELD(fault, ENUM, OPTIONAL, dsp_fault_names, "what is wrong"),
    {NULL},
};

/* --- writing ---------------------------------------------------------------
 */

static cJSON *list_of(const int64_t *numbers, guint n) {
  cJSON *list = cJSON_CreateArray();
  for (guint i = 0; i < n; i++)
    cJSON_AddItemToArray(list, cJSON_CreateNumber((double)numbers[i]));
  return list;
}

static cJSON *node_of(const DspCudaCase *c) {
  const DspJob *job = c->job;
  const DspPlan *plan = c->plan;
  cJSON *node = cJSON_CreateObject();
  cJSON_AddStringToObject(node, "model", job->model->file);
  cJSON_AddBoolToObject(node, "shrunk", c->shrunk);
  cJSON_AddItemToObject(node, "lengths",
                        list_of(job->lengths.length, job->model->n_dims));
  cJSON_AddStringToObject(node, "mode", dsp_mode_names[job->mode]);
  cJSON_AddNumberToObject(node, "batch", (double)job->batch);
  cJSON_AddStringToObject(node, "dtype", dsp_dtype_names[job->dtype]);
  cJSON_AddStringToObject(node, "guidance", dsp_guidance_names[job->guidance]);
  cJSON_AddStringToObject(node, "method", plan->method->name);
  cJSON_AddStringToObject(node, "variant",
                          plan->method->variants[plan->variant]);
  cJSON_AddItemToObject(node, "degrees", list_of(plan->degree, DSP_N_AXES));
  cJSON_AddNumberToObject(node, "home", plan->home + 1);
  cJSON_AddStringToObject(node, "recompute",
                          dsp_recompute_names[plan->recompute]);
  cJSON_AddNumberToObject(node, "zero", plan->zero);
  cJSON_AddNumberToObject(node, "seed", (double)c->seed);
  cJSON_AddStringToObject(node, "fault", dsp_fault_names[c->fault]);
  return node;
}

char *dsp_cases_text(const DspCudaCase *cases, guint n) {
  cJSON *root = cJSON_CreateObject();
  cJSON *list = cJSON_AddArrayToObject(root, "cases");
  for (guint i = 0; i < n; i++)
    cJSON_AddItemToArray(list, node_of(&cases[i]));
  char *text = cJSON_Print(root), *copy = g_strdup(text);
  cJSON_free(text);
  cJSON_Delete(root);
  return copy;
}

/* --- reading ---------------------------------------------------------------
 */

static gboolean read_list(const DspJson *json, const cJSON *list,
                          int64_t *numbers, int n, GError **error) {
  const cJSON *item;
  int i = 0;
  if (cJSON_GetArraySize(list) != n)
    return dsp_json_fail(json, list, error, "%d numbers are due here", n);
  cJSON_ArrayForEach(item, list) {
    double x = cJSON_IsNumber(item) ? item->valuedouble : 0;
    if (!(x >= 1) || x > (1 << 30) || floor(x) != x)
      return dsp_json_fail(json, item, error, "a positive number is due here");
    numbers[i++] = (int64_t)x;
  }
  return TRUE;
}

static gboolean read_plan(const DspJson *json, const cJSON *node,
                          const Written *w, DspPlan *plan, GError **error) {
  plan->method = dsp_method_find(w->method);
  if (!plan->method)
    return dsp_json_fail(json, node, error, "no method '%s'", w->method);
  int variant = w->variant ? dsp_method_variant(plan->method, w->variant) : 0;
  if (variant < 0)
    return dsp_json_fail(json, node, error, "no variant '%s'", w->variant);
  plan->variant = (guint)variant;
  plan->home = (int)MIN(w->home, DSP_MAX_DIMS) - 1;
  plan->recompute = (DspRecompute)w->recompute;
  plan->zero = (int)MIN(w->zero, 3);
  return read_list(json, w->degrees, plan->degree, DSP_N_AXES, error);
}

static DspModel *load_model(const Written *w, GError **error) {
  g_autoptr(DspModel) whole = dsp_model_load(w->model, error);
  if (!whole || !w->shrunk)
    return g_steal_pointer(&whole);
  return dsp_model_shrink(whole, error);
}

static gboolean read_case(const DspJson *json, const cJSON *node, DspCase *c,
                          GError **error) {
  g_auto(Written) w = defaults;
  if (!dsp_json_read(json, node, fields, &w, error) ||
      !read_plan(json, node, &w, &c->plan, error))
    return FALSE;
  c->model = load_model(&w, error);
  if (!c->model)
    return FALSE;
  c->job.lengths = dsp_model_default_lengths(c->model);
  if (w.lengths && !read_list(json, w.lengths, c->job.lengths.length,
                              (int)c->model->n_dims, error))
    return FALSE;
  c->seed = (guint64)w.seed;
  c->fault = (DspFault)w.fault;
  c->job.model = c->model;
  c->job.mode = (DspMode)w.mode;
  c->job.batch = w.batch;
  c->job.dtype = (DspDtype)w.dtype;
  c->job.guidance = (DspGuidance)w.guidance;
  return TRUE;
}

static void case_free(gpointer data) {
  DspCase *c = data;
  dsp_model_free(c->model);
  g_free(c);
}

GPtrArray *dsp_cases_load(const char *file, GError **error) {
  static const DspField root[] = {
      {"cases", DSP_FIELD_ARRAY, 0, 0, NULL, "plans to validate"}, {NULL}};
  g_autoptr(DspJson) json = dsp_json_load(file, error);
  g_autoptr(GPtrArray) cases = g_ptr_array_new_with_free_func(case_free);
  const cJSON *list = NULL, *node;
  if (!json || !dsp_json_read(json, dsp_json_root(json), root, &list, error))
    return NULL;
  cJSON_ArrayForEach(node, list) {
    DspCase *c = g_new0(DspCase, 1);
    g_ptr_array_add(cases, c);
    if (!read_case(json, node, c, error))
      return NULL;
  }
  return g_steal_pointer(&cases);
}

/* --- results ---------------------------------------------------------------
 */

#define NUMBER(key)                                                            \
  { #key, G_STRUCT_OFFSET(DspValidation, key) }

static const struct {
  const char *key;
  gsize offset;
} numbers[] = {
    NUMBER(forward_error),  NUMBER(forward_bound), NUMBER(backward_error),
    NUMBER(backward_bound), NUMBER(loss),          NUMBER(reference_loss),
};

cJSON *dsp_validation_node(const DspValidation *v) {
  cJSON *node = cJSON_CreateObject();
  for (guint i = 0; i < G_N_ELEMENTS(numbers); i++)
    cJSON_AddNumberToObject(node, numbers[i].key,
                            G_STRUCT_MEMBER(double, v, numbers[i].offset));
  cJSON_AddBoolToObject(node, "bit_identical", v->bit_identical);
  cJSON_AddBoolToObject(node, "must_be_identical", v->must_be_identical);
  cJSON_AddNumberToObject(node, "declared_bytes", (double)v->declared_bytes);
  cJSON_AddNumberToObject(node, "moved_bytes", (double)v->moved_bytes);
  cJSON_AddBoolToObject(node, "in_order", v->in_order);
  cJSON_AddBoolToObject(node, "updated", v->updated);
  cJSON_AddStringToObject(node, "verdict", dsp_verdict_names[v->verdict]);
  return node;
}

static double number_of(const cJSON *node, const char *key) {
  const cJSON *item = cJSON_GetObjectItemCaseSensitive(node, key);
  return cJSON_IsNumber(item) ? item->valuedouble : NAN;
}

static gboolean is_true(const cJSON *node, const char *key) {
  return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(node, key));
}

gboolean dsp_validation_read(const cJSON *node, DspValidation *v) {
  const cJSON *verdict = cJSON_GetObjectItemCaseSensitive(node, "verdict");
  double declared = number_of(node, "declared_bytes");
  double moved = number_of(node, "moved_bytes");
  if (!cJSON_IsString(verdict) || !(fabs(declared) < 0x1p53) ||
      !(fabs(moved) < 0x1p53))
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS(numbers); i++)
    G_STRUCT_MEMBER(double, v, numbers[i].offset) =
        number_of(node, numbers[i].key);
  v->bit_identical = is_true(node, "bit_identical");
  v->must_be_identical = is_true(node, "must_be_identical");
  v->declared_bytes = (int64_t)declared;
  v->moved_bytes = (int64_t)moved;
  v->in_order = is_true(node, "in_order");
  v->updated = is_true(node, "updated");
  for (int i = 0; dsp_verdict_names[i]; i++)
    if (g_str_equal(dsp_verdict_names[i], verdict->valuestring)) {
      v->verdict = (DspVerdict)i;
      return TRUE;
    }
  return FALSE;
}
