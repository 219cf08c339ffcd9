/* SPDX-License-Identifier: Apache-2.0 */
/* What reports on measurements have in common. */
#ifndef DSP_REPORT_MEASURED_H
#define DSP_REPORT_MEASURED_H

#include "measurement/measurements.h"
#include "report/report.h"

/* A table of all elements of the array, which are borrowed. */
DspTable *dsp_array_table(const DspColumn *columns, const GArray *rows);

/* Files of measurements (DspMeasurements) as a table, and as header lines of
 * text. */
DspTable *dsp_measured_table(const GPtrArray *files);
void dsp_measured_text(const GPtrArray *files, const DspStyle *style,
                       GString *out);

#endif
