/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of schedule/: what methods build schedules with. A builder walks the
 * model and applies primitives to tensors. A primitive knows how to emit its
 * steps forward and backward; the builder records the calls on a tape, so that
 * the backward pass is the tape read from its end, whatever the method. */
#ifndef DSP_SCHEDULE_BUILD_H
#define DSP_SCHEDULE_BUILD_H

#include "schedule/method.h"
#include "schedule/schedule.h"

typedef struct DspPrimitive DspPrimitive;

/* One application of a primitive. `x` and `more` are its inputs, `y` and `side`
 * its outputs; the rest says how, as each primitive documents. */
typedef struct {
  const DspPrimitive *primitive;
  const DspOp *op;
  int stage;
  int x, more, y, side;
  int vectors;    /* tensor of scales, shifts and gates, or -1 */
  int64_t column; /* the first of them that it uses */
  DspLayout to;
  int64_t width; /* logical width of what moves */
  DspAxisName axis;
  guint variant;
  int sums; /* of a norm whose columns ranks divide, or -1 */
} DspCall;

struct DspPrimitive {
  /* Emits the forward steps; sets call->y (and side). */
  void (*forward)(DspBuilder *builder, DspCall *call);
  /* Emits the backward steps: reads the gradients of y, makes those of x.
   * NULL: the gradient of x is the gradient of y. */
  void (*backward)(DspBuilder *builder, const DspCall *call);
};

struct DspBuilder {
  const DspJob *job;
  const DspPlan *plan;
  DspSchedule *schedule;
  DspSegment *segment; /* that steps go to */
  DspPass pass;
  int64_t batch; /* samples of a forward evaluation */
  const DspStage *stage;
  int stage_index;
  int value[DSP_MAX_STREAMS]; /* tensor that holds each stream */
  int chain[DSP_MAX_STREAMS]; /* tensor inside the stage's branch, or -1 */
  int vectors;     /* latest product of a stream of one token a sample, or -1 */
  int64_t column;  /* of them: the first that no operation has used yet */
  int gathered[2]; /* steps that gather this block's weights (ZeRO-3) */
  GArray *tape;    /* DspCall, NULL: not recorded */
  GArray *producers; /* int: step of this segment that made each tensor */
  GArray *gradients; /* int: gradient of each tensor, -1 none yet, or
                        DSP_GRADIENT_UNWANTED */
};

#define DSP_GRADIENT_UNWANTED (-2)

/* --- tensors ------------------------------------------------------------- */

DspTensor *dsp_tensor(const DspBuilder *builder, int tensor);
/* A new tensor of `stream` in `layout`, `width` wide, divided over `split`. */
int dsp_tensor_new(DspBuilder *builder, DspTensorKind kind, guint stream,
                   DspLayout layout, int64_t width, int64_t split);
/* A new tensor like `tensor` but `width` wide. */
int dsp_tensor_like(DspBuilder *builder, int tensor, int64_t width);
/* What `op` makes of `x`, which the backward pass reads. */
int dsp_output_of(DspBuilder *builder, const DspOp *op, int x);
/* The gradient of `tensor`, made at the first call. */
int dsp_gradient(DspBuilder *builder, int tensor);
gboolean dsp_gradient_wanted(const DspBuilder *builder, int tensor);
/* The tensor by another name: what becomes of it has a gradient of its own. */
int dsp_view(DspBuilder *builder, int tensor);
/* Marks `tensor` as read by the backward pass. */
int dsp_save(DspBuilder *builder, int tensor);
/* Tokens of `tensor` on this rank (its shard, padded). */
int64_t dsp_local_tokens(const DspBuilder *builder, guint stream,
                         DspLayout layout);
/* Samples of a tensor in `layout` on this rank. */
int64_t dsp_local_batch(const DspBuilder *builder, DspLayout layout);
/* The smallest integer not below a/b. */
int64_t dsp_divide_up(int64_t a, int64_t b);

/* --- steps ---------------------------------------------------------------- */

/* A step of the present pass and stage, empty otherwise. */
DspStep dsp_step(const DspBuilder *builder, DspStepKind kind, DspRole role,
                 const DspOp *op);
/* Appends it, with waits on the producers of its inputs on other streams.
 * Gives its index in the segment. */
int dsp_emit(DspBuilder *builder, DspStep step);
/* Makes `step` wait for the earlier step `index` of its segment. */
void dsp_step_wait(DspStep *step, int index);
/* A memory-bound step of one kind of kernel. */
int dsp_emit_memory(DspBuilder *builder, DspRole role, const DspOp *op,
                    DspMemoryOp memory, int x, int more, int y, int64_t bytes,
                    int kernels);
/* Gives a memory-bound step its kernels of several kinds, any other kernels
 * beside its own. */
void dsp_step_kernels(const DspBuilder *builder, DspStep *step,
                      const DspMemoryPart parts[DSP_MEMORY_PARTS]);
/* Gives an attention of call->x (and call->more) the copies that a framework
 * makes around it. */
void dsp_step_layout(const DspBuilder *builder, const DspCall *call,
                     DspStep *step);
/* The last step emitted. */
static inline DspStep *dsp_last_step(const DspBuilder *builder) {
  GArray *steps = builder->segment->steps;
  return &g_array_index(steps, DspStep, steps->len - 1);
}
/* A collective of `bytes` (as nccl-tests counts) from x to y. Nothing is
 * emitted where the axis has one rank; the return value is then -1. */
int dsp_emit_collective(DspBuilder *builder, const DspOp *op,
                        DspCollective collective, DspAxisName axis, int x,
                        int y, int64_t bytes, int64_t calls);
/* Attention of a stream's tokens as they lie: along the mixed dimensions a
 * sequence is as long as this rank's part of them. */
DspAttentionShape dsp_attention_shape(const DspBuilder *builder,
                                      const DspOp *op, guint stream,
                                      DspLayout layout, int64_t split);
/* Whether `op` mixes the dimension that `tensor` is sharded on. */
gboolean dsp_crosses_shard(const DspBuilder *builder, const DspOp *op,
                           int tensor);

/* --- applying primitives -------------------------------------------------- */

/* Runs call.primitive forward and records the call; gives it with its outputs
 * y and side. */
DspCall dsp_apply(DspBuilder *builder, DspCall call);

extern const DspPrimitive dsp_linear;        /* y = x W */
extern const DspPrimitive dsp_pointwise;     /* norm, modulate, rope, ... */
extern const DspPrimitive dsp_fork;          /* x goes on and enters a branch */
extern const DspPrimitive dsp_residual;      /* y = x + more */
extern const DspPrimitive dsp_attend;        /* y = attention(x, more joint) */
extern const DspPrimitive dsp_cross;         /* y = attention(x, keys more) */
extern const DspPrimitive dsp_linear_attend; /* phi(q) (phi(k)^T v) */
extern const DspPrimitive dsp_contract;      /* triangle and outer product */
extern const DspPrimitive dsp_loss;

/* Exchanges (exchange.c). `to` is the layout after it. */
extern const DspPrimitive dsp_switch; /* Shard(i) to Shard(j) */
/* The same in two parts, between which other work is done: pack and exchange
 * from x to the buffer `side`, then from it (`more`) into y. Both are given x
 * and y, which the first makes where it is -1; of the two only one is sliced,
 * and takes or gives its part of the other. */
extern const DspPrimitive dsp_switch_begin, dsp_switch_end;
extern const DspPrimitive dsp_gather;         /* Shard(i) to whole */
extern const DspPrimitive dsp_gather_operand; /* the same, used in part */
extern const DspPrimitive dsp_to_heads;     /* sequence shard to width shard */
extern const DspPrimitive dsp_to_tokens;    /* and back */
extern const DspPrimitive dsp_slice_heads;  /* whole width to own heads */
extern const DspPrimitive dsp_gather_heads; /* own heads to whole width */
/* Tensor-parallel regions: before the columns and after the rows. */
extern const DspPrimitive dsp_enter_split;
extern const DspPrimitive dsp_leave_split;

/* Ring attention over DSP_AXIS_RING (ring-attention.c); call->variant may take
 * the tokens of all ranks for those of one sequence. */
enum { DSP_RING_CONFUSED = 1 };
extern const DspPrimitive dsp_ring_attend;

/* Ways to attend that methods combine (attention.c). They take q, k, v of the
 * tokens of one rank and give its output; `joint_qkv` (or -1) is the joint
 * stream, whole on every rank, with its output in *joint_output. */
int dsp_attention_local(DspBuilder *builder, const DspOp *op, int qkv,
                        int joint_qkv, int *joint_output);
int dsp_attention_by_ring(DspBuilder *builder, const DspOp *op, int qkv,
                          int joint_qkv, int *joint_output);
/* Heads for tokens over the sp axis, then by ring (of one rank: locally). */
int dsp_attention_by_heads(DspBuilder *builder, const DspOp *op, int qkv,
                           int joint_qkv, int *joint_output);
/* The same, if the attention mixes the dimension of the shard or
 * `always`; else locally. */
int dsp_attention_where_needed(DspBuilder *builder, const DspOp *op, int qkv,
                               int joint_qkv, gboolean always,
                               int *joint_output);
/* One exchange over the sp axis: `pieces` is a bit set of q (or the output),
 * k and v. `beside`: the tensor whose columns beside the attention join the
 * output, or -1. */
int dsp_exchange_heads(DspBuilder *builder, const DspPrimitive *exchange,
                       const DspOp *op, int x, int beside, DspLayout to,
                       guint pieces);

/* The operations of a stage on the streams as they lie. */
void dsp_stage_operations(DspBuilder *builder, const DspStage *stage);

/* What follows the last part: gathers of the output, the loss. */
void dsp_finish_forward(DspBuilder *builder);

/* --- gradients of weights (gradient-sync.c) --------------------------------
 */

/* Emits what ZeRO and data parallelism add before a block's forward, before
 * its backward and after its backward, and the update. */
void dsp_sync_before_block(DspBuilder *builder, const DspBlock *block);
void dsp_sync_after_backward(DspBuilder *builder, const DspBlock *block);
void dsp_emit_update(DspBuilder *builder);
/* Trainable numbers of one instance of the block on one rank: split over the
 * tensor group (*sharded) and held whole (*replicated). */
void dsp_block_parameters(const DspBuilder *builder, const DspBlock *block,
                          int64_t *sharded, int64_t *replicated);

/* --- what rules and methods ask of a stage ---------------------------------
 */

/* Whether an operation of the stage works on `stream`. */
gboolean dsp_stage_uses(const DspStage *stage, guint stream);
/* Whether it has an attention of any kind. */
gboolean dsp_stage_attends(const DspStage *stage);
/* Over how many ranks the widths of this stage are divided (1: not), and the
 * axis that they form. */
int64_t dsp_stage_split(const DspBuilder *builder, const DspStage *stage);
DspAxisName dsp_split_axis(const DspPlan *plan);

/* --- rules that several methods share (rules.c) ------------------------------
 */

/* Every attention's heads can be dealt out evenly to `ranks`. */
gboolean dsp_check_heads(const DspJob *job, int64_t ranks, GError **error);
/* Every divided linear operation's width is a multiple of `ranks`. */
gboolean dsp_check_widths(const DspJob *job, int64_t ranks, GError **error);
/* The model has an attention that does not mix the home dimension, so that the
 * published benchmark code has a meaning for it. */
gboolean dsp_check_divided(const DspJob *job, const DspPlan *plan,
                           GError **error);

#endif
