/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures, drawn by gnuplot with the programs in plots/. */
#ifndef DSP_REPORT_PLOT_H
#define DSP_REPORT_PLOT_H

#include "report/prediction.h"

/* Draws the best plan of each method to `file` (.svg, .png or .pdf); what it is
 * drawn from stays beside it, with .gp and .csv for the suffix.
 * DSP_ERROR_USAGE: another suffix; DSP_ERROR_EXTERNAL: gnuplot is missing or
 * fails, or a file cannot be written. */
gboolean dsp_plot_comparison(const char *file, const DspCompareText *text,
                             GError **error);

#endif
