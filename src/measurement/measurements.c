/* SPDX-License-Identifier: Apache-2.0 */
#include "measurement/measurements.h"
#include "measurement/point.h"
#include <string.h>

#define SCHEMA "dspsim.measurements/1"

const char *const dsp_measured_names[] = {
    "collective",      "gemm", "attention", "memory", "step",
    "attention_layer", NULL};
const char *const dsp_trust_names[] = {"healthy", "suspect", "faulty", NULL};
const char *const dsp_outside_names[] = {"vae", "text_encoder", "offload",
                                         "optimizer", NULL};

/* --- points -------------------------------------------------------------- */

/* Frees what the fields have allocated. */
static void point_clear(gpointer data) {
  DspPoint *point = data;
  const DspField *f = dsp_point_kinds[point->kind].fields;
  for (; f->key; f++)
    if (f->type == DSP_FIELD_STRING && f->offset < sizeof *point)
      g_free(G_STRUCT_MEMBER(char *, point, f->offset));
  if (point->kind == DSP_MEASURED_STEP)
    for (guint i = 0; i < point->step.n_dims; i++)
      g_free(point->step.dims[i].name);
}

/* Which of the tables reads the point. */
static gboolean find_kind(const DspJson *json, const cJSON *node,
                          DspMeasuredKind *kind, GError **error) {
  const cJSON *item = cJSON_GetObjectItemCaseSensitive(node, "kind");
  const char *name = cJSON_GetStringValue(item);
  for (int i = 0; name && i < DSP_N_MEASURED; i++)
    if (strcmp(dsp_measured_names[i], name) == 0) {
      *kind = (DspMeasuredKind)i;
      return TRUE;
    }
  g_autofree char *all = g_strjoinv(", ", (char **)dsp_measured_names);
  const char *near = name ? dsp_nearest_name(name, dsp_measured_names) : NULL;
  if (near)
    return dsp_json_fail(json, item, error, "no kind '%s', did you mean '%s'?",
                         name, near);
  return dsp_json_fail(json, item ? item : node, error,
                       "a point needs a 'kind', one of %s", all);
}

/* Names of models and machines; a path would open any file of the reader's. */
static gboolean check_names(const DspJson *json, const cJSON *node,
                            GError **error) {
  static const char *const keys[] = {"cluster", "gpu", "model"};
  for (guint i = 0; i < G_N_ELEMENTS(keys); i++) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(node, keys[i]);
    const char *name = cJSON_GetStringValue(item);
    if (name && (strchr(name, '/') || g_str_has_suffix(name, ".json")))
      return dsp_json_fail(json, item, error, "'%s' must be a name, not a path",
                           keys[i]);
  }
  return TRUE;
}

static gboolean check_id(const DspJson *json, const cJSON *node,
                         const DspPoint *point, GHashTable *ids,
                         GError **error) {
  return g_hash_table_add(ids, point->id) ||
         dsp_json_fail(json, cJSON_GetObjectItemCaseSensitive(node, "id"),
                       error, "another point has the id '%s'", point->id);
}

static gboolean read_point(DspMeasurements *m, const DspJson *json,
                           const cJSON *node, GHashTable *ids, GError **error) {
  DspMeasuredKind kind = DSP_N_MEASURED;
  if (!find_kind(json, node, &kind, error))
    return FALSE;
  const DspPointKind *how = &dsp_point_kinds[kind];
  DspPointText text = {.point = how->defaults};
  text.point.kind = kind;
  gboolean read = dsp_json_read(json, node, how->fields, &text, error) &&
                  check_names(json, node, error) &&
                  how->finish(&text, json, node, error);
  g_free(text.kind);
  g_array_append_val(m->points, text.point);
  return read && check_id(json, node, &text.point, ids, error);
}

/* --- the file ------------------------------------------------------------ */

typedef struct {
  char *schema, *title, *source, *licence;
  const cJSON *points;
} Document;

static void document_clear(Document *document) {
  g_free(document->schema);
  g_free(document->title);
  g_free(document->source);
  g_free(document->licence);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Document, document_clear)

#define FIELD(key, type, doc)                                                  \
  { #key, DSP_FIELD_##type, G_STRUCT_OFFSET(Document, key), 0, NULL, doc }

static const DspField fields[] = {
    FIELD(schema, STRING, "\"" SCHEMA "\""),
    FIELD(title, STRING, "one line"),
    FIELD(source, STRING, "where it was published"),
    FIELD(licence, STRING, "of the data"),
    FIELD(points, ARRAY, "what was measured"),
    {NULL},
};

static gboolean read_points(DspMeasurements *m, const DspJson *json,
                            const cJSON *array, GError **error) {
  g_autoptr(GHashTable) ids = g_hash_table_new(g_str_hash, g_str_equal);
  const cJSON *node;
  cJSON_ArrayForEach(node, array) {
    if (!read_point(m, json, node, ids, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean read_document(DspMeasurements *m, const DspJson *json,
                              GError **error) {
  g_auto(Document) document = {0};
  const cJSON *root = dsp_json_root(json);
  if (!dsp_json_read(json, root, fields, &document, error))
    return FALSE;
  if (strcmp(document.schema, SCHEMA) != 0)
    return dsp_json_fail(json, cJSON_GetObjectItemCaseSensitive(root, "schema"),
                         error, "'schema' must be '" SCHEMA "', not '%s'",
                         document.schema);
  m->title = g_steal_pointer(&document.title);
  m->source = g_steal_pointer(&document.source);
  m->licence = g_steal_pointer(&document.licence);
  return read_points(m, json, document.points, error);
}

DspMeasurements *dsp_measurements_read(const DspJson *json, GError **error) {
  g_autoptr(DspMeasurements) m = g_new0(DspMeasurements, 1);
  m->file = g_strdup(dsp_json_name(json));
  m->sha256 = g_strdup(dsp_json_sha256(json));
  m->points = g_array_new(FALSE, FALSE, sizeof(DspPoint));
  g_array_set_clear_func(m->points, point_clear);
  return read_document(m, json, error) ? g_steal_pointer(&m) : NULL;
}

DspMeasurements *dsp_measurements_load(const char *file, GError **error) {
  g_autoptr(DspJson) json = dsp_json_load(file, error);
  return json ? dsp_measurements_read(json, error) : NULL;
}

void dsp_measurements_free(DspMeasurements *m) {
  if (!m)
    return;
  g_array_unref(m->points);
  g_free(m->file);
  g_free(m->sha256);
  g_free(m->title);
  g_free(m->source);
  g_free(m->licence);
  g_free(m);
}

/* --- what points have in common ------------------------------------------ */

const char *dsp_point_cluster(const DspPoint *p) {
  const char *const names[DSP_N_MEASURED] = {
      [DSP_MEASURED_COLLECTIVE] = p->collective.cluster,
      [DSP_MEASURED_STEP] = p->step.cluster,
      [DSP_MEASURED_LAYER] = p->layer.cluster,
  };
  return names[p->kind];
}

const char *dsp_point_gpu(const DspPoint *p) {
  const char *const names[DSP_N_MEASURED] = {
      [DSP_MEASURED_GEMM] = p->gemm.gpu,
      [DSP_MEASURED_ATTENTION] = p->attention.gpu,
      [DSP_MEASURED_MEMORY] = p->memory.gpu,
  };
  return names[p->kind];
}

const DspMeasuredPlan *dsp_point_plan(const DspPoint *p) {
  if (p->kind == DSP_MEASURED_STEP)
    return &p->step.plan;
  return p->kind == DSP_MEASURED_LAYER ? &p->layer.plan : NULL;
}

double dsp_point_seconds(const DspPoint *p, double value) {
  if (p->kind != DSP_MEASURED_STEP)
    return 1e-6 * value;
  return p->step.metric == DSP_METRIC_SAMPLES ? 1 / value : value;
}
