/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"
#include "base/heap.h"
#include "network/axis.h"
#include "network/flow.h"
#include "network/messages.h"
#include <math.h>

typedef struct {
  uint32_t round;
  uint32_t waits; /* for so many sends and receives of the round */
  double ready;   /* when the last of the others was done */
  uint32_t early; /* arrivals for later rounds, a list */
} Rank;

typedef struct {
  uint32_t from, to;
  double latency;
} Message;

typedef struct {
  uint32_t round, next;
  double time;
} Early;

#define NONE UINT32_MAX

typedef struct {
  const DspTopology *topology;
  const DspAxis *axis;
  DspMessagesResult *result;
  guint n_rounds, n_peers; /* to whom a rank sends in a round */
  gboolean ring;
  double part, overhead;
  DspFlows *flows;
  DspHeap *starts; /* when a rank begins its next round */
  Rank *ranks;
  Message *messages; /* by flow */
  guint messages_size;
  GArray *early;
  uint32_t free_early;
  double *link_bytes;
} Run;

/* What fits together, and how many rounds it takes per other rank. */
static const struct {
  DspRounds rounds;
  DspCollective collective;
  guint rounds_per_peer; /* 0: one round for all */
} programs[] = {
    {DSP_ROUNDS_PAIRWISE, DSP_ALL_TO_ALL, 1},
    {DSP_ROUNDS_AT_ONCE, DSP_ALL_TO_ALL, 0},
    {DSP_ROUNDS_RING, DSP_ALL_GATHER, 1},
    {DSP_ROUNDS_RING, DSP_REDUCE_SCATTER, 1},
    {DSP_ROUNDS_RING, DSP_ALL_REDUCE, 2},
};

static gboolean choose_program(Run *run, DspCollective collective,
                               DspRounds rounds, GError **error) {
  const guint peers = run->axis->size - 1;
  for (guint i = 0; i < G_N_ELEMENTS(programs); i++) {
    if (programs[i].rounds != rounds || programs[i].collective != collective)
      continue;
    const guint per_peer = programs[i].rounds_per_peer;
    run->n_rounds = per_peer > 0 ? per_peer * peers : 1;
    run->n_peers = per_peer > 0 ? 1 : peers;
    run->ring = rounds == DSP_ROUNDS_RING;
    return TRUE;
  }
  g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE,
              "%s does not run in these rounds; all_to_all runs pairwise or "
              "at once, all_gather, reduce_scatter and all_reduce in a ring",
              dsp_collective_names[collective]);
  return FALSE;
}

static void send_message(Run *run, uint32_t from, uint32_t to, double now) {
  uint32_t route[DSP_MAX_ROUTE];
  DspLinkUse uses[DSP_MAX_ROUTE];
  const guint n = dsp_topology_route(run->topology, from, to, route);
  Message message = {from, to, 0};
  for (guint i = 0; i < n; i++) {
    uses[i] = (DspLinkUse){route[i], 1};
    message.latency += dsp_topology_link(run->topology, route[i])->latency;
    run->link_bytes[route[i]] += run->part;
  }
  const uint32_t flow =
      dsp_flows_start(run->flows, now, run->part, INFINITY, uses, n);
  if (flow >= run->messages_size) {
    run->messages_size = MAX(2 * run->messages_size, flow + 1);
    run->messages = g_renew(Message, run->messages, run->messages_size);
  }
  run->messages[flow] = message;
  run->result->messages++;
}

/* A send or receive of the rank's round is done at `time`. */
static void complete_part(Run *run, uint32_t id, double time) {
  Rank *rank = &run->ranks[id];
  rank->ready = MAX(rank->ready, time);
  if (--rank->waits > 0)
    return;
  if (rank->round < run->n_rounds)
    dsp_heap_set(run->starts, id, rank->ready + run->overhead);
  else
    run->result->time = MAX(run->result->time, rank->ready);
}

static void keep_early(Run *run, uint32_t id, uint32_t round, double time) {
  const Early early = {round, run->ranks[id].early, time};
  uint32_t place = run->free_early;
  if (place != NONE) {
    run->free_early = g_array_index(run->early, Early, place).next;
    g_array_index(run->early, Early, place) = early;
  } else {
    place = run->early->len;
    g_array_append_val(run->early, early);
  }
  run->ranks[id].early = place;
}

/* Receives what came for the rank's round before the rank was there. */
static void take_early(Run *run, uint32_t id) {
  uint32_t *link = &run->ranks[id].early;
  while (*link != NONE) {
    const uint32_t place = *link;
    Early *early = &g_array_index(run->early, Early, place);
    if (early->round != run->ranks[id].round) {
      link = &early->next;
      continue;
    }
    *link = early->next;
    early->next = run->free_early;
    run->free_early = place;
    complete_part(run, id, early->time);
  }
}

static void start_round(Run *run, uint32_t id, double now) {
  Rank *rank = &run->ranks[id];
  rank->round++;
  rank->waits = 2 * run->n_peers;
  rank->ready = now;
  for (guint i = 0; i < run->n_peers; i++) {
    const guint distance = run->ring ? 1 : rank->round + i;
    send_message(run, id, dsp_axis_after(run->axis, id, distance), now);
  }
  if (rank->early != NONE)
    take_early(run, id);
}

static void end_message(Run *run, uint32_t flow, double now) {
  const Message message = run->messages[flow];
  const uint32_t round = run->ranks[message.from].round;
  const double arrival = now + message.latency;
  if (run->ranks[message.to].round == round)
    complete_part(run, message.to, arrival);
  else
    keep_early(run, message.to, round, arrival);
  complete_part(run, message.from, now);
}

/* Everything that happens at the next instant; FALSE when nothing will. */
static gboolean step(Run *run) {
  uint32_t id;
  const double end = dsp_flows_next(run->flows);
  const double start = dsp_heap_is_empty(run->starts)
                           ? INFINITY
                           : dsp_heap_peek(run->starts, &id);
  if (start <= end) {
    if (start == INFINITY)
      return FALSE;
    while (!dsp_heap_is_empty(run->starts) &&
           dsp_heap_peek(run->starts, &id) == start) {
      dsp_heap_pop(run->starts, &id);
      start_round(run, id, start);
      run->result->events++;
    }
    return TRUE;
  }
  while (dsp_flows_finish(run->flows, end, &id)) {
    end_message(run, id, end);
    run->result->events++;
  }
  return TRUE;
}

static void start_run(Run *run, const double *start) {
  const guint n_links = dsp_topology_n_links(run->topology);
  g_autofree double *capacity = g_new(double, n_links);
  for (guint i = 0; i < n_links; i++)
    capacity[i] = dsp_topology_link(run->topology, i)->bandwidth;
  run->flows = dsp_flows_new(n_links, capacity);
  run->starts = dsp_heap_new(run->axis->world);
  run->ranks = g_new0(Rank, run->axis->world);
  run->link_bytes = g_new0(double, n_links);
  run->early = g_array_new(FALSE, FALSE, sizeof(Early));
  run->free_early = NONE;
  for (guint r = 0; r < run->axis->world; r++) {
    run->ranks[r].early = NONE;
    dsp_heap_set(run->starts, r, start ? start[r] : 0);
  }
}

static void end_run(Run *run) {
  for (guint i = 0; i < dsp_topology_n_links(run->topology); i++)
    run->result->bound = MAX(
        run->result->bound,
        run->link_bytes[i] / dsp_topology_link(run->topology, i)->bandwidth);
  run->result->events += run->result->messages;
  dsp_flows_free(run->flows);
  dsp_heap_free(run->starts);
  g_free(run->ranks);
  g_free(run->messages);
  g_free(run->link_bytes);
  g_array_free(run->early, TRUE);
}

gboolean dsp_messages_run(const DspTopology *topology, const DspAxis *axis,
                          DspCollective collective, int64_t bytes,
                          DspRounds rounds, double overhead,
                          const double *start, DspMessagesResult *result,
                          GError **error) {
  DspMessagesResult counts = {0};
  Run run = {.topology = topology,
             .axis = axis,
             .result = &counts,
             .overhead = overhead};
  g_return_val_if_fail(axis->size > 1 && bytes > 0, FALSE);
  if (!choose_program(&run, collective, rounds, error))
    return FALSE;
  if (bytes % axis->size != 0) {
    g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE,
                "%" G_GINT64_FORMAT " bytes do not divide among %u ranks",
                bytes, axis->size);
    return FALSE;
  }
  run.part = (double)(bytes / axis->size);
  start_run(&run, start);
  while (step(&run))
    ;
  counts.wire_bytes = (int64_t)counts.messages * (bytes / axis->size);
  end_run(&run);
  *result = counts;
  return TRUE;
}
