/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of measurement/: what a log of nccl-tests tells, whatever its form. */
#ifndef DSP_MEASUREMENT_LOG_H
#define DSP_MEASUREMENT_LOG_H

#include "measurement/nccl-log.h"

/* A position, from 1. */
typedef struct {
  guint line, column;
} DspLogMark;

typedef struct {
  DspLogMark at;
  int collective; /* DspCollective, -1: not told */
  int64_t bytes;
  double time_us;
} DspLogRow;

typedef struct {
  const char *file;
  const DspNcclLogOptions *options;
  GArray *rows;            /* DspLogRow */
  int collective;          /* of the rows that follow, -1: not told */
  GHashTable *hosts;       /* names of nodes */
  guint ranks;             /* devices that are listed */
  DspLogMark devices;      /* where that list begins */
  gint64 gpus_per_process; /* 0: not told */
  int64_t version;         /* of NCCL, as NCCL_VERSION_CODE; 0: not told */
} DspLog;

/* Sets *error to DSP_ERROR_INPUT "file:line:column: message"; FALSE. */
gboolean dsp_log_fail(const DspLog *log, DspLogMark at, GError **error,
                      const char *format, ...) G_GNUC_PRINTF(4, 5);

/* A program has started: "build/all_reduce_perf". Words that are no program of
 * nccl-tests are passed over. */
gboolean dsp_log_start(DspLog *log, DspLogMark at, const char *word,
                       GError **error);
/* A device is listed. */
void dsp_log_device(DspLog *log, DspLogMark at, const char *host);
/* A row of results; `wrong`: elements that came out wrong. */
gboolean dsp_log_row(DspLog *log, DspLogMark at, int64_t bytes, double time_us,
                     double wrong, GError **error);

/* The two forms. */
gboolean dsp_log_read_text(DspLog *log, const char *text, GError **error);
gboolean dsp_log_read_json(DspLog *log, const DspJson *json, GError **error);

#endif
