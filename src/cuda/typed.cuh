/* SPDX-License-Identifier: Apache-2.0 */
/* What kernels of both types share: numbers as float, several at once where
 * they lie in 16 bytes, and lists of the process in the GPU's memory. */
#ifndef DSP_CUDA_TYPED_CUH
#define DSP_CUDA_TYPED_CUH

#include "cuda/device.h"
#include <cuda_bf16.h>

/* Runs `...` with T as the type of the device's arrays. */
#define DSP_TYPED(dtype, ...)                                                  \
  do {                                                                         \
    if ((dtype) == DSP_DTYPE_BF16) {                                           \
      using T = __nv_bfloat16;                                                 \
      __VA_ARGS__                                                              \
    } else {                                                                   \
      using T = float;                                                         \
      __VA_ARGS__                                                              \
    }                                                                          \
  } while (0)

static __device__ inline float number(float x) {
  return x;
}
static __device__ inline float number(__nv_bfloat16 x) {
  return __bfloat162float(x);
}
static __device__ inline void put(float *to, float x) {
  *to = x;
}
static __device__ inline void put(__nv_bfloat16 *to, float x) {
  *to = __float2bfloat16_rn(x);
}

template <int V> struct Values { float x[V]; };

/* Numbers that fit into 16 bytes. */
template <typename T> constexpr int wide() {
  return 16 / sizeof(T);
}

template <int V, typename T>
static __device__ inline Values<V> load(const T *from) {
  Values<V> values;
  alignas(16) T raw[V];
  if constexpr (V > 1)
    *reinterpret_cast<uint4 *>(raw) = *reinterpret_cast<const uint4 *>(from);
  else
    raw[0] = *from;
#pragma unroll
  for (int i = 0; i < V; i++)
    values.x[i] = number(raw[i]);
  return values;
}

template <int V, typename T>
static __device__ inline void store(T *to, const Values<V> &values) {
  alignas(16) T raw[V];
#pragma unroll
  for (int i = 0; i < V; i++)
    put(&raw[i], values.x[i]);
  if constexpr (V > 1)
    *reinterpret_cast<uint4 *>(to) = *reinterpret_cast<const uint4 *>(raw);
  else
    *to = raw[0];
}

/* Adds to what lies there. */
template <int V, typename T>
static __device__ inline void add(T *to, const Values<V> &values) {
  Values<V> sum = load<V>(to);
#pragma unroll
  for (int i = 0; i < V; i++)
    sum.x[i] += values.x[i];
  store<V>(to, sum);
}

static inline DspCudaDevice *gpu_of(DspDevice *device) {
  return reinterpret_cast<DspCudaDevice *>(device);
}

/* Keeps the GPU busy for a moment, then records an event (device.cu). */
void dsp_cuda_begin(DspCudaDevice *gpu);

/* Memory of a kernel: freed in the order of the stream. */
template <typename N> class Scratch {
public:
  Scratch(DspDevice *device, int64_t n) : gpu(gpu_of(device)) {
    dsp_cuda_check(
        cudaMallocAsync((void **)&at, sizeof(N) * (n > 0 ? n : 1), gpu->stream),
        "memory");
  }
  Scratch(DspDevice *device, const N *list, int64_t n) : Scratch(device, n) {
    if (list && n > 0)
      dsp_cuda_check(cudaMemcpyAsync(at, list, sizeof(N) * n,
                                     cudaMemcpyHostToDevice, gpu->stream),
                     "copying a list");
  }
  ~Scratch() {
    cudaFreeAsync(at, gpu->stream);
  }
  Scratch(const Scratch &) = delete;
  Scratch &operator=(const Scratch &) = delete;
  N *at;

private:
  DspCudaDevice *gpu;
};

/* Stands around an operation's kernels: records when they begin and end, if
 * that is wanted. They are asked for while the GPU is kept busy, so that it
 * never waits for them in between. */
class Timed {
public:
  explicit Timed(DspDevice *device) : gpu(gpu_of(device)) {
    if (gpu->begin)
      dsp_cuda_begin(gpu);
  }
  ~Timed() {
    if (gpu->begin)
      dsp_cuda_check(cudaEventRecord(gpu->end, gpu->stream), "an event");
  }
  Timed(const Timed &) = delete;
  Timed &operator=(const Timed &) = delete;

private:
  DspCudaDevice *gpu;
};

/* A block a row, its threads side by side on the columns, V at a time. */
static inline int threads_for(int64_t columns, int v) {
  int64_t n = (columns / v + 31) / 32 * 32;
  return n > 512 ? 512 : n < 32 ? 32 : (int)n;
}

static inline void launched(const char *what) {
  dsp_cuda_check(cudaGetLastError(), what);
}

#define DSP_EACH_COLUMN(c, n, V)                                               \
  for (int64_t c = (int64_t)threadIdx.x * (V); c < (n);                        \
       c += (int64_t)blockDim.x * (V))

#endif
