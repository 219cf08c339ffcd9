/* SPDX-License-Identifier: Apache-2.0 */
/* Collectives by NCCL between buffers on GPUs. Bytes are counted as they are
 * asked for of others: received by moves; of sums a part of each member, once
 * for the sum and, where all get all of it, once for the result. */
#include "cuda/world.h"

void dsp_nccl_check(ncclResult_t result, const char *what) {
  if (result != ncclSuccess && result != ncclInProgress)
    dsp_cuda_die("NCCL: %s: %s (%s)", what, ncclGetErrorString(result),
                 ncclGetLastError(NULL));
}

void dsp_nccl_wait(const DspWorld *world, ncclComm_t comm) {
  cudaError_t state;
  while ((state = cudaStreamQuery(world->gpu->stream)) == cudaErrorNotReady) {
    ncclResult_t error = ncclSuccess;
    if (comm)
      dsp_nccl_check(ncclCommGetAsyncError(comm, &error), "its state");
    if (error != ncclSuccess && error != ncclInProgress) {
      ncclCommAbort(comm);
      dsp_nccl_check(error, "a collective");
    }
    g_usleep(20);
  }
  dsp_cuda_check(state, "a collective");
}

/* --- groups ----------------------------------------------------------------
 */

typedef struct {
  DspCarrier carrier;
  DspWorld *world;
  ncclComm_t groups[DSP_N_GROUPS]; /* NULL: not needed yet */
} Nccl;

/* All ranks run the same collectives, so all come here together. */
static ncclComm_t group_comm(Nccl *t, const DspGroup *g) {
  ncclComm_t *comm = &t->groups[g->axis];
  if (g->members == t->world->ranks)
    return t->world->comm;
  if (*comm)
    return *comm;
  int first = (int)dsp_carrier_member(&t->carrier, g, 0);
  dsp_world_watch(t->world, "dividing ranks into groups");
  dsp_nccl_check(ncclCommSplit(t->world->comm, first, (int)g->me, comm, NULL),
                 "dividing ranks into groups");
  dsp_world_watch(t->world, NULL);
  return *comm;
}

/* --- collectives -----------------------------------------------------------
 */

typedef struct {
  Nccl *t;
  DspGroup g;
  const DspCarry *c;
  ncclComm_t comm;
  cudaStream_t stream;
} Call;

static ncclDataType_t type_of(const Call *call) {
  return call->t->world->gpu->device.dtype == DSP_DTYPE_BF16 ? ncclBfloat16
                                                             : ncclFloat32;
}

static gsize numbers(const Call *call, gsize bytes) {
  return bytes / call->t->world->gpu->device.number;
}

static void count(const Call *call, gsize bytes) {
  dsp_carrier_count(&call->t->carrier, call->g.rank, bytes);
}

static gsize others(const Call *call) {
  return (gsize)call->g.members - 1;
}

static ncclResult_t send_to(const Call *call, int64_t member, gsize at,
                            gsize n) {
  return ncclSend(call->c->send + at, n, ncclUint8, (int)member, call->comm,
                  call->stream);
}

static ncclResult_t receive_from(const Call *call, int64_t member, gsize at,
                                 gsize n) {
  if (member != call->g.me)
    count(call, n);
  return ncclRecv(call->c->receive + at, n, ncclUint8, (int)member, call->comm,
                  call->stream);
}

/* For tests that must fail: nothing leaves the rank. */
static ncclResult_t keep_all(const Call *call) {
  dsp_cuda_check(cudaMemcpyAsync(call->c->receive, call->c->send,
                                 call->c->received, cudaMemcpyDeviceToDevice,
                                 call->stream),
                 "a copy");
  return ncclSuccess;
}

static ncclResult_t all_to_all(const Call *call) {
  gsize n = call->c->received / (gsize)call->g.members;
  int64_t beside = call->t->carrier.wire == DSP_WIRE_SWAPPED ? 1 : 0;
  if (call->t->carrier.wire == DSP_WIRE_KEEPS)
    return keep_all(call);
  dsp_nccl_check(ncclGroupStart(), "a group of messages");
  for (int64_t i = 0; i < call->g.members; i++) {
    int64_t due = (i + beside) % call->g.members;
    dsp_nccl_check(send_to(call, i, (gsize)due * n, n), "a message");
    dsp_nccl_check(receive_from(call, i, (gsize)i * n, n), "a message");
  }
  return ncclGroupEnd();
}

static ncclResult_t send_receive(const Call *call) {
  int64_t n = call->g.members;
  dsp_nccl_check(ncclGroupStart(), "a group of messages");
  dsp_nccl_check(send_to(call, (call->g.me + 1) % n, 0, call->c->sent),
                 "a message");
  dsp_nccl_check(
      receive_from(call, (call->g.me + n - 1) % n, 0, call->c->received),
      "a message");
  return ncclGroupEnd();
}

static ncclResult_t all_gather(const Call *call) {
  count(call, others(call) * call->c->sent);
  return ncclAllGather(call->c->send, call->c->receive, call->c->sent,
                       ncclUint8, call->comm, call->stream);
}

static ncclResult_t reduce_scatter(const Call *call) {
  count(call, others(call) * call->c->received);
  return ncclReduceScatter(call->c->send, call->c->receive,
                           numbers(call, call->c->received), type_of(call),
                           ncclSum, call->comm, call->stream);
}

static ncclResult_t all_reduce(const Call *call) {
  count(call, 2 * others(call) * (call->c->received / (gsize)call->g.members));
  return ncclAllReduce(call->c->send, call->c->receive,
                       numbers(call, call->c->received), type_of(call), ncclSum,
                       call->comm, call->stream);
}

static ncclResult_t (*const collectives[DSP_N_COLLECTIVES])(const Call *) = {
    [DSP_ALL_TO_ALL] = all_to_all,         [DSP_ALL_GATHER] = all_gather,
    [DSP_REDUCE_SCATTER] = reduce_scatter, [DSP_ALL_REDUCE] = all_reduce,
    [DSP_SENDRECV] = send_receive,
};

static void run_timed(const Call *call,
                      ncclResult_t (*collective)(const Call *),
                      const char *name) {
  const DspCudaDevice *gpu = call->t->world->gpu;
  if (gpu->begin)
    dsp_cuda_check(cudaEventRecord(gpu->begin, gpu->stream), "an event");
  dsp_nccl_check(collective(call), name);
  if (gpu->begin)
    dsp_cuda_check(cudaEventRecord(gpu->end, gpu->stream), "an event");
}

static gboolean run(DspCarrier *carrier, int64_t rank, const DspCarry *carry) {
  Nccl *t = (Nccl *)carrier;
  DspCollective collective = carry->exchange->collective;
  Call call = {.t = t,
               .g = dsp_carrier_group(carrier, rank, carry->exchange),
               .c = carry,
               .stream = t->world->gpu->stream};
  if (!collectives[collective])
    return FALSE;
  call.comm = group_comm(t, &call.g);
  dsp_world_watch(t->world, dsp_collective_names[collective]);
  run_timed(&call, collectives[collective], dsp_collective_names[collective]);
  dsp_nccl_wait(t->world, call.comm);
  dsp_world_watch(t->world, NULL);
  return TRUE;
}

/* The other processes are told by whoever started them. */
static void stop(DspCarrier *carrier) {
  (void)carrier;
}

static void nccl_free(DspCarrier *carrier) {
  Nccl *t = (Nccl *)carrier;
  for (guint i = 0; i < G_N_ELEMENTS(t->groups); i++)
    if (t->groups[i])
      dsp_nccl_check(ncclCommDestroy(t->groups[i]), "the end of a group");
  g_free(t);
}

static const DspCarrierKind kind = {run, stop, nccl_free};

DspCarrier *dsp_nccl_new(const DspMachine *machine, const DspPlan *plan) {
  Nccl *t = g_new0(Nccl, 1);
  dsp_carrier_init(&t->carrier, &kind, plan);
  t->world = (DspWorld *)machine;
  return &t->carrier;
}

void dsp_nccl_gather(const DspMachine *machine, const void *mine, gsize n,
                     void *all) {
  DspWorld *w = (DspWorld *)machine;
  DspDevice *device = &w->gpu->device;
  gsize ranks = (gsize)w->ranks;
  guint8 *from = device->kernels->alloc(device, n);
  guint8 *to = device->kernels->alloc(device, n * ranks);
  dsp_cuda_check(
      cudaMemcpyAsync(from, mine, n, cudaMemcpyHostToDevice, w->gpu->stream),
      "results");
  dsp_world_watch(w, "gathering results");
  dsp_nccl_check(ncclAllGather(from, to, n, ncclUint8, w->comm, w->gpu->stream),
                 "gathering results");
  dsp_nccl_wait(w, w->comm);
  dsp_world_watch(w, NULL);
  dsp_cuda_check(cudaMemcpyAsync(all, to, n * ranks, cudaMemcpyDeviceToHost,
                                 w->gpu->stream),
                 "results");
  dsp_cuda_wait(w->gpu);
  device->kernels->release(device, from);
  device->kernels->release(device, to);
}
