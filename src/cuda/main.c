/* SPDX-License-Identifier: Apache-2.0 */
/* dspsim-cuda: runs schedules on GPUs for `dspsim validate`. */
#include "cuda/launch.h"
#include "cuda/measure.h"
#include "cuda/worker.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TIMEOUT = 60 };

/* As a rank that mpirun or srun has started; they meet in a folder that all
 * of them see. */
static int validate_seat(const char *cases, const char *folder,
                         const DspSeat *seat) {
  const DspWork work = {cases, folder, 0, TIMEOUT};
  int status = dsp_worker_run(&work, seat);
  if (seat->rank == 0)
    dsp_print_results(folder, G_MAXUINT16);
  return status;
}

static int validate(int n, char **arguments) {
  DspSeat seat;
  guint timeout = n > 1 ? (guint)g_ascii_strtoull(arguments[1], NULL, 10) : 0;
  if (n > 1 && timeout == 0 && dsp_seat_from_environment(&seat))
    return validate_seat(arguments[0], arguments[1], &seat);
  return dsp_launch(arguments[0], timeout > 0 ? timeout : TIMEOUT);
}

enum { CASES, FOLDER, FIRST, SECONDS, RANK, RANKS, N_WORKER_ARGUMENTS };

static guint number(const char *text) {
  return (guint)g_ascii_strtoull(text, NULL, 10);
}

static int run_rank(char **a, int (*run)(const DspWork *, const DspSeat *)) {
  const DspSeat seat = {(int)number(a[RANK]), (int)number(a[RANKS]),
                        (int)number(a[RANK]), (int)number(a[RANKS])};
  const DspWork work = {a[CASES], a[FOLDER], number(a[FIRST]),
                        number(a[SECONDS])};
  return run(&work, &seat);
}

static int worker(int n, char **arguments) {
  (void)n;
  return run_rank(arguments, dsp_worker_run);
}

static int bench(int n, char **arguments) {
  (void)n;
  return run_rank(arguments, dsp_bench_run);
}

static int measure(int n, char **arguments) {
  return dsp_measure(arguments[0], n > 1 ? arguments[1] : NULL);
}

static const struct {
  const char *name;
  int least, most; /* arguments */
  int (*run)(int, char **);
  const char *usage;
} commands[] = {
    {"validate", 1, 2, validate, "validate CASES [SECONDS | FOLDER]"},
    {"measure", 1, 2, measure, "measure FILE [CLUSTER]"},
    {"worker", N_WORKER_ARGUMENTS, N_WORKER_ARGUMENTS, worker, NULL},
    {"bench", N_WORKER_ARGUMENTS, N_WORKER_ARGUMENTS, bench, NULL},
};

static int usage(void) {
  fprintf(stderr, "dspsim-cuda: validates schedules on GPUs for dspsim\n");
  for (guint i = 0; i < G_N_ELEMENTS(commands); i++)
    if (commands[i].usage)
      fprintf(stderr, "usage: dspsim-cuda %s\n", commands[i].usage);
  return 2;
}

int main(int argc, char **argv) {
  for (guint i = 0; argc > 1 && i < G_N_ELEMENTS(commands); i++)
    if (strcmp(argv[1], commands[i].name) == 0 &&
        argc - 2 >= commands[i].least && argc - 2 <= commands[i].most)
      return commands[i].run(argc - 2, argv + 2);
  return usage();
}
