/* SPDX-License-Identifier: Apache-2.0 */
/* Many tasks, done in any order by many workers; what they yield is taken in
 * order, and little of it is kept. */
#ifndef DSP_SEARCH_SWEEP_H
#define DSP_SEARCH_SWEEP_H

#include <glib.h>
#include <stdint.h>

/* Who does the tasks: threads (below), or processes elsewhere. */
typedef struct DspWorkers DspWorkers;
struct DspWorkers {
  guint window; /* tasks that may be on their way at the same time */
  /* Takes the task on. FALSE: not now, some must be taken first. */
  gboolean (*give)(DspWorkers *workers, int64_t task);
  /* What one task yielded, within `timeout` microseconds or as soon as workers
   * can tell; NULL: nothing yet. */
  GString *(*take)(DspWorkers *workers, gint64 timeout, int64_t *task);
  /* Ends them; tasks that are on their way are dropped. */
  void (*free)(DspWorkers *workers);
};

static inline void dsp_workers_free(DspWorkers *workers) {
  if (workers)
    workers->free(workers);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DspWorkers, dsp_workers_free)

/* What a thread does. */
typedef struct {
  gpointer (*begin)(gpointer data); /* before its first task */
  void (*work)(gpointer begun, int64_t task, GString *out);
  void (*end)(gpointer begun);
  gpointer data;
} DspWork;

DspWorkers *dsp_sweep_threads_new(const DspWork *work, guint threads);

/* Where it goes. */
typedef struct {
  gboolean (*write)(gpointer data, int64_t task, const GString *text,
                    GError **error);
  /* Now and then, at least ten times a second; FALSE and an error to stop. */
  gboolean (*pulse)(gpointer data, int64_t written, GError **error);
  gpointer data;
} DspSink;

/* Has the tasks from `first` to before `end` done, and writes what they yield
 * in order, until there are no more or one of the functions fails. */
gboolean dsp_sweep_run(DspWorkers *workers, int64_t first, int64_t end,
                       const DspSink *sink, GError **error);

#endif
