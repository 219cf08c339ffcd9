/* SPDX-License-Identifier: Apache-2.0 */
/* The grid of a sweep: which parameters are varied, and the values that each
 * takes. Nothing here knows what the parameters mean. */
#ifndef DSP_SEARCH_GRID_H
#define DSP_SEARCH_GRID_H

#include <glib.h>
#include <stdint.h>

/* Most values of one parameter. */
#define DSP_MAX_VALUES 1000000

typedef struct {
  char *name;        /* "gpus", "dim.T" */
  GPtrArray *values; /* char * */
} DspVaried;

typedef struct {
  GPtrArray *varied; /* DspVaried * */
  gboolean zip;      /* all go along together: else every combination */
  int64_t cells;     /* how many cells there are */
} DspSweepGrid;

/* The grid of `specs` (char *), of which each is "NAME=ITEM,..."; an item is a
 * value as it stands, or a range of whole numbers: "8..1024:x2" (each twice the
 * last), "1..9:+2", "1..4" (:+1). With `zip` all have the same number of
 * values. Fails with DSP_ERROR_USAGE. Free with dsp_sweep_grid_free. */
DspSweepGrid *dsp_sweep_grid_new(const GPtrArray *specs, gboolean zip,
                                 GError **error);
void dsp_sweep_grid_free(DspSweepGrid *grid);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DspSweepGrid, dsp_sweep_grid_free)

static inline DspVaried *dsp_sweep_grid_varied(const DspSweepGrid *grid,
                                               guint i) {
  return grid->varied->pdata[i];
}

/* Which value of parameter `i` a cell has. Cells are counted from 0; of
 * combinations, the last parameter changes from each to the next. */
guint dsp_sweep_grid_index(const DspSweepGrid *grid, guint i, int64_t cell);
/* How many cells have one value of parameter `i`, and the `k`th of them, from
 * 0, that has value `index`. */
int64_t dsp_sweep_grid_share(const DspSweepGrid *grid, guint i);
int64_t dsp_sweep_grid_cell(const DspSweepGrid *grid, guint i, guint index,
                            int64_t k);
const char *dsp_sweep_grid_value(const DspSweepGrid *grid, guint i,
                                 int64_t cell);

#endif
