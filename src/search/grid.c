/* SPDX-License-Identifier: Apache-2.0 */
#include "search/grid.h"
#include "base/error.h"
#include "base/units.h"
#include <string.h>

/* --- the values of one parameter ----------------------------------------- */

/* "FROM..TO:xFACTOR" or "FROM..TO:+STEP". */
typedef struct {
  int64_t from, to, by;
  gboolean times;
} Range;

static gboolean parse_number(const char *text, int64_t *number) {
  return dsp_parse_count(text, DSP_UNITS_COMMAND_LINE, number, NULL);
}

static gboolean parse_by(const char *text, Range *range) {
  range->times = *text == 'x';
  return (*text == 'x' || *text == '+') && parse_number(text + 1, &range->by) &&
         range->by > range->times;
}

/* A range begins with a digit and has two dots, which paths have not. */
static gboolean is_range(const char *item) {
  return g_ascii_isdigit(*item) && strstr(item, "..");
}

static gboolean parse_range(const char *item, Range *range, GError **error) {
  g_auto(GStrv) parts = g_strsplit(item, ":", 2);
  g_auto(GStrv) ends = g_strsplit(parts[0], "..", 2);
  *range = (Range){.by = 1};
  if (parse_number(ends[0], &range->from) &&
      parse_number(ends[1], &range->to) &&
      (!parts[1] || parse_by(parts[1], range)) && range->from <= range->to &&
      (!range->times || range->from > 0))
    return TRUE;
  g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE,
              "'%s' is not a range such as 8..1024:x2 or 1..9:+2", item);
  return FALSE;
}

static gboolean add_value(GPtrArray *values, char *value, GError **error) {
  g_ptr_array_add(values, value);
  if (values->len <= DSP_MAX_VALUES)
    return TRUE;
  g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE, "has more than %d values",
              DSP_MAX_VALUES);
  return FALSE;
}

static gboolean next_of_range(const Range *range, int64_t *number) {
  int64_t next;
  const gboolean fits = range->times ? dsp_mul_int64(*number, range->by, &next)
                                     : dsp_add_int64(*number, range->by, &next);
  if (!fits || next > range->to)
    return FALSE;
  *number = next;
  return TRUE;
}

static gboolean add_range(GPtrArray *values, const char *item, GError **error) {
  Range range;
  if (!parse_range(item, &range, error))
    return FALSE;
  int64_t number = range.from;
  do
    if (!add_value(values, g_strdup_printf("%" G_GINT64_FORMAT, number), error))
      return FALSE;
  while (next_of_range(&range, &number));
  return TRUE;
}

static gboolean add_item(GPtrArray *values, const char *item, GError **error) {
  if (!*item) {
    g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE, "a value is missing");
    return FALSE;
  }
  return is_range(item) ? add_range(values, item, error)
                        : add_value(values, g_strdup(item), error);
}

static void varied_free(gpointer data) {
  DspVaried *varied = data;
  g_free(varied->name);
  g_ptr_array_unref(varied->values);
  g_free(varied);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DspVaried, varied_free)

static DspVaried *varied_new(const char *spec, GError **error) {
  const char *equals = strchr(spec, '=');
  if (!equals || equals == spec) {
    g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE,
                "'%s' is not NAME=VALUE,... such as gpus=8..128:x2", spec);
    return NULL;
  }
  g_autoptr(DspVaried) varied = g_new(DspVaried, 1);
  varied->name = g_strndup(spec, (gsize)(equals - spec));
  varied->values = g_ptr_array_new_with_free_func(g_free);
  g_auto(GStrv) items = g_strsplit(equals + 1, ",", -1);
  gboolean added = *items || add_item(varied->values, "", error);
  for (char **item = items; added && *item; item++)
    added = add_item(varied->values, *item, error);
  if (added)
    return g_steal_pointer(&varied);
  g_prefix_error(error, "%s: ", varied->name);
  return NULL;
}

/* --- the grid ------------------------------------------------------------ */

static guint n_values(const DspSweepGrid *grid, guint i) {
  return dsp_sweep_grid_varied(grid, i)->values->len;
}

static gboolean is_new(const DspSweepGrid *grid, const char *name,
                       GError **error) {
  for (guint i = 0; i < grid->varied->len; i++)
    if (g_str_equal(dsp_sweep_grid_varied(grid, i)->name, name)) {
      g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE, "%s is varied twice",
                  name);
      return FALSE;
    }
  return TRUE;
}

/* The parameter's values, beside or times those that there are. */
static gboolean count_cells(DspSweepGrid *grid, guint i, GError **error) {
  const DspVaried *varied = dsp_sweep_grid_varied(grid, i);
  if (i == 0 || (grid->zip && grid->cells == n_values(grid, i))) {
    grid->cells = n_values(grid, i);
    return TRUE;
  }
  if (grid->zip)
    g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE,
                "%s has %u values and %s has %u, they cannot go along together",
                dsp_sweep_grid_varied(grid, 0)->name, n_values(grid, 0),
                varied->name, n_values(grid, i));
  else if (dsp_mul_int64(grid->cells, n_values(grid, i), &grid->cells))
    return TRUE;
  else
    g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE, "too many combinations");
  return FALSE;
}

static gboolean add_varied(DspSweepGrid *grid, const char *spec,
                           GError **error) {
  DspVaried *varied = varied_new(spec, error);
  if (!varied)
    return FALSE;
  const gboolean new = is_new(grid, varied->name, error);
  g_ptr_array_add(grid->varied, varied);
  return new &&count_cells(grid, grid->varied->len - 1, error);
}

DspSweepGrid *dsp_sweep_grid_new(const GPtrArray *specs, gboolean zip,
                                 GError **error) {
  g_autoptr(DspSweepGrid) grid = g_new0(DspSweepGrid, 1);
  grid->varied = g_ptr_array_new_with_free_func(varied_free);
  grid->zip = zip;
  grid->cells = 1;
  for (guint i = 0; i < specs->len; i++)
    if (!add_varied(grid, specs->pdata[i], error))
      return NULL;
  return g_steal_pointer(&grid);
}

void dsp_sweep_grid_free(DspSweepGrid *grid) {
  if (!grid)
    return;
  g_ptr_array_unref(grid->varied);
  g_free(grid);
}

/* Neighbouring cells with the same value of parameter `i`. */
static int64_t run_of(const DspSweepGrid *grid, guint i) {
  int64_t cells = 1;
  for (guint j = i + 1; !grid->zip && j < grid->varied->len; j++)
    cells *= n_values(grid, j);
  return cells;
}

guint dsp_sweep_grid_index(const DspSweepGrid *grid, guint i, int64_t cell) {
  return (guint)(cell / run_of(grid, i) % n_values(grid, i));
}

int64_t dsp_sweep_grid_share(const DspSweepGrid *grid, guint i) {
  return grid->cells / n_values(grid, i);
}

int64_t dsp_sweep_grid_cell(const DspSweepGrid *grid, guint i, guint index,
                            int64_t k) {
  const int64_t run = run_of(grid, i);
  return (k / run * n_values(grid, i) + index) * run + k % run;
}

const char *dsp_sweep_grid_value(const DspSweepGrid *grid, guint i,
                                 int64_t cell) {
  const guint index = dsp_sweep_grid_index(grid, i, cell);
  return dsp_sweep_grid_varied(grid, i)->values->pdata[index];
}
