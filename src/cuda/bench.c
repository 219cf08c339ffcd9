/* SPDX-License-Identifier: Apache-2.0 */
/* Times of collectives, as the carrier of a validation runs them. */
#include "cuda/worker.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

DspTime dsp_time_of(double *samples, guint n) {
  qsort(samples, n, sizeof *samples, by_size);
  double median = samples[n / 2];
  return (DspTime){median,
                   (samples[n - 1 - n / 10] - samples[n / 10]) / 2 / median};
}

void dsp_time_add(cJSON *point, const DspTime *time) {
  const double us = 1e6, digits = 1e3;
  cJSON_AddNumberToObject(point, "time_us",
                          round(time->median * us * digits) / digits);
  cJSON_AddNumberToObject(point, "spread",
                          round(time->spread * digits * 10) / digits / 10);
}

/* Bytes that one rank sends and receives, of `size` as nccl-tests counts. */
static gsize part_of(gsize size, gboolean whole, int ranks) {
  return whole ? size : size / (gsize)ranks;
}

static DspCarry carry_of(const DspExchange *e, int ranks) {
  DspCollective c = e->collective;
  gsize size = (gsize)e->bytes;
  return (DspCarry){.exchange = e,
                    .sent = part_of(size, c != DSP_ALL_GATHER, ranks),
                    .received = part_of(size, c != DSP_REDUCE_SCATTER, ranks)};
}

static DspTime time_collective(DspWorld *world, DspCarrier *carrier,
                               const DspExchange *exchange) {
  enum { WARM_UP = 2, SAMPLES = 21 };
  DspDevice *device = &world->gpu->device;
  DspCarry carry = carry_of(exchange, world->ranks);
  double samples[SAMPLES];
  guint8 *send = device->kernels->alloc(device, carry.sent);
  carry.receive = device->kernels->alloc(device, carry.received);
  carry.send = send;
  for (int i = -WARM_UP; i < SAMPLES; i++) {
    dsp_carrier_run(carrier, world->machine.rank, &carry);
    if (i >= 0)
      samples[i] = dsp_cuda_seconds(world->gpu);
  }
  device->kernels->release(device, send);
  device->kernels->release(device, carry.receive);
  return dsp_time_of(samples, SAMPLES);
}

static void write_time(FILE *results, const DspExchange *exchange,
                       const DspTime *time) {
  cJSON *point = cJSON_CreateObject();
  cJSON_AddStringToObject(point, "collective",
                          dsp_collective_names[exchange->collective]);
  cJSON_AddNumberToObject(point, "bytes", (double)exchange->bytes);
  dsp_time_add(point, time);
  char *text = cJSON_PrintUnformatted(point);
  fprintf(results, "%s\n", text);
  fflush(results);
  cJSON_free(text);
  cJSON_Delete(point);
}

int dsp_bench_run(const DspWork *work, const DspSeat *seat) {
  enum { LEAST = 4 << 10, MOST = 256 << 20, STEP = 4 };
  static const DspCollective collectives[] = {DSP_ALL_TO_ALL, DSP_ALL_GATHER,
                                              DSP_REDUCE_SCATTER,
                                              DSP_ALL_REDUCE, DSP_SENDRECV};
  const DspPlan plan = {.degree = {1, 1, 1, seat->ranks, 1}};
  g_autofree char *id = g_build_filename(work->folder, DSP_ID_FILE, NULL);
  FILE *results = dsp_results_open(work, seat);
  g_autoptr(DspWorld) world = dsp_world_new(seat, id, work->timeout);
  DspCarrier *carrier = dsp_nccl_new(&world->machine, &plan);
  dsp_cuda_set_timed(world->gpu);
  for (guint i = 0; i < G_N_ELEMENTS(collectives); i++)
    for (int64_t bytes = LEAST; bytes <= MOST; bytes *= STEP) {
      const DspExchange exchange = {collectives[i], DSP_AXIS_SP, bytes, 1};
      DspTime time = time_collective(world, carrier, &exchange);
      if (results)
        write_time(results, &exchange, &time);
    }
  dsp_carrier_free(carrier);
  if (results)
    fclose(results);
  return EXIT_SUCCESS;
}
