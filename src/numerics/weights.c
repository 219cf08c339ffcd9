/* SPDX-License-Identifier: Apache-2.0 */
#include "numerics/weights.h"
#include "numerics/function.h"
#include <gsl/gsl_randist.h>
#include <gsl/gsl_rng.h>
#include <math.h>

/* --- where weights lie ------------------------------------------------------
 */

int64_t dsp_op_numbers(const DspOp *op) {
  return op->kind == DSP_OP_LINEAR ? op->in * op->out + (op->bias ? op->out : 0)
                                   : op->parameters;
}

int64_t dsp_block_numbers(const DspBlock *block) {
  int64_t n = 0;
  for (guint i = 0; i < block->n_stages; i++)
    for (guint j = 0; j < block->stages[i].n_ops; j++)
      n += dsp_op_numbers(&block->stages[i].ops[j]);
  return n;
}

static int64_t find(GHashTable *table, gconstpointer key) {
  return (int64_t)(gintptr)g_hash_table_lookup(table, key);
}

static void place_block(DspData *data, const DspBlock *block) {
  int64_t offset = 0;
  g_hash_table_insert(data->blocks, (gpointer)block,
                      (gpointer)(gintptr)data->n);
  for (guint i = 0; i < block->n_stages; i++)
    for (guint j = 0; j < block->stages[i].n_ops; j++) {
      const DspOp *op = &block->stages[i].ops[j];
      g_hash_table_insert(data->offsets, (gpointer)op,
                          (gpointer)(gintptr)offset);
      offset += dsp_op_numbers(op);
    }
  data->n += block->count * offset;
}

int64_t dsp_data_offset(const DspData *data, const DspBlock *block, int64_t i,
                        const DspOp *op) {
  return find(data->blocks, block) + i * dsp_block_numbers(block) +
         find(data->offsets, op);
}

/* --- numbers ----------------------------------------------------------------
 */

static double number(gsl_rng *rng, double mean, double sigma, DspDtype dtype) {
  return dsp_round((float)(mean + gsl_ran_gaussian_ziggurat(rng, sigma)),
                   dtype);
}

/* Products keep the size of what they multiply; scales are near one. */
static void fill_op(const DspOp *op, double *w, gsl_rng *rng, DspDtype dtype) {
  enum { SIGMA_INVERSE = 8 };
  int64_t n = dsp_op_numbers(op), bias = op->bias ? op->out : 0;
  gboolean linear = op->kind == DSP_OP_LINEAR;
  int64_t first = linear ? n - bias : op->rms ? n : n / 2;
  double mean = linear ? 0 : 1;
  double sigma = linear ? 1 / sqrt((double)op->in) : 1.0 / SIGMA_INVERSE;
  for (int64_t i = 0; i < n; i++)
    w[i] = i < first ? number(rng, mean, sigma, dtype)
                     : number(rng, 0, 1.0 / SIGMA_INVERSE, dtype);
}

static void fill_block(DspData *data, const DspBlock *block, gsl_rng *rng,
                       DspDtype dtype) {
  for (int64_t k = 0; k < block->count; k++)
    for (guint i = 0; i < block->n_stages; i++)
      for (guint j = 0; j < block->stages[i].n_ops; j++) {
        const DspOp *op = &block->stages[i].ops[j];
        fill_op(op, data->weights + dsp_data_offset(data, block, k, op), rng,
                dtype);
      }
}

static double *numbers(int64_t n, gsl_rng *rng, DspDtype dtype) {
  double *x = g_new(double, (gsize)n);
  for (int64_t i = 0; i < n; i++)
    x[i] = number(rng, 0, 1, dtype);
  return x;
}

/* What the first operation on the stream takes, else the stream's width. */
static int64_t input_width(const DspModel *model, guint stream) {
  for (guint i = 0; i < model->before.n_stages; i++)
    for (guint j = 0; j < model->before.stages[i].n_ops; j++) {
      const DspOp *op = &model->before.stages[i].ops[j];
      if (op->stream == stream && op->kind != DSP_OP_PARAMETERS)
        return op->in;
    }
  return model->streams[stream].width;
}

static int64_t output_width(const DspModel *model) {
  int64_t width = model->streams[0].width;
  for (guint i = 0; i < model->after.n_stages; i++)
    for (guint j = 0; j < model->after.stages[i].n_ops; j++) {
      const DspOp *op = &model->after.stages[i].ops[j];
      if (op->stream == 0 && op->kind == DSP_OP_LINEAR)
        width = op->out;
    }
  return width;
}

DspData *dsp_data_new(const DspModel *model, const DspLengths *lengths,
                      int64_t batch, DspDtype dtype, guint64 seed) {
  DspData *data = g_new0(DspData, 1);
  gsl_rng *rng = gsl_rng_alloc(gsl_rng_mt19937);
  const DspBlock *block;
  gsl_rng_set(rng, seed);
  data->model = model;
  data->lengths = *lengths;
  data->batch = batch;
  data->offsets = g_hash_table_new(NULL, NULL);
  data->blocks = g_hash_table_new(NULL, NULL);
  for (guint i = 0; (block = dsp_model_part(model, i)); i++)
    place_block(data, block);
  data->weights = g_new(double, (gsize)data->n);
  for (guint i = 0; (block = dsp_model_part(model, i)); i++)
    fill_block(data, block, rng, dtype);
  for (guint i = 0; i < model->n_streams; i++) {
    data->input_width[i] = input_width(model, i);
    data->inputs[i] = numbers(batch * dsp_stream_tokens(model, i, lengths) *
                                  data->input_width[i],
                              rng, dtype);
  }
  data->output_width = output_width(model);
  data->target =
      numbers(batch * dsp_stream_tokens(model, 0, lengths) * data->output_width,
              rng, dtype);
  gsl_rng_free(rng);
  return data;
}

void dsp_data_free(DspData *data) {
  if (!data)
    return;
  for (guint i = 0; i < DSP_MAX_STREAMS; i++)
    g_free(data->inputs[i]);
  g_free(data->weights);
  g_free(data->target);
  g_hash_table_unref(data->offsets);
  g_hash_table_unref(data->blocks);
  g_free(data);
}
