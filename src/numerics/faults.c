/* SPDX-License-Identifier: Apache-2.0 */
/* Mistakes that parallel programs are known for; each must be caught. */
#include "numerics/faults.h"

typedef gboolean (*Test)(const DspSchedule *schedule, const DspStep *step);

static DspStep *step_at(const DspSegment *segment, guint i) {
  return &g_array_index(segment->steps, DspStep, i);
}

/* The first step that passes the test, with its segment and its index there;
 * NULL if none does. */
static DspStep *find(const DspSchedule *schedule, Test test,
                     DspSegment **segment, guint *index) {
  for (guint i = 0; i < schedule->segments->len; i++) {
    *segment = schedule->segments->pdata[i];
    for (*index = 0; *index < (*segment)->steps->len; ++*index) {
      DspStep *step = step_at(*segment, *index);
      if (test(schedule, step))
        return step;
    }
  }
  return NULL;
}

/* --- where there is something to go wrong --------------------------------- */

static gboolean is_switch(const DspSchedule *schedule, const DspStep *step) {
  (void)schedule;
  return step->kind == DSP_STEP_COLLECTIVE &&
         step->exchange.collective == DSP_ALL_TO_ALL;
}

static gboolean is_exchange(const DspSchedule *schedule, const DspStep *step) {
  (void)schedule;
  return step->kind == DSP_STEP_COLLECTIVE && step->role == DSP_ROLE_EXCHANGE;
}

static gboolean moves_tokens(const DspSchedule *schedule, const DspStep *step) {
  return is_exchange(schedule, step) &&
         step->exchange.collective != DSP_SENDRECV && step->move.from >= 0;
}

static gboolean is_sync(const DspSchedule *schedule, const DspStep *step) {
  (void)schedule;
  return step->role == DSP_ROLE_GRADIENT_SYNC &&
         step->pass == DSP_PASS_BACKWARD &&
         step->exchange.collective != DSP_ALL_GATHER;
}

/* Whether the attention mixes the dimension that its tokens are sharded on. */
static gboolean crosses(const DspSchedule *schedule, const DspStep *step) {
  int dim = dsp_tensor_of(schedule, step->inputs[0])->layout.dim;
  return dim >= 0 && step->op->over & (1u << dim);
}

/* The first round of which there is one before it that holds foreign keys. */
static gboolean is_late_round(const DspSchedule *schedule,
                              const DspStep *step) {
  return step->kind == DSP_STEP_ATTENTION && step->ring_round == 2 &&
         (step->ring_confused || crosses(schedule, step));
}

static gboolean attends(const DspSchedule *schedule, const DspStep *step) {
  (void)schedule;
  return step->kind == DSP_STEP_ATTENTION;
}

/* Where the sharded dimension is mixed, padding stands among the keys. */
static gboolean attends_by_padding(const DspSchedule *schedule,
                                   const DspStep *step) {
  if (!attends(schedule, step) || step->op->kind != DSP_OP_ATTENTION ||
      !crosses(schedule, step))
    return FALSE;
  const DspLayout l = dsp_tensor_of(schedule, step->inputs[0])->layout;
  int64_t length = schedule->job.lengths.length[l.dim];
  return dsp_layout_part(l, length) * l.ranks > length;
}

/* --- what goes wrong
 * ------------------------------------------------------ */

/* A switch leaves every rank what it had. */
static void missing_switch(DspSchedule *schedule, DspRun *run) {
  (void)schedule;
  dsp_carrier_set_wire(run->carrier, DSP_WIRE_KEEPS);
}

static void swapped_ranks(DspSchedule *schedule, DspRun *run) {
  (void)schedule;
  dsp_carrier_set_wire(run->carrier, DSP_WIRE_SWAPPED);
}

/* Tokens arrive in the places beside theirs. */
static void shard_off_by_one(DspSchedule *schedule, DspRun *run) {
  (void)schedule;
  run->first_row = 1;
}

static void padding_kept(DspSchedule *schedule, DspRun *run) {
  (void)schedule;
  run->keeps_padding = TRUE;
}

static void gradient_not_reduced(DspSchedule *schedule, DspRun *run) {
  DspSegment *segment;
  guint i;
  (void)run;
  if (find(schedule, is_sync, &segment, &i))
    g_array_remove_index(segment->steps, i);
}

/* A round attends to the keys of the round before it. */
static void stale_keys(DspSchedule *schedule, DspRun *run) {
  DspSegment *segment;
  guint i;
  DspStep *step = find(schedule, is_late_round, &segment, &i);
  (void)run;
  while (step && i-- > 0) {
    const DspStep *before = step_at(segment, i);
    if (before->kind != DSP_STEP_ATTENTION || before->ring_round != 1)
      continue;
    step->inputs[1] = before->inputs[1];
    return;
  }
}

static void wrong_scale(DspSchedule *schedule, DspRun *run) {
  (void)schedule;
  run->scale_error = G_SQRT2;
}

static void bytes_declared(DspSchedule *schedule, DspRun *run) {
  DspSegment *segment;
  guint i;
  DspStep *step = find(schedule, is_exchange, &segment, &i);
  (void)run;
  if (step)
    step->exchange.bytes /= 2;
}

/* --- the table
 * ------------------------------------------------------------ */

static const struct {
  Test place; /* a step that it needs */
  void (*apply)(DspSchedule *schedule, DspRun *run);
} faults[DSP_N_FAULTS] = {
    [DSP_FAULT_MISSING_SWITCH] = {is_switch, missing_switch},
    [DSP_FAULT_SWAPPED_RANKS] = {is_switch, swapped_ranks},
    [DSP_FAULT_SHARD_OFF_BY_ONE] = {moves_tokens, shard_off_by_one},
    [DSP_FAULT_PADDING_KEPT] = {attends_by_padding, padding_kept},
    [DSP_FAULT_GRADIENT_NOT_REDUCED] = {is_sync, gradient_not_reduced},
    [DSP_FAULT_STALE_KEYS] = {is_late_round, stale_keys},
    [DSP_FAULT_WRONG_SCALE] = {attends, wrong_scale},
    [DSP_FAULT_BYTES_DECLARED] = {is_exchange, bytes_declared},
};

const char *const dsp_fault_names[] = {
    [DSP_FAULT_NONE] = "none",
    [DSP_FAULT_MISSING_SWITCH] = "missing-switch",
    [DSP_FAULT_SWAPPED_RANKS] = "swapped-ranks",
    [DSP_FAULT_SHARD_OFF_BY_ONE] = "shard-off-by-one",
    [DSP_FAULT_PADDING_KEPT] = "padding-kept",
    [DSP_FAULT_GRADIENT_NOT_REDUCED] = "gradient-not-reduced",
    [DSP_FAULT_STALE_KEYS] = "stale-keys",
    [DSP_FAULT_WRONG_SCALE] = "wrong-scale",
    [DSP_FAULT_BYTES_DECLARED] = "bytes-declared",
    [DSP_N_FAULTS] = NULL,
};

gboolean dsp_fault_applies(DspFault fault, const DspSchedule *schedule) {
  DspSegment *segment;
  guint i;
  return !faults[fault].place ||
         find(schedule, faults[fault].place, &segment, &i);
}

void dsp_fault_apply(DspFault fault, DspSchedule *schedule, DspRun *run) {
  if (faults[fault].apply)
    faults[fault].apply(schedule, run);
}
