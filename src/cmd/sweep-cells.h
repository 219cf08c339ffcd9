/* SPDX-License-Identifier: Apache-2.0 */
/* The cells of a sweep: what is asked in each, and the rows that answer it. */
#ifndef DSP_CMD_SWEEP_CELLS_H
#define DSP_CMD_SWEEP_CELLS_H

#include "cmd/job.h"
#include "report/sweep.h"

/* Which plans of a cell have a row. */
typedef enum {
  DSP_ROWS_ONE,  /* the one that predict takes */
  DSP_ROWS_BEST, /* the best of each method, or why none can run */
  DSP_ROWS_ALL,
} DspSweepPlans;
extern const char *const dsp_sweep_plans_names[];

/* What the user asks for. */
typedef struct {
  const DspJobOptions *job;
  char *const *operands;
  const GPtrArray *vary; /* char *: of dsp_sweep_grid_new */
  gboolean zip, interval;
  int plans;  /* DspSweepPlans, or -1: one where there is a method, else best */
  int format; /* of dsp_sweep_formats */
} DspSweepQuestion;

typedef struct DspSweepCells DspSweepCells;

/* Fails with DSP_ERROR_USAGE if a parameter or one of its values is wrong
 * whatever the others are, and with DSP_ERROR_INPUT if a file is. The question
 * must outlive the cells. Free with dsp_sweep_cells_free. */
DspSweepCells *dsp_sweep_cells_new(const DspSweepQuestion *question,
                                   GError **error);
void dsp_sweep_cells_free(DspSweepCells *cells);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DspSweepCells, dsp_sweep_cells_free)

const DspSweepGrid *dsp_sweep_cells_grid(const DspSweepCells *cells);
/* What comes before all rows. */
void dsp_sweep_cells_header(const DspSweepCells *cells, GString *out);
/* All that rows follow from. */
DspSweepFacts dsp_sweep_cells_facts(const DspSweepCells *cells);

/* One thread's way to rows; `cells` is not changed by it. */
typedef struct DspSweepWorker DspSweepWorker;
DspSweepWorker *dsp_sweep_worker_new(const DspSweepCells *cells);
void dsp_sweep_worker_free(DspSweepWorker *worker);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DspSweepWorker, dsp_sweep_worker_free)
/* Appends the rows of a cell. */
void dsp_sweep_worker_rows(DspSweepWorker *worker, int64_t cell, GString *out);

#endif
