/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels of a GPU behind numerics/kernels.h. Arrays hold numbers of the run's
 * type, sums are taken in float32. Every kernel runs in the device's stream and
 * gives the same bits for a row whatever other rows there are. An error of CUDA
 * ends the process (dsp_cuda_die): a rank cannot go on without its GPU. */
#ifndef DSP_CUDA_DEVICE_H
#define DSP_CUDA_DEVICE_H

#include <cjson/cJSON.h>
#include <cublas_v2.h>
#include <cuda_runtime.h>
#include <glib.h>

#ifdef __cplusplus
extern "C" {
#endif

#include "model/work.h"
#include "numerics/kernels.h"

typedef struct {
  DspDevice device;
  cudaStream_t stream;
  cublasHandle_t blas;
  cudaEvent_t begin, end; /* around the last operation's kernels, or NULL */
} DspCudaDevice;

/* The present CUDA device; its kernels' `close` frees it. */
DspCudaDevice *dsp_cuda_new(void);
/* The type of the arrays that are made from now on. */
void dsp_cuda_set_type(DspCudaDevice *gpu, DspDtype dtype);
/* From now on the kernels of each operation are timed, without what they wait
 * for: gives the seconds of the last one. */
void dsp_cuda_set_timed(DspCudaDevice *gpu);
double dsp_cuda_seconds(DspCudaDevice *gpu);
/* cuBLAS alone: c[m,n] = a[m,k] b[k,n], numbers of the device's type. */
void dsp_cuda_gemm(DspCudaDevice *gpu, const DspGemm *gemm, const void *a,
                   const void *b, void *c);
/* Waits until all that was asked for is done. */
void dsp_cuda_wait(DspCudaDevice *gpu);

/* "rank R: MESSAGE" to stderr, then the end of this process. */
void dsp_cuda_die(const char *format, ...) G_GNUC_PRINTF(1, 2) G_GNUC_NORETURN;
void dsp_cuda_check(cudaError_t error, const char *what);
void dsp_cublas_check(cublasStatus_t status, const char *what);

/* By file: product.cu, point.cu, attend.cu. */
void dsp_cuda_product(DspDevice *device, const DspProduct *p);
void dsp_cuda_product_back(DspDevice *device, const DspProduct *p);
void dsp_cuda_weight_back(DspDevice *device, const DspProduct *p);
void dsp_cuda_bias_back(DspDevice *device, const DspProduct *p);
void dsp_cuda_point(DspDevice *device, const DspPoint *p);
void dsp_cuda_attend(DspDevice *device, const DspAttend *a);
void dsp_cuda_merge(DspArray *y, int64_t heads, int64_t dim);

#ifdef __cplusplus
}
#endif

#endif
