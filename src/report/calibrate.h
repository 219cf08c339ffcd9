/* SPDX-License-Identifier: Apache-2.0 */
/* Calibrations: the keys of dspsim.calibrate/1. */
#ifndef DSP_REPORT_CALIBRATE_H
#define DSP_REPORT_CALIBRATE_H

#include "measurement/calibrate.h"
#include "report/report.h"

/* The errors of one cluster's points of one kind in one band. */
typedef struct {
  const char *cluster; /* "all": of all that were left out in turn */
  DspMeasuredKind kind;
  char *band; /* "all", "below 1 MiB", ... */
  DspScoreClass before, after;
  guint training, machines, fitted; /* points and machines that the constants
                                       are from, constants that are fitted */
} DspCalibrateBand;

/* All that is said of one calibration or, where every cluster was left out in
 * turn, of many; made from its members above the line. */
typedef struct {
  const GPtrArray *files;    /* DspMeasurements */
  const GPtrArray *excluded; /* char *, or NULL */
  const char *cluster, *mode;
  const GPtrArray *calibrations; /* DspCalibration, one or more */
  gboolean in_turn;
  /* ----- */
  GArray *bands;  /* DspCalibrateBand */
  GArray *points; /* of the one calibration: private */
} DspCalibrateAnswer;

void dsp_calibrate_answer_fill(DspCalibrateAnswer *answer);
void dsp_calibrate_answer_clear(DspCalibrateAnswer *answer);

/* The tables of JSON and CSV; they borrow from the answer. */
typedef struct {
  const DspCalibrateAnswer *answer;
  DspTable *inputs, *files, *excluded, *constants, *bands, *points;
} DspCalibrateTables;

void dsp_calibrate_tables_init(DspCalibrateTables *tables,
                               const DspCalibrateAnswer *answer);
void dsp_calibrate_tables_clear(DspCalibrateTables *tables);

/* Text (DspReport.text); its data is a DspCalibrateAnswer. */
void dsp_calibrate_text(const DspReport *report, const DspStyle *style,
                        GString *out);

#endif
