/* SPDX-License-Identifier: Apache-2.0 */
/* Text for people: each report writes its own, from the parts of text.h. */
#include "report/text.h"
#include <math.h>
#include <string.h>

/* --- units --------------------------------------------------------------- */

typedef struct {
  double divisor;
  const char *unit;
} Unit;

static const Unit times[] = {{1e-6, "us"}, {1e-3, "ms"}, {1, "s"}, {0, NULL}};
static const Unit sizes[] = {{1, "B"},
                             {1024.0, "KiB"},
                             {1024.0 * 1024, "MiB"},
                             {1024.0 * 1024 * 1024, "GiB"},
                             {1024.0 * 1024 * 1024 * 1024, "TiB"},
                             {0, NULL}};
static const Unit numbers[] = {{1, ""},     {1e3, "k"},  {1e6, "M"},
                               {1e9, "G"},  {1e12, "T"}, {1e15, "P"},
                               {1e18, "E"}, {0, NULL}};

/* The largest unit of which the value is at least one. */
static DspScale scale_by(const Unit *unit, double least) {
  while (unit[1].unit && fabs(least) >= unit[1].divisor)
    unit++;
  DspScale scale = {unit->divisor, unit->unit, 0};
  const double value = fabs(least) / unit->divisor;
  for (double digits = 100; scale.decimals < 6 && value < digits; digits /= 10)
    scale.decimals++;
  return scale;
}

DspScale dsp_scale_time(double least) {
  return scale_by(times, least);
}

DspScale dsp_scale_bytes(double least) {
  DspScale scale = scale_by(sizes, least);
  if (scale.divisor == 1)
    scale.decimals = 0;
  return scale;
}

DspScale dsp_scale_number(double least) {
  return scale_by(numbers, least);
}

double dsp_scale_least(double a, double b) {
  return a > 0 && (a < b || !(b > 0)) ? a : b;
}

char *dsp_scale_format(const DspScale *scale, double value) {
  return g_strdup_printf("%.*f", scale->decimals, value / scale->divisor);
}

static char *with_unit(DspScale scale, double value) {
  return g_strdup_printf("%.*f %s", value == 0 ? 0 : scale.decimals,
                         value / scale.divisor, scale.unit);
}

char *dsp_text_time(double seconds) {
  return with_unit(dsp_scale_time(seconds), seconds);
}

char *dsp_text_bytes(double bytes) {
  return with_unit(dsp_scale_bytes(bytes), bytes);
}

char *dsp_text_number(double number) {
  return g_strchomp(with_unit(dsp_scale_number(number), number));
}

/* --- words --------------------------------------------------------------- */

char *dsp_text_clean(const DspStyle *style, const char *text) {
  g_autofree char *valid = g_utf8_make_valid(text, -1);
  g_autofree char *ascii =
      style->utf8 ? g_strdup(valid) : g_str_to_ascii(valid, "C");
  GString *clean = g_string_new(NULL);
  for (const char *s = ascii; *s; s = g_utf8_next_char(s)) {
    const gunichar c = g_utf8_get_char(s);
    g_string_append_unichar(clean, g_unichar_isprint(c) ? c : '?');
  }
  return g_string_free(clean, FALSE);
}

void dsp_text_wrap(GString *out, const DspStyle *style, const char *prefix,
                   guint at, const char *text) {
  g_autofree char *clean = dsp_text_clean(style, text);
  g_auto(GStrv) words = g_strsplit(clean, " ", -1);
  guint column = at;
  for (char **word = words; *word; word++) {
    const guint width = (guint)g_utf8_strlen(*word, -1);
    if (column > at && column + 1 + width > DSP_TEXT_WIDTH) {
      g_string_append_printf(out, "\n%-*s", (int)at, prefix);
      column = at;
    }
    g_string_append_printf(out, "%s%s", column > at ? " " : "", *word);
    column += width + (column > at);
  }
  g_string_append_c(out, '\n');
}

void dsp_text_line(GString *out, const DspStyle *style, const char *key,
                   const char *format, ...) {
  enum { KEY = 14 };
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *text = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  g_string_append_printf(out, "  %-*s ", KEY, key);
  dsp_text_wrap(out, style, "", KEY + 3, text);
}

void dsp_text_colour(GString *out, const DspStyle *style,
                     DspTextColour colour) {
  static const char *const codes[] = {"0", "1;32", "2"};
  if (style->colour)
    g_string_append_printf(out, "\033[%sm", codes[colour]);
}

/* --- grids --------------------------------------------------------------- */

struct DspGrid {
  const DspStyle *style;
  DspTextColumn *columns;
  guint n;
  int *widths;      /* of the columns, once they are known */
  const char *gap;  /* between columns */
  GPtrArray *cells; /* char *, row by row */
  GArray *colours;  /* DspTextColour of each row */
};

DspGrid *dsp_grid_new(const DspStyle *style, const DspTextColumn *columns,
                      guint n) {
  DspGrid *grid = g_new0(DspGrid, 1);
  grid->style = style;
  grid->columns = g_memdup2(columns, n * sizeof *columns);
  grid->n = n;
  grid->widths = g_new0(int, n);
  grid->cells = g_ptr_array_new_with_free_func(g_free);
  grid->colours = g_array_new(FALSE, TRUE, sizeof(DspTextColour));
  return grid;
}

void dsp_grid_free(DspGrid *grid) {
  if (!grid)
    return;
  g_free(grid->columns);
  g_free(grid->widths);
  g_ptr_array_free(grid->cells, TRUE);
  g_array_free(grid->colours, TRUE);
  g_free(grid);
}

void dsp_grid_cell(DspGrid *grid, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *text = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  if (grid->cells->len % grid->n == 0)
    g_array_set_size(grid->colours, grid->colours->len + 1);
  g_ptr_array_add(grid->cells, dsp_text_clean(grid->style, text));
}

void dsp_grid_number(DspGrid *grid, const DspScale *scale, double value) {
  g_autofree char *text =
      isfinite(value) ? dsp_scale_format(scale, value) : g_strdup("-");
  dsp_grid_cell(grid, "%s", text);
}

void dsp_grid_colour(DspGrid *grid, DspTextColour colour) {
  g_array_index(grid->colours, DspTextColour, grid->colours->len - 1) = colour;
}

static char *unit_of(const DspTextColumn *column) {
  return *column->unit ? g_strdup_printf("(%s)", column->unit) : g_strdup("");
}

static int width_of(const DspGrid *grid, guint column) {
  g_autofree char *unit = unit_of(&grid->columns[column]);
  glong width =
      MAX((glong)strlen(grid->columns[column].title), (glong)strlen(unit));
  for (guint i = column; i < grid->cells->len; i += grid->n)
    width = MAX(width, g_utf8_strlen(grid->cells->pdata[i], -1));
  return (int)width;
}

static void add_cell(const DspGrid *grid, guint column, const char *text,
                     GString *out) {
  const int gap = grid->widths[column] - (int)g_utf8_strlen(text, -1);
  const gboolean left = grid->columns[column].left;
  g_string_append_printf(out, "%s%*s%s%*s", column ? grid->gap : "",
                         left ? 0 : gap, "", text, left ? gap : 0, "");
}

/* No line ends in blanks. */
static void trim(GString *out) {
  while (out->len && out->str[out->len - 1] == ' ')
    g_string_truncate(out, out->len - 1);
}

static void end_line(GString *out) {
  trim(out);
  g_string_append_c(out, '\n');
}

static void add_header(const DspGrid *grid, GString *out) {
  gboolean units = FALSE;
  g_string_append(out, "# ");
  for (guint i = 0; i < grid->n; i++) {
    add_cell(grid, i, grid->columns[i].title, out);
    units |= *grid->columns[i].unit != '\0';
  }
  end_line(out);
  if (!units)
    return;
  g_string_append(out, "# ");
  for (guint i = 0; i < grid->n; i++) {
    g_autofree char *unit = unit_of(&grid->columns[i]);
    add_cell(grid, i, unit, out);
  }
  end_line(out);
}

/* The colour ends with the line. */
static void add_row(const DspGrid *grid, guint row, GString *out) {
  const DspTextColour colour = g_array_index(grid->colours, DspTextColour, row);
  char *const *cells = (char *const *)grid->cells->pdata + row * grid->n;
  g_string_append(out, "  ");
  if (colour)
    dsp_text_colour(out, grid->style, colour);
  for (guint i = 0; i < grid->n; i++)
    add_cell(grid, i, cells[i], out);
  trim(out);
  if (colour)
    dsp_text_colour(out, grid->style, DSP_TEXT_PLAIN);
  g_string_append_c(out, '\n');
}

/* Cuts the last column, if it is text, so that the line ends in time. */
static void cut(DspGrid *grid, int too_wide) {
  enum { LEAST = 8 };
  const int left = MAX(grid->widths[grid->n - 1] - too_wide, LEAST);
  grid->widths[grid->n - 1] = left;
  for (guint i = grid->n - 1; i < grid->cells->len; i += grid->n) {
    char *cell = grid->cells->pdata[i];
    if (g_utf8_strlen(cell, -1) <= left)
      continue;
    g_autofree char *start = g_utf8_substring(cell, 0, left - 3);
    grid->cells->pdata[i] = g_strconcat(start, "...", NULL);
    g_free(cell);
  }
}

static void fit(DspGrid *grid) {
  enum { ENOUGH = 16 };
  const gboolean text = grid->columns[grid->n - 1].left;
  int excess = -DSP_TEXT_WIDTH;
  for (guint i = 0; i < grid->n; i++) {
    grid->widths[i] = width_of(grid, i);
    excess += grid->widths[i] + 2; /* the margin, or the gap before it */
  }
  grid->gap = "  ";
  if (excess > 0 && (!text || grid->widths[grid->n - 1] - excess < ENOUGH)) {
    grid->gap = " ";
    excess -= (int)grid->n - 1;
  }
  if (excess > 0 && text)
    cut(grid, excess);
}

void dsp_grid_print(DspGrid *grid, GString *out) {
  fit(grid);
  add_header(grid, out);
  for (guint i = 0; i < grid->colours->len; i++)
    add_row(grid, i, out);
}

/* --- the format ---------------------------------------------------------- */

static void write(const DspReport *report, const DspStyle *style,
                  GString *out) {
  const DspTable *provenance = report->provenance;
  for (guint i = 0; provenance && i < provenance->columns->len; i++) {
    const DspColumn *column = dsp_column(provenance->columns, i);
    const DspValue value = column->get(provenance->rows->pdata[0], i);
    g_string_append_printf(out, "# %-7s  %s\n", column->key, value.string);
  }
  report->text(report, style, out);
}

const DspFormat dsp_format_text = {"text", ".txt", write};
