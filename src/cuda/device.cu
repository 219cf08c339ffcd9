/* SPDX-License-Identifier: Apache-2.0 */
/* Memory, columns, messages and weights. */
#include "cuda/typed.cuh"
#include <cmath>
#include <cstdint>

void dsp_cuda_check(cudaError_t error, const char *what) {
  if (error != cudaSuccess)
    dsp_cuda_die("CUDA: %s: %s", what, cudaGetErrorString(error));
}

void dsp_cublas_check(cublasStatus_t status, const char *what) {
  if (status != CUBLAS_STATUS_SUCCESS)
    dsp_cuda_die("cuBLAS: %s: %s", what, cublasGetStatusString(status));
}

void dsp_cuda_wait(DspCudaDevice *gpu) {
  dsp_cuda_check(cudaStreamSynchronize(gpu->stream), "waiting for kernels");
}

/* --- time ------------------------------------------------------------------
 */

static __global__ void stay_busy(long long cycles) {
  long long begin = clock64();
  while (clock64() - begin < cycles)
    ;
}

void dsp_cuda_begin(DspCudaDevice *gpu) {
  enum { CYCLES = 60000 }; /* some 30 us */
  stay_busy<<<1, 1, 0, gpu->stream>>>(CYCLES);
  dsp_cuda_check(cudaEventRecord(gpu->begin, gpu->stream), "an event");
}

void dsp_cuda_set_timed(DspCudaDevice *gpu) {
  dsp_cuda_check(cudaEventCreate(&gpu->begin), "an event");
  dsp_cuda_check(cudaEventCreate(&gpu->end), "an event");
}

double dsp_cuda_seconds(DspCudaDevice *gpu) {
  const double per_ms = 1e-3;
  float ms = 0;
  dsp_cuda_check(cudaEventSynchronize(gpu->end), "an event");
  dsp_cuda_check(cudaEventElapsedTime(&ms, gpu->begin, gpu->end), "a time");
  return ms * per_ms;
}

/* --- memory ----------------------------------------------------------------
 */

static void *alloc(DspDevice *device, gsize bytes) {
  DspCudaDevice *gpu = gpu_of(device);
  void *memory;
  dsp_cuda_check(cudaMallocAsync(&memory, bytes > 0 ? bytes : 1, gpu->stream),
                 "memory");
  dsp_cuda_check(cudaMemsetAsync(memory, 0, bytes, gpu->stream), "zeros");
  return memory;
}

static void release(DspDevice *device, void *memory) {
  dsp_cuda_check(cudaFreeAsync(memory, gpu_of(device)->stream),
                 "giving memory back");
}

static void transfer(DspDevice *device, void *to, const void *from, gsize n,
                     cudaMemcpyKind kind) {
  DspCudaDevice *gpu = gpu_of(device);
  dsp_cuda_check(cudaMemcpyAsync(to, from, n, kind, gpu->stream), "copying");
  if (kind != cudaMemcpyDeviceToDevice)
    dsp_cuda_wait(gpu);
}

static void put_floats(DspDevice *device, float *to, const float *from,
                       int64_t n) {
  transfer(device, to, from, sizeof(float) * n, cudaMemcpyHostToDevice);
}

static void get_floats(DspDevice *device, float *to, const float *from,
                       int64_t n) {
  transfer(device, to, from, sizeof(float) * n, cudaMemcpyDeviceToHost);
}

template <typename To, typename From>
static __global__ void convert(To *to, const From *from, int64_t n) {
  for (int64_t i = blockIdx.x * (int64_t)blockDim.x + threadIdx.x; i < n;
       i += (int64_t)gridDim.x * blockDim.x)
    put(&to[i], number(from[i]));
}

static int blocks_for(int64_t n) {
  int64_t blocks = (n + 255) / 256;
  return blocks > 4096 ? 4096 : blocks < 1 ? 1 : (int)blocks;
}

static int64_t count(const DspArray *array) {
  return array->rows * array->width;
}

static void write_array(DspArray *to, const float *from) {
  int64_t n = count(to);
  Scratch<float> floats(to->device, from, n);
  DSP_TYPED(to->device->dtype, {
    convert<<<blocks_for(n), 256, 0, gpu_of(to->device)->stream>>>(
        (T *)to->v, floats.at, n);
  });
  launched("convert");
  dsp_cuda_wait(gpu_of(to->device));
}

static void read_array(const DspArray *from, float *to) {
  int64_t n = count(from);
  Scratch<float> floats(from->device, n);
  DSP_TYPED(from->device->dtype, {
    convert<<<blocks_for(n), 256, 0, gpu_of(from->device)->stream>>>(
        floats.at, (const T *)from->v, n);
  });
  launched("convert");
  get_floats(from->device, to, floats.at, n);
}

/* --- columns ---------------------------------------------------------------
 */

template <int V, typename T>
static __global__ void sum_columns(const T *from, int64_t from_width, T *to,
                                   int64_t to_width, int64_t n) {
  from += blockIdx.x * from_width;
  to += blockIdx.x * to_width;
  DSP_EACH_COLUMN(c, n, V) {
    add<V>(to + c, load<V>(from + c));
  }
}

static bool divides(int v, int64_t a, int64_t b, int64_t c) {
  return a % v == 0 && b % v == 0 && c % v == 0;
}

static void add_columns(const DspColumnSum *s) {
  DspDevice *device = s->to->device;
  if (s->n <= 0 || s->from->rows == 0)
    return;
  Timed timed(device);
  DSP_TYPED(device->dtype, {
    constexpr int W = wide<T>();
    bool fits = divides(W, s->n, s->first_from, s->first_to) &&
                divides(W, s->from->width, s->to->width, W);
    auto kernel = fits ? sum_columns<W, T> : sum_columns<1, T>;
    kernel<<<s->from->rows, threads_for(s->n, fits ? W : 1), 0,
             gpu_of(device)->stream>>>(
        (const T *)s->from->v + s->first_from, s->from->width,
        (T *)s->to->v + s->first_to, s->to->width, s->n);
  });
  launched("columns");
}

/* What is stored is of the type. */
static void round_array(DspArray *array) {
  (void)array;
}

/* --- messages --------------------------------------------------------------
 */

/* `columns` NULL: one after another from `first` on. */
template <typename T> struct Packed {
  T *array;
  int64_t width, n, first;
  const int64_t *rows, *columns;
  T *message;
};

template <int V, typename T>
static __device__ T *cell(const Packed<T> &p, int64_t row, int64_t c) {
  return p.array + row * p.width +
         (V == 1 && p.columns ? p.columns[c] : p.first + c);
}

template <int V, typename T> static __global__ void pack_rows(Packed<T> p) {
  int64_t row = p.rows[blockIdx.x];
  DSP_EACH_COLUMN(c, p.n, V) {
    Values<V> values = {};
    if (row >= 0)
      values = load<V>(cell<V>(p, row, c));
    store<V>(p.message + blockIdx.x * p.n + c, values);
  }
}

template <int V, typename T> static __global__ void unpack_rows(Packed<T> p) {
  int64_t row = p.rows[blockIdx.x];
  DSP_EACH_COLUMN(c, p.n, V) {
    if (row >= 0)
      add<V>(cell<V>(p, row, c), load<V>(p.message + blockIdx.x * p.n + c));
  }
}

static bool is_run(const DspMessage *m) {
  for (int64_t i = 1; i < m->n_columns; i++)
    if (m->columns[i] != m->columns[0] + i)
      return false;
  return m->n_columns > 0;
}

static void move_message(const DspArray *x, const DspMessage *m,
                         const guint8 *bytes, bool unpacks) {
  DspDevice *device = x->device;
  if (m->n_rows == 0 || m->n_columns == 0)
    return;
  bool run = is_run(m);
  Scratch<int64_t> rows(device, m->rows, m->n_rows);
  Scratch<int64_t> columns(device, m->columns, run ? 0 : m->n_columns);
  Timed timed(device);
  DSP_TYPED(device->dtype, {
    constexpr int W = wide<T>();
    bool fits = run && divides(W, m->n_columns, m->columns[0], x->width) &&
                (uintptr_t)bytes % 16 == 0;
    auto kernel = unpacks ? (fits ? unpack_rows<W, T> : unpack_rows<1, T>)
                          : (fits ? pack_rows<W, T> : pack_rows<1, T>);
    Packed<T> p = {(T *)x->v,     x->width, m->n_columns,
                   m->columns[0], rows.at,  run ? nullptr : columns.at,
                   (T *)bytes};
    kernel<<<m->n_rows, threads_for(m->n_columns, fits ? W : 1), 0,
             gpu_of(device)->stream>>>(p);
  });
  launched(unpacks ? "unpack" : "pack");
}

static void pack(const DspArray *x, const DspMessage *m, guint8 *to) {
  move_message(x, m, to, false);
}

static void unpack(DspArray *y, const DspMessage *m, const guint8 *from) {
  move_message(y, m, from, true);
}

/* --- buffers ---------------------------------------------------------------
 */

static void copy(DspDevice *device, guint8 *to, const guint8 *from, gsize n) {
  Timed timed(device);
  transfer(device, to, from, n, cudaMemcpyDeviceToDevice);
}

static void add_bytes(DspDevice *device, guint8 *to, const guint8 *from,
                      gsize n) {
  DSP_TYPED(device->dtype, {
    int64_t width = n / sizeof(T);
    sum_columns<1, T><<<1, 512, 0, gpu_of(device)->stream>>>(
        (const T *)from, width, (T *)to, width, width);
  });
  launched("sum of buffers");
}

static void encode(const DspArray *x, guint8 *to) {
  copy(x->device, to, (const guint8 *)x->v, count(x) * x->device->number);
}

static void decode(DspArray *y, const guint8 *from) {
  copy(y->device, (guint8 *)y->v, from, count(y) * y->device->number);
}

/* --- weights ---------------------------------------------------------------
 */

#define DSP_EACH_NUMBER(i, n)                                                  \
  for (int64_t i = blockIdx.x * (int64_t)blockDim.x + threadIdx.x; i < (n);    \
       i += (int64_t)gridDim.x * blockDim.x)

/* `known`: how many have a place in the list. */
template <typename T>
static __global__ void pick_numbers(const int64_t *list, int64_t n,
                                    int64_t known, const float *from, T *to) {
  DSP_EACH_NUMBER(i, n) {
    put(&to[i], i < known ? from[list[i]] : 0);
  }
}

template <typename T>
static __global__ void unpick_numbers(const int64_t *list, int64_t n, float *to,
                                      const T *from) {
  DSP_EACH_NUMBER(i, n) {
    to[list[i]] = number(from[i]);
  }
}

template <typename T>
static __global__ void step_down(const int64_t *list, int64_t n, float *weights,
                                 const float *gradients, float rate) {
  DSP_EACH_NUMBER(i, n) {
    T w;
    put(&w, __fsub_rn(weights[list[i]], __fmul_rn(rate, gradients[list[i]])));
    weights[list[i]] = number(w);
  }
}

static __global__ void forget_numbers(const int64_t *list, int64_t n,
                                      float *weights) {
  DSP_EACH_NUMBER(i, n) {
    weights[list[i]] = NAN;
  }
}

static void pick(DspDevice *device, const DspPick *p, int64_t n,
                 const float *from, guint8 *to) {
  int64_t all = p->end - p->begin, known = MIN(p->end, n) - p->begin;
  Scratch<int64_t> list(device, p->list + p->begin, known);
  DSP_TYPED(device->dtype, {
    pick_numbers<<<blocks_for(all), 256, 0, gpu_of(device)->stream>>>(
        list.at, all, known, from, (T *)to);
  });
  launched("pick");
}

static void unpick(DspDevice *device, const DspPick *p, float *to,
                   const guint8 *from) {
  int64_t n = p->end - p->begin;
  Scratch<int64_t> list(device, p->list + p->begin, n);
  DSP_TYPED(device->dtype, {
    unpick_numbers<<<blocks_for(n), 256, 0, gpu_of(device)->stream>>>(
        list.at, n, to, (const T *)from);
  });
  launched("unpick");
}

static void update(DspDevice *device, const DspPick *p, float *weights,
                   const float *gradients, float rate) {
  int64_t n = p->end - p->begin;
  Scratch<int64_t> list(device, p->list + p->begin, n);
  DSP_TYPED(device->dtype, {
    step_down<T><<<blocks_for(n), 256, 0, gpu_of(device)->stream>>>(
        list.at, n, weights, gradients, rate);
  });
  launched("update");
}

static void forget(DspDevice *device, const DspPick *p, float *weights) {
  int64_t n = p->end - p->begin;
  Scratch<int64_t> list(device, p->list + p->begin, n);
  forget_numbers<<<blocks_for(n), 256, 0, gpu_of(device)->stream>>>(list.at, n,
                                                                    weights);
  launched("forget");
}

/* --- the device ------------------------------------------------------------
 */

static void close_device(DspDevice *device) {
  DspCudaDevice *gpu = gpu_of(device);
  dsp_cuda_wait(gpu);
  if (gpu->begin) {
    cudaEventDestroy(gpu->begin);
    cudaEventDestroy(gpu->end);
  }
  cublasDestroy(gpu->blas);
  cudaStreamDestroy(gpu->stream);
  g_free(gpu);
}

static const DspKernels *kernels_of_gpu(void) {
  static DspKernels k;
  k.alloc = alloc;
  k.release = release;
  k.put = put_floats;
  k.get = get_floats;
  k.write = write_array;
  k.read = read_array;
  k.product = dsp_cuda_product;
  k.product_back = dsp_cuda_product_back;
  k.weight_back = dsp_cuda_weight_back;
  k.bias_back = dsp_cuda_bias_back;
  k.point = dsp_cuda_point;
  k.attend = dsp_cuda_attend;
  k.merge = dsp_cuda_merge;
  k.add_columns = add_columns;
  k.round = round_array;
  k.pack = pack;
  k.unpack = unpack;
  k.copy = copy;
  k.add_bytes = add_bytes;
  k.encode = encode;
  k.decode = decode;
  k.pick = pick;
  k.unpick = unpick;
  k.update = update;
  k.forget = forget;
  k.close = close_device;
  return &k;
}

void dsp_cuda_set_type(DspCudaDevice *gpu, DspDtype dtype) {
  gpu->device.dtype = dtype;
  gpu->device.number = (gsize)dsp_dtype_bytes(dtype);
}

/* Memory that is given back stays with the process. */
static void keep_memory(void) {
  cudaMemPool_t pool;
  uint64_t all = UINT64_MAX;
  int device;
  dsp_cuda_check(cudaGetDevice(&device), "the device");
  dsp_cuda_check(cudaDeviceGetDefaultMemPool(&pool, device), "memory");
  dsp_cuda_check(
      cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &all),
      "memory");
}

DspCudaDevice *dsp_cuda_new(void) {
  DspCudaDevice *gpu = g_new0(DspCudaDevice, 1);
  gpu->device.kernels = kernels_of_gpu();
  dsp_cuda_set_type(gpu, DSP_DTYPE_FP32);
  keep_memory();
  dsp_cuda_check(cudaStreamCreateWithFlags(&gpu->stream, cudaStreamNonBlocking),
                 "a stream");
  dsp_cublas_check(cublasCreate(&gpu->blas), "a handle");
  dsp_cublas_check(cublasSetStream(gpu->blas, gpu->stream), "its stream");
  return gpu;
}
