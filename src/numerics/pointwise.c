/* SPDX-License-Identifier: Apache-2.0 */
/* Operations on one token after another, and the loss: what their kernels need
 * to know of tensors, weights and places. */
#include "numerics/executor.h"
#include "numerics/function.h"
#include <math.h>

/* One application to the arrays of a stream, and the lists that it owns. */
typedef struct {
  DspPoint p;
  int64_t *sample, *place;
  float *angles;
} Point;

static void point_clear(Point *point) {
  g_free(point->sample);
  g_free(point->place);
  g_free(point->angles);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Point, point_clear)

static const DspTensor *tensor(const DspRank *rank, int index) {
  return dsp_tensor_of(rank->run->schedule, index);
}

/* --- norms -----------------------------------------------------------------
 */

/* Shifts lie half of the parameters behind the scales. */
static void find_weights(const DspRank *rank, const DspOp *op, DspPoint *p) {
  int64_t first = dsp_rank_weight(rank, op);
  int64_t shifts = first + op->parameters / 2;
  if (op->parameters == 0)
    return;
  p->scale = rank->weights + first;
  p->dscale = rank->gradients + first;
  if (op->rms)
    return;
  p->shift = rank->weights + shifts;
  p->dshift = rank->gradients + shifts;
}

static const float *sums_at(const DspRank *rank, int buffer, int64_t first) {
  return buffer < 0
             ? NULL
             : (const float *)(const void *)rank->values[buffer]->bytes + first;
}

/* Those of the tokens of the stream come before those of the one that shares
 * the operation. */
static void find_sums(const DspRank *rank, const DspStep *step, int x,
                      DspPoint *p) {
  if (!dsp_norm_of_parts(step->op, tensor(rank, x)->split))
    return;
  p->parts = tensor(rank, x)->split;
  p->n_sums = dsp_norm_sums(step->op);
  int64_t first =
      x == step->inputs[0] ? 0 : rank->values[step->inputs[0]]->rows;
  p->sums = sums_at(rank, step->inputs[5], first * p->n_sums);
  p->back_sums = sums_at(rank, step->inputs[6], first * p->n_sums);
}

/* The scale of the rank's first column, of as many as all ranks have. */
static int64_t first_scale(const DspRank *rank, const DspPoint *p,
                           int64_t columns) {
  return p->parts > 1 ? dsp_rank_split(rank) * columns : 0;
}

static void norm(const DspRank *rank, const DspStep *step, int x,
                 Point *point) {
  DspPoint *p = &point->p;
  find_sums(rank, step, x, p);
  p->groups[0] = (DspNormGroups){0, 1, p->in, first_scale(rank, p, p->in)};
  find_weights(rank, step->op, p);
}

static void qk_norm(const DspRank *rank, const DspStep *step, int x,
                    Point *point) {
  const DspOp *op = step->op;
  int64_t q = op->heads / tensor(rank, x)->split * op->head_dim;
  int64_t k = point->p.in - q;
  int64_t of_q = op->across_heads ? q : op->head_dim;
  int64_t of_k = op->across_heads ? k : op->head_dim;
  DspPoint *p = &point->p;
  find_sums(rank, step, x, p);
  int64_t scales_of_q = of_q * MAX(p->parts, 1);
  p->groups[0] = (DspNormGroups){0, q / of_q, of_q, first_scale(rank, p, of_q)};
  p->groups[1] = (DspNormGroups){q, k / of_k, of_k,
                                 scales_of_q + first_scale(rank, p, of_k)};
  find_weights(rank, op, p);
}

/* --- vectors of the conditioning -------------------------------------------
 */

static void find_samples(const DspRank *rank, int x, Point *point) {
  const DspSchedule *schedule = rank->run->schedule;
  int64_t n, *rows = dsp_rank_rows(rank, x, &n);
  int64_t tokens = dsp_stream_tokens(
      schedule->job.model, tensor(rank, x)->stream, &schedule->job.lengths);
  for (int64_t i = 0; i < n; i++)
    if (rows[i] >= 0)
      rows[i] = rows[i] / tokens - dsp_rank_first_sample(rank);
  point->p.sample = point->sample = rows;
}

static void vectors(const DspRank *rank, const DspStep *step, int x,
                    Point *point) {
  point->p.column = step->column;
  find_samples(rank, x, point);
}

/* --- rope ------------------------------------------------------------------
 */

static float *angles_of(int64_t places, int64_t pairs) {
  float *angles = g_new(float, (gsize)(2 * places * pairs));
  for (int64_t i = 0; i < places * pairs; i++) {
    double angle = (double)(i / pairs) *
                   pow(DSP_ROPE_BASE, -(double)(i % pairs) / (double)pairs);
    angles[2 * i] = (float)cos(angle);
    angles[2 * i + 1] = (float)sin(angle);
  }
  return angles;
}

static void rope(const DspRank *rank, const DspStep *step, int x,
                 Point *point) {
  const DspSchedule *schedule = rank->run->schedule;
  int64_t n, *rows = dsp_rank_rows(rank, x, &n);
  DspPoint *p = &point->p;
  p->places = dsp_stream_tokens(schedule->job.model, tensor(rank, x)->stream,
                                &schedule->job.lengths);
  p->pairs = step->op->head_dim / 2;
  p->angles = point->angles = angles_of(p->places, p->pairs);
  for (int64_t i = 0; i < n; i++)
    rows[i] = rows[i] < 0 ? 0 : rows[i] % p->places;
  p->place = point->place = rows;
}

/* --- activations -----------------------------------------------------------
 */

static void activation(const DspRank *rank, const DspStep *step, int x,
                       Point *point) {
  const DspBlock *block = rank->segment->block;
  DspPoint *p = &point->p;
  (void)x;
  p->function = step->op->function;
  p->gated = step->op->gated;
  p->first =
      dsp_op_column(&block->stages[step->stage], step->op, p->x->width, p->in);
}

/* --- the operation on a stream ---------------------------------------------
 */

static void (*const prepare[DSP_N_OPS])(const DspRank *, const DspStep *, int x,
                                        Point *) = {
    [DSP_OP_NORM] = norm,
    [DSP_OP_MODULATE] = vectors,
    [DSP_OP_QK_NORM] = qk_norm,
    [DSP_OP_ROPE] = rope,
    [DSP_OP_ACTIVATION] = activation,
};

/* Columns that it does not work on go through as they are. */
static void pass(const DspRank *rank, const DspPoint *p) {
  const DspKernels *kernels = rank->run->device->kernels;
  int64_t last_in = p->first + p->in, last_out = p->first + p->out;
  const DspColumnSum sums[] = {
      {p->dy ? p->dy : p->x, p->y, 0, 0, p->first},
      {p->dy ? p->dy : p->x, p->y, p->dy ? last_out : last_in,
       p->dy ? last_in : last_out, p->x->width - last_in}};
  for (guint i = 0; p->y && i < G_N_ELEMENTS(sums); i++)
    if (sums[i].n > 0)
      kernels->add_columns(&sums[i]);
}

static void run_point(DspRank *rank, const DspPoint *p) {
  DspDevice *device = rank->run->device;
  device->kernels->point(device, p);
  pass(rank, p);
  if (p->y)
    device->kernels->round(p->y);
  if (p->dvectors)
    device->kernels->round(p->dvectors);
}

static DspPoint point_of(DspRank *rank, const DspOp *op, int x) {
  int64_t split = tensor(rank, x)->split;
  return (DspPoint){.kind = op->kind,
                    .rms = op->rms,
                    .in = op->in / split,
                    .out = op->out / split,
                    .x = dsp_rank_get(rank, x)};
}

/* `x`: of the stream; `y`: what it gives; `dy`: the gradient, -1 forward. */
static void on_stream(DspRank *rank, const DspStep *step, int x, int y,
                      int dy) {
  const DspOp *op = step->op;
  g_auto(Point) point = {.p = point_of(rank, op, x)};
  DspPoint *p = &point.p;
  if (p->x && step->inputs[2] >= 0)
    p->vectors = dsp_rank_get(rank, step->inputs[2]);
  if (rank->error)
    return;
  prepare[op->kind](rank, step, x, &point);
  if (dy >= 0)
    p->dy = dsp_rank_gradient(rank, dy);
  p->y = dsp_rank_put(rank, y, p->x->rows,
                      dy >= 0 ? p->x->width : p->x->width - p->in + p->out);
  if (step->also[1] >= 0 && p->vectors)
    p->dvectors =
        dsp_rank_put(rank, step->also[1], p->vectors->rows, p->vectors->width);
  run_point(rank, p);
}

/* Numbers that a rank adds up over its own columns of both streams. */
void dsp_step_sums(DspRank *rank, const DspStep *step) {
  DspDevice *device = rank->run->device;
  const DspOp *op = step->op;
  DspArray *sums =
      dsp_buffer_new(device, (gsize)tensor(rank, step->output)->bytes);
  float *to = (float *)(void *)sums->bytes;
  dsp_rank_set(rank, step->output, sums);
  if (!device->kernels->sums || !op->rms)
    dsp_rank_fail(rank, "'%s' needs columns that other ranks hold", op->name);
  for (int i = 0; i < 2 && step->inputs[i] >= 0 && !rank->error; i++) {
    int x = step->inputs[i], dy = step->inputs[3 + i];
    g_auto(Point) point = {.p = point_of(rank, op, x)};
    if (rank->error)
      return;
    prepare[op->kind](rank, step, x, &point);
    point.p.dy = dy < 0 ? NULL : dsp_rank_gradient(rank, dy);
    device->kernels->sums(device, &point.p, to);
    to += point.p.x->rows * point.p.n_sums;
  }
}

/* --- residual sums ---------------------------------------------------------
 */

static void residual(DspRank *rank, const DspStep *step) {
  gboolean forward = step->role == DSP_ROLE_COMPUTE;
  gboolean table = step->inputs[0] == step->inputs[1];
  DspArray *branch = dsp_rank_get(rank, step->inputs[1]);
  g_auto(Point) point = {.p = {.kind = DSP_OP_RESIDUAL, .x = branch}};
  DspPoint *p = &point.p;
  if (forward)
    p->stream = dsp_rank_get(rank, step->inputs[0]);
  if (step->inputs[2] >= 0)
    p->vectors = dsp_rank_get(rank, step->inputs[2]);
  if (rank->error)
    return;
  p->in = p->out = branch->width;
  if (table)
    p->stream = NULL;
  vectors(rank, step, step->inputs[1], &point);
  if (!forward)
    p->dy = dsp_rank_gradient(rank, step->inputs[0]);
  p->y = dsp_rank_put(rank, step->output, branch->rows, branch->width);
  if (!forward && step->also[1] >= 0)
    p->dvectors =
        dsp_rank_put(rank, step->also[1], p->vectors->rows, p->vectors->width);
  run_point(rank, p);
}

/* The gradient of a branch joins that of its stream. */
static void add_gradients(DspRank *rank, const DspStep *step) {
  const DspKernels *kernels = rank->run->device->kernels;
  DspArray *branch = dsp_rank_gradient(rank, step->inputs[1]);
  DspArray *dx = dsp_rank_put(rank, step->output, branch->rows, branch->width);
  kernels->add_columns(&(DspColumnSum){branch, dx, 0, 0, branch->width});
  kernels->round(dx);
}

void dsp_step_pointwise(DspRank *rank, const DspStep *step) {
  gboolean back = step->role == DSP_ROLE_INPUT_GRAD;
  if (!step->op) {
    add_gradients(rank, step);
    return;
  }
  if (step->op->kind == DSP_OP_RESIDUAL) {
    residual(rank, step);
    return;
  }
  if (!prepare[step->op->kind]) {
    dsp_rank_fail(rank, "'%s' cannot be computed", step->op->name);
    return;
  }
  on_stream(rank, step, step->inputs[0], step->output,
            back ? step->inputs[3] : -1);
  if (step->inputs[1] >= 0 && !rank->error)
    on_stream(rank, step, step->inputs[1], step->also[0],
              back ? step->inputs[4] : -1);
}

/* --- loss ------------------------------------------------------------------
 */

static float *numbers_of(const DspArray *array) {
  float *numbers = g_new(float, (gsize)MAX(array->rows * array->width, 1));
  array->device->kernels->read(array, numbers);
  return numbers;
}

void dsp_step_loss(DspRank *rank, const DspStep *step) {
  const DspData *data = rank->run->data;
  const DspKernels *kernels = rank->run->device->kernels;
  DspArray *y = dsp_rank_get(rank, step->inputs[0]), *dy = NULL;
  if (!y)
    return;
  int64_t n;
  g_autofree int64_t *rows = dsp_rank_rows(rank, step->inputs[0], &n);
  double all = (double)(data->batch * data->output_width) *
               (double)dsp_stream_tokens(data->model, 0, &data->lengths);
  if (step->pass == DSP_PASS_BACKWARD)
    dy = dsp_rank_put(rank, step->output, y->rows, y->width);
  g_autofree float *numbers = numbers_of(y);
  g_autofree float *slopes = dy ? numbers_of(dy) : NULL;
  for (int64_t i = 0; i < y->rows * y->width; i++) {
    int64_t row = rows[i / y->width];
    if (row < 0)
      continue;
    float error =
        numbers[i] - (float)data->target[row * y->width + i % y->width];
    if (dy)
      slopes[i] += 2 * error / (float)all;
    else if (step->pass == DSP_PASS_FORWARD)
      rank->loss += (double)error * error / all;
  }
  if (!dy)
    return;
  kernels->write(dy, slopes);
  kernels->round(dy);
}
