/* SPDX-License-Identifier: Apache-2.0 */
#include "cuda/world.h"
#include <glib/gstdio.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Of this process, for its last words. */
static int this_rank = -1;
static const char *volatile watched;

void dsp_cuda_die(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *message = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  if (this_rank >= 0)
    fprintf(stderr, "rank %d: %s\n", this_rank, message);
  else
    fprintf(stderr, "dspsim-cuda: %s\n", message);
  fflush(stderr);
  /* Not exit(): NCCL and CUDA would wait for the other ranks. */
  _exit(EXIT_FAILURE);
}

/* --- time-outs -------------------------------------------------------------
 */

static void say(const char *text) {
  if (write(STDERR_FILENO, text, strlen(text)) < 0)
    return;
}

/* Only what a signal handler may do. */
static void on_alarm(int signal) {
  char rank[] = "rank 00: ";
  (void)signal;
  rank[5] = (char)('0' + this_rank / 10 % 10);
  rank[6] = (char)('0' + this_rank % 10);
  say(rank);
  say("no progress in time: ");
  say(watched ? watched : "a kernel");
  say("\n");
  _exit(EXIT_FAILURE);
}

void dsp_world_watch(const DspWorld *world, const char *what) {
  watched = what;
  alarm(what ? world->timeout : 0);
}

/* --- seats -----------------------------------------------------------------
 */

static int number_in(const char *const *names, int otherwise) {
  for (guint i = 0; names[i]; i++) {
    const char *text = g_getenv(names[i]);
    if (text && g_ascii_isdigit(*text))
      return (int)g_ascii_strtoll(text, NULL, 10);
  }
  return otherwise;
}

gboolean dsp_seat_from_environment(DspSeat *seat) {
  static const char *const ranks[] = {"OMPI_COMM_WORLD_RANK", "SLURM_PROCID",
                                      NULL};
  static const char *const sizes[] = {"OMPI_COMM_WORLD_SIZE", "SLURM_NTASKS",
                                      NULL};
  static const char *const local_ranks[] = {"OMPI_COMM_WORLD_LOCAL_RANK",
                                            "SLURM_LOCALID", NULL};
  static const char *const local_sizes[] = {"OMPI_COMM_WORLD_LOCAL_SIZE",
                                            "SLURM_NTASKS_PER_NODE", NULL};
  seat->rank = number_in(ranks, -1);
  seat->ranks = number_in(sizes, -1);
  seat->local_rank = number_in(local_ranks, 0);
  seat->local_ranks = number_in(local_sizes, 1);
  return seat->rank >= 0 && seat->ranks > seat->rank;
}

/* --- a GPU of several ranks ------------------------------------------------
 */

/* NCCL takes two ranks on one GPU for a mistake unless they are on two hosts;
 * with host names of their own they meet through sockets. */
static void share_gpu(int rank) {
  static const char *const settings[][2] = {{"NCCL_NET", "Socket"},
                                            {"NCCL_NET_PLUGIN", "none"},
                                            {"NCCL_IB_DISABLE", "1"},
                                            {"NCCL_SOCKET_IFNAME", "lo"},
                                            {"NCCL_SOCKET_FAMILY", "AF_INET"},
                                            {"NCCL_P2P_DISABLE", "1"},
                                            {"NCCL_SHM_DISABLE", "1"},
                                            {"NCCL_MNNVL_ENABLE", "0"},
                                            {"NCCL_NVLS_ENABLE", "0"},
                                            {"NCCL_MAX_NCHANNELS", "2"},
                                            {"NCCL_RAS_ENABLE", "0"},
                                            {"NCCL_ALGO", "Ring"},
                                            {"NCCL_PROTO", "Simple"}};
  g_autofree char *host = g_strdup_printf("rank%d", rank);
  g_setenv("NCCL_HOSTID", host, TRUE);
  for (guint i = 0; i < G_N_ELEMENTS(settings); i++)
    g_setenv(settings[i][0], settings[i][1], TRUE);
}

static void take_gpu(const DspSeat *seat) {
  int gpus = 0;
  dsp_cuda_check(cudaGetDeviceCount(&gpus), "looking for GPUs");
  if (seat->local_ranks > gpus)
    share_gpu(seat->rank);
  dsp_cuda_check(cudaSetDevice(seat->local_rank % MAX(gpus, 1)),
                 "taking a GPU");
}

/* --- meeting ---------------------------------------------------------------
 */

/* Ranks of other runs wait for ids of other names. */
static char *id_path(const char *id) {
  static const char *const runs[] = {"OMPI_MCA_ess_base_jobid",
                                     "PMIX_NAMESPACE", "SLURM_JOB_ID", NULL};
  for (guint i = 0; runs[i]; i++)
    if (g_getenv(runs[i])) {
      g_autofree char *path = g_strdup_printf("%s.%s", id, g_getenv(runs[i]));
      return g_strdelimit(g_steal_pointer(&path), "@", '-');
    }
  return g_strdup(id);
}

static void leave_id(const char *path, ncclUniqueId *unique) {
  g_autoptr(GError) error = NULL;
  dsp_nccl_check(ncclGetUniqueId(unique), "an id");
  /* Written whole, then renamed. */
  if (!g_file_set_contents(path, unique->internal, sizeof *unique, &error))
    dsp_cuda_die("%s", error->message);
}

static void find_id(const char *path, ncclUniqueId *unique) {
  enum { WAIT_US = 2000 };
  for (;;) {
    g_autofree char *text = NULL;
    gsize n = 0;
    if (g_file_get_contents(path, &text, &n, NULL) && n == sizeof *unique) {
      memcpy(unique, text, n);
      return;
    }
    g_usleep(WAIT_US);
  }
}

static void meet(DspWorld *world, const DspSeat *seat, const char *id) {
  g_autofree char *path = id_path(id);
  ncclUniqueId unique;
  dsp_world_watch(world, "meeting the other ranks");
  if (seat->rank == 0)
    leave_id(path, &unique);
  else
    find_id(path, &unique);
  dsp_nccl_check(
      ncclCommInitRank(&world->comm, seat->ranks, unique, seat->rank),
      "meeting the other ranks");
  dsp_world_watch(world, NULL);
  if (seat->rank == 0)
    g_unlink(path);
}

DspWorld *dsp_world_new(const DspSeat *seat, const char *id, guint timeout) {
  DspWorld *world = g_new0(DspWorld, 1);
  this_rank = seat->rank;
  signal(SIGALRM, on_alarm);
  take_gpu(seat);
  world->ranks = seat->ranks;
  world->timeout = timeout;
  world->gpu = dsp_cuda_new();
  world->machine = (DspMachine){&world->gpu->device, seat->rank, dsp_nccl_new,
                                dsp_nccl_gather};
  if (seat->ranks > 1)
    meet(world, seat, id);
  return world;
}

void dsp_world_free(DspWorld *world) {
  if (!world)
    return;
  if (world->comm)
    dsp_nccl_check(ncclCommDestroy(world->comm), "the end");
  world->gpu->device.kernels->close(&world->gpu->device);
  g_free(world);
}
