/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a plan computes what its model says: the schedule that is priced is
 * run on real tensors and compared with an unsharded run in float64. */
#ifndef DSP_NUMERICS_VALIDATE_H
#define DSP_NUMERICS_VALIDATE_H

#include "schedule/schedule.h"

/* For tests: schedules and machines that are wrong on purpose. */
typedef enum {
  DSP_FAULT_NONE,
  DSP_FAULT_MISSING_SWITCH,
  DSP_FAULT_SWAPPED_RANKS,
  DSP_FAULT_SHARD_OFF_BY_ONE,
  DSP_FAULT_PADDING_KEPT,
  DSP_FAULT_GRADIENT_NOT_REDUCED,
  DSP_FAULT_STALE_KEYS,
  DSP_FAULT_WRONG_SCALE,
  DSP_FAULT_BYTES_DECLARED,
  DSP_N_FAULTS,
} DspFault;
extern const char *const dsp_fault_names[];

typedef enum {
  DSP_VERDICT_PASSED,
  DSP_VERDICT_FAILED,
  DSP_VERDICT_DIFFERS, /* a `published` variant that computes something else */
} DspVerdict;
extern const char *const dsp_verdict_names[];

typedef struct {
  guint64 seed;
  DspFault fault;
  /* Ranks are processes, of which this is one (numerics/machine.h), which has
   * to run every plan as the others do. NULL: threads of this process. */
  const struct DspMachine *machine;
  /* Plans will run on GPUs, though not by this validator. */
  gboolean on_gpus;
} DspValidateOptions;

/* Errors are relative, of the whole output and of all gradients together (in
 * the Euclidean norm); numerics/bounds.h derives the bounds. Without a backward
 * pass its error and bound are 0. */
typedef struct {
  double forward_error, forward_bound;
  double backward_error, backward_bound;
  double loss, reference_loss;
  gboolean bit_identical;     /* output equals that of one rank, bit by bit */
  gboolean must_be_identical; /* no sum is taken in another order */
  int64_t declared_bytes, moved_bytes; /* of all collectives of one rank */
  gboolean in_order; /* every rank ran the collectives of the schedule */
  gboolean updated;  /* weights are one step down their gradients */
  DspVerdict verdict;
} DspValidation;

/* Why the verdict is not `passed`: what is wrong, or what the published code
 * does. NULL if it is. The caller frees. */
char *dsp_validation_reason(const DspValidation *validation,
                            const DspPlan *plan);

/* Validates one plan of a job after another; what they are compared with is
 * computed once. */
typedef struct DspValidator DspValidator;

/* The job's model and cluster must outlive the validator; its lengths should be
 * small: every rank is a thread of this process. The batch is that of one
 * replica, the type fp32 or bf16; how many GPUs there are the plan says. Free
 * with dsp_validator_free. */
DspValidator *dsp_validator_new(const DspJob *job,
                                const DspValidateOptions *options);
void dsp_validator_free(DspValidator *validator);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DspValidator, dsp_validator_free)

/* Whether the plan can be run here: DSP_ERROR_INFEASIBLE where a rule refuses
 * it, where no function is defined for an operation of the model, or where the
 * fault has no place in its schedule. */
gboolean dsp_validator_can(const DspValidator *validator, const DspPlan *plan,
                           GError **error);
/* Runs it. Besides, DSP_ERROR_INFEASIBLE where a rank cannot go on, which is a
 * failure of the plan. */
gboolean dsp_validator_run(DspValidator *validator, const DspPlan *plan,
                           DspValidation *result, GError **error);

/* The same for one plan alone. */
gboolean dsp_validate(const DspJob *job, const DspPlan *plan,
                      const DspValidateOptions *options, DspValidation *result,
                      GError **error);

#endif
