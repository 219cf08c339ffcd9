/* SPDX-License-Identifier: Apache-2.0 */
/* topo: a cluster's links, and clusters from what others print of machines. */
#include "report/topo.h"
#include "base/error.h"
#include "base/units.h"
#include "cluster/import.h"
#include "cmd/cmd.h"
#include "cmd/output.h"
#include <string.h>

#define DEFAULT_CLUSTER "dgx-h100"
#define MAX_GPUS        (1 << 20)
/* A matrix has a row for each pair. */
#define MAX_MATRIX 1024

typedef struct {
  int64_t from, to; /* -1: not given */
} Pair;

typedef struct {
  char *cluster, *import;
  DspImportOptions profile;
  gboolean matrix;
  Pair route;
  int64_t nodes;
  DspOutputOptions output;
} Options;

/* --- options ------------------------------------------------------------- */

/* Numbers of GPUs begin at 0. */
static gboolean parse_gpu(const char *text, int64_t *gpu) {
  return dsp_parse_count(text, DSP_UNITS_FILE, gpu, NULL) && *gpu < MAX_GPUS;
}

static gboolean parse_pair(const DspOption *option, const char *text,
                           gpointer member, GError **error) {
  Pair *pair = member;
  (void)option;
  g_auto(GStrv) sides = g_strsplit(text, ":", 3);
  if (g_strv_length(sides) == 2 && parse_gpu(sides[0], &pair->from) &&
      parse_gpu(sides[1], &pair->to))
    return TRUE;
  g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE,
              "'%s' is not two GPUs, such as 0:9", text);
  return FALSE;
}

static const DspOptionType option_pair = {FALSE, parse_pair, NULL};

#define AT(member) G_STRUCT_OFFSET(Options, member)

static const DspOption view_options[] = {
    {"cluster", 'c', &dsp_option_string, AT(cluster), "CLUSTER",
     "cluster, path or one-line description", DEFAULT_CLUSTER, NULL},
    {"nodes", 0, &dsp_option_count, AT(nodes), "N", "of the first nodes",
     "1, or as many as the route needs", NULL},
    {"matrix", 0, &dsp_option_flag, AT(matrix), NULL,
     "bandwidth from every GPU to every other", NULL, NULL},
    {"route", 0, &option_pair, AT(route), "FROM:TO",
     "the links from one GPU to another", NULL, NULL},
    {NULL}};

static const DspOption import_options[] = {
    {"import", 0, &dsp_option_string, AT(import), "FILE",
     "print the profile of a machine from 'nvidia-smi topo -m' or "
     "NCCL_TOPO_DUMP_FILE",
     NULL, NULL},
    {"gpu", 0, &dsp_option_string, AT(profile.gpu), "GPU",
     "its GPU, one of 'dspsim list gpus'", "what the file says", NULL},
    {"host", 0, &dsp_option_string, AT(profile.host), "HOST",
     "its host, a file of hwprofiles/hosts", "what the file says", NULL},
    {"network", 0, &dsp_option_string, AT(profile.network), "NETWORK",
     "its network, a file of hwprofiles/networks, or none", NULL, NULL},
    {"cpus", 0, &dsp_option_count, AT(profile.cpus), "N",
     "its CPUs, with as many GPUs each", "what the file says", NULL},
    {"name", 0, &dsp_option_string, AT(profile.name), "TEXT",
     "its title, one line", "where it is from", NULL},
    {NULL}};

static const DspOptionGroup groups[] = {{"What", view_options, 0},
                                        {"Import", import_options, 0},
                                        DSP_OUTPUT_GROUP(AT(output)),
                                        {NULL}};

static const Options defaults = {.route = {-1, -1},
                                 .output = DSP_OUTPUT_DEFAULTS};

/* --- what is asked ------------------------------------------------------- */

static gboolean conflict(GError **error, const char *name, const char *with) {
  return dsp_option_fail(error, name, "does not go with '%s'", with);
}

static gboolean is_picture(const Options *o) {
  return o->output.file && g_str_has_suffix(o->output.file, ".svg");
}

static gboolean check_import(const Options *o, GError **error) {
  static const struct {
    const char *name;
    gsize offset;
  } only[] = {
      {"gpu", AT(profile.gpu)},
      {"host", AT(profile.host)},
      {"network", AT(profile.network)},
      {"name", AT(profile.name)},
  };
  for (guint i = 0; !o->import && i < G_N_ELEMENTS(only); i++)
    if (G_STRUCT_MEMBER(char *, o, only[i].offset))
      return dsp_option_fail(error, only[i].name, "is for '--import'");
  if (!o->import)
    return o->profile.cpus == 0 ||
           dsp_option_fail(error, "cpus", "is for '--import'");
  if (o->cluster || o->matrix || o->route.from >= 0 || o->nodes)
    return conflict(error, "import",
                    o->cluster  ? "--cluster"
                    : o->matrix ? "--matrix"
                    : o->nodes  ? "--nodes"
                                : "--route");
  return !is_picture(o) || conflict(error, "import", "-o FILE.svg");
}

static gboolean check_view(const Options *o, GError **error) {
  const gboolean route = o->route.from >= 0;
  if (o->matrix && route)
    return conflict(error, "matrix", "--route");
  if (is_picture(o) && (o->matrix || route))
    return conflict(error, "output", o->matrix ? "--matrix" : "--route");
  if (is_picture(o) && (o->output.format >= 0 || o->output.provenance))
    return conflict(error, o->output.provenance ? "provenance" : "format",
                    "-o FILE.svg");
  return o->nodes <= MAX_GPUS ||
         dsp_option_fail(error, "nodes", "must be at most %d", MAX_GPUS);
}

/* --- views --------------------------------------------------------------- */

static int64_t nodes_of(const Options *o, const DspCluster *c) {
  const int64_t last = MAX(o->route.from, o->route.to);
  return o->nodes ? o->nodes : MAX(last, 0) / c->gpus_per_node + 1;
}

static DspTopology *make_topology(const Options *o, const DspCluster *c,
                                  GError **error) {
  const int64_t gpus = nodes_of(o, c) * c->gpus_per_node;
  if (gpus > MAX_GPUS || (o->matrix && gpus > MAX_MATRIX)) {
    dsp_option_fail(error, o->nodes ? "nodes" : "route",
                    "makes %" G_GINT64_FORMAT " GPUs, more than %d", gpus,
                    o->matrix ? MAX_MATRIX : MAX_GPUS);
    return NULL;
  }
  return dsp_topology_new(c, (guint)gpus, error);
}

static gboolean check_route(const DspTopoJob *job, GError **error) {
  const guint gpus = dsp_topology_gpus(job->topology);
  return job->view != DSP_TOPO_ROUTE || (job->from < gpus && job->to < gpus) ||
         dsp_option_fail(error, "route", "there are GPUs 0 to %u", gpus - 1);
}

static gboolean answer(const DspInvocation *invocation, const DspTopoJob *job,
                       GError **error) {
  const Options *options = invocation->options;
  g_autoptr(GArray) rows = dsp_topo_rows(job);
  g_autoptr(DspTable) inputs = dsp_topo_inputs(job);
  g_autoptr(DspTable) results = dsp_topo_table(job->view);
  const DspTopoText text = {job, rows};
  for (guint i = 0; i < rows->len; i++)
    dsp_table_add_row(results, &g_array_index(rows, DspTopoRow, i));
  DspReport report = {.schema = "dspsim.topo/1",
                      .inputs = inputs,
                      .results = results,
                      .text =
                          is_picture(options) ? dsp_topo_svg : dsp_topo_text,
                      .data = &text};
  return dsp_output_write(&options->output, &report, invocation->out, error);
}

static const char *cluster_name(const Options *o, const char *operand,
                                GError **error) {
  if (o->cluster && operand && strcmp(o->cluster, operand) != 0) {
    dsp_option_fail(error, "cluster", "is '%s', and the operand is '%s'",
                    o->cluster, operand);
    return NULL;
  }
  return o->cluster ? o->cluster : operand ? operand : DEFAULT_CLUSTER;
}

static gboolean view(const DspInvocation *invocation, GError **error) {
  const Options *o = invocation->options;
  const char *name = cluster_name(o, invocation->operands[0], error);
  g_autoptr(DspCluster) cluster = name ? dsp_cluster_load(name, error) : NULL;
  g_autoptr(DspTopology) topology =
      cluster ? make_topology(o, cluster, error) : NULL;
  if (!topology)
    return FALSE;
  const gboolean route = o->route.from >= 0;
  const DspTopoJob job = {cluster, topology,
                          route       ? DSP_TOPO_ROUTE
                          : o->matrix ? DSP_TOPO_MATRIX
                                      : DSP_TOPO_TREE,
                          route ? (guint)o->route.from : 0,
                          route ? (guint)o->route.to : 0};
  return check_route(&job, error) && answer(invocation, &job, error);
}

/* --- import -------------------------------------------------------------- */

static void profile_text(const DspReport *report, const DspStyle *style,
                         GString *out) {
  (void)style;
  g_string_append(out, report->data);
}

/* A profile is JSON whatever the file is called. */
static gboolean import(const DspInvocation *invocation, GError **error) {
  const Options *o = invocation->options;
  DspOutputOptions output = o->output;
  if (invocation->operands[0])
    return conflict(error, "import", invocation->operands[0]);
  if (output.format >= 0 || output.provenance)
    return conflict(error, "import",
                    output.provenance ? "--provenance" : "--format");
  g_autofree char *profile = dsp_import_profile(o->import, &o->profile, error);
  if (!profile)
    return FALSE;
  DspReport report = {.text = profile_text, .data = profile};
  output.format = 0;
  return dsp_output_write(&output, &report, invocation->out, error);
}

static gboolean run(const DspInvocation *invocation, GError **error) {
  const Options *o = invocation->options;
  return check_import(o, error) && check_view(o, error) &&
         (o->import ? import(invocation, error) : view(invocation, error));
}

const DspCommand dsp_command_topo = {
    .name = "topo",
    .summary = "draw a cluster, tell its routes, or import a machine",
    .operands = "[CLUSTER]",
    .max_operands = 1,
    .groups = groups,
    .record_size = sizeof(Options),
    .defaults = &defaults,
    .run = run,
};
