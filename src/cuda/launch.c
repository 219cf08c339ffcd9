/* SPDX-License-Identifier: Apache-2.0 */
#include "cuda/launch.h"
#include "base/error.h"
#include "cuda/cases.h"
#include "cuda/worker.h"
#include <errno.h>
#include <glib/gstdio.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* A case may take so many times as long as it may stand still. */
enum { PATIENCE = 10, LOOK_US = 20000 };
/* Exit status. */
enum { BAD_INPUT = 3 };

char *dsp_no_gpu(void) {
  int n = 0;
  cudaError_t error = cudaGetDeviceCount(&n);
  if (error != cudaSuccess)
    return g_strdup_printf("no GPU: %s", cudaGetErrorString(error));
  return n > 0 ? NULL : g_strdup("no GPU");
}

/* --- results ---------------------------------------------------------------
 */

/* Lines of the first rank, by case; NULL: none yet. */
static cJSON **read_results(const char *folder, guint n) {
  g_autofree char *path = g_build_filename(folder, "results", NULL);
  g_autofree char *text = NULL;
  cJSON **rows = g_new0(cJSON *, n + 1);
  if (!g_file_get_contents(path, &text, NULL, NULL))
    return rows;
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  for (guint i = 0; lines[i]; i++) {
    cJSON *row = cJSON_Parse(lines[i]);
    const cJSON *number = cJSON_GetObjectItemCaseSensitive(row, "case");
    double at = cJSON_IsNumber(number) ? number->valuedouble : -1;
    if (at >= 0 && at < n && !rows[(guint)at])
      rows[(guint)at] = row;
    else
      cJSON_Delete(row);
  }
  return rows;
}

static void rows_free(cJSON **rows, guint n) {
  for (guint i = 0; i < n; i++)
    cJSON_Delete(rows[i]);
  g_free(rows);
}

static void add_error(const char *folder, guint number, const char *reason) {
  g_autofree char *path = g_build_filename(folder, "results", NULL);
  FILE *results = fopen(path, "a");
  cJSON *node = cJSON_CreateObject();
  cJSON_AddNumberToObject(node, "case", number);
  cJSON_AddStringToObject(node, "error", reason);
  char *text = cJSON_PrintUnformatted(node);
  if (results) {
    fprintf(results, "%s\n", text);
    fclose(results);
  }
  cJSON_free(text);
  cJSON_Delete(node);
}

static void print_node(cJSON *node) {
  char *text = cJSON_Print(node);
  puts(text);
  cJSON_free(text);
  cJSON_Delete(node);
}

void dsp_print_results(const char *folder, guint n) {
  cJSON **rows = read_results(folder, n);
  cJSON *root = cJSON_CreateObject();
  g_autofree char *machine = dsp_machine_text();
  cJSON_AddStringToObject(root, "machine", machine);
  cJSON *list = cJSON_AddArrayToObject(root, "rows");
  for (guint i = 0; i < n; i++)
    if (rows[i])
      cJSON_AddItemToArray(list, g_steal_pointer(&rows[i]));
  rows_free(rows, n);
  print_node(root);
}

/* --- processes -------------------------------------------------------------
 */

typedef struct {
  const char *command; /* what each process does */
  const char *cases, *folder;
  guint timeout;
  gint64 ranks; /* of the present size */
  guint first;
  pid_t group; /* of the processes, 0: none */
  pid_t *children;
} Launch;

static volatile sig_atomic_t interrupted;

static void on_signal(int signal) {
  (void)signal;
  interrupted = 1;
}

static char *log_of(const Launch *l, gint64 rank) {
  g_autofree char *name = g_strdup_printf("log.%d", (int)rank);
  return g_build_filename(l->folder, name, NULL);
}

/* In the new process. */
static void become_worker(const Launch *l, gint64 rank) {
  g_autofree char *log = log_of(l, rank);
  g_autofree char *first = g_strdup_printf("%u", l->first);
  g_autofree char *timeout = g_strdup_printf("%u", l->timeout);
  g_autofree char *number = g_strdup_printf("%d", (int)rank);
  g_autofree char *ranks = g_strdup_printf("%d", (int)l->ranks);
  int out = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  setpgid(0, l->group);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (out < 0 || dup2(out, STDOUT_FILENO) < 0 || dup2(out, STDERR_FILENO) < 0)
    _exit(EXIT_FAILURE);
  execl("/proc/self/exe", "dspsim-cuda", l->command, l->cases, l->folder, first,
        timeout, number, ranks, NULL);
  _exit(EXIT_FAILURE);
}

/* An id of ranks that have not met would lead these astray. */
static void forget_id(const Launch *l) {
  g_autofree char *path = g_build_filename(l->folder, DSP_ID_FILE, NULL);
  g_unlink(path);
}

static gboolean start(Launch *l) {
  l->group = 0;
  forget_id(l);
  for (gint64 i = 0; i < l->ranks; i++) {
    pid_t child = fork();
    if (child == 0)
      become_worker(l, i);
    if (child < 0)
      return FALSE;
    if (l->group == 0)
      l->group = child;
    setpgid(child, l->group);
    l->children[i] = child;
  }
  return TRUE;
}

static void end_all(Launch *l) {
  if (l->group > 0)
    kill(-l->group, SIGKILL);
  for (gint64 i = 0; i < l->ranks; i++)
    if (l->children[i] > 0)
      waitpid(l->children[i], NULL, 0);
}

/* The last words of a rank, if it had any. */
static char *last_words(const Launch *l, gint64 rank) {
  g_autofree char *path = log_of(l, rank), *text = NULL;
  if (!g_file_get_contents(path, &text, NULL, NULL))
    return NULL;
  g_strchomp(text);
  const char *line = strrchr(text, '\n');
  line = line ? line + 1 : text;
  return *line ? g_utf8_make_valid(line, -1) : NULL;
}

static char *how_it_ended(const Launch *l, gint64 rank, int status) {
  g_autofree char *words = last_words(l, rank);
  if (WIFSIGNALED(status))
    return g_strdup_printf("rank %d: ended by signal %d", (int)rank,
                           WTERMSIG(status));
  if (words)
    return g_steal_pointer(&words);
  return g_strdup_printf("rank %d: ended with status %d", (int)rank,
                         WEXITSTATUS(status));
}

/* Looks at each process once; how the first that failed has ended. */
static char *look(Launch *l, gint64 *running) {
  char *failure = NULL;
  *running = 0;
  for (gint64 i = 0; i < l->ranks; i++) {
    int status = 0;
    if (l->children[i] <= 0)
      continue;
    pid_t ended = waitpid(l->children[i], &status, WNOHANG);
    *running += ended == 0;
    if (ended <= 0)
      continue;
    l->children[i] = 0;
    if (status != 0 && !failure)
      failure = how_it_ended(l, i, status);
  }
  return failure;
}

static gint64 size_of_results(const Launch *l) {
  g_autofree char *path = g_build_filename(l->folder, "results", NULL);
  GStatBuf info;
  return g_stat(path, &info) == 0 ? (gint64)info.st_size : 0;
}

/* Waits for all; why not all cases were run, or NULL. */
static char *wait_for_all(Launch *l) {
  gint64 running = l->ranks, size = -1, since = 0;
  while (running > 0) {
    char *failure = look(l, &running);
    if (failure)
      return failure;
    if (interrupted)
      return g_strdup("interrupted");
    if (size_of_results(l) != size) {
      size = size_of_results(l);
      since = g_get_monotonic_time();
    }
    if (g_get_monotonic_time() - since >
        (gint64)l->timeout * PATIENCE * G_USEC_PER_SEC)
      return g_strdup("no result in time");
    if (running > 0)
      g_usleep(LOOK_US);
  }
  return NULL;
}

/* --- cases -----------------------------------------------------------------
 */

static gint64 ranks_of(const GPtrArray *cases, guint i) {
  return dsp_plan_ranks(&((const DspCase *)cases->pdata[i])->plan);
}

/* The first case of the present size that has no row. */
static guint first_due(const Launch *l, const GPtrArray *cases) {
  cJSON **rows = read_results(l->folder, cases->len);
  guint i = 0;
  while (i < cases->len && (ranks_of(cases, i) != l->ranks || rows[i]))
    i++;
  rows_free(rows, cases->len);
  return i;
}

/* Starts the processes and waits for them; why they have not ended well. */
static char *run_once(Launch *l) {
  l->children = g_new0(pid_t, (gsize)l->ranks);
  char *failure = start(l) ? wait_for_all(l) : g_strdup(g_strerror(errno));
  end_all(l);
  g_clear_pointer(&l->children, g_free);
  return failure;
}

static void run_size(Launch *l, const GPtrArray *cases) {
  while ((l->first = first_due(l, cases)) < cases->len && !interrupted) {
    g_autofree char *failure = run_once(l);
    guint stopped = first_due(l, cases);
    if (stopped < cases->len)
      add_error(l->folder, stopped, failure ? failure : "no result");
  }
}

static gboolean comes_first(const GPtrArray *cases, guint i) {
  for (guint j = 0; j < i; j++)
    if (ranks_of(cases, j) == ranks_of(cases, i))
      return FALSE;
  return TRUE;
}

char *dsp_folder_new(GError **error) {
  return g_dir_make_tmp("dspsim-cuda-XXXXXX", error);
}

void dsp_folder_remove(const char *folder) {
  g_autoptr(GDir) files = g_dir_open(folder, 0, NULL);
  const char *name;
  while (files && (name = g_dir_read_name(files))) {
    g_autofree char *path = g_build_filename(folder, name, NULL);
    g_unlink(path);
  }
  g_rmdir(folder);
}

static void take_signals(void) {
  signal(SIGINT, on_signal);
  signal(SIGTERM, on_signal);
}

char *dsp_launch_bench(const char *folder, int ranks, guint timeout) {
  Launch l = {.command = "bench",
              .cases = "-",
              .folder = folder,
              .timeout = timeout,
              .ranks = ranks};
  take_signals();
  return run_once(&l);
}

static void run_cases(const GPtrArray *cases, Launch *l) {
  take_signals();
  for (guint i = 0; i < cases->len && !interrupted; i++)
    if (comes_first(cases, i)) {
      l->ranks = ranks_of(cases, i);
      run_size(l, cases);
    }
}

int dsp_print_skipped(const char *why) {
  cJSON *root = cJSON_CreateObject();
  cJSON_AddStringToObject(root, "skipped", why);
  print_node(root);
  return EXIT_SUCCESS;
}

static int fail(const GError *error) {
  fprintf(stderr, "dspsim-cuda: %s\n", error->message);
  return g_error_matches(error, DSP_ERROR, DSP_ERROR_INPUT) ? BAD_INPUT
                                                            : EXIT_FAILURE;
}

int dsp_launch(const char *file, guint timeout) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) cases = dsp_cases_load(file, &error);
  if (!cases)
    return fail(error);
  g_autofree char *skipped = dsp_no_gpu();
  if (skipped)
    return dsp_print_skipped(skipped);
  g_autofree char *folder = dsp_folder_new(&error);
  if (!folder)
    return fail(error);
  Launch l = {
      .command = "worker", .cases = file, .folder = folder, .timeout = timeout};
  run_cases(cases, &l);
  if (!interrupted)
    dsp_print_results(folder, cases->len);
  dsp_folder_remove(folder);
  return interrupted ? EXIT_FAILURE : EXIT_SUCCESS;
}
