/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/sim.h"
#include "base/heap.h"
#include "sim/contention.h"
#include "sim/fabric.h"
#include <math.h>
#include <string.h>

/* Launches that the CPU may be ahead of the GPU before it stalls: the depth of
 * the CUDA driver's launch queue as profilers show it. */
enum { QUEUE_DEPTH = 1024 };

/* An instruction in a stream's queue: when the CPU has issued it, and how many
 * instructions of each stream must have ended before it may start. */
typedef struct {
  const DspInstruction *instruction;
  const DspLoop *loop;
  int64_t iteration;
  double issued;
  guint until[DSP_N_STREAM_KINDS];
} Entry;

typedef enum { IDLE, STARTING, RUNNING } State;

typedef struct {
  State state;
  Entry *entries; /* ring buffer */
  guint head, length;
  guint issued, ended; /* instructions since the beginning */
  gboolean blocked;    /* the head was found waiting for another stream */
  double free, start;
  /* A kernel that runs: s of work left at `since`, and how many times as long
   * that takes beside the collectives in flight. */
  double left, since, pace;
} Stream;

/* What is summed up of a rank, in seconds. */
typedef struct {
  double compute, contention, comm, exposed, launch_idle;
  double comm_before_idle; /* comm when the compute stream last ended */
  double exposed_by[DSP_N_COLLECTIVES];
} Sums;

enum { N_SUMS = sizeof(Sums) / sizeof(double) };

typedef struct {
  double cpu;
  gboolean stalled; /* the queue was full */
  guint loop, index;
  int64_t iteration;
  guint base[DSP_N_STREAM_KINDS]; /* issued before this iteration */
  guint queued, ring_position;
  Stream streams[DSP_N_STREAM_KINDS];
  union {
    Sums sums;
    double sum[N_SUMS];
  };
  DspCollective ended; /* the last collective that ended */
} Rank;

/* The collective that the ranks of a group come to next. */
typedef struct {
  guint arrived;
  int exchange;
  DspAxisName axis;
  DspStreamKind stream;
  guint group;
  double begin;
} Meeting;

/* The ranks when the first one had ended a step of a repeated segment. */
typedef struct {
  Entry ended; /* no loop: nothing is known */
  double now;
  uint64_t events;
  Rank *ranks; /* but for what is in their queues */
} Moment;

typedef struct {
  const DspProgram *program;
  DspPrices *prices;
  DspFabric *fabric;
  DspContention *contention;
  const DspObserver *observer;
  double limit;
  gboolean folded;
  guint n_ranks;
  Rank *ranks;
  DspAxis axes[DSP_N_GROUPS];
  const DspPrice **price; /* by exchange, of folded ranks */
  Meeting *meetings;      /* by axis, stream and group */
  GArray *flow_meeting;   /* guint: meeting of each flow id, or NO_MEETING */
  GArray *ended;          /* guint: meetings whose flows have just ended */
  DspHeap *heap;          /* events: streams of ranks, then meetings */
  uint64_t events;
  gboolean skips;     /* repetitions that are like others: nobody looks */
  Moment now, before; /* before: one repetition ago */
  double *load;       /* bytes/s by link, for the observer */
  double reloaded; /* when flows started or ended, -1: not since it was told */
} Sim;

#define NO_MEETING G_MAXUINT

/* --- who meets whom
 * --------------------------------------------------------------- */

static gboolean spans_ring(DspAxisName axis) {
  return axis == DSP_AXIS_RING || axis == DSP_AXIS_SEQUENCE ||
         axis == DSP_AXIS_REPLICAS;
}

static guint group_of(const Sim *sim, DspAxisName axis, guint rank) {
  if (sim->folded)
    return spans_ring(axis) ? 0 : rank;
  const DspAxis a = sim->axes[axis];
  return rank / (a.stride * a.size) * a.stride + rank % a.stride;
}

typedef struct {
  guint first, stride, n;
} Members;

static Members members_of(const Sim *sim, DspAxisName axis, guint group) {
  if (sim->folded)
    return spans_ring(axis) ? (Members){0, 1, sim->n_ranks}
                            : (Members){group, 1, 1};
  const DspAxis a = sim->axes[axis];
  return (Members){group / a.stride * a.stride * a.size + group % a.stride,
                   a.stride, a.size};
}

static guint stream_event(guint rank, DspStreamKind stream) {
  return rank * DSP_N_STREAM_KINDS + stream;
}

static guint meeting_index(const Sim *sim, DspAxisName axis,
                           DspStreamKind stream, guint group) {
  return (axis * DSP_N_STREAM_KINDS + stream) * sim->n_ranks + group;
}

/* --- the CPU
 * ----------------------------------------------------------------------- */

static gboolean next_instruction(const Sim *sim, Rank *rank,
                                 const DspLoop **loop) {
  while (rank->loop < sim->program->n_loops) {
    *loop = &sim->program->loops[rank->loop];
    if (rank->index < (*loop)->n)
      return TRUE;
    rank->index = 0;
    for (int i = 0; i < DSP_N_STREAM_KINDS; i++)
      rank->base[i] += (*loop)->per_stream[i];
    if (++rank->iteration < (*loop)->segment->repeat)
      continue;
    rank->iteration = 0;
    rank->loop++;
  }
  return FALSE;
}

static void set_waits(const Rank *rank, const DspInstruction *instruction,
                      Entry *entry) {
  for (int i = 0; i < DSP_N_STREAM_KINDS; i++)
    entry->until[i] = instruction->step->joins ? rank->streams[i].issued : 0;
  for (guint i = 0; i < instruction->n_waits; i++) {
    const DspWait *wait = &instruction->waits[i];
    guint until = rank->base[wait->stream] + wait->position;
    entry->until[wait->stream] = MAX(entry->until[wait->stream], until);
  }
}

/* Issues instructions until the launch queue is full. */
static void issue(const Sim *sim, Rank *rank, double now) {
  const DspLoop *loop;
  if (rank->stalled)
    rank->cpu = MAX(rank->cpu, now);
  while (rank->queued < QUEUE_DEPTH && next_instruction(sim, rank, &loop)) {
    const DspInstruction *instruction = &loop->instructions[rank->index++];
    Stream *stream = &rank->streams[instruction->step->stream];
    Entry *entry =
        &stream->entries[(stream->head + stream->length++) % QUEUE_DEPTH];
    rank->cpu += instruction->cost.issue;
    entry->instruction = instruction;
    entry->loop = loop;
    entry->iteration = rank->iteration;
    entry->issued = rank->cpu;
    set_waits(rank, instruction, entry);
    stream->issued++;
    rank->queued++;
  }
  rank->stalled = rank->queued == QUEUE_DEPTH;
}

/* --- streams
 * ------------------------------------------------------------------------ */

static Entry *head_of(Stream *stream) {
  return &stream->entries[stream->head];
}

static gboolean may_start(const Rank *rank, const Entry *entry) {
  for (int i = 0; i < DSP_N_STREAM_KINDS; i++)
    if (rank->streams[i].ended < entry->until[i])
      return FALSE;
  return TRUE;
}

static gboolean takes_part(const Rank *rank, const DspStep *step) {
  return !step->ring_causal || (int)rank->ring_position >= step->ring_round;
}

static void expose(Rank *rank, double time) {
  rank->sums.exposed += time;
  rank->sums.exposed_by[rank->ended] += time;
}

/* What kept the compute stream idle until `start`, of which it waited for
 * another stream until `ready`: that one's collectives, the last of which is
 * told; the CPU otherwise, also where it was late with a collective. */
static void account_idle(Rank *rank, const Stream *stream, double ready,
                         double start) {
  const double waited = MAX(ready - stream->free, 0);
  const double exposed =
      MIN(waited, rank->sums.comm - rank->sums.comm_before_idle);
  expose(rank, exposed);
  rank->sums.launch_idle += start - stream->free - exposed;
}

static const DspPrice *find_price(const Sim *sim, guint exchange, int group) {
  const DspExchange *e =
      &g_array_index(sim->program->exchanges, DspExchange, exchange);
  return dsp_prices_get(sim->prices, &sim->axes[e->axis], group, e->collective,
                        e->bytes);
}

static const DspPrice *price_of(const Sim *sim, const Meeting *meeting) {
  return sim->folded
             ? sim->price[meeting->exchange]
             : find_price(sim, (guint)meeting->exchange, (int)meeting->group);
}

static void start_flow(Sim *sim, guint index, double now) {
  const Meeting *meeting = &sim->meetings[index];
  const DspPrice *price = price_of(sim, meeting);
  const GArray *uses =
      sim->folded ? sim->fabric->uses->pdata[meeting->exchange] : price->uses;
  uint32_t flow = dsp_flows_start(
      sim->fabric->flows, now, (double)price->bytes, price->rate_limit,
      (const DspLinkUse *)(void *)uses->data, uses->len);
  for (guint none = NO_MEETING; flow >= sim->flow_meeting->len;)
    g_array_append_val(sim->flow_meeting, none);
  g_array_index(sim->flow_meeting, guint, flow) = index;
  sim->reloaded = now;
}

/* How slow kernels are beside the rank's collectives: NCCL's kernels are there
 * from when they wait for other ranks. */
static double pace_of(const Sim *sim, Rank *rank) {
  int exchanges[DSP_N_STREAM_KINDS];
  for (int i = 0; i < DSP_N_STREAM_KINDS; i++) {
    Stream *stream = &rank->streams[i];
    exchanges[i] =
        stream->state == RUNNING ? head_of(stream)->instruction->exchange : -1;
  }
  return dsp_contention_slowdown(sim->contention, exchanges);
}

/* The kernel has run up to now, at the pace that it had. */
static void work_off(Rank *rank, Stream *stream, double now) {
  const double time = MAX(now - stream->since, 0);
  stream->left = MAX(stream->left - time / stream->pace, 0);
  stream->since += time;
  rank->sums.contention += time * (1 - 1 / stream->pace);
}

/* A collective of the rank has begun or ended. */
static void change_pace(Sim *sim, guint r, double now) {
  Rank *rank = &sim->ranks[r];
  Stream *stream = &rank->streams[DSP_STREAM_COMPUTE];
  if (stream->state != RUNNING || stream->left <= 0)
    return;
  const double pace = pace_of(sim, rank);
  if (pace == stream->pace)
    return;
  work_off(rank, stream, now);
  stream->pace = pace;
  dsp_heap_set(sim->heap, stream_event(r, DSP_STREAM_COMPUTE),
               stream->since + stream->left * pace);
}

/* The last rank of a group to arrive starts its collective. */
static void arrive(Sim *sim, guint rank, Stream *stream, double now) {
  const DspInstruction *instruction = head_of(stream)->instruction;
  const DspStep *step = instruction->step;
  DspAxisName axis = step->exchange.axis;
  guint group = group_of(sim, axis, rank);
  guint index = meeting_index(sim, axis, step->stream, group);
  Meeting *meeting = &sim->meetings[index];
  stream->state = RUNNING;
  change_pace(sim, rank, now);
  *meeting = (Meeting){meeting->arrived + 1,
                       instruction->exchange,
                       axis,
                       step->stream,
                       group,
                       0};
  if (meeting->arrived < members_of(sim, axis, group).n)
    return;
  meeting->arrived = 0;
  meeting->begin = now;
  dsp_heap_set(sim->heap, sim->n_ranks * DSP_N_STREAM_KINDS + index,
               now + price_of(sim, meeting)->latency);
}

static void start_kernel(Sim *sim, guint r, DspStreamKind kind) {
  Rank *rank = &sim->ranks[r];
  Stream *stream = &rank->streams[kind];
  const DspInstruction *instruction = head_of(stream)->instruction;
  stream->left =
      takes_part(rank, instruction->step) ? instruction->cost.time : 0;
  stream->since = stream->start;
  stream->pace = kind == DSP_STREAM_COMPUTE ? pace_of(sim, rank) : 1;
  stream->state = RUNNING;
  dsp_heap_set(sim->heap, stream_event(r, kind),
               stream->start + stream->left * stream->pace);
}

/* Starts the head of the queue if it may start. */
static void advance(Sim *sim, guint r, DspStreamKind kind, double now) {
  Rank *rank = &sim->ranks[r];
  Stream *stream = &rank->streams[kind];
  if (stream->state != IDLE || stream->length == 0)
    return;
  const Entry *entry = head_of(stream);
  if (!may_start(rank, entry)) {
    stream->blocked = TRUE;
    return;
  }
  stream->start = MAX(now, entry->issued);
  if (kind == DSP_STREAM_COMPUTE)
    account_idle(rank, stream, stream->blocked ? now : stream->free,
                 stream->start);
  stream->blocked = FALSE;
  if (entry->instruction->exchange < 0) {
    start_kernel(sim, r, kind);
  } else if (stream->start > now) {
    stream->state = STARTING;
    dsp_heap_set(sim->heap, stream_event(r, kind), stream->start);
  } else {
    arrive(sim, r, stream, now);
  }
}

static void advance_all(Sim *sim, guint rank, double now) {
  for (int i = 0; i < DSP_N_STREAM_KINDS; i++)
    advance(sim, rank, (DspStreamKind)i, now);
}

static void tell_step(const Sim *sim, guint rank, const Stream *stream,
                      double begin, double now) {
  const Entry *entry = &stream->entries[stream->head];
  const DspStepRun run = {rank,
                          entry->loop->segment,
                          entry->instruction->step,
                          entry->iteration,
                          stream->start,
                          begin,
                          now};
  if (sim->observer->step)
    sim->observer->step(sim->observer->data, &run);
}

/* The head of the queue, which began at `begin`, ends. */
static void end(Sim *sim, guint r, DspStreamKind kind, double begin,
                double now) {
  Rank *rank = &sim->ranks[r];
  Stream *stream = &rank->streams[kind];
  const Entry *entry = head_of(stream);
  double *busy =
      kind == DSP_STREAM_COMPUTE ? &rank->sums.compute : &rank->sums.comm;
  *busy += now - stream->start;
  if (kind == DSP_STREAM_COMPUTE) {
    rank->sums.comm_before_idle = rank->sums.comm;
    work_off(rank, stream, now);
  }
  if (entry->instruction->exchange >= 0)
    rank->ended = entry->instruction->step->exchange.collective;
  tell_step(sim, r, stream, begin, now);
  stream->head = (stream->head + 1) % QUEUE_DEPTH;
  stream->length--;
  stream->ended++;
  stream->free = now;
  stream->state = IDLE;
  if (kind != DSP_STREAM_COMPUTE)
    change_pace(sim, r, now);
  rank->queued--;
  issue(sim, rank, now);
  advance_all(sim, r, now);
}

static double next_event(const Sim *sim) {
  uint32_t id;
  return dsp_heap_is_empty(sim->heap) ? INFINITY
                                      : dsp_heap_peek(sim->heap, &id);
}

/* --- repetitions that are like the one before
 * -------------------------------------------- */

/* Of the present time: what differs by less, differs by rounding. */
#define SAME_STATE 1e-14

/* Nothing is in flight: queues, CPUs and kernels are all that there is. */
static gboolean is_quiet(const Sim *sim) {
  for (guint i = 0; i < sim->n_ranks; i++)
    for (int j = 0; j < DSP_N_STREAM_KINDS; j++)
      if (j != DSP_STREAM_COMPUTE && sim->ranks[i].streams[j].state != IDLE)
        return FALSE;
  return TRUE;
}

/* For how many repetitions more the rank's CPU issues the same segment. */
static int64_t n_like_it(const Sim *sim, const Rank *rank) {
  const DspLoop *loop = sim->now.ended.loop;
  return rank->loop < sim->program->n_loops &&
                 loop == &sim->program->loops[rank->loop] && rank->stalled
             ? loop->segment->repeat - 1 - rank->iteration
             : 0;
}

static int64_t n_like_it_everywhere(const Sim *sim) {
  int64_t times = G_MAXINT64;
  for (guint i = 0; i < sim->n_ranks; i++)
    times = MIN(times, n_like_it(sim, &sim->ranks[i]));
  return times;
}

static gboolean same_time(const Moment *now, double is, const Moment *before,
                          double was) {
  return fabs(is - now->now - (was - before->now)) <= SAME_STATE * now->now;
}

/* What the CPU is ahead with will be issued as soon as what was before it one
 * repetition ago, which the ring buffer still holds; the rest is as far as the
 * CPU goes free to start. */
static gboolean same_issue(const Stream *stream, guint steps, double now,
                           double before) {
  for (guint i = 1; i <= stream->length; i++) {
    const guint at = stream->head + stream->length - i;
    if (i + steps > QUEUE_DEPTH)
      return FALSE;
    const double is = stream->entries[at % QUEUE_DEPTH].issued - now;
    const double was =
        stream->entries[(at + QUEUE_DEPTH - steps) % QUEUE_DEPTH].issued -
        before;
    if (is <= 0 && was <= 0)
      return TRUE;
    if (fabs(MAX(is, 0) - MAX(was, 0)) > SAME_STATE * now)
      return FALSE;
  }
  return TRUE;
}

/* The compute stream's. */
static gboolean same_kernel(const Moment *now, const Stream *is,
                            const Moment *before, const Stream *was) {
  if (is->state != was->state || is->blocked != was->blocked)
    return FALSE;
  if (is->state == IDLE)
    return same_time(now, is->free, before, was->free);
  return is->pace == was->pace &&
         fabs(is->left - was->left) <= SAME_STATE * now->now &&
         same_time(now, is->start, before, was->start) &&
         same_time(now, is->since, before, was->since);
}

/* One repetition on, stream `i` has the same before it, as soon; what came
 * before the segment had ended one repetition ago. */
static gboolean same_stream(const Moment *now, const Rank *is,
                            const Moment *before, const Rank *was, int i) {
  const Stream *a = &is->streams[i], *b = &was->streams[i];
  const guint steps = now->ended.loop->per_stream[i];
  return a->ended == b->ended + steps && a->issued == b->issued + steps &&
         b->ended + (guint)was->iteration * steps >= was->base[i] &&
         (i != DSP_STREAM_COMPUTE || same_kernel(now, a, before, b)) &&
         same_issue(a, steps, now->now, before->now);
}

static gboolean same_rank(const Moment *now, const Moment *before, guint i) {
  const Rank *is = &now->ranks[i], *was = &before->ranks[i];
  gboolean same = is->loop == was->loop && is->index == was->index &&
                  is->iteration == was->iteration + 1 &&
                  is->ended == was->ended && is->stalled && was->stalled;
  for (int j = 0; same && j < DSP_N_STREAM_KINDS; j++)
    same = same_stream(now, is, before, was, j);
  return same;
}

/* Everything is as it was one repetition ago, and so is what will be, as long
 * as CPUs issue the same. */
static gboolean is_same(const Sim *sim) {
  const Moment *now = &sim->now, *before = &sim->before;
  gboolean same = now->ended.iteration == before->ended.iteration + 1;
  for (guint i = 0; same && i < sim->n_ranks; i++)
    same = same_rank(now, before, i);
  return same;
}

static void move_queue(Stream *stream, const guint *steps, int64_t times,
                       double delay) {
  for (guint i = 0; i < stream->length; i++) {
    Entry *entry = &stream->entries[(stream->head + i) % QUEUE_DEPTH];
    entry->iteration += times;
    entry->issued += delay;
    for (int j = 0; j < DSP_N_STREAM_KINDS; j++)
      entry->until[j] += (guint)times * steps[j];
  }
}

static void move_rank(Rank *rank, const Rank *before, const guint *steps,
                      int64_t times, double delay) {
  rank->cpu += delay;
  rank->iteration += times;
  for (int i = 0; i < DSP_N_STREAM_KINDS; i++) {
    Stream *stream = &rank->streams[i];
    rank->base[i] += (guint)times * steps[i];
    stream->issued += (guint)times * steps[i];
    stream->ended += (guint)times * steps[i];
    stream->free += delay;
    stream->start += delay;
    stream->since += delay;
    move_queue(stream, steps, times, delay);
  }
  for (int i = 0; i < N_SUMS; i++)
    rank->sum[i] += (double)times * (rank->sum[i] - before->sum[i]);
}

/* What was done since one repetition ago is done so many times more. */
static void skip(Sim *sim, int64_t times) {
  const double delay = (double)times * (sim->now.now - sim->before.now);
  const guint *steps = sim->now.ended.loop->per_stream;
  sim->events += (uint64_t)times * (sim->now.events - sim->before.events);
  for (guint i = 0; i < sim->n_ranks; i++) {
    const Stream *compute = &sim->ranks[i].streams[DSP_STREAM_COMPUTE];
    move_rank(&sim->ranks[i], &sim->before.ranks[i], steps, times, delay);
    if (compute->state == RUNNING)
      dsp_heap_set(sim->heap, stream_event(i, DSP_STREAM_COMPUTE),
                   compute->since + compute->left * compute->pace);
  }
}

/* Compares a quiet moment with the one at the same step of the repetition
 * before, and skips what would be the same again. Sums over all repetitions are
 * then off by the rounding of one so many times: some 1e-13 of the time. */
static void compare_moments(Sim *sim) {
  Moment *now = &sim->now, *before = &sim->before;
  const gboolean again = before->ended.loop == now->ended.loop;
  if (n_like_it(sim, &sim->ranks[0]) <= 0 ||
      (again && before->ended.instruction != now->ended.instruction))
    return;
  before->ended.loop = NULL;
  if (!is_quiet(sim))
    return;
  now->events = sim->events;
  memcpy(now->ranks, sim->ranks, sim->n_ranks * sizeof *now->ranks);
  if (again && is_same(sim)) {
    skip(sim, n_like_it_everywhere(sim));
    return;
  }
  const Moment later = *now;
  *now = *before;
  *before = later;
}

static void look_back(Sim *sim) {
  if (!sim->now.ended.loop || next_event(sim) <= sim->now.now)
    return;
  compare_moments(sim);
  sim->now.ended.loop = NULL;
}

/* --- the loop
 * ------------------------------------------------------------------------- */

static void stream_due(Sim *sim, guint event, double now) {
  guint rank = event / DSP_N_STREAM_KINDS;
  DspStreamKind kind = (DspStreamKind)(event % DSP_N_STREAM_KINDS);
  Stream *stream = &sim->ranks[rank].streams[kind];
  if (stream->state == STARTING) {
    arrive(sim, rank, stream, now);
    return;
  }
  if (sim->skips && event == DSP_STREAM_COMPUTE) {
    sim->now.ended = *head_of(stream);
    sim->now.now = now;
  }
  end(sim, rank, kind, stream->start, now);
}

static void meeting_ended(Sim *sim, guint index, double now) {
  Meeting meeting = sim->meetings[index];
  Members m = members_of(sim, meeting.axis, meeting.group);
  for (guint i = 0; i < m.n; i++)
    end(sim, m.first + i * m.stride, meeting.stream, meeting.begin, now);
}

/* All flows that end now have ended before what follows from it starts. */
static void flows_due(Sim *sim, double now) {
  uint32_t flow;
  g_array_set_size(sim->ended, 0);
  while (dsp_flows_finish(sim->fabric->flows, now, &flow)) {
    guint *meeting = &g_array_index(sim->flow_meeting, guint, flow);
    g_array_append_val(sim->ended, *meeting);
    *meeting = NO_MEETING;
  }
  sim->reloaded = now;
  for (guint i = 0; i < sim->ended->len; i++)
    meeting_ended(sim, g_array_index(sim->ended, guint, i), now);
}

static void add_load(Sim *sim, uint32_t flow, const Meeting *meeting) {
  const GArray *uses = price_of(sim, meeting)->uses;
  const double rate = dsp_flows_rate(sim->fabric->flows, flow);
  for (guint i = 0; i < uses->len; i++) {
    const DspLinkUse *use = &g_array_index(uses, DspLinkUse, i);
    sim->load[use->link] += use->weight * rate;
  }
}

/* What links carry since the last change, which was before `now`. */
static void tell_links(Sim *sim, double now) {
  if (!sim->observer->links || sim->reloaded < 0 || sim->reloaded >= now)
    return;
  const guint n = dsp_topology_n_links(dsp_prices_topology(sim->prices));
  if (!sim->load)
    sim->load = g_new(double, n);
  for (guint i = 0; i < n; i++)
    sim->load[i] = 0;
  for (guint i = 0; i < sim->flow_meeting->len; i++) {
    const guint meeting = g_array_index(sim->flow_meeting, guint, i);
    if (meeting != NO_MEETING)
      add_load(sim, i, &sim->meetings[meeting]);
  }
  sim->observer->links(sim->observer->data, sim->reloaded, sim->load);
  sim->reloaded = -1;
}

/* Until there is nothing left to do (TRUE) or the limit has passed. */
static gboolean run(Sim *sim) {
  guint streams = sim->n_ranks * DSP_N_STREAM_KINDS;
  for (guint i = 0; i < sim->n_ranks; i++) {
    issue(sim, &sim->ranks[i], 0);
    advance_all(sim, i, 0);
  }
  for (;; sim->events++) {
    look_back(sim);
    double due = next_event(sim), flow = dsp_flows_next(sim->fabric->flows);
    uint32_t id;
    tell_links(sim, MIN(due, flow));
    if (isinf(due) && isinf(flow))
      return TRUE;
    if (MIN(due, flow) > sim->limit)
      return FALSE;
    if (flow < due) {
      flows_due(sim, flow);
      continue;
    }
    dsp_heap_pop(sim->heap, &id);
    if (id < streams)
      stream_due(sim, id, due);
    else
      start_flow(sim, id - streams, due);
  }
}

/* --- setting up and summing up
 * ---------------------------------------------------------- */

/* Ranks differ only by their position on the ring, and only where a step says
 * so; folding then keeps one rank a position, provided that no other axis
 * would need its groups told apart. */
static guint folded_ranks(const DspProgram *program) {
  const DspPlan *plan = &program->schedule->plan;
  return dsp_schedule_is_uneven(program->schedule)
             ? (guint)plan->degree[DSP_AXIS_RING]
             : 1;
}

static gboolean can_fold(const DspSchedule *schedule) {
  const DspPlan *plan = &schedule->plan;
  return !dsp_schedule_is_uneven(schedule) ||
         (plan->degree[DSP_AXIS_SP] == 1 && plan->degree[DSP_AXIS_TP] == 1);
}

guint dsp_simulated_rank(const DspSchedule *schedule,
                         const DspSimOptions *options, guint rank) {
  const DspAxis ring = dsp_plan_axis(&schedule->plan, DSP_AXIS_RING);
  if (options->every_rank || !can_fold(schedule))
    return rank;
  return dsp_schedule_is_uneven(schedule) ? rank / ring.stride % ring.size : 0;
}

static void ranks_new(Sim *sim) {
  const DspPlan *plan = &sim->program->schedule->plan;
  DspAxis ring = dsp_plan_axis(plan, DSP_AXIS_RING);
  sim->ranks = g_new0(Rank, sim->n_ranks);
  for (guint i = 0; i < sim->n_ranks; i++) {
    sim->ranks[i].ring_position = sim->folded ? i : i / ring.stride % ring.size;
    for (int j = 0; j < DSP_N_STREAM_KINDS; j++)
      sim->ranks[i].streams[j].entries = g_new(Entry, QUEUE_DEPTH);
  }
}

static void find_prices(Sim *sim) {
  const guint n = sim->program->exchanges->len;
  for (int i = 0; i < DSP_N_GROUPS; i++)
    sim->axes[i] = dsp_plan_axis(&sim->program->schedule->plan, (DspAxisName)i);
  sim->price = g_new(const DspPrice *, n + 1);
  for (guint i = 0; sim->folded && i < n; i++)
    sim->price[i] = find_price(sim, i, -1);
}

static void sim_clear(Sim *sim) {
  for (guint i = 0; i < sim->n_ranks; i++)
    for (int j = 0; j < DSP_N_STREAM_KINDS; j++)
      g_free(sim->ranks[i].streams[j].entries);
  g_free(sim->ranks);
  g_free(sim->price);
  g_free(sim->now.ranks);
  g_free(sim->before.ranks);
  g_free(sim->meetings);
  g_array_free(sim->flow_meeting, TRUE);
  g_array_free(sim->ended, TRUE);
  g_free(sim->load);
  dsp_heap_free(sim->heap);
  dsp_contention_free(sim->contention);
  dsp_fabric_free(sim->fabric);
}

static double end_of(const Rank *rank) {
  double time = 0;
  for (int i = 0; i < DSP_N_STREAM_KINDS; i++)
    time = MAX(time, rank->streams[i].free);
  return time;
}

/* Of ranks that end together, the one that computed longest held up the rest.
 */
static gboolean ends_later(const Rank *a, const Rank *b) {
  double difference = end_of(a) - end_of(b);
  return difference > 0 ||
         (difference == 0 && a->sums.compute > b->sums.compute);
}

static void sum_up(const Sim *sim, DspSimResult *result) {
  Rank *slowest = &sim->ranks[0];
  for (guint i = 1; i < sim->n_ranks; i++)
    if (ends_later(&sim->ranks[i], slowest))
      slowest = &sim->ranks[i];
  result->step_time = end_of(slowest);
  account_idle(slowest, &slowest->streams[DSP_STREAM_COMPUTE],
               result->step_time, result->step_time);
  result->compute_time = slowest->sums.compute;
  result->contention_time = slowest->sums.contention;
  result->comm_time = slowest->sums.comm;
  result->exposed_comm_time = slowest->sums.exposed;
  memcpy(result->exposed_by, slowest->sums.exposed_by,
         sizeof result->exposed_by);
  result->launch_idle_time = slowest->sums.launch_idle;
  result->events = sim->events;
}

/* What the compute stream of a rank that takes part in all steps needs at
 * least: its steps one after another. */
static double compute_time(const DspProgram *program) {
  double time = 0;
  for (guint i = 0; i < program->n_loops; i++) {
    const DspLoop *loop = &program->loops[i];
    double once = 0;
    for (guint j = 0; j < loop->n; j++)
      if (loop->instructions[j].step->stream == DSP_STREAM_COMPUTE)
        once += loop->instructions[j].cost.time;
    time += once * (double)loop->segment->repeat;
  }
  return time;
}

/* The wire's bound of each distinct exchange. The caller frees. */
static double *exchange_bounds(const DspProgram *program, DspPrices *prices) {
  double *bounds = g_new(double, program->exchanges->len + 1);
  for (guint i = 0; i < program->exchanges->len; i++) {
    const DspExchange *e = &g_array_index(program->exchanges, DspExchange, i);
    DspAxis axis = dsp_plan_axis(&program->schedule->plan, e->axis);
    bounds[i] = dsp_prices_bound(prices, &axis, e->collective, e->bytes);
  }
  return bounds;
}

/* The compute bound of the last rank of the ring, which takes part in all
 * steps, and the wire's bound of each stream's collectives in order. */
static void find_bound(const DspProgram *program, DspPrices *prices,
                       DspSimResult *result) {
  g_autofree double *exchanges = exchange_bounds(program, prices);
  double bound[DSP_N_STREAM_KINDS] = {0};
  for (guint i = 0; i < program->n_loops; i++) {
    const DspLoop *loop = &program->loops[i];
    for (guint j = 0; j < loop->n; j++) {
      const DspInstruction *instruction = &loop->instructions[j];
      double time = instruction->exchange < 0
                        ? instruction->cost.bound
                        : exchanges[instruction->exchange];
      bound[instruction->step->stream] += time * (double)loop->segment->repeat;
    }
  }
  for (int i = 0; i < DSP_N_STREAM_KINDS; i++)
    if (i == 0 || bound[i] > result->bound) {
      result->bound = bound[i];
      result->bound_by = dsp_stream_names[i];
    }
}

static void simulate(const DspProgram *program, DspPrices *prices,
                     const DspSimOptions *options, double limit,
                     DspSimResult *result) {
  Sim sim = {
      .program = program, .prices = prices, .limit = limit, .reloaded = -1};
  sim.observer = &options->observer;
  sim.folded = !options->every_rank && can_fold(program->schedule);
  sim.skips = !sim.observer->step && !sim.observer->links;
  sim.n_ranks =
      sim.folded ? folded_ranks(program) : program->schedule->job.gpus;
  sim.fabric = sim.folded ? dsp_fabric_new_folded(prices, program)
                          : dsp_fabric_new(dsp_prices_topology(prices));
  sim.contention = dsp_contention_new(program, prices);
  guint meetings = DSP_N_GROUPS * DSP_N_STREAM_KINDS * sim.n_ranks;
  sim.meetings = g_new0(Meeting, meetings);
  sim.flow_meeting = g_array_new(FALSE, FALSE, sizeof(guint));
  sim.ended = g_array_new(FALSE, FALSE, sizeof(guint));
  sim.heap = dsp_heap_new(sim.n_ranks * DSP_N_STREAM_KINDS + meetings);
  find_prices(&sim);
  ranks_new(&sim);
  sim.now.ranks = g_new(Rank, sim.n_ranks);
  sim.before.ranks = g_new(Rank, sim.n_ranks);
  result->cut = !run(&sim);
  if (!result->cut)
    sum_up(&sim, result);
  sim_clear(&sim);
}

void dsp_simulate(const DspSchedule *schedule, DspPrices *prices,
                  const DspSimOptions *options, DspSimResult *result) {
  g_autoptr(DspProgram) program = dsp_program_new(schedule);
  double limit = options->limit > 0 ? options->limit : INFINITY;
  *result = (DspSimResult){.cut = compute_time(program) > limit};
  find_bound(program, prices, result);
  if (!result->cut)
    simulate(program, prices, options, limit, result);
}
