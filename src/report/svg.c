/* SPDX-License-Identifier: Apache-2.0 */
#include "report/svg.h"
#include "report/text.h"

void dsp_svg_escaped(GString *out, const char *text) {
  static const DspStyle style = {.utf8 = TRUE};
  g_autofree char *clean = dsp_text_clean(&style, text);
  g_autofree char *escaped = g_markup_escape_text(clean, -1);
  g_string_append(out, escaped);
}

void dsp_svg_text(GString *out, double x, double y, int size,
                  const char *attributes, const char *text) {
  g_string_append_printf(out, "<text x=\"%.1f\" y=\"%.1f\" font-size=\"%d\"%s>",
                         x, y, size, attributes);
  dsp_svg_escaped(out, text);
  g_string_append(out, "</text>\n");
}

void dsp_svg_head(GString *out, double width, double height, const char *title,
                  const char *description) {
  g_string_append_printf(
      out,
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" "
      "height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\" role=\"img\" "
      "font-family=\"Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', "
      "sans-serif\" fill=\"#1a1a1a\">\n<title>",
      width, height, width, height);
  dsp_svg_escaped(out, title);
  g_string_append(out, "</title>\n<desc>");
  dsp_svg_escaped(out, description);
  g_string_append(out, "</desc>\n<rect width=\"100%\" height=\"100%\" "
                       "fill=\"#ffffff\"/>\n");
}
