/* SPDX-License-Identifier: Apache-2.0 */
/* Products with weights: which part of them a rank holds. */
#include "numerics/executor.h"

/* The part of a weight matrix, and the lists that it owns. */
typedef struct {
  DspProduct p;
  int64_t *rows, *columns;
  int64_t wide; /* columns of the input */
} Part;

/* An embedder that takes other columns than its stream has by now takes those
 * round and round. */
static void wrap_rows(Part *part, int64_t in) {
  part->rows = g_renew(int64_t, part->rows, in);
  for (int64_t i = 0; i < in; i++)
    part->rows[i] = i;
  part->p.in = in;
}

static Part part_of(DspRank *rank, const DspStep *step, int x, int y) {
  const DspSchedule *schedule = rank->run->schedule;
  const DspOp *op = step->op;
  int64_t first = dsp_rank_weight(rank, op), at = dsp_rank_split(rank);
  Part part = {.p = {.stride = op->out,
                     .w = rank->weights + first,
                     .dw = rank->gradients + first,
                     .dbias = rank->gradients + first + op->in * op->out}};
  const DspTensor *from = dsp_tensor_of(schedule, x);
  part.rows = dsp_columns(from, at, &part.p.in);
  part.wide = part.p.in;
  if (from->split == 1 && part.p.in != op->in)
    wrap_rows(&part, op->in);
  part.columns = dsp_columns(dsp_tensor_of(schedule, y), at, &part.p.out);
  /* Of partial sums one has the bias. */
  if (op->bias && (from->split == 1 || at == 0))
    part.p.bias = part.p.w + op->in * op->out;
  part.p.rows = part.rows;
  part.p.columns = part.columns;
  return part;
}

static void part_clear(Part *part) {
  g_free(part->rows);
  g_free(part->columns);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Part, part_clear)

static void forward(DspRank *rank, const DspStep *step, int x, int y) {
  DspDevice *device = rank->run->device;
  DspArray *from = dsp_rank_get(rank, x);
  if (!from)
    return;
  g_auto(Part) part = part_of(rank, step, x, y);
  part.p.x = from;
  part.p.y = dsp_rank_put(rank, y, from->rows, part.p.out);
  device->kernels->product(device, &part.p);
  device->kernels->round(part.p.y);
}

static void input_gradient(DspRank *rank, const DspStep *step, int dy, int dx) {
  DspDevice *device = rank->run->device;
  DspArray *from = dsp_rank_gradient(rank, dy);
  g_auto(Part) part = part_of(rank, step, dx, dy);
  part.p.dy = from;
  part.p.dx = dsp_rank_put(rank, dx, from->rows, part.wide);
  device->kernels->product_back(device, &part.p);
  device->kernels->round(part.p.dx);
}

static void weight_gradient(DspRank *rank, const DspStep *step, int x, int dy) {
  DspDevice *device = rank->run->device;
  DspArray *from = dsp_rank_get(rank, x), *to = dsp_rank_gradient(rank, dy);
  if (!from)
    return;
  g_auto(Part) part = part_of(rank, step, x, dy);
  part.p.x = from;
  part.p.dy = to;
  device->kernels->weight_back(device, &part.p);
}

/* The bias of a divided product's rows is whole on every rank. */
static void bias_gradient(DspRank *rank, const DspStep *step, int dy) {
  DspDevice *device = rank->run->device;
  const DspOp *op = step->op;
  int64_t first = dsp_rank_weight(rank, op) + op->in * op->out;
  g_auto(Part) part = {.p = {.dy = dsp_rank_gradient(rank, dy),
                             .dbias = rank->gradients + first}};
  part.columns = dsp_columns(dsp_tensor_of(rank->run->schedule, dy),
                             dsp_rank_split(rank), &part.p.out);
  part.p.columns = part.columns;
  device->kernels->bias_back(device, &part.p);
}

/* The operation on its own stream and on the one that shares it. */
void dsp_step_linear(DspRank *rank, const DspStep *step) {
  gboolean trained = step->op->parameters > 0;
  for (int i = 0; i < 2 && !rank->error; i++) {
    int in = step->inputs[i];
    if (in < 0)
      continue;
    int out = i == 0 ? step->output : step->also[0];
    if (step->role == DSP_ROLE_COMPUTE)
      forward(rank, step, in, out);
    else if (step->role == DSP_ROLE_INPUT_GRAD && out >= 0)
      input_gradient(rank, step, in, out);
    else if (step->role == DSP_ROLE_WEIGHT_GRAD && trained &&
             step->kind == DSP_STEP_GEMM)
      weight_gradient(rank, step, in, step->inputs[2 + i]);
    else if (step->role == DSP_ROLE_WEIGHT_GRAD && trained)
      bias_gradient(rank, step, in);
  }
}
