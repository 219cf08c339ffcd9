/* SPDX-License-Identifier: Apache-2.0 */
/* Mistakes that parallel programs are known for; each must be caught. */
#include "numerics/faults.h"

const char *const dsp_fault_names[] = {"none",           "missing switch",
                                       "swapped ranks",  "shard off by one",
                                       "padding kept",   "gradient not reduced",
                                       "stale keys",     "wrong scale",
                                       "bytes declared", NULL};

typedef gboolean (*Change)(DspSchedule *schedule, DspSegment *segment, guint i);

static DspStep *step_at(const DspSegment *segment, guint i) {
  return &g_array_index(segment->steps, DspStep, i);
}

/* Applies `change` to steps until it has changed one. */
static void change_first(DspSchedule *schedule, Change change) {
  for (guint i = 0; i < schedule->segments->len; i++) {
    DspSegment *segment = schedule->segments->pdata[i];
    for (guint j = 0; j < segment->steps->len; j++)
      if (change(schedule, segment, j))
        return;
  }
}

static void missing_switch(DspSchedule *schedule, DspRun *run) {
  (void)schedule;
  dsp_carrier_set_wire(run->carrier, DSP_WIRE_KEEPS);
}

static void swapped_ranks(DspSchedule *schedule, DspRun *run) {
  (void)schedule;
  dsp_carrier_set_wire(run->carrier, DSP_WIRE_SWAPPED);
}

/* The second stream of tokens in a shard is that of the rank beside it. */
static void shard_off_by_one(DspSchedule *schedule, DspRun *run) {
  (void)schedule;
  run->first_row = 1;
}

static void padding_kept(DspSchedule *schedule, DspRun *run) {
  (void)schedule;
  run->keeps_padding = TRUE;
}

static gboolean drop_sync(DspSchedule *schedule, DspSegment *segment, guint i) {
  (void)schedule;
  if (step_at(segment, i)->role != DSP_ROLE_GRADIENT_SYNC ||
      segment->pass != DSP_PASS_BACKWARD)
    return FALSE;
  g_array_remove_index(segment->steps, i);
  return TRUE;
}

static void gradient_not_reduced(DspSchedule *schedule, DspRun *run) {
  (void)run;
  change_first(schedule, drop_sync);
}

/* A round attends to the keys of the round before it. */
static gboolean hold_old_keys(DspSchedule *schedule, DspSegment *segment,
                              guint i) {
  DspStep *step = step_at(segment, i);
  if (step->kind != DSP_STEP_ATTENTION || step->ring_round < 2)
    return FALSE;
  for (guint j = i; j-- > 0;) {
    const DspStep *before = step_at(segment, j);
    if (before->kind == DSP_STEP_ATTENTION &&
        before->ring_round == step->ring_round - 1) {
      step->inputs[1] = before->inputs[1];
      return TRUE;
    }
  }
  (void)schedule;
  return FALSE;
}

static void stale_keys(DspSchedule *schedule, DspRun *run) {
  (void)run;
  change_first(schedule, hold_old_keys);
}

static void wrong_scale(DspSchedule *schedule, DspRun *run) {
  (void)schedule;
  run->scale_error = 1.0009765625;
}

static gboolean declare_less(DspSchedule *schedule, DspSegment *segment,
                             guint i) {
  DspStep *step = step_at(segment, i);
  (void)schedule;
  if (step->kind != DSP_STEP_COLLECTIVE || step->role != DSP_ROLE_EXCHANGE)
    return FALSE;
  step->exchange.bytes /= 2;
  return TRUE;
}

static void bytes_declared(DspSchedule *schedule, DspRun *run) {
  (void)run;
  change_first(schedule, declare_less);
}

static void (*const apply[DSP_N_FAULTS])(DspSchedule *, DspRun *) = {
    [DSP_FAULT_MISSING_SWITCH] = missing_switch,
    [DSP_FAULT_SWAPPED_RANKS] = swapped_ranks,
    [DSP_FAULT_SHARD_OFF_BY_ONE] = shard_off_by_one,
    [DSP_FAULT_PADDING_KEPT] = padding_kept,
    [DSP_FAULT_GRADIENT_NOT_REDUCED] = gradient_not_reduced,
    [DSP_FAULT_STALE_KEYS] = stale_keys,
    [DSP_FAULT_WRONG_SCALE] = wrong_scale,
    [DSP_FAULT_BYTES_DECLARED] = bytes_declared,
};

void dsp_fault_apply(DspFault fault, DspSchedule *schedule, DspRun *run) {
  if (apply[fault])
    apply[fault](schedule, run);
}
