/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens stay sharded; every self-attention exchanges tokens for heads. */
#include "schedule/build.h"

static const char *const variants[] = {"best", NULL};

static int attention(DspBuilder *builder, const DspOp *op, int qkv,
                     int joint_qkv, int *joint_output) {
  return dsp_attention_by_heads(builder, op, qkv, joint_qkv, joint_output);
}

static gboolean check(const DspJob *job, const DspPlan *plan, GError **error) {
  return dsp_check_heads(job, plan->degree[DSP_AXIS_SP], error);
}

const DspMethod dsp_method_heads = {
    .name = "heads",
    .summary = "exchanges tokens for heads around every attention",
    .variants = variants,
    .axes = 1u << DSP_AXIS_SP,
    .embedded = TRUE,
    .degree_names = {[DSP_AXIS_SP] = "heads"},
    .check = check,
    .attention = attention,
};
