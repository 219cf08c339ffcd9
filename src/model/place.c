/* SPDX-License-Identifier: Apache-2.0 */
/* How widths flow through the operations of a stage, and the parameters that
 * follow from them. */
#include "base/units.h"
#include "model/read.h"
#include <inttypes.h>

typedef gboolean (*Place)(DspStageReader *reader, DspOp *op, GError **error);

static gboolean fail_key(const DspStageReader *reader, const DspOp *op,
                         const char *key, GError **error, const char *message) {
  const cJSON *item = cJSON_GetObjectItemCaseSensitive(op->node, key);
  return dsp_json_fail(reader->model->json, item ? item : op->node, error, "%s",
                       message);
}

static gboolean fail_width(const DspStageReader *reader, const DspOp *op,
                           guint stream, int64_t need, GError **error) {
  return dsp_json_fail(reader->model->json, op->node, error,
                       "%s takes %" PRId64
                       " columns, but stream '%s' has %" PRId64 " here",
                       op->name, need, reader->model->streams[stream].name,
                       reader->width[stream]);
}

/* All streams that `op` writes are `width` wide from here on. */
static void leave(DspStageReader *reader, const DspOp *op, int64_t width) {
  const int streams[] = {(int)op->stream, op->shared_with, op->joint};
  for (guint i = 0; i < G_N_ELEMENTS(streams); i++) {
    if (streams[i] < 0)
      continue;
    reader->width[streams[i]] = width;
    reader->begun[streams[i]] = TRUE;
  }
}

/* The first operation on a stream in a stage may say how wide its input is. */
static gboolean enter(DspStageReader *reader, const DspOp *op, GError **error) {
  if (!op->in || op->in == reader->width[op->stream])
    return TRUE;
  if (reader->begun[op->stream])
    return fail_width(reader, op, op->stream, op->in, error);
  reader->width[op->stream] = op->in;
  return TRUE;
}

static gboolean place_pointwise(DspStageReader *reader, DspOp *op,
                                GError **error) {
  const int64_t width = reader->width[op->stream];
  if (op->beside >= width)
    return fail_key(reader, op, "beside", error,
                    "'beside' leaves no column to work on");
  op->in = op->out = width - op->beside;
  leave(reader, op, width);
  return TRUE;
}

static gboolean place_norm(DspStageReader *reader, DspOp *op, GError **error) {
  if (!enter(reader, op, error) || !place_pointwise(reader, op, error))
    return FALSE;
  op->parameters = op->affine ? op->in * (op->rms ? 1 : 2) : 0;
  return TRUE;
}

static gboolean place_activation(DspStageReader *reader, DspOp *op,
                                 GError **error) {
  if (!place_pointwise(reader, op, error))
    return FALSE;
  if (!op->gated)
    return TRUE;
  if (op->in % 2 != 0)
    return fail_key(reader, op, "function", error,
                    "a gated function needs an even number of columns");
  op->out = op->in / 2;
  leave(reader, op, op->out + op->beside);
  return TRUE;
}

static gboolean place_residual(DspStageReader *reader, DspOp *op,
                               GError **error) {
  const int streams[] = {(int)op->stream, op->shared_with};
  for (guint i = 0; i < G_N_ELEMENTS(streams) && streams[i] >= 0; i++) {
    const int64_t width = reader->model->streams[streams[i]].width;
    if (reader->width[streams[i]] != width)
      return fail_width(reader, op, (guint)streams[i], width, error);
  }
  return place_pointwise(reader, op, error);
}

static gboolean place_linear(DspStageReader *reader, DspOp *op,
                             GError **error) {
  if (!enter(reader, op, error))
    return FALSE;
  op->in = reader->width[op->stream];
  if (op->calls > op->out)
    return fail_key(reader, op, "calls", error,
                    "'calls' must not exceed 'out'");
  if (!dsp_mul_int64(op->in, op->out, &op->parameters) ||
      !dsp_add_int64(op->parameters, op->bias ? op->out : 0, &op->parameters))
    return fail_key(reader, op, "out", error,
                    "more parameters than can be counted");
  if (op->tied)
    op->parameters = 0;
  leave(reader, op, op->out);
  return TRUE;
}

static gboolean place_attention(DspStageReader *reader, DspOp *op,
                                GError **error) {
  const int streams[] = {(int)op->stream, op->joint};
  op->in = (op->heads + 2 * op->kv_heads) * op->head_dim;
  op->out = op->heads * op->head_dim;
  const int64_t width = op->in + op->beside;
  for (guint i = 0; i < G_N_ELEMENTS(streams) && streams[i] >= 0; i++)
    if (reader->width[streams[i]] != width)
      return fail_width(reader, op, (guint)streams[i], width, error);
  leave(reader, op, op->out + op->beside);
  return TRUE;
}

static gboolean place_cross_attention(DspStageReader *reader, DspOp *op,
                                      GError **error) {
  const int64_t keys = 2 * op->kv_heads * op->head_dim;
  op->in = op->out = op->heads * op->head_dim;
  if (reader->width[op->stream] != op->in)
    return fail_width(reader, op, op->stream, op->in, error);
  if (reader->width[op->source] != keys)
    return fail_width(reader, op, (guint)op->source, keys, error);
  leave(reader, op, op->out);
  return TRUE;
}

/* The attention of the stage whose queries and keys `op` works on, or NULL. */
static const DspOp *attention_of(const DspStageReader *reader,
                                 const DspOp *op) {
  for (guint i = 0; i < reader->stage->n_ops; i++) {
    const DspOp *other = &reader->stage->ops[i];
    if ((other->kind == DSP_OP_ATTENTION ||
         other->kind == DSP_OP_LINEAR_ATTENTION) &&
        (other->stream == op->stream || other->joint == (int)op->stream))
      return other;
  }
  return NULL;
}

static gboolean place_qk(DspStageReader *reader, DspOp *op, GError **error) {
  const DspOp *attention = attention_of(reader, op);
  if (!attention)
    return fail_key(reader, op, "op", error,
                    "needs an attention of the same stream in this stage");
  op->heads = attention->heads;
  op->kv_heads = attention->kv_heads;
  op->head_dim = attention->head_dim;
  op->in = op->out = (op->heads + op->kv_heads) * op->head_dim;
  if (reader->width[op->stream] < op->in)
    return fail_width(reader, op, op->stream, op->in, error);
  op->beside = reader->width[op->stream] - op->in;
  leave(reader, op, reader->width[op->stream]);
  if (op->affine)
    op->parameters =
        (op->across_heads ? op->in : 2 * op->head_dim) * (op->rms ? 1 : 2);
  return TRUE;
}

static gboolean place_triangle(DspStageReader *reader, DspOp *op,
                               GError **error) {
  op->in = reader->width[op->stream];
  if (op->in % 2 != 0)
    return fail_key(reader, op, "op", error,
                    "needs an even number of columns: both factors");
  op->out = op->in / 2;
  leave(reader, op, op->out);
  return TRUE;
}

static gboolean place_outer_product(DspStageReader *reader, DspOp *op,
                                    GError **error) {
  op->in = reader->width[op->source];
  if (op->in % 2 != 0)
    return fail_key(reader, op, "from", error,
                    "needs an even number of columns: both factors");
  if (!dsp_mul_int64(op->in / 2, op->in / 2, &op->out) ||
      op->out > DSP_MAX_WIDTH)
    return fail_key(reader, op, "from", error, "its factors are too wide");
  leave(reader, op, op->out);
  return TRUE;
}

static gboolean place_parameters(DspStageReader *reader, DspOp *op,
                                 GError **error) {
  (void)reader, (void)op, (void)error;
  return TRUE;
}

static const Place places[DSP_N_OPS] = {
    [DSP_OP_NORM] = place_norm,
    [DSP_OP_MODULATE] = place_pointwise,
    [DSP_OP_QK_NORM] = place_qk,
    [DSP_OP_ROPE] = place_qk,
    [DSP_OP_ACTIVATION] = place_activation,
    [DSP_OP_RESIDUAL] = place_residual,
    [DSP_OP_LINEAR] = place_linear,
    [DSP_OP_ATTENTION] = place_attention,
    [DSP_OP_CROSS_ATTENTION] = place_cross_attention,
    [DSP_OP_LINEAR_ATTENTION] = place_attention,
    [DSP_OP_TRIANGLE] = place_triangle,
    [DSP_OP_OUTER_PRODUCT] = place_outer_product,
    [DSP_OP_PARAMETERS] = place_parameters,
};

gboolean dsp_place_op(DspStageReader *reader, DspOp *op, GError **error) {
  const int shared = op->shared_with;
  if (shared >= 0 && reader->width[shared] != reader->width[op->stream])
    return fail_width(reader, op, (guint)shared, reader->width[op->stream],
                      error);
  return places[op->kind](reader, op, error);
}
