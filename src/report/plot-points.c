/* SPDX-License-Identifier: Apache-2.0 */
/* What pictures of points share. */
#include "report/plot-private.h"
#include <math.h>

gboolean dsp_range_include(DspRange *range, double value) {
  if (!isfinite(value) || value <= 0)
    return FALSE;
  range->low = MIN(range->low, value);
  range->high = MAX(range->high, value);
  return TRUE;
}

DspRange dsp_range_widened(DspRange range, double below, double above) {
  const double ratio = MAX(range.high / range.low, 2);
  return (DspRange){range.low / pow(ratio, below),
                    range.high * pow(ratio, above)};
}

const char *dsp_figure_name(DspFigure *figure, const DspSelection *selection,
                            guint row, const char *keys) {
  g_auto(GStrv) list = g_strsplit(keys, ",", -1);
  g_autofree char *degrees = dsp_select_degrees(selection, row);
  g_autoptr(GString) name = g_string_new(NULL);
  for (char **key = list; *key; key++) {
    const char *value =
        **key ? dsp_record_text(selection->records, row, *key) : NULL;
    g_autofree char *words = value ? dsp_select_describe(*key, value) : NULL;
    if (words)
      g_string_append_printf(name, "%s%s", name->len ? DSP_PLOT_DOT : "",
                             words);
  }
  return dsp_figure_format(figure, "%s%s%s", name->str, *degrees ? "  " : "",
                           degrees);
}

void dsp_range_spread(double *values, guint n, DspRange range, double height) {
  const double line = 16 * log(range.high / range.low) / height;
  for (guint i = 1; i < n; i++)
    values[i] = MIN(values[i], values[i - 1] * exp(-line));
}
