/* SPDX-License-Identifier: Apache-2.0 */
/* How far predictions are from measurements: the keys of dspsim.score/1. */
#ifndef DSP_REPORT_SCORE_H
#define DSP_REPORT_SCORE_H

#include "measurement/score.h"
#include "report/report.h"

/* All that is said of a score, made from its members above the line. */
typedef struct {
  const GPtrArray *files; /* DspMeasurements */
  const DspScore *score;
  const char *trust; /* "healthy", ... as asked for */
  guint trusts;
  const char *by; /* keys, NULL: the usual ones */
  gboolean tell_points, tell_groups, tell_health; /* in text */
  const DspResiduals *residuals; /* that were read for intervals, or NULL */
  /* ----- */
  GArray *read;     /* DspInventoryFile */
  GArray *kinds;    /* DspScoreClass, one a kind */
  GArray *classes;  /* DspScoreClass, by `by` */
  GArray *apart;    /* DspScoreClass of the other points, by trust */
  GArray *summary;  /* DspScoreClass, by many keys */
  GArray *reasons;  /* DspScoreReason */
  GArray *groups;   /* DspScoreGroup */
  GArray *contests; /* DspScoreContest */
  GArray *runs;     /* DspRunHealth */
} DspScoreAnswer;

void dsp_score_answer_fill(DspScoreAnswer *answer);
void dsp_score_answer_clear(DspScoreAnswer *answer);

/* The tables of JSON and CSV; they borrow from the answer. */
typedef struct {
  const DspScoreAnswer *answer;
  DspTable *inputs, *files, *read, *results, *summary, *groups, *health;
} DspScoreTables;

void dsp_score_tables_init(DspScoreTables *tables,
                           const DspScoreAnswer *answer);
void dsp_score_tables_clear(DspScoreTables *tables);

/* Text (DspReport.text); its data is a DspScoreAnswer. */
void dsp_score_text(const DspReport *report, const DspStyle *style,
                    GString *out);

#endif
