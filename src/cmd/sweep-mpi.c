/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/sweep-mpi.h"
#include "base/error.h"

/* As Open MPI tells the processes that it starts. */
#define RANKS_VARIABLE "OMPI_COMM_WORLD_SIZE"

static gboolean is_under_mpirun(void) {
  const char *ranks = g_getenv(RANKS_VARIABLE);
  return ranks && g_strcmp0(ranks, "1") != 0;
}

#ifdef HAVE_MPI
#include <mpi.h>
#include <stdio.h>
#include <string.h>

enum { TASK, ROWS, END };

gboolean dsp_mpi_begin(gboolean together, GError **error) {
  (void)error;
  if (!together || !is_under_mpirun())
    return TRUE;
  MPI_Init(NULL, NULL);
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  return TRUE;
}

static gboolean is_begun(void) {
  int begun;
  MPI_Initialized(&begun);
  return begun;
}

guint dsp_mpi_ranks(void) {
  int size = 1;
  if (is_begun())
    MPI_Comm_size(MPI_COMM_WORLD, &size);
  return (guint)size - 1;
}

void dsp_mpi_end(void) {
  if (is_begun())
    MPI_Finalize();
}

gboolean dsp_mpi_agree(const GString *text, GError **error) {
  enum { LENGTH = 65 };
  char first[LENGTH] = "";
  g_autofree char *own = g_compute_checksum_for_data(
      G_CHECKSUM_SHA256, (const guchar *)text->str, text->len);
  if (!is_begun())
    return TRUE;
  g_strlcpy(first, own, LENGTH);
  MPI_Bcast(first, LENGTH, MPI_CHAR, 0, MPI_COMM_WORLD);
  int same = g_str_equal(first, own), all = 0;
  MPI_Allreduce(&same, &all, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
  if (!all)
    g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE,
                "the ranks read different files, or are not the same dspsim");
  return all;
}

/* --- a rank that works --------------------------------------------------- */

/* A message: the task, then the text. */
static void send_rows(int64_t task, const GString *text) {
  g_autoptr(GString) message =
      g_string_new_len((const char *)&task, sizeof task);
  g_string_append_len(message, text->str, (gssize)text->len);
  MPI_Send(message->str, (int)message->len, MPI_BYTE, 0, ROWS, MPI_COMM_WORLD);
}

/* FALSE: there are no more tasks. */
static gboolean receive_task(int64_t *task) {
  MPI_Status status;
  return MPI_Recv(task, 1, MPI_INT64_T, 0, MPI_ANY_TAG, MPI_COMM_WORLD,
                  &status) == MPI_SUCCESS &&
         status.MPI_TAG == TASK;
}

gboolean dsp_mpi_serve(const DspWork *work) {
  int rank = 0;
  int64_t task;
  if (is_begun())
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  if (rank == 0)
    return FALSE;
  gpointer begun = work->begin(work->data);
  while (receive_task(&task)) {
    g_autoptr(GString) text = g_string_new(NULL);
    work->work(begun, task, text);
    send_rows(task, text);
  }
  work->end(begun);
  return TRUE;
}

/* --- the first rank ------------------------------------------------------ */

/* A rank is given up for lost when it is silent for PATIENCE seconds and
 * PATIENCE_FACTOR times as long as any was so far. If it only was slow, its
 * work is done twice, and it is found again when it answers. */
enum { DEPTH = 4, POLL = 100 /* us */, PATIENCE = 5, PATIENCE_FACTOR = 20 };

typedef struct {
  gboolean lost;
  guint n; /* tasks that it has, at most DEPTH */
  int64_t tasks[DEPTH];
  gint64 heard; /* when it gave something back last, or got its first task */
} Rank;

typedef struct {
  DspWorkers workers;
  const DspWork *work;
  gpointer begun; /* of the first rank, which works if no other can; or NULL */
  guint n;
  Rank *ranks;        /* the first is rank 1 */
  GHashTable *wanted; /* int64_t: tasks given and not yet taken */
  GQueue *waiting;    /* int64_t: those of them that no rank has */
  gint64 longest;     /* silence before an answer */
  gboolean any_lost;  /* at any time */
} Ranks;

static gpointer copy_of(int64_t task) {
  return g_memdup2(&task, sizeof task);
}

static void lose(Ranks *ranks, guint i) {
  Rank *rank = &ranks->ranks[i];
  fprintf(stderr, "dspsim: rank %u does not answer, its work is done again\n",
          i + 1);
  for (guint j = 0; j < rank->n; j++)
    g_queue_push_tail(ranks->waiting, copy_of(rank->tasks[j]));
  rank->n = 0;
  rank->lost = ranks->any_lost = TRUE;
}

/* The rank with the fewest tasks that has room for one more, or -1. */
static int idlest(const Ranks *ranks) {
  int best = -1;
  guint n = DEPTH;
  for (guint i = 0; i < ranks->n; i++)
    if (!ranks->ranks[i].lost && ranks->ranks[i].n < n) {
      n = ranks->ranks[i].n;
      best = (int)i;
    }
  return best;
}

static gboolean all_lost(const Ranks *ranks) {
  for (guint i = 0; i < ranks->n; i++)
    if (!ranks->ranks[i].lost)
      return FALSE;
  return TRUE;
}

static void send_task(Ranks *ranks, guint i, int64_t task) {
  Rank *rank = &ranks->ranks[i];
  if (rank->n == 0)
    rank->heard = g_get_monotonic_time();
  rank->tasks[rank->n++] = task;
  if (MPI_Send(&task, 1, MPI_INT64_T, (int)i + 1, TASK, MPI_COMM_WORLD) !=
      MPI_SUCCESS)
    lose(ranks, i);
}

/* Gives out what waits, but for what a rank that was lost has done after
 * all. */
static void give_waiting(Ranks *ranks) {
  int i;
  while (ranks->waiting->length && (i = idlest(ranks)) >= 0) {
    g_autofree int64_t *task = g_queue_pop_head(ranks->waiting);
    if (g_hash_table_contains(ranks->wanted, task))
      send_task(ranks, (guint)i, *task);
  }
}

static gboolean give(DspWorkers *workers, int64_t task) {
  Ranks *ranks = (Ranks *)workers;
  give_waiting(ranks);
  const guint room = all_lost(ranks) ? 1 : idlest(ranks) >= 0;
  if (ranks->waiting->length >= room)
    return FALSE;
  g_hash_table_add(ranks->wanted, copy_of(task));
  g_queue_push_tail(ranks->waiting, copy_of(task));
  give_waiting(ranks);
  return TRUE;
}

static void note_answer(Ranks *ranks, Rank *rank, int64_t task) {
  const gint64 now = g_get_monotonic_time();
  ranks->longest = MAX(ranks->longest, now - rank->heard);
  rank->heard = now;
  rank->lost = FALSE;
  for (guint i = 0; i < rank->n; i++)
    if (rank->tasks[i] == task) {
      rank->tasks[i] = rank->tasks[--rank->n];
      return;
    }
}

/* The message of that status; NULL if its task was done before. */
static GString *receive_rows(Ranks *ranks, MPI_Status *status, int64_t *task) {
  int length = 0;
  MPI_Get_count(status, MPI_BYTE, &length);
  g_autofree char *message = g_malloc((gsize)length);
  MPI_Recv(message, length, MPI_BYTE, status->MPI_SOURCE, ROWS, MPI_COMM_WORLD,
           MPI_STATUS_IGNORE);
  memcpy(task, message, sizeof *task);
  note_answer(ranks, &ranks->ranks[status->MPI_SOURCE - 1], *task);
  return g_hash_table_remove(ranks->wanted, task)
             ? g_string_new_len(message + sizeof *task,
                                length - (gssize)sizeof *task)
             : NULL;
}

static void find_lost(Ranks *ranks) {
  const gint64 now = g_get_monotonic_time();
  const gint64 patience =
      MAX((gint64)PATIENCE * G_USEC_PER_SEC, PATIENCE_FACTOR * ranks->longest);
  for (guint i = 0; i < ranks->n; i++)
    if (ranks->ranks[i].n && now - ranks->ranks[i].heard > patience)
      lose(ranks, i);
}

/* All others are lost: the first rank does one task itself. */
static GString *do_alone(Ranks *ranks, int64_t *task) {
  g_autofree int64_t *first = g_queue_pop_head(ranks->waiting);
  if (!first || !g_hash_table_remove(ranks->wanted, first))
    return NULL;
  GString *text = g_string_new(NULL);
  if (!ranks->begun)
    ranks->begun = ranks->work->begin(ranks->work->data);
  ranks->work->work(ranks->begun, *task = *first, text);
  return text;
}

static GString *take_message(Ranks *ranks, gint64 timeout, int64_t *task) {
  const gint64 end = g_get_monotonic_time() + timeout;
  do {
    int found = 0;
    MPI_Status status;
    MPI_Iprobe(MPI_ANY_SOURCE, ROWS, MPI_COMM_WORLD, &found, &status);
    if (found)
      return receive_rows(ranks, &status, task);
    g_usleep(POLL);
  } while (g_get_monotonic_time() < end);
  find_lost(ranks);
  return NULL;
}

static GString *take(DspWorkers *workers, gint64 timeout, int64_t *task) {
  Ranks *ranks = (Ranks *)workers;
  give_waiting(ranks);
  GString *text = take_message(ranks, all_lost(ranks) ? POLL : timeout, task);
  return text || !all_lost(ranks) ? text : do_alone(ranks, task);
}

static gboolean is_busy(const Ranks *ranks) {
  for (guint i = 0; i < ranks->n; i++)
    if (ranks->ranks[i].n)
      return TRUE;
  return FALSE;
}

/* Takes what is on its way: a rank that cannot get rid of it cannot end. One
 * that was lost may be about to send something, if it is still there. */
static void drain(Ranks *ranks) {
  int64_t task;
  gint64 silent = 0;
  while (is_busy(ranks) || (ranks->any_lost && silent < G_USEC_PER_SEC)) {
    const gint64 began = g_get_monotonic_time();
    GString *text = take_message(ranks, G_USEC_PER_SEC / 10, &task);
    silent = text ? 0 : silent + g_get_monotonic_time() - began;
    if (text)
      g_string_free(text, TRUE);
  }
}

static void free_ranks(DspWorkers *workers) {
  Ranks *ranks = (Ranks *)workers;
  const int64_t none = -1;
  for (guint i = 0; i < ranks->n; i++)
    MPI_Send(&none, 1, MPI_INT64_T, (int)i + 1, END, MPI_COMM_WORLD);
  drain(ranks);
  if (ranks->begun)
    ranks->work->end(ranks->begun);
  g_hash_table_destroy(ranks->wanted);
  g_queue_free_full(ranks->waiting, g_free);
  g_free(ranks->ranks);
  g_free(ranks);
}

DspWorkers *dsp_mpi_workers_new(const DspWork *work) {
  /* Tasks on their way for each rank, so that it is not idle while a long one
   * is waited for. */
  enum { AHEAD = 64 };
  Ranks *ranks = g_new0(Ranks, 1);
  ranks->n = dsp_mpi_ranks();
  ranks->workers = (DspWorkers){ranks->n * AHEAD, give, take, free_ranks};
  ranks->work = work;
  ranks->ranks = g_new0(Rank, ranks->n);
  ranks->wanted =
      g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
  ranks->waiting = g_queue_new();
  return &ranks->workers;
}

#else

gboolean dsp_mpi_begin(gboolean together, GError **error) {
  if (!together || !is_under_mpirun())
    return TRUE;
  g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE,
              "this dspsim was built without '--with-mpi': give each process "
              "a '--shard'");
  return FALSE;
}

guint dsp_mpi_ranks(void) {
  return 0;
}

gboolean dsp_mpi_agree(const GString *text, GError **error) {
  (void)text, (void)error;
  return TRUE;
}

gboolean dsp_mpi_serve(const DspWork *work) {
  (void)work;
  return FALSE;
}

DspWorkers *dsp_mpi_workers_new(const DspWork *work) {
  (void)work;
  return NULL;
}

void dsp_mpi_end(void) {
}

#endif
