/* SPDX-License-Identifier: Apache-2.0 */
/* Products with weights. Every sum runs over the inner index from its first to
 * its last element, whatever rows a rank has: sharding tokens changes no bit.
 */
#include "numerics/executor.h"
#include "numerics/function.h"

/* The part of a weight matrix that a rank holds. */
typedef struct {
  int64_t in, out, *rows, *columns;
  int64_t wide;  /* columns of the input */
  int64_t first; /* of the operation's weights */
  gboolean has_bias;
  float *w; /* [in][out] */
} Part;

/* An embedder that takes other columns than its stream has by now takes those
 * round and round. */
static void wrap_rows(Part *part, int64_t in) {
  part->rows = g_renew(int64_t, part->rows, in);
  for (int64_t i = 0; i < in; i++)
    part->rows[i] = i;
  part->in = in;
}

static int64_t weight(const DspStep *step, const Part *p, int64_t i,
                      int64_t o) {
  return p->first + p->rows[i] * step->op->out + p->columns[o];
}

static int64_t bias(const DspStep *step, const Part *p, int64_t o) {
  return p->first + step->op->in * step->op->out + p->columns[o];
}

static Part part_of(DspRank *rank, const DspStep *step, int x, int y) {
  const DspSchedule *schedule = rank->run->schedule;
  Part part = {.first = dsp_rank_weight(rank, step->op)};
  const DspTensor *from = dsp_tensor_of(schedule, x);
  int64_t at = dsp_rank_split(rank);
  part.rows = dsp_columns(from, at, &part.in);
  part.wide = part.in;
  if (from->split == 1 && part.in != step->op->in)
    wrap_rows(&part, step->op->in);
  part.columns = dsp_columns(dsp_tensor_of(schedule, y), at, &part.out);
  /* Of partial sums one has the bias. */
  part.has_bias = step->op->bias && (from->split == 1 || at == 0);
  part.w = g_new(float, (gsize)(part.in * part.out));
  for (int64_t i = 0; i < part.in; i++)
    for (int64_t o = 0; o < part.out; o++)
      part.w[i * part.out + o] = rank->weights[weight(step, &part, i, o)];
  return part;
}

static void part_clear(Part *part) {
  g_free(part->w);
  g_free(part->rows);
  g_free(part->columns);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Part, part_clear)

static void forward(DspRank *rank, const DspStep *step, int x, int y) {
  DspArray *from = dsp_rank_get(rank, x);
  if (!from)
    return;
  g_auto(Part) p = part_of(rank, step, x, y);
  DspArray *to = dsp_rank_put(rank, y, from->rows, p.out);
  const float *w = rank->weights;
  for (int64_t r = 0; r < from->rows; r++) {
    float *sum = to->v + r * p.out;
    for (int64_t i = 0; i < p.in; i++)
      for (int64_t o = 0; o < p.out; o++)
        sum[o] += from->v[r * p.wide + i % p.wide] * p.w[i * p.out + o];
    for (int64_t o = 0; p.has_bias && o < p.out; o++)
      sum[o] += w[bias(step, &p, o)];
  }
  dsp_round_all(to->v, to->rows * to->width, rank->run->dtype);
}

static void input_gradient(DspRank *rank, const DspStep *step, int dy, int dx) {
  DspArray *from = dsp_rank_gradient(rank, dy);
  g_auto(Part) p = part_of(rank, step, dx, dy);
  DspArray *to = dsp_rank_put(rank, dx, from->rows, p.wide);
  for (int64_t r = 0; r < from->rows; r++)
    for (int64_t i = 0; i < p.in; i++) {
      float sum = 0;
      for (int64_t o = 0; o < p.out; o++)
        sum += from->v[r * p.out + o] * p.w[i * p.out + o];
      to->v[r * p.wide + i % p.wide] += dsp_round(sum, rank->run->dtype);
    }
  dsp_round_all(to->v, to->rows * to->width, rank->run->dtype);
}

static void weight_gradient(DspRank *rank, const DspStep *step, int x, int dy) {
  DspArray *from = dsp_rank_get(rank, x), *to = dsp_rank_gradient(rank, dy);
  if (!from)
    return;
  g_auto(Part) p = part_of(rank, step, x, dy);
  for (int64_t r = 0; r < from->rows; r++)
    for (int64_t i = 0; i < p.in; i++)
      for (int64_t o = 0; o < p.out; o++)
        rank->gradients[weight(step, &p, i, o)] +=
            from->v[r * p.wide + i % p.wide] * to->v[r * p.out + o];
}

/* The bias of a divided product's rows is whole on every rank. */
static void bias_gradient(DspRank *rank, const DspStep *step, int dy) {
  DspArray *from = dsp_rank_gradient(rank, dy);
  Part p = {.first = dsp_rank_weight(rank, step->op)};
  p.columns = dsp_columns(dsp_tensor_of(rank->run->schedule, dy),
                          dsp_rank_split(rank), &p.out);
  for (int64_t r = 0; r < from->rows; r++)
    for (int64_t o = 0; o < p.out; o++)
      rank->gradients[bias(step, &p, o)] += from->v[r * p.out + o];
  part_clear(&p);
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
