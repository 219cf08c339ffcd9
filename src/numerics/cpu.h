/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels of the processor: plain loops in float32, whose results are rounded
 * to the device's type where they are stored. Every sum runs in one order,
 * whatever rows a rank has: sharding tokens changes no bit. */
#ifndef DSP_NUMERICS_CPU_H
#define DSP_NUMERICS_CPU_H

#include "numerics/kernels.h"

/* A device of the processor; its kernels' `close` frees it. */
DspDevice *dsp_cpu_new(DspDtype dtype);

static inline float *dsp_cpu_row(const DspArray *array, int64_t row) {
  return (float *)array->v + row * array->width;
}

/* By file: cpu-product.c, cpu-point.c, cpu-attend.c. */
void dsp_cpu_product(DspDevice *device, const DspProduct *p);
void dsp_cpu_product_back(DspDevice *device, const DspProduct *p);
void dsp_cpu_weight_back(DspDevice *device, const DspProduct *p);
void dsp_cpu_bias_back(DspDevice *device, const DspProduct *p);
void dsp_cpu_point(DspDevice *device, const DspPoint *p);
void dsp_cpu_sums(DspDevice *device, const DspPoint *p, float *to);
void dsp_cpu_attend(DspDevice *device, const DspAttend *a);
void dsp_cpu_merge(DspArray *y, int64_t heads, int64_t dim);

#endif
