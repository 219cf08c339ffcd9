/* SPDX-License-Identifier: Apache-2.0 */
#include "numerics/validate.h"
#include "base/error.h"
#include "numerics/executor.h"
#include "numerics/faults.h"
#include "numerics/function.h"
#include "numerics/reference.h"
#include "schedule/method.h"
#include "schedule/rules.h"
#include <math.h>
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

/* --- the run on one rank
 * ------------------------------------------------------------ */

static DspSchedule *schedule_of_one(const DspJob *job, const DspPlan *plan,
                                    GError **error) {
  DspJob one = *job;
  DspPlan alone = {.method = dsp_method_find("single"),
                   .home = -1,
                   .recompute = plan->recompute};
  one.gpus = 1;
  one.batch *= plan->degree[DSP_AXIS_DP];
  for (int i = 0; i < DSP_N_AXES; i++)
    alone.degree[i] = 1;
  return dsp_schedule_new(&one, &alone, error);
}

/* --- comparison
 * ------------------------------------------------------------------------ */

typedef struct {
  DspData *data;
  DspReference *exact, *noisy;
} Truth;

static void truth_clear(Truth *truth) {
  dsp_data_free(truth->data);
  dsp_reference_free(truth->exact);
  dsp_reference_free(truth->noisy);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Truth, truth_clear)

static gboolean find_truth(const DspJob *job, const DspPlan *plan, guint64 seed,
                           Truth *truth, GError **error) {
  gboolean train = job->mode == DSP_MODE_TRAIN;
  const DspNoise noise = {job->dtype, dsp_plan_ranks(plan), seed + 1};
  truth->data = dsp_data_new(job->model, &job->lengths,
                             dsp_job_batch(job) * plan->degree[DSP_AXIS_DP],
                             job->dtype, seed);
  truth->exact = dsp_reference_new(truth->data, train, NULL, error);
  truth->noisy = truth->exact
                     ? dsp_reference_new(truth->data, train, &noise, error)
                     : NULL;
  return truth->noisy != NULL;
}

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

static void judge(const DspPlan *plan, DspValidation *r) {
  gboolean numbers = within(r->forward_error, r->forward_bound) &&
                     within(r->backward_error, r->backward_bound) &&
                     (r->bit_identical || !r->must_be_identical);
  gboolean bytes =
      r->declared_bytes == r->moved_bytes && r->in_order && r->updated;
  gboolean published =
      g_str_equal(plan->method->variants[plan->variant], "published");
  r->verdict = numbers && bytes     ? DSP_VERDICT_PASSED
               : bytes && published ? DSP_VERDICT_DIFFERS
                                    : DSP_VERDICT_FAILED;
}

static void compare(const DspRun *run, const DspRun *one, const Truth *truth,
                    gboolean train, DspValidation *r) {
  const DspReference *exact = truth->exact, *noisy = truth->noisy;
  int64_t n = exact->n_output, weights = exact->n_gradients;
  r->forward_error = dsp_relative_error(run->output, exact->output, n);
  r->forward_bound = dsp_relative_error(noisy->output, exact->output, n);
  r->bit_identical =
      memcmp(run->output, one->output, sizeof(double) * (gsize)n) == 0;
  r->loss = run->loss;
  r->reference_loss = exact->loss;
  r->updated = !train || is_updated(run, truth->data);
  if (!train)
    return;
  r->backward_error =
      dsp_relative_error(run->gradients, exact->gradients, weights);
  r->backward_bound =
      dsp_relative_error(noisy->gradients, exact->gradients, weights);
}

gboolean dsp_validate(const DspJob *job, const DspPlan *plan,
                      const DspValidateOptions *options, DspValidation *result,
                      GError **error) {
  g_auto(Truth) truth = {NULL, NULL, NULL};
  if (!dsp_reference_can(job->model, error))
    return FALSE;
  g_autoptr(DspSchedule) declared = dsp_schedule_new(job, plan, error);
  if (!declared)
    return FALSE;
  g_autoptr(DspSchedule) schedule = dsp_schedule_new(job, plan, error);
  g_autoptr(DspSchedule) alone = schedule_of_one(job, plan, error);
  if (!schedule || !alone ||
      !find_truth(job, plan, options->seed, &truth, error))
    return FALSE;
  memset(result, 0, sizeof *result);
  g_autoptr(DspRun) run = dsp_run_new(schedule, truth.data);
  g_autoptr(DspRun) one = dsp_run_new(alone, truth.data);
  dsp_fault_apply(options->fault, schedule, run);
  if (!dsp_run_execute(one, error) || !dsp_run_execute(run, error))
    return FALSE;
  compare(run, one, &truth, job->mode == DSP_MODE_TRAIN, result);
  result->must_be_identical = must_be_identical(declared);
  count(run, declared, result);
  judge(plan, result);
  return TRUE;
}
