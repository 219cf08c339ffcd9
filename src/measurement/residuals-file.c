/* SPDX-License-Identifier: Apache-2.0 */
/* Residuals as files: {"schema": "dspsim.residuals/1", "title": ..., "classes":
 * {"gemm_short": {"points": 3722, "subjects": 7, "common": 0.08, "quantiles":
 * [-0.16, ...]}, ...}}, all classes, each with as many quantiles. */
#include "base/error.h"
#include "base/paths.h"
#include "measurement/residuals.h"
#include "measurement/write-json.h"
#include <math.h>
#include <string.h>

#define FOLDER "hwprofiles/residuals"
#define SCHEMA "dspsim.residuals/1"

/* --- reading ------------------------------------------------------------- */

typedef struct {
  char *schema, *title;
  const cJSON *classes;
} File;

static void file_clear(File *file) {
  g_free(file->schema);
  g_free(file->title);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(File, file_clear)

#define AT(type, member) G_STRUCT_OFFSET(type, member)

static const DspField root_fields[] = {
    {"schema", DSP_FIELD_STRING, AT(File, schema), 0, NULL, "\"" SCHEMA "\""},
    {"title", DSP_FIELD_STRING, AT(File, title), 0, NULL, "one line"},
    {"classes", DSP_FIELD_OBJECT, AT(File, classes), 0, NULL,
     "errors by class"},
    {NULL}};

typedef struct {
  DspResidualClass class;
  const cJSON *quantiles;
} ClassFile;

static const DspField class_fields[] = {
    {"points", DSP_FIELD_COUNT, AT(ClassFile, class.points), DSP_FIELD_ZERO,
     NULL, "errors that these are the quantiles of"},
    {"subjects", DSP_FIELD_COUNT, AT(ClassFile, class.subjects), DSP_FIELD_ZERO,
     NULL, "machines, or models of steps, that they are of"},
    {"common", DSP_FIELD_NUMBER, AT(ClassFile, class.common), DSP_FIELD_ZERO,
     NULL, "share of their variance that is the subject's, at most 1"},
    {"quantiles", DSP_FIELD_ARRAY, AT(ClassFile, quantiles), 0, NULL,
     "of log(measured / predicted)"},
    {NULL}};

static gboolean read_quantiles(const DspJson *json, const cJSON *array,
                               double *quantiles, GError **error) {
  const double most = 10;
  guint n = 0;
  const cJSON *item;
  cJSON_ArrayForEach(item, array) {
    if (n == DSP_RESIDUAL_QUANTILES || !cJSON_IsNumber(item) ||
        fabs(item->valuedouble) > most ||
        (n && item->valuedouble < quantiles[n - 1]))
      return dsp_json_fail(json, item, error,
                           "must be one of %d numbers from -%g to %g, none "
                           "below the one before",
                           DSP_RESIDUAL_QUANTILES, most, most);
    quantiles[n++] = item->valuedouble;
  }
  return n == DSP_RESIDUAL_QUANTILES ||
         dsp_json_fail(json, array, error, "must be %d numbers",
                       DSP_RESIDUAL_QUANTILES);
}

static gboolean read_class(const DspJson *json, const cJSON *node,
                           DspResidualClass *class, GError **error) {
  ClassFile file = {.class = *class};
  if (!dsp_json_read(json, node, class_fields, &file, error))
    return FALSE;
  if (file.class.common > 1)
    return dsp_json_fail(json, cJSON_GetObjectItemCaseSensitive(node, "common"),
                         error, "'common' must be from 0 to 1");
  *class = file.class;
  return read_quantiles(json, file.quantiles, class->quantiles, error);
}

static gboolean read_classes(const DspJson *json, const cJSON *classes,
                             DspResiduals *residuals, GError **error) {
  const cJSON *nodes[DSP_N_ERRORS];
  DspField fields[DSP_N_ERRORS + 1] = {0};
  for (guint i = 0; i < DSP_N_ERRORS; i++)
    fields[i] = (DspField){.key = dsp_errors_names[i],
                           .type = DSP_FIELD_OBJECT,
                           .offset = i * sizeof nodes[0],
                           .doc = "errors of one class"};
  if (!dsp_json_read(json, classes, fields, nodes, error))
    return FALSE;
  for (guint i = 0; i < DSP_N_ERRORS; i++) {
    residuals->classes[i].with = (DspErrors)i;
    if (!read_class(json, nodes[i], &residuals->classes[i], error))
      return FALSE;
  }
  return TRUE;
}

DspResiduals *dsp_residuals_load(const char *name, GError **error) {
  g_autofree char *path = dsp_find_data(FOLDER, name, error);
  g_autoptr(DspJson) json = path ? dsp_json_load(path, error) : NULL;
  g_auto(File) file = {0};
  if (!json ||
      !dsp_json_read(json, dsp_json_root(json), root_fields, &file, error))
    return NULL;
  const cJSON *schema =
      cJSON_GetObjectItemCaseSensitive(dsp_json_root(json), "schema");
  if (strcmp(file.schema, SCHEMA) != 0) {
    dsp_json_fail(json, schema, error, "'schema' must be '%s'", SCHEMA);
    return NULL;
  }
  g_autofree DspResiduals *residuals = g_new0(DspResiduals, 1);
  g_strlcpy(residuals->sha256, dsp_json_sha256(json), sizeof residuals->sha256);
  return read_classes(json, file.classes, residuals, error)
             ? g_steal_pointer(&residuals)
             : NULL;
}

/* --- writing ------------------------------------------------------------- */

/* Four digits are far below what quantiles of a few hundred errors tell. */
static double rounded(double value) {
  const double digits = 1e4;
  return round(value * digits) / digits;
}

static cJSON *class_node(DspErrors errors, const DspResidualClass *class) {
  cJSON *node = cJSON_CreateObject();
  if (class->with != errors) {
    g_autofree char *note =
        g_strdup_printf("few: with those of %s", dsp_errors_names[class->with]);
    cJSON_AddStringToObject(node, "note", note);
  }
  cJSON_AddNumberToObject(node, "points", (double)class->points);
  cJSON_AddNumberToObject(node, "subjects", (double)class->subjects);
  cJSON_AddNumberToObject(node, "common", rounded(class->common));
  cJSON *quantiles = cJSON_AddArrayToObject(node, "quantiles");
  for (guint i = 0; i < DSP_RESIDUAL_QUANTILES; i++)
    cJSON_AddItemToArray(quantiles,
                         cJSON_CreateNumber(rounded(class->quantiles[i])));
  return node;
}

gboolean dsp_residuals_write(const DspResiduals *residuals,
                             const GPtrArray *files, const char *file,
                             GError **error) {
  g_autofree char *names = dsp_write_names(files, TRUE);
  g_autofree char *source =
      g_strdup_printf("dspsim score --residuals: %s", names);
  cJSON *root = cJSON_CreateObject();
  cJSON_AddStringToObject(root, "schema", SCHEMA);
  cJSON_AddStringToObject(root, "title", "What predictions are off by");
  cJSON_AddStringToObject(root, "source", source);
  cJSON *classes = cJSON_AddObjectToObject(root, "classes");
  for (DspErrors i = 0; i < DSP_N_ERRORS; i++)
    cJSON_AddItemToObject(classes, dsp_errors_names[i],
                          class_node(i, &residuals->classes[i]));
  const gboolean written = dsp_write_json(file, root, error);
  cJSON_Delete(root);
  return written;
}
