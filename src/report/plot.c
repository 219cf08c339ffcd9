/* SPDX-License-Identifier: Apache-2.0 */
/* Strings of files and of the user reach gnuplot as data only: in the CSV file,
 * and as file names in its single quotes, where nothing is special but the
 * quote. */
#include "report/plot.h"
#include "base/error.h"
#include "base/paths.h"
#include "report/text.h"
#include <string.h>

/* --- the data ------------------------------------------------------------ */

typedef struct {
  const DspJob *job;
  char *label, *note;
  double compute, exposed, idle; /* ms a sample */
} Bar;

enum { MODEL, CLUSTER, GPUS, MODE, LABEL, COMPUTE, EXPOSED, IDLE, NOTE };

static DspValue get(gconstpointer row, guint index) {
  const Bar *bar = row;
  const DspValue values[] = {
      [MODEL] = dsp_string(bar->job->model->name),
      [CLUSTER] = dsp_string(bar->job->cluster->name),
      [GPUS] = dsp_integer(bar->job->gpus),
      [MODE] = dsp_string(dsp_mode_names[bar->job->mode]),
      [LABEL] = dsp_string(bar->label),
      [COMPUTE] = dsp_number(bar->compute),
      [EXPOSED] = dsp_number(bar->exposed),
      [IDLE] = dsp_number(bar->idle),
      [NOTE] = dsp_string(bar->note),
  };
  return values[index];
}

static const DspColumn columns[] = {{NULL, "model", get, MODEL},
                                    {NULL, "cluster", get, CLUSTER},
                                    {NULL, "gpus", get, GPUS},
                                    {NULL, "mode", get, MODE},
                                    {NULL, "plan", get, LABEL},
                                    {NULL, "compute_ms", get, COMPUTE},
                                    {NULL, "exposed_comm_ms", get, EXPOSED},
                                    {NULL, "launch_idle_ms", get, IDLE},
                                    {NULL, "note", get, NOTE},
                                    {NULL}};

static void bar_free(gpointer data) {
  Bar *bar = data;
  g_free(bar->label);
  g_free(bar->note);
  g_free(bar);
}

static char *label_of(const DspPlan *plan) {
  g_autofree char *degrees = dsp_text_degrees(plan);
  return g_strdup_printf(
      "%s%s%s  %s", plan->method->name, plan->variant ? " " : "",
      plan->variant ? plan->method->variants[plan->variant] : "", degrees);
}

/* Long reasons end where the picture does. */
static char *refusal_of(const DspPrediction *p) {
  enum { LONGEST = 60 };
  const glong length = g_utf8_strlen(p->reason, -1);
  g_autofree char *start = g_utf8_substring(p->reason, 0, MIN(length, LONGEST));
  return g_strdup_printf("cannot run: %s%s", start,
                         length > LONGEST ? " ..." : "");
}

static char *note_of(const DspResult *result) {
  const DspPrediction *p = result->prediction;
  if (!p->feasible)
    return refusal_of(p);
  g_autofree char *rate = dsp_text_number(p->samples_per_s);
  return result->speedup > 0
             ? g_strdup_printf("%s samples/s, %.2fx", rate, result->speedup)
             : g_strdup_printf("%s samples/s", rate);
}

/* Time of one sample when all GPUs work on samples: the parts of the step over
 * the samples that it takes. */
static Bar *bar_of(const DspResult *result) {
  const DspPrediction *p = result->prediction;
  const DspSimResult *sim = &p->sim;
  const double ms = p->feasible ? 1e3 / (p->samples_per_s * sim->step_time) : 0;
  Bar *bar = g_new0(Bar, 1);
  bar->job = result->job;
  bar->label = label_of(&p->plan);
  bar->note = note_of(result);
  bar->compute = sim->compute_time * ms;
  bar->exposed = sim->exposed_comm_time * ms;
  bar->idle = sim->launch_idle_time * ms;
  return bar;
}

static GPtrArray *bars_of(const DspCompareText *text) {
  GPtrArray *bars = g_ptr_array_new_with_free_func(bar_free);
  for (guint i = 0; i < text->results->len; i++) {
    const DspResult *result = &g_array_index(text->results, DspResult, i);
    if (result->chosen || dsp_compare_speaks(text, result))
      g_ptr_array_add(bars, bar_of(result));
  }
  return bars;
}

static char *csv_of(const GPtrArray *bars) {
  g_autoptr(DspTable) table = dsp_table_new(columns);
  GString *csv = g_string_new(NULL);
  for (guint i = 0; i < bars->len; i++)
    dsp_table_add_row(table, bars->pdata[i]);
  dsp_csv_write(table, csv);
  return g_string_free(csv, FALSE);
}

/* --- the program --------------------------------------------------------- */

/* What a suffix asks for; the height goes with the number of bars. */
typedef struct {
  const char *suffix, *terminal;
  double width, height, bar; /* in the terminal's unit */
} Terminal;

static const Terminal terminals[] = {
    {".svg", "svg font 'sans-serif,13' background '#ffffff'", 900, 150, 36},
    {".png", "pngcairo font 'sans,11' background '#ffffff'", 900, 150, 36},
    {".pdf", "pdfcairo font 'sans,10'", 7.5, 1.25, 0.3},
};

static const Terminal *find_terminal(const char *file, GError **error) {
  for (guint i = 0; i < G_N_ELEMENTS(terminals); i++)
    if (g_str_has_suffix(file, terminals[i].suffix))
      return &terminals[i];
  g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE,
              "option '--plot': '%s' ends with none of .svg, .png, .pdf", file);
  return NULL;
}

/* The image and what lies beside it, as paths in their folder. They begin with
 * "./", since gnuplot runs what begins with '<' or '|' as a command. */
typedef struct {
  const Terminal *terminal;
  char *folder, *image, *program, *data;
} Files;

static void files_clear(Files *files) {
  g_free(files->folder);
  g_free(files->image);
  g_free(files->program);
  g_free(files->data);
}

static gboolean files_init(Files *files, const char *file, GError **error) {
  *files = (Files){find_terminal(file, error), NULL, NULL, NULL, NULL};
  if (!files->terminal)
    return FALSE;
  g_autofree char *name = g_path_get_basename(file);
  g_autofree char *stem =
      g_strndup(name, strlen(name) - strlen(files->terminal->suffix));
  files->folder = g_path_get_dirname(file);
  files->image = g_strconcat("./", name, NULL);
  files->program = g_strconcat("./", stem, ".gp", NULL);
  files->data = g_strconcat("./", stem, ".csv", NULL);
  for (const char *c = files->image; *c; c++)
    if (g_ascii_iscntrl(*c)) {
      g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE,
                  "option '--plot': control characters in the file's name");
      return FALSE;
    }
  return TRUE;
}

/* The path of a file in this folder as a string of gnuplot. */
static char *quote(const char *path) {
  g_auto(GStrv) parts = g_strsplit(path, "'", -1);
  g_autofree char *doubled = g_strjoinv("''", parts);
  return g_strconcat("'", doubled, "'", NULL);
}

static char *program_of(const Files *files, guint n_bars, GError **error) {
  const Terminal *t = files->terminal;
  g_autofree char *path = dsp_find_file("plots", "compare.gp", error);
  g_autofree char *image = quote(files->image), *data = quote(files->data);
  g_autofree char *body = NULL;
  if (!path)
    return NULL;
  if (!g_file_get_contents(path, &body, NULL, NULL)) {
    g_set_error(error, DSP_ERROR, DSP_ERROR_EXTERNAL, "cannot read '%s'", path);
    return NULL;
  }
  return g_strdup_printf("# To draw this again: gnuplot -d FILE\n"
                         "set terminal %s size %g,%g\n"
                         "set output %s\n"
                         "data = %s\n\n%s",
                         t->terminal, t->width, t->height + t->bar * n_bars,
                         image, data, body);
}

/* --- drawing ------------------------------------------------------------- */

static gboolean save(const Files *files, const char *name, const char *text,
                     GError **error) {
  g_autofree char *path = g_build_filename(files->folder, name, NULL);
  g_autoptr(GError) cause = NULL;
  if (g_file_set_contents(path, text, -1, &cause))
    return TRUE;
  g_set_error(error, DSP_ERROR, DSP_ERROR_EXTERNAL, "cannot write '%s': %s",
              path, cause->message);
  return FALSE;
}

static gboolean fail_missing(const Files *files, const char *gnuplot,
                             GError **error) {
  g_set_error(error, DSP_ERROR, DSP_ERROR_EXTERNAL,
              "cannot draw '%s' without '%s', which is in the package "
              "gnuplot-nox; '%s' and '%s' are there to draw it from",
              files->image + 2, gnuplot, files->program + 2, files->data + 2);
  return FALSE;
}

/* Without the user's own settings: neither those of a start-up file (-d) nor of
 * GNUTERM. */
static gboolean draw(const Files *files, GError **error) {
  const char *chosen = g_getenv("DSPSIM_GNUPLOT");
  const char *gnuplot = chosen && *chosen ? chosen : "gnuplot";
  char *argv[] = {(char *)gnuplot, (char *)"-d", files->program, NULL};
  g_auto(GStrv) environment = g_environ_unsetenv(g_get_environ(), "GNUTERM");
  g_autofree char *complaint = NULL;
  g_autoptr(GError) cause = NULL;
  int status;
  if (!g_spawn_sync(files->folder, argv, environment,
                    G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL, NULL,
                    NULL, NULL, &complaint, &status, &cause))
    return fail_missing(files, gnuplot, error);
  if (g_spawn_check_wait_status(status, NULL))
    return TRUE;
  g_set_error(error, DSP_ERROR, DSP_ERROR_EXTERNAL,
              "gnuplot failed on '%s': %s", files->program + 2,
              g_strstrip(complaint));
  return FALSE;
}

static gboolean save_and_draw(const Files *files, const DspCompareText *text,
                              GError **error) {
  g_autoptr(GPtrArray) bars = bars_of(text);
  g_autofree char *data = csv_of(bars);
  g_autofree char *program = program_of(files, bars->len, error);
  return program && save(files, files->data, data, error) &&
         save(files, files->program, program, error) && draw(files, error);
}

gboolean dsp_plot_comparison(const char *file, const DspCompareText *text,
                             GError **error) {
  Files files;
  const gboolean done =
      files_init(&files, file, error) && save_and_draw(&files, text, error);
  files_clear(&files);
  return done;
}
