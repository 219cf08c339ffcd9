/* SPDX-License-Identifier: Apache-2.0 */
/* DeepSpeed-Ulysses (arXiv 2309.14509): tokens stay sharded; around attention
 * q, k, v and the output are exchanged so that a rank has all tokens of its
 * heads. The variants differ in which attentions communicate. */
#include "schedule/build.h"

enum { BEST, NAIVE, PUBLISHED };

/* best: only attention that mixes the home dimension. naive: every
 * self-attention. published: as the DSP authors' benchmark does it
 * (oahzxl/OpenDiT@86869cd): also cross-attention, its text keys and values
 * included although every rank holds them. */
static const char *const variants[] = {"best", "naive", "published", NULL};

static int attention(DspBuilder *builder, const DspOp *op, int qkv,
                     int joint_qkv, int *joint_output) {
  return dsp_attention_where_needed(builder, op, qkv, joint_qkv,
                                    builder->plan->variant != BEST,
                                    joint_output);
}

static int cross_attention(DspBuilder *builder, const DspOp *op, int q,
                           int kv) {
  enum { KEYS_AND_VALUES = DSP_PIECE_K | DSP_PIECE_V };
  DspCall attend = {.primitive = &dsp_cross, .op = op, .x = q, .more = kv};
  if (builder->plan->variant != PUBLISHED)
    return dsp_apply(builder, attend).y;
  DspLayout shard = dsp_tensor(builder, q)->layout,
            whole = {DSP_DIM_NONE, 1, 0, FALSE};
  attend.x =
      dsp_exchange_heads(builder, &dsp_to_heads, op, q, -1, whole, DSP_PIECE_Q);
  attend.more = dsp_exchange_heads(builder, &dsp_to_heads, op, kv, -1, whole,
                                   KEYS_AND_VALUES);
  /* Every rank's copy of the text arrives: so many times the keys. */
  attend.width = builder->plan->degree[DSP_AXIS_SP];
  int output = dsp_apply(builder, attend).y;
  return dsp_exchange_heads(builder, &dsp_to_tokens, op, output, -1, shard,
                            DSP_PIECE_Q);
}

static gboolean check(const DspJob *job, const DspPlan *plan, GError **error) {
  return dsp_check_heads(job,
                         plan->degree[DSP_AXIS_SP] * plan->degree[DSP_AXIS_TP],
                         error) &&
         (plan->variant != PUBLISHED || dsp_check_divided(job, plan, error));
}

const DspMethod dsp_method_ulysses = {
    .name = "ulysses",
    .summary = "exchanges tokens for heads around attention",
    .variants = variants,
    .published = 1u << PUBLISHED,
    .axes = 1u << DSP_AXIS_SP,
    .embedded = TRUE,
    .degree_names = {[DSP_AXIS_SP] = "ulysses"},
    .check = check,
    .attention = attention,
    .cross_attention = cross_attention,
};
