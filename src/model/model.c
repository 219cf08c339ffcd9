/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a whole model, and freeing it. */
#include "model/model.h"
#include "base/paths.h"
#include "model/read.h"
#include <string.h>

#define SCHEMA "dspsim.model/1"

/* A model as the file spells it. */
typedef struct {
  char *schema, *title, *source, *home, *text;
  const cJSON *dims, *streams, *input, *before, *blocks, *after, *sampling,
      *published;
} ModelText;

static void model_text_clear(ModelText *text) {
  g_free(text->schema);
  g_free(text->title);
  g_free(text->source);
  g_free(text->home);
  g_free(text->text);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ModelText, model_text_clear)

#define FIELD(record, key, type, flags, doc)                                   \
  { #key, DSP_FIELD_##type, G_STRUCT_OFFSET(record, key), flags, NULL, doc }
#define OPTIONAL DSP_FIELD_OPTIONAL

static const DspField model_fields[] = {
    FIELD(ModelText, schema, STRING, 0, "\"" SCHEMA "\""),
    FIELD(ModelText, title, STRING, 0, "one line"),
    FIELD(ModelText, source, STRING, 0, "where the numbers come from"),
    FIELD(ModelText, home, STRING, OPTIONAL, "the authors' home shard"),
    FIELD(ModelText, text, STRING, OPTIONAL, "dimension of text tokens"),
    FIELD(ModelText, dims, OBJECT, 0, "dimensions by name"),
    FIELD(ModelText, streams, OBJECT, 0, "streams by name, the main one first"),
    FIELD(ModelText, input, OBJECT, OPTIONAL, "pixels to lengths"),
    FIELD(ModelText, before, ARRAY, OPTIONAL, "stages before the trunk"),
    FIELD(ModelText, blocks, ARRAY, 0, "blocks of the trunk"),
    FIELD(ModelText, after, ARRAY, OPTIONAL, "stages after the trunk"),
    FIELD(ModelText, sampling, OBJECT, OPTIONAL, "how it is sampled"),
    FIELD(ModelText, published, OBJECT, OPTIONAL, "what its authors state"),
    {NULL},
};

static gboolean read_dim_key(const DspModel *model, const char *key,
                             const char *name, int *dim, GError **error) {
  *dim = -1;
  if (!name)
    return TRUE;
  *dim = dsp_read_dim_name(
      model, cJSON_GetObjectItemCaseSensitive(dsp_json_root(model->json), key),
      name, error);
  return *dim >= 0;
}

static gboolean check_home(const DspModel *model, GError **error) {
  const DspStream *main = &model->streams[0];
  if (model->home_dim < 0)
    return TRUE;
  for (guint i = 0; i < main->n_dims; i++)
    if ((int)main->dims[i] == model->home_dim)
      return TRUE;
  return dsp_json_fail(
      model->json,
      cJSON_GetObjectItemCaseSensitive(dsp_json_root(model->json), "home"),
      error, "stream '%s' has no dimension '%s'", main->name,
      model->dims[model->home_dim].name);
}

/* --- sampling and published figures -------------------------------------- */

static const DspField sampling_fields[] = {
    {"evaluations", DSP_FIELD_COUNT, G_STRUCT_OFFSET(DspModel, evaluations), 0,
     NULL, "sampling steps"},
    {"guidance", DSP_FIELD_COUNT, G_STRUCT_OFFSET(DspModel, guidance),
     DSP_FIELD_OPTIONAL, NULL, "forward passes of a sampling step"},
    {NULL},
};

static const DspField published_fields[] = {
    {"parameters", DSP_FIELD_COUNT,
     G_STRUCT_OFFSET(DspModel, published_parameters), 0, NULL,
     "trainable numbers"},
    {"within", DSP_FIELD_COUNT, G_STRUCT_OFFSET(DspModel, published_within),
     DSP_FIELD_OPTIONAL | DSP_FIELD_ZERO, NULL, "half of its last digit"},
    {NULL},
};

static gboolean read_figures(DspModel *model, const ModelText *text,
                             GError **error) {
  model->guidance = 1;
  if (text->sampling && !dsp_json_read(model->json, text->sampling,
                                       sampling_fields, model, error))
    return FALSE;
  if (model->guidance > 2)
    return dsp_json_fail(
        model->json,
        cJSON_GetObjectItemCaseSensitive(text->sampling, "guidance"), error,
        "'guidance' must be 1 or 2 forward passes");
  return !text->published || dsp_json_read(model->json, text->published,
                                           published_fields, model, error);
}

/* --- the whole ----------------------------------------------------------- */

static gboolean read_part(DspModel *model, const cJSON *array, const char *name,
                          DspPart part, DspBlock *block, GError **error) {
  block->name = g_strdup(name);
  block->count = 1;
  return !array || dsp_read_stages(model, array, part, block, error);
}

static gboolean read_blocks(DspModel *model, const cJSON *array,
                            GError **error) {
  const cJSON *node;
  const int n = cJSON_GetArraySize(array);
  if (n == 0)
    return dsp_json_fail(model->json, array, error,
                         "a model needs at least one block");
  model->blocks = g_new0(DspBlock, (gsize)n);
  cJSON_ArrayForEach(node, array) {
    if (!dsp_read_block(model, node, &model->blocks[model->n_blocks++], error))
      return FALSE;
  }
  return TRUE;
}

static gboolean read_shape(DspModel *model, const ModelText *text,
                           GError **error) {
  return dsp_read_shape(model, text->dims, text->streams, error) &&
         read_dim_key(model, "home", text->home, &model->home_dim, error) &&
         read_dim_key(model, "text", text->text, &model->text_dim, error) &&
         check_home(model, error) &&
         (!text->input || dsp_read_input(model, text->input, error));
}

static gboolean read_parts(DspModel *model, const ModelText *text,
                           GError **error) {
  return read_part(model, text->before, "before", DSP_PART_BEFORE,
                   &model->before, error) &&
         read_blocks(model, text->blocks, error) &&
         read_part(model, text->after, "after", DSP_PART_AFTER, &model->after,
                   error);
}

/* Width and heads of the main stream's first attention, for reports. */
static void set_heads(DspModel *model) {
  const DspBlock *block;
  model->hidden = model->streams[0].width;
  for (guint i = 0; (block = dsp_model_part(model, i)); i++)
    for (guint j = 0; j < block->n_stages; j++)
      for (guint k = 0; k < block->stages[j].n_ops && !model->heads; k++)
        if (block->stages[j].ops[k].stream == 0)
          model->heads = block->stages[j].ops[k].heads;
}

/* What no single key can tell: that all sums and products fit. */
static gboolean check_size(const DspModel *model, GError **error) {
  g_autoptr(GError) cause = NULL;
  const DspLengths lengths = dsp_model_default_lengths(model);
  if (dsp_model_parameters(model) < 0)
    return dsp_json_fail(model->json, dsp_json_root(model->json), error,
                         "the model has more parameters than can be counted");
  if (!dsp_check_lengths(model, &lengths, &cause))
    return dsp_json_fail(model->json, dsp_json_root(model->json), error, "%s",
                         cause->message);
  return TRUE;
}

static gboolean read_model(DspModel *model, GError **error) {
  g_auto(ModelText) text = {0};
  const cJSON *root = dsp_json_root(model->json);
  if (!dsp_json_read(model->json, root, model_fields, &text, error))
    return FALSE;
  if (strcmp(text.schema, SCHEMA) != 0)
    return dsp_json_fail(
        model->json, cJSON_GetObjectItemCaseSensitive(root, "schema"), error,
        "'schema' must be '" SCHEMA "', not '%s'", text.schema);
  model->title = g_steal_pointer(&text.title);
  model->source = g_steal_pointer(&text.source);
  if (!read_shape(model, &text, error) || !read_parts(model, &text, error) ||
      !read_figures(model, &text, error))
    return FALSE;
  set_heads(model);
  return check_size(model, error);
}

static char *name_of(const char *path) {
  g_autofree char *base = g_path_get_basename(path);
  if (g_str_has_suffix(base, ".json"))
    base[strlen(base) - strlen(".json")] = '\0';
  return g_steal_pointer(&base);
}

DspModel *dsp_model_load(const char *name, GError **error) {
  g_autofree char *path = dsp_find_data("models", name, error);
  if (!path)
    return NULL;
  DspJson *json = dsp_json_load(path, error);
  if (!json)
    return NULL;
  g_autoptr(DspModel) model = g_new0(DspModel, 1);
  model->json = json;
  model->name = name_of(path);
  model->file = g_steal_pointer(&path);
  model->sha256 = g_strdup(dsp_json_sha256(json));
  return read_model(model, error) ? g_steal_pointer(&model) : NULL;
}

void dsp_model_free(DspModel *model) {
  if (!model)
    return;
  for (guint i = 0; i < model->n_dims; i++) {
    g_free(model->dims[i].name);
    g_free(model->dims[i].meaning);
  }
  for (guint i = 0; i < model->n_streams; i++)
    g_free(model->streams[i].name);
  for (guint i = 0; i < model->n_blocks; i++)
    dsp_block_clear(&model->blocks[i]);
  g_free(model->blocks);
  dsp_block_clear(&model->before);
  dsp_block_clear(&model->after);
  g_free(model->name);
  g_free(model->title);
  g_free(model->file);
  g_free(model->sha256);
  g_free(model->source);
  dsp_json_free(model->json);
  g_free(model);
}

const DspBlock *dsp_model_part(const DspModel *model, guint i) {
  if (i == 0)
    return &model->before;
  if (i <= model->n_blocks)
    return &model->blocks[i - 1];
  return i == model->n_blocks + 1 ? &model->after : NULL;
}
