/* SPDX-License-Identifier: Apache-2.0 */
/* The job (what, where, how big) and the plan (the user's decision: method and
 * degrees). A schedule is compiled from both. */
#ifndef DSP_SCHEDULE_PLAN_H
#define DSP_SCHEDULE_PLAN_H

#include "cluster/cluster.h"
#include "model/model.h"
#include "schedule/collective.h"

typedef enum { DSP_MODE_TRAIN, DSP_MODE_INFER } DspMode;
extern const char *const dsp_mode_names[];

/* Classifier-free guidance: no second pass; both passes as one batch twice as
 * large; or one pass on each of two groups of ranks (the cfg axis). */
typedef enum {
  DSP_GUIDANCE_NONE,
  DSP_GUIDANCE_BATCHED,
  DSP_GUIDANCE_PARALLEL,
} DspGuidance;
extern const char *const dsp_guidance_names[];

/* How the CPU launches kernels: one framework operation after another, compiled
 * (elementwise chains fused), or replayed as a CUDA graph. */
typedef enum {
  DSP_LAUNCH_EAGER,
  DSP_LAUNCH_COMPILED,
  DSP_LAUNCH_GRAPH,
} DspLaunch;
extern const char *const dsp_launch_names[];

typedef enum { DSP_RECOMPUTE_NONE, DSP_RECOMPUTE_FULL } DspRecompute;
extern const char *const dsp_recompute_names[];

typedef struct {
  const DspModel *model;
  const DspCluster *cluster;
  guint gpus;
  DspMode mode;
  DspLengths lengths;
  int64_t batch; /* samples of one replica (of one dp rank's group) */
  DspDtype dtype;
  DspGuidance guidance; /* infer only */
  DspLaunch launch;
  DspAttentionKernel attention_kernel;
  int64_t evaluations; /* forward evaluations of a run, infer; 0: not asked */
} DspJob;

/* Axes of the device mesh, outermost first; ranks are laid out so that the
 * innermost axis (tp) is contiguous. Sequence parallelism has two axes, since
 * ring x ulysses shards one sequence over both. */
typedef enum {
  DSP_AXIS_DP,   /* data parallel: own samples, own or sharded weights */
  DSP_AXIS_CFG,  /* the two passes of guidance */
  DSP_AXIS_RING, /* ring attention */
  DSP_AXIS_SP,   /* dsp, ulysses or megatron-sp */
  DSP_AXIS_TP,   /* tensor parallel */
  DSP_N_AXES,
  /* Neighbouring axes taken as one: */
  DSP_AXIS_SEQUENCE = DSP_N_AXES, /* ring and sp: shards of one sequence */
  DSP_AXIS_REPLICAS, /* all but tp: ranks that hold the same weights */
  DSP_N_GROUPS,
} DspAxisName;

extern const char *const dsp_axis_names[]; /* "dp", ..., "sequence", ... */

typedef struct DspMethod DspMethod; /* schedule/method.h */

typedef struct {
  const DspMethod *method;
  guint variant;              /* index into the method's variants */
  int64_t degree[DSP_N_AXES]; /* >= 1 each */
  int home;                   /* home dimension, or -1: chosen by rule */
  DspRecompute recompute;     /* train only */
  int zero;                   /* ZeRO stage 0..3, train only */
} DspPlan;

/* All ranks: the product of the degrees. */
int64_t dsp_plan_ranks(const DspPlan *plan);
/* Degree of sequence parallelism: ring times sp. */
int64_t dsp_plan_sequence_degree(const DspPlan *plan);
/* The ranks of an axis or group of axes in the mesh. */
DspAxis dsp_plan_axis(const DspPlan *plan, DspAxisName axis);

/* The dimension whose shard the sharded stream `stream` keeps between stages:
 * plan->home, else the model's, else the first of the stream's dimensions, the
 * first in that order that is at least as long as the sequence degree. -1 if
 * the stream has no such dimension. */
int dsp_plan_home(const DspJob *job, const DspPlan *plan, guint stream);

/* Samples in one forward evaluation of one rank's group (twice the batch where
 * guidance is batched). */
int64_t dsp_job_batch(const DspJob *job);

#endif
