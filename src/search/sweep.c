/* SPDX-License-Identifier: Apache-2.0 */
#include "search/sweep.h"

/* --- in order ------------------------------------------------------------ */

enum { PULSE = 100 * 1000 /* microseconds */ };

typedef struct {
  DspWorkers *workers;
  const DspSink *sink;
  int64_t given, written, end; /* the next task to give and to write */
  GString **waiting;           /* done too early, by task % window */
} Run;

static void give_all(Run *run) {
  while (run->given < run->end &&
         run->given - run->written < (int64_t)run->workers->window &&
         run->workers->give(run->workers, run->given))
    run->given++;
}

static GString **place_of(const Run *run, int64_t task) {
  return &run->waiting[task % (int64_t)run->workers->window];
}

static void text_free(GString *text) {
  if (text)
    g_string_free(text, TRUE);
}

static void take_one(Run *run) {
  int64_t task;
  GString *text = run->workers->take(run->workers, PULSE, &task);
  if (text)
    *place_of(run, task) = text;
}

static gboolean write_ready(Run *run, GError **error) {
  gboolean written = TRUE;
  while (written && run->written < run->end && *place_of(run, run->written)) {
    GString **text = place_of(run, run->written);
    written = run->sink->write(run->sink->data, run->written, *text, error);
    g_clear_pointer(text, text_free);
    run->written += written;
  }
  return written;
}

static gboolean step(Run *run, GError **error) {
  give_all(run);
  take_one(run);
  return write_ready(run, error) &&
         run->sink->pulse(run->sink->data, run->written, error);
}

gboolean dsp_sweep_run(DspWorkers *workers, int64_t first, int64_t end,
                       const DspSink *sink, GError **error) {
  Run run = {workers, sink, first,
             first,   end,  g_new0(GString *, workers->window)};
  gboolean going = TRUE;
  while (going && run.written < end)
    going = step(&run, error);
  for (guint i = 0; i < workers->window; i++)
    text_free(run.waiting[i]);
  g_free(run.waiting);
  return going;
}

/* --- threads ------------------------------------------------------------- */

/* Tasks on their way for each thread: enough that none is idle while a long
 * one is waited for. */
enum { AHEAD = 64 };

/* What a thread is given, and gives back with its text. */
typedef struct {
  int64_t task; /* -1: there are no more */
  GString *text;
} Job;

typedef struct {
  DspWorkers workers;
  DspWork work;
  GPtrArray *threads;        /* GThread */
  GAsyncQueue *given, *done; /* Job */
} Threads;

static Job *job_new(int64_t task) {
  Job *job = g_new0(Job, 1);
  job->task = task;
  return job;
}

static void job_free(gpointer data) {
  Job *job = data;
  text_free(job->text);
  g_free(job);
}

static gpointer do_jobs(gpointer data) {
  const Threads *threads = data;
  const DspWork *work = &threads->work;
  gpointer begun = work->begin(work->data);
  Job *job;
  while ((job = g_async_queue_pop(threads->given))->task >= 0) {
    job->text = g_string_new(NULL);
    work->work(begun, job->task, job->text);
    g_async_queue_push(threads->done, job);
  }
  job_free(job);
  work->end(begun);
  return NULL;
}

static gboolean give(DspWorkers *workers, int64_t task) {
  g_async_queue_push(((Threads *)workers)->given, job_new(task));
  return TRUE;
}

static GString *take(DspWorkers *workers, gint64 timeout, int64_t *task) {
  const Threads *threads = (Threads *)workers;
  Job *job = g_async_queue_timeout_pop(threads->done, (guint64)timeout);
  if (!job)
    return NULL;
  GString *text = g_steal_pointer(&job->text);
  *task = job->task;
  job_free(job);
  return text;
}

static void free_threads(DspWorkers *workers) {
  Threads *threads = (Threads *)workers;
  Job *job;
  while ((job = g_async_queue_try_pop(threads->given)))
    job_free(job);
  for (guint i = 0; i < threads->threads->len; i++)
    give(workers, -1);
  for (guint i = 0; i < threads->threads->len; i++)
    g_thread_join(threads->threads->pdata[i]);
  g_ptr_array_unref(threads->threads);
  g_async_queue_unref(threads->given);
  g_async_queue_unref(threads->done);
  g_free(threads);
}

DspWorkers *dsp_sweep_threads_new(const DspWork *work, guint n) {
  Threads *threads = g_new0(Threads, 1);
  threads->workers = (DspWorkers){n * AHEAD, give, take, free_threads};
  threads->work = *work;
  threads->threads = g_ptr_array_new();
  threads->given = g_async_queue_new_full(job_free);
  threads->done = g_async_queue_new_full(job_free);
  for (guint i = 0; i < n; i++)
    g_ptr_array_add(threads->threads, g_thread_new("sweep", do_jobs, threads));
  return &threads->workers;
}
