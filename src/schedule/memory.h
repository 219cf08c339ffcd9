/* SPDX-License-Identifier: Apache-2.0 */
/* What a rank holds at the worst moment of a schedule. */
#ifndef DSP_SCHEDULE_MEMORY_H
#define DSP_SCHEDULE_MEMORY_H

#include "schedule/schedule.h"

typedef enum {
  DSP_MEMORY_KIND_PARAMETERS,
  DSP_MEMORY_KIND_GRADIENTS,
  DSP_MEMORY_KIND_OPTIMIZER,
  DSP_MEMORY_KIND_ACTIVATIONS, /* and their gradients, at the peak */
  DSP_MEMORY_KIND_BUFFERS,     /* of exchanges at the peak, and NCCL's own */
  DSP_MEMORY_KIND_WORKSPACE,   /* of GEMM libraries */
  DSP_N_MEMORY_KINDS,
} DspMemoryKind;

/* "parameters", "gradients", ..., NULL */
extern const char *const dsp_memory_kind_names[];

typedef struct {
  int64_t bytes[DSP_N_MEMORY_KINDS];
  int64_t peak;  /* their sum */
  int64_t limit; /* of the GPU, less what its profile reserves */
} DspMemoryUse;

/* Weights in the job's type; gradients likewise; Adam's fp32 weight and two
 * moments (12 bytes a parameter; ZeRO shards them, arXiv 1910.02054 table 1).
 * Activations from the life times of the schedule's tensors: those that the
 * backward pass reads live until it does, once for each repetition of their
 * block; the others from the step that makes them to the last that reads
 * them. */
DspMemoryUse dsp_schedule_memory(const DspSchedule *schedule);

/* Bytes of activations, their gradients and buffers that a rank holds in each
 * step of the first repetition of segment `index`, those that earlier segments
 * saved included; every repetition adds *growth. The caller frees. */
int64_t *dsp_segment_memory(const DspSchedule *schedule, guint index,
                            int64_t *growth);

#endif
