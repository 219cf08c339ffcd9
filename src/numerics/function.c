/* SPDX-License-Identifier: Apache-2.0 */
#include "numerics/function.h"
#include <math.h>
#include <string.h>

/* --- nonlinearities --------------------------------------------------------
 */

static double sigmoid(double x) {
  return 1 / (1 + exp(-x));
}

static double sigmoid_slope(double x) {
  double s = sigmoid(x);
  return s * (1 - s);
}

static double gelu(double x) {
  return 0.5 * x * (1 + erf(x * M_SQRT1_2));
}

static double gelu_slope(double x) {
  double density = exp(-0.5 * x * x) * M_2_SQRTPI * M_SQRT1_2 / 2;
  return 0.5 * (1 + erf(x * M_SQRT1_2)) + x * density;
}

static double silu(double x) {
  return x * sigmoid(x);
}

static double silu_slope(double x) {
  return sigmoid(x) + x * sigmoid_slope(x);
}

static double relu(double x) {
  return x > 0 ? x : 0;
}
static double relu_slope(double x) {
  return x > 0;
}

static const struct {
  double (*value)(double), (*slope)(double);
} functions[] = {
    [DSP_GELU] = {gelu, gelu_slope},
    [DSP_SILU] = {silu, silu_slope},
    [DSP_RELU] = {relu, relu_slope},
    [DSP_SIGMOID] = {sigmoid, sigmoid_slope},
    [DSP_GLU] = {sigmoid, sigmoid_slope},
    [DSP_SWIGLU] = {silu, silu_slope},
    [DSP_GEGLU] = {gelu, gelu_slope},
};

double dsp_activate(DspFunction function, double x) {
  return functions[function].value(x);
}

double dsp_activate_slope(DspFunction function, double x) {
  return functions[function].slope(x);
}

gboolean dsp_gates_second(DspFunction function) {
  return function == DSP_GLU;
}

int64_t dsp_op_column(const DspStage *stage, const DspOp *op, int64_t width,
                      int64_t in) {
  if (op->kind != DSP_OP_ACTIVATION)
    return 0;
  for (const DspOp *before = stage->ops; before < op; before++)
    if (before->kind == DSP_OP_ATTENTION)
      return width - in;
  return 0;
}

/* --- rounding --------------------------------------------------------------
 */

/* The upper 16 bits of an IEEE 754 single are a bf16. */
static guint32 bits_of(float x) {
  guint32 bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

static float from_bits(guint32 bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

float dsp_round(float x, DspDtype dtype) {
  if (dtype == DSP_DTYPE_FP32 || !isfinite(x))
    return x;
  guint32 bits = bits_of(x);
  return from_bits((bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000u);
}

void dsp_round_all(float *x, int64_t n, DspDtype dtype) {
  for (int64_t i = 0; dtype != DSP_DTYPE_FP32 && i < n; i++)
    x[i] = dsp_round(x[i], dtype);
}

void dsp_store(guint8 *to, float x, DspDtype dtype) {
  guint32 bits = bits_of(dsp_round(x, dtype));
  guint16 upper = (guint16)(bits >> 16);
  if (dtype == DSP_DTYPE_FP32)
    memcpy(to, &bits, sizeof bits);
  else
    memcpy(to, &upper, sizeof upper);
}

float dsp_fetch(const guint8 *from, DspDtype dtype) {
  guint32 bits = 0;
  guint16 upper = 0;
  if (dtype == DSP_DTYPE_FP32)
    memcpy(&bits, from, sizeof bits);
  else
    memcpy(&upper, from, sizeof upper);
  return from_bits(bits | (guint32)upper << 16);
}
