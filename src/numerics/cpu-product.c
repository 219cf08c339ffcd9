/* SPDX-License-Identifier: Apache-2.0 */
#include "numerics/cpu.h"
#include "numerics/function.h"

static int64_t weight(const DspProduct *p, int64_t i, int64_t o) {
  return p->rows[i] * p->stride + p->columns[o];
}

/* [in][out]: the part in one piece. */
static float *part_of(const DspProduct *p) {
  float *w = g_new(float, (gsize)(p->in * p->out));
  for (int64_t i = 0; i < p->in; i++)
    for (int64_t o = 0; o < p->out; o++)
      w[i * p->out + o] = p->w[weight(p, i, o)];
  return w;
}

void dsp_cpu_product(DspDevice *device, const DspProduct *p) {
  g_autofree float *w = part_of(p);
  (void)device;
  for (int64_t r = 0; r < p->x->rows; r++) {
    const float *x = dsp_cpu_row(p->x, r);
    float *sum = dsp_cpu_row(p->y, r);
    for (int64_t i = 0; i < p->in; i++)
      for (int64_t o = 0; o < p->out; o++)
        sum[o] += x[i % p->x->width] * w[i * p->out + o];
    for (int64_t o = 0; p->bias && o < p->out; o++)
      sum[o] += p->bias[p->columns[o]];
  }
}

void dsp_cpu_product_back(DspDevice *device, const DspProduct *p) {
  g_autofree float *w = part_of(p);
  for (int64_t r = 0; r < p->dy->rows; r++) {
    const float *dy = dsp_cpu_row(p->dy, r);
    for (int64_t i = 0; i < p->in; i++) {
      float sum = 0;
      for (int64_t o = 0; o < p->out; o++)
        sum += dy[o] * w[i * p->out + o];
      dsp_cpu_row(p->dx, r)[i % p->dx->width] += dsp_round(sum, device->dtype);
    }
  }
}

void dsp_cpu_weight_back(DspDevice *device, const DspProduct *p) {
  (void)device;
  for (int64_t r = 0; r < p->x->rows; r++) {
    const float *x = dsp_cpu_row(p->x, r), *dy = dsp_cpu_row(p->dy, r);
    for (int64_t i = 0; i < p->in; i++)
      for (int64_t o = 0; o < p->out; o++)
        p->dw[weight(p, i, o)] += x[i % p->x->width] * dy[o];
  }
}

void dsp_cpu_bias_back(DspDevice *device, const DspProduct *p) {
  (void)device;
  for (int64_t r = 0; r < p->dy->rows; r++)
    for (int64_t o = 0; o < p->out; o++)
      p->dbias[p->columns[o]] += dsp_cpu_row(p->dy, r)[o];
}
