/* SPDX-License-Identifier: Apache-2.0 */
#include "report/html.h"
#include "report/text.h"
#include <string.h>

/* --- text ---------------------------------------------------------------- */

void dsp_html_text(GString *out, const char *text) {
  static const DspStyle style = {.utf8 = TRUE};
  g_autofree char *clean = dsp_text_clean(&style, text);
  g_autofree char *escaped = g_markup_escape_text(clean, -1);
  g_string_append(out, escaped);
}

void dsp_html_element(GString *out, const char *name, const char *text) {
  g_string_append_printf(out, "<%s>", name);
  dsp_html_text(out, text);
  g_string_append_printf(out, "</%.*s>\n", (int)strcspn(name, " "), name);
}

/* --- tables -------------------------------------------------------------- */

void dsp_html_table(GString *out, const char *const *titles) {
  g_string_append(out, "<table>\n<thead><tr>");
  for (; *titles; titles++) {
    const gboolean number = **titles == ' ';
    g_string_append(out, number ? "<th class=\"n\">" : "<th>");
    dsp_html_text(out, *titles + number);
    g_string_append(out, "</th>");
  }
  g_string_append(out, "</tr></thead>\n<tbody>");
}

void dsp_html_row(GString *out, const char *class) {
  g_string_append(out, "\n<tr");
  if (class)
    g_string_append_printf(out, " class=\"%s\"", class);
  g_string_append_c(out, '>');
}

void dsp_html_cell(GString *out, gboolean number, const char *text) {
  g_string_append(out, number ? "<td class=\"n\">" : "<td>");
  dsp_html_text(out, text);
  g_string_append(out, "</td>");
}

void dsp_html_row_end(GString *out) {
  g_string_append(out, "</tr>");
}

void dsp_html_table_end(GString *out) {
  g_string_append(out, "\n</tbody></table>\n");
}

/* --- the page ------------------------------------------------------------ */

static const char style_sheet[] =
    "html{font:15px/1.5 Helvetica,Arial,'Liberation Sans',sans-serif;"
    "color:#1a1a1a;background:#fff}\n"
    "body{max-width:1000px;margin:2em auto;padding:0 1.2em}\n"
    "h1{font-size:1.75em;line-height:1.2;margin:0 0 .2em}\n"
    "h2{font-size:1.25em;margin:2em 0 .5em;padding-bottom:.2em;"
    "border-bottom:1px solid #ccc}\n"
    ".inputs{color:#555;margin:0 0 1.2em}\n"
    ".verdict{border-left:5px solid #0072b2;background:#f1f6fa;"
    "padding:.8em 1.1em;margin:1em 0}\n"
    ".verdict p{margin:.2em 0}\n"
    ".winner{font-size:1.3em;font-weight:bold}\n"
    ".facts{display:flex;flex-wrap:wrap;gap:.4em 1.8em;margin:.7em 0 0;"
    "padding:0}\n"
    ".facts div{min-width:5.4em}\n"
    ".facts dt{color:#555;font-size:.85em}\n"
    ".facts dd{margin:0;font-size:1.15em;font-variant-numeric:tabular-nums}\n"
    "table{border-collapse:collapse;width:100%;font-size:.92em;"
    "margin:.6em 0}\n"
    "th,td{text-align:left;vertical-align:top;padding:.28em .9em .28em 0;"
    "border-bottom:1px solid #e4e4e4}\n"
    "th{border-bottom:2px solid #999;font-weight:600;line-height:1.25;"
    "vertical-align:bottom}\n"
    ".n{text-align:right;font-variant-numeric:tabular-nums;"
    "white-space:nowrap}\n"
    "tr.best td{font-weight:bold;background:#f1f6fa}\n"
    ".hash{font:.85em 'DejaVu Sans Mono',Menlo,monospace;"
    "word-break:break-all}\n"
    "figure{margin:1.2em 0;overflow-x:auto}\n"
    "figure svg{max-width:100%;height:auto}\n"
    "pre{font:12px/1.25 'DejaVu Sans Mono',Menlo,monospace;overflow-x:auto}\n"
    ".note{color:#555;font-size:.92em}\n"
    "@page{margin:16mm}\n"
    "@media print{html{font-size:10pt}body{max-width:none;margin:0;padding:0}"
    "h2{break-after:avoid}figure,tr,.verdict{break-inside:avoid}"
    "thead{display:table-header-group}figure{overflow:visible}"
    ".verdict,tr.best td{print-color-adjust:exact;"
    "-webkit-print-color-adjust:exact}}\n";

/* The policy lets nothing be fetched or run, whatever the page holds. */
void dsp_html_begin(GString *out, const char *title) {
  g_string_append(
      out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n"
           "<meta charset=\"utf-8\">\n"
           "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src "
           "'none'; style-src 'unsafe-inline'\">\n"
           "<meta name=\"viewport\" "
           "content=\"width=device-width,initial-scale=1\">\n");
  dsp_html_element(out, "title", title);
  g_string_append_printf(out, "<style>\n%s</style>\n</head>\n<body>\n",
                         style_sheet);
}

void dsp_html_end(GString *out) {
  g_string_append(out, "</body>\n</html>\n");
}
