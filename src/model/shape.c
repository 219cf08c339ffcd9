/* SPDX-License-Identifier: Apache-2.0 */
/* Names, dimensions and streams. */
#include "model/read.h"
#include <string.h>

#define FIELD(record, key, type, flags, doc)                                   \
  { #key, DSP_FIELD_##type, G_STRUCT_OFFSET(record, key), flags, NULL, doc }
#define OPTIONAL DSP_FIELD_OPTIONAL

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

gboolean dsp_read_shape(DspModel *model, const cJSON *dims,
                        const cJSON *streams, GError **error) {
  return read_members(model, dims, "dimensions", DSP_MAX_DIMS, read_dim,
                      error) &&
         read_members(model, streams, "streams", DSP_MAX_STREAMS, read_stream,
                      error);
}
