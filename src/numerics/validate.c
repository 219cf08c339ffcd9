/* SPDX-License-Identifier: Apache-2.0 */
#include "numerics/validate.h"
#include "numerics/executor.h"
#include "numerics/faults.h"
#include "numerics/function.h"
#include "numerics/reference.h"
#include "schedule/method.h"
#include "schedule/rules.h"
#include <inttypes.h>
#include <string.h>

const char *const dsp_verdict_names[] = {"passed", "failed",
                                         "differs as published", NULL};

/* --- what must hold
 * ------------------------------------------------------------- */

static gboolean is_sum(DspCollective collective) {
  return collective == DSP_REDUCE_SCATTER || collective == DSP_ALL_REDUCE;
}

/* Heads of tokens that every rank has arrive in copies. */
static gboolean repeats_tokens(const DspSchedule *schedule,
                               const DspStep *step) {
  if (step->move.from < 0)
    return FALSE;
  const DspTensor *from = dsp_tensor_of(schedule, step->move.from);
  const DspTensor *to = dsp_tensor_of(schedule, step->move.to);
  return step->exchange.collective == DSP_ALL_TO_ALL &&
         from->layout.dim == DSP_DIM_NONE && to->layout.dim == DSP_DIM_NONE;
}

/* Exchanges that only move numbers leave every sum of the forward pass as it
 * is; rounds of a ring, sums over ranks and repeated keys do not. */
static gboolean must_be_identical(const DspSchedule *schedule) {
  for (guint i = 0; i < schedule->segments->len; i++) {
    const DspSegment *segment = schedule->segments->pdata[i];
    const DspStep *steps = dsp_segment_steps(segment);
    for (guint j = 0; j < segment->steps->len; j++)
      if (steps[j].pass == DSP_PASS_FORWARD &&
          (steps[j].ring_round >= 0 || (steps[j].kind == DSP_STEP_COLLECTIVE &&
                                        (is_sum(steps[j].exchange.collective) ||
                                         repeats_tokens(schedule, &steps[j])))))
        return FALSE;
  }
  return TRUE;
}

/* Every collective of the schedule, as often as it repeats. */
static GArray *expected_order(const DspSchedule *schedule) {
  GArray *order = g_array_new(FALSE, FALSE, sizeof(DspRecord));
  for (guint i = 0; i < schedule->segments->len; i++) {
    const DspSegment *segment = schedule->segments->pdata[i];
    const DspStep *steps = dsp_segment_steps(segment);
    for (int64_t k = 0; k < segment->repeat; k++)
      for (guint j = 0; j < segment->steps->len; j++) {
        const DspExchange *e = &steps[j].exchange;
        DspRecord record = {e->collective, e->axis, e->bytes};
        if (steps[j].kind == DSP_STEP_COLLECTIVE)
          g_array_append_val(order, record);
      }
  }
  return order;
}

static gboolean same_order(const GArray *a, const GArray *b) {
  if (a->len != b->len)
    return FALSE;
  for (guint i = 0; i < a->len; i++) {
    const DspRecord *x = &g_array_index(a, DspRecord, i);
    const DspRecord *y = &g_array_index(b, DspRecord, i);
    if (x->collective != y->collective || x->axis != y->axis ||
        x->bytes != y->bytes)
      return FALSE;
  }
  return TRUE;
}

/* Every rank moves as much as every other; the first that does not tells. */
static void count(const DspRun *run, const DspSchedule *declared,
                  DspValidation *result) {
  g_autoptr(GArray) order = expected_order(declared);
  int64_t ranks = dsp_plan_ranks(&declared->plan);
  result->declared_bytes =
      dsp_schedule_volume(declared, (1u << DSP_N_PASSES) - 1).total;
  result->moved_bytes = result->declared_bytes;
  result->in_order = TRUE;
  for (int64_t i = 0; i < ranks; i++) {
    int64_t moved = dsp_carrier_moved(run->carrier, i);
    if (moved != result->declared_bytes)
      result->moved_bytes = moved;
    result->in_order &= same_order(order, dsp_carrier_order(run->carrier, i));
  }
}

/* --- what plans are compared with
 * --------------------------------------------------- */

/* How far rounding may lead with so many ranks. */
typedef struct {
  int64_t ranks;
  double forward, backward;
} Bound;

/* All that depends on the samples of all replicas, and not on the plan. */
typedef struct {
  DspData *data;
  DspReference *exact;
  GArray *bounds; /* Bound */
  double *alone;  /* output of the run on one rank, NULL: not run yet */
} Truth;

struct DspValidator {
  DspJob job;
  DspValidateOptions options;
  GPtrArray *truths; /* Truth */
};

static void truth_free(gpointer data) {
  Truth *truth = data;
  dsp_data_free(truth->data);
  dsp_reference_free(truth->exact);
  g_array_unref(truth->bounds);
  g_free(truth->alone);
  g_free(truth);
}

DspValidator *dsp_validator_new(const DspJob *job,
                                const DspValidateOptions *options) {
  DspValidator *validator = g_new0(DspValidator, 1);
  validator->job = *job;
  validator->options = *options;
  validator->truths = g_ptr_array_new_with_free_func(truth_free);
  return validator;
}

void dsp_validator_free(DspValidator *validator) {
  if (!validator)
    return;
  g_ptr_array_unref(validator->truths);
  g_free(validator);
}

static gboolean trains(const DspValidator *validator) {
  return validator->job.mode == DSP_MODE_TRAIN;
}

/* Samples of all replicas, and of both passes of guidance. */
static int64_t samples_of(const DspValidator *validator, const DspPlan *plan) {
  return dsp_job_batch(&validator->job) * plan->degree[DSP_AXIS_DP] *
         plan->degree[DSP_AXIS_CFG];
}

static Truth *find_truth(DspValidator *validator, const DspPlan *plan,
                         GError **error) {
  const DspJob *job = &validator->job;
  int64_t samples = samples_of(validator, plan);
  for (guint i = 0; i < validator->truths->len; i++) {
    Truth *truth = validator->truths->pdata[i];
    if (truth->data->batch == samples)
      return truth;
  }
  Truth *truth = g_new0(Truth, 1);
  truth->data = dsp_data_new(job->model, &job->lengths, samples, job->dtype,
                             validator->options.seed);
  truth->bounds = g_array_new(FALSE, FALSE, sizeof(Bound));
  truth->exact = dsp_reference_new(truth->data, trains(validator), NULL, error);
  if (!truth->exact) {
    truth_free(truth);
    return NULL;
  }
  g_ptr_array_add(validator->truths, truth);
  return truth;
}

/* Raises the bound to what one disturbed run tells. */
static gboolean disturb(const DspValidator *validator, const Truth *truth,
                        guint64 seed, Bound *bound, GError **error) {
  const DspReference *exact = truth->exact;
  const DspNoise noise = {validator->job.dtype, bound->ranks, seed};
  g_autoptr(DspReference) noisy =
      dsp_reference_new(truth->data, trains(validator), &noise, error);
  if (!noisy)
    return FALSE;
  double forward =
      dsp_relative_error(noisy->output, exact->output, exact->n_output);
  double backward = dsp_relative_error(noisy->gradients, exact->gradients,
                                       exact->n_gradients);
  bound->forward = MAX(bound->forward, DSP_BOUND_LAMBDA * forward);
  bound->backward = MAX(bound->backward, DSP_BOUND_LAMBDA * backward);
  return TRUE;
}

static const Bound *find_bound(const DspValidator *validator, Truth *truth,
                               int64_t ranks, GError **error) {
  GArray *bounds = truth->bounds;
  for (guint i = 0; i < bounds->len; i++)
    if (g_array_index(bounds, Bound, i).ranks == ranks)
      return &g_array_index(bounds, Bound, i);
  Bound bound = {.ranks = ranks};
  for (guint64 i = 1; i <= DSP_BOUND_RUNS; i++)
    if (!disturb(validator, truth, validator->options.seed + i, &bound, error))
      return NULL;
  g_array_append_val(bounds, bound);
  return &g_array_index(bounds, Bound, bounds->len - 1);
}

/* --- the run on one rank
 * ------------------------------------------------------------ */

static DspSchedule *schedule_of_one(const DspValidator *validator,
                                    const DspPlan *plan, GError **error) {
  DspJob one = validator->job;
  DspPlan alone = {.method = dsp_method_find("single"), .home = -1};
  one.gpus = 1;
  one.batch = samples_of(validator, plan);
  one.guidance = DSP_GUIDANCE_NONE;
  for (int i = 0; i < DSP_N_AXES; i++)
    alone.degree[i] = 1;
  return dsp_schedule_new(&one, &alone, error);
}

static const double *find_alone(const DspValidator *validator, Truth *truth,
                                const DspPlan *plan, GError **error) {
  if (truth->alone)
    return truth->alone;
  g_autoptr(DspSchedule) schedule = schedule_of_one(validator, plan, error);
  if (!schedule)
    return NULL;
  g_autoptr(DspRun) run =
      dsp_run_new(schedule, truth->data, validator->options.machine);
  if (dsp_run_execute(run, error))
    truth->alone = g_steal_pointer(&run->output);
  return truth->alone;
}

/* --- comparison
 * ------------------------------------------------------------------------ */

static gboolean is_updated(const DspRun *run, const DspData *data) {
  const DspBlock *block;
  gboolean right = TRUE;
  for (guint i = 0; (block = dsp_model_part(data->model, i)); i++)
    for (int64_t k = 0; k < block->count; k++)
      for (guint j = 0; j < block->n_stages; j++)
        for (guint o = 0; o < block->stages[j].n_ops; o++) {
          const DspOp *op = &block->stages[j].ops[o];
          int64_t first = dsp_data_offset(data, block, k, op);
          for (int64_t n = first; n < first + op->parameters; n++)
            right &= (float)run->weights[n] ==
                     dsp_round((float)data->weights[n] -
                                   DSP_LEARNING_RATE * (float)run->gradients[n],
                               run->dtype);
        }
  return right;
}

/* `!(a <= b)`: what is not a number fails. */
static gboolean within(double error, double bound) {
  return error <= bound;
}

static gboolean numbers_hold(const DspValidation *v) {
  return within(v->forward_error, v->forward_bound) &&
         within(v->backward_error, v->backward_bound) &&
         (v->bit_identical || !v->must_be_identical);
}

static gboolean moves_hold(const DspValidation *v) {
  return v->declared_bytes == v->moved_bytes && v->in_order && v->updated;
}

static gboolean is_known_to_differ(const DspPlan *plan) {
  return plan->method->difference &&
         plan->method->published & (1u << plan->variant);
}

static DspVerdict judge(const DspPlan *plan, const DspValidation *v) {
  if (!moves_hold(v))
    return DSP_VERDICT_FAILED;
  if (numbers_hold(v))
    return DSP_VERDICT_PASSED;
  return is_known_to_differ(plan) ? DSP_VERDICT_DIFFERS : DSP_VERDICT_FAILED;
}

static void compare(const DspRun *run, const Truth *truth, const Bound *bound,
                    const double *alone, DspValidation *v) {
  const DspReference *exact = truth->exact;
  gsize size = sizeof(double) * (gsize)exact->n_output;
  v->forward_error =
      dsp_relative_error(run->output, exact->output, exact->n_output);
  v->forward_bound = bound->forward;
  v->bit_identical = memcmp(run->output, alone, size) == 0;
  v->loss = run->loss;
  v->reference_loss = exact->loss;
  v->updated = TRUE;
  if (run->schedule->job.mode != DSP_MODE_TRAIN)
    return;
  v->updated = is_updated(run, truth->data);
  v->backward_error =
      dsp_relative_error(run->gradients, exact->gradients, exact->n_gradients);
  v->backward_bound = bound->backward;
}

static void add_reason(GString *text, gboolean wrong, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

static void add_reason(GString *text, gboolean wrong, const char *format, ...) {
  va_list arguments;
  if (!wrong)
    return;
  g_string_append(text, text->len ? "; " : "");
  va_start(arguments, format);
  g_string_append_vprintf(text, format, arguments);
  va_end(arguments);
}

char *dsp_validation_reason(const DspValidation *v, const DspPlan *plan) {
  GString *text = g_string_new(NULL);
  if (v->verdict == DSP_VERDICT_PASSED)
    return g_string_free(text, TRUE);
  add_reason(text, !within(v->forward_error, v->forward_bound),
             "the output is %.1e off, the bound is %.1e", v->forward_error,
             v->forward_bound);
  add_reason(text, !within(v->backward_error, v->backward_bound),
             "the gradients are %.1e off, the bound is %.1e", v->backward_error,
             v->backward_bound);
  add_reason(text, v->must_be_identical && !v->bit_identical,
             "bits of the output differ from one rank's, and no sum does");
  add_reason(text, v->declared_bytes != v->moved_bytes,
             "%" PRId64 " bytes are declared and %" PRId64 " moved",
             v->declared_bytes, v->moved_bytes);
  add_reason(text, !v->in_order, "collectives are not those of the schedule");
  add_reason(text, !v->updated,
             "weights are not one step down their gradients");
  add_reason(text, v->verdict == DSP_VERDICT_DIFFERS, "%s",
             plan->method->difference);
  return g_string_free(text, FALSE);
}

/* --- a plan
 * ------------------------------------------------------------------------- */

static DspSchedule *schedule_of(const DspValidator *validator,
                                const DspPlan *plan, GError **error) {
  DspJob job = validator->job;
  job.gpus = (guint)dsp_plan_ranks(plan);
  return dsp_schedule_new(&job, plan, error);
}

/* Why a norm over columns that ranks divide cannot be computed, or NULL: they
 * are summed in parts by the processor alone, and only of an RMS norm. */
static const char *lacks_sums(const DspSchedule *schedule, const DspStep *step,
                              gboolean sums) {
  if (step->role == DSP_ROLE_SUMS && !step->op->rms)
    return "which cannot be computed of a layer norm yet";
  if (step->role == DSP_ROLE_SUMS && !sums)
    return "which cannot be computed on GPUs yet";
  if (step->op && step->op->kind == DSP_OP_NORM && !step->op->affine &&
      step->kind == DSP_STEP_MEMORY && step->inputs[0] >= 0 &&
      dsp_tensor_of(schedule, step->inputs[0])->split > 1)
    return "which the schedule does not exchange";
  return NULL;
}

static gboolean can_sum(const DspValidator *validator,
                        const DspSchedule *schedule, GError **error) {
  const DspMachine *machine = validator->options.machine;
  gboolean sums = machine ? machine->device->kernels->sums != NULL
                          : !validator->options.on_gpus;
  for (guint i = 0; i < schedule->segments->len; i++) {
    const DspSegment *segment = schedule->segments->pdata[i];
    const DspStep *steps = dsp_segment_steps(segment);
    for (guint j = 0; j < segment->steps->len; j++) {
      const char *reason = lacks_sums(schedule, &steps[j], sums);
      if (reason)
        return dsp_refuse(error,
                          "'%s' takes the mean over columns that other ranks "
                          "hold, %s",
                          steps[j].op->name, reason);
    }
  }
  return TRUE;
}

gboolean dsp_validator_can(const DspValidator *validator, const DspPlan *plan,
                           GError **error) {
  if (!dsp_reference_can(validator->job.model, error))
    return FALSE;
  g_autoptr(DspSchedule) schedule = schedule_of(validator, plan, error);
  DspFault fault = validator->options.fault;
  return schedule && can_sum(validator, schedule, error) &&
         (dsp_fault_applies(fault, schedule) ||
          dsp_refuse(error, "has no place for '%s'", dsp_fault_names[fault]));
}

gboolean dsp_validator_run(DspValidator *validator, const DspPlan *plan,
                           DspValidation *result, GError **error) {
  if (!dsp_validator_can(validator, plan, error))
    return FALSE;
  g_autoptr(DspSchedule) declared = schedule_of(validator, plan, error);
  g_autoptr(DspSchedule) schedule = schedule_of(validator, plan, error);
  Truth *truth = find_truth(validator, plan, error);
  const double *alone =
      truth ? find_alone(validator, truth, plan, error) : NULL;
  const Bound *bound =
      alone ? find_bound(validator, truth, dsp_plan_ranks(plan), error) : NULL;
  if (!declared || !schedule || !bound)
    return FALSE;
  memset(result, 0, sizeof *result);
  g_autoptr(DspRun) run =
      dsp_run_new(schedule, truth->data, validator->options.machine);
  dsp_fault_apply(validator->options.fault, schedule, run);
  if (!dsp_run_execute(run, error))
    return FALSE;
  compare(run, truth, bound, alone, result);
  result->must_be_identical = must_be_identical(declared);
  count(run, declared, result);
  result->verdict = judge(plan, result);
  return TRUE;
}

gboolean dsp_validate(const DspJob *job, const DspPlan *plan,
                      const DspValidateOptions *options, DspValidation *result,
                      GError **error) {
  g_autoptr(DspValidator) validator = dsp_validator_new(job, options);
  return dsp_validator_run(validator, plan, result, error);
}
