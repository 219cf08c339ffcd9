/* SPDX-License-Identifier: Apache-2.0 */
/* Unified sequence parallelism (arXiv 2405.07719): Ulysses inside, ring
 * outside, one sequence sharded over both. */
#include "schedule/build.h"

enum { BEST, NAIVE };

/* As for ulysses: only attention that mixes the home dimension, in zigzag order
 * where it is causal, or all, in plain order. */
static const char *const variants[] = {"best", "naive", NULL};

static int attention(DspBuilder *builder, const DspOp *op, int qkv,
                     int joint_qkv, int *joint_output) {
  return dsp_attention_where_needed(builder, op, qkv, joint_qkv,
                                    builder->plan->variant != BEST,
                                    joint_output);
}

static gboolean check(const DspJob *job, const DspPlan *plan, GError **error) {
  return dsp_check_heads(
      job, plan->degree[DSP_AXIS_SP] * plan->degree[DSP_AXIS_TP], error);
}

const DspMethod dsp_method_usp = {
    .name = "usp",
    .summary = "ulysses within ring attention",
    .variants = variants,
    .axes = 1u << DSP_AXIS_SP | 1u << DSP_AXIS_RING,
    .embedded = TRUE,
    .balanced = 1u << BEST,
    .degree_names = {[DSP_AXIS_SP] = "ulysses", [DSP_AXIS_RING] = "ring"},
    .check = check,
    .attention = attention,
};
