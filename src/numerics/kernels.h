/* SPDX-License-Identifier: Apache-2.0 */
/* What a rank computes with. The executor knows tensors, shards and indices;
 * memory and loops over numbers are behind this table: the processor's (cpu.h)
 * or a GPU's. Lists of indices lie in the memory of the process, numbers in
 * that of the device. Kernels add to what they give unless they say otherwise,
 * and round what they store to the device's type. */
#ifndef DSP_NUMERICS_KERNELS_H
#define DSP_NUMERICS_KERNELS_H

#include "base/dtype.h"
#include "model/model.h"

typedef struct DspKernels DspKernels;

/* A kind of device extends this. */
typedef struct {
  const DspKernels *kernels;
  DspDtype dtype;
  gsize number; /* bytes of a number of an array in its memory */
} DspDevice;

/* An array of one rank, rows of `width` numbers; or the bytes of a buffer as
 * they are sent. All of it in the device's memory. */
typedef struct {
  int references;
  DspDevice *device;
  int64_t rows, width;
  void *v;
  float *lse;  /* of an attention's output: log of the sum of exponentials, by
                  row and head */
  void *block; /* numbers and sums of the ring's present block */
  float *block_lse;
  guint8 *bytes;
  gsize n_bytes;
} DspArray;

/* to[r][first_to + c] += from[r][first_from + c], c < n. */
typedef struct {
  const DspArray *from;
  DspArray *to;
  int64_t first_from, first_to, n;
} DspColumnSum;

/* A part of a weight matrix, [in][out] numbers at w[rows[i]*stride +
 * columns[o]], and what is multiplied by it. Of an array with fewer columns
 * than `in` the columns are taken round and round. */
typedef struct {
  int64_t in, out, stride;
  const int64_t *rows, *columns;
  const float *w;
  const float *bias; /* bias[columns[o]], or NULL */
  float *dw, *dbias;
  const DspArray *x, *dy;
  DspArray *y, *dx;
} DspProduct;

/* Columns normalised together, `n` groups of `size` from `first` on; each has
 * the scales at `weights`. */
typedef struct {
  int64_t first, n, size, weights;
} DspNormGroups;

/* An operation on one row after another: forward gives y, backward (dy) gives
 * dx as `y`. It works on the columns from `first` on. */
typedef struct {
  DspOpKind kind;
  DspFunction function;
  gboolean gated, rms;
  int64_t first, in, out;
  const DspArray *x, *dy;
  DspArray *y;
  /* NORM, QK_NORM: of scales and shifts, or NULL. */
  DspNormGroups groups[2];
  const float *scale, *shift;
  float *dscale, *dshift;
  /* Of each row and group, where `parts` ranks have columns of it: what all of
   * them have summed (sums, below), forward and backward. */
  int64_t parts, n_sums;
  const float *sums, *back_sums;
  /* MODULATE, RESIDUAL: the row's vectors and the first column of them; -1: the
   * row has none. */
  const DspArray *vectors;
  DspArray *dvectors;
  int64_t column;
  const int64_t *sample;
  /* ROPE: the row's place, below `places`; cosine and sine of each place and
   * pair of columns, at [2*(place*pairs + pair)]. */
  const int64_t *place;
  int64_t places, pairs;
  const float *angles;
  /* RESIDUAL: what is added to y besides x times the gate, or NULL. */
  const DspArray *stream;
} DspPoint;

/* A row of the stream's array, or of that of the tokens that join it. `order`:
 * causal attention sees no later ones. */
typedef struct {
  int64_t row, order;
  int joint;
} DspToken;

/* Tokens by sequence: those of sequence i are first[i] up to first[i + 1]. */
typedef struct {
  int64_t n, *first;
  DspToken *tokens;
} DspTokens;

/* Attention of the heads of each sequence. Forward gives y (or its block) and
 * the lse of it, which replace what was there; backward adds to dx. */
typedef struct {
  int64_t heads, kv_heads, dim;
  gboolean causal, back;
  float scale;
  DspTokens q, k;
  /* Sequences that have tokens in common, one after another. */
  gboolean overlap;
  struct {
    const DspArray *x, *dy;
    DspArray *dx, *y;
    gboolean block;
  } query[2]; /* of the stream, joint */
  struct {
    const DspArray *x;
    DspArray *dx;
    int64_t first; /* heads before the keys */
  } key[2];
} DspAttend;

/* Rows and columns of an array and a message of them all, row after row. A row
 * of -1: padding, which is sent as zeros and read by nobody. */
typedef struct {
  int64_t n_rows, n_columns;
  const int64_t *rows, *columns;
} DspMessage;

/* Numbers list[begin] up to list[end] of the weights or gradients. */
typedef struct {
  const int64_t *list;
  int64_t begin, end;
} DspPick;

struct DspKernels {
  /* Memory, of zeros. */
  void *(*alloc)(DspDevice *device, gsize bytes);
  void (*release)(DspDevice *device, void *memory);
  /* Floats into a device's memory and back; numbers of an array as floats. */
  void (*put)(DspDevice *device, float *to, const float *from, int64_t n);
  void (*get)(DspDevice *device, float *to, const float *from, int64_t n);
  void (*write)(DspArray *to, const float *from);
  void (*read)(const DspArray *from, float *to);
  /* y += x w + bias; dx += dy w^T; dw += x^T dy; dbias += sum of rows of dy. */
  void (*product)(DspDevice *device, const DspProduct *p);
  void (*product_back)(DspDevice *device, const DspProduct *p);
  void (*weight_back)(DspDevice *device, const DspProduct *p);
  void (*bias_back)(DspDevice *device, const DspProduct *p);
  void (*point)(DspDevice *device, const DspPoint *p);
  /* to[row*n_sums + group], put: of an RMS norm's squares, or (dy) of the
   * products of what it gives and the gradient of that. NULL: not there. */
  void (*sums)(DspDevice *device, const DspPoint *p, float *to);
  void (*attend)(DspDevice *device, const DspAttend *a);
  /* y and its block by the weight of their sums of exponentials. */
  void (*merge)(DspArray *y, int64_t heads, int64_t dim);
  void (*add_columns)(const DspColumnSum *sum);
  void (*round)(DspArray *array);
  void (*pack)(const DspArray *x, const DspMessage *m, guint8 *to);
  void (*unpack)(DspArray *y, const DspMessage *m, const guint8 *from);
  /* Buffers: a copy, the sum put into the first, and all numbers of arrays. */
  void (*copy)(DspDevice *device, guint8 *to, const guint8 *from, gsize n);
  void (*add_bytes)(DspDevice *device, guint8 *to, const guint8 *from, gsize n);
  void (*encode)(const DspArray *x, guint8 *to);
  void (*decode)(DspArray *y, const guint8 *from);
  /* Weights and gradients: as bytes (zeros behind `n`), back, one step down,
   * not a number any more. */
  void (*pick)(DspDevice *device, const DspPick *pick, int64_t n,
               const float *from, guint8 *to);
  void (*unpick)(DspDevice *device, const DspPick *pick, float *to,
                 const guint8 *from);
  void (*update)(DspDevice *device, const DspPick *pick, float *weights,
                 const float *gradients, float rate);
  void (*forget)(DspDevice *device, const DspPick *pick, float *weights);
  void (*close)(DspDevice *device);
};

#endif
