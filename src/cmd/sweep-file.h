/* SPDX-License-Identifier: Apache-2.0 */
/* The file of a sweep's rows. It holds whole cells' rows in order, at worst
 * followed by a part of the next; beside it stands the document that says what
 * they follow from (FILE.sweep). So a sweep can go on where it was cut off. */
#ifndef DSP_CMD_SWEEP_FILE_H
#define DSP_CMD_SWEEP_FILE_H

#include "report/sweep.h"

typedef struct DspSweepFile DspSweepFile;

typedef struct {
  const char *path; /* NULL: the standard output */
  const char *header;
  gboolean resume; /* else begins anew */
  const DspSweepFacts *facts;
  DspShard shard;
} DspSweepTarget;

/* Opens the file and finds how far it has come. DSP_ERROR_USAGE: it holds
 * something else than what is asked to be resumed, or an unfinished sweep that
 * is not; DSP_ERROR_EXTERNAL: it cannot be written. The target must outlive it.
 * Free with dsp_sweep_file_free. */
DspSweepFile *dsp_sweep_file_open(const DspSweepTarget *target, GError **error);
void dsp_sweep_file_free(DspSweepFile *file);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DspSweepFile, dsp_sweep_file_free)

/* The first cell whose rows are not all there, or may not be. */
int64_t dsp_sweep_file_cell(const DspSweepFile *file);
gboolean dsp_sweep_file_is_complete(const DspSweepFile *file);

/* Writes the rows of the next cell at once. Of the first after resuming, only
 * what is not there; DSP_ERROR_USAGE if what is there is not the same. */
gboolean dsp_sweep_file_write(DspSweepFile *file, const GString *rows,
                              GError **error);
/* All cells are written. */
gboolean dsp_sweep_file_finish(DspSweepFile *file, GError **error);

/* Reading, for merge. */

typedef struct DspSweepReader DspSweepReader;

/* Reads the rows of a file in that format; DSP_ERROR_INPUT if it cannot be
 * opened. Free with dsp_sweep_reader_free. */
DspSweepReader *dsp_sweep_reader_new(const char *path,
                                     const DspSweepFormat *format,
                                     GError **error);
void dsp_sweep_reader_free(DspSweepReader *reader);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DspSweepReader, dsp_sweep_reader_free)
/* Gives the next whole row, line feed included, which holds until the next
 * call, and its cell (-1: the header, or no row of a sweep); NULL at the end,
 * or where the rest is no whole row. */
const GString *dsp_sweep_reader_next(DspSweepReader *reader, int64_t *cell);

#endif
