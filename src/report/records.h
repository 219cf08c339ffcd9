/* SPDX-License-Identifier: Apache-2.0 */
/* What commands have written, read again: rows of CSV, of "results" of JSON, or
 * of JSON Lines, under one set of keys ("degrees.sp"). */
#ifndef DSP_REPORT_RECORDS_H
#define DSP_REPORT_RECORDS_H

#include "report/report.h"

typedef struct DspRecords DspRecords;

DspRecords *dsp_records_new(void);
void dsp_records_free(DspRecords *records);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DspRecords, dsp_records_free)

/* Adds the rows of a file, "-" for the standard input. DSP_ERROR_INPUT with the
 * position of what is wrong. */
gboolean dsp_records_load(DspRecords *records, const char *path,
                          GError **error);
/* The same with each of several (ended by NULL). */
gboolean dsp_records_load_all(DspRecords *records, char *const *paths,
                              GError **error);
/* Adds the rows of a table as if it had been written and read. */
void dsp_records_add(DspRecords *records, const DspTable *table);

guint dsp_records_n(const DspRecords *records);
/* Keys in the order in which they were met first. */
const GPtrArray *dsp_records_keys(const DspRecords *records);
gboolean dsp_records_has(const DspRecords *records, const char *key);

/* The value of a row, NULL if there is none. Borrowed. The key "file" is the
 * name of the row's file unless it has one of its own. */
const char *dsp_record_text(const DspRecords *records, guint row,
                            const char *key);
/* Sets *number to the value, NAN if there is none. DSP_ERROR_INPUT with the
 * position of what is no number. */
gboolean dsp_record_number(const DspRecords *records, guint row,
                           const char *key, double *number, GError **error);

/* A file that was read. */
typedef struct {
  const char *name, *sha256;
  const char *schema;      /* NULL: CSV and JSON Lines do not say */
  const GPtrArray *inputs; /* char *: key, value, key, ... of its "inputs" */
} DspRecordFile;

guint dsp_records_n_files(const DspRecords *records);
DspRecordFile dsp_records_file(const DspRecords *records, guint file);

#endif
