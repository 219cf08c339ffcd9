/* SPDX-License-Identifier: Apache-2.0 */
/* What list and show can tell of: one file a kind, which exports one const
 * DspKind; kind.c lists them. */
#ifndef DSP_REPORT_KIND_H
#define DSP_REPORT_KIND_H

#include "base/json.h"
#include "report/report.h"
#include "report/text.h"

typedef struct {
  const char *name, *plural;
  char **(*names)(void); /* of all there are; the caller frees (g_strfreev) */
  /* One of them as a row of `table`; errors as dsp_model_load. */
  gpointer (*load)(const char *name, GError **error);
  void (*free)(gpointer row);
  DspTable *(*table)(void);
  /* A line of a list: its columns, ended by a NULL title, and its cells. */
  const DspTextColumn *columns;
  void (*add_cells)(gconstpointer row, DspGrid *grid);
  /* All that is to be told of one. */
  void (*text)(gconstpointer row, const DspStyle *style, GString *out);
} DspKind;

extern const DspKind dsp_kind_model, dsp_kind_cluster, dsp_kind_gpu,
    dsp_kind_method;
/* All, ended by NULL. */
extern const DspKind *const dsp_kinds[];

/* Where the numbers of a file come from. */
typedef struct {
  char *place; /* the object that says so: "" or "gemm" or "nic/bandwidth" */
  char *source;
  gboolean estimate;
} DspSource;

/* Adds all sources of the file (NULL: none) to an array from dsp_sources_new;
 * `file` (NULL: nothing) stands before their places. */
GArray *dsp_sources_new(void);
void dsp_sources_add(GArray *sources, const char *file, const DspJson *json);
/* The same as a table and as text. */
DspTable *dsp_sources_table(const GArray *sources);
void dsp_sources_text(const GArray *sources, const DspStyle *style,
                      GString *out);

#endif
