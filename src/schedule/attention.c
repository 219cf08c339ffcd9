/* SPDX-License-Identifier: Apache-2.0 */
/* Ways to attend that methods combine: to local tokens, by exchanging sequence
 * shards for heads over DSP_AXIS_SP, round the ring of DSP_AXIS_RING. */
#include "schedule/build.h"

static int attend(DspBuilder *builder, const DspPrimitive *how, const DspOp *op,
                  int qkv, int joint_qkv, int *joint_output) {
  DspCall done = dsp_apply(
      builder,
      (DspCall){.primitive = how, .op = op, .x = qkv, .more = joint_qkv});
  *joint_output = done.side;
  return done.y;
}

int dsp_attention_local(DspBuilder *builder, const DspOp *op, int qkv,
                        int joint_qkv, int *joint_output) {
  return attend(builder, &dsp_attend, op, qkv, joint_qkv, joint_output);
}

int dsp_attention_by_ring(DspBuilder *builder, const DspOp *op, int qkv,
                          int joint_qkv, int *joint_output) {
  if (builder->plan->degree[DSP_AXIS_RING] == 1)
    return dsp_attention_local(builder, op, qkv, joint_qkv, joint_output);
  return attend(builder, &dsp_ring_attend, op, qkv, joint_qkv, joint_output);
}

/* The layout that is left when the ranks of the sp axis have put their parts
 * together: the ring's shards, or the whole. */
static DspLayout without_sp(const DspBuilder *builder, DspLayout layout) {
  layout.ranks /= builder->plan->degree[DSP_AXIS_SP];
  return layout.ranks > 1 ? layout : (DspLayout){DSP_DIM_NONE, 1, 0, FALSE};
}

int dsp_exchange_heads(DspBuilder *builder, const DspPrimitive *exchange,
                       const DspOp *op, int x, int beside, DspLayout to,
                       guint pieces) {
  return dsp_apply(builder, (DspCall){.primitive = exchange,
                                      .op = op,
                                      .x = x,
                                      .more = op->beside ? beside : -1,
                                      .to = to,
                                      .axis = DSP_AXIS_SP,
                                      .variant = pieces})
      .y;
}

int dsp_attention_by_heads(DspBuilder *builder, const DspOp *op, int qkv,
                           int joint_qkv, int *joint_output) {
  if (builder->plan->degree[DSP_AXIS_SP] == 1)
    return dsp_attention_by_ring(builder, op, qkv, joint_qkv, joint_output);
  DspLayout shard = dsp_tensor(builder, qkv)->layout;
  DspLayout whole = {DSP_DIM_NONE, 1, 0, FALSE};
  int heads = dsp_exchange_heads(builder, &dsp_to_heads, op, qkv, -1,
                                 without_sp(builder, shard), DSP_PIECE_QKV);
  int joint = -1, joint_heads = -1;
  if (joint_qkv >= 0)
    joint = dsp_exchange_heads(builder, &dsp_slice_heads, op, joint_qkv, -1,
                               whole, DSP_PIECE_QKV);
  int output = dsp_attention_by_ring(builder, op, heads, joint, &joint_heads);
  if (joint >= 0)
    *joint_output =
        dsp_exchange_heads(builder, &dsp_gather_heads, op, joint_heads,
                           joint_qkv, whole, DSP_PIECE_Q);
  return dsp_exchange_heads(builder, &dsp_to_tokens, op, output, qkv, shard,
                            DSP_PIECE_Q);
}

int dsp_attention_where_needed(DspBuilder *builder, const DspOp *op, int qkv,
                               int joint_qkv, gboolean always,
                               int *joint_output) {
  if (!always && !dsp_crosses_shard(builder, op, qkv))
    return dsp_attention_local(builder, op, qkv, joint_qkv, joint_output);
  return dsp_attention_by_heads(builder, op, qkv, joint_qkv, joint_output);
}
