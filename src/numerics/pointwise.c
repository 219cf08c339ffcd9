/* SPDX-License-Identifier: Apache-2.0 */
/* Operations on one token after another, and the loss. */
#include "numerics/executor.h"
#include "numerics/function.h"
#include <math.h>

/* One application: arrays of one stream, forward (dy NULL) or backward. */
typedef struct {
  DspRank *rank;
  const DspStep *step;
  const DspOp *op;
  const DspTensor *tensor; /* of x */
  int64_t in, out;         /* columns on this rank */
  const DspArray *x, *vectors;
  const DspArray *dy;
  DspArray *y; /* or dx */
  DspArray *dvectors;
  int64_t *rows; /* global */
  int64_t tokens;
} Point;

static float *at(const DspArray *a, int64_t row) {
  return a->v + row * a->width;
}

/* --- norms
 * ----------------------------------------------------------------------- */

static void moments(const DspOp *op, const float *x, int64_t n, float *mean,
                    float *inverse) {
  float sum = 0, square = 0;
  for (int64_t i = 0; !op->rms && i < n; i++)
    sum += x[i];
  *mean = sum / (float)n;
  for (int64_t i = 0; i < n; i++)
    square += (x[i] - *mean) * (x[i] - *mean);
  *inverse = 1 / sqrtf(square / (float)n + (float)DSP_NORM_EPSILON);
}

/* Columns that are normalised together, with their scales and shifts. */
typedef struct {
  const float *scale, *shift;
  float *dscale, *dshift;
  int64_t n;
} Group;

static void norm_group(const DspOp *op, const Group *g, const float *x,
                       float *y) {
  float mean, inverse;
  moments(op, x, g->n, &mean, &inverse);
  for (int64_t i = 0; i < g->n; i++)
    y[i] = (x[i] - mean) * inverse * (g->scale ? g->scale[i] : 1) +
           (g->shift ? g->shift[i] : 0);
}

static void norm_group_back(const DspOp *op, const Group *g, const float *x,
                            const float *dy, float *dx) {
  float mean, inverse, a = 0, b = 0;
  moments(op, x, g->n, &mean, &inverse);
  for (int64_t i = 0; i < g->n; i++) {
    float hat = (x[i] - mean) * inverse;
    float d = dy[i] * (g->scale ? g->scale[i] : 1);
    a += op->rms ? 0 : d;
    b += d * hat;
    if (g->dscale)
      g->dscale[i] += dy[i] * hat;
    if (g->dshift)
      g->dshift[i] += dy[i];
  }
  for (int64_t i = 0; i < g->n; i++) {
    float d = dy[i] * (g->scale ? g->scale[i] : 1);
    float hat = (x[i] - mean) * inverse;
    if (dx)
      dx[i] += inverse * (d - a / (float)g->n - hat * (b / (float)g->n));
  }
}

static void norm_row(const Point *p, const Group *g, int64_t row,
                     int64_t column) {
  float *y = p->y ? at(p->y, row) + column : NULL;
  if (p->dy)
    norm_group_back(p->op, g, at(p->x, row) + column, at(p->dy, row) + column,
                    y);
  else
    norm_group(p->op, g, at(p->x, row) + column, y);
}

/* `first`: of the scales; shifts lie half of the parameters behind them. */
static Group group_at(const Point *p, int64_t first, int64_t n) {
  int64_t weights = dsp_rank_weight(p->rank, p->op) + first;
  int64_t shifts = weights + p->op->parameters / 2;
  gboolean affine = p->op->parameters > 0, shifted = affine && !p->op->rms;
  float *w = p->rank->weights, *d = p->rank->gradients;
  return (Group){affine ? w + weights : NULL, shifted ? w + shifts : NULL,
                 affine ? d + weights : NULL, shifted ? d + shifts : NULL, n};
}

static void norm(const Point *p, int64_t row) {
  Group g = group_at(p, 0, p->in);
  norm_row(p, &g, row, 0);
}

static void qk_norm(const Point *p, int64_t row) {
  const DspOp *op = p->op;
  int64_t q = op->heads / p->tensor->split * op->head_dim;
  int64_t size = op->across_heads ? q : op->head_dim;
  Group of_q = group_at(p, 0, size);
  for (int64_t c = 0; c < q; c += size)
    norm_row(p, &of_q, row, c);
  Group of_k = group_at(p, size, op->across_heads ? p->in - q : op->head_dim);
  for (int64_t c = q; c < p->in; c += of_k.n)
    norm_row(p, &of_k, row, c);
}

/* --- vectors of the conditioning
 * ------------------------------------------------------ */

static int64_t vector(const Point *p, int64_t row, int64_t column) {
  int64_t sample = p->rows[row] / p->tokens - dsp_rank_first_sample(p->rank);
  return sample * p->vectors->width +
         (p->step->column + column) % p->vectors->width;
}

static void modulate(const Point *p, int64_t row) {
  for (int64_t c = 0; c < p->in; c++) {
    gboolean has = p->vectors && p->rows[row] >= 0;
    float scale = has ? p->vectors->v[vector(p, row, c)] : 0;
    float shift = has ? p->vectors->v[vector(p, row, p->in + c)] : 0;
    float x = at(p->x, row)[c];
    if (!p->dy) {
      at(p->y, row)[c] = x * (1 + scale) + shift;
      continue;
    }
    float dy = at(p->dy, row)[c];
    if (p->y)
      at(p->y, row)[c] += dy * (1 + scale);
    if (has && p->dvectors) {
      p->dvectors->v[vector(p, row, c)] += dy * x;
      p->dvectors->v[vector(p, row, p->in + c)] += dy;
    }
  }
}

/* --- rope
 * --------------------------------------------------------------------------------
 */

static void rope(const Point *p, int64_t row) {
  int64_t half = p->op->head_dim / 2;
  double place = p->rows[row] < 0 ? 0 : (double)(p->rows[row] % p->tokens);
  const float *x = at(p->dy ? p->dy : p->x, row);
  for (int64_t c = 0; c < p->in / 2; c++) {
    double angle =
        place * pow(DSP_ROPE_BASE, -(double)(c % half) / (double)half);
    float cosine = (float)cos(angle), sine = (float)sin(p->dy ? -angle : angle);
    float *y = at(p->y, row) + 2 * c;
    y[0] += x[2 * c] * cosine - x[2 * c + 1] * sine;
    y[1] += x[2 * c] * sine + x[2 * c + 1] * cosine;
  }
}

/* --- activations
 * -----------------------------------------------------------------------------
 */

static int64_t first_column(const Point *p) {
  const DspBlock *block = p->rank->segment->block;
  return dsp_op_column(&block->stages[p->step->stage], p->op, p->x->width,
                       p->in);
}

static void activation(const Point *p, int64_t row) {
  int64_t first = first_column(p), half = p->in / 2;
  gboolean second = dsp_gates_second(p->op->function);
  const float *x = at(p->x, row) + first;
  for (int64_t c = 0; c < p->out; c++) {
    int64_t f = p->op->gated && second ? c + half : c;
    int64_t g = second ? c : c + half;
    float value = (float)dsp_activate(p->op->function, x[f]);
    float over = p->op->gated ? x[g] : 1;
    if (!p->dy) {
      at(p->y, row)[first + c] = value * over;
      continue;
    }
    float dy = at(p->dy, row)[first + c];
    at(p->y, row)[first + f] +=
        dy * over * (float)dsp_activate_slope(p->op->function, x[f]);
    if (p->op->gated)
      at(p->y, row)[first + g] += dy * value;
  }
}

/* --- the operation on a stream
 * ------------------------------------------------------------------ */

static void (*const on_row[DSP_N_OPS])(const Point *, int64_t) = {
    [DSP_OP_NORM] = norm,
    [DSP_OP_MODULATE] = modulate,
    [DSP_OP_QK_NORM] = qk_norm,
    [DSP_OP_ROPE] = rope,
    [DSP_OP_ACTIVATION] = activation,
};

/* Columns that it does not work on go through as they are. */
static void pass(const Point *p, int64_t row) {
  int64_t first = p->op->kind == DSP_OP_ACTIVATION ? first_column(p) : 0;
  int64_t shift = p->out - p->in;
  for (int64_t c = 0; p->y && c < p->x->width; c++) {
    if (c >= first && c < first + p->in)
      continue;
    int64_t out = c < first ? c : c + shift;
    if (p->dy)
      at(p->y, row)[c] += at(p->dy, row)[out];
    else
      at(p->y, row)[out] = at(p->x, row)[c];
  }
}

/* `x`: of the stream; `y`: what it gives; `dy`: the gradient, -1 forward. */
static void on_stream(DspRank *rank, const DspStep *step, int x, int y,
                      int dy) {
  const DspTensor *t = dsp_tensor_of(rank->run->schedule, x);
  const DspOp *op = step->op;
  Point p = {.rank = rank,
             .step = step,
             .op = op,
             .tensor = t,
             .in = op->in / t->split,
             .out = op->out / t->split,
             .x = dsp_rank_get(rank, x)};
  int64_t n;
  if (p.x && step->inputs[2] >= 0)
    p.vectors = dsp_rank_get(rank, step->inputs[2]);
  if (rank->error)
    return;
  if (t->split > 1 && (op->kind == DSP_OP_NORM || op->across_heads)) {
    dsp_rank_fail(rank, "'%s' needs columns that other ranks hold", op->name);
    return;
  }
  p.tokens = dsp_stream_tokens(rank->run->schedule->job.model, t->stream,
                               &rank->run->schedule->job.lengths);
  p.rows = dsp_rank_rows(rank, x, &n);
  if (dy >= 0)
    p.dy = dsp_rank_gradient(rank, dy);
  p.y = dsp_rank_put(rank, y, p.x->rows,
                     dy >= 0 ? p.x->width : p.x->width - p.in + p.out);
  if (step->also[1] >= 0 && p.vectors)
    p.dvectors =
        dsp_rank_put(rank, step->also[1], p.vectors->rows, p.vectors->width);
  for (int64_t row = 0; row < p.x->rows; row++) {
    on_row[op->kind](&p, row);
    pass(&p, row);
  }
  if (p.y)
    dsp_round_all(p.y->v, p.y->rows * p.y->width, rank->run->dtype);
  if (p.dvectors)
    dsp_round_all(p.dvectors->v, p.dvectors->rows * p.dvectors->width,
                  rank->run->dtype);
  g_free(p.rows);
}

/* --- residual sums
 * -------------------------------------------------------------------------------
 */

static float gate(const Point *p, int64_t row, int64_t c) {
  return p->vectors && p->rows[row] >= 0 ? p->vectors->v[vector(p, row, c)] : 1;
}

static void residual_sum(DspRank *rank, const DspStep *step, Point *p,
                         const DspArray *branch) {
  gboolean table = step->inputs[0] == step->inputs[1];
  p->y = dsp_rank_put(rank, step->output, branch->rows, branch->width);
  for (int64_t i = 0; i < branch->rows * branch->width; i++)
    p->y->v[i] = (table ? 0 : p->x->v[i]) +
                 branch->v[i] * gate(p, i / branch->width, i % branch->width);
  dsp_round_all(p->y->v, p->y->rows * p->y->width, rank->run->dtype);
}

static void gate_gradient(DspRank *rank, const DspStep *step, Point *p,
                          const DspArray *branch) {
  p->dy = dsp_rank_gradient(rank, step->inputs[0]);
  p->y = dsp_rank_put(rank, step->output, branch->rows, branch->width);
  if (step->also[1] >= 0)
    p->dvectors =
        dsp_rank_put(rank, step->also[1], p->vectors->rows, p->vectors->width);
  for (int64_t i = 0; i < branch->rows * branch->width; i++) {
    int64_t row = i / branch->width, c = i % branch->width;
    p->y->v[i] += p->dy->v[i] * gate(p, row, c);
    if (p->dvectors && p->rows[row] >= 0)
      p->dvectors->v[vector(p, row, c)] += p->dy->v[i] * branch->v[i];
  }
  dsp_round_all(p->y->v, p->y->rows * p->y->width, rank->run->dtype);
  if (p->dvectors)
    dsp_round_all(p->dvectors->v, p->dvectors->rows * p->dvectors->width,
                  rank->run->dtype);
}

static void residual(DspRank *rank, const DspStep *step) {
  int64_t n;
  const DspTensor *t = dsp_tensor_of(rank->run->schedule, step->inputs[1]);
  gboolean forward = step->role == DSP_ROLE_COMPUTE;
  DspArray *branch = dsp_rank_get(rank, step->inputs[1]);
  Point p = {.rank = rank, .step = step, .op = step->op};
  if (forward)
    p.x = dsp_rank_get(rank, step->inputs[0]);
  if (step->inputs[2] >= 0)
    p.vectors = dsp_rank_get(rank, step->inputs[2]);
  if (rank->error)
    return;
  p.tokens = dsp_stream_tokens(rank->run->schedule->job.model, t->stream,
                               &rank->run->schedule->job.lengths);
  p.rows = dsp_rank_rows(rank, step->inputs[1], &n);
  if (forward)
    residual_sum(rank, step, &p, branch);
  else
    gate_gradient(rank, step, &p, branch);
  g_free(p.rows);
}

/* The gradient of a branch joins that of its stream. */
static void add_gradients(DspRank *rank, const DspStep *step) {
  DspArray *branch = dsp_rank_gradient(rank, step->inputs[1]);
  DspArray *dx = dsp_rank_put(rank, step->output, branch->rows, branch->width);
  for (int64_t i = 0; i < dx->rows * dx->width; i++)
    dx->v[i] += branch->v[i];
  dsp_round_all(dx->v, dx->rows * dx->width, rank->run->dtype);
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
  if (!on_row[step->op->kind]) {
    dsp_rank_fail(rank, "'%s' cannot be computed", step->op->name);
    return;
  }
  on_stream(rank, step, step->inputs[0], step->output,
            back ? step->inputs[3] : -1);
  if (step->inputs[1] >= 0 && !rank->error)
    on_stream(rank, step, step->inputs[1], step->also[0],
              back ? step->inputs[4] : -1);
}

/* --- loss
 * --------------------------------------------------------------------------------------------
 */

void dsp_step_loss(DspRank *rank, const DspStep *step) {
  const DspData *data = rank->run->data;
  DspArray *y = dsp_rank_get(rank, step->inputs[0]), *dy = NULL;
  if (!y)
    return;
  int64_t n, *rows = dsp_rank_rows(rank, step->inputs[0], &n);
  double all = (double)(data->batch * data->output_width) *
               (double)dsp_stream_tokens(data->model, 0, &data->lengths);
  if (step->pass == DSP_PASS_BACKWARD)
    dy = dsp_rank_put(rank, step->output, y->rows, y->width);
  for (int64_t i = 0; i < y->rows * y->width; i++) {
    int64_t row = rows[i / y->width];
    if (row < 0)
      continue;
    float error = y->v[i] - (float)data->target[row * y->width + i % y->width];
    if (dy)
      dy->v[i] += 2 * error / (float)all;
    else if (step->pass == DSP_PASS_FORWARD)
      rank->loss += (double)error * error / all;
  }
  if (dy)
    dsp_round_all(dy->v, dy->rows * dy->width, rank->run->dtype);
  g_free(rows);
}
