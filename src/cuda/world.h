/* SPDX-License-Identifier: Apache-2.0 */
/* The processes of a run, a rank each, and NCCL between them. */
#ifndef DSP_CUDA_WORLD_H
#define DSP_CUDA_WORLD_H

#include "cuda/device.h"
#include "numerics/machine.h"
#include <nccl.h>

typedef struct {
  DspMachine machine;
  DspCudaDevice *gpu;
  ncclComm_t comm; /* of all; NULL: one rank */
  int ranks;
  guint timeout; /* seconds without progress that end the process */
} DspWorld;

/* Where this process stands. */
typedef struct {
  int rank, ranks;             /* of all */
  int local_rank, local_ranks; /* on this machine */
} DspSeat;

/* What mpirun or srun say in the environment; FALSE without them. */
gboolean dsp_seat_from_environment(DspSeat *seat);

/* Takes the seat's GPU, which local ranks share where they are more than GPUs,
 * and meets the others: the first rank leaves NCCL's id at the path `id`. */
DspWorld *dsp_world_new(const DspSeat *seat, const char *id, guint timeout);
void dsp_world_free(DspWorld *world);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DspWorld, dsp_world_free)

/* The process ends with a message if `what` takes longer than the time-out;
 * NULL: it is over. */
void dsp_world_watch(const DspWorld *world, const char *what);

/* nccl.c */
DspCarrier *dsp_nccl_new(const DspMachine *machine, const DspPlan *plan);
void dsp_nccl_gather(const DspMachine *machine, const void *mine, gsize n,
                     void *all);
void dsp_nccl_check(ncclResult_t result, const char *what);
/* Waits for what the GPU was asked for, and looks for errors meanwhile. */
void dsp_nccl_wait(const DspWorld *world, ncclComm_t comm);

#endif
