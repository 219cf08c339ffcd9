/* SPDX-License-Identifier: Apache-2.0 */
/* Trace Event Format, as perfetto's importer reads it: a process for each rank,
 * a thread for each of its streams and one for the blocks of the model; slices
 * (X), arrows between the ranks of an exchange (s, f), counters (C). Events of
 * a thread are in order of time, and slices of a thread nest: times are rounded
 * to whole nanoseconds before they are subtracted. */
#include "report/trace.h"
#include "report/report.h"
#include "schedule/rules.h"
#include <math.h>

/* Thread 0 would be taken for the process. */
enum { BLOCKS = 1, FIRST_STREAM };

/* Links of one kind that a rank's bytes leave by. */
typedef struct {
  GArray *links; /* uint32_t */
  double rate;   /* as last written, bytes/s */
} Meter;

/* A rank that is shown. */
typedef struct {
  guint rank, simulated;
  int64_t collectives[DSP_N_STREAM_KINDS]; /* ended, by stream */
  /* The repetition that its compute stream is in. */
  const DspSegment *segment;
  int64_t iteration, block_start, block_end; /* ns */
  guint next;                                /* step of it not yet weighed */
  int64_t memory;                            /* as last written, bytes */
  Meter meters[DSP_N_LINK_TYPES];
} Track;

/* dsp_segment_memory of a segment. */
typedef struct {
  const DspSegment *segment;
  int64_t *bytes, growth;
} Weight;

typedef struct {
  const DspTrace *trace;
  FILE *file;
  GString *text;  /* of the present event */
  gboolean begun; /* there is an event before it */
  Track *tracks;
  Weight *weights;
  int64_t standing; /* bytes that are held all the time */
  int64_t from, to; /* ns */
} Writer;

/* --- words --------------------------------------------------------------- */

DspTraceKind dsp_trace_kind(const DspStep *step) {
  static const DspTraceKind kinds[] = {
      [DSP_STEP_GEMM] = DSP_TRACE_PRODUCT,
      [DSP_STEP_ATTENTION] = DSP_TRACE_ATTENTION,
      [DSP_STEP_MEMORY] = DSP_TRACE_POINTWISE,
      [DSP_STEP_COLLECTIVE] = DSP_TRACE_EXCHANGE,
  };
  if (step->role == DSP_ROLE_PACK || step->role == DSP_ROLE_UNPACK ||
      step->role == DSP_ROLE_MERGE)
    return DSP_TRACE_COPY;
  return step->role == DSP_ROLE_GRADIENT_SYNC ? DSP_TRACE_SYNC
                                              : kinds[step->kind];
}

char *dsp_trace_name(const DspStep *step) {
  if (step->kind == DSP_STEP_COLLECTIVE)
    return g_strdup(dsp_collective_names[step->exchange.collective]);
  if (!step->op || step->role > DSP_ROLE_WEIGHT_GRAD)
    return g_strdup(dsp_role_names[step->role]);
  if (step->role == DSP_ROLE_COMPUTE)
    return g_strdup(step->op->name);
  return g_strdup_printf("%s %s", step->op->name, dsp_role_names[step->role]);
}

static int64_t ns_of(double seconds) {
  return isfinite(seconds) ? llround(seconds * 1e9) : G_MAXINT64;
}

/* --- events -------------------------------------------------------------- */

static void add(Writer *w, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void add(Writer *w, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  g_string_append_vprintf(w->text, format, arguments);
  va_end(arguments);
}

/* Microseconds, of which the importer keeps three decimals. */
static void add_time(Writer *w, const char *key, int64_t ns) {
  add(w, ",\"%s\":%" G_GINT64_FORMAT ".%03d", key, ns / 1000, (int)(ns % 1000));
}

static void add_string(Writer *w, const char *key, const char *value) {
  add(w, ",\"%s\":", key);
  dsp_json_string(w->text, value);
}

/* An event of a rank; a thread of 0 stands for the whole rank. */
static void begin(Writer *w, char phase, const Track *track, guint thread) {
  add(w, "%s\n{\"ph\":\"%c\",\"pid\":%u", w->begun ? "," : "", phase,
      track->rank + 1);
  w->begun = TRUE;
  if (thread)
    add(w, ",\"tid\":%u", thread);
}

static void write_text(Writer *w) {
  fwrite(w->text->str, 1, w->text->len, w->file);
  g_string_truncate(w->text, 0);
}

static void finish(Writer *w) {
  g_string_append_c(w->text, '}');
  write_text(w);
}

static void name_track(Writer *w, const Track *track, guint thread,
                       const char *what, const char *name) {
  begin(w, 'M', track, thread);
  add(w, ",\"name\":\"%s_name\",\"args\":{\"name\":\"%s\"}", what, name);
  finish(w);
  begin(w, 'M', track, thread);
  add(w, ",\"name\":\"%s_sort_index\",\"args\":{\"sort_index\":%u}", what,
      thread ? thread : track->rank);
  finish(w);
}

static void name_tracks(Writer *w, const Track *track) {
  const DspTopology *topology = dsp_prices_topology(w->trace->prices);
  g_autofree char *name =
      g_strdup_printf("rank %u, node %u", track->rank,
                      dsp_topology_node(topology, track->rank));
  name_track(w, track, 0, "process", name);
  name_track(w, track, BLOCKS, "thread", "blocks");
  for (guint i = 0; i < DSP_N_STREAM_KINDS; i++)
    name_track(w, track, FIRST_STREAM + i, "thread", dsp_stream_names[i]);
}

static gboolean is_shown(const Writer *w, int64_t start, int64_t end) {
  return end > start ? end > w->from && start < w->to
                     : start >= w->from && start < w->to;
}

/* --- counters ------------------------------------------------------------ */

static void write_counter(Writer *w, const Track *track, int64_t ns,
                          const char *name, const char *unit,
                          const char *value) {
  begin(w, 'C', track, 0);
  add_time(w, "ts", ns);
  add(w, ",\"name\":\"%s\",\"args\":{\"%s\":%s}", name, unit, value);
  finish(w);
}

static const Weight *weight_of(const Writer *w, const DspSegment *segment) {
  const Weight *weight = w->weights;
  while (weight->segment != segment)
    weight++;
  return weight;
}

/* The most that the rank held since the last step that was weighed. */
static void weigh(Writer *w, Track *track, const DspStepRun *run) {
  const Weight *weight = weight_of(w, run->segment);
  const guint step = (guint)(run->step - dsp_segment_steps(run->segment));
  int64_t most = 0;
  for (; track->next <= step; track->next++)
    most = MAX(most, weight->bytes[track->next]);
  most += w->standing + run->iteration * weight->growth;
  if (most == track->memory || !is_shown(w, ns_of(run->start), ns_of(run->end)))
    return;
  g_autofree char *bytes = g_strdup_printf("%" G_GINT64_FORMAT, most);
  write_counter(w, track, ns_of(run->start), "memory", "bytes", bytes);
  track->memory = most;
}

static double rate_of(const Meter *meter, const double *load) {
  double rate = 0;
  for (guint i = 0; i < meter->links->len; i++)
    rate += load[g_array_index(meter->links, uint32_t, i)];
  return rate;
}

static void note_links(gpointer data, double now, const double *load) {
  Writer *w = data;
  for (guint i = 0; i < w->trace->n_ranks; i++)
    for (int type = 0; type < DSP_N_LINK_TYPES; type++) {
      Meter *meter = &w->tracks[i].meters[type];
      const double rate = rate_of(meter, load);
      if (rate == meter->rate || !is_shown(w, ns_of(now), ns_of(now)))
        continue;
      char value[G_ASCII_DTOSTR_BUF_SIZE];
      g_autofree char *name =
          g_strdup_printf("%s out", dsp_link_type_names[type]);
      g_ascii_formatd(value, sizeof value, "%.6g", rate / 1e9);
      write_counter(w, &w->tracks[i], ns_of(now), name, "GB/s", value);
      meter->rate = rate;
    }
}

/* The first link of each kind on a route. */
static void meter_route(Track *track, const DspTopology *topology, guint to) {
  uint32_t links[DSP_MAX_ROUTE];
  const guint n = dsp_topology_route(topology, track->rank, to, links);
  guint seen = 0;
  for (guint i = 0; i < n; i++) {
    const DspLinkType type = dsp_topology_link(topology, links[i])->type;
    GArray *known = track->meters[type].links;
    gboolean is_new = !(seen & (1u << type));
    seen |= 1u << type;
    for (guint j = 0; is_new && j < known->len; j++)
      is_new = g_array_index(known, uint32_t, j) != links[i];
    if (is_new)
      g_array_append_val(known, links[i]);
  }
}

/* To the others of its node, and to the GPU in its place in the next one. */
static void meters_init(Track *track, const DspTopology *topology) {
  const guint gpus = dsp_topology_gpus(topology);
  const guint node = dsp_topology_node(topology, track->rank);
  const guint per_node = (guint)dsp_topology_cluster(topology)->gpus_per_node;
  for (int type = 0; type < DSP_N_LINK_TYPES; type++)
    track->meters[type].links = g_array_new(FALSE, FALSE, sizeof(uint32_t));
  for (guint to = node * per_node; to < MIN((node + 1) * per_node, gpus); to++)
    meter_route(track, topology, to);
  if (dsp_topology_nodes(topology) > 1)
    meter_route(track, topology, (track->rank + per_node) % gpus);
}

/* --- slices -------------------------------------------------------------- */

static void write_block(Writer *w, const Track *track) {
  const DspSegment *segment = track->segment;
  if (!segment || !is_shown(w, track->block_start, track->block_end))
    return;
  begin(w, 'X', track, BLOCKS);
  add_time(w, "ts", track->block_start);
  add_time(w, "dur", track->block_end - track->block_start);
  add_string(w, "name", segment->block ? segment->block->name : "update");
  add(w, ",\"cat\":\"%s\",\"args\":{\"repetition\":%" G_GINT64_FORMAT "}",
      dsp_pass_names[segment->pass], track->iteration);
  finish(w);
}

/* Its compute stream is in another repetition than before. */
static void enter_block(Writer *w, Track *track, const DspStepRun *run) {
  if (track->segment != run->segment || track->iteration != run->iteration) {
    write_block(w, track);
    track->segment = run->segment;
    track->iteration = run->iteration;
    track->block_start = ns_of(run->start);
    track->next = 0;
  }
  track->block_end = ns_of(run->end);
}

/* How NCCL carries it out. */
static void add_exchange(Writer *w, const DspExchange *e) {
  const DspAxis axis = dsp_plan_axis(&w->trace->schedule->plan, e->axis);
  const DspPrice *price =
      dsp_prices_get(w->trace->prices, &axis, -1, e->collective, e->bytes);
  add(w,
      ",\"axis\":\"%s\",\"ranks\":%u,\"bytes\":%" G_GINT64_FORMAT
      ",\"algorithm\":\"%s\",\"protocol\":\"%s\",\"channels\":"
      "%" G_GINT64_FORMAT,
      dsp_axis_names[e->axis], axis.size, e->bytes, price->algorithm,
      dsp_protocol_names[price->protocol], price->channels);
}

static void add_arguments(Writer *w, const DspStepRun *run) {
  const DspStep *step = run->step;
  const DspBlock *block = run->segment->block;
  add(w, ",\"args\":{\"pass\":\"%s\",\"repetition\":%" G_GINT64_FORMAT,
      dsp_pass_names[step->pass], run->iteration);
  if (block)
    add_string(w, "block", block->name);
  if (block && step->stage >= 0)
    add_string(w, "stage", block->stages[step->stage].name);
  if (step->kind == DSP_STEP_COLLECTIVE)
    add_exchange(w, &step->exchange);
  g_string_append_c(w->text, '}');
}

static void write_slice(Writer *w, const Track *track, const DspStepRun *run) {
  const int64_t start = ns_of(run->start);
  g_autofree char *name = dsp_trace_name(run->step);
  begin(w, 'X', track, FIRST_STREAM + run->step->stream);
  add_time(w, "ts", start);
  add_time(w, "dur", ns_of(run->end) - start);
  add_string(w, "name", name);
  add(w, ",\"cat\":\"%s\"", dsp_role_names[run->step->role]);
  add_arguments(w, run);
  finish(w);
  if (ns_of(run->begin) == start)
    return;
  begin(w, 'X', track, FIRST_STREAM + run->step->stream);
  add_time(w, "ts", start);
  add_time(w, "dur", ns_of(run->begin) - start);
  add(w, ",\"name\":\"wait for others\",\"cat\":\"wait\"");
  finish(w);
}

/* --- arrows -------------------------------------------------------------- */

static gboolean is_traced(const Writer *w, guint rank) {
  for (guint i = 0; i < w->trace->n_ranks; i++)
    if (w->trace->ranks[i] == rank)
      return TRUE;
  return FALSE;
}

/* The rank behind (`step` 1) or before (size - 1) a rank in its group, -1 if
 * it is not shown; of collectives that all send to all, the next one shown. */
static int64_t neighbour(const Writer *w, guint rank, const DspExchange *e,
                         guint step) {
  const DspAxis axis = dsp_plan_axis(&w->trace->schedule->plan, e->axis);
  const guint place = rank / axis.stride % axis.size;
  const guint first = rank - place * axis.stride;
  const guint most = e->collective == DSP_SENDRECV ? 1 : axis.size - 1;
  step = step == 1 ? 1 : axis.size - 1;
  for (guint i = 1, at = place; i <= most; i++) {
    at = (at + step) % axis.size;
    if (is_traced(w, first + at * axis.stride))
      return first + at * axis.stride;
  }
  return -1;
}

/* One end of the arrow that leaves `sender`; both ends count the collectives of
 * a stream alike. */
static void write_arrow(Writer *w, const Track *track, const DspStepRun *run,
                        char phase, int64_t sender, int64_t ns) {
  const DspStreamKind stream = run->step->stream;
  const int64_t call =
      track->collectives[stream] * DSP_N_STREAM_KINDS + (int64_t)stream;
  begin(w, phase, track, FIRST_STREAM + stream);
  add_time(w, "ts", ns);
  add(w, ",\"id\":%" G_GINT64_FORMAT ",\"name\":\"%s\",\"cat\":\"exchange\"%s",
      call * w->trace->schedule->job.gpus + sender,
      dsp_collective_names[run->step->exchange.collective],
      phase == 'f' ? ",\"bp\":\"e\"" : "");
  finish(w);
}

/* From the beginning of the sender's slice to the end of the receiver's. */
static void write_arrows(Writer *w, const Track *track, const DspStepRun *run) {
  const DspExchange *e = &run->step->exchange;
  const int64_t start = ns_of(run->start), end = ns_of(run->end);
  if (neighbour(w, track->rank, e, 1) >= 0)
    write_arrow(w, track, run, 's', track->rank, start);
  const int64_t from = neighbour(w, track->rank, e, 0);
  if (from >= 0)
    write_arrow(w, track, run, 'f', from, MAX(end - 1, start));
}

/* --- the whole ----------------------------------------------------------- */

static void note_step(Writer *w, Track *track, const DspStepRun *run) {
  const gboolean collective = run->step->kind == DSP_STEP_COLLECTIVE;
  const int64_t start = ns_of(run->start), end = ns_of(run->end);
  if (run->step->stream == DSP_STREAM_COMPUTE) {
    enter_block(w, track, run);
    weigh(w, track, run);
  }
  /* What is fused into its neighbour takes no time. */
  if (is_shown(w, start, end) && (collective || end > start))
    write_slice(w, track, run);
  if (!collective)
    return;
  if (is_shown(w, ns_of(run->begin), end))
    write_arrows(w, track, run);
  track->collectives[run->step->stream]++;
}

static void note(gpointer data, const DspStepRun *run) {
  Writer *w = data;
  for (guint i = 0; i < w->trace->n_ranks; i++)
    if (w->tracks[i].simulated == run->rank)
      note_step(w, &w->tracks[i], run);
}

void dsp_trace_run(const DspTrace *trace, const DspObserver *observer) {
  const DspSimOptions options = {.every_rank = trace->every_rank,
                                 .observer = *observer};
  DspSimResult result;
  dsp_simulate(trace->schedule, trace->prices, &options, &result);
}

static guint simulated(const DspTrace *trace, guint rank) {
  const DspSimOptions options = {.every_rank = trace->every_rank};
  return dsp_simulated_rank(trace->schedule, &options, rank);
}

static int64_t most_of(const Weight *weight) {
  const DspSegment *segment = weight->segment;
  int64_t most = 0;
  for (guint i = 0; i < segment->steps->len; i++)
    most = MAX(most, weight->bytes[i]);
  return most + (segment->repeat - 1) * MAX(weight->growth, 0);
}

static void writer_init(Writer *w) {
  const DspTrace *trace = w->trace;
  const GPtrArray *segments = trace->schedule->segments;
  int64_t most = 0;
  w->weights = g_new0(Weight, segments->len);
  for (guint i = 0; i < segments->len; i++) {
    Weight *weight = &w->weights[i];
    weight->segment = segments->pdata[i];
    weight->bytes = dsp_segment_memory(trace->schedule, i, &weight->growth);
    most = MAX(most, most_of(weight));
  }
  w->standing = dsp_schedule_memory(trace->schedule).peak - most;
  w->tracks = g_new0(Track, trace->n_ranks);
  for (guint i = 0; i < trace->n_ranks; i++) {
    w->tracks[i].rank = trace->ranks[i];
    w->tracks[i].simulated = simulated(trace, trace->ranks[i]);
    meters_init(&w->tracks[i], dsp_prices_topology(trace->prices));
  }
}

static void writer_clear(Writer *w) {
  for (guint i = 0; i < w->trace->schedule->segments->len; i++)
    g_free(w->weights[i].bytes);
  for (guint i = 0; i < w->trace->n_ranks; i++)
    for (int type = 0; type < DSP_N_LINK_TYPES; type++)
      g_array_free(w->tracks[i].meters[type].links, TRUE);
  g_free(w->weights);
  g_free(w->tracks);
  g_string_free(w->text, TRUE);
}

static void write_head(Writer *w) {
  const DspJob *job = &w->trace->schedule->job;
  g_autofree char *plan = dsp_plan_describe(&w->trace->schedule->plan);
  add(w, "{\"displayTimeUnit\":\"ns\",\"otherData\":{\"schema\":"
         "\"dspsim.trace/1\"");
  add_string(w, "model", job->model->name);
  add_string(w, "cluster", job->cluster->name);
  add_string(w, "plan", plan);
  add(w, ",\"gpus\":%u},\"traceEvents\":[", job->gpus);
  write_text(w);
}

void dsp_trace_json(const DspTrace *trace, FILE *file) {
  Writer w = {.trace = trace,
              .file = file,
              .text = g_string_new(NULL),
              .from = ns_of(trace->from),
              .to = ns_of(trace->to)};
  const DspObserver observer = {.step = note, .data = &w, .links = note_links};
  writer_init(&w);
  write_head(&w);
  for (guint i = 0; i < trace->n_ranks; i++)
    name_tracks(&w, &w.tracks[i]);
  dsp_trace_run(trace, &observer);
  for (guint i = 0; i < trace->n_ranks; i++)
    write_block(&w, &w.tracks[i]);
  fputs("\n]}\n", file);
  writer_clear(&w);
}

/* --- one block ----------------------------------------------------------- */

typedef struct {
  const DspSegment *segment;
  guint rank;
  double from, to;
} Search;

static void find(gpointer data, const DspStepRun *run) {
  Search *search = data;
  if (run->rank != search->rank || run->segment != search->segment ||
      run->iteration != search->segment->repeat / 2 ||
      run->step->stream != DSP_STREAM_COMPUTE)
    return;
  search->from = fmin(search->from, run->start);
  search->to = run->end;
}

gboolean dsp_trace_block(const DspTrace *trace, DspPass pass, double *from,
                         double *to) {
  const GPtrArray *segments = trace->schedule->segments;
  Search search = {.rank = simulated(trace, trace->ranks[0]), .from = INFINITY};
  const DspObserver observer = {.step = find, .data = &search};
  for (guint i = 0; i < segments->len; i++) {
    const DspSegment *segment = segments->pdata[i];
    if (segment->pass == pass &&
        (!search.segment || segment->repeat > search.segment->repeat))
      search.segment = segment;
  }
  if (!search.segment)
    return FALSE;
  dsp_trace_run(trace, &observer);
  *from = search.from;
  *to = search.to;
  return TRUE;
}
