/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures of what commands have answered. A kind of picture makes a figure
 * from records: a table that the kind's program in plots/ draws, and bars that
 * stand for it where there is no gnuplot. */
#ifndef DSP_REPORT_PLOT_H
#define DSP_REPORT_PLOT_H

#include "report/records.h"

typedef struct DspFigure DspFigure;
typedef struct DspSelection DspSelection; /* rows */

/* What is asked of a picture. NULL: the usual. */
typedef struct {
  const char *by;         /* keys that tell series apart: "method,cluster" */
  const char *x, *y;      /* keys of the axes */
  const char *title;      /* instead of the one that tells what it shows */
  const GPtrArray *where; /* "KEY=VALUE": only these rows */
} DspPlotRequest;

typedef struct {
  const char *name, *summary;
  const char *const *keys; /* of numbers that a row must have; ended by NULL */
  /* Fills the figure with rows that have them. DSP_ERROR_USAGE: rows that
   * cannot be told apart, or have not what was asked for. */
  gboolean (*fill)(DspFigure *figure, const DspSelection *selection,
                   GError **error);
} DspPlotKind;

/* All, ended by NULL. */
extern const DspPlotKind *const dsp_plot_kinds[];
/* One by one. */
extern const DspPlotKind dsp_plot_scaling, dsp_plot_breakdown, dsp_plot_volume,
    dsp_plot_memory, dsp_plot_crossover, dsp_plot_roofline, dsp_plot_score,
    dsp_plot_pareto, dsp_plot_busbw;
/* NULL if there is none of the name. */
const DspPlotKind *dsp_plot_kind_find(const char *name);
/* The usual one for such records. */
const DspPlotKind *dsp_plot_kind_for(const DspRecords *records);

/* The arguments are borrowed. DSP_ERROR_USAGE: no row has what is drawn;
 * DSP_ERROR_INPUT: what is no number. Free with dsp_figure_free. */
DspFigure *dsp_figure_new(const DspPlotKind *kind, const DspRecords *records,
                          const DspPlotRequest *request, GError **error);
void dsp_figure_free(DspFigure *figure);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DspFigure, dsp_figure_free)

/* FALSE with DSP_ERROR_USAGE "option '--name': ..." unless `file` ends with the
 * suffix of a picture: .svg, .png, .pdf. */
gboolean dsp_plot_check_file(const char *file, const char *option,
                             GError **error);

/* Draws to `file`; what it is drawn from stays beside it, with .gp and .gp.csv
 * for the suffix. DSP_ERROR_EXTERNAL: gnuplot is missing or fails, or a file
 * cannot be written. */
gboolean dsp_figure_save(const DspFigure *figure, const char *file,
                         GError **error);
/* Appends an SVG document; leaves no files. */
gboolean dsp_figure_svg(const DspFigure *figure, GString *out, GError **error);
/* Appends it as characters, `columns` wide: as gnuplot draws it on a terminal
 * without graphics, or its bars where it is made of bars. Leaves no files. */
gboolean dsp_figure_print(const DspFigure *figure, const DspStyle *style,
                          guint columns, GString *out, GError **error);
/* Appends its bars, drawn without gnuplot. */
void dsp_figure_bars(const DspFigure *figure, const DspStyle *style,
                     guint columns, GString *out);

#endif
