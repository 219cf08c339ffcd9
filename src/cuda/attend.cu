/* SPDX-License-Identifier: Apache-2.0 */
/* Attention tile by tile with online softmax: four threads share a query (or,
 * for the gradients of keys, a key), tiles of the other side lie in shared
 * memory. Keys come in the order of their list whatever the rank, so a query's
 * result does not depend on the other queries. Gradients of keys are summed by
 * the threads of the key: no atomics, the same bits every time. */
#include "cuda/typed.cuh"
#include <cmath>

enum { LANES = 4, THREADS = 128, OWN = THREADS / LANES, STEP = 8 };

/* One source of queries or keys: the stream's array, or the joint tokens'. */
template <typename T> struct Queries {
  const T *x, *dy;
  T *dx, *out;
  float *lse;
  int64_t x_width, dy_width, out_width;
};

template <typename T> struct Keys {
  const T *x;
  T *dx;
  int64_t width, first;
};

template <typename T> struct Attention {
  int64_t heads, kv_heads, dim;
  bool causal;
  float scale;
  const int64_t *first_q, *first_k;
  const DspToken *q, *k;
  Queries<T> query[2];
  Keys<T> key[2];
  float *means; /* of each query and head: dy times out */
  int64_t first, tiles;
};

/* What a block works on: a tile of one head of one sequence. */
struct Place {
  int64_t sequence, head, tile;
};

template <typename T>
static __device__ Place place_of(const Attention<T> &a, int64_t heads) {
  int64_t i = blockIdx.x;
  return {a.first + i / a.tiles / heads, i / a.tiles % heads, i % a.tiles};
}

/* Column `i` of those that a lane owns. */
static __device__ int column_of(int lane, int i) {
  return (i / 4 * LANES + lane) * 4 + i % 4;
}

static __device__ float over_lanes(float x) {
  x += __shfl_xor_sync(~0u, x, 1);
  return x + __shfl_xor_sync(~0u, x, 2);
}

/* --- rows of tokens --------------------------------------------------------
 */

template <typename T>
static __device__ const T *q_of(const Attention<T> &a, const DspToken &t,
                                int64_t h) {
  const Queries<T> &s = a.query[t.joint];
  return s.x + t.row * s.x_width + h * a.dim;
}

template <typename T>
static __device__ const T *dy_of(const Attention<T> &a, const DspToken &t,
                                 int64_t h) {
  const Queries<T> &s = a.query[t.joint];
  return s.dy + t.row * s.dy_width + h * a.dim;
}

template <typename T>
static __device__ T *out_of(const Attention<T> &a, const DspToken &t,
                            int64_t h) {
  const Queries<T> &s = a.query[t.joint];
  return s.out + t.row * s.out_width + h * a.dim;
}

template <typename T>
static __device__ float *lse_of(const Attention<T> &a, const DspToken &t,
                                int64_t h) {
  return a.query[t.joint].lse + t.row * a.heads + h;
}

/* The key, or behind it the value, of a head of keys. */
template <typename T>
static __device__ int64_t kv_at(const Attention<T> &a, const DspToken &t,
                                int64_t h, bool value) {
  const Keys<T> &s = a.key[t.joint];
  return t.row * s.width + (s.first + h + (value ? a.kv_heads : 0)) * a.dim;
}

/* A lane's columns of a row, zeros behind the last. */
template <int D, typename T>
static __device__ void fetch(float *to, const T *from, int64_t dim, int lane) {
#pragma unroll
  for (int i = 0; i < D / LANES; i++) {
    int c = column_of(lane, i);
    to[i] = from && c < dim ? number(from[c]) : 0;
  }
}

template <int D, typename T>
static __device__ void give(T *to, const float *from, int64_t dim, int lane,
                            bool adds) {
#pragma unroll
  for (int i = 0; i < D / LANES; i++) {
    int c = column_of(lane, i);
    if (c < dim)
      put(&to[c], from[i] + (adds ? number(to[c]) : 0));
  }
}

/* The product of a lane's columns with those of a row in shared memory. */
template <int D>
static __device__ float dot(const float *own, const float *row, int lane) {
  float sum = 0;
#pragma unroll
  for (int i = 0; i < D / LANES; i += 4) {
    float4 r = *reinterpret_cast<const float4 *>(row + column_of(lane, i));
    sum +=
        own[i] * r.x + own[i + 1] * r.y + own[i + 2] * r.z + own[i + 3] * r.w;
  }
  return sum;
}

template <int D>
static __device__ void add_row(float *own, float factor, const float *row,
                               int lane) {
#pragma unroll
  for (int i = 0; i < D / LANES; i += 4) {
    float4 r = *reinterpret_cast<const float4 *>(row + column_of(lane, i));
    own[i] += factor * r.x;
    own[i + 1] += factor * r.y;
    own[i + 2] += factor * r.z;
    own[i + 3] += factor * r.w;
  }
}

/* --- tiles -----------------------------------------------------------------
 */

template <int D> constexpr int tile = D > 128 ? 16 : 32;

/* Two rows of each token of the other side, and when it is seen. */
template <int D> struct Tile {
  float a[tile<D>][D], b[tile<D>][D];
  int64_t order[tile<D>];
  float lse[tile<D>], mean[tile<D>];
};

template <int D, typename T>
static __device__ void load_keys(const Attention<T> &a, Tile<D> *t,
                                 int64_t from, int64_t n, int64_t h) {
  __syncthreads();
  for (int i = threadIdx.x; i < tile<D> * D; i += THREADS) {
    int j = i / D, c = i % D;
    bool there = j < n && c < a.dim;
    const DspToken &k = a.k[from + (j < n ? j : 0)];
    const T *x = a.key[k.joint].x;
    t->a[j][c] = there ? number(x[kv_at(a, k, h, false) + c]) : 0;
    t->b[j][c] = there ? number(x[kv_at(a, k, h, true) + c]) : 0;
    if (c == 0)
      t->order[j] = k.order;
  }
  __syncthreads();
}

template <int D, typename T>
static __device__ void load_queries(const Attention<T> &a, Tile<D> *t,
                                    int64_t from, int64_t n, int64_t h) {
  __syncthreads();
  for (int i = threadIdx.x; i < tile<D> * D; i += THREADS) {
    int j = i / D, c = i % D;
    int64_t at = from + (j < n ? j : 0);
    const DspToken &q = a.q[at];
    bool there = j < n && c < a.dim;
    t->a[j][c] = there ? number(q_of(a, q, h)[c]) : 0;
    t->b[j][c] = there ? number(dy_of(a, q, h)[c]) : 0;
    if (c == 0) {
      t->order[j] = q.order;
      t->lse[j] = *lse_of(a, q, h);
      t->mean[j] = a.means[at * a.heads + h];
    }
  }
  __syncthreads();
}

/* --- forward ---------------------------------------------------------------
 */

/* STEP keys at once: their scores, then what they add. */
template <int D, typename T>
static __device__ void attend_step(const Attention<T> &a, const Tile<D> &t,
                                   int j, int64_t n, const float *q,
                                   int64_t order, float *out, float *top,
                                   float *sum, int lane) {
  float s[STEP], highest = *top;
#pragma unroll
  for (int i = 0; i < STEP; i++) {
    bool seen = j + i < n && (!a.causal || t.order[j + i] <= order);
    s[i] = over_lanes(dot<D>(q, t.a[j + i], lane)) * a.scale;
    s[i] = seen ? s[i] : -INFINITY;
    highest = fmaxf(highest, s[i]);
  }
  if (highest == -INFINITY)
    return;
  float factor = expf(*top - highest);
  *top = highest;
  *sum *= factor;
#pragma unroll
  for (int i = 0; i < D / LANES; i++)
    out[i] *= factor;
#pragma unroll
  for (int i = 0; i < STEP; i++) {
    float p = expf(s[i] - highest);
    *sum += p;
    add_row<D>(out, p, t.b[j + i], lane);
  }
}

template <int D, typename T>
static __global__ void __launch_bounds__(THREADS)
    attend_forward(Attention<T> a) {
  extern __shared__ __align__(16) char memory[];
  Tile<D> *t = reinterpret_cast<Tile<D> *>(memory);
  Place p = place_of(a, a.heads);
  int lane = threadIdx.x % LANES;
  int64_t i = a.first_q[p.sequence] + p.tile * OWN + threadIdx.x / LANES;
  bool mine = i < a.first_q[p.sequence + 1];
  int64_t end = a.first_k[p.sequence + 1];
  DspToken token = a.q[mine ? i : a.first_q[0]];
  float q[D / LANES], out[D / LANES] = {}, top = -INFINITY, sum = 0;
  if (a.first_q[p.sequence] + p.tile * OWN >= a.first_q[p.sequence + 1])
    return;
  fetch<D>(q, mine ? q_of(a, token, p.head) : nullptr, a.dim, lane);
  for (int64_t k = a.first_k[p.sequence]; k < end; k += tile<D>) {
    load_keys(a, t, k, end - k, p.head / (a.heads / a.kv_heads));
    for (int j = 0; j < tile<D>; j += STEP)
      attend_step<D>(a, *t, j, end - k, q, token.order, out, &top, &sum, lane);
  }
  if (!mine)
    return;
#pragma unroll
  for (int c = 0; c < D / LANES; c++)
    out[c] = sum > 0 ? out[c] / sum : 0;
  give<D>(out_of(a, token, p.head), out, a.dim, lane, false);
  if (lane == 0)
    *lse_of(a, token, p.head) = top > -INFINITY ? top + logf(sum) : -INFINITY;
}

/* --- backward --------------------------------------------------------------
 */

/* A query and head each: dy times out. */
template <typename T>
static __global__ void find_means(Attention<T> a, int64_t n) {
  int64_t i = blockIdx.x * (int64_t)blockDim.x + threadIdx.x;
  if (i >= n * a.heads)
    return;
  const DspToken &token = a.q[i / a.heads];
  const T *dy = dy_of(a, token, i % a.heads);
  const T *out = out_of(a, token, i % a.heads);
  float sum = 0;
  for (int64_t c = 0; c < a.dim; c++)
    sum += number(dy[c]) * number(out[c]);
  a.means[i] = sum;
}

template <int D, typename T>
static __global__ void __launch_bounds__(THREADS)
    attend_queries_back(Attention<T> a) {
  extern __shared__ __align__(16) char memory[];
  Tile<D> *t = reinterpret_cast<Tile<D> *>(memory);
  Place p = place_of(a, a.heads);
  int lane = threadIdx.x % LANES;
  int64_t i = a.first_q[p.sequence] + p.tile * OWN + threadIdx.x / LANES;
  bool mine = i < a.first_q[p.sequence + 1];
  int64_t end = a.first_k[p.sequence + 1];
  DspToken token = a.q[mine ? i : a.first_q[0]];
  float q[D / LANES], dy[D / LANES], dq[D / LANES] = {};
  if (a.first_q[p.sequence] + p.tile * OWN >= a.first_q[p.sequence + 1])
    return;
  fetch<D>(q, mine ? q_of(a, token, p.head) : nullptr, a.dim, lane);
  fetch<D>(dy, mine ? dy_of(a, token, p.head) : nullptr, a.dim, lane);
  float lse = mine ? *lse_of(a, token, p.head) : 0;
  float mean = mine ? a.means[i * a.heads + p.head] : 0;
  for (int64_t k = a.first_k[p.sequence]; k < end; k += tile<D>) {
    load_keys(a, t, k, end - k, p.head / (a.heads / a.kv_heads));
    for (int j = 0; j < tile<D> && k + j < end; j++) {
      float s = over_lanes(dot<D>(q, t->a[j], lane)) * a.scale;
      float dp = over_lanes(dot<D>(dy, t->b[j], lane));
      bool seen = !a.causal || t->order[j] <= token.order;
      float ds = seen ? expf(s - lse) * (dp - mean) * a.scale : 0;
      add_row<D>(dq, ds, t->a[j], lane);
    }
  }
  if (mine && a.query[token.joint].dx)
    give<D>(a.query[token.joint].dx + token.row * a.query[token.joint].x_width +
                p.head * a.dim,
            dq, a.dim, lane, true);
}

template <int D, typename T>
static __global__ void __launch_bounds__(THREADS)
    attend_keys_back(Attention<T> a) {
  extern __shared__ __align__(16) char memory[];
  Tile<D> *t = reinterpret_cast<Tile<D> *>(memory);
  Place p = place_of(a, a.kv_heads);
  int lane = threadIdx.x % LANES;
  int64_t group = a.heads / a.kv_heads;
  int64_t i = a.first_k[p.sequence] + p.tile * OWN + threadIdx.x / LANES;
  bool mine = i < a.first_k[p.sequence + 1];
  int64_t begin = a.first_q[p.sequence], end = a.first_q[p.sequence + 1];
  if (begin == end ||
      a.first_k[p.sequence] + p.tile * OWN >= a.first_k[p.sequence + 1])
    return;
  DspToken token = a.k[mine ? i : a.first_k[p.sequence]];
  const Keys<T> &source = a.key[token.joint];
  float k[D / LANES], v[D / LANES], dk[D / LANES] = {}, dv[D / LANES] = {};
  fetch<D>(k, source.x + kv_at(a, token, p.head, false), a.dim, lane);
  fetch<D>(v, source.x + kv_at(a, token, p.head, true), a.dim, lane);
  for (int64_t h = p.head * group; h < (p.head + 1) * group; h++)
    for (int64_t q = begin; q < end; q += tile<D>) {
      load_queries(a, t, q, end - q, h);
      for (int j = 0; j < tile<D> && q + j < end; j++) {
        float s = over_lanes(dot<D>(k, t->a[j], lane)) * a.scale;
        float dp = over_lanes(dot<D>(v, t->b[j], lane));
        bool seen = !a.causal || token.order <= t->order[j];
        float probability = seen ? expf(s - t->lse[j]) : 0;
        float ds = seen ? probability * (dp - t->mean[j]) * a.scale : 0;
        add_row<D>(dv, probability, t->b[j], lane);
        add_row<D>(dk, ds, t->a[j], lane);
      }
    }
  if (!mine || !source.dx)
    return;
  give<D>(source.dx + kv_at(a, token, p.head, false), dk, a.dim, lane, true);
  give<D>(source.dx + kv_at(a, token, p.head, true), dv, a.dim, lane, true);
}

/* --- launches --------------------------------------------------------------
 */

static int64_t most_tiles(const DspTokens *tokens) {
  int64_t most = 0;
  for (int64_t i = 0; i < tokens->n; i++)
    most = MAX(most, tokens->first[i + 1] - tokens->first[i]);
  return (most + OWN - 1) / OWN;
}

/* All sequences at once, or one after another where they share tokens. */
template <int D, typename T>
static void launch(DspDevice *device, void (*kernel)(Attention<T>),
                   Attention<T> a, const DspAttend *d, int64_t heads,
                   int64_t tiles) {
  int64_t sequences = d->overlap ? 1 : d->q.n;
  dsp_cuda_check(
      cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                           (int)sizeof(Tile<D>)),
      "shared memory");
  a.tiles = tiles;
  if (tiles == 0)
    return;
  for (a.first = 0; a.first < d->q.n; a.first += sequences)
    kernel<<<sequences * heads * tiles, THREADS, sizeof(Tile<D>),
             gpu_of(device)->stream>>>(a);
  launched("attention");
}

template <int D, typename T>
static void run(DspDevice *device, const Attention<T> &a, const DspAttend *d) {
  int64_t of_q = most_tiles(&d->q), of_k = most_tiles(&d->k);
  int64_t n = d->q.first[d->q.n];
  if (n == 0)
    return;
  if (!d->back) {
    launch<D>(device, attend_forward<D, T>, a, d, a.heads, of_q);
    return;
  }
  find_means<<<(n * a.heads + 127) / 128, 128, 0, gpu_of(device)->stream>>>(a,
                                                                            n);
  launched("attention");
  launch<D>(device, attend_queries_back<D, T>, a, d, a.heads, of_q);
  launch<D>(device, attend_keys_back<D, T>, a, d, a.kv_heads, of_k);
}

template <typename T> static Queries<T> queries_of(const DspAttend *d, int i) {
  const DspArray *x = d->query[i].x, *dy = d->query[i].dy, *y = d->query[i].y;
  Queries<T> q = {};
  if (!x || !y)
    return q;
  q.x = (const T *)x->v;
  q.x_width = x->width;
  q.dx = d->query[i].dx ? (T *)d->query[i].dx->v : nullptr;
  q.dy = dy ? (const T *)dy->v : nullptr;
  q.dy_width = dy ? dy->width : 0;
  q.out = (T *)(d->query[i].block ? y->block : y->v);
  q.out_width = d->query[i].block ? d->heads * d->dim : y->width;
  q.lse = d->query[i].block ? y->block_lse : y->lse;
  return q;
}

template <typename T> static Keys<T> keys_of(const DspAttend *d, int i) {
  const DspArray *x = d->key[i].x, *dx = d->key[i].dx;
  Keys<T> k = {};
  if (!x)
    return k;
  return {(const T *)x->v, dx ? (T *)dx->v : nullptr, x->width,
          d->key[i].first};
}

void dsp_cuda_attend(DspDevice *device, const DspAttend *d) {
  int64_t n_q = d->q.first[d->q.n], n_k = d->k.first[d->k.n];
  Scratch<int64_t> first_q(device, d->q.first, d->q.n + 1);
  Scratch<int64_t> first_k(device, d->k.first, d->k.n + 1);
  Scratch<DspToken> q(device, d->q.tokens, n_q), k(device, d->k.tokens, n_k);
  Scratch<float> means(device, d->back ? n_q * d->heads : 0);
  DSP_TYPED(device->dtype, {
    Attention<T> a = {d->heads,
                      d->kv_heads,
                      d->dim,
                      (bool)d->causal,
                      d->scale,
                      first_q.at,
                      first_k.at,
                      q.at,
                      k.at,
                      {queries_of<T>(d, 0), queries_of<T>(d, 1)},
                      {keys_of<T>(d, 0), keys_of<T>(d, 1)},
                      means.at,
                      0,
                      0};
    Timed timed(device);
    if (d->dim <= 32)
      run<32>(device, a, d);
    else if (d->dim <= 64)
      run<64>(device, a, d);
    else if (d->dim <= 128)
      run<128>(device, a, d);
    else if (d->dim <= 256)
      run<256>(device, a, d);
    else
      dsp_cuda_die("heads of %d columns have no kernel", (int)d->dim);
  });
}

/* --- merging ---------------------------------------------------------------
 */

template <typename T>
static __global__ void merge_rows(T *y, int64_t width, const T *block,
                                  float *lse, const float *block_lse,
                                  int64_t heads, int64_t dim) {
  int64_t i = blockIdx.x * heads + blockIdx.y;
  float x = lse[i], b = block_lse[i], top = fmaxf(x, b);
  T *out = y + blockIdx.x * width + blockIdx.y * dim;
  if (b == -INFINITY)
    return;
  float sum = top + logf(expf(x - top) + expf(b - top));
  DSP_EACH_COLUMN(c, dim, 1) {
    put(&out[c], number(out[c]) * expf(x - sum) +
                     number(block[i * dim + c]) * expf(b - sum));
  }
  __syncthreads();
  if (threadIdx.x == 0)
    lse[i] = sum;
}

void dsp_cuda_merge(DspArray *y, int64_t heads, int64_t dim) {
  if (y->rows == 0)
    return;
  DSP_TYPED(y->device->dtype, {
    merge_rows<<<dim3(y->rows, heads), threads_for(dim, 1), 0,
                 gpu_of(y->device)->stream>>>((T *)y->v, y->width,
                                              (const T *)y->block, y->lse,
                                              y->block_lse, heads, dim);
  });
  launched("merge");
}
