/* SPDX-License-Identifier: Apache-2.0 */
#include "numerics/shrink.h"

enum { REPETITIONS = 2 };

/* Tokens of each dimension of the first stream, by how many it has, and of all
 * others: no two have a divisor of degrees in common. */
static const int64_t lengths[][3] = {{37}, {9, 11}, {9, 3, 11}};
enum { OTHER_LENGTH = 5 };

typedef void (*Visit)(DspModel *model, const DspBlock *block, DspOp *op,
                      int64_t *value);

static DspBlock *part_of(DspModel *model, guint i) {
  return (DspBlock *)dsp_model_part(model, i);
}

static void each_op(DspModel *model, Visit visit, int64_t *value) {
  DspBlock *block;
  for (guint i = 0; (block = part_of(model, i)); i++)
    for (guint j = 0; j < block->n_stages; j++)
      for (guint k = 0; k < block->stages[j].n_ops; k++)
        visit(model, block, &block->stages[j].ops[k], value);
}

static int64_t gcd(int64_t a, int64_t b) {
  while (b) {
    int64_t rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

/* Columns turn in pairs. Of two columns less their mean little but signs is
 * left, of which no gradient can be compared. */
static int64_t least_head_dim(const DspOp *op) {
  return op->kind == DSP_OP_QK_NORM && !op->rms ? 4 : 2;
}

/* The widths that must stay in proportion: all but those of raw inputs and of
 * the final output. */
static void common_width(DspModel *model, const DspBlock *block, DspOp *op,
                         int64_t *common) {
  gboolean raw = block == &model->before, last = block == &model->after;
  if (op->kind == DSP_OP_PARAMETERS)
    return;
  if (!raw)
    *common = gcd(*common, gcd(op->in, op->beside));
  if (!(last && op->kind == DSP_OP_LINEAR) &&
      !(raw && op->kind != DSP_OP_LINEAR))
    *common = gcd(*common, op->out);
  if (op->head_dim)
    *common = gcd(*common, op->head_dim / least_head_dim(op));
}

static int64_t divide(int64_t width, int64_t divisor) {
  return (width + divisor - 1) / divisor;
}

static int64_t parameters_of(const DspOp *op, int64_t divisor) {
  int64_t vectors = op->rms ? 1 : 2;
  if (op->parameters == 0)
    return 0;
  switch (op->kind) {
  case DSP_OP_LINEAR:
    return op->in * op->out + (op->bias ? op->out : 0);
  case DSP_OP_NORM:
    return op->in * vectors;
  case DSP_OP_QK_NORM:
    return (op->across_heads ? op->in : 2 * op->head_dim) * vectors;
  default:
    return divide(op->parameters, divisor);
  }
}

static void divide_widths(DspModel *model, const DspBlock *block, DspOp *op,
                          int64_t *divisor) {
  (void)model, (void)block;
  op->in = divide(op->in, *divisor);
  op->out = divide(op->out, *divisor);
  op->beside = divide(op->beside, *divisor);
  op->head_dim = divide(op->head_dim, *divisor);
  op->calls = MIN(op->calls, op->out);
  op->parameters = parameters_of(op, *divisor);
}

/* An outer product's width is the square of its factors'. */
static void square_widths(DspModel *model, const DspBlock *block, DspOp *op,
                          int64_t *common) {
  (void)model, (void)block;
  if (op->kind == DSP_OP_OUTER_PRODUCT)
    *common = 1;
}

static void shorten(DspModel *model) {
  const DspStream *main = &model->streams[0];
  guint n = MIN(main->n_dims, G_N_ELEMENTS(lengths));
  for (guint i = 0; i < model->n_dims; i++)
    model->dims[i].length = OTHER_LENGTH;
  for (guint i = 0; i < n; i++)
    model->dims[main->dims[i]].length = lengths[n - 1][i];
  for (guint i = 0; i < model->n_dims; i++)
    if (model->dims[i].same_as >= 0)
      model->dims[i].length = model->dims[model->dims[i].same_as].length;
  for (guint i = 0; i < model->n_blocks; i++)
    model->blocks[i].count = MIN(model->blocks[i].count, REPETITIONS);
}

DspModel *dsp_model_shrink(const DspModel *model, GError **error) {
  DspModel *small = dsp_model_load(model->file, error);
  int64_t common = 0;
  if (!small)
    return NULL;
  for (guint i = 0; i < small->n_streams; i++)
    common = gcd(common, small->streams[i].width);
  each_op(small, common_width, &common);
  each_op(small, square_widths, &common);
  each_op(small, divide_widths, &common);
  for (guint i = 0; i < small->n_streams; i++)
    small->streams[i].width /= common;
  small->hidden = small->streams[0].width;
  shorten(small);
  return small;
}
