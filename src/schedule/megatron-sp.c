/* SPDX-License-Identifier: Apache-2.0 */
/* Megatron sequence parallelism (arXiv 2205.05198): weights are divided as in
 * tensor parallelism; outside of the divided stages tokens are sharded, so an
 * all-gather precedes each and a reduce-scatter follows. */
#include "schedule/build.h"
#include "schedule/rules.h"

enum { BEST, NAIVE, PUBLISHED };

/* best: divides the stages whose attention mixes the home dimension, and the
 * MLP. naive: every stage. published: as the DSP authors' benchmark does it
 * (oahzxl/OpenDiT@86869cd): every attention, cross-attention too, but not the
 * MLP. */
static const char *const variants[] = {"best", "naive", "published", NULL};

static gboolean splits(const DspBuilder *builder, const DspStage *stage) {
  int home = dsp_plan_home(builder->job, builder->plan, stage->stream);
  gboolean crosses = home >= 0 && (stage->over & (1u << home));
  gboolean attends = dsp_stage_attends(stage);
  switch (builder->plan->variant) {
  case BEST:
    return crosses || !attends;
  case NAIVE:
    return TRUE;
  default:
    return attends;
  }
}

static gboolean check(const DspJob *job, const DspPlan *plan, GError **error) {
  if (plan->degree[DSP_AXIS_TP] > 1)
    return dsp_refuse(error, "megatron-sp divides weights over its own ranks: "
                             "the tensor-parallel degree must be 1");
  return dsp_check_heads(job, plan->degree[DSP_AXIS_SP], error) &&
         dsp_check_widths(job, plan->degree[DSP_AXIS_SP], error) &&
         (plan->variant != PUBLISHED || dsp_check_divided(job, plan, error));
}

const DspMethod dsp_method_megatron_sp = {
    .name = "megatron-sp",
    .summary = "gathers tokens around divided weights",
    .variants = variants,
    .published = 1u << PUBLISHED,
    .axes = 1u << DSP_AXIS_SP,
    .embedded = TRUE,
    .degree_names = {[DSP_AXIS_SP] = "sp"},
    .check = check,
    .splits = splits,
    .gathers = TRUE,
};
