/* SPDX-License-Identifier: Apache-2.0 */
/* One GPU: peak rates, memory and the constants of the kernel equations. Read
 * from hwprofiles/gpus/NAME.json (dspsim-hwprofile(5)). */
#ifndef DSP_CLUSTER_GPU_H
#define DSP_CLUSTER_GPU_H

#include "base/dtype.h"
#include "base/json.h"
#include <stdint.h>

/* Attention kernels: FlashAttention generations, cuDNN, and the materialised
 * scores of plain PyTorch (used below 30 tokens by some codes). */
typedef enum {
  DSP_KERNEL_FA2,
  DSP_KERNEL_FA3,
  DSP_KERNEL_FA4,
  DSP_KERNEL_CUDNN,
  DSP_KERNEL_NATIVE,
  DSP_N_ATTENTION_KERNELS,
} DspAttentionKernel;

/* "fa2", "fa3", "fa4", "cudnn", "native", NULL */
extern const char *const dsp_attention_kernel_names[];

/* Constants of the GEMM equation, named as in dspsim(7). */
typedef struct {
  char *like;   /* the GPU that they were fitted on, NULL: this one */
  double t0;    /* s, floor of one kernel */
  double e_max; /* share of peak in the k loop */
  double b_dram, k0, l2x, b_red, q, p;          /* see src/kernel/gemm.c */
  double burst_d, burst_flop_time, burst_width; /* burst clock derate */
  double sustained; /* factor on time at sustained clocks, >= 1 */
} DspGemmConstants;

/* Constants of one direction of one attention kernel. */
typedef struct {
  double tensor;   /* share of the tensor cores' rate */
  double exp;      /* share of the exponentials' time that shows */
  double start[2]; /* s a CTA outside its loop: head_dim <= 64, above */
  double p;        /* exponent that joins loop and memory time */
} DspAttentionPass;

/* Constants of the attention equation for one kernel on this GPU, named as in
 * dspsim(7). */
typedef struct {
  gboolean present;
  char *like;           /* as for GEMM */
  double clock;         /* Hz */
  double t0;            /* s, floor of one kernel */
  double b;             /* share of memory bandwidth */
  double q;             /* hardness of waves, 0..1 */
  double ragged_math;   /* factors where head_dim is no multiple of 64: on */
  double ragged_memory; /* tensor and on memory time */
  double tail;          /* of the longest CTA, exposed at the end if causal */
  double l2_gain;       /* L2 over memory bandwidth, 1: no such effect */
  double sides;         /* share of bandwidth of the backward's side passes */
  double sustained;     /* factor on the loop at sustained clocks */
  DspAttentionPass pass[2]; /* forward, backward */
} DspAttentionConstants;

/* Pointwise and copy kernels, by what limits them. */
typedef enum {
  DSP_MEMORY_NORM,
  DSP_MEMORY_NORM_BACKWARD,
  DSP_MEMORY_ROPE,
  DSP_MEMORY_ACTIVATION,
  DSP_MEMORY_ELEMENTWISE, /* add, mul of tensors of one shape */
  DSP_MEMORY_COPY,        /* contiguous copies, concatenation of outer rows */
  DSP_MEMORY_TRANSPOSE,   /* strided read or write, rows kept whole */
  DSP_MEMORY_BROADCAST,   /* a vector a row times or plus a tensor: modulate */
  DSP_N_MEMORY_OPS,
} DspMemoryOp;

extern const char *const dsp_memory_op_names[];

typedef struct {
  char *like;     /* as for GEMM */
  double t0;      /* s, floor of one kernel */
  double fused;   /* share of memory bandwidth of a fused kernel */
  double eager;   /* the same of the framework's own single kernel */
  double l2_gain; /* as for attention */
} DspMemoryConstants;

typedef struct {
  char *name, *title, *file, *sha256, *arch;
  double peak[DSP_N_DTYPES]; /* dense FLOP/s by dtype, 0: not supported */
  double vector_flops;       /* fp32 outside tensor cores */
  int64_t memory_bytes;
  double memory_bandwidth; /* bytes/s, as published */
  int64_t l2_bytes;
  int64_t sms;           /* multiprocessors (compute units) */
  int64_t tile_family;   /* 80, 90, 100: compute capability x10 */
  int64_t links;         /* NVLink or fabric links, 0: none */
  double link_bandwidth; /* bytes/s a link and direction, raw */
  double compute_scale;  /* one factor on all compute times, default 1 */
  DspGemmConstants gemm;
  DspAttentionConstants attention[DSP_N_ATTENTION_KERNELS];
  DspMemoryConstants memory[DSP_N_MEMORY_OPS];
  DspJson *json;
} DspGpu;

/* Dense FLOP/s at `dtype`; the vector rate where tensor cores lack the type. */
double dsp_gpu_peak(const DspGpu *gpu, DspDtype dtype);

/* `name` is looked up in hwprofiles/gpus, or a path. Fails with
 * DSP_ERROR_USAGE if there is no such file, DSP_ERROR_INPUT and the position if
 * it is wrong. Free with dsp_gpu_free. */
DspGpu *dsp_gpu_load(const char *name, GError **error);
void dsp_gpu_free(DspGpu *gpu);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DspGpu, dsp_gpu_free)

#endif
