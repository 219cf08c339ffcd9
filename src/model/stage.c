/* SPDX-License-Identifier: Apache-2.0 */
/* Stages and blocks. */
#include "model/read.h"
#include <inttypes.h>

typedef struct {
  char *name, *stream, *with;
  const cJSON *ops;
} StageText;

static void stage_text_clear(StageText *text) {
  g_free(text->name);
  g_free(text->stream);
  g_free(text->with);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(StageText, stage_text_clear)

static const DspField stage_fields[] = {
    {"name", DSP_FIELD_STRING, G_STRUCT_OFFSET(StageText, name), 0, NULL,
     "what reports call it"},
    {"stream", DSP_FIELD_STRING, G_STRUCT_OFFSET(StageText, stream),
     DSP_FIELD_OPTIONAL, NULL, "stream of the residual, if not the first"},
    {"with", DSP_FIELD_STRING, G_STRUCT_OFFSET(StageText, with),
     DSP_FIELD_OPTIONAL, NULL, "stream whose tokens share the weights"},
    {"ops", DSP_FIELD_ARRAY, G_STRUCT_OFFSET(StageText, ops), 0, NULL,
     "operations in order"},
    {NULL},
};

typedef struct {
  char *name;
  int64_t count;
  const cJSON *stages;
} BlockText;

static const DspField block_fields[] = {
    {"name", DSP_FIELD_STRING, G_STRUCT_OFFSET(BlockText, name), 0, NULL,
     "what reports call it"},
    {"count", DSP_FIELD_COUNT, G_STRUCT_OFFSET(BlockText, count), 0, NULL,
     "times it is repeated"},
    {"stages", DSP_FIELD_ARRAY, G_STRUCT_OFFSET(BlockText, stages), 0, NULL,
     "stages in order"},
    {NULL},
};

/* --- tensor parallelism -------------------------------------------------- */

static gboolean is_core(const DspOp *op, int stream) {
  static const gboolean core[DSP_N_OPS] = {
      [DSP_OP_ACTIVATION] = TRUE,      [DSP_OP_ATTENTION] = TRUE,
      [DSP_OP_CROSS_ATTENTION] = TRUE, [DSP_OP_LINEAR_ATTENTION] = TRUE,
      [DSP_OP_TRIANGLE] = TRUE,        [DSP_OP_OUTER_PRODUCT] = TRUE,
  };
  return core[op->kind] && ((int)op->stream == stream || op->joint == stream ||
                            op->source == stream);
}

/* Columns before the stream's first core, rows at the first product after its
 * last; what lies between, follows or has no core is whole on every rank. */
static void set_splits(DspStage *stage, int stream) {
  guint first = stage->n_ops, last = 0;
  gboolean closed = FALSE;
  for (guint i = 0; i < stage->n_ops; i++) {
    if (!is_core(&stage->ops[i], stream))
      continue;
    first = MIN(first, i);
    last = i;
  }
  for (guint i = 0; first < stage->n_ops && i < stage->n_ops; i++) {
    DspOp *op = &stage->ops[i];
    if (op->kind != DSP_OP_LINEAR || (int)op->stream != stream)
      continue;
    gboolean row = i > last && !closed;
    op->tp = i < first ? DSP_TP_COLUMN : row ? DSP_TP_ROW : DSP_TP_NONE;
    closed |= row;
  }
}

/* Streams of one token a sample are too small to be worth it. */
static void set_all_splits(const DspModel *model, DspStage *stage) {
  for (guint i = 0; i < model->n_streams; i++)
    if (model->streams[i].n_dims > 0)
      set_splits(stage, (int)i);
}

/* --- stages -------------------------------------------------------------- */

static gboolean read_ops(DspStageReader *reader, const cJSON *array,
                         GError **error) {
  DspStage *stage = reader->stage;
  const cJSON *node;
  stage->ops = g_new0(DspOp, (gsize)cJSON_GetArraySize(array));
  cJSON_ArrayForEach(node, array) {
    if (!dsp_read_op(reader, node, &stage->ops[stage->n_ops], error))
      return FALSE;
    stage->over |= stage->ops[stage->n_ops++].over;
  }
  if (stage->n_ops == 0)
    return dsp_json_fail(reader->model->json, array, error,
                         "a stage needs at least one operation");
  return TRUE;
}

static gboolean place_ops(DspStageReader *reader, GError **error) {
  const DspModel *model = reader->model;
  for (guint i = 0; i < model->n_streams; i++)
    reader->width[i] = model->streams[i].width;
  for (guint i = 0; i < reader->stage->n_ops; i++)
    if (!dsp_place_op(reader, &reader->stage->ops[i], error))
      return FALSE;
  return TRUE;
}

/* The stage's own streams must leave as wide as they are; those of one token a
 * sample end where they are used. */
static gboolean check_end(const DspStageReader *reader, GError **error) {
  const DspModel *model = reader->model;
  const int streams[] = {(int)reader->stage->stream, reader->with};
  for (guint i = 0; i < G_N_ELEMENTS(streams) && streams[i] >= 0; i++) {
    const DspStream *stream = &model->streams[streams[i]];
    const int64_t width = reader->width[streams[i]];
    if (stream->n_dims > 0 && width != stream->width)
      return dsp_json_fail(
          model->json, reader->node, error,
          "stage '%s' leaves stream '%s' %" PRId64 " columns wide, not %" PRId64
          ": a projection is missing",
          reader->stage->name, stream->name, width, stream->width);
  }
  return TRUE;
}

static gboolean read_stream_key(const DspModel *model, const cJSON *node,
                                const char *key, const char *name, int *index,
                                GError **error) {
  if (!name)
    return TRUE;
  *index = dsp_read_stream_name(
      model, cJSON_GetObjectItemCaseSensitive(node, key), name, error);
  return *index >= 0;
}

static gboolean read_stage_streams(DspStageReader *reader,
                                   const StageText *text, GError **error) {
  const DspModel *model = reader->model;
  int stream = 0;
  if (!read_stream_key(model, reader->node, "stream", text->stream, &stream,
                       error) ||
      !read_stream_key(model, reader->node, "with", text->with, &reader->with,
                       error))
    return FALSE;
  reader->stage->stream = (guint)stream;
  if (reader->with == stream)
    return dsp_json_fail(model->json, reader->node, error,
                         "stream '%s' cannot share weights with itself",
                         model->streams[stream].name);
  return TRUE;
}

static gboolean read_stage(DspModel *model, const cJSON *node, DspPart part,
                           DspStage *stage, GError **error) {
  DspStageReader reader = {
      .model = model, .stage = stage, .node = node, .with = -1};
  g_auto(StageText) text = {0};
  if (!dsp_json_read(model->json, node, stage_fields, &text, error))
    return FALSE;
  stage->name = g_steal_pointer(&text.name);
  if (!read_stage_streams(&reader, &text, error) ||
      !read_ops(&reader, text.ops, error) || !place_ops(&reader, error))
    return FALSE;
  if (part == DSP_PART_TRUNK)
    set_all_splits(model, stage);
  return part == DSP_PART_AFTER || check_end(&reader, error);
}

static void stage_clear(DspStage *stage) {
  for (guint i = 0; i < stage->n_ops; i++)
    dsp_op_clear(&stage->ops[i]);
  g_free(stage->ops);
  g_free(stage->name);
}

/* --- blocks -------------------------------------------------------------- */

gboolean dsp_read_stages(DspModel *model, const cJSON *array, DspPart part,
                         DspBlock *block, GError **error) {
  const cJSON *node;
  block->stages = g_new0(DspStage, (gsize)cJSON_GetArraySize(array));
  cJSON_ArrayForEach(node, array) {
    if (!read_stage(model, node, part, &block->stages[block->n_stages++],
                    error))
      return FALSE;
  }
  return TRUE;
}

gboolean dsp_read_block(DspModel *model, const cJSON *node, DspBlock *block,
                        GError **error) {
  BlockText text = {0};
  const gboolean ok =
      dsp_json_read(model->json, node, block_fields, &text, error);
  block->name = text.name;
  block->count = text.count;
  if (!ok)
    return FALSE;
  if (cJSON_GetArraySize(text.stages) == 0)
    return dsp_json_fail(model->json, text.stages, error,
                         "a block needs at least one stage");
  return dsp_read_stages(model, text.stages, DSP_PART_TRUNK, block, error);
}

void dsp_block_clear(DspBlock *block) {
  for (guint i = 0; i < block->n_stages; i++)
    stage_clear(&block->stages[i]);
  g_free(block->stages);
  g_free(block->name);
}
