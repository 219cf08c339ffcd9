/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a model, its dimensions and streams, and freeing it. */
#include "model/model.h"
#include "base/error.h"
#include "base/paths.h"
#include "base/units.h"
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

/* --- names --------------------------------------------------------------- */

int dsp_model_dim(const DspModel *model, const char *name) {
  for (guint i = 0; i < model->n_dims; i++)
    if (strcmp(model->dims[i].name, name) == 0)
      return (int)i;
  return -1;
}

int dsp_model_stream(const DspModel *model, const char *name) {
  for (guint i = 0; i < model->n_streams; i++)
    if (strcmp(model->streams[i].name, name) == 0)
      return (int)i;
  return -1;
}

static gboolean fail_name(const DspModel *model, const cJSON *node,
                          const char *what, const char *name,
                          const char *const *names, GError **error) {
  g_autofree char *all = g_strjoinv(", ", (char **)names);
  return dsp_json_fail(model->json, node, error,
                       "there is no %s '%s', must be one of %s", what, name,
                       all);
}

int dsp_read_dim_name(const DspModel *model, const cJSON *node,
                      const char *name, GError **error) {
  const int index = dsp_model_dim(model, name);
  const char *names[DSP_MAX_DIMS + 1] = {NULL};
  for (guint i = 0; i < model->n_dims; i++)
    names[i] = model->dims[i].name;
  if (index < 0)
    fail_name(model, node, "dimension", name, names, error);
  return index;
}

int dsp_read_stream_name(const DspModel *model, const cJSON *node,
                         const char *name, GError **error) {
  const int index = dsp_model_stream(model, name);
  const char *names[DSP_MAX_STREAMS + 1] = {NULL};
  for (guint i = 0; i < model->n_streams; i++)
    names[i] = model->streams[i].name;
  if (index < 0)
    fail_name(model, node, "stream", name, names, error);
  return index;
}

gboolean dsp_read_dim_list(const DspModel *model, const cJSON *array,
                           guint dims[DSP_MAX_DIMS], guint *n_dims,
                           GError **error) {
  const cJSON *node;
  DspDimSet seen = 0;
  *n_dims = 0;
  cJSON_ArrayForEach(node, array) {
    if (!cJSON_IsString(node))
      return dsp_json_fail(model->json, node, error,
                           "must be the name of a dimension");
    const int dim = dsp_read_dim_name(model, node, node->valuestring, error);
    if (dim < 0)
      return FALSE;
    if (seen & 1u << dim)
      return dsp_json_fail(model->json, node, error,
                           "dimension '%s' is named twice", node->valuestring);
    seen |= 1u << dim;
    dims[(*n_dims)++] = (guint)dim;
  }
  return TRUE;
}

/* --- dimensions and streams ---------------------------------------------- */

typedef struct {
  char *meaning, *same_as;
  int64_t length;
} DimText;

static const DspField dim_fields[] = {
    FIELD(DimText, meaning, STRING, 0, "what it counts"),
    FIELD(DimText, length, COUNT, OPTIONAL, "default number of tokens"),
    FIELD(DimText, same_as, STRING, OPTIONAL, "dimension that it equals"),
    {NULL},
};

static gboolean settle_dim(const DspModel *model, const cJSON *node,
                           const DimText *text, DspDim *dim, GError **error) {
  if (!text->length == !text->same_as)
    return dsp_json_fail(model->json, node, error,
                         "dimension '%s' needs either 'length' or 'same_as'",
                         dim->name);
  dim->length = text->length;
  if (!text->same_as)
    return TRUE;
  const cJSON *item = cJSON_GetObjectItemCaseSensitive(node, "same_as");
  const int other = dsp_read_dim_name(model, item, text->same_as, error);
  if (other < 0)
    return FALSE;
  if (model->dims[other].same_as >= 0)
    return dsp_json_fail(model->json, item, error,
                         "'%s' itself equals another dimension: name that one",
                         text->same_as);
  dim->same_as = other;
  dim->length = model->dims[other].length;
  return TRUE;
}

static gboolean read_dim(DspModel *model, const cJSON *node, GError **error) {
  DspDim *dim = &model->dims[model->n_dims];
  DimText text = {0};
  gboolean ok = dsp_json_read(model->json, node, dim_fields, &text, error);
  dim->name = g_strdup(node->string);
  dim->meaning = text.meaning;
  dim->same_as = -1;
  ok = ok && settle_dim(model, node, &text, dim, error);
  model->n_dims++; /* from here on the model frees what the dimension has */
  g_free(text.same_as);
  return ok;
}

typedef struct {
  const cJSON *dims;
  int64_t width;
  gboolean sharded;
} StreamText;

static const DspField stream_fields[] = {
    FIELD(StreamText, dims, ARRAY, 0, "its dimensions, outermost first"),
    FIELD(StreamText, width, COUNT, 0, "columns of a token"),
    FIELD(StreamText, sharded, BOOL, OPTIONAL, "may be sequence-sharded"),
    {NULL},
};

static gboolean read_stream(DspModel *model, const cJSON *node,
                            GError **error) {
  DspStream *stream = &model->streams[model->n_streams];
  StreamText text = {.sharded = TRUE};
  if (!dsp_json_read(model->json, node, stream_fields, &text, error) ||
      !dsp_read_dim_list(model, text.dims, stream->dims, &stream->n_dims,
                         error))
    return FALSE;
  stream->name = g_strdup(node->string);
  stream->width = text.width;
  stream->sharded = text.sharded && stream->n_dims > 0;
  model->n_streams++;
  if (model->n_streams == 1 && !stream->sharded)
    return dsp_json_fail(model->json, node, error,
                         "the first stream is the main one: it needs "
                         "dimensions and must be sharded");
  return TRUE;
}

/* So that `--dim NAME=LENGTH` can be read. */
static gboolean check_word(const DspModel *model, const cJSON *node,
                           GError **error) {
  const char *name = node->string;
  gboolean ok = g_ascii_isalpha(*name);
  for (; *name; name++)
    ok = ok && (g_ascii_isalnum(*name) || *name == '_');
  return ok || dsp_json_fail(model->json, node, error,
                             "name '%s' must be a letter followed by letters, "
                             "digits or '_'",
                             node->string);
}

/* Reads each member of `object`, at least one and at most `max`, by `read`. */
typedef gboolean (*ReadMember)(DspModel *model, const cJSON *node,
                               GError **error);
static gboolean read_members(DspModel *model, const cJSON *object,
                             const char *what, int max, ReadMember read,
                             GError **error) {
  const cJSON *node;
  const int n = cJSON_GetArraySize(object);
  if (n < 1 || n > max)
    return dsp_json_fail(model->json, object, error,
                         "%d %s given, must be 1 to %d", n, what, max);
  cJSON_ArrayForEach(node, object) {
    if (!check_word(model, node, error) || !read(model, node, error))
      return FALSE;
  }
  return TRUE;
}

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
  return read_members(model, text->dims, "dimensions", DSP_MAX_DIMS, read_dim,
                      error) &&
         read_members(model, text->streams, "streams", DSP_MAX_STREAMS,
                      read_stream, error) &&
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
