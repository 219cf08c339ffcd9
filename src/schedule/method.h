/* SPDX-License-Identifier: Apache-2.0 */
/* A parallel method: one file that exports one const DspMethod, one row in the
 * table of methods.c. Nothing else names a method. */
#ifndef DSP_SCHEDULE_METHOD_H
#define DSP_SCHEDULE_METHOD_H

#include "schedule/plan.h"

typedef struct DspBuilder DspBuilder; /* schedule/build.h */

struct DspMethod {
  const char *name, *summary;
  const char *const *variants; /* NULL-terminated; [0] is the default */
  guint published;        /* bit set of variants that repeat published benchmark
                             code, right or not: no candidates of a choice */
  const char *difference; /* why the published code computes something else
                             than the model says, NULL: it does not */
  guint proposed;         /* bit set of variants that no published code has: no
                             candidates either */
  guint axes;             /* bit set of mesh axes that carry its degree: none,
                             one, or ring and sp (their product) */
  gboolean embedded;      /* shards one dimension for good */
  guint balanced; /* bit set of variants whose causal rings deal out their
                     dimension in zigzag */
  /* Degree name of the plan in reports for each axis it uses ("ulysses"). */
  const char *degree_names[DSP_N_AXES];
  /* Refuses a plan with DSP_ERROR_INFEASIBLE and the reason. NULL: the common
   * rules of rules.c suffice. */
  gboolean (*check)(const DspJob *job, const DspPlan *plan, GError **error);
  /* Hooks of the builder, NULL where there is nothing to do. Around the
   * operations of a stage (build.h; streams move so that its dimensions are
   * whole) and after a block (put them back, so that blocks can repeat). */
  void (*run_stage)(DspBuilder *builder, const DspStage *stage);
  void (*end_block)(DspBuilder *builder);
  /* Self-attention of the tensor `qkv` (and of the joint stream's
   * `joint_qkv`, or -1): gives the output tensor, and that of the joint stream
   * in *joint_output. Default: every rank attends to its own tokens. */
  int (*attention)(DspBuilder *builder, const DspOp *op, int qkv, int joint_qkv,
                   int *joint_output);
  /* Cross-attention of queries `q` to keys and values `kv`. Default: local,
   * since text is whole on every rank. */
  int (*cross_attention)(DspBuilder *builder, const DspOp *op, int q, int kv);
  /* Whether the widths of this stage are split over the method's axis (tensor
   * parallelism), and whether its tokens are sharded outside of it. */
  gboolean (*splits)(const DspBuilder *builder, const DspStage *stage);
  gboolean
      gathers; /* all-gather before, reduce-scatter after, else all-reduce */
};

/* Every method, in the order of reports. */
guint dsp_methods(const DspMethod *const **methods);
/* By name, or NULL. */
const DspMethod *dsp_method_find(const char *name);
/* Index of the variant, or -1. */
int dsp_method_variant(const DspMethod *method, const char *name);

#endif
