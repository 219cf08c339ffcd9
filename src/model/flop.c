/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens, parameters and FLOP. */
#include "base/units.h"
#include "model/model.h"

static DspDimSet dims_of(const DspStream *stream) {
  DspDimSet set = 0;
  for (guint i = 0; i < stream->n_dims; i++)
    set |= 1u << stream->dims[i];
  return set;
}

static int64_t tokens_along(DspDimSet dims, const DspLengths *lengths) {
  int64_t tokens = 1;
  for (guint i = 0; i < DSP_MAX_DIMS; i++)
    if (dims & 1u << i)
      tokens *= lengths->length[i];
  return tokens;
}

int64_t dsp_stream_tokens(const DspModel *model, guint stream,
                          const DspLengths *lengths) {
  return tokens_along(dims_of(&model->streams[stream]), lengths);
}

int64_t dsp_op_tokens(const DspModel *model, const DspOp *op,
                      const DspLengths *lengths) {
  int64_t tokens = dsp_stream_tokens(model, op->stream, lengths);
  if (op->shared_with >= 0)
    tokens += dsp_stream_tokens(model, (guint)op->shared_with, lengths);
  return tokens;
}

/* One sequence for each token along the dimensions that are not mixed, or for
 * each window of them; joint tokens that run along those belong to one
 * sequence each. */
static DspMixing mixing_of_attention(const DspModel *model, const DspOp *op,
                                     const DspLengths *lengths) {
  const DspDimSet batch = dims_of(&model->streams[op->stream]) & ~op->over;
  const int64_t others = tokens_along(batch, lengths);
  const int64_t window = MIN(op->window, others);
  int64_t n = tokens_along(op->over, lengths) * window;
  if (op->joint >= 0)
    n += tokens_along(dims_of(&model->streams[op->joint]) & ~batch, lengths);
  return (DspMixing){(others + window - 1) / window, n, n};
}

/* Every token of the stream sees all of the source's along the dimensions
 * that the two do not share. */
static DspMixing mixing_of_source(const DspModel *model, const DspOp *op,
                                  const DspLengths *lengths) {
  const DspDimSet queries = dims_of(&model->streams[op->stream]);
  const DspDimSet keys = dims_of(&model->streams[op->source]);
  return (DspMixing){tokens_along(queries & keys, lengths),
                     tokens_along(queries & ~keys, lengths),
                     tokens_along(keys & ~queries, lengths)};
}

DspMixing dsp_op_mixing(const DspModel *model, const DspOp *op,
                        const DspLengths *lengths) {
  switch (op->kind) {
  case DSP_OP_ATTENTION:
  case DSP_OP_LINEAR_ATTENTION:
    return mixing_of_attention(model, op, lengths);
  case DSP_OP_CROSS_ATTENTION:
    return mixing_of_source(model, op, lengths);
  default:
    return (DspMixing){1, dsp_stream_tokens(model, op->stream, lengths),
                       tokens_along(op->over, lengths)};
  }
}

double dsp_op_flop(const DspModel *model, const DspOp *op,
                   const DspLengths *lengths) {
  const DspMixing mix = dsp_op_mixing(model, op, lengths);
  const double queries = (double)mix.sequences * (double)mix.queries;
  const double width = (double)op->heads * (double)op->head_dim;
  switch (op->kind) {
  case DSP_OP_LINEAR:
    return 2.0 * (double)op->in * (double)op->out *
           (double)dsp_op_tokens(model, op, lengths);
  case DSP_OP_ATTENTION:
  case DSP_OP_CROSS_ATTENTION:
    return (op->causal ? 2.0 : 4.0) * queries * (double)mix.keys * width;
  case DSP_OP_LINEAR_ATTENTION:
    return 4.0 * queries * width * (double)op->head_dim;
  case DSP_OP_TRIANGLE:
  case DSP_OP_OUTER_PRODUCT:
    return 2.0 * queries * (double)mix.keys * (double)op->out;
  default:
    return 0;
  }
}

static double stage_flop(const DspModel *model, const DspStage *stage,
                         const DspLengths *lengths) {
  double flop = 0;
  for (guint i = 0; i < stage->n_ops; i++)
    flop += dsp_op_flop(model, &stage->ops[i], lengths);
  return flop;
}

double dsp_model_forward_flop(const DspModel *model,
                              const DspLengths *lengths) {
  const DspBlock *block;
  double flop = 0;
  for (guint i = 0; (block = dsp_model_part(model, i)); i++)
    for (guint j = 0; j < block->n_stages; j++)
      flop +=
          (double)block->count * stage_flop(model, &block->stages[j], lengths);
  return flop;
}

/* Convolutions go by the pixel; attention is among the latents of one frame. */
double dsp_model_decode_flop(const DspModel *model, const DspLengths *lengths) {
  const DspInput *in = &model->input;
  if (!in->decode_flop)
    return 0;
  const double latents = (double)dsp_stream_tokens(model, 0, lengths) *
                         (double)in->patch_time * (double)in->patch_height *
                         (double)in->patch_width;
  const double frames_a_latent =
      in->chunk_latents ? (double)in->chunk_frames / (double)in->chunk_latents
                        : (double)in->vae_time;
  const double pixels =
      latents * frames_a_latent * (double)in->vae_space * (double)in->vae_space;
  const gboolean apart = in->time_dim >= 0 && in->time_dim != in->height_dim &&
                         in->time_dim != in->width_dim;
  const double frames =
      apart ? (double)lengths->length[in->time_dim] * (double)in->patch_time
            : 1;
  return pixels * (double)in->decode_flop +
         4 * latents * latents / frames * (double)in->decode_attention;
}

static gboolean add_parameters(const DspBlock *block, int64_t *sum) {
  int64_t one = 0;
  for (guint j = 0; j < block->n_stages; j++)
    for (guint k = 0; k < block->stages[j].n_ops; k++)
      if (!dsp_add_int64(one, block->stages[j].ops[k].parameters, &one))
        return FALSE;
  return dsp_mul_int64(one, block->count, &one) &&
         dsp_add_int64(*sum, one, sum);
}

int64_t dsp_model_parameters(const DspModel *model) {
  const DspBlock *block;
  int64_t sum = 0;
  for (guint i = 0; (block = dsp_model_part(model, i)); i++)
    if (!add_parameters(block, &sum))
      return -1; /* refused by dsp_model_load */
  return sum;
}
