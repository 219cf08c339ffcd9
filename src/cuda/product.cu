/* SPDX-License-Identifier: Apache-2.0 */
/* Products by cuBLAS. A rank's rows are multiplied in tiles of equally many, so
 * that the kernel that cuBLAS chooses, and with it every bit of a row's result,
 * does not depend on how many rows a rank has. */
#include "cuda/typed.cuh"

enum { TILE = 64 };

template <typename T> static cudaDataType type_of(void);
template <> cudaDataType type_of<float>(void) {
  return CUDA_R_32F;
}
template <> cudaDataType type_of<__nv_bfloat16>(void) {
  return CUDA_R_16BF;
}

/* c[m,n] = op(a) op(b), all stored row after row. */
template <typename T> struct Gemm {
  const T *a, *b;
  bool a_turned, b_turned;
  float *c;
  int64_t m, n, k;
};

template <typename T> static void gemm(DspDevice *device, const Gemm<T> &g) {
  const float one = 1, zero = 0;
  if (g.m == 0 || g.n == 0 || g.k == 0)
    return;
  dsp_cublas_check(
      cublasGemmEx(gpu_of(device)->blas, g.b_turned ? CUBLAS_OP_T : CUBLAS_OP_N,
                   g.a_turned ? CUBLAS_OP_T : CUBLAS_OP_N, (int)g.n, (int)g.m,
                   (int)g.k, &one, g.b, type_of<T>(),
                   (int)(g.b_turned ? g.k : g.n), g.a, type_of<T>(),
                   (int)(g.a_turned ? g.m : g.k), &zero, g.c, CUDA_R_32F,
                   (int)g.n, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT),
      "a product");
}

/* --- operands --------------------------------------------------------------
 */

template <typename T>
static __global__ void gather_part(const float *w, const int64_t *rows,
                                   const int64_t *columns, int64_t stride,
                                   int64_t out, T *part) {
  DSP_EACH_COLUMN(o, out, 1) {
    put(&part[blockIdx.x * out + o], w[rows[blockIdx.x] * stride + columns[o]]);
  }
}

/* Rows filled up to whole tiles, columns taken round and round. */
template <typename T>
static __global__ void gather_rows(const T *x, int64_t rows, int64_t width,
                                   int64_t n, T *to) {
  DSP_EACH_COLUMN(c, n, 1) {
    put(&to[blockIdx.x * n + c],
        blockIdx.x < rows ? number(x[blockIdx.x * width + c % width]) : 0);
  }
}

static int64_t tiled(int64_t rows) {
  return (rows + TILE - 1) / TILE * TILE;
}

template <typename T> struct Operand {
  Operand(DspDevice *device, const DspArray *x, int64_t n)
      : rows(tiled(x->rows)), memory(device, rows * n) {
    if (rows > 0 && n > 0)
      gather_rows<<<rows, threads_for(n, 1), 0, gpu_of(device)->stream>>>(
          (const T *)x->v, x->rows, x->width, n, memory.at);
    launched("operand");
  }
  int64_t rows;
  Scratch<T> memory;
};

template <typename T> struct Part {
  Part(DspDevice *device, const DspProduct *p)
      : rows(device, p->rows, p->in), columns(device, p->columns, p->out),
        memory(device, p->in * p->out) {
    if (p->w && p->in > 0)
      gather_part<<<p->in, threads_for(p->out, 1), 0, gpu_of(device)->stream>>>(
          p->w, rows.at, columns.at, p->stride, p->out, memory.at);
    launched("weights");
  }
  Scratch<int64_t> rows, columns;
  Scratch<T> memory;
};

/* --- results ---------------------------------------------------------------
 */

template <typename T>
static __global__ void add_result(const float *sums, int64_t n, T *y,
                                  const float *bias, const int64_t *columns) {
  DSP_EACH_COLUMN(c, n, 1) {
    T *to = y + blockIdx.x * n + c;
    float b = bias ? bias[columns[c]] : 0;
    put(to, number(*to) + sums[blockIdx.x * n + c] + b);
  }
}

/* Each column of `dx` gets what was computed for those it was taken for. */
template <typename T>
static __global__ void add_wrapped(const float *sums, int64_t n, T *dx,
                                   int64_t width) {
  DSP_EACH_COLUMN(c, width, 1) {
    T *to = dx + blockIdx.x * width + c;
    float sum = number(*to);
    for (int64_t i = c; i < n; i += width) {
      T rounded;
      put(&rounded, sums[blockIdx.x * n + i]);
      sum += number(rounded);
    }
    put(to, sum);
  }
}

static __global__ void add_part(const float *sums, const int64_t *rows,
                                const int64_t *columns, int64_t stride,
                                int64_t out, float *dw) {
  DSP_EACH_COLUMN(o, out, 1) {
    dw[rows[blockIdx.x] * stride + columns[o]] += sums[blockIdx.x * out + o];
  }
}

template <typename T>
static __global__ void add_bias(const T *dy, int64_t rows, int64_t n,
                                const int64_t *columns, float *dbias) {
  DSP_EACH_COLUMN(o, n, 1) {
    float sum = 0;
    for (int64_t r = 0; r < rows; r++)
      sum += number(dy[r * n + o]);
    dbias[columns[o]] += sum;
  }
}

/* --- products --------------------------------------------------------------
 */

template <typename T>
static void gemm_tiles(DspDevice *device, Gemm<T> g, int64_t rows) {
  g.m = TILE;
  for (int64_t r = 0; r < rows; r += TILE) {
    gemm(device, g);
    g.a += TILE * g.k;
    g.c += TILE * g.n;
  }
}

void dsp_cuda_product(DspDevice *device, const DspProduct *p) {
  if (p->x->rows == 0)
    return;
  DSP_TYPED(device->dtype, {
    Part<T> w(device, p);
    Operand<T> x(device, p->x, p->in);
    Scratch<float> sums(device, x.rows * p->out);
    Gemm<T> g = {x.memory.at, w.memory.at, false,  false,
                 sums.at,     0,           p->out, p->in};
    gemm_tiles(device, g, x.rows);
    add_result<<<p->x->rows, threads_for(p->out, 1), 0,
                 gpu_of(device)->stream>>>(sums.at, p->out, (T *)p->y->v,
                                           p->bias, w.columns.at);
  });
  launched("product");
}

void dsp_cuda_product_back(DspDevice *device, const DspProduct *p) {
  if (p->dy->rows == 0)
    return;
  DSP_TYPED(device->dtype, {
    Part<T> w(device, p);
    Operand<T> dy(device, p->dy, p->out);
    Scratch<float> sums(device, dy.rows * p->in);
    Gemm<T> g = {dy.memory.at, w.memory.at, false, true,
                 sums.at,      0,           p->in, p->out};
    gemm_tiles(device, g, dy.rows);
    add_wrapped<<<p->dy->rows, threads_for(p->dx->width, 1), 0,
                  gpu_of(device)->stream>>>(sums.at, p->in, (T *)p->dx->v,
                                            p->dx->width);
  });
  launched("product");
}

void dsp_cuda_weight_back(DspDevice *device, const DspProduct *p) {
  if (p->x->rows == 0)
    return;
  DspProduct lists = *p;
  lists.w = nullptr;
  DSP_TYPED(device->dtype, {
    Part<T> w(device, &lists);
    Operand<T> x(device, p->x, p->in);
    Operand<T> dy(device, p->dy, p->out);
    Scratch<float> sums(device, p->in * p->out);
    Gemm<T> g = {x.memory.at, dy.memory.at, true,   false,
                 sums.at,     p->in,        p->out, x.rows};
    gemm(device, g);
    add_part<<<p->in, threads_for(p->out, 1), 0, gpu_of(device)->stream>>>(
        sums.at, w.rows.at, w.columns.at, p->stride, p->out, p->dw);
  });
  launched("gradient of weights");
}

void dsp_cuda_bias_back(DspDevice *device, const DspProduct *p) {
  Scratch<int64_t> columns(device, p->columns, p->out);
  DSP_TYPED(device->dtype, {
    add_bias<<<1, threads_for(p->out, 1), 0, gpu_of(device)->stream>>>(
        (const T *)p->dy->v, p->dy->rows, p->out, columns.at, p->dbias);
  });
  launched("gradient of a bias");
}

void dsp_cuda_gemm(DspCudaDevice *gpu, const DspGemm *g, const void *a,
                   const void *b, void *c) {
  const float one = 1, zero = 0;
  cudaDataType type =
      gpu->device.dtype == DSP_DTYPE_BF16 ? CUDA_R_16BF : CUDA_R_32F;
  dsp_cublas_check(cublasGemmEx(gpu->blas, CUBLAS_OP_N, CUBLAS_OP_N, (int)g->n,
                                (int)g->m, (int)g->k, &one, b, type, (int)g->n,
                                a, type, (int)g->k, &zero, c, type, (int)g->n,
                                CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT),
                   "a product");
}
