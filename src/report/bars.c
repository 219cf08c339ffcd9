/* SPDX-License-Identifier: Apache-2.0 */
/* Bars of characters: a figure where there is no gnuplot. */
#include "report/plot-private.h"
#include "report/text.h"
#include <math.h>
#include <string.h>

enum { LEAST_BAR = 10 };

typedef struct {
  const DspStyle *style;
  guint label, bar; /* columns */
  double longest;
} Layout;

static guint width_of(const char *text) {
  return (guint)g_utf8_strlen(text, -1);
}

/* In eighths of a character where there are such. */
static void add_bar(GString *out, const Layout *layout, double value) {
  static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const double length = value / layout->longest * layout->bar;
  const guint whole = (guint)length;
  const guint rest = (guint)((length - whole) * 8);
  for (guint i = 0; i < whole; i++)
    g_string_append(out, layout->style->utf8 ? "█" : "#");
  if (layout->style->utf8)
    g_string_append(out, eighths[rest]);
  else if (whole == 0 && rest > 0)
    g_string_append_c(out, '|');
}

static void add_line(GString *out, const Layout *layout, const DspBar *bar) {
  const DspStyle *style = layout->style;
  g_autofree char *label = dsp_text_clean(style, bar->label);
  g_autofree char *note = dsp_text_clean(style, bar->note);
  g_string_append_printf(out, "  %s%*s  ", label,
                         (int)(layout->label - width_of(label)), "");
  if (isfinite(bar->value) && bar->value > 0)
    add_bar(out, layout, bar->value);
  g_string_append_printf(out, " %s\n", note);
}

static Layout layout_of(const DspFigure *figure, const DspStyle *style,
                        guint columns) {
  Layout layout = {.style = style};
  guint note = 0;
  for (guint i = 0; i < figure->bars->len; i++) {
    const DspBar *bar = &g_array_index(figure->bars, DspBar, i);
    g_autofree char *label = dsp_text_clean(style, bar->label);
    layout.label = MAX(layout.label, width_of(label));
    if (!isfinite(bar->value))
      continue;
    note = MAX(note, width_of(bar->note));
    layout.longest = MAX(layout.longest, bar->value);
  }
  const guint taken = layout.label + note + 6;
  layout.bar = columns > taken + LEAST_BAR ? columns - taken : LEAST_BAR;
  return layout;
}

static void add_heading(GString *out, const DspStyle *style,
                        const char *heading) {
  g_autofree char *clean = dsp_text_clean(style, heading);
  if (*clean)
    g_string_append_printf(out, "# %s\n", clean);
}

void dsp_figure_bars(const DspFigure *figure, const DspStyle *style,
                     guint columns, GString *out) {
  const Layout layout = layout_of(figure, style, columns);
  const char *group = NULL;
  add_heading(out, style, figure->title);
  add_heading(out, style, figure->inputs);
  add_heading(out, style, figure->unit);
  for (guint i = 0; i < figure->bars->len; i++) {
    const DspBar *bar = &g_array_index(figure->bars, DspBar, i);
    if (bar->group && g_strcmp0(bar->group, group) != 0)
      add_heading(out, style, bar->group);
    group = bar->group;
    add_line(out, &layout, bar);
  }
}
