/* SPDX-License-Identifier: Apache-2.0 */
/* trace: the simulated timeline of one plan, for a trace viewer or as a
 * picture. It is written while it is simulated, to a file beside the one that
 * it becomes when it is whole. */
#include "report/trace.h"
#include "base/error.h"
#include "base/units.h"
#include "cmd/job.h"
#include "schedule/rules.h"
#include "search/choose.h"
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Ranks that are shown if none are named: most do the same. */
enum { USUAL_RANKS = 8, RANKS_OF_PICTURE = 1 };

typedef enum { UNSET, STEP, FORWARD, BACKWARD, TIMES } WindowKind;

typedef struct {
  WindowKind kind;
  double from, to; /* s, TIMES */
} Window;

typedef struct {
  DspJobOptions job;
  char *ranks, *file;
  Window window;
} Options;

/* --- options ------------------------------------------------------------- */

static gboolean parse_times(const char *text, Window *window) {
  g_auto(GStrv) sides = g_strsplit(text, ":", 3);
  window->kind = TIMES;
  return g_strv_length(sides) == 2 &&
         dsp_parse_time(sides[0], &window->from, NULL) &&
         dsp_parse_time(sides[1], &window->to, NULL) &&
         window->from < window->to;
}

static gboolean parse_window(const DspOption *option, const char *text,
                             gpointer member, GError **error) {
  static const struct {
    const char *name;
    WindowKind kind;
  } names[] = {{"step", STEP}, {"forward", FORWARD}, {"backward", BACKWARD}};
  Window *window = member;
  (void)option;
  for (guint i = 0; i < G_N_ELEMENTS(names); i++)
    if (g_ascii_strcasecmp(text, names[i].name) == 0) {
      window->kind = names[i].kind;
      return TRUE;
    }
  if (parse_times(text, window))
    return TRUE;
  g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE,
              "'%s' is not step, forward, backward or FROM:TO, such as "
              "10ms:12ms",
              text);
  return FALSE;
}

static const DspOptionType option_window = {FALSE, parse_window, NULL};

#define AT(member) G_STRUCT_OFFSET(Options, member)

static const DspOption trace_options[] = {
    {"ranks", 0, &dsp_option_string, AT(ranks), "LIST",
     "ranks that are shown: 0,3-5 or all", "the first 8; 0 in a picture", NULL},
    {"window", 0, &option_window, AT(window), "WHAT",
     "step, forward or backward (of one block), or FROM:TO",
     "step; forward in a picture", NULL},
    {"output", 'o', &dsp_option_string, AT(file), "FILE",
     "write there; a picture if it ends in .svg", "the standard output", NULL},
    {NULL}};

static const DspOptionGroup groups[] = {
    DSP_JOB_GROUPS(AT(job)), {"What is shown", trace_options, 0}, {NULL}};

static const Options defaults = {.job = DSP_JOB_DEFAULTS};

static gboolean is_picture(const Options *o) {
  return o->file && g_str_has_suffix(o->file, ".svg");
}

/* --- ranks --------------------------------------------------------------- */

static gboolean parse_rank(const char *text, guint gpus, guint *rank) {
  int64_t number;
  if (!dsp_parse_count(text, DSP_UNITS_FILE, &number, NULL) || number >= gpus)
    return FALSE;
  *rank = (guint)number;
  return TRUE;
}

/* "3" or "3-5". */
static gboolean add_range(const char *text, guint gpus, gboolean *shown) {
  g_auto(GStrv) ends = g_strsplit(text, "-", 3);
  const guint n = g_strv_length(ends);
  guint first, last;
  if (n < 1 || n > 2 || !parse_rank(ends[0], gpus, &first) ||
      !parse_rank(ends[n - 1], gpus, &last) || first > last)
    return FALSE;
  for (; first <= last; first++)
    shown[first] = TRUE;
  return TRUE;
}

static gboolean mark_ranks(const char *list, guint gpus, gboolean *shown,
                           GError **error) {
  g_auto(GStrv) parts = g_strsplit(list, ",", -1);
  for (char **part = parts; *part; part++)
    if (!add_range(*part, gpus, shown))
      return dsp_option_fail(error, "ranks",
                             "'%s' is none of the ranks 0 to %u, nor a range "
                             "of them, such as 3-5",
                             *part, gpus - 1);
  return TRUE;
}

/* guint, ascending; NULL with an error. */
static GArray *ranks_of(const Options *o, guint gpus, GError **error) {
  const guint usual = is_picture(o) ? RANKS_OF_PICTURE : USUAL_RANKS;
  const gboolean all = g_strcmp0(o->ranks, "all") == 0;
  g_autofree gboolean *shown = g_new0(gboolean, gpus);
  g_autofree char *first =
      g_strdup_printf("0-%u", (all ? gpus : MIN(gpus, usual)) - 1);
  if (!mark_ranks(o->ranks && !all ? o->ranks : first, gpus, shown, error))
    return NULL;
  GArray *ranks = g_array_new(FALSE, FALSE, sizeof(guint));
  for (guint i = 0; i < gpus; i++)
    if (shown[i])
      g_array_append_val(ranks, i);
  return ranks;
}

/* --- window -------------------------------------------------------------- */

static const char *const window_words[] = {[STEP] = "the step",
                                           [FORWARD] = "forward of one block",
                                           [BACKWARD] = "backward of one block",
                                           [TIMES] = "a part of the step"};

static WindowKind window_of(const Options *o) {
  return o->window.kind ? o->window.kind : is_picture(o) ? FORWARD : STEP;
}

static gboolean set_window(const Options *o, double step, DspTrace *trace,
                           GError **error) {
  const WindowKind kind = window_of(o);
  trace->from = kind == TIMES ? o->window.from : 0;
  trace->to = kind == TIMES ? o->window.to : is_picture(o) ? step : INFINITY;
  if (kind == TIMES)
    return trace->from < step ||
           dsp_option_fail(error, "window", "begins after the step of %.6g s",
                           step);
  return kind == STEP ||
         dsp_trace_block(trace,
                         kind == FORWARD ? DSP_PASS_FORWARD : DSP_PASS_BACKWARD,
                         &trace->from, &trace->to) ||
         dsp_option_fail(error, "window", "there is no backward");
}

/* --- file ---------------------------------------------------------------- */

static gboolean fail_write(const char *name, GError **error) {
  g_set_error(error, DSP_ERROR, DSP_ERROR_EXTERNAL, "cannot write '%s': %s",
              name, g_strerror(errno));
  return FALSE;
}

static void write_picture(const DspTrace *trace, const Options *o, FILE *file) {
  const DspSchedule *schedule = trace->schedule;
  const DspJob *job = &schedule->job;
  g_autofree char *plan = dsp_plan_describe(&schedule->plan);
  g_autofree char *title =
      g_strdup_printf("%s: %s", plan, window_words[window_of(o)]);
  g_autoptr(GString) details = g_string_new(NULL);
  g_string_append_printf(
      details, "%s, %s, %u x %s (%s), batch %" G_GINT64_FORMAT,
      job->model->name, dsp_mode_names[job->mode], job->gpus,
      job->cluster->gpu->name, job->cluster->name, job->batch);
  for (guint i = 0; i < job->model->n_dims; i++)
    g_string_append_printf(details, ", %s %" G_GINT64_FORMAT,
                           job->model->dims[i].name, job->lengths.length[i]);
  dsp_trace_svg(trace, title, details->str, file);
}

static gboolean write_to(const DspTrace *trace, const Options *o, FILE *file) {
  if (is_picture(o))
    write_picture(trace, o, file);
  else
    dsp_trace_json(trace, file);
  return fflush(file) == 0 && !ferror(file);
}

static gboolean write_open(const DspTrace *trace, const Options *o,
                           FILE *file) {
  const gboolean written = file && write_to(trace, o, file);
  return (!file || fclose(file) == 0) && written;
}

/* The file is whole or as it was. */
static gboolean replace_file(const DspTrace *trace, const Options *o,
                             GError **error) {
  g_autofree char *part = g_strconcat(o->file, ".XXXXXX", NULL);
  const int descriptor = g_mkstemp_full(part, O_RDWR | O_CLOEXEC, 0666);
  if (descriptor < 0)
    return fail_write(o->file, error);
  if (write_open(trace, o, fdopen(descriptor, "w")) &&
      g_rename(part, o->file) == 0)
    return TRUE;
  fail_write(o->file, error);
  g_unlink(part);
  return FALSE;
}

/* A plain file is replaced; anything else (a device, what a link points to) is
 * written as it is. */
static gboolean write_trace(const DspTrace *trace, const Options *o,
                            GError **error) {
  GStatBuf status;
  if (!o->file || strcmp(o->file, "-") == 0)
    return write_to(trace, o, stdout) || fail_write("-", error);
  if (g_lstat(o->file, &status) != 0 || S_ISREG(status.st_mode))
    return replace_file(trace, o, error);
  return write_open(trace, o, g_fopen(o->file, "w")) ||
         fail_write(o->file, error);
}

/* --- the whole ----------------------------------------------------------- */

static gboolean trace_plan(const DspTask *task, const Options *o,
                           const DspPlan *plan, double step, GError **error) {
  g_autoptr(DspSchedule) schedule = dsp_schedule_new(&task->job, plan, error);
  g_autoptr(GArray) ranks =
      schedule ? ranks_of(o, task->job.gpus, error) : NULL;
  if (!ranks)
    return FALSE;
  DspTrace trace = {.schedule = schedule,
                    .prices = task->prices,
                    .every_rank = task->sim.every_rank,
                    .ranks = (const guint *)(void *)ranks->data,
                    .n_ranks = ranks->len};
  return set_window(o, step, &trace, error) && write_trace(&trace, o, error);
}

static gboolean run(const DspInvocation *invocation, GError **error) {
  const Options *o = invocation->options;
  g_autoptr(DspTask) task =
      dsp_task_new(&o->job, invocation->operands, "dsp", error);
  if (!task)
    return FALSE;
  DspPrediction prediction;
  dsp_choose(&task->job, &task->space, task->prices, &task->sim, &prediction);
  const gboolean done =
      prediction.feasible
          ? trace_plan(task, o, &prediction.plan, prediction.sim.step_time,
                       error)
          : dsp_refuse(error, "this plan cannot run: %s", prediction.reason);
  dsp_prediction_clear(&prediction);
  return done;
}

const DspCommand dsp_command_trace = {
    .name = "trace",
    .summary = "write the simulated timeline of one plan",
    .operands = DSP_JOB_OPERANDS,
    .max_operands = 2,
    .groups = groups,
    .record_size = sizeof(Options),
    .defaults = &defaults,
    .run = run,
};
