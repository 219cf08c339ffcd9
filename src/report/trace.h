/* SPDX-License-Identifier: Apache-2.0 */
/* The timeline of a simulation: as the JSON that Chrome's and Perfetto's trace
 * viewers read, and as a picture. Both simulate while they write, so that a
 * timeline need not fit into memory. */
#ifndef DSP_REPORT_TRACE_H
#define DSP_REPORT_TRACE_H

#include "sim/predict.h"
#include <stdio.h>

typedef struct {
  const DspSchedule *schedule;
  DspPrices *prices;
  gboolean every_rank;
  const guint *ranks; /* to be shown, ascending */
  guint n_ranks;
  double from, to; /* s; what lies outside is left out */
} DspTrace;

/* What is shown of a step. */
typedef enum {
  DSP_TRACE_PRODUCT, /* of matrices */
  DSP_TRACE_ATTENTION,
  DSP_TRACE_POINTWISE, /* memory-bound */
  DSP_TRACE_COPY,      /* pack, unpack, merge */
  DSP_TRACE_EXCHANGE,  /* of activations */
  DSP_TRACE_SYNC,      /* of weights and their gradients */
  DSP_N_TRACE_KINDS,
} DspTraceKind;

DspTraceKind dsp_trace_kind(const DspStep *step);
/* "qkv", "qkv weight gradient", "pack", "all_to_all"; the caller frees. */
char *dsp_trace_name(const DspStep *step);

/* Simulates with this observer. */
void dsp_trace_run(const DspTrace *trace, const DspObserver *observer);

/* When the first rank shown is in the middle repetition of the most repeated
 * block, forward or backward. FALSE if no block has this pass. */
gboolean dsp_trace_block(const DspTrace *trace, DspPass pass, double *from,
                         double *to);

/* The file's errors are for the caller to see. */
void dsp_trace_json(const DspTrace *trace, FILE *file);
/* `title`, `details`: one line each. */
void dsp_trace_svg(const DspTrace *trace, const char *title,
                   const char *details, FILE *file);

#endif
