/* SPDX-License-Identifier: Apache-2.0 */
/* Operations as the file spells them: which keys each kind takes. */
#include "base/units.h"
#include "model/read.h"
#include <inttypes.h>
#include <string.h>

const char *const dsp_op_names[] = {
    [DSP_OP_NORM] = "norm",
    [DSP_OP_MODULATE] = "modulate",
    [DSP_OP_QK_NORM] = "qk_norm",
    [DSP_OP_ROPE] = "rope",
    [DSP_OP_ACTIVATION] = "activation",
    [DSP_OP_RESIDUAL] = "residual",
    [DSP_OP_LINEAR] = "linear",
    [DSP_OP_ATTENTION] = "attention",
    [DSP_OP_CROSS_ATTENTION] = "cross_attention",
    [DSP_OP_LINEAR_ATTENTION] = "linear_attention",
    [DSP_OP_TRIANGLE] = "triangle",
    [DSP_OP_OUTER_PRODUCT] = "outer_product",
    [DSP_OP_PARAMETERS] = "parameters",
    [DSP_N_OPS] = NULL,
};

/* In the order of DspFunction. */
static const char *const functions[] = {"gelu", "silu",   "relu",  "sigmoid",
                                        "glu",  "swiglu", "geglu", NULL};

/* What absent keys mean. */
#define NO_OP                                                                  \
  { .joint = -1, .source = -1, .shared_with = -1, .window = 1, .calls = 1 }

/* An operation as the file spells it. */
typedef struct {
  DspOp op;
  char *on, *from, *joint;
  const cJSON *over;
  int function;
} OpText;

static void op_text_clear(OpText *text) {
  g_free(text->on);
  g_free(text->from);
  g_free(text->joint);
  dsp_op_clear(&text->op);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(OpText, op_text_clear)

#define FIELD(key, type, member, flags, doc)                                   \
  { key, DSP_FIELD_##type, G_STRUCT_OFFSET(OpText, member), flags, NULL, doc }
#define OPTIONAL DSP_FIELD_OPTIONAL
#define COMMON                                                                 \
  {"op", DSP_FIELD_ENUM, G_STRUCT_OFFSET(OpText, op.kind),                     \
   0,    dsp_op_names,   "what it does"},                                      \
      FIELD("name", STRING, op.name, OPTIONAL, "what reports call it"),        \
      FIELD("on", STRING, on, OPTIONAL, "stream, if not the stage's")
#define BESIDE                                                                 \
  FIELD("beside", COUNT, op.beside, OPTIONAL, "columns that pass untouched")
#define OVER FIELD("over", ARRAY, over, 0, "dimensions that it mixes")
#define HEADS                                                                  \
  FIELD("heads", COUNT, op.heads, 0, "query heads"),                           \
      FIELD("head_dim", COUNT, op.head_dim, 0, "width of a head")
#define KV_HEADS                                                               \
  FIELD("kv_heads", COUNT, op.kv_heads, OPTIONAL, "key and value heads")
#define GLOBAL                                                                 \
  FIELD("global", BOOL, op.global, OPTIONAL, "an operand must be gathered")
#define IN                                                                     \
  FIELD("in", COUNT, op.in, OPTIONAL, "width of an input that is no stream's")
#define NORM_FIELDS                                                            \
  FIELD("rms", BOOL, op.rms, OPTIONAL, "RMS rather than layer norm"),          \
      FIELD("affine", BOOL, op.affine, OPTIONAL, "trainable scale and shift")
#define FP32                                                                   \
  FIELD("fp32", BOOL, op.fp32, OPTIONAL, "cast to fp32 before, and back after")
#define MASKED                                                                 \
  FIELD("masked", BOOL, op.masked, OPTIONAL,                                   \
        "computed with two sets of vectors, of which each frame takes one")
#define END                                                                    \
  { NULL }

static const DspField norm_fields[] = {COMMON, NORM_FIELDS, FP32,
                                       IN,     BESIDE,      END};
static const DspField rope_fields[] = {COMMON, FP32, END};
static const DspField modulate_fields[] = {COMMON, MASKED, END};
static const DspField qk_norm_fields[] = {
    COMMON, NORM_FIELDS,
    FIELD("across_heads", BOOL, op.across_heads, OPTIONAL,
          "one norm over all heads rather than one a head"),
    END};
static const DspField activation_fields[] = {
    COMMON,
    {"function", DSP_FIELD_ENUM, G_STRUCT_OFFSET(OpText, function), 0,
     functions, "which nonlinearity"},
    BESIDE,
    END};
static const DspField residual_fields[] = {
    COMMON,
    FIELD("gate", BOOL, op.gate, OPTIONAL, "a gate multiplies the branch"),
    MASKED, END};
static const DspField linear_fields[] = {
    COMMON,
    IN,
    FIELD("out", COUNT, op.out, 0, "width of the output"),
    FIELD("bias", BOOL, op.bias, OPTIONAL, "adds a trainable vector"),
    FIELD("tied", BOOL, op.tied, OPTIONAL, "weights of another operation"),
    FIELD("calls", COUNT, op.calls, OPTIONAL, "kernels that make the output"),
    GLOBAL,
    END};
static const DspField attention_fields[] = {
    COMMON,
    OVER,
    HEADS,
    KV_HEADS,
    BESIDE,
    GLOBAL,
    FIELD("window", COUNT, op.window, OPTIONAL,
          "tokens of other dimensions in each sequence"),
    FIELD("causal", BOOL, op.causal, OPTIONAL, "no token sees a later one"),
    FIELD("joint", STRING, joint, OPTIONAL, "stream whose tokens join"),
    END};
static const DspField cross_attention_fields[] = {
    COMMON, FIELD("from", STRING, from, 0, "stream of keys and values"), HEADS,
    KV_HEADS, END};
static const DspField linear_attention_fields[] = {COMMON, OVER, HEADS, END};
static const DspField triangle_fields[] = {COMMON, OVER, END};
static const DspField outer_product_fields[] = {
    COMMON, OVER, FIELD("from", STRING, from, 0, "stream of both factors"),
    END};
static const DspField parameters_fields[] = {
    COMMON, FIELD("count", COUNT, op.parameters, 0, "trainable numbers"), END};

/* --- reading ------------------------------------------------------------ */

static const cJSON *key_of(const DspOp *op, const char *key) {
  const cJSON *item = cJSON_GetObjectItemCaseSensitive(op->node, key);
  return item ? item : op->node;
}

/* `name`, where the key is given, to *index. */
static gboolean read_stream(const DspModel *model, const DspOp *op,
                            const char *key, const char *name, int *index,
                            GError **error) {
  if (!name)
    return TRUE;
  *index = dsp_read_stream_name(model, key_of(op, key), name, error);
  return *index >= 0;
}

static gboolean read_streams(const DspStageReader *reader, const OpText *text,
                             DspOp *op, GError **error) {
  const DspModel *model = reader->model;
  int on = (int)reader->stage->stream;
  if (!read_stream(model, op, "on", text->on, &on, error) ||
      !read_stream(model, op, "joint", text->joint, &op->joint, error) ||
      !read_stream(model, op, "from", text->from, &op->source, error))
    return FALSE;
  op->stream = (guint)on;
  if (op->joint >= 0 && reader->with >= 0)
    return dsp_json_fail(model->json, key_of(op, "joint"), error,
                         "the stage's 'with' says who joins: leave out "
                         "'joint'");
  if (op->joint == on)
    return dsp_json_fail(model->json, key_of(op, "joint"), error,
                         "stream '%s' cannot join itself", text->joint);
  if (op->source == on)
    return dsp_json_fail(model->json, key_of(op, "from"), error,
                         "'from' must be another stream than '%s'", text->from);
  return TRUE;
}

static gboolean stream_has(const DspStream *stream, guint dim) {
  for (guint i = 0; i < stream->n_dims; i++)
    if (stream->dims[i] == dim)
      return TRUE;
  return FALSE;
}

/* The stream whose dimensions `over` names: an outer product sums over one of
 * its factors'. */
static guint mixed_stream(const DspOp *op) {
  return op->kind == DSP_OP_OUTER_PRODUCT ? (guint)op->source : op->stream;
}

static gboolean read_over(const DspModel *model, const OpText *text, DspOp *op,
                          GError **error) {
  if (!text->over)
    return TRUE;
  const DspStream *stream = &model->streams[mixed_stream(op)];
  guint dims[DSP_MAX_DIMS], n_dims = 0;
  if (!dsp_read_dim_list(model, text->over, dims, &n_dims, error))
    return FALSE;
  if (!n_dims)
    return dsp_json_fail(model->json, text->over, error,
                         "'over' must name at least one dimension");
  for (guint i = 0; i < n_dims; i++) {
    if (!stream_has(stream, dims[i]))
      return dsp_json_fail(model->json, text->over, error,
                           "stream '%s' has no dimension '%s'", stream->name,
                           model->dims[dims[i]].name);
    op->over |= 1u << dims[i];
  }
  return TRUE;
}

static gboolean check_heads(const DspModel *model, const DspOp *op,
                            GError **error) {
  int64_t heads, width;
  if (!op->heads)
    return TRUE;
  if (op->heads % op->kv_heads != 0)
    return dsp_json_fail(model->json, key_of(op, "kv_heads"), error,
                         "%" PRId64 " heads cannot share %" PRId64
                         " key heads evenly: 'kv_heads' must "
                         "divide 'heads'",
                         op->heads, op->kv_heads);
  if (!dsp_mul_int64(op->kv_heads, 2, &heads) ||
      !dsp_add_int64(heads, op->heads, &heads) ||
      !dsp_mul_int64(heads, op->head_dim, &width) || width > DSP_MAX_WIDTH)
    return dsp_json_fail(model->json, key_of(op, "heads"), error,
                         "heads times head_dim is too large");
  return TRUE;
}

static const DspField *const fields_of[DSP_N_OPS] = {
    [DSP_OP_NORM] = norm_fields,
    [DSP_OP_MODULATE] = modulate_fields,
    [DSP_OP_QK_NORM] = qk_norm_fields,
    [DSP_OP_ROPE] = rope_fields,
    [DSP_OP_ACTIVATION] = activation_fields,
    [DSP_OP_RESIDUAL] = residual_fields,
    [DSP_OP_LINEAR] = linear_fields,
    [DSP_OP_ATTENTION] = attention_fields,
    [DSP_OP_CROSS_ATTENTION] = cross_attention_fields,
    [DSP_OP_LINEAR_ATTENTION] = linear_attention_fields,
    [DSP_OP_TRIANGLE] = triangle_fields,
    [DSP_OP_OUTER_PRODUCT] = outer_product_fields,
    [DSP_OP_PARAMETERS] = parameters_fields,
};

static gboolean read_kind(const DspJson *json, const cJSON *node,
                          DspOpKind *kind, GError **error) {
  if (!cJSON_IsObject(node))
    return dsp_json_fail(json, node, error,
                         "must be an operation, as {\"op\": \"norm\"}");
  const cJSON *item = cJSON_GetObjectItemCaseSensitive(node, "op");
  if (!cJSON_IsString(item))
    return dsp_json_fail(json, item ? item : node, error,
                         "'op' must name an operation, as 'linear'");
  for (int i = 0; i < DSP_N_OPS; i++) {
    if (strcmp(item->valuestring, dsp_op_names[i]) == 0) {
      *kind = (DspOpKind)i;
      return TRUE;
    }
  }
  const char *nearest = dsp_nearest_name(item->valuestring, dsp_op_names);
  return dsp_json_fail(json, item, error, "unknown operation '%s'%s%s%s",
                       item->valuestring, nearest ? ", did you mean '" : "",
                       nearest ? nearest : "", nearest ? "'?" : "");
}

/* What the keys of every kind come to, in the operation itself. */
static void settle(const DspStageReader *reader, const OpText *text,
                   DspOp *op) {
  if (!op->name)
    op->name = g_strdup(dsp_op_names[op->kind]);
  if (!op->kv_heads)
    op->kv_heads = op->heads;
  op->function = (DspFunction)text->function;
  op->gated = op->kind == DSP_OP_ACTIVATION && op->function >= DSP_GLU;
  op->global |= op->kind == DSP_OP_TRIANGLE || op->kind == DSP_OP_OUTER_PRODUCT;
  op->shared_with = text->on ? -1 : reader->with;
  if (op->kind == DSP_OP_ATTENTION && op->shared_with >= 0)
    op->joint = op->shared_with;
}

gboolean dsp_read_op(DspStageReader *reader, const cJSON *node, DspOp *op,
                     GError **error) {
  const DspModel *model = reader->model;
  g_auto(OpText) text = {.op = NO_OP};
  DspOpKind kind = DSP_OP_NORM;
  if (!read_kind(model->json, node, &kind, error) ||
      !dsp_json_read(model->json, node, fields_of[kind], &text, error))
    return FALSE;
  text.op.node = node;
  if (!read_streams(reader, &text, &text.op, error))
    return FALSE;
  settle(reader, &text, &text.op);
  if (!read_over(model, &text, &text.op, error) ||
      !check_heads(model, &text.op, error))
    return FALSE;
  *op = text.op;
  text.op.name = NULL;
  return TRUE;
}

void dsp_op_clear(DspOp *op) {
  g_clear_pointer(&op->name, g_free);
}
