/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of text for people: aligned columns under '#' header lines as in
 * nccl-tests, one unit a column. */
#ifndef DSP_REPORT_TEXT_H
#define DSP_REPORT_TEXT_H

#include "report/report.h"

enum { DSP_TEXT_WIDTH = 100 };

/* A unit for the numbers of one column: value / divisor, with so many
 * decimals. */
typedef struct {
  double divisor;
  const char *unit;
  int decimals;
} DspScale;

/* Chosen so that the least positive value of the column, in seconds, bytes or
 * anything (k, M, G), has three digits. */
DspScale dsp_scale_time(double least);
DspScale dsp_scale_bytes(double least);
DspScale dsp_scale_number(double least);
/* The smaller of two values that are not zero; start with 0. */
double dsp_scale_least(double a, double b);
/* "12.3"; the caller frees. */
char *dsp_scale_format(const DspScale *scale, double value);
/* "12.3 ms": the value with its own scale. The callers free. */
char *dsp_text_time(double seconds);
char *dsp_text_bytes(double bytes);
char *dsp_text_number(double number);

/* `text` without control characters, which a terminal would obey, and in ASCII
 * if the style is. The caller frees. */
char *dsp_text_clean(const DspStyle *style, const char *text);
/* Appends `text`, cleaned, in lines of at most DSP_TEXT_WIDTH columns; the
 * first begins at column `at`, where `out` already stands, the others are
 * indented to it behind `prefix` (""). Ends with a new line. */
void dsp_text_wrap(GString *out, const DspStyle *style, const char *prefix,
                   guint at, const char *text);

/* "  key            text", wrapped. */
void dsp_text_line(GString *out, const DspStyle *style, const char *key,
                   const char *format, ...) G_GNUC_PRINTF(4, 5);

typedef enum { DSP_TEXT_PLAIN, DSP_TEXT_BEST, DSP_TEXT_DIM } DspTextColour;
/* Starts a colour, if there are any; DSP_TEXT_PLAIN ends it. */
void dsp_text_colour(GString *out, const DspStyle *style, DspTextColour colour);

/* A table of cells. */
typedef struct {
  const char *title, *unit; /* unit: "" for none */
  gboolean left;            /* aligned */
} DspTextColumn;

typedef struct DspGrid DspGrid;

/* The columns are copied, their strings are not. Free with dsp_grid_free. */
DspGrid *dsp_grid_new(const DspStyle *style, const DspTextColumn *columns,
                      guint n);
void dsp_grid_free(DspGrid *grid);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DspGrid, dsp_grid_free)
/* The next cell, from left to right, row after row. */
void dsp_grid_cell(DspGrid *grid, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* The same with a scaled number; "-" if it is not finite. */
void dsp_grid_number(DspGrid *grid, const DspScale *scale, double value);
/* Marks the row that was begun last. */
void dsp_grid_colour(DspGrid *grid, DspTextColour colour);
/* Header lines and rows. Where they would be too wide, columns stand closer
 * together, or the last one is cut if it is text. */
void dsp_grid_print(DspGrid *grid, GString *out);

#endif
