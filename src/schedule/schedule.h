/* SPDX-License-Identifier: Apache-2.0 */
/* The schedule: the program that every rank runs. It is the only description
 * of a parallel method; the simulator times it, the memory model weighs it and
 * an executor computes it. What is not in the schedule costs nothing.
 *
 * A schedule is a list of segments, each a list of steps run `repeat` times
 * (once for each block of a group). Every rank runs the same steps; a step
 * that only some ranks of the ring axis run says so. Within a stream steps run
 * in order; across streams a step waits for the steps that it names. */
#ifndef DSP_SCHEDULE_SCHEDULE_H
#define DSP_SCHEDULE_SCHEDULE_H

#include "model/work.h"
#include "schedule/plan.h"

/* How a stream lies on the sequence axis: whole on every rank, or one dimension
 * (or the batch) in `ranks` equal parts, zero-padded to a multiple. A ring has
 * the first say: its positions divide the dimension, the ranks that share a
 * position divide its part. A balanced causal ring deals it out in zigzag:
 * position i of n holds chunks i and 2n-1-i of 2n. What is worked on piece by
 * piece is a slice of each rank's part. */
#define DSP_DIM_NONE  (-1)
#define DSP_DIM_BATCH (-2)

typedef struct {
  int dim; /* DSP_DIM_NONE: whole */
  int64_t ranks;
  int64_t ring; /* positions of the ring, 0 or 1: none */
  gboolean zigzag;
  int64_t slices, slice; /* slices of the part, 0 or 1: whole; and which */
} DspLayout;

/* Elements of a dimension of `length` that each rank holds, with padding. */
int64_t dsp_layout_part(DspLayout layout, int64_t length);
/* Which element of the dimension is the `i`-th that the rank at `position` of
 * the layout's ranks holds; -1: padding. */
int64_t dsp_layout_index(DspLayout layout, int64_t length, int64_t position,
                         int64_t i);

typedef enum {
  DSP_TENSOR_ACTIVATION,
  DSP_TENSOR_GRADIENT, /* of an activation */
  DSP_TENSOR_BUFFER,   /* send and receive buffers of exchanges */
} DspTensorKind;

#define DSP_MAX_PIECES 4

/* An array on one rank: [batch, dims of the stream, width], of which the rank
 * holds its shard of one dimension and of the width. Its shard of the width is
 * a part of each of its pieces (q, k and v; the halves of a gated activation),
 * which the product that makes them names.
 *
 * Every rank that shares whole tokens with others on the sequence axes holds a
 * part of their gradient: the sum over the ranks is the gradient. So it is with
 * text, conditioning and weights. */
typedef struct {
  DspTensorKind kind;
  guint stream;     /* logical shape: that stream's dimensions */
  DspLayout layout; /* placement on the sequence axes */
  int64_t width;    /* logical width, of all ranks */
  int64_t split;    /* ranks over which the width is divided (heads) */
  int64_t pieces[DSP_MAX_PIECES]; /* logical widths, 0 behind the last */
  int64_t bytes;                  /* on this rank */
  gboolean saved; /* read by the backward pass: kept from the forward */
  int view; /* the tensor that this is by another name, with a gradient of its
               own, or -1 */
} DspTensor;

typedef enum {
  DSP_STEP_GEMM,
  DSP_STEP_ATTENTION,
  DSP_STEP_MEMORY, /* pointwise operation, copy, pack, unpack, optimizer */
  DSP_STEP_COLLECTIVE,
} DspStepKind;

typedef enum {
  DSP_PASS_FORWARD,
  DSP_PASS_RECOMPUTE,
  DSP_PASS_BACKWARD,
  DSP_PASS_UPDATE,
  DSP_N_PASSES,
} DspPass;
extern const char *const dsp_pass_names[];

/* What the step is in terms of its operation. */
typedef enum {
  DSP_ROLE_COMPUTE,       /* the operation itself */
  DSP_ROLE_INPUT_GRAD,    /* gradient of its input (dgrad) */
  DSP_ROLE_WEIGHT_GRAD,   /* gradient of its weights (wgrad) */
  DSP_ROLE_PACK,          /* into the send buffer */
  DSP_ROLE_UNPACK,        /* out of the receive buffer */
  DSP_ROLE_EXCHANGE,      /* a collective on activations or their gradients */
  DSP_ROLE_MERGE,         /* online-softmax merge of ring blocks */
  DSP_ROLE_GRADIENT_SYNC, /* a collective on weights or their gradients */
  DSP_ROLE_OPTIMIZER,
  DSP_ROLE_LOSS,
  DSP_ROLE_SUMS, /* over a rank's part of the columns of a norm */
  DSP_N_ROLES,
} DspRole;
extern const char *const dsp_role_names[];

/* CUDA streams of a rank. */
typedef enum {
  DSP_STREAM_COMPUTE,
  DSP_STREAM_COMM, /* exchanges of activations */
  DSP_STREAM_SYNC, /* gradients and weights, overlapped with compute */
  DSP_N_STREAM_KINDS,
} DspStreamKind;
extern const char *const dsp_stream_names[];

/* Equal kernels of one kind; none: fused into a neighbour, takes no time. */
typedef struct {
  DspMemoryOp op;
  int kernels;
  int64_t bytes; /* ideal read + write of all of them together */
} DspMemoryPart;

#define DSP_MEMORY_PARTS 3

typedef struct {
  DspMemoryPart parts[DSP_MEMORY_PARTS]; /* one after another */
  gboolean fused;                        /* as a compiler makes them */
} DspMemoryWork;

typedef struct {
  DspCollective collective;
  DspAxisName axis;
  int64_t bytes; /* of one rank as nccl-tests counts size, padding included */
  int64_t calls; /* pieces of a list call: send/recv pairs issued by the CPU */
  gboolean fp32; /* the numbers are, whatever the job's type */
} DspExchange;

/* Pieces of q, k and v; those of an attention's output count as q. */
enum { DSP_PIECE_Q = 1, DSP_PIECE_K = 2, DSP_PIECE_V = 4, DSP_PIECE_QKV = 7 };

/* Which elements a pack, exchange or unpack moves: those of tensor `from` that
 * tensor `to` holds on the receiving rank. Placements tell which rank holds
 * what. Where heads are exchanged for tokens or back (the splits differ) the
 * tensors consist of `holds`, of which `pieces` move. */
typedef struct {
  int from, to; /* tensors, -1: the step moves nothing */
  guint pieces, holds;
} DspMove;

/* Whose weights (or their gradients) a collective or the update is about. */
typedef enum {
  DSP_WEIGHTS_NONE,
  DSP_WEIGHTS_REPLICATED, /* those that every rank of a tensor group holds */
  DSP_WEIGHTS_DIVIDED,    /* those that it holds a part of */
  DSP_WEIGHTS_OF_HEADS,   /* replicated ones that it uses for its own heads or
                             columns, and so has a part of the gradient of */
} DspWeights;

#define DSP_MAX_INPUTS 7
#define DSP_MAX_WAITS  3

/* A step adds to the gradient that it gives where one has been given before.
 *
 * Inputs and outputs, "joint" being a stream that shares the operation and
 * "vectors" a tensor of one token a sample with scales, shifts and gates:
 *   linear           x, joint -> y, joint y
 *     input grad     dy, joint dy -> dx, joint dx
 *     weight grad    x, joint, dy, joint dy; of the bias: dy, joint dy
 *   pointwise        x, joint, vectors -> y, joint y
 *     input grad     x, joint, vectors, dy, joint dy -> dx, joint dx, dvectors
 *     norm of parts  sums of squares in inputs[5], of gradients in inputs[6]
 *   sums             x, joint -> sums
 *     input grad     x, joint, -, dy, joint dy, sums -> sums
 *   (none)           dx, gradient of a branch -> dx: their sum
 *   residual         x, branch, vectors -> y
 *     input grad     dy, branch, vectors -> dbranch, -, dvectors
 *   attention        x (or q), joint (or kv) -> y, joint y
 *     input grad     x, joint, dy, y, joint dy, joint y -> dx, joint dx
 *   ring round       x, kv held, joint -> y, joint y
 *     input grad     x, kv held, dy, y, joint, joint dy, joint y
 *                    -> dkv (or dx), joint dx, dx
 *   pack, unpack     x, tensor whose columns beside pass -> y, its gradient
 */
typedef struct {
  DspStepKind kind;
  DspPass pass;
  DspRole role;
  DspStreamKind stream;
  int stage;       /* index of the stage in the segment's block, or -1 */
  const DspOp *op; /* operation of the model, or NULL */
  int inputs[DSP_MAX_INPUTS]; /* tensors, -1: none */
  int output;                 /* tensor, or -1 */
  int also[2];                /* further outputs */
  int64_t column;             /* the first of the vectors that it uses */
  DspMove move;
  DspWeights weights;
  int waits[DSP_MAX_WAITS]; /* earlier steps of this segment and iteration on
                               other streams, -1: none */
  gboolean joins;           /* waits for all streams to be idle */
  int kernels;              /* GPU launches that the CPU issues for it */
  int ring_round;           /* round of ring attention, -1: not part of one */
  gboolean ring_confused; /* takes the tokens of all ranks for those of its own
                             sequences, which they are not (published code) */
  gboolean ring_causal;   /* runs only on ranks whose position on the ring axis
                             is at least ring_round (plain causal ring) */
  DspMemoryWork memory;   /* of DSP_STEP_MEMORY; of others, the copies that lay
                             out operands and results */
  union {
    DspGemm gemm;
    struct {
      DspAttentionShape shape;
      DspDirection direction;
    } attention;
    DspExchange exchange;
  };
} DspStep;

typedef struct {
  const DspBlock *block; /* NULL: the update */
  DspPass pass;          /* of the segment: forward, backward or update */
  int64_t repeat;
  GArray *steps;                  /* DspStep */
  gsize first_tensor, end_tensor; /* tensors made in this segment */
  /* What goes in and comes out, -1: nothing: each stream and the vectors, of a
   * backward segment their gradients. One repetition takes what the one before
   * it has given. */
  int in[DSP_MAX_STREAMS + 1], out[DSP_MAX_STREAMS + 1];
} DspSegment;

typedef struct {
  DspJob job;
  DspPlan plan;
  GPtrArray *segments;      /* DspSegment */
  GArray *tensors;          /* DspTensor, of one iteration of each segment */
  int64_t local_parameters; /* trainable numbers that one rank computes with */
  int64_t sharded_parameters; /* those of them that no other rank of its tensor
                                 group holds */
} DspSchedule;

/* Compiles the plan. The job's model and cluster must outlive the schedule.
 * Fails with DSP_ERROR_INFEASIBLE where a rule refuses the plan (rules.h), the
 * reason in the message. Free with dsp_schedule_free. */
DspSchedule *dsp_schedule_new(const DspJob *job, const DspPlan *plan,
                              GError **error);
void dsp_schedule_free(DspSchedule *schedule);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DspSchedule, dsp_schedule_free)

/* Whether the mean of a norm is over columns that `split` ranks divide: they
 * add up what each has summed. A norm without scales that divided columns go
 * through stands for those of single heads, which need no other rank's. */
gboolean dsp_norm_of_parts(const DspOp *op, int64_t split);
/* Numbers of each token that they add up: a mean square, or a sum and a mean
 * square, of q and of k or of all columns. */
int64_t dsp_norm_sums(const DspOp *op);

/* The ranks that hold the same weights of a kind. */
DspAxisName dsp_weights_axis(const DspPlan *plan, DspWeights weights);
/* Bytes of one rank's part of a flat buffer of weights or gradients. */
int64_t dsp_flat_part(int64_t bytes, int64_t ranks);

/* Steps of a segment, for iteration. */
static inline const DspStep *dsp_segment_steps(const DspSegment *segment) {
  return (const DspStep *)(void *)segment->steps->data;
}

/* What one GPU sends in a step, by collective, and how often it launches one.
 */
typedef struct {
  int64_t bytes[DSP_N_COLLECTIVES]; /* that leave one rank */
  int64_t total;
  int64_t collectives;
} DspVolume;

/* Over the whole schedule, or over the passes in the bit set `passes` (bit
 * DSP_PASS_FORWARD, ...). */
DspVolume dsp_schedule_volume(const DspSchedule *schedule, guint passes);

#endif
