/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of a sweep: its cell and what was varied, then the keys of a
 * prediction, all in one line of CSV or JSON. */
#ifndef DSP_REPORT_SWEEP_H
#define DSP_REPORT_SWEEP_H

#include "base/json.h"
#include "report/prediction.h"
#include "search/grid.h"

/* How rows are written. */
typedef struct {
  const char *name, *suffix;
  gboolean header; /* a first line tells the keys */
  gboolean quotes; /* a row may have line feeds, between quotes */
  void (*row)(const DspTable *table, gconstpointer row, GString *out);
} DspSweepFormat;

extern const DspSweepFormat dsp_sweep_formats[];
/* Their names in the same order, ended by NULL. */
extern const char *const dsp_sweep_format_names[];
/* Index of the format whose suffix `file` (may be NULL) ends with; of CSV if
 * none. */
int dsp_sweep_format_of_file(const char *file);

typedef struct DspSweepTable DspSweepTable;

/* One row. */
typedef struct {
  DspResult result; /* job NULL: there is none, `reason` says why */
  const DspSweepTable *table;
  int64_t cell;
  const char *reason;
} DspSweepRow;

/* The columns for these models (DspModel): every dimension that one of them
 * has, and with `interval` those of intervals. Grid and models must outlive it.
 * Free with dsp_sweep_table_free. */
DspSweepTable *dsp_sweep_table_new(const DspSweepGrid *grid,
                                   const GPtrArray *models, gboolean interval);
void dsp_sweep_table_free(DspSweepTable *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DspSweepTable, dsp_sweep_table_free)

/* Appends the first line, where the format has one, or a row. */
void dsp_sweep_header(const DspSweepTable *table, const DspSweepFormat *format,
                      GString *out);
void dsp_sweep_row(const DspSweepRow *row, const DspSweepFormat *format,
                   GString *out);

/* A setting and its value, or a file that was read and its SHA-256. */
typedef struct {
  const char *name, *value;
} DspSweepFact;

/* All that the rows of a sweep follow from. */
typedef struct {
  const char *version; /* of dspsim */
  const DspSweepFormat *format;
  const char *plans; /* which of a cell have a row */
  const DspSweepGrid *grid;
  const GArray *options, *files; /* DspSweepFact */
} DspSweepFacts;

/* Which cells are in one file: those with cell % shards == shard. */
typedef struct {
  int64_t shard, shards;
} DspShard;

/* What is in it when all cells are. */
typedef struct {
  gboolean complete;
  int64_t rows, bytes;
} DspSweepEnd;

/* The document dspsim.sweep/1 of a file of rows. */
void dsp_sweep_document_write(const DspSweepFacts *facts, const DspShard *shard,
                              const DspSweepEnd *end, GString *out);

typedef struct {
  DspSweepFacts facts;
  DspShard shard;
  DspSweepEnd end;
  /* What the facts borrow from. */
  DspJson *json;
  DspSweepGrid *grid;
  GArray *options, *files;
} DspSweepDocument;

/* Reads one. DSP_ERROR_INPUT. Free with dsp_sweep_document_free. */
DspSweepDocument *dsp_sweep_document_load(const char *path, GError **error);
/* The same of text in memory, whose name in messages is `name`. */
DspSweepDocument *dsp_sweep_document_parse(const char *name, const char *text,
                                           gsize length, GError **error);
void dsp_sweep_document_free(DspSweepDocument *document);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DspSweepDocument, dsp_sweep_document_free)

/* What differs between two, apart from the end and, with `any_shard`, the
 * shard: "option 'batch'"; NULL: nothing. The caller frees. */
char *dsp_sweep_document_difference(const DspSweepDocument *one,
                                    const DspSweepDocument *other,
                                    gboolean any_shard);

/* For people: the grid's parameters and its first cells. */
void dsp_sweep_text(const DspSweepGrid *grid, const DspStyle *style,
                    GString *out);

#endif
