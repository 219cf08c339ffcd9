/* SPDX-License-Identifier: Apache-2.0 */
/* What pictures that are written as SVG share. Lengths in pixels. */
#ifndef DSP_REPORT_SVG_H
#define DSP_REPORT_SVG_H

#include <glib.h>

/* The one way of text from outside into the document. */
void dsp_svg_escaped(GString *out, const char *text);

/* `attributes`: further ones, each after a blank, or "". */
void dsp_svg_text(GString *out, double x, double y, int size,
                  const char *attributes, const char *text);

/* The document up to its white ground; it ends with "</svg>\n". */
void dsp_svg_head(GString *out, double width, double height, const char *title,
                  const char *description);

#endif
