/* SPDX-License-Identifier: Apache-2.0 */
/* Ring Attention (arXiv 2310.01889): tokens stay sharded; keys and values go
 * round the ring while blocks are attended to. */
#include "schedule/build.h"

enum { BEST, NAIVE, PUBLISHED };

/* best: only attention that mixes the home dimension, in zigzag order where it
 * is causal. naive: every self-attention, in plain order. published: as the DSP
 * authors' benchmark does it (oahzxl/OpenDiT@86869cd): each rank takes its
 * tokens for whole frames of fewer frames, so that attention within frames
 * goes round the ring with N times the work and attention across frames sees
 * 1/N of them. */
static const char *const variants[] = {"best", "naive", "published", NULL};

static int attention(DspBuilder *builder, const DspOp *op, int qkv,
                     int joint_qkv, int *joint_output) {
  gboolean crosses = dsp_crosses_shard(builder, op, qkv);
  gboolean communicates[] = {
      [BEST] = crosses, [NAIVE] = TRUE, [PUBLISHED] = !crosses};
  if (!communicates[builder->plan->variant])
    return dsp_attention_local(builder, op, qkv, joint_qkv, joint_output);
  if (builder->plan->variant != PUBLISHED)
    return dsp_attention_by_ring(builder, op, qkv, joint_qkv, joint_output);
  DspCall done = dsp_apply(builder, (DspCall){.primitive = &dsp_ring_attend,
                                              .op = op,
                                              .x = qkv,
                                              .more = joint_qkv,
                                              .variant = DSP_RING_CONFUSED});
  *joint_output = done.side;
  return done.y;
}

static gboolean check(const DspJob *job, const DspPlan *plan, GError **error) {
  return plan->variant != PUBLISHED || dsp_check_divided(job, plan, error);
}

const DspMethod dsp_method_ring = {
    .name = "ring",
    .summary = "passes keys and values round while attending",
    .variants = variants,
    .published = 1u << PUBLISHED,
    .difference = "a rank takes its tokens for those of whole frames: "
                  "attention within frames sees the tokens of all ranks, "
                  "attention across frames only those of its own",
    .axes = 1u << DSP_AXIS_RING,
    .embedded = TRUE,
    .balanced = 1u << BEST,
    .degree_names = {[DSP_AXIS_RING] = "ring"},
    .check = check,
    .attention = attention,
};
