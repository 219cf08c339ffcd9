/* SPDX-License-Identifier: Apache-2.0 */
/* Operations on one row after another: a block a row. */
#include "cuda/typed.cuh"
#include "numerics/function.h"

/* What a kernel needs of DspPoint: arrays with their widths. */
template <typename T> struct Rows {
  const T *x, *dy, *stream, *vectors;
  T *y, *dvectors;
  int64_t x_width, dy_width, y_width, vectors_width;
  int64_t first, in, out, column;
  const int64_t *sample, *place;
  const float *angles;
};

template <typename T>
static __device__ const T *of_row(const T *array, int64_t width) {
  return array + blockIdx.x * width;
}

template <typename T> static __device__ T *of_row(T *array, int64_t width) {
  return array + blockIdx.x * width;
}

/* --- norms -----------------------------------------------------------------
 */

struct Norm {
  DspNormGroups groups[2];
  bool rms;
  const float *scale, *shift;
};

/* Which group of the row, and where its scales are. */
struct Span {
  int64_t first, n, weights;
};

static __device__ Span span_of(const Norm &norm, int64_t i) {
  int64_t s = i < norm.groups[0].n ? 0 : 1;
  const DspNormGroups &g = norm.groups[s];
  return {g.first + (s ? i - norm.groups[0].n : i) * g.size, g.size, g.weights};
}

/* The sum over the block, in one order; every thread has it. */
static __device__ float block_sum(float x) {
  __shared__ float sums[33];
  for (int d = 16; d > 0; d /= 2)
    x += __shfl_xor_sync(~0u, x, d);
  __syncthreads();
  if (threadIdx.x % 32 == 0)
    sums[threadIdx.x / 32] = x;
  __syncthreads();
  if (threadIdx.x == 0) {
    float sum = 0;
    for (int i = 0; i < (int)blockDim.x / 32; i++)
      sum += sums[i];
    sums[32] = sum;
  }
  __syncthreads();
  return sums[32];
}

struct Moments {
  float mean, inverse;
};

template <int V, typename T>
static __device__ Moments moments(const T *x, int64_t n, bool rms) {
  float sum = 0, square = 0;
  if (!rms) {
    DSP_EACH_COLUMN(c, n, V) {
      Values<V> values = load<V>(x + c);
      for (int i = 0; i < V; i++)
        sum += values.x[i];
    }
    sum = block_sum(sum);
  }
  float mean = sum / (float)n;
  DSP_EACH_COLUMN(c, n, V) {
    Values<V> values = load<V>(x + c);
    for (int i = 0; i < V; i++)
      square += (values.x[i] - mean) * (values.x[i] - mean);
  }
  square = block_sum(square);
  return {mean, 1 / sqrtf(square / (float)n + (float)DSP_NORM_EPSILON)};
}

template <int V, typename T>
static __global__ void norm_rows(Rows<T> p, Norm norm) {
  Span s = span_of(norm, blockIdx.y);
  const T *x = of_row(p.x, p.x_width) + s.first;
  T *y = of_row(p.y, p.y_width) + s.first;
  Moments m = moments<V>(x, s.n, norm.rms);
  DSP_EACH_COLUMN(c, s.n, V) {
    Values<V> values = load<V>(x + c);
    for (int i = 0; i < V; i++) {
      float scale = norm.scale ? norm.scale[s.weights + c + i] : 1;
      float shift = norm.shift ? norm.shift[s.weights + c + i] : 0;
      values.x[i] = (values.x[i] - m.mean) * m.inverse * scale + shift;
    }
    store<V>(y + c, values);
  }
}

/* The same of whole rows that a block holds in registers, V numbers a thread,
 * row after row: scales and shifts are read once. `turn`: which of two places
 * for sums, so that one barrier is enough. */
static __device__ float row_sum(float x, int turn) {
  __shared__ float sums[2][32];
  for (int d = 16; d > 0; d /= 2)
    x += __shfl_xor_sync(~0u, x, d);
  if (threadIdx.x % 32 == 0)
    sums[turn][threadIdx.x / 32] = x;
  __syncthreads();
  float sum = 0;
  for (int i = 0; i < (int)blockDim.x / 32; i++)
    sum += sums[turn][i];
  return sum;
}

template <int V>
static __device__ Values<V> weights_of(const float *weights, int64_t c,
                                       bool there, float otherwise) {
  Values<V> values;
  for (int i = 0; i < V; i++)
    values.x[i] = weights && there ? weights[c + i] : otherwise;
  return values;
}

template <int V, typename T>
static __global__ void norm_whole_rows(Rows<T> p, Norm norm, int64_t rows) {
  int64_t n = norm.groups[0].size, c = (int64_t)threadIdx.x * V;
  bool there = c < n;
  Values<V> scale = weights_of<V>(norm.scale, c, there, 1);
  Values<V> shift = weights_of<V>(norm.shift, c, there, 0);
  for (int64_t row = blockIdx.x; row < rows; row += gridDim.x) {
    Values<V> values = {};
    float sum = 0, square = 0;
    if (there)
      values = load<V>(p.x + row * p.x_width + c);
    for (int i = 0; i < V; i++)
      sum += values.x[i];
    float mean = norm.rms ? 0 : row_sum(sum, 0) / (float)n;
    for (int i = 0; i < V; i++) {
      values.x[i] -= mean;
      square += there ? values.x[i] * values.x[i] : 0;
    }
    float inverse =
        rsqrtf(row_sum(square, 1) / (float)n + (float)DSP_NORM_EPSILON);
    for (int i = 0; i < V; i++)
      values.x[i] = values.x[i] * inverse * scale.x[i] + shift.x[i];
    if (there)
      store<V>(p.y + row * p.y_width + c, values);
    if (norm.rms)
      __syncthreads();
  }
}

/* Leaves the moments of each row and group for the gradients of scales. */
template <typename T>
static __global__ void norm_rows_back(Rows<T> p, Norm norm, Moments *kept) {
  Span s = span_of(norm, blockIdx.y);
  const T *x = of_row(p.x, p.x_width) + s.first;
  const T *dy = of_row(p.dy, p.dy_width) + s.first;
  Moments m = moments<1>(x, s.n, norm.rms);
  float a = 0, b = 0;
  if (threadIdx.x == 0)
    kept[blockIdx.x * gridDim.y + blockIdx.y] = m;
  DSP_EACH_COLUMN(c, s.n, 1) {
    float d = number(dy[c]) * (norm.scale ? norm.scale[s.weights + c] : 1);
    a += d;
    b += d * (number(x[c]) - m.mean) * m.inverse;
  }
  a = norm.rms ? 0 : block_sum(a);
  b = block_sum(b);
  if (!p.y)
    return;
  T *dx = of_row(p.y, p.y_width) + s.first;
  DSP_EACH_COLUMN(c, s.n, 1) {
    float d = number(dy[c]) * (norm.scale ? norm.scale[s.weights + c] : 1);
    float hat = (number(x[c]) - m.mean) * m.inverse;
    put(&dx[c], number(dx[c]) + m.inverse * (d - a / s.n - hat * (b / s.n)));
  }
}

/* A thread for each scale: over all rows and groups. */
template <typename T>
static __global__ void norm_weights_back(Rows<T> p, Norm norm, int64_t rows,
                                         const Moments *kept, float *dscale,
                                         float *dshift) {
  const DspNormGroups &g = norm.groups[blockIdx.y];
  int64_t all = norm.groups[0].n + norm.groups[1].n;
  int64_t c = blockIdx.x * (int64_t)blockDim.x + threadIdx.x;
  float scale = 0, shift = 0;
  if (g.n == 0 || c >= g.size)
    return;
  for (int64_t r = 0; r < rows; r++)
    for (int64_t i = 0; i < g.n; i++) {
      Moments m = kept[r * all + (blockIdx.y ? norm.groups[0].n : 0) + i];
      int64_t column = g.first + i * g.size + c;
      float dy = number(p.dy[r * p.dy_width + column]);
      scale += dy * (number(p.x[r * p.x_width + column]) - m.mean) * m.inverse;
      shift += dy;
    }
  if (dscale)
    dscale[g.weights + c] += scale;
  if (dshift)
    dshift[g.weights + c] += shift;
}

template <typename T>
static void norm(DspDevice *device, const DspPoint *d, const Rows<T> &p) {
  Norm n = {{d->groups[0], d->groups[1]}, (bool)d->rms, d->scale, d->shift};
  int64_t rows = d->x->rows, groups = n.groups[0].n + n.groups[1].n;
  int64_t size = MAX(n.groups[0].size, n.groups[1].size);
  cudaStream_t stream = gpu_of(device)->stream;
  dim3 grid(rows, groups);
  constexpr int W = wide<T>();
  enum { BLOCKS = 2112, MOST_THREADS = 1024 };
  /* Of a whole row only, which has one length on all ranks. */
  bool fits = groups == 1 && n.groups[0].first == 0 && size % W == 0 &&
              size / W <= MOST_THREADS && p.x_width % W == 0 &&
              p.y_width % W == 0;
  if (!d->dy && fits) {
    norm_whole_rows<W, T>
        <<<MIN(rows, BLOCKS), (size / W + 31) / 32 * 32, 0, stream>>>(p, n,
                                                                      rows);
    return;
  }
  if (!d->dy) {
    norm_rows<1, T><<<grid, threads_for(size, 1), 0, stream>>>(p, n);
    return;
  }
  Scratch<Moments> kept(device, rows * groups);
  norm_rows_back<<<grid, threads_for(size, 1), 0, stream>>>(p, n, kept.at);
  if (d->dscale)
    norm_weights_back<<<dim3((size + 127) / 128, 2), 128, 0, stream>>>(
        p, n, rows, kept.at, d->dscale, d->dshift);
}

/* --- vectors of the conditioning -------------------------------------------
 */

/* V columns of the row's vectors, which are taken round and round. */
template <int V, typename T>
static __device__ Values<V> vectors_of(const Rows<T> &p, int64_t column) {
  const T *v = p.vectors + p.sample[blockIdx.x] * p.vectors_width;
  int64_t c = p.column + column;
  if (c >= p.vectors_width)
    c %= p.vectors_width;
  if (c % V == 0 && p.vectors_width % V == 0)
    return load<V>(v + c);
  Values<V> values;
  for (int i = 0; i < V; i++)
    values.x[i] = number(v[(c + i) % p.vectors_width]);
  return values;
}

template <int V, typename T> static __global__ void modulate_rows(Rows<T> p) {
  bool has = p.vectors && p.sample[blockIdx.x] >= 0;
  const T *x = of_row(p.x, p.x_width), *dy = of_row(p.dy, p.dy_width);
  T *y = of_row(p.y, p.y_width);
  DSP_EACH_COLUMN(c, p.in, V) {
    Values<V> scale = {}, shift = {};
    if (has) {
      scale = vectors_of<V>(p, c);
      shift = vectors_of<V>(p, p.in + c);
    }
    Values<V> values = load<V>((p.dy ? dy : x) + c);
    for (int i = 0; i < V; i++)
      values.x[i] = values.x[i] * (1 + scale.x[i]) + (p.dy ? 0 : shift.x[i]);
    if (p.dy)
      add<V>(y + c, values);
    else
      store<V>(y + c, values);
  }
}

template <int V, typename T> static __global__ void residual_rows(Rows<T> p) {
  bool has = p.vectors && p.sample[blockIdx.x] >= 0;
  const T *x = of_row(p.dy ? p.dy : p.x, p.dy ? p.dy_width : p.x_width);
  T *y = of_row(p.y, p.y_width);
  DSP_EACH_COLUMN(c, p.in, V) {
    Values<V> values = load<V>(x + c), stream = {};
    if (has) {
      Values<V> gate = vectors_of<V>(p, c);
      for (int i = 0; i < V; i++)
        values.x[i] *= gate.x[i];
    }
    if (p.dy) {
      add<V>(y + c, values);
      continue;
    }
    if (p.stream)
      stream = load<V>(of_row(p.stream, p.x_width) + c);
    for (int i = 0; i < V; i++)
      values.x[i] += stream.x[i];
    store<V>(y + c, values);
  }
}

/* Columns t of scales and, behind them, shifts that vector `v` was taken for.
 * A thread for each vector of each sample: over all its rows. */
template <bool GATE, typename T>
static __global__ void vectors_back(Rows<T> p, int64_t rows) {
  int64_t v = blockIdx.x * (int64_t)blockDim.x + threadIdx.x;
  int64_t width = p.vectors_width, all = GATE ? p.in : 2 * p.in;
  if (v >= width)
    return;
  float sum = 0;
  for (int64_t t = (v + width - p.column % width) % width; t < all; t += width)
    for (int64_t r = 0; r < rows; r++) {
      if (p.sample[r] != blockIdx.y)
        continue;
      int64_t c = t < p.in ? t : t - p.in;
      float dy = number(p.dy[r * p.dy_width + c]);
      sum += t < p.in ? dy * number(p.x[r * p.x_width + c]) : dy;
    }
  T *to = p.dvectors + blockIdx.y * width + v;
  put(to, number(*to) + sum);
}

template <typename T> static bool fits_vectors(const Rows<T> &p) {
  constexpr int W = wide<T>();
  return p.in % W == 0 && p.x_width % W == 0 && p.y_width % W == 0 &&
         p.dy_width % W == 0;
}

template <typename T>
static void with_vectors(DspDevice *device, const DspPoint *d,
                         const Rows<T> &p) {
  constexpr int W = wide<T>();
  bool gate = d->kind == DSP_OP_RESIDUAL, fits = fits_vectors(p);
  int64_t rows = d->x->rows;
  cudaStream_t stream = gpu_of(device)->stream;
  auto kernel = gate ? (fits ? residual_rows<W, T> : residual_rows<1, T>)
                     : (fits ? modulate_rows<W, T> : modulate_rows<1, T>);
  if (p.y)
    kernel<<<rows, threads_for(p.in, fits ? W : 1), 0, stream>>>(p);
  if (!d->dy || !d->dvectors)
    return;
  auto back = gate ? vectors_back<true, T> : vectors_back<false, T>;
  back<<<dim3((p.vectors_width + 127) / 128, d->vectors->rows), 128, 0,
         stream>>>(p, rows);
}

/* --- rope ------------------------------------------------------------------
 */

template <typename T>
static __global__ void rope_rows(Rows<T> p, int64_t pairs) {
  const T *x = of_row(p.dy ? p.dy : p.x, p.dy ? p.dy_width : p.x_width);
  T *y = of_row(p.y, p.y_width);
  const float *place = p.angles + 2 * p.place[blockIdx.x] * pairs;
  DSP_EACH_COLUMN(c, p.in / 2, 1) {
    float cosine = place[2 * (c % pairs)], sine = place[2 * (c % pairs) + 1];
    float a = number(x[2 * c]), b = number(x[2 * c + 1]);
    sine = p.dy ? -sine : sine;
    put(&y[2 * c], number(y[2 * c]) + a * cosine - b * sine);
    put(&y[2 * c + 1], number(y[2 * c + 1]) + a * sine + b * cosine);
  }
}

template <typename T>
static void rope(DspDevice *device, const DspPoint *d, const Rows<T> &p) {
  rope_rows<<<d->x->rows, threads_for(p.in / 2, 1), 0,
              gpu_of(device)->stream>>>(p, d->pairs);
}

/* --- activations -----------------------------------------------------------
 */

static __device__ float sigmoid(float x) {
  return 1 / (1 + expf(-x));
}

/* Known when the kernel is compiled: no choice for each number. */
template <DspFunction F> static __device__ float activate(float x) {
  switch (F) {
  case DSP_GELU:
  case DSP_GEGLU:
    return 0.5f * x * (1 + erff(x * 0.70710678f));
  case DSP_SILU:
  case DSP_SWIGLU:
    return x * sigmoid(x);
  case DSP_RELU:
    return fmaxf(x, 0);
  default:
    return sigmoid(x);
  }
}

template <DspFunction F> static __device__ float slope(float x) {
  float s = sigmoid(x);
  switch (F) {
  case DSP_GELU:
  case DSP_GEGLU:
    return 0.5f * (1 + erff(x * 0.70710678f)) +
           x * expf(-0.5f * x * x) * 0.39894228f;
  case DSP_SILU:
  case DSP_SWIGLU:
    return s + x * s * (1 - s);
  case DSP_RELU:
    return x > 0;
  default:
    return s * (1 - s);
  }
}

/* Where the function's argument and, of a gated one, its factor begin. */
struct Halves {
  bool gated;
  int64_t argument, factor;
};

template <int V, DspFunction F, typename T>
static __global__ void activate_rows(Rows<T> p, Halves h) {
  const T *x = of_row(p.x, p.x_width) + p.first;
  T *y = of_row(p.y, p.y_width) + p.first;
  DSP_EACH_COLUMN(c, p.out, V) {
    Values<V> values = load<V>(x + h.argument + c);
    for (int i = 0; i < V; i++)
      values.x[i] = activate<F>(values.x[i]);
    if (h.gated) {
      Values<V> factor = load<V>(x + h.factor + c);
      for (int i = 0; i < V; i++)
        values.x[i] *= factor.x[i];
    }
    store<V>(y + c, values);
  }
}

template <DspFunction F, typename T>
static __global__ void activate_rows_back(Rows<T> p, Halves h) {
  const T *x = of_row(p.x, p.x_width) + p.first;
  const T *dy = of_row(p.dy, p.dy_width) + p.first;
  T *dx = of_row(p.y, p.y_width) + p.first;
  DSP_EACH_COLUMN(c, p.out, 1) {
    float a = number(x[h.argument + c]), d = number(dy[c]);
    float factor = h.gated ? number(x[h.factor + c]) : 1;
    T *da = dx + h.argument + c, *df = dx + h.factor + c;
    put(da, number(*da) + d * factor * slope<F>(a));
    if (h.gated)
      put(df, number(*df) + d * activate<F>(a));
  }
}

template <DspFunction F, typename T>
static void activate_all(DspDevice *device, const DspPoint *d,
                         const Rows<T> &p) {
  constexpr int W = wide<T>();
  bool second = d->gated && d->function == DSP_GLU;
  int64_t half = p.in / 2;
  Halves h = {(bool)d->gated, second ? half : 0, second ? 0 : half};
  bool fits = p.out % W == 0 && p.first % W == 0 && p.x_width % W == 0 &&
              p.y_width % W == 0;
  cudaStream_t stream = gpu_of(device)->stream;
  if (!p.y)
    return;
  if (d->dy) {
    activate_rows_back<F>
        <<<d->x->rows, threads_for(p.out, 1), 0, stream>>>(p, h);
    return;
  }
  auto kernel = fits ? activate_rows<W, F, T> : activate_rows<1, F, T>;
  kernel<<<d->x->rows, threads_for(p.out, fits ? W : 1), 0, stream>>>(p, h);
}

/* Gated functions are those of their one half. */
template <typename T>
static void activation(DspDevice *device, const DspPoint *d, const Rows<T> &p) {
  switch (d->function) {
  case DSP_GELU:
  case DSP_GEGLU:
    return activate_all<DSP_GELU>(device, d, p);
  case DSP_SILU:
  case DSP_SWIGLU:
    return activate_all<DSP_SILU>(device, d, p);
  case DSP_RELU:
    return activate_all<DSP_RELU>(device, d, p);
  default:
    return activate_all<DSP_SIGMOID>(device, d, p);
  }
}

/* --- all of them -----------------------------------------------------------
 */

template <typename T>
static Rows<T> rows_of(const DspPoint *d, const int64_t *sample,
                       const int64_t *place, const float *angles) {
  Rows<T> p = {};
  p.x = (const T *)d->x->v;
  p.x_width = p.y_width = p.dy_width = d->x->width;
  if (d->dy) {
    p.dy = (const T *)d->dy->v;
    p.dy_width = d->dy->width;
  }
  if (d->y) {
    p.y = (T *)d->y->v;
    p.y_width = d->y->width;
  }
  if (d->stream)
    p.stream = (const T *)d->stream->v;
  if (d->vectors) {
    p.vectors = (const T *)d->vectors->v;
    p.vectors_width = d->vectors->width;
  }
  if (d->dvectors)
    p.dvectors = (T *)d->dvectors->v;
  p.first = d->first;
  p.in = d->in;
  p.out = d->out;
  p.column = d->column;
  p.sample = sample;
  p.place = place;
  p.angles = angles;
  return p;
}

template <typename T>
static void run(DspDevice *device, const DspPoint *d, const Rows<T> &p) {
  switch (d->kind) {
  case DSP_OP_NORM:
  case DSP_OP_QK_NORM:
    norm(device, d, p);
    break;
  case DSP_OP_MODULATE:
  case DSP_OP_RESIDUAL:
    with_vectors(device, d, p);
    break;
  case DSP_OP_ROPE:
    rope(device, d, p);
    break;
  case DSP_OP_ACTIVATION:
    activation(device, d, p);
    break;
  default:
    dsp_cuda_die("no kernel of '%s'", dsp_op_names[d->kind]);
  }
}

void dsp_cuda_point(DspDevice *device, const DspPoint *d) {
  int64_t rows = d->x->rows;
  if (rows == 0)
    return;
  Scratch<int64_t> sample(device, d->sample, d->sample ? rows : 0);
  Scratch<int64_t> place(device, d->place, d->place ? rows : 0);
  Scratch<float> angles(device, d->angles, 2 * d->places * d->pairs);
  DSP_TYPED(device->dtype, {
    Rows<T> p = rows_of<T>(d, sample.at, place.at, angles.at);
    Timed timed(device);
    run(device, d, p);
  });
  launched("an operation on rows");
}
