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

typedef struct {
  int64_t task;
  GString *text;
} Done;

typedef struct {
  DspWorkers workers;
  DspWork work;
  GThreadPool *pool;
  GAsyncQueue *begun, *done; /* what begin() made and is idle; Done */
} Threads;

static void done_free(gpointer data) {
  Done *done = data;
  text_free(done->text);
  g_free(done);
}

static void do_task(gpointer data, gpointer user_data) {
  Done *done = data;
  Threads *threads = user_data;
  gpointer begun = g_async_queue_try_pop(threads->begun);
  if (!begun)
    begun = threads->work.begin(threads->work.data);
  done->text = g_string_new(NULL);
  threads->work.work(begun, done->task, done->text);
  g_async_queue_push(threads->begun, begun);
  g_async_queue_push(threads->done, done);
}

static Done *done_new(int64_t task) {
  Done *done = g_new0(Done, 1);
  done->task = task;
  return done;
}

static gboolean give(DspWorkers *workers, int64_t task) {
  g_thread_pool_push(((Threads *)workers)->pool, done_new(task), NULL);
  return TRUE;
}

static GString *take(DspWorkers *workers, gint64 timeout, int64_t *task) {
  Threads *threads = (Threads *)workers;
  Done *done = g_async_queue_timeout_pop(threads->done, (guint64)timeout);
  if (!done)
    return NULL;
  GString *text = g_steal_pointer(&done->text);
  *task = done->task;
  done_free(done);
  return text;
}

static void free_threads(DspWorkers *workers) {
  Threads *threads = (Threads *)workers;
  gpointer begun;
  g_thread_pool_free(threads->pool, TRUE, TRUE);
  while ((begun = g_async_queue_try_pop(threads->begun)))
    threads->work.end(begun);
  g_async_queue_unref(threads->begun);
  g_async_queue_unref(threads->done);
  g_free(threads);
}

DspWorkers *dsp_sweep_threads_new(const DspWork *work, guint n) {
  Threads *threads = g_new0(Threads, 1);
  threads->workers = (DspWorkers){n * AHEAD, give, take, free_threads};
  threads->work = *work;
  threads->begun = g_async_queue_new();
  threads->done = g_async_queue_new_full(done_free);
  threads->pool =
      g_thread_pool_new_full(do_task, threads, done_free, (gint)n, FALSE, NULL);
  return &threads->workers;
}
