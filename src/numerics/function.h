/* SPDX-License-Identifier: Apache-2.0 */
/* What a model file leaves open and two programs that compare results must
 * agree on: constants, nonlinearities, which columns and vectors an operation
 * takes, how numbers are rounded.
 *
 *   norm        (x - mean)/sqrt(variance + epsilon), or x over its root mean
 *               square; times scale, plus shift, where affine
 *   modulate    x*(1 + scale) + shift
 *   residual    x + gate*branch; a table that is added before the stream exists
 *               is zero
 *   rope        turns columns 2i, 2i+1 of each head of q and k by p*10000^(-2i/
 *               head_dim), p the token's place in its stream
 *   attention   softmax(q k^T/sqrt(head_dim)) v; the columns are q, k, v
 *   loss        mean over the output's elements of (y - target)^2
 *
 * Scales, shifts and gates ("vectors") are the columns of the latest linear
 * operation on a stream of one token a sample, taken one after another from its
 * first column, round and round, anew in each block; what a block makes stays
 * in it. Without such an operation they are zero, gates one. Operations work on
 * the first columns (an embedder that takes more columns than there are begins
 * anew), an activation beside an attention before it on the last.
 * Tables ("parameters") and tied weights stay as they are. */
#ifndef DSP_NUMERICS_FUNCTION_H
#define DSP_NUMERICS_FUNCTION_H

#include "model/model.h"

#define DSP_NORM_EPSILON 1e-6
#define DSP_ROPE_BASE    10000.0

/* f(x) and f'(x) of gelu, silu, relu and sigmoid; of a gated function that of
 * the half which it is a function of. */
double dsp_activate(DspFunction function, double x);
double dsp_activate_slope(DspFunction function, double x);
/* Whether a gated function is a function of the second half (glu). */
gboolean dsp_gates_second(DspFunction function);

/* The first column that `op` of the stage works on, of `width`. */
int64_t dsp_op_column(const DspStage *stage, const DspOp *op, int64_t width,
                      int64_t in);

/* The nearest number of the type (fp32 and bf16), half to even. */
float dsp_round(float x, DspDtype dtype);
void dsp_round_all(float *x, int64_t n, DspDtype dtype);
/* Its bytes in memory and back. */
void dsp_store(guint8 *to, float x, DspDtype dtype);
float dsp_fetch(const guint8 *from, DspDtype dtype);

#endif
