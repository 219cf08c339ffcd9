/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json-private.h"
#include "base/units.h"
#include <math.h>
#include <string.h>

#define MAX_COUNT 0x1p53 /* up to here a JSON number is an exact integer */

typedef struct Kind Kind;

/* A field being read from `node` into `member` of a record. */
typedef struct {
  const DspJson *json;
  const cJSON *node;
  const DspField *field;
  const Kind *kind; /* of the field */
  gpointer member;
} Reading;

struct Kind {
  int type;         /* of the cJSON node */
  const char *what; /* for "'key' must be ..." */
  gboolean (*read)(const Reading *r, GError **error);
  gboolean (*parse)(const char *text, double *value, GError **error);
};

static const char *type_name(const cJSON *node) {
  switch (node->type & 0xff) {
  case cJSON_Object:
    return "an object";
  case cJSON_Array:
    return "an array";
  case cJSON_String:
    return "a string";
  case cJSON_Number:
    return "a number";
  case cJSON_NULL:
    return "null";
  default:
    return "true or false";
  }
}

static gboolean is_type(const cJSON *node, int type) {
  return (node->type & type & 0xff) != 0;
}

static gboolean check_range(const Reading *r, double value, GError **error) {
  const guint flags = r->field->flags;
  const char *key = r->field->key;
  if (value > 0 || (flags & DSP_FIELD_NEGATIVE))
    return TRUE;
  if (value == 0 && (flags & DSP_FIELD_ZERO))
    return TRUE;
  return dsp_json_fail(r->json, r->node, error, "'%s' must %s", key,
                       flags & DSP_FIELD_ZERO ? "not be negative"
                                              : "be greater than zero");
}

static gboolean read_string(const Reading *r, GError **error) {
  const char *text = r->node->valuestring;
  if (!*text)
    return dsp_json_fail(r->json, r->node, error, "'%s' must not be empty",
                         r->field->key);
  *(char **)r->member = g_strdup(text);
  return TRUE;
}

static gboolean read_enum(const Reading *r, GError **error) {
  const char *const *names = r->field->values;
  const char *text = r->node->valuestring;
  for (int i = 0; names[i]; i++)
    if (strcmp(names[i], text) == 0) {
      *(int *)r->member = i;
      return TRUE;
    }
  g_autofree char *all = g_strjoinv(", ", (char **)names);
  return dsp_json_fail(r->json, r->node, error,
                       "'%s' must be one of %s, not '%s'", r->field->key, all,
                       text);
}

static gboolean read_bool(const Reading *r, GError **error) {
  (void)error;
  *(gboolean *)r->member = cJSON_IsTrue(r->node);
  return TRUE;
}

static gboolean read_count(const Reading *r, GError **error) {
  const double value = r->node->valuedouble;
  if (value != floor(value) || fabs(value) > MAX_COUNT)
    return dsp_json_fail(r->json, r->node, error,
                         "'%s' must be a whole number of at most 2^53",
                         r->field->key);
  if (!check_range(r, value, error))
    return FALSE;
  *(int64_t *)r->member = (int64_t)value;
  return TRUE;
}

static gboolean read_number(const Reading *r, GError **error) {
  const double value = r->node->valuedouble;
  if (!check_range(r, value, error))
    return FALSE;
  *(double *)r->member = value;
  return TRUE;
}

static gboolean fail_quantity(const Reading *r, const GError *cause,
                              GError **error) {
  return dsp_json_fail(r->json, r->node, error, "'%s': %s", r->field->key,
                       cause->message);
}

static gboolean read_size(const Reading *r, GError **error) {
  g_autoptr(GError) cause = NULL;
  int64_t bytes;
  if (!dsp_parse_size(r->node->valuestring, DSP_UNITS_FILE, &bytes, &cause))
    return fail_quantity(r, cause, error);
  if (!check_range(r, (double)bytes, error))
    return FALSE;
  *(int64_t *)r->member = bytes;
  return TRUE;
}

static gboolean read_quantity(const Reading *r, GError **error) {
  g_autoptr(GError) cause = NULL;
  double value;
  if (!r->kind->parse(r->node->valuestring, &value, &cause))
    return fail_quantity(r, cause, error);
  if (!check_range(r, value, error))
    return FALSE;
  *(double *)r->member = value;
  return TRUE;
}

static gboolean read_node(const Reading *r, GError **error) {
  (void)error;
  *(const cJSON **)r->member = r->node;
  return TRUE;
}

static const Kind kinds[] = {
    [DSP_FIELD_STRING] = {cJSON_String, "a string", read_string, NULL},
    [DSP_FIELD_ENUM] = {cJSON_String, "a string", read_enum, NULL},
    [DSP_FIELD_BOOL] = {cJSON_True | cJSON_False, "true or false", read_bool,
                        NULL},
    [DSP_FIELD_COUNT] = {cJSON_Number, "a whole number", read_count, NULL},
    [DSP_FIELD_NUMBER] = {cJSON_Number, "a number", read_number, NULL},
    [DSP_FIELD_SIZE] = {cJSON_String, "a size such as \"80GiB\"", read_size,
                        NULL},
    [DSP_FIELD_RATE] = {cJSON_String, "a rate such as \"450GB/s\"",
                        read_quantity, dsp_parse_rate},
    [DSP_FIELD_TIME] = {cJSON_String, "a time such as \"3.4us\"", read_quantity,
                        dsp_parse_time},
    [DSP_FIELD_FLOPS] = {cJSON_String, "a compute rate such as \"989.4TFLOPS\"",
                         read_quantity, dsp_parse_flops},
    [DSP_FIELD_OBJECT] = {cJSON_Object, "an object", read_node, NULL},
    [DSP_FIELD_ARRAY] = {cJSON_Array, "an array", read_node, NULL},
};

/* Provenance, allowed in every object; "value" in a scalar's own. */
static const struct {
  const char *key;
  int type;
  const char *what;
} provenance[] = {{"source", cJSON_String, "a string"},
                  {"note", cJSON_String, "a string"},
                  {"estimate", cJSON_True | cJSON_False, "true or false"}};

static gboolean is_provenance(const char *key) {
  for (guint i = 0; i < G_N_ELEMENTS(provenance); i++)
    if (strcmp(key, provenance[i].key) == 0)
      return TRUE;
  return FALSE;
}

static gboolean check_provenance(const DspJson *json, const cJSON *object,
                                 GError **error) {
  for (guint i = 0; i < G_N_ELEMENTS(provenance); i++) {
    const char *key = provenance[i].key;
    const cJSON *node = cJSON_GetObjectItemCaseSensitive(object, key);
    if (node && !is_type(node, provenance[i].type))
      return dsp_json_fail(json, node, error, "'%s' must be %s, not %s", key,
                           provenance[i].what, type_name(node));
  }
  return TRUE;
}

static const DspField *find_field(const DspField *fields, const char *key) {
  for (; fields->key; fields++)
    if (strcmp(fields->key, key) == 0)
      return fields;
  return NULL;
}

static gboolean fail_unknown(const DspJson *json, const cJSON *member,
                             const DspField *fields, GError **error) {
  g_autoptr(GPtrArray) names = g_ptr_array_new();
  for (const DspField *f = fields; f->key; f++)
    g_ptr_array_add(names, (gpointer)f->key);
  for (guint i = 0; i < G_N_ELEMENTS(provenance); i++)
    g_ptr_array_add(names, (gpointer)provenance[i].key);
  g_ptr_array_add(names, NULL);
  const char *near =
      dsp_nearest_name(member->string, (const char *const *)names->pdata);
  if (near)
    return dsp_json_fail_key(json, member, error,
                             "unknown key '%s', did you mean '%s'?",
                             member->string, near);
  g_autofree char *all = g_strjoinv(", ", (char **)names->pdata);
  return dsp_json_fail_key(json, member, error,
                           "unknown key '%s', must be one of %s",
                           member->string, all);
}

/* Every member is a field or provenance, and no required field is missing. */
static gboolean check_members(const DspJson *json, const cJSON *object,
                              const DspField *fields, GError **error) {
  const cJSON *member;
  cJSON_ArrayForEach(member, object) {
    if (!find_field(fields, member->string) && !is_provenance(member->string))
      return fail_unknown(json, member, fields, error);
  }
  for (const DspField *f = fields; f->key; f++)
    if (!(f->flags & DSP_FIELD_OPTIONAL) &&
        !cJSON_GetObjectItemCaseSensitive(object, f->key))
      return dsp_json_fail(json, object, error, "missing key '%s'%s%s%s",
                           f->key, f->doc ? " (" : "", f->doc ? f->doc : "",
                           f->doc ? ")" : "");
  return check_provenance(json, object, error);
}

/* The value of {"value": ..., "source": ...}, or NULL on error. */
static const cJSON *unwrap(const DspJson *json, const cJSON *node,
                           GError **error) {
  static const DspField fields[] = {{.key = "value"}, {.key = NULL}};
  if (!check_members(json, node, fields, error))
    return NULL;
  return cJSON_GetObjectItemCaseSensitive(node, "value");
}

static gboolean read_field(const DspJson *json, const cJSON *node,
                           const DspField *field, gpointer record,
                           GError **error) {
  const Kind *kind = &kinds[field->type];
  if (!is_type(node, kind->type) &&
      cJSON_GetObjectItemCaseSensitive(node, "value"))
    node = unwrap(json, node, error);
  if (!node)
    return FALSE;
  if (!is_type(node, kind->type))
    return dsp_json_fail(json, node, error, "'%s' must be %s, not %s",
                         field->key, kind->what, type_name(node));
  const Reading r = {json, node, field, kind,
                     G_STRUCT_MEMBER_P(record, field->offset)};
  return kind->read(&r, error);
}

gboolean dsp_json_read(const DspJson *json, const cJSON *node,
                       const DspField *fields, gpointer record,
                       GError **error) {
  if (!cJSON_IsObject(node))
    return dsp_json_fail(json, node, error, "must be an object, not %s",
                         type_name(node));
  if (!check_members(json, node, fields, error))
    return FALSE;
  for (const DspField *f = fields; f->key; f++) {
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(node, f->key);
    if (member && !read_field(json, member, f, record, error))
      return FALSE;
  }
  return TRUE;
}
