/* SPDX-License-Identifier: Apache-2.0 */
#include "numerics/executor.h"
#include "base/error.h"
#include "numerics/cpu.h"
#include "numerics/threads.h"
#include "schedule/method.h"
#include <math.h>
#include <string.h>

/* --- arrays
 * ----------------------------------------------------------------------- */

DspArray *dsp_buffer_new(DspDevice *device, gsize bytes) {
  DspArray *array = g_new0(DspArray, 1);
  array->references = 1;
  array->device = device;
  array->bytes = device->kernels->alloc(device, bytes);
  array->n_bytes = bytes;
  return array;
}

DspArray *dsp_array_new(DspDevice *device, int64_t rows, int64_t width) {
  DspArray *array = g_new0(DspArray, 1);
  array->references = 1;
  array->device = device;
  array->rows = rows;
  array->width = width;
  array->v =
      device->kernels->alloc(device, (gsize)(rows * width) * device->number);
  return array;
}

DspArray *dsp_array_ref(DspArray *array) {
  if (array)
    array->references++;
  return array;
}

void dsp_array_unref(DspArray *array) {
  if (!array || --array->references > 0)
    return;
  void *const parts[] = {array->v, array->lse, array->block, array->block_lse,
                         array->bytes};
  for (guint i = 0; i < G_N_ELEMENTS(parts); i++)
    if (parts[i])
      array->device->kernels->release(array->device, parts[i]);
  g_free(array);
}

void dsp_rank_fail(DspRank *rank, const char *format, ...) {
  va_list arguments;
  if (rank->error)
    return;
  va_start(arguments, format);
  g_autofree char *reason = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  rank->error = g_strdup_printf("rank %d: %s", (int)rank->id, reason);
}

void dsp_rank_set(DspRank *rank, int tensor, DspArray *array) {
  dsp_array_unref(rank->values[tensor]);
  rank->values[tensor] = array;
}

DspArray *dsp_rank_get(DspRank *rank, int tensor) {
  int view = dsp_tensor_of(rank->run->schedule, tensor)->view;
  DspArray *array = rank->values[view < 0 ? tensor : view];
  if (!array)
    dsp_rank_fail(rank, "tensor %d is read but not there", tensor);
  return array;
}

int64_t *dsp_rank_rows(const DspRank *rank, int tensor, int64_t *n) {
  const DspTensor *t = dsp_tensor_of(rank->run->schedule, tensor);
  return dsp_rows(rank->run->schedule, &rank->position, t->stream, t->layout,
                  n);
}

DspArray *dsp_rank_gradient(DspRank *rank, int tensor) {
  const DspTensor *t = dsp_tensor_of(rank->run->schedule, tensor);
  int64_t rows;
  if (rank->values[tensor])
    return rank->values[tensor];
  g_free(dsp_rank_rows(rank, tensor, &rows));
  return dsp_rank_put(rank, tensor, rows, t->width / t->split);
}

DspArray *dsp_rank_put(DspRank *rank, int tensor, int64_t rows, int64_t width) {
  if (tensor < 0)
    return NULL;
  if (!rank->values[tensor])
    rank->values[tensor] = dsp_array_new(rank->run->device, rows, width);
  return rank->values[tensor];
}

int64_t dsp_rank_first_sample(const DspRank *rank) {
  const DspSchedule *schedule = rank->run->schedule;
  return (rank->position.at[DSP_AXIS_DP] * schedule->plan.degree[DSP_AXIS_CFG] +
          rank->position.at[DSP_AXIS_CFG]) *
         dsp_job_batch(&schedule->job);
}

int64_t dsp_rank_weight(const DspRank *rank, const DspOp *op) {
  return dsp_data_offset(rank->run->data, rank->segment->block,
                         rank->repetition, op);
}

gboolean dsp_rank_exchange(DspRank *rank, const DspStep *step,
                           const DspArray *send, DspArray *receive) {
  const DspCarry carry = {&step->exchange, send->bytes, receive->bytes,
                          send->n_bytes, receive->n_bytes};
  gboolean ok = dsp_carrier_run(rank->run->carrier, rank->id, &carry);
  if (!ok)
    dsp_rank_fail(rank, "another rank has stopped");
  return ok;
}

int64_t dsp_rank_split(const DspRank *rank) {
  gboolean gathers = rank->run->schedule->plan.method->gathers;
  return rank->position.at[gathers ? DSP_AXIS_SP : DSP_AXIS_TP];
}

/* --- steps
 * ------------------------------------------------------------------------- */

static void gemm_step(DspRank *rank, const DspStep *step) {
  if (step->op->kind == DSP_OP_LINEAR)
    dsp_step_linear(rank, step);
  else
    dsp_rank_fail(rank, "'%s' cannot be computed", step->op->name);
}

static void memory_step(DspRank *rank, const DspStep *step) {
  static void (*const by_role[DSP_N_ROLES])(DspRank *, const DspStep *) = {
      [DSP_ROLE_COMPUTE] = dsp_step_pointwise,
      [DSP_ROLE_INPUT_GRAD] = dsp_step_pointwise,
      [DSP_ROLE_WEIGHT_GRAD] = dsp_step_linear,
      [DSP_ROLE_PACK] = dsp_step_move,
      [DSP_ROLE_UNPACK] = dsp_step_move,
      [DSP_ROLE_MERGE] = dsp_step_merge,
      [DSP_ROLE_OPTIMIZER] = dsp_step_optimizer,
      [DSP_ROLE_LOSS] = dsp_step_loss,
      [DSP_ROLE_SUMS] = dsp_step_sums,
  };
  by_role[step->role](rank, step);
}

static void collective_step(DspRank *rank, const DspStep *step) {
  (step->role == DSP_ROLE_GRADIENT_SYNC ? dsp_step_sync : dsp_step_move)(rank,
                                                                         step);
}

static void (*const by_kind[])(DspRank *, const DspStep *) = {
    [DSP_STEP_GEMM] = gemm_step,
    [DSP_STEP_ATTENTION] = dsp_step_attention,
    [DSP_STEP_MEMORY] = memory_step,
    [DSP_STEP_COLLECTIVE] = collective_step,
};

/* --- what passes from one repetition, and segment, to the next
 * ------------------------ */

enum { N_VALUES = DSP_MAX_STREAMS + 1 };

static gboolean comes_out(const DspSegment *segment, gsize tensor) {
  for (int i = 0; i < N_VALUES; i++)
    if (segment->out[i] == (int)tensor)
      return TRUE;
  return FALSE;
}

/* Takes the values that the last repetition gave as those that this one gets;
 * nothing else of it is left. */
static void hand_on(DspRank *rank, const DspSegment *segment) {
  DspArray *values[N_VALUES] = {NULL};
  for (int i = 0; i < N_VALUES; i++)
    if (segment->out[i] >= 0)
      values[i] = dsp_array_ref(rank->values[segment->out[i]]);
  for (gsize t = segment->first_tensor; t < segment->end_tensor; t++)
    dsp_rank_set(rank, (int)t, NULL);
  for (int i = 0; i < N_VALUES; i++)
    if (segment->in[i] >= 0)
      dsp_rank_set(rank, segment->in[i], dsp_array_ref(values[i]));
  for (int i = 0; i < N_VALUES; i++)
    dsp_array_unref(values[i]);
}

static void drop_rest(DspRank *rank, const DspSegment *segment) {
  for (gsize t = segment->first_tensor; t < segment->end_tensor; t++)
    if (!comes_out(segment, t) && (int)t != rank->run->output_tensor)
      dsp_rank_set(rank, (int)t, NULL);
}

/* A tensor that the backward pass will read. */
typedef struct {
  int tensor;
  DspArray *array;
} Kept;

static void kept_clear(gpointer data) {
  dsp_array_unref(((Kept *)data)->array);
}

static void keep(DspRank *rank, GArray *kept, int tensor) {
  Kept one = {tensor, dsp_array_ref(rank->values[tensor])};
  if (one.array && dsp_tensor_of(rank->run->schedule, tensor)->saved)
    g_array_append_val(kept, one);
  else
    dsp_array_unref(one.array);
}

/* Arrays that a repetition of a block keeps for its backward pass: those that
 * the schedule has marked, and no other. */
static GArray *keep_saved(DspRank *rank, const DspSegment *segment,
                          DspArray *const taken[N_VALUES]) {
  GArray *kept = g_array_new(FALSE, FALSE, sizeof(Kept));
  g_array_set_clear_func(kept, kept_clear);
  for (gsize t = segment->first_tensor; t < segment->end_tensor; t++)
    keep(rank, kept, (int)t);
  for (int i = 0; i < N_VALUES; i++) {
    Kept one = {segment->in[i], taken[i]};
    if (one.tensor < 0 || !one.array ||
        !dsp_tensor_of(rank->run->schedule, one.tensor)->saved)
      continue;
    dsp_array_ref(one.array);
    g_array_append_val(kept, one);
  }
  return kept;
}

static GPtrArray *kept_of(const DspRank *rank, const DspBlock *block) {
  const GPtrArray *segments = rank->run->schedule->segments;
  for (guint i = 0; i < segments->len; i++) {
    const DspSegment *segment = segments->pdata[i];
    if (segment->block == block && segment->pass == DSP_PASS_FORWARD)
      return rank->kept->pdata[i];
  }
  return NULL;
}

static void bring_back(DspRank *rank, const DspSegment *segment) {
  const GPtrArray *all = kept_of(rank, segment->block);
  const GArray *kept = all->pdata[rank->repetition];
  for (guint i = 0; i < kept->len; i++) {
    const Kept *one = &g_array_index(kept, Kept, i);
    dsp_rank_set(rank, one->tensor, dsp_array_ref(one->array));
  }
}

/* --- segments
 * ----------------------------------------------------------------------------
 */

static void run_steps(DspRank *rank, const DspSegment *segment) {
  const DspStep *steps = dsp_segment_steps(segment);
  for (guint i = 0; i < segment->steps->len && !rank->error; i++)
    by_kind[steps[i].kind](rank, &steps[i]);
}

static void run_forward(DspRank *rank, const DspSegment *segment,
                        GPtrArray *kept) {
  DspArray *taken[N_VALUES] = {NULL};
  for (int i = 0; i < N_VALUES; i++)
    if (segment->in[i] >= 0)
      taken[i] = dsp_array_ref(rank->values[segment->in[i]]);
  run_steps(rank, segment);
  g_ptr_array_add(kept, keep_saved(rank, segment, taken));
  for (int i = 0; i < N_VALUES; i++)
    dsp_array_unref(taken[i]);
}

/* The latest: where a block is the last part, its last repetition's, which the
 * backward pass puts others in place of. */
static void keep_output(DspRank *rank) {
  DspArray *y = rank->values[rank->run->output_tensor];
  if (!y)
    return;
  dsp_array_unref(rank->output);
  rank->output = dsp_array_ref(y);
}

static void run_segment(DspRank *rank, guint index) {
  const DspSegment *segment = rank->run->schedule->segments->pdata[index];
  gboolean backward = segment->pass == DSP_PASS_BACKWARD;
  rank->segment = segment;
  for (int64_t i = 0; i < segment->repeat && !rank->error; i++) {
    rank->repetition = backward ? segment->repeat - 1 - i : i;
    if (i > 0)
      hand_on(rank, segment);
    if (backward)
      bring_back(rank, segment);
    if (segment->pass == DSP_PASS_FORWARD) {
      run_forward(rank, segment, rank->kept->pdata[index]);
      keep_output(rank);
    } else
      run_steps(rank, segment);
    drop_rest(rank, segment);
    if (segment->block && rank->run->zero == 3)
      dsp_forget_weights(rank, segment->block, rank->repetition);
  }
}

/* --- a rank
 * -----------------------------------------------------------------------------------
 */

static void fill_inputs(DspRank *rank) {
  const DspData *data = rank->run->data;
  for (guint i = 0; i < data->model->n_streams; i++) {
    int64_t n, width = data->input_width[i];
    g_autofree int64_t *rows = dsp_rank_rows(rank, (int)i, &n);
    g_autofree float *numbers = g_new0(float, (gsize)MAX(n * width, 1));
    for (int64_t j = 0; j < n * width; j++)
      if (rows[j / width] >= 0)
        numbers[j] =
            (float)data->inputs[i][rows[j / width] * width + j % width];
    rank->run->device->kernels->write(dsp_rank_put(rank, (int)i, n, width),
                                      numbers);
  }
}

static void fill_weights(DspRank *rank) {
  DspDevice *device = rank->run->device;
  int64_t n = rank->run->data->n;
  g_autofree float *numbers = g_new(float, (gsize)n);
  for (int64_t i = 0; i < n; i++)
    numbers[i] = (float)rank->run->data->weights[i];
  rank->weights = device->kernels->alloc(device, (gsize)n * sizeof(float));
  rank->gradients = device->kernels->alloc(device, (gsize)n * sizeof(float));
  device->kernels->put(device, rank->weights, numbers, n);
}

static void forget_all_weights(DspRank *rank) {
  const DspBlock *block;
  for (guint i = 0; (block = dsp_model_part(rank->run->data->model, i)); i++)
    for (int64_t k = 0; k < block->count; k++)
      dsp_forget_weights(rank, block, k);
}

static DspRank *rank_new(DspRun *run, int64_t id) {
  DspRank *rank = g_new0(DspRank, 1);
  const DspSchedule *schedule = run->schedule;
  rank->run = run;
  rank->id = id;
  rank->position = dsp_position(&schedule->plan, id);
  rank->values = g_new0(DspArray *, schedule->tensors->len);
  rank->kept =
      g_ptr_array_new_with_free_func((GDestroyNotify)g_ptr_array_unref);
  for (guint i = 0; i < schedule->segments->len; i++)
    g_ptr_array_add(rank->kept, g_ptr_array_new_with_free_func(
                                    (GDestroyNotify)g_array_unref));
  fill_weights(rank);
  if (run->zero == 3)
    forget_all_weights(rank);
  fill_inputs(rank);
  return rank;
}

static void rank_free(gpointer data) {
  DspRank *rank = data;
  for (guint i = 0; i < rank->run->schedule->tensors->len; i++)
    dsp_array_unref(rank->values[i]);
  g_free(rank->values);
  dsp_array_unref(rank->output);
  g_ptr_array_unref(rank->kept);
  rank->run->device->kernels->release(rank->run->device, rank->weights);
  rank->run->device->kernels->release(rank->run->device, rank->gradients);
  g_free(rank->error);
  g_free(rank);
}

static gpointer run_rank(gpointer data) {
  DspRank *rank = data;
  const GPtrArray *segments = rank->run->schedule->segments;
  for (guint i = 0; i < segments->len && !rank->error; i++)
    run_segment(rank, i);
  if (rank->error)
    dsp_carrier_break(rank->run->carrier);
  return NULL;
}

/* --- the whole
 * ------------------------------------------------------------------------------------
 */

static gboolean has_weights(const DspStep *step) {
  return step->role == DSP_ROLE_COMPUTE &&
         (step->kind == DSP_STEP_GEMM ||
          (step->op && (step->op->kind == DSP_OP_QK_NORM ||
                        step->op->kind == DSP_OP_NORM)));
}

static void find_products(DspRun *run) {
  for (guint i = 0; i < run->schedule->segments->len; i++) {
    const DspSegment *segment = run->schedule->segments->pdata[i];
    const DspStep *steps = dsp_segment_steps(segment);
    for (guint j = 0; j < segment->steps->len; j++)
      if (has_weights(&steps[j]) &&
          !g_hash_table_contains(run->products, steps[j].op))
        g_hash_table_insert(run->products, (gpointer)steps[j].op,
                            (gpointer)&steps[j]);
  }
}

/* The tensor that the loss is of; in inference the last one made. */
static int output_tensor(const DspSchedule *schedule) {
  int last = -1;
  for (guint i = 0; i < schedule->segments->len; i++) {
    const DspSegment *segment = schedule->segments->pdata[i];
    const DspStep *steps = dsp_segment_steps(segment);
    for (guint j = 0; j < segment->steps->len; j++) {
      if (steps[j].role == DSP_ROLE_LOSS)
        return steps[j].inputs[0];
      if (steps[j].output >= 0)
        last = steps[j].output;
    }
  }
  return last;
}

DspRun *dsp_run_new(const DspSchedule *schedule, const DspData *data,
                    const DspMachine *machine) {
  DspRun *run = g_new0(DspRun, 1);
  run->schedule = schedule;
  run->data = data;
  run->dtype = schedule->job.dtype;
  run->machine = machine;
  run->device = machine ? machine->device : dsp_cpu_new(run->dtype);
  run->carrier = machine ? machine->connect(machine, &schedule->plan)
                         : dsp_threads_new(&schedule->plan, run->dtype);
  run->products = g_hash_table_new(NULL, NULL);
  run->scale_error = 1;
  run->zero = schedule->job.mode == DSP_MODE_TRAIN ? schedule->plan.zero : 0;
  run->n_output = data->batch * data->output_width *
                  dsp_stream_tokens(data->model, 0, &data->lengths);
  run->n_results = run->n_output + 2 * data->n;
  run->results = g_new0(guint64, (gsize)run->n_results);
  run->output = g_new0(double, (gsize)run->n_results);
  run->gradients = run->output + run->n_output;
  run->weights = run->gradients + data->n;
  run->output_tensor = output_tensor(schedule);
  find_products(run);
  return run;
}

/* A number and, above it, the rank that gave it: of several the largest is the
 * last rank's. */
static guint64 result_of(const DspRank *rank, float x) {
  guint32 bits;
  memcpy(&bits, &x, sizeof bits);
  return (guint64)(rank->id + 1) << 32 | bits;
}

static double number_of(guint64 result) {
  guint32 bits = (guint32)result;
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

static float *copy_of(const DspRank *rank, const float *from) {
  int64_t n = rank->run->data->n;
  float *copy = g_new(float, (gsize)n);
  rank->run->device->kernels->get(rank->run->device, copy, from, n);
  return copy;
}

/* Rows of a rank at `p`: `y` are its numbers. Gives the first behind them. */
static const float *put_rows(const DspRank *rank, const DspPosition *p,
                             const float *y, int64_t width) {
  const DspRun *run = rank->run;
  const DspTensor *t = dsp_tensor_of(run->schedule, run->output_tensor);
  int64_t n;
  g_autofree int64_t *rows =
      dsp_rows(run->schedule, p, t->stream, t->layout, &n);
  for (int64_t i = 0; i < n * width; i++)
    if (rows[i / width] >= 0)
      run->results[rows[i / width] * width + i % width] = result_of(rank, y[i]);
  return y + n * width;
}

/* In inference the passes of guidance have been gathered one behind the other.
 */
static void put_output(DspRun *run, const DspRank *rank) {
  const DspArray *y = rank->output;
  DspPosition p = rank->position;
  int64_t passes = run->schedule->plan.degree[DSP_AXIS_CFG];
  if (p.at[DSP_AXIS_TP] == 0)
    run->loss += rank->loss;
  if (!y)
    return;
  g_autofree float *numbers = g_new0(float, (gsize)(y->rows * y->width + 1));
  const float *at = numbers;
  run->device->kernels->read(y, numbers);
  for (int64_t i = 0; i < passes; i++) {
    p.at[DSP_AXIS_CFG] = i;
    at = put_rows(rank, &p, at, y->width);
  }
}

/* Of one repetition; `results`: where those of the present kind begin. */
static void put_weights(const DspRank *rank, const DspBlock *block,
                        int64_t repetition, DspWeights kind,
                        const float *numbers, guint64 *results) {
  int64_t n, begin, end;
  g_autofree int64_t *list =
      dsp_flat_weights(rank, block, repetition, kind, &n);
  if (!dsp_flat_counts(rank, kind))
    return;
  dsp_flat_own(rank, kind, n, &begin, &end);
  for (int64_t i = begin; i < end; i++)
    results[list[i]] = result_of(rank, numbers[list[i]]);
}

static void put_all_weights(const DspRank *rank, const float *from,
                            guint64 *results) {
  const DspBlock *block;
  g_autofree float *numbers = copy_of(rank, from);
  for (guint i = 0; (block = dsp_model_part(rank->run->data->model, i)); i++)
    for (int64_t k = 0; k < block->count; k++) {
      put_weights(rank, block, k, DSP_WEIGHTS_REPLICATED, numbers, results);
      put_weights(rank, block, k, DSP_WEIGHTS_DIVIDED, numbers, results);
    }
}

/* --- ranks that are processes ----------------------------------------------
 */

static void join_results(DspRun *run, gsize ranks) {
  gsize n = (gsize)run->n_results;
  g_autofree guint64 *all = g_new(guint64, n * ranks);
  run->machine->gather(run->machine, run->results, n * sizeof *all, all);
  for (gsize i = 0; i < n * ranks; i++)
    run->results[i % n] = MAX(run->results[i % n], all[i]);
}

static void join_loss(DspRun *run, gsize ranks) {
  g_autofree double *all = g_new(double, ranks);
  run->machine->gather(run->machine, &run->loss, sizeof *all, all);
  run->loss = 0;
  for (gsize i = 0; i < ranks; i++)
    run->loss += all[i];
}

/* Rows of this process' rank are those of the longest list, filled up. */
static void join_orders(DspRun *run, gsize ranks, const guint *lengths) {
  const DspMachine *m = run->machine;
  DspTally *tallies = run->carrier->tallies;
  gsize most = 1;
  for (gsize i = 0; i < ranks; i++)
    most = MAX(most, lengths[i]);
  g_autofree DspRecord *mine = g_new0(DspRecord, most);
  g_autofree DspRecord *all = g_new(DspRecord, most * ranks);
  const GArray *own = tallies[m->rank].order;
  if (own->len > 0)
    memcpy(mine, own->data, own->len * sizeof *mine);
  m->gather(m, mine, most * sizeof *mine, all);
  for (gsize i = 0; i < ranks; i++)
    if ((int64_t)i != m->rank)
      g_array_append_vals(tallies[i].order, all + i * most, lengths[i]);
}

static void join_tallies(DspRun *run, gsize ranks) {
  const DspMachine *m = run->machine;
  DspTally *tallies = run->carrier->tallies;
  g_autofree int64_t *moved = g_new(int64_t, ranks);
  g_autofree guint *lengths = g_new(guint, ranks);
  m->gather(m, &tallies[m->rank].moved, sizeof *moved, moved);
  m->gather(m, &tallies[m->rank].order->len, sizeof *lengths, lengths);
  for (gsize i = 0; i < ranks; i++)
    tallies[i].moved = moved[i];
  join_orders(run, ranks, lengths);
}

static void join(DspRun *run) {
  gsize ranks = (gsize)dsp_plan_ranks(&run->schedule->plan);
  if (!run->machine || ranks == 1)
    return;
  join_results(run, ranks);
  join_loss(run, ranks);
  join_tallies(run, ranks);
}

/* --- the whole -------------------------------------------------------------
 */

static gboolean collect(DspRun *run, const GPtrArray *ranks, GError **error) {
  for (guint i = 0; i < ranks->len; i++) {
    DspRank *rank = ranks->pdata[i];
    gboolean echo = rank->error && strstr(rank->error, "another rank");
    if (rank->error && !(echo && i + 1 < ranks->len)) {
      g_set_error_literal(error, DSP_ERROR, DSP_ERROR_INFEASIBLE, rank->error);
      return FALSE;
    }
  }
  for (guint i = 0; i < ranks->len; i++) {
    const DspRank *rank = ranks->pdata[i];
    guint64 *gradients = run->results + run->n_output;
    put_output(run, rank);
    put_all_weights(rank, rank->gradients, gradients);
    put_all_weights(rank, rank->weights, gradients + run->data->n);
  }
  join(run);
  for (int64_t i = 0; i < run->n_results; i++)
    run->output[i] = number_of(run->results[i]);
  return TRUE;
}

static void run_threads(const GPtrArray *ranks) {
  g_autoptr(GPtrArray) threads = g_ptr_array_new();
  for (guint i = 0; i < ranks->len; i++)
    g_ptr_array_add(threads,
                    g_thread_new("dspsim-rank", run_rank, ranks->pdata[i]));
  for (guint i = 0; i < threads->len; i++)
    g_thread_join(threads->pdata[i]);
}

gboolean dsp_run_execute(DspRun *run, GError **error) {
  g_autoptr(GPtrArray) ranks = g_ptr_array_new_with_free_func(rank_free);
  int64_t n = dsp_plan_ranks(&run->schedule->plan);
  if (run->machine) {
    g_ptr_array_add(ranks, rank_new(run, n > 1 ? run->machine->rank : 0));
    run_rank(ranks->pdata[0]);
    return collect(run, ranks, error);
  }
  for (int64_t i = 0; i < n; i++)
    g_ptr_array_add(ranks, rank_new(run, i));
  run_threads(ranks);
  return collect(run, ranks, error);
}

void dsp_run_free(DspRun *run) {
  if (!run)
    return;
  dsp_carrier_free(run->carrier);
  g_hash_table_unref(run->products);
  if (!run->machine)
    run->device->kernels->close(run->device);
  g_free(run->results);
  g_free(run->output);
  g_free(run);
}
