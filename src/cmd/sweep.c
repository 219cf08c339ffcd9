/* SPDX-License-Identifier: Apache-2.0 */
/* sweep: a grid of jobs, row after row. */
#include "base/error.h"
#include "cmd/output.h"
#include "cmd/progress.h"
#include "cmd/sweep-cells.h"
#include "cmd/sweep-file.h"
#include "cmd/sweep-mpi.h"
#include "search/sweep.h"
#include <signal.h>
#include <string.h>

typedef struct {
  DspJobOptions job;
  DspOutputOptions output;
  GPtrArray *vary;
  gboolean zip, interval, resume, dry_run;
  int plans, progress;
  int64_t jobs;
  DspShard shard; /* of 0: all cells */
} Options;

/* --- options ------------------------------------------------------------- */

static gboolean parse_whole(const char *text, int64_t *number) {
  return g_ascii_string_to_unsigned(text, 10, 1, G_MAXINT, (guint64 *)number,
                                    NULL);
}

static gboolean parse_shard(const DspOption *option, const char *text,
                            gpointer member, GError **error) {
  DspShard *shard = member;
  g_auto(GStrv) parts = g_strsplit(text, "/", 2);
  (void)option;
  if (parts[0] && parts[1] && parse_whole(parts[0], &shard->shard) &&
      parse_whole(parts[1], &shard->shards) && shard->shard <= shard->shards) {
    shard->shard--;
    return TRUE;
  }
  g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE,
              "'%s' is not I/N with I from 1 to N, such as 2/16", text);
  return FALSE;
}

static const DspOptionType option_shard = {FALSE, parse_shard, NULL, NULL};

#define AT(member) G_STRUCT_OFFSET(Options, member)

static const DspOption sweep_options[] = {
    {"vary", 'V', &dsp_option_list, AT(vary), "NAME=SPEC",
     "option to vary: 8,16 or 8..1024:x2 or 1..9:+2", NULL, NULL},
    {"zip", 0, &dsp_option_flag, AT(zip), NULL,
     "values side by side, not every combination", NULL, NULL},
    {"plans", 0, &dsp_option_enum, AT(plans), "WHICH", "of a cell have a row",
     "one if there is a method, else best", dsp_sweep_plans_names},
    {"interval", 'i', &dsp_option_flag, AT(interval), NULL,
     "between what the step times likely are", NULL, NULL},
    {"dry-run", 'n', &dsp_option_flag, AT(dry_run), NULL,
     "show the grid and predict nothing", NULL, NULL},
    {"jobs", 'j', &dsp_option_count, AT(jobs), "N", "threads",
     "one a processor", NULL},
    {"shard", 0, &option_shard, AT(shard), "I/N",
     "every Nth cell only, from the Ith", NULL, NULL},
    {NULL}};

static const DspOption rows_options[] = {
    {"output", 'o', &dsp_option_string, AT(output.file), "FILE",
     "write rows there, in the format of its suffix", NULL, NULL},
    {"format", 0, &dsp_option_enum, AT(output.format), "FORMAT", "of the rows",
     "csv", dsp_sweep_format_names},
    {"resume", 0, &dsp_option_flag, AT(resume), NULL,
     "go on after the last whole row of FILE", NULL, NULL},
    {"progress", 0, &dsp_option_enum, AT(progress), "WHEN",
     "tell how far it is", "auto", dsp_progress_names},
    {"quiet", 'q', &dsp_option_flag, AT(output.quiet), NULL, "no notes", NULL,
     NULL},
    {"verbose", 'v', &dsp_option_flag, AT(output.verbose), NULL, "more notes",
     NULL, NULL},
    {NULL}};

static const DspOptionGroup groups[] = {{"Sweep", sweep_options, 0},
                                        {"Rows", rows_options, 0},
                                        DSP_JOB_GROUPS(AT(job)),
                                        {NULL}};

static const Options defaults = {.job = DSP_JOB_DEFAULTS,
                                 .output = DSP_OUTPUT_DEFAULTS,
                                 .plans = -1,
                                 .shard = {0, 1}};

static const char *path_of(const Options *options) {
  const char *file = options->output.file;
  return file && strcmp(file, "-") != 0 ? file : NULL;
}

/* --- signals ------------------------------------------------------------- */

/* A signal may come to any thread at any time: it is only noted. The second one
 * ends the process at once. A file that grows too large is an error of the
 * write that is told like others. */
static volatile sig_atomic_t interrupted;

static void note_signal(int number) {
  interrupted = number;
}

/* What is ignored (by nohup, or in the background) stays so. */
static void catch_signal(int number) {
  const struct sigaction note = {.sa_handler = note_signal,
                                 .sa_flags = (int)SA_RESETHAND};
  struct sigaction before;
  if (sigaction(number, NULL, &before) == 0 && before.sa_handler != SIG_IGN)
    sigaction(number, &note, NULL);
}

static void catch_signals(void) {
  const struct sigaction ignore = {.sa_handler = SIG_IGN};
  catch_signal(SIGINT);
  catch_signal(SIGTERM);
  catch_signal(SIGHUP);
  sigaction(SIGXFSZ, &ignore, NULL);
}

/* --- the run ------------------------------------------------------------- */

/* Tasks are the cells of the shard, counted from 0. */
typedef struct {
  const Options *options;
  const DspSweepCells *cells;
  DspSweepFile *file;
  DspProgress progress;
} Sweep;

static int64_t task_of(const DspShard *shard, int64_t cell) {
  return (cell - shard->shard) / shard->shards;
}

static int64_t tasks_of(const Sweep *sweep) {
  const DspShard *shard = &sweep->options->shard;
  const int64_t cells = dsp_sweep_cells_grid(sweep->cells)->cells;
  return task_of(shard, cells + shard->shards - 1);
}

/* A thread's, or that of a rank of mpirun. */
typedef struct {
  DspShard shard;
  DspSweepWorker *rows;
} Worker;

static gpointer begin_worker(gpointer data) {
  const Sweep *sweep = data;
  Worker *worker = g_new(Worker, 1);
  *worker = (Worker){sweep->options->shard, dsp_sweep_worker_new(sweep->cells)};
  return worker;
}

static void end_worker(gpointer data) {
  Worker *worker = data;
  dsp_sweep_worker_free(worker->rows);
  g_free(worker);
}

static void do_task(gpointer data, int64_t task, GString *out) {
  const Worker *worker = data;
  dsp_sweep_worker_rows(worker->rows,
                        worker->shard.shard + task * worker->shard.shards, out);
}

static gboolean write_task(gpointer data, int64_t task, const GString *rows,
                           GError **error) {
  const Sweep *sweep = data;
  (void)task;
  return dsp_sweep_file_write(sweep->file, rows, error);
}

static gboolean pulse(gpointer data, int64_t written, GError **error) {
  Sweep *sweep = data;
  dsp_progress_tell(&sweep->progress, written);
  if (!interrupted)
    return TRUE;
  g_set_error(error, DSP_ERROR, DSP_ERROR_INTERRUPTED, "interrupted");
  return FALSE;
}

static DspWorkers *workers_new(Sweep *sweep, const DspWork *work) {
  const int64_t jobs = sweep->options->jobs;
  const int64_t threads = jobs ? jobs : g_get_num_processors();
  return dsp_mpi_ranks() ? dsp_mpi_workers_new(work)
                         : dsp_sweep_threads_new(work, (guint)threads);
}

/* Where a later run may take it up. */
static void tell_rest(const Sweep *sweep) {
  const char *path = path_of(sweep->options);
  if (path)
    dsp_output_note(&sweep->options->output,
                    "'%s' holds the whole rows so far, '--resume' goes on "
                    "after them",
                    path);
}

static void tell_effort(const Sweep *sweep, int64_t cells) {
  const gint64 now = g_get_monotonic_time();
  dsp_output_detail(&sweep->options->output,
                    "%" G_GINT64_FORMAT " cells in %.1f s", cells,
                    (double)(now - sweep->progress.started) / G_USEC_PER_SEC);
}

static gboolean do_all(Sweep *sweep, const DspWork *work, GError **error) {
  const DspShard *shard = &sweep->options->shard;
  const int64_t first = task_of(shard, dsp_sweep_file_cell(sweep->file));
  const int64_t end = tasks_of(sweep);
  const DspSink sink = {write_task, pulse, sweep};
  g_autoptr(DspWorkers) workers = workers_new(sweep, work);
  dsp_progress_begin(&sweep->progress, sweep->options->progress, first, end);
  const gboolean done = dsp_sweep_run(workers, first, end, &sink, error) &&
                        dsp_sweep_file_finish(sweep->file, error);
  dsp_progress_end(&sweep->progress);
  if (done)
    tell_effort(sweep, end - first);
  else
    tell_rest(sweep);
  return done;
}

static gboolean write_rows(Sweep *sweep, const DspWork *work, GError **error) {
  const Options *options = sweep->options;
  const DspSweepFacts facts = dsp_sweep_cells_facts(sweep->cells);
  g_autoptr(GString) header = g_string_new(NULL);
  dsp_sweep_cells_header(sweep->cells, header);
  const DspSweepTarget target = {path_of(options), header->str, options->resume,
                                 &facts, options->shard};
  g_autoptr(DspSweepFile) file = dsp_sweep_file_open(&target, error);
  if (!file)
    return FALSE;
  if (dsp_sweep_file_is_complete(file)) {
    dsp_output_note(&options->output, "'%s' is complete", target.path);
    return TRUE;
  }
  sweep->file = file;
  return do_all(sweep, work, error);
}

/* --- the command --------------------------------------------------------- */

static gboolean is_right(const Options *options, GError **error) {
  if (!options->vary)
    return dsp_option_fail(error, "vary", "is missing: what is to vary?");
  if (options->resume && !path_of(options))
    return dsp_option_fail(error, "resume", "needs '--output FILE'");
  if (options->output.format < 0 && path_of(options) &&
      g_str_has_suffix(path_of(options), ".json"))
    return dsp_option_fail(error, "output", "rows are .csv or .jsonl");
  if (options->jobs > G_MAXINT16)
    return dsp_option_fail(error, "jobs", "are too many");
  return TRUE;
}

static void show_grid(const DspSweepCells *cells, GString *out) {
  const DspStyle style = {g_get_charset(NULL), FALSE};
  dsp_sweep_text(dsp_sweep_cells_grid(cells), &style, out);
}

static gboolean ranks_agree(const Options *options, const DspSweepCells *cells,
                            GError **error) {
  const DspSweepFacts facts = dsp_sweep_cells_facts(cells);
  const DspSweepEnd end = {FALSE, 0, 0};
  g_autoptr(GString) text = g_string_new(NULL);
  dsp_sweep_document_write(&facts, &options->shard, &end, text);
  return dsp_mpi_agree(text, error);
}

/* As the first rank, or alone; another rank serves it until it is done. */
static gboolean sweep_cells(const Options *options, const DspSweepCells *cells,
                            GError **error) {
  Sweep sweep = {.options = options, .cells = cells};
  const DspWork work = {begin_worker, do_task, end_worker, &sweep};
  catch_signals();
  if (!dsp_mpi_begin(options->shard.shards == 1, error))
    return FALSE;
  const gboolean done =
      ranks_agree(options, cells, error) &&
      (dsp_mpi_serve(&work) || write_rows(&sweep, &work, error));
  dsp_mpi_end();
  return done;
}

static gboolean run(const DspInvocation *invocation, GError **error) {
  const Options *options = invocation->options;
  const int format = options->output.format;
  const DspSweepQuestion question = {
      &options->job,
      invocation->operands,
      options->vary,
      options->zip,
      options->interval,
      options->plans,
      format < 0 ? dsp_sweep_format_of_file(path_of(options)) : format};
  if (!is_right(options, error))
    return FALSE;
  g_autoptr(DspSweepCells) cells = dsp_sweep_cells_new(&question, error);
  if (!cells)
    return FALSE;
  if (!options->dry_run)
    return sweep_cells(options, cells, error);
  show_grid(cells, invocation->out);
  return TRUE;
}

const DspCommand dsp_command_sweep = {
    .name = "sweep",
    .summary = "predict over a grid of parameters",
    .operands = DSP_JOB_OPERANDS,
    .max_operands = 2,
    .groups = groups,
    .record_size = sizeof(Options),
    .defaults = &defaults,
    .run = run,
};
