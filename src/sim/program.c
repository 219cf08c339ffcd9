/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/program.h"
#include <math.h>

static int exchange_index(GArray *exchanges, const DspExchange *e) {
  for (guint i = 0; i < exchanges->len; i++) {
    const DspExchange *known = &g_array_index(exchanges, DspExchange, i);
    if (known->collective == e->collective && known->axis == e->axis &&
        known->bytes == e->bytes)
      return (int)i;
  }
  g_array_append_val(exchanges, *e);
  return (int)exchanges->len - 1;
}

static void fill_waits(DspInstruction *instruction, const DspStep *steps,
                       const guint *positions) {
  const DspStep *step = instruction->step;
  for (int i = 0; i < DSP_MAX_WAITS; i++)
    if (step->waits[i] >= 0)
      instruction->waits[instruction->n_waits++] = (DspWait){
          steps[step->waits[i]].stream, positions[step->waits[i]] + 1};
}

static void loop_init(DspLoop *loop, DspProgram *program,
                      const DspSegment *segment) {
  const DspStep *steps = dsp_segment_steps(segment);
  loop->segment = segment;
  loop->n = segment->steps->len;
  loop->instructions = g_new0(DspInstruction, loop->n);
  g_autofree guint *positions = g_new(guint, loop->n);
  for (guint i = 0; i < loop->n; i++) {
    DspInstruction *instruction = &loop->instructions[i];
    instruction->step = &steps[i];
    positions[i] = loop->per_stream[steps[i].stream]++;
    instruction->exchange =
        steps[i].kind == DSP_STEP_COLLECTIVE
            ? exchange_index(program->exchanges, &steps[i].exchange)
            : -1;
    instruction->cost = dsp_step_cost(&program->schedule->job, &steps[i]);
    fill_waits(instruction, steps, positions);
  }
}

/* How hard a step works the tensor cores, of what a loop of large products
 * does, which is what brings the clocks down to the sustained ones: power is
 * limited on average over far longer than a kernel. */
static double heat(const DspProgram *program) {
  const DspGpu *gpu = program->schedule->job.cluster->gpu;
  double time = 0, bound = 0;
  for (guint i = 0; i < program->n_loops; i++) {
    const DspLoop *loop = &program->loops[i];
    const double repeat = (double)loop->segment->repeat;
    for (guint j = 0; j < loop->n; j++) {
      time += repeat * loop->instructions[j].cost.time;
      bound += repeat * loop->instructions[j].cost.bound;
    }
  }
  const double most = gpu->gemm.e_max / gpu->gemm.sustained;
  return time > 0 ? fmin(bound / (most * time), 1) : 0;
}

static void set_clocks(DspProgram *program) {
  const double share = heat(program);
  for (guint i = 0; i < program->n_loops; i++)
    for (guint j = 0; j < program->loops[i].n; j++) {
      DspStepCost *cost = &program->loops[i].instructions[j].cost;
      cost->time = cost->boost + share * (cost->time - cost->boost);
    }
}

DspProgram *dsp_program_new(const DspSchedule *schedule) {
  DspProgram *program = g_new0(DspProgram, 1);
  program->schedule = schedule;
  program->n_loops = schedule->segments->len;
  program->loops = g_new0(DspLoop, program->n_loops);
  program->exchanges = g_array_new(FALSE, FALSE, sizeof(DspExchange));
  for (guint i = 0; i < program->n_loops; i++)
    loop_init(&program->loops[i], program, schedule->segments->pdata[i]);
  set_clocks(program);
  return program;
}

void dsp_program_free(DspProgram *program) {
  if (!program)
    return;
  for (guint i = 0; i < program->n_loops; i++)
    g_free(program->loops[i].instructions);
  g_free(program->loops);
  g_array_free(program->exchanges, TRUE);
  g_free(program);
}

static gboolean is_uneven(const DspSegment *segment) {
  const DspStep *steps = dsp_segment_steps(segment);
  for (guint i = 0; i < segment->steps->len; i++)
    if (steps[i].ring_causal)
      return TRUE;
  return FALSE;
}

gboolean dsp_schedule_is_uneven(const DspSchedule *schedule) {
  for (guint i = 0; i < schedule->segments->len; i++)
    if (is_uneven(schedule->segments->pdata[i]))
      return TRUE;
  return FALSE;
}
