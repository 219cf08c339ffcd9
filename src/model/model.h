/* SPDX-License-Identifier: Apache-2.0 */
/* What is computed: a multi-dimensional transformer as named sequence
 * dimensions, streams of activations over them, and blocks of stages whose
 * operations have FLOP, bytes and parameters. Read from models/NAME.json;
 * the format is documented in dspsim-model(5). Nothing here knows of ranks. */
#ifndef DSP_MODEL_MODEL_H
#define DSP_MODEL_MODEL_H

#include "base/dtype.h"
#include "base/json.h"
#include <stdint.h>

#define DSP_MAX_DIMS    8
#define DSP_MAX_STREAMS 4

/* A set of dimensions: bit i stands for model->dims[i]. */
typedef uint32_t DspDimSet;

typedef struct {
  char *name;     /* "T" */
  char *meaning;  /* "frames" */
  int64_t length; /* default number of tokens along it */
  int same_as;    /* index of the dimension it always equals, or -1 */
} DspDim;

/* Lengths of all dimensions of one job, in tokens, by dimension index. */
typedef struct {
  int64_t length[DSP_MAX_DIMS];
} DspLengths;

/* One family of activations: [batch, dims..., width]. A stream that is not
 * sequence-sharded (text, conditioning) is whole on every rank. */
typedef struct {
  char *name; /* "x", "text", "cond" */
  guint n_dims;
  guint dims[DSP_MAX_DIMS]; /* outermost first; none: one token a sample */
  int64_t width;
  gboolean sharded; /* sequence parallelism may shard its dimensions */
} DspStream;

typedef enum {
  DSP_OP_NORM,             /* layer or RMS norm of each token */
  DSP_OP_MODULATE,         /* x*(1+scale)+shift, vectors of the conditioning */
  DSP_OP_QK_NORM,          /* RMS norm of each head of q and k */
  DSP_OP_ROPE,             /* rotary embedding of q and k */
  DSP_OP_ACTIVATION,       /* GELU or SiLU; SwiGLU/GEGLU halve the width */
  DSP_OP_RESIDUAL,         /* x + gate*branch (gate optional) */
  DSP_OP_LINEAR,           /* y = x W (+ b) */
  DSP_OP_ATTENTION,        /* softmax(q k^T) v over `over` (+ joint text) */
  DSP_OP_CROSS_ATTENTION,  /* queries of the stream, keys of `source` */
  DSP_OP_LINEAR_ATTENTION, /* phi(q) (phi(k)^T v): linear in the length */
  DSP_OP_TRIANGLE,      /* triangle multiplication: sum over k of a_ik b_jk */
  DSP_OP_OUTER_PRODUCT, /* outer product mean: source -> stream */
  DSP_OP_PARAMETERS,    /* a table of trainable numbers, no work */
  DSP_N_OPS,
} DspOpKind;

/* Names as in files: "norm", "modulate", ..., NULL. */
extern const char *const dsp_op_names[];

/* Which nonlinearity an activation is. Those from GLU on multiply one half of
 * the columns by a function of the other. */
typedef enum {
  DSP_GELU,
  DSP_SILU,
  DSP_RELU,
  DSP_SIGMOID,
  DSP_GLU,    /* a * sigmoid(b) */
  DSP_SWIGLU, /* silu(a) * b */
  DSP_GEGLU,  /* gelu(a) * b */
} DspFunction;

/* How tensor parallelism may split a linear operation: before the stage's core
 * (attention or activation) by output columns, after it by input rows (its
 * output is then a partial sum), elsewhere not at all. Set by the loader. */
typedef enum { DSP_TP_NONE, DSP_TP_COLUMN, DSP_TP_ROW } DspTpSplit;

typedef struct {
  DspOpKind kind;
  char *name;
  guint stream;         /* whose tokens it works on */
  int shared_with;      /* stream whose tokens go through it too, with the same
                           weights, or -1 */
  int64_t in, out;      /* columns of each token that it reads and writes */
  int64_t beside;       /* columns that pass it untouched (v beside QK_NORM and
                           ROPE, the MLP of a parallel block) */
  int64_t calls;        /* LINEAR: kernels that make `out` (q, k, v apart: 3) */
  int64_t parameters;   /* trainable numbers of this operation */
  gboolean bias;        /* LINEAR */
  gboolean tied;        /* LINEAR: with the weights of another operation, which
                           counts the parameters */
  gboolean gate;        /* RESIDUAL: multiplies the branch by a gate first */
  gboolean masked;      /* MODULATE, RESIDUAL with a gate: computed twice, with
                           the vectors of frames that are given and of those
                           that are made, and each frame takes one */
  DspFunction function; /* ACTIVATION */
  gboolean gated;       /* ACTIVATION: swiglu, geglu, glu (out = in/2) */
  gboolean rms;         /* NORM: RMS rather than layer norm */
  gboolean fp32;        /* NORM (layer norm), ROPE: cast to fp32 before, and
                           back after */
  gboolean affine;      /* NORM: trainable scale (and shift) */
  gboolean across_heads; /* QK_NORM: one norm over all heads, not one each */
  int64_t heads, kv_heads, head_dim; /* attentions, QK_NORM, ROPE */
  DspDimSet over;    /* ATTENTION, LINEAR_ATTENTION, TRIANGLE, OUTER_PRODUCT:
                        the dimensions that it mixes */
  int64_t window;    /* ATTENTION: tokens of the other dimensions that share
                        each sequence (local windows of them); usually 1 */
  gboolean causal;   /* ATTENTION */
  int joint;         /* ATTENTION: stream whose tokens join queries and keys
                        (text of an MMDiT), or -1 */
  int source;        /* CROSS_ATTENTION keys; OUTER_PRODUCT input; else -1 */
  gboolean global;   /* needs every dimension: an operand must be gathered */
  DspTpSplit tp;     /* LINEAR */
  const cJSON *node; /* where the file says so, for messages */
} DspOp;

/* Consecutive operations between a stream and its residual sum. */
typedef struct {
  char *name;     /* "spatial attention", "mlp" */
  guint stream;   /* of the residual */
  DspDimSet over; /* union over its operations: needed whole */
  guint n_ops;
  DspOp *ops; /* in order of execution */
} DspStage;

typedef struct {
  char *name;
  int64_t count; /* times it is repeated, with own parameters each time */
  guint n_stages;
  DspStage *stages;
} DspBlock;

/* How frames and pixels become lengths (dspsim-model(5), "input"). */
typedef struct {
  gboolean present;
  int time_dim, height_dim, width_dim; /* dimension index or -1; height_dim ==
                                          width_dim: one dimension of both;
                                          time_dim too: one of all three */
  int64_t vae_time, vae_space;         /* strides of the VAE */
  gboolean vae_causal; /* 1 + (frames-1)/stride, else frames/stride */
  gboolean vae_pads;   /* frames/stride is rounded up */
  int64_t chunk_frames, chunk_latents; /* VAE in pieces of so many frames, each
                                          giving so many; 0: whole */
  int64_t patch_time, patch_height, patch_width;
  gboolean patch_pads_time, patch_pads_space; /* rounded up, else exact */
  int64_t latent_channels;
  int64_t decode_flop;      /* of the VAE's decoder a pixel and frame; 0: not
                               given */
  int64_t decode_attention; /* width of its attention among the latents of a
                               frame, 0: none */
} DspInput;

typedef struct {
  char *name, *title, *file, *sha256;
  char *source; /* where the numbers of the whole file come from */
  guint n_dims;
  DspDim dims[DSP_MAX_DIMS];
  int text_dim; /* "L", or -1 */
  int home_dim; /* the authors' home shard, or -1 */
  guint n_streams;
  DspStream streams[DSP_MAX_STREAMS]; /* [0] is the main one */
  int64_t hidden, heads; /* of the main stream's attention, for reports */
  DspInput input;
  guint n_blocks;
  DspBlock *blocks;             /* the trunk */
  DspBlock before, after;       /* embedders; final layer (count 1) */
  int64_t evaluations;          /* sampling steps of a run, 0: not a sampler */
  int64_t guidance;             /* forward passes a sampling step (1 or 2) */
  int64_t published_parameters; /* 0: not published */
  int64_t published_within;     /* half a last digit of it; 0: exact */
  DspJson *json;                /* the file, for messages and sources */
} DspModel;

/* `name` as dsp_find_data takes it. DSP_ERROR_INPUT with the position in the
 * file, DSP_ERROR_USAGE if there is no such file. Free with dsp_model_free. */
DspModel *dsp_model_load(const char *name, GError **error);
void dsp_model_free(DspModel *model);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DspModel, dsp_model_free)

/* The parts of one forward pass in order: before, the blocks of the trunk,
 * after; NULL behind the last, so that a loop over `i` sees them all. */
const DspBlock *dsp_model_part(const DspModel *model, guint i);

/* The index of dimension or stream `name`, or -1. */
int dsp_model_dim(const DspModel *model, const char *name);
int dsp_model_stream(const DspModel *model, const char *name);

/* The file's default lengths. */
DspLengths dsp_model_default_lengths(const DspModel *model);
/* Sets one dimension and those that always equal it. DSP_ERROR_USAGE where the
 * length is not positive, the dimension follows another, or the tensors would
 * count more than 2^60 elements. */
gboolean dsp_model_set_length(const DspModel *model, guint dim, int64_t length,
                              DspLengths *lengths, GError **error);
/* Sets lengths from a video or image of `frames` (0: leave) by height x width
 * pixels (0: leave), through VAE stride and patch. DSP_ERROR_USAGE with the
 * nearest size that fits where the patch or stride does not divide it. */
gboolean dsp_model_lengths_from_video(const DspModel *model, int64_t frames,
                                      int64_t height, int64_t width,
                                      DspLengths *lengths, GError **error);

/* Tokens of one sample of `stream`: the product of its lengths. */
int64_t dsp_stream_tokens(const DspModel *model, guint stream,
                          const DspLengths *lengths);

/* The same for all streams that go through `op`: the rows of its GEMM for one
 * sample. */
int64_t dsp_op_tokens(const DspModel *model, const DspOp *op,
                      const DspLengths *lengths);
/* What an operation with `over` or `from` mixes: a sample holds `sequences` of
 * `queries` by `keys` tokens (joint text counts in both). */
typedef struct {
  int64_t sequences, queries, keys;
} DspMixing;
DspMixing dsp_op_mixing(const DspModel *model, const DspOp *op,
                        const DspLengths *lengths);

/* All trainable numbers of the file: before + sum of count*blocks + after. */
int64_t dsp_model_parameters(const DspModel *model);
/* FLOP of one forward pass of one sample: 2 for each multiply-add of linear
 * operations and of attention (4*q*k*head_dim*heads, half if causal). Pointwise
 * work does not count, as is usual for MFU (Megatron, PaLM appendix B). */
double dsp_model_forward_flop(const DspModel *model, const DspLengths *lengths);

/* FLOP to decode the latents of one sample into pixels, 0 where the file does
 * not tell. */
double dsp_model_decode_flop(const DspModel *model, const DspLengths *lengths);

/* FLOP of `op` for one sample. */
double dsp_op_flop(const DspModel *model, const DspOp *op,
                   const DspLengths *lengths);

#endif
