/* SPDX-License-Identifier: Apache-2.0 */
#include "schedule/memory.h"
#include "schedule/build.h"

const char *const dsp_memory_kind_names[] = {
    "parameters", "gradients", "optimizer", "activations",
    "buffers",    "workspace", NULL};

/* fp32 weight, first and second moment of Adam. */
enum { OPTIMIZER_BYTES = 12 };
/* One workspace of cuBLAS on Hopper (cuBLAS documentation, cublasSetWorkspace:
 * 32 MiB; 4 MiB before). */
enum { WORKSPACE_BYTES = 32 << 20 };
/* Buffers that NCCL keeps for each channel of a communicator: 4 MiB (Simple),
 * 512 KiB (LL), 4.69 MiB (LL128) (NVIDIA/nccl:src/include/device.h). */
enum { NCCL_CHANNEL_BYTES = (4 << 20) + (512 << 10) + 4915200 };

/* --- life times
 * ------------------------------------------------------------------ */

/* Bytes alive after each step of a segment, by kind, beyond what earlier
 * segments saved. */
typedef struct {
  int64_t activations, buffers;
} Alive;

typedef struct {
  const DspSchedule *schedule;
  int *first, *last; /* step of this segment that makes or last reads it */
} Lives;

static const DspTensor *tensor(const DspSchedule *schedule, gsize i) {
  return &g_array_index(schedule->tensors, DspTensor, i);
}

static void touch(const Lives *lives, int tensor, int step) {
  if (tensor < 0)
    return;
  int view = g_array_index(lives->schedule->tensors, DspTensor, tensor).view;
  tensor = view < 0 ? tensor : view;
  if (lives->first[tensor] < 0)
    lives->first[tensor] = step;
  lives->last[tensor] = step;
}

static void find_lives(const Lives *lives, const DspSegment *segment) {
  const DspStep *steps = dsp_segment_steps(segment);
  for (gsize i = 0; i < lives->schedule->tensors->len; i++)
    lives->first[i] = lives->last[i] = -1;
  for (guint i = 0; i < segment->steps->len; i++) {
    for (int j = 0; j < DSP_MAX_INPUTS; j++)
      touch(lives, steps[i].inputs[j], (int)i);
    touch(lives, steps[i].output, (int)i);
    for (guint j = 0; j < G_N_ELEMENTS(steps[i].also); j++)
      touch(lives, steps[i].also[j], (int)i);
  }
}

static void add(Alive *alive, const DspTensor *t, int64_t sign) {
  if (t->kind == DSP_TENSOR_BUFFER)
    alive->buffers += sign * t->bytes;
  else
    alive->activations += sign * t->bytes;
}

/* A tensor of an earlier segment lives from the start; a saved one of this
 * forward segment to its end. */
static void add_life(const Lives *lives, const DspSegment *segment, gsize i,
                     Alive *born, Alive *dead) {
  const DspTensor *t = tensor(lives->schedule, i);
  gboolean own = i >= segment->first_tensor && i < segment->end_tensor;
  if (lives->first[i] < 0 || (!own && t->saved))
    return;
  add(&born[own ? lives->first[i] : 0], t, 1);
  if (!(t->saved && segment->pass == DSP_PASS_FORWARD))
    add(&dead[lives->last[i] + 1], t, 1);
}

/* What is alive in each step of the first repetition. The caller frees. */
static Alive *alive_of(const Lives *lives, const DspSegment *segment) {
  guint n = segment->steps->len;
  g_autofree Alive *born = g_new0(Alive, n + 2), *dead = g_new0(Alive, n + 2);
  Alive *alive = g_new0(Alive, n + 1), now = {0, 0};
  find_lives(lives, segment);
  for (gsize i = 0; i < lives->schedule->tensors->len; i++)
    add_life(lives, segment, i, born, dead);
  for (guint i = 0; i < n; i++) {
    now.activations += born[i].activations - dead[i].activations;
    now.buffers += born[i].buffers - dead[i].buffers;
    alive[i] = now;
  }
  return alive;
}

static int64_t sum(const Alive *alive) {
  return alive->activations + alive->buffers;
}

static Alive peak_of(const Lives *lives, const DspSegment *segment) {
  g_autofree Alive *alive = alive_of(lives, segment);
  Alive peak = {0, 0};
  for (guint i = 0; i < segment->steps->len; i++)
    if (sum(&alive[i]) > sum(&peak))
      peak = alive[i];
  return peak;
}

static int64_t saved_bytes(const DspSchedule *schedule,
                           const DspSegment *segment) {
  int64_t bytes = 0;
  for (gsize i = segment->first_tensor; i < segment->end_tensor; i++)
    if (tensor(schedule, i)->saved)
      bytes += tensor(schedule, i)->bytes;
  return bytes;
}

/* The forward segment of the same block, whose saved tensors a backward
 * segment gives back. */
static gboolean is_mirror(const DspSegment *a, const DspSegment *b) {
  return a->block == b->block && a->pass == DSP_PASS_FORWARD;
}

/* Saved bytes that a repetition adds: a forward one its own, a backward one
 * gives them back. */
static int64_t growth_of(const DspSchedule *schedule,
                         const DspSegment *segment) {
  if (segment->pass == DSP_PASS_FORWARD)
    return saved_bytes(schedule, segment);
  for (guint i = 0; i < schedule->segments->len; i++)
    if (is_mirror(schedule->segments->pdata[i], segment))
      return -saved_bytes(schedule, schedule->segments->pdata[i]);
  return 0;
}

static Lives lives_new(const DspSchedule *schedule) {
  gsize n = schedule->tensors->len;
  return (Lives){schedule, g_new(int, n), g_new(int, n)};
}

static void lives_clear(Lives *lives) {
  g_free(lives->first);
  g_free(lives->last);
}

/* Walks the segments with what has been saved so far. */
static Alive peak_activations(const DspSchedule *schedule) {
  Lives lives = lives_new(schedule);
  Alive peak = {0, 0};
  int64_t saved = 0;
  for (guint i = 0; i < schedule->segments->len; i++) {
    const DspSegment *segment = schedule->segments->pdata[i];
    int64_t growth = growth_of(schedule, segment);
    Alive now = peak_of(&lives, segment);
    now.activations += saved + (segment->repeat - 1) * MAX(growth, 0);
    if (sum(&now) > sum(&peak))
      peak = now;
    saved += segment->repeat * growth;
  }
  lives_clear(&lives);
  return peak;
}

/* --- what stands all the time
 * ------------------------------------------------------ */

/* One rank's part of what ZeRO shards from `stage` on. */
static int64_t sharded(const DspSchedule *schedule, int stage) {
  const DspPlan *plan = &schedule->plan;
  int64_t own = schedule->sharded_parameters;
  int64_t whole = schedule->local_parameters - own;
  if (plan->zero < stage)
    return own + whole;
  DspAxisName axis = plan->method->gathers ? DSP_AXIS_DP : DSP_AXIS_REPLICAS;
  return dsp_divide_up(own, dsp_plan_axis(plan, axis).size) +
         dsp_divide_up(whole, dsp_plan_axis(plan, DSP_AXIS_REPLICAS).size);
}

/* Communicators are made once for each axis that is used. */
static int64_t nccl_bytes(const DspSchedule *schedule) {
  guint used = 0;
  int64_t communicators = 0;
  for (guint i = 0; i < schedule->segments->len; i++) {
    const DspSegment *segment = schedule->segments->pdata[i];
    const DspStep *steps = dsp_segment_steps(segment);
    for (guint j = 0; j < segment->steps->len; j++)
      if (steps[j].kind == DSP_STEP_COLLECTIVE)
        used |= 1u << steps[j].exchange.axis;
  }
  for (; used; used &= used - 1)
    communicators++;
  return communicators * schedule->job.cluster->intra.channels *
         NCCL_CHANNEL_BYTES;
}

DspMemoryUse dsp_schedule_memory(const DspSchedule *schedule) {
  const DspCluster *cluster = schedule->job.cluster;
  int64_t element = dsp_dtype_bytes(schedule->job.dtype);
  gboolean train = schedule->job.mode == DSP_MODE_TRAIN;
  Alive peak = peak_activations(schedule);
  DspMemoryUse use = {{0}, 0, 0};
  use.bytes[DSP_MEMORY_KIND_PARAMETERS] = sharded(schedule, 3) * element;
  if (train) {
    use.bytes[DSP_MEMORY_KIND_GRADIENTS] = sharded(schedule, 2) * element;
    use.bytes[DSP_MEMORY_KIND_OPTIMIZER] =
        sharded(schedule, 1) * OPTIMIZER_BYTES;
  }
  use.bytes[DSP_MEMORY_KIND_ACTIVATIONS] = peak.activations;
  use.bytes[DSP_MEMORY_KIND_BUFFERS] = peak.buffers + nccl_bytes(schedule);
  use.bytes[DSP_MEMORY_KIND_WORKSPACE] = WORKSPACE_BYTES;
  for (int i = 0; i < DSP_N_MEMORY_KINDS; i++)
    use.peak += use.bytes[i];
  use.limit = (int64_t)((double)cluster->gpu->memory_bytes *
                        (1 - cluster->memory_reserved));
  return use;
}

static int64_t saved_before(const DspSchedule *schedule, guint segment) {
  int64_t saved = 0;
  for (guint i = 0; i < segment; i++) {
    const DspSegment *before = schedule->segments->pdata[i];
    saved += before->repeat * growth_of(schedule, before);
  }
  return saved;
}

int64_t *dsp_segment_memory(const DspSchedule *schedule, guint index,
                            int64_t *growth) {
  const DspSegment *segment = schedule->segments->pdata[index];
  Lives lives = lives_new(schedule);
  g_autofree Alive *alive = alive_of(&lives, segment);
  int64_t *bytes = g_new(int64_t, segment->steps->len + 1);
  int64_t saved = saved_before(schedule, index);
  for (guint i = 0; i < segment->steps->len; i++)
    bytes[i] = saved + sum(&alive[i]);
  *growth = growth_of(schedule, segment);
  lives_clear(&lives);
  return bytes;
}
