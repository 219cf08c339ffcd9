/* SPDX-License-Identifier: Apache-2.0 */
/* Strings of files and of the user reach gnuplot as data only: in the CSV file,
 * and as file names in its single quotes, where nothing is special but the
 * quote. */
#include "base/error.h"
#include "base/paths.h"
#include "report/plot-private.h"
#include "report/text.h"
#include <glib/gstdio.h>
#include <string.h>

/* --- kinds --------------------------------------------------------------- */

const DspPlotKind *const dsp_plot_kinds[] = {
    &dsp_plot_scaling,   &dsp_plot_breakdown,
    &dsp_plot_volume,    &dsp_plot_memory,
    &dsp_plot_crossover, &dsp_plot_roofline,
    &dsp_plot_pareto,    &dsp_plot_busbw,
    &dsp_plot_score,     NULL};

const DspPlotKind *dsp_plot_kind_find(const char *name) {
  for (const DspPlotKind *const *kind = dsp_plot_kinds; *kind; kind++)
    if (strcmp((*kind)->name, name) == 0)
      return *kind;
  return NULL;
}

static gboolean varies(const DspRecords *records, const char *key) {
  for (guint i = 1; i < dsp_records_n(records); i++)
    if (g_strcmp0(dsp_record_text(records, i, key),
                  dsp_record_text(records, 0, key)) != 0)
      return TRUE;
  return FALSE;
}

const DspPlotKind *dsp_plot_kind_for(const DspRecords *records) {
  if (dsp_records_has(records, "busbw_GBps"))
    return &dsp_plot_busbw;
  if (dsp_records_has(records, "measured"))
    return &dsp_plot_score;
  return varies(records, "gpus") ? &dsp_plot_scaling : &dsp_plot_breakdown;
}

/* --- the figure ---------------------------------------------------------- */

const char *dsp_figure_text(DspFigure *figure, const char *text) {
  static const DspStyle style = {.utf8 = TRUE};
  enum { LONGEST = 160 };
  g_autofree char *clean = dsp_text_clean(&style, text);
  const gboolean is_long = g_utf8_strlen(clean, -1) > LONGEST;
  g_autofree char *start =
      g_utf8_substring(clean, 0, is_long ? LONGEST : g_utf8_strlen(clean, -1));
  g_autofree char *shown = g_strconcat(start, is_long ? " ..." : "", NULL);
  g_strdelimit(shown, "\"", '\'');
  g_strdelimit(shown, ",", ';');
  return g_string_chunk_insert(figure->texts, *shown ? shown : " ");
}

const char *dsp_figure_format(DspFigure *figure, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *text = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  return dsp_figure_text(figure, text);
}

static DspValue get_cell(gconstpointer row, guint index) {
  return ((const DspValue *)row)[index];
}

static const char *const head_keys[] = {"title", "inputs"};

void dsp_figure_columns(DspFigure *figure, const char *const *keys) {
  const guint n = g_strv_length((char **)keys);
  dsp_table_add_group(figure->table, NULL, keys, n, get_cell);
  for (guint i = 0; i < G_N_ELEMENTS(head_keys); i++) {
    const DspColumn column = {NULL, head_keys[i], get_cell, n + i};
    g_array_append_val(figure->table->columns, column);
  }
}

void dsp_figure_row(DspFigure *figure, const DspValue *values) {
  const guint n = figure->table->columns->len;
  DspValue *row = g_new(DspValue, n);
  memcpy(row, values, (n - 2) * sizeof *row);
  row[n - 2] = dsp_string(figure->title);
  row[n - 1] = dsp_string(figure->inputs);
  g_ptr_array_add(figure->cells, row);
  dsp_table_add_row(figure->table, row);
}

void dsp_figure_bar(DspFigure *figure, const char *group, const char *label,
                    double value, const char *note) {
  DspBar bar = {group, label, note, value, figure->parts->len};
  for (guint i = 0; i < figure->bars->len; i++)
    bar.parts -= g_array_index(figure->bars, DspBar, i).parts;
  g_array_append_val(figure->bars, bar);
}

void dsp_figure_part(DspFigure *figure, const char *name, guint colour,
                     double value) {
  const DspBarPart part = {name, colour, value};
  g_array_append_val(figure->parts, part);
}

gboolean dsp_figure_fail(const DspFigure *figure, GError **error) {
  g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE,
              "nothing to draw as '%s': no value is above zero",
              figure->kind->name);
  return FALSE;
}

static gboolean fill(DspFigure *figure, GError **error) {
  const DspPlotKind *kind = figure->kind;
  DspSelection selection;
  const gboolean done = dsp_select(&selection, figure->records,
                                   figure->request->where, kind->keys, error) &&
                        kind->fill(figure, &selection, error);
  dsp_selection_clear(&selection);
  return done;
}

DspFigure *dsp_figure_new(const DspPlotKind *kind, const DspRecords *records,
                          const DspPlotRequest *request, GError **error) {
  DspFigure *figure = g_new0(DspFigure, 1);
  figure->kind = kind;
  figure->records = records;
  figure->request = request;
  figure->table = dsp_table_new(NULL);
  figure->bars = g_array_new(FALSE, FALSE, sizeof(DspBar));
  figure->parts = g_array_new(FALSE, FALSE, sizeof(DspBarPart));
  figure->cells = g_ptr_array_new_with_free_func(g_free);
  figure->texts = g_string_chunk_new(1024);
  if (!fill(figure, error))
    g_clear_pointer(&figure, dsp_figure_free);
  return figure;
}

void dsp_figure_free(DspFigure *figure) {
  if (!figure)
    return;
  dsp_table_free(figure->table);
  g_array_unref(figure->bars);
  g_array_unref(figure->parts);
  g_ptr_array_unref(figure->cells);
  g_string_chunk_free(figure->texts);
  g_free(figure);
}

/* --- the program --------------------------------------------------------- */

/* What a suffix asks for. */
typedef struct {
  const char *suffix, *terminal;
  double unit; /* pixels of SVG in a unit of its size */
} Terminal;

static const Terminal terminals[] = {
    {".svg", "svg font 'Helvetica,Arial,sans-serif,13' background '#ffffff'",
     1},
    {".png",
     "pngcairo font 'Helvetica,13' fontscale 1.125 linewidth 1.5 "
     "pointscale 1.5 background '#ffffff'",
     2. / 3},
    {".pdf", "pdfcairo font 'Helvetica,10' linewidth 1.2", 96},
};

static const Terminal *find_terminal(const char *file) {
  for (guint i = 0; i < G_N_ELEMENTS(terminals); i++)
    if (g_str_has_suffix(file, terminals[i].suffix))
      return &terminals[i];
  return NULL;
}

gboolean dsp_plot_check_file(const char *file, const char *option,
                             GError **error) {
  const char *wrong = NULL;
  for (const char *c = file; *c; c++)
    if (g_ascii_iscntrl(*c))
      wrong = "has control characters";
  if (!find_terminal(file))
    wrong = "ends with none of .svg, .png, .pdf";
  if (!wrong)
    return TRUE;
  g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE, "option '--%s': '%s' %s",
              option, file, wrong);
  return FALSE;
}

/* The path of a file in this folder as a string of gnuplot. */
static char *quote(const char *path) {
  g_auto(GStrv) parts = g_strsplit(path, "'", -1);
  g_autofree char *doubled = g_strjoinv("''", parts);
  return g_strconcat("'", doubled, "'", NULL);
}

static gboolean add_program(GString *out, const char *file, GError **error) {
  g_autofree char *path = dsp_find_file("plots", file, error);
  g_autofree char *body = NULL;
  if (!path)
    return FALSE;
  if (!g_file_get_contents(path, &body, NULL, NULL)) {
    g_set_error(error, DSP_ERROR, DSP_ERROR_EXTERNAL, "cannot read '%s'", path);
    return FALSE;
  }
  g_string_append_c(out, '\n');
  g_string_append(out, body);
  return TRUE;
}

static char *terminal_of(const DspFigure *figure, const Terminal *t) {
  return g_strdup_printf("%s size %g,%g", t->terminal, figure->width / t->unit,
                         figure->height / t->unit);
}

/* `output`: NULL for the standard output. `height`: in pixels of SVG. */
static char *program_of(const DspFigure *figure, const char *terminal,
                        double height, const char *output, const char *data,
                        GError **error) {
  g_autofree char *image = output ? quote(output) : NULL;
  g_autofree char *quoted = quote(data);
  g_autoptr(GString) program = g_string_new(NULL);
  g_string_printf(program,
                  "# To draw this again: gnuplot -d FILE\n"
                  "set terminal %s\n",
                  terminal);
  if (image)
    g_string_append_printf(program, "set output %s\n", image);
  g_string_append_printf(program, "data = %s\nheight = %g\n", quoted, height);
  return add_program(program, "style.gp", error) &&
                 add_program(program, figure->program, error)
             ? g_strdup(program->str)
             : NULL;
}

static char *data_of(const DspFigure *figure) {
  GString *csv = g_string_new(NULL);
  dsp_csv_write(figure->table, csv);
  return g_string_free(csv, FALSE);
}

/* --- gnuplot ------------------------------------------------------------- */

static gboolean save(const char *folder, const char *name, const char *text,
                     GError **error) {
  g_autofree char *path = g_build_filename(folder, name, NULL);
  g_autoptr(GError) cause = NULL;
  if (g_file_set_contents(path, text, -1, &cause))
    return TRUE;
  g_set_error(error, DSP_ERROR, DSP_ERROR_EXTERNAL, "cannot write '%s': %s",
              path, cause->message);
  return FALSE;
}

static const char *gnuplot_name(void) {
  const char *chosen = g_getenv("DSPSIM_GNUPLOT");
  return chosen && *chosen ? chosen : "gnuplot";
}

/* Without the user's own settings: neither those of a start-up file (-d) nor of
 * GNUTERM. Appends what it prints to `out`. */
static gboolean draw(const char *folder, const char *program, GString *out,
                     GError **error) {
  char *argv[] = {(char *)gnuplot_name(), (char *)"-d", (char *)program, NULL};
  g_auto(GStrv) environment = g_environ_unsetenv(g_get_environ(), "GNUTERM");
  g_autofree char *printed = NULL, *complaint = NULL;
  g_autoptr(GError) cause = NULL;
  int status;
  if (!g_spawn_sync(folder, argv, environment, G_SPAWN_SEARCH_PATH, NULL, NULL,
                    &printed, &complaint, &status, &cause)) {
    g_set_error(error, DSP_ERROR, DSP_ERROR_EXTERNAL,
                "cannot draw without '%s', which is in the package gnuplot-nox",
                argv[0]);
    return FALSE;
  }
  if (!g_spawn_check_wait_status(status, NULL)) {
    g_set_error(error, DSP_ERROR, DSP_ERROR_EXTERNAL,
                "gnuplot failed on '%s': %s", program + strlen("./"),
                g_strstrip(complaint));
    return FALSE;
  }
  if (out)
    g_string_append(out, printed);
  return TRUE;
}

/* --- to a file ----------------------------------------------------------- */

/* The image and what lies beside it, as paths in their folder. They begin with
 * "./", since gnuplot runs what begins with '<' or '|' as a command. */
typedef struct {
  char *folder, *image, *program, *data;
} Files;

static void files_init(Files *files, const char *file) {
  g_autofree char *name = g_path_get_basename(file);
  g_autofree char *stem =
      g_strndup(name, strlen(name) - strlen(find_terminal(file)->suffix));
  files->folder = g_path_get_dirname(file);
  files->image = g_strconcat("./", name, NULL);
  files->program = g_strconcat("./", stem, ".gp", NULL);
  files->data = g_strconcat("./", stem, ".gp.csv", NULL);
}

static void files_clear(Files *files) {
  g_free(files->folder);
  g_free(files->image);
  g_free(files->program);
  g_free(files->data);
}

static gboolean save_parts(const DspFigure *figure, const Files *files,
                           const char *terminal, GError **error) {
  g_autofree char *data = data_of(figure);
  g_autofree char *program = program_of(figure, terminal, figure->height,
                                        files->image, files->data, error);
  return program && save(files->folder, files->data, data, error) &&
         save(files->folder, files->program, program, error);
}

/* It is half drawn, or of other data than those beside it now. */
static void remove_image(const Files *files) {
  g_autofree char *path = g_build_filename(files->folder, files->image, NULL);
  g_unlink(path);
}

gboolean dsp_figure_save(const DspFigure *figure, const char *file,
                         GError **error) {
  Files files;
  g_autofree char *terminal = terminal_of(figure, find_terminal(file));
  files_init(&files, file);
  gboolean done = save_parts(figure, &files, terminal, error);
  if (done && !draw(files.folder, files.program, NULL, error)) {
    g_prefix_error(error, "'%s', to be drawn from '%s' and '%s': ",
                   files.image + strlen("./"), files.program + strlen("./"),
                   files.data + strlen("./"));
    remove_image(&files);
    done = FALSE;
  }
  files_clear(&files);
  return done;
}

/* --- without files ------------------------------------------------------- */

#define PROGRAM "./figure.gp"
#define DATA    "./figure.csv"

static gboolean draw_in(const char *folder, const DspFigure *figure,
                        const char *terminal, double height, GString *out,
                        GError **error) {
  g_autofree char *data = data_of(figure);
  g_autofree char *program =
      program_of(figure, terminal, height, NULL, DATA, error);
  return program && save(folder, DATA, data, error) &&
         save(folder, PROGRAM, program, error) &&
         draw(folder, PROGRAM, out, error);
}

static void remove_folder(const char *folder) {
  static const char *const names[] = {PROGRAM, DATA};
  for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
    g_autofree char *path = g_build_filename(folder, names[i], NULL);
    g_unlink(path);
  }
  g_rmdir(folder);
}

static gboolean draw_apart(const DspFigure *figure, const char *terminal,
                           double height, GString *out, GError **error) {
  g_autoptr(GError) cause = NULL;
  g_autofree char *folder = g_dir_make_tmp("dspsim-XXXXXX", &cause);
  if (!folder) {
    g_set_error(error, DSP_ERROR, DSP_ERROR_EXTERNAL, "%s", cause->message);
    return FALSE;
  }
  const gboolean done = draw_in(folder, figure, terminal, height, out, error);
  remove_folder(folder);
  return done;
}

gboolean dsp_figure_svg(const DspFigure *figure, GString *out, GError **error) {
  g_autofree char *terminal = terminal_of(figure, &terminals[0]);
  return draw_apart(figure, terminal, figure->height, out, error);
}

gboolean dsp_figure_print(const DspFigure *figure, const DspStyle *style,
                          guint columns, GString *out, GError **error) {
  enum { LINE = 20 };
  if (figure->is_text) {
    dsp_figure_bars(figure, style, columns, out);
    return TRUE;
  }
  g_autofree char *terminal = g_strdup_printf(
      "dumb noenhanced %s size %u,%u", style->colour ? "ansi256" : "mono",
      columns, figure->lines);
  return draw_apart(figure, terminal, LINE * figure->lines, out, error);
}
