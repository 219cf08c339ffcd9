/* SPDX-License-Identifier: Apache-2.0 */
/* Prices of collectives, in the columns and words of nccl-tests. */
#ifndef DSP_REPORT_COST_H
#define DSP_REPORT_COST_H

#include "network/collective.h"
#include "report/report.h"

/* What is priced at every size. */
typedef struct {
  const DspCluster *cluster;
  const DspTopology *topology;
  DspAxis axis;
  DspCollective collective;
  const char *type; /* of the elements, as nccl-tests calls it */
  int type_bytes;
  gboolean alone; /* one group, its siblings idle */
  DspNcclOptions forced;
  gboolean explain, messages; /* text tells them too */
} DspCostJob;

/* One size. Times in s. */
typedef struct {
  const DspCostJob *job;
  DspPrice *price;
  int64_t count;       /* elements that the call of NCCL is given */
  double message_time; /* of all messages on the links; NAN: not asked for */
  double busiest_time; /* of the busiest link at its full bandwidth */
  char *busiest;       /* its name */
} DspCostRow;

void dsp_cost_row_clear(DspCostRow *row);

/* Fills the members that follow from the price. */
void dsp_cost_row_complete(DspCostRow *row);

DspTable *dsp_cost_inputs(const DspCostJob *job);
DspTable *dsp_cost_table(void);

/* A report's text; its data is a GArray of DspCostRow, not empty. */
void dsp_cost_text(const DspReport *report, const DspStyle *style,
                   GString *out);

#endif
