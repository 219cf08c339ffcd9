/* SPDX-License-Identifier: Apache-2.0 */
/* A page for people who decide: what was asked, what is best, why the rest is
 * not, and from which files that is known. It holds all that it shows, needs no
 * script, and can be printed. */
#ifndef DSP_REPORT_HTML_H
#define DSP_REPORT_HTML_H

#include "report/records.h"

typedef struct {
  const DspRecords *records;
  const char *title;      /* NULL: made from the inputs */
  const char *provenance; /* which dspsim, and when; NULL: not told */
} DspHtmlReport;

/* Appends the page. DSP_ERROR_INPUT: what is no number; DSP_ERROR_USAGE: there
 * are no predictions. `*undrawn` becomes why a picture is made of characters
 * (free it), NULL if none is. */
gboolean dsp_html_report(const DspHtmlReport *report, GString *out,
                         char **undrawn, GError **error);

/* --- parts --------------------------------------------------------------- */

/* Text from outside: the one way of it into a page. */
void dsp_html_text(GString *out, const char *text);
/* "<name>text</name>" and a new line; `name` may have attributes. */
void dsp_html_element(GString *out, const char *name, const char *text);

/* A table: its header (ended by NULL; a title that begins with ' ' is of
 * numbers); of each row its beginning, its cells from left to right, its end;
 * the table's end. */
void dsp_html_table(GString *out, const char *const *titles);
void dsp_html_row(GString *out, const char *class);
void dsp_html_cell(GString *out, gboolean number, const char *text);
void dsp_html_row_end(GString *out);
void dsp_html_table_end(GString *out);

/* Appends an SVG document as a part of a page: its elements that draw, with
 * their attributes and texts escaped anew, identifiers behind `prefix`. FALSE,
 * and nothing appended, if it is none. */
gboolean dsp_html_svg(GString *out, const char *svg, gsize length,
                      const char *prefix);

/* The beginning of a page up to its first heading, and its end. */
void dsp_html_begin(GString *out, const char *title);
void dsp_html_end(GString *out);

#endif
