/* SPDX-License-Identifier: Apache-2.0 */
/* cost: what one collective takes, size by size, as nccl-tests would measure
 * it. Options and sizes are those of nccl-tests. */
#include "report/cost.h"
#include "base/error.h"
#include "base/units.h"
#include "cmd/cmd.h"
#include "cmd/output.h"
#include "network/messages.h"
#include <math.h>
#include <string.h>

#define DEFAULT_CLUSTER "dgx-h100"
#define MAX_ROWS        10000
#define MIB             (INT64_C(1) << 20)
#define GIB             (INT64_C(1) << 30)

typedef struct {
  int64_t least, most, step, factor; /* 0: not given */
  int datatype;
} SizeOptions;

typedef struct {
  char *cluster;
  int collective;
  int64_t ranks, nodes, gpus_per_node, stride; /* 0: not given */
  gboolean alone;
} PlaceOptions;

typedef struct {
  SizeOptions sizes;
  PlaceOptions place;
  int algorithm, protocol;
  int64_t channels;
  gboolean explain, messages;
  DspOutputOptions output;
} Options;

/* --- options ------------------------------------------------------------- */

static gboolean parse_size(const DspOption *option, const char *text,
                           gpointer member, GError **error) {
  int64_t size;
  (void)option;
  if (!dsp_parse_size(text, DSP_UNITS_COMMAND_LINE, &size, error))
    return FALSE;
  if (size > 0) {
    *(int64_t *)member = size;
    return TRUE;
  }
  g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE, "must be greater than zero");
  return FALSE;
}

static const DspOptionType option_size = {FALSE, parse_size, NULL};

static const char *const type_names[] = {
    "int8",  "uint8",  "int32",    "uint32", "int64",  "uint64", "half",
    "float", "double", "bfloat16", "f8e4m3", "f8e5m2", NULL};
static const int type_bytes[] = {1, 1, 4, 4, 8, 8, 2, 4, 8, 2, 1, 1};
G_STATIC_ASSERT(G_N_ELEMENTS(type_names) == G_N_ELEMENTS(type_bytes) + 1);
enum { FLOAT = 7 };

#define AT(member) G_STRUCT_OFFSET(SizeOptions, member)
static const DspOption size_options[] = {
    {"minbytes", 'b', &option_size, AT(least), "SIZE", "first size", "32M",
     NULL},
    {"maxbytes", 'e', &option_size, AT(most), "SIZE", "last size",
     "32M, or the first", NULL},
    {"stepfactor", 'f', &dsp_option_count, AT(factor), "N",
     "each size is so many times the last", NULL, NULL},
    {"stepbytes", 'i', &option_size, AT(step), "SIZE",
     "each size is so much more than the last", "1M", NULL},
    {"datatype", 'd', &dsp_option_enum, AT(datatype), "TYPE", "of the elements",
     "float", type_names},
    {NULL}};
#undef AT

#define AT(member) G_STRUCT_OFFSET(PlaceOptions, member)
static const DspOption place_options[] = {
    {"collective", 0, &dsp_option_enum, AT(collective), "NAME", "what is run",
     "all_reduce", dsp_collective_names},
    {"cluster", 'c', &dsp_option_string, AT(cluster), "CLUSTER",
     "cluster, path or one-line description", DEFAULT_CLUSTER, NULL},
    {"gpus", 'g', &dsp_option_count, AT(ranks), "N", "ranks, a GPU each",
     "all GPUs of the nodes", NULL},
    {"nodes", 0, &dsp_option_count, AT(nodes), "N", "nodes",
     "as many as the ranks fill", NULL},
    {"gpus-per-node", 0, &dsp_option_count, AT(gpus_per_node), "N",
     "GPUs that are used of a node", "all", NULL},
    {"stride", 0, &dsp_option_count, AT(stride), "N",
     "GPUs from one rank of a group to the next", "1", NULL},
    {"alone", 0, &dsp_option_flag, AT(alone), NULL,
     "one group, where the GPUs hold several", NULL, NULL},
    {NULL}};
#undef AT

#define AT(member) G_STRUCT_OFFSET(Options, member)
static const DspOption run_options[] = {
    {"algo", 0, &dsp_option_enum, AT(algorithm), "NAME", "as NCCL_ALGO",
     "NCCL's choice", dsp_forced_algorithm_names},
    {"proto", 0, &dsp_option_enum, AT(protocol), "NAME", "as NCCL_PROTO",
     "NCCL's choice", dsp_protocol_names},
    {"channels", 0, &dsp_option_count, AT(channels), "N",
     "as NCCL_MAX_NCHANNELS", "NCCL's choice", NULL},
    {"explain", 0, &dsp_option_flag, AT(explain), NULL,
     "what the time is made of, and what binds it", NULL, NULL},
    {"messages", 0, &dsp_option_flag, AT(messages), NULL,
     "simulate every message on the links as well", NULL, NULL},
    {NULL}};

static const DspOptionGroup groups[] = {
    {"Sizes", size_options, AT(sizes)},
    {"What, and where", place_options, AT(place)},
    {"How it runs", run_options, 0},
    DSP_OUTPUT_GROUP(AT(output)),
    {NULL}};
#undef AT

static const Options defaults = {.sizes = {.datatype = FLOAT},
                                 .place = {.collective = DSP_ALL_REDUCE},
                                 .algorithm = -1,
                                 .protocol = -1,
                                 .output = DSP_OUTPUT_DEFAULTS};

/* --- sizes --------------------------------------------------------------- */

/* Without any of the four the usual sweep, else the defaults of nccl-tests. */
static SizeOptions complete_sizes(const SizeOptions *given) {
  SizeOptions s = *given;
  if (s.least == 0 && s.most == 0 && s.step == 0 && s.factor == 0)
    return (SizeOptions){8, 8 * GIB, 0, 2, s.datatype};
  s.least = s.least ? s.least : 32 * MIB;
  s.most = s.most ? s.most : MAX(s.least, 32 * MIB);
  s.step = s.step ? s.step : MIB;
  return s;
}

/* The size after `size`, or more than the last where there is none. */
static int64_t next_size(const SizeOptions *s, int64_t size) {
  int64_t next;
  const gboolean fits = s->factor > 1 ? dsp_mul_int64(size, s->factor, &next)
                                      : dsp_add_int64(size, s->step, &next);
  return fits ? next : G_MAXINT64;
}

static gboolean check_sizes(const SizeOptions *s, GError **error) {
  guint rows = 0;
  if (s->least > s->most)
    return dsp_option_fail(error, "minbytes",
                           "%" G_GINT64_FORMAT " is more than --maxbytes, "
                           "which is %" G_GINT64_FORMAT,
                           s->least, s->most);
  for (int64_t size = s->least; size <= s->most && size < G_MAXINT64;
       size = next_size(s, size))
    if (++rows > MAX_ROWS)
      return dsp_option_fail(error, s->factor > 1 ? "stepfactor" : "stepbytes",
                             "makes more than %d sizes", MAX_ROWS);
  return TRUE;
}

/* Ranks have equal parts, of whole 16 bytes
 * (NVIDIA/nccl-tests:src/all_gather.cu and its siblings). */
static gboolean is_parted(DspCollective collective) {
  return collective == DSP_ALL_GATHER || collective == DSP_REDUCE_SCATTER ||
         collective == DSP_ALL_TO_ALL;
}

static int64_t elements(const DspCostJob *job, int64_t size) {
  const int64_t all = size / job->type_bytes;
  const int64_t unit = 16 / job->type_bytes;
  return is_parted(job->collective) ? all / job->axis.size / unit * unit : all;
}

/* --- where --------------------------------------------------------------- */

static gboolean check_place(const PlaceOptions *o, GError **error) {
  static const struct {
    const char *name;
    gsize offset;
  } limited[] = {
      {"gpus", G_STRUCT_OFFSET(PlaceOptions, ranks)},
      {"nodes", G_STRUCT_OFFSET(PlaceOptions, nodes)},
      {"gpus-per-node", G_STRUCT_OFFSET(PlaceOptions, gpus_per_node)},
      {"stride", G_STRUCT_OFFSET(PlaceOptions, stride)},
  };
  for (guint i = 0; i < G_N_ELEMENTS(limited); i++)
    if (G_STRUCT_MEMBER(int64_t, o, limited[i].offset) > MIB)
      return dsp_option_fail(error, limited[i].name, "must be at most %d",
                             (int)MIB);
  return TRUE;
}

/* How many GPUs there are to be: those of the nodes, or of the ranks. */
static int64_t world_of(const PlaceOptions *o, const DspCluster *c) {
  const int64_t per_node =
      o->gpus_per_node ? o->gpus_per_node : c->gpus_per_node;
  if (o->nodes)
    return o->nodes * per_node;
  return o->ranks ? o->ranks * MAX(o->stride, 1) : per_node;
}

static DspTopology *make_topology(const PlaceOptions *o, const DspCluster *c,
                                  GError **error) {
  const int64_t world = world_of(o, c);
  if (world > MIB) {
    dsp_option_fail(error, "gpus", "more than %d GPUs", (int)MIB);
    return NULL;
  }
  if (!o->gpus_per_node)
    return dsp_topology_new(c, (guint)world, error);
  if (world % o->gpus_per_node == 0)
    return dsp_topology_new_partial(c, (guint)(world / o->gpus_per_node),
                                    (guint)o->gpus_per_node, error);
  dsp_option_fail(error, "gpus-per-node",
                  "%" G_GINT64_FORMAT
                  " GPUs do not fill nodes of %" G_GINT64_FORMAT,
                  world, o->gpus_per_node);
  return NULL;
}

static gboolean set_axis(const PlaceOptions *o, DspAxis *axis, GError **error) {
  const int64_t stride = MAX(o->stride, 1);
  const int64_t ranks = o->ranks ? o->ranks : axis->world / stride;
  if (ranks < 2)
    return dsp_option_fail(error, "gpus", "a collective needs 2 ranks or more");
  if (axis->world % (ranks * stride) != 0)
    return dsp_option_fail(error, stride > 1 ? "stride" : "gpus",
                           "groups of %" G_GINT64_FORMAT
                           " ranks, %" G_GINT64_FORMAT
                           " GPUs apart, do not fill %u GPUs",
                           ranks, stride, axis->world);
  axis->size = (guint)ranks;
  axis->stride = (guint)stride;
  return TRUE;
}

static const char *cluster_name(const PlaceOptions *o, const char *operand,
                                GError **error) {
  if (o->cluster && operand && strcmp(o->cluster, operand) != 0) {
    dsp_option_fail(error, "cluster", "is '%s', and the operand is '%s'",
                    o->cluster, operand);
    return NULL;
  }
  return o->cluster ? o->cluster : operand ? operand : DEFAULT_CLUSTER;
}

/* --- rows ---------------------------------------------------------------- */

/* NCCL fails where nothing that it is allowed to choose can run. Send/recv
 * knows no algorithms and passes over NCCL_ALGO. */
static gboolean check_forced(const DspCostJob *job, const DspPrice *price,
                             GError **error) {
  const DspNcclOptions *f = &job->forced;
  const gboolean p2p = strcmp(price->algorithm, "p2p") == 0;
  if ((p2p || !f->algorithm || strcmp(f->algorithm, price->algorithm) == 0) &&
      (f->protocol < 0 || f->protocol == (int)price->protocol))
    return TRUE;
  g_set_error(error, DSP_ERROR, DSP_ERROR_INFEASIBLE,
              "%s by %s%s%s cannot run here; NCCL would choose %s %s",
              dsp_collective_names[job->collective],
              f->algorithm ? f->algorithm : "",
              f->algorithm && f->protocol >= 0 ? " " : "",
              f->protocol < 0 ? "" : dsp_protocol_names[f->protocol],
              price->algorithm, dsp_protocol_names[price->protocol]);
  return FALSE;
}

/* What cannot be cut into equal parts has no messages. */
static gboolean run_messages(DspCostRow *row, GError **error) {
  const DspCostJob *job = row->job;
  const DspRounds rounds =
      job->collective == DSP_ALL_TO_ALL ? DSP_ROUNDS_AT_ONCE : DSP_ROUNDS_RING;
  DspMessagesResult result;
  row->message_time = NAN;
  if (!job->messages || row->price->bytes % job->axis.size != 0)
    return TRUE;
  if (!dsp_messages_run(job->topology, &job->axis, job->collective,
                        row->price->bytes, rounds, 0, NULL, &result, error))
    return FALSE;
  row->message_time = result.time;
  return TRUE;
}

static gboolean add_row(GArray *rows, const DspCostJob *job, int64_t count,
                        GError **error) {
  const int64_t parts = is_parted(job->collective) ? job->axis.size : 1;
  DspCostRow row = {.job = job, .count = count};
  row.price = dsp_price_new(job->topology, &job->axis, job->alone ? 0 : -1,
                            job->collective, count * parts * job->type_bytes,
                            &job->forced);
  dsp_cost_row_complete(&row);
  g_array_append_val(rows, row);
  DspCostRow *kept = &g_array_index(rows, DspCostRow, rows->len - 1);
  return check_forced(job, row.price, error) && run_messages(kept, error);
}

static gboolean add_rows(GArray *rows, const DspCostJob *job,
                         const SizeOptions *sizes, GError **error) {
  for (int64_t size = sizes->least; size <= sizes->most && size < G_MAXINT64;
       size = next_size(sizes, size)) {
    const int64_t count = elements(job, size);
    if (count > 0 && !add_row(rows, job, count, error))
      return FALSE;
  }
  return rows->len > 0 ||
         dsp_option_fail(error, "maxbytes",
                         "%" G_GINT64_FORMAT
                         " bytes have no whole part for each of %u ranks",
                         sizes->most, job->axis.size);
}

/* --- the answer ---------------------------------------------------------- */

static gboolean answer(const DspInvocation *invocation, const DspCostJob *job,
                       GArray *rows, GError **error) {
  const Options *options = invocation->options;
  g_autoptr(DspTable) inputs = dsp_cost_inputs(job);
  g_autoptr(DspTable) results = dsp_cost_table();
  for (guint i = 0; i < rows->len; i++)
    dsp_table_add_row(results, &g_array_index(rows, DspCostRow, i));
  DspReport report = {.schema = "dspsim.cost/1",
                      .inputs = inputs,
                      .results = results,
                      .text = dsp_cost_text,
                      .data = rows};
  return dsp_output_write(&options->output, &report, invocation->out, error);
}

static DspCostJob job_of(const Options *o, const DspCluster *cluster,
                         const DspTopology *topology) {
  return (DspCostJob){
      .cluster = cluster,
      .topology = topology,
      .axis = {.world = dsp_topology_gpus(topology)},
      .collective = (DspCollective)o->place.collective,
      .type = type_names[o->sizes.datatype],
      .type_bytes = type_bytes[o->sizes.datatype],
      .alone = o->place.alone,
      .forced = {o->algorithm < 0 ? NULL
                                  : dsp_forced_algorithm_names[o->algorithm],
                 o->protocol, o->channels},
      .explain = o->explain,
      .messages = o->messages,
  };
}

static gboolean check_messages(const Options *o, GError **error) {
  const int collective = o->place.collective;
  if (o->messages && o->place.alone)
    return dsp_option_fail(error, "messages",
                           "simulates all groups, '--alone' prices one");
  return !o->messages || collective <= DSP_ALL_REDUCE ||
         dsp_option_fail(error, "messages", "is not for %s",
                         dsp_collective_names[collective]);
}

static gboolean run(const DspInvocation *invocation, GError **error) {
  const Options *o = invocation->options;
  const SizeOptions sizes = complete_sizes(&o->sizes);
  const char *name = cluster_name(&o->place, invocation->operands[0], error);
  if (!name || !check_sizes(&sizes, error) || !check_place(&o->place, error) ||
      !check_messages(o, error))
    return FALSE;
  g_autoptr(DspCluster) cluster = dsp_cluster_load(name, error);
  g_autoptr(DspTopology) topology =
      cluster ? make_topology(&o->place, cluster, error) : NULL;
  if (!topology)
    return FALSE;
  DspCostJob job = job_of(o, cluster, topology);
  g_autoptr(GArray) rows = g_array_new(FALSE, FALSE, sizeof(DspCostRow));
  g_array_set_clear_func(rows, (GDestroyNotify)dsp_cost_row_clear);
  return set_axis(&o->place, &job.axis, error) &&
         add_rows(rows, &job, &sizes, error) &&
         answer(invocation, &job, rows, error);
}

const DspCommand dsp_command_cost = {
    .name = "cost",
    .summary = "tell what a collective takes, size by size, as nccl-tests does",
    .operands = "[CLUSTER]",
    .max_operands = 1,
    .groups = groups,
    .record_size = sizeof(Options),
    .defaults = &defaults,
    .run = run,
};
