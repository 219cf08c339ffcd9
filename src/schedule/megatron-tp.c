/* SPDX-License-Identifier: Apache-2.0 */
/* Megatron tensor parallelism (arXiv 1909.08053): every rank has all tokens and
 * a part of the heads and of the MLP; an all-reduce ends each divided stage. */
#include "schedule/build.h"

enum { BEST, PUBLISHED };

/* published: attention is divided, the MLP is not, as in the DSP authors'
 * benchmark of the Megatron baseline. */
static const char *const variants[] = {"best", "published", NULL};

static gboolean splits(const DspBuilder *builder, const DspStage *stage) {
  return builder->plan->variant == BEST || dsp_stage_attends(stage);
}

const DspMethod dsp_method_megatron_tp = {
    .name = "megatron-tp",
    .summary = "divides weights, all tokens on every rank",
    .variants = variants,
    .published = 1u << PUBLISHED,
    .axes = 1u << DSP_AXIS_TP,
    .embedded = TRUE,
    .degree_names = {[DSP_AXIS_TP] = "tp"},
    .splits = splits,
};
