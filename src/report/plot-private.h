/* SPDX-License-Identifier: Apache-2.0 */
/* What the kinds of pictures share. */
#ifndef DSP_REPORT_PLOT_PRIVATE_H
#define DSP_REPORT_PLOT_PRIVATE_H

#include "report/plot.h"

/* --- the figure ---------------------------------------------------------- */

/* A bar of characters. */
typedef struct {
  const char *group, *label, *note; /* group: NULL if there is none */
  double value;                     /* not finite: no bar, only the note */
  guint parts;                      /* how many of the figure's parts are its */
} DspBar;

/* A part of a bar; those of the first bar come first. */
typedef struct {
  const char *name;
  guint colour;
  double value;
} DspBarPart;

struct DspFigure {
  const DspPlotKind *kind;
  const DspRecords *records;
  const DspPlotRequest *request;
  const char *program;        /* in plots/ */
  const char *title, *inputs; /* the two lines above */
  const char *unit;           /* of the bars */
  double width, height;       /* pixels of SVG */
  guint lines;                /* rows of characters */
  DspTable *table;            /* what the program reads */
  GArray *bars;               /* DspBar */
  GArray *parts;              /* DspBarPart */
  gboolean is_text;           /* characters are the bars, not the program's */
  GPtrArray *cells;           /* rows of the table: DspValue[] */
  GStringChunk *texts;        /* all strings of the above */
};

/* Text that gnuplot may show: without what it, a terminal or the end of a line
 * would make something of, and without commas and quotes, since gnuplot cannot
 * compute with cells that need quotes, nor
 * with empty ones (" " for ""). Lives as long as the figure. */
const char *dsp_figure_text(DspFigure *figure, const char *text);
const char *dsp_figure_format(DspFigure *figure, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The header of the table (ended by NULL), then each row of it. The last two
 * columns, "title" and "inputs", are added. */
void dsp_figure_columns(DspFigure *figure, const char *const *keys);
void dsp_figure_row(DspFigure *figure, const DspValue *values);
void dsp_figure_bar(DspFigure *figure, const char *group, const char *label,
                    double value, const char *note);
/* A part of the bar that comes next. */
void dsp_figure_part(DspFigure *figure, const char *name, guint colour,
                     double value);

/* Between the parts of a line; no comma, for the reason above. */
#define DSP_PLOT_DOT " \302\267 "

/* Curves, colours, or cells in a row: more cannot be told apart. */
#define DSP_PLOT_MOST_SERIES 100

/* DSP_ERROR_USAGE: no value can be drawn; FALSE. */
gboolean dsp_figure_fail(const DspFigure *figure, GError **error);

/* --- rows ---------------------------------------------------------------- */

/* The rows of a picture. */
struct DspSelection {
  const DspRecords *records;
  GArray *rows;    /* guint: those that --where leaves and that can run */
  GArray *refused; /* guint: those that cannot */
};

/* Rows that have a value of each of `keys` (ended by NULL), which are numbers,
 * and meet the conditions ("KEY=VALUE") of `where` (or NULL). DSP_ERROR_USAGE
 * if there are none. To be cleared in any case. */
gboolean dsp_select(DspSelection *selection, const DspRecords *records,
                    const GPtrArray *where, const char *const *keys,
                    GError **error);
void dsp_selection_clear(DspSelection *selection);

/* The same for rows of `selection` and one more key. */
gboolean dsp_select_more(DspSelection *more, const DspSelection *selection,
                         const char *key, GError **error);

/* A number that dsp_select has checked. */
double dsp_select_number(const DspSelection *selection, guint row,
                         const char *key);

/* The different values of one or more keys ("method,cluster"), in order:
 * methods as they are listed, numbers by size, texts by letters. */
typedef struct {
  const char *keys;
  GPtrArray *values;  /* char *: "dsp, dgx-h100" */
  GHashTable *places; /* value -> index + 1 */
} DspFactor;

void dsp_factor_init(DspFactor *factor, const DspSelection *selection,
                     const char *keys);
void dsp_factor_clear(DspFactor *factor);
guint dsp_factor_of(const DspFactor *factor, const DspSelection *selection,
                    guint row);
/* Of the colour of a series: the place of a method in the list of all, that
 * pictures agree; of any other value its place here. */
guint dsp_factor_colour(const DspFactor *factor, guint value);

/* Keys of the job ("model", "dims.T") that have several values in rows that do
 * not differ in `keys` (a list with commas), as such a list; "" if none. The
 * caller frees. */
char *dsp_select_free_keys(const DspSelection *selection, const char *keys);
/* DSP_ERROR_USAGE "rows differ in ..., choose with --where"; FALSE. */
gboolean dsp_select_fail(const DspSelection *selection, const char *keys,
                         GError **error);
/* The first key of the job, of `candidates` (NULL: any dimension), that has
 * several values; NULL if none. Borrowed from the records. */
const char *dsp_select_varying(const DspSelection *selection,
                               const char *const *candidates);

/* "T=128", "8 GPUs", "batch 4", "dgx-h100". */
char *dsp_select_describe(const char *keys, const char *value);
/* What `key` is called on an axis: "GPUs", "T", "batch". */
const char *dsp_select_axis(DspFigure *figure, const char *key);
/* Says what is shown and of which inputs, of which `keys` are left out. */
void dsp_figure_head(DspFigure *figure, const DspSelection *selection,
                     const char *what, const char *keys);

/* Of each combination of values of `keys`, the row with most samples_per_s:
 * guint rows, in the order of rows. Free with g_array_unref. */
GArray *dsp_select_best(const DspSelection *selection, const char *keys);

/* "sp=8 dp=2" of a row; "" if all degrees are one. The caller frees. */
char *dsp_select_degrees(const DspSelection *selection, guint row);

/* --- points -------------------------------------------------------------- */

/* Of values greater than zero, for a logarithmic axis. */
typedef struct {
  double low, high;
} DspRange;

#define DSP_NO_RANGE                                                           \
  { INFINITY, 0 }

/* FALSE, and nothing done, if the value is not on such an axis. */
gboolean dsp_range_include(DspRange *range, double value);
/* Wider by shares of the range, which is taken to be at least a factor of
 * two. */
DspRange dsp_range_widened(DspRange range, double below, double above);
/* Moves values, the highest first, apart by a line of text on an axis of this
 * range and so many pixels. */
void dsp_range_spread(double *values, guint n, DspRange range, double pixels);

/* "dsp  sp=8" of a row: values of `keys`, and degrees. */
const char *dsp_figure_name(DspFigure *figure, const DspSelection *selection,
                            guint row, const char *keys);

static inline guint dsp_select_row(const GArray *rows, guint i) {
  return g_array_index(rows, guint, i);
}

/* --- shapes -------------------------------------------------------------- */

/* Curves in panels, drawn by curves.gp. */
typedef struct {
  const char *title; /* of the panel, where there are several curves */
  const char *name;  /* on the axis, with its unit */
  const char *unit;  /* of the bars of text */
  double (*value)(const DspSelection *selection, guint row);
  const char *limit; /* key of a line across, or NULL */
  double scale;      /* of the limit */
  gboolean logarithmic;
  gboolean relative; /* to the best a GPU of the smallest x */
} DspCurve;

typedef struct {
  const char *what;   /* the title */
  const char *x, *by; /* usual keys */
  const DspCurve *curves;
  guint n_curves;
  gboolean binary; /* x are bytes */
} DspCurves;

gboolean dsp_figure_curves(DspFigure *figure, const DspSelection *selection,
                           const DspCurves *curves, GError **error);

/* Parts of bars, drawn by bars.gp. */
typedef struct {
  const char *key, *label;
  guint colour;
} DspPart;

typedef struct {
  const char *what, *axis, *unit;
  const DspPart *parts; /* ended by a NULL key */
  double scale;         /* of the parts' values */
  gboolean a_sample;    /* times a step become times a sample */
  const char *limit;    /* key of a line across the bar, or NULL */
} DspStack;

gboolean dsp_figure_stacks(DspFigure *figure, const DspSelection *selection,
                           const DspStack *stack, GError **error);

#endif
