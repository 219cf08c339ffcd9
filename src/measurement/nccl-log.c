/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"
#include "cluster/cluster.h"
#include "measurement/log.h"
#include "schedule/collective.h"
#include <string.h>

#define MAX_BYTES (64 << 20)

gboolean dsp_log_fail(const DspLog *log, DspLogMark at, GError **error,
                      const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  dsp_error_at(error, log->file, at.line, at.column, format, arguments);
  va_end(arguments);
  return FALSE;
}

/* --- what a log tells ---------------------------------------------------- */

/* Programs of nccl-tests; -1: a collective that has no price. */
static const struct {
  const char *name;
  int collective;
} programs[] = {
    {"all_gather_perf", DSP_ALL_GATHER},
    {"all_reduce_perf", DSP_ALL_REDUCE},
    {"alltoall_perf", DSP_ALL_TO_ALL},
    {"broadcast_perf", DSP_BROADCAST},
    {"reduce_perf", DSP_REDUCE},
    {"reduce_scatter_perf", DSP_REDUCE_SCATTER},
    {"sendrecv_perf", DSP_SENDRECV},
    {"alltoallv_perf", -1},
    {"gather_perf", -1},
    {"hypercube_perf", -1},
    {"scatter_perf", -1},
};

static gboolean set_collective(DspLog *log, DspLogMark at, int collective,
                               GError **error) {
  const int asked = log->options->collective;
  log->collective = collective;
  return asked < 0 || asked == collective ||
         dsp_log_fail(log, at, error, "this is %s, and not %s as asked for",
                      dsp_collective_names[collective],
                      dsp_collective_names[asked]);
}

gboolean dsp_log_start(DspLog *log, DspLogMark at, const char *word,
                       GError **error) {
  const char *slash = strrchr(word, '/');
  const char *name = slash ? slash + 1 : word;
  for (guint i = 0; i < G_N_ELEMENTS(programs); i++) {
    if (!g_str_has_prefix(name, programs[i].name))
      continue;
    if (programs[i].collective < 0)
      return dsp_log_fail(log, at, error, "%s is not priced", programs[i].name);
    return set_collective(log, at, programs[i].collective, error);
  }
  return TRUE;
}

void dsp_log_device(DspLog *log, DspLogMark at, const char *host) {
  if (!log->ranks++)
    log->devices = at;
  g_hash_table_add(log->hosts, g_strdup(host));
}

gboolean dsp_log_row(DspLog *log, DspLogMark at, int64_t bytes, double time_us,
                     double wrong, GError **error) {
  const DspLogRow row = {at, log->collective, bytes, time_us};
  if (wrong > 0)
    return dsp_log_fail(log, at, error,
                        "%.15g elements came out wrong: this machine is not in "
                        "order, however fast it is",
                        wrong);
  if (bytes == 0)
    return TRUE;
  if (time_us <= 0)
    return dsp_log_fail(log, at, error, "the time must be above zero");
  g_array_append_val(log->rows, row);
  return TRUE;
}

/* --- as measurements ----------------------------------------------------- */

static gboolean need(GError **error, const char *option, const char *what,
                     const char *file) {
  g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE,
              "option '--%s' must say %s, which %s does not", option, what,
              file);
  return FALSE;
}

/* What the option says, or the list of devices. */
static gboolean decide(const DspLog *log, int64_t told, int64_t asked,
                       const char *what, int64_t *value, GError **error) {
  if (told && asked && told != asked)
    return dsp_log_fail(log, log->devices, error,
                        "lists %" G_GINT64_FORMAT
                        " %s, and not %" G_GINT64_FORMAT " as asked for",
                        told, what, asked);
  *value = asked ? asked : told;
  return TRUE;
}

static gboolean find_place(const DspLog *log, int64_t *nodes, int64_t *per_node,
                           GError **error) {
  const DspNcclLogOptions *o = log->options;
  const guint hosts = g_hash_table_size(log->hosts);
  if (hosts && log->ranks % hosts)
    return dsp_log_fail(log, log->devices, error,
                        "lists %u GPUs on %u nodes: nodes must be alike",
                        log->ranks, hosts);
  return decide(log, hosts, o->nodes, "nodes", nodes, error) &&
         decide(log, hosts ? log->ranks / hosts : 0, o->gpus_per_node,
                "GPUs a node", per_node, error) &&
         (*nodes || need(error, "nodes", "how many nodes ran", log->file)) &&
         (*per_node || need(error, "gpus-per-node",
                            "how many GPUs of a node ran", log->file));
}

static gboolean add_point(const DspLog *log, const DspLogRow *row, cJSON *place,
                          cJSON *points, GError **error) {
  const int collective =
      row->collective < 0 ? log->options->collective : row->collective;
  if (collective < 0)
    return need(error, "collective", "which collective ran", log->file);
  const char *name = dsp_collective_names[collective];
  g_autofree char *base = g_path_get_basename(log->file);
  g_autofree char *group = g_strdup_printf("%s %s", base, name);
  g_autofree char *id = g_strdup_printf("%s:%u", base, row->at.line);
  g_autofree char *id_of_json =
      g_strdup_printf("%s:%u:%u", base, row->at.line, row->at.column);
  cJSON *point = cJSON_Duplicate(place, TRUE);
  cJSON_AddItemToArray(points, point);
  cJSON_AddStringToObject(point, "id", row->at.column > 1 ? id_of_json : id);
  cJSON_AddStringToObject(point, "group", group);
  cJSON_AddStringToObject(point, "collective", name);
  cJSON_AddNumberToObject(point, "bytes", (double)row->bytes);
  cJSON_AddNumberToObject(point, "time_us", row->time_us);
  return TRUE;
}

/* What all points have in common. */
static cJSON *make_place(const DspLog *log, int64_t nodes, int64_t per_node) {
  cJSON *place = cJSON_CreateObject();
  cJSON_AddStringToObject(place, "kind", "collective");
  cJSON_AddStringToObject(place, "cluster", "log");
  cJSON_AddNumberToObject(place, "nodes", (double)nodes);
  cJSON_AddNumberToObject(place, "gpus_per_node", (double)per_node);
  if (log->version) {
    g_autofree char *version = dsp_format_nccl_version(log->version);
    cJSON_AddStringToObject(place, "nccl", version);
  }
  if (log->gpus_per_process)
    cJSON_AddStringToObject(place, "processes",
                            log->gpus_per_process > 1 ? "one" : "per_gpu");
  return place;
}

static cJSON *make_document(const DspLog *log, GError **error) {
  int64_t nodes = 0, per_node = 0;
  if (!log->rows->len) {
    dsp_log_fail(log, (DspLogMark){1, 1}, error,
                 "no line of results of nccl-tests, such as \"1048576 262144 "
                 "float sum -1 105.9 9.90 17.33 0 ...\"");
    return NULL;
  }
  if (!find_place(log, &nodes, &per_node, error))
    return NULL;
  if (!log->options->cluster) {
    need(error, "cluster", "on which machine it ran", log->file);
    return NULL;
  }
  cJSON *root = cJSON_CreateObject(), *place = make_place(log, nodes, per_node);
  cJSON_AddStringToObject(root, "schema", "dspsim.measurements/1");
  cJSON_AddStringToObject(root, "title", "nccl-tests");
  cJSON_AddStringToObject(root, "source", log->file);
  cJSON_AddStringToObject(root, "licence", "of the file");
  cJSON *points = cJSON_AddArrayToObject(root, "points");
  gboolean done = TRUE;
  for (guint i = 0; done && i < log->rows->len; i++)
    done = add_point(log, &g_array_index(log->rows, DspLogRow, i), place,
                     points, error);
  cJSON_Delete(place);
  if (!done)
    g_clear_pointer(&root, cJSON_Delete);
  return root;
}

/* Unlike in files, it may be a path. */
static void set_cluster(DspMeasurements *m, const char *cluster) {
  for (guint i = 0; i < m->points->len; i++) {
    char **name = &g_array_index(m->points, DspPoint, i).collective.cluster;
    g_free(*name);
    *name = g_strdup(cluster);
  }
}

/* By way of the one reader of measurements, so that there is no second idea of
 * what a point may be. */
static DspMeasurements *convert(const DspLog *log, const char *text,
                                gsize length, GError **error) {
  cJSON *document = make_document(log, error);
  if (!document)
    return NULL;
  char *written = cJSON_PrintUnformatted(document);
  cJSON_Delete(document);
  g_autoptr(DspJson) json =
      dsp_json_parse(log->file, written, strlen(written), error);
  cJSON_free(written);
  DspMeasurements *m = json ? dsp_measurements_read(json, error) : NULL;
  if (!m)
    return NULL;
  set_cluster(m, log->options->cluster);
  g_free(m->sha256);
  m->sha256 = g_compute_checksum_for_data(G_CHECKSUM_SHA256,
                                          (const guchar *)text, length);
  return m;
}

/* --- the file ------------------------------------------------------------ */

static gboolean check_text(const DspLog *log, const char *text, gsize length,
                           GError **error) {
  const char *bad;
  if (length > MAX_BYTES)
    return dsp_log_fail(log, (DspLogMark){1, 1}, error, "longer than %d bytes",
                        MAX_BYTES);
  if (g_utf8_validate_len(text, length, &bad))
    return TRUE;
  DspLogMark at = {1, 1};
  for (const char *c = text; c < bad; c++) {
    at.line += *c == '\n';
    at.column = *c == '\n' ? 1 : at.column + 1;
  }
  return dsp_log_fail(log, at, error, "not UTF-8 text");
}

static DspMeasurements *parse_log(const char *file, const char *text,
                                  gsize length, const DspJson *json,
                                  const DspNcclLogOptions *options,
                                  GError **error) {
  DspLog log = {
      .file = file,
      .options = options,
      .collective = -1,
      .rows = g_array_new(FALSE, FALSE, sizeof(DspLogRow)),
      .hosts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL)};
  DspMeasurements *measurements = NULL;
  if (check_text(&log, text, length, error) &&
      (json ? dsp_log_read_json(&log, json, error)
            : dsp_log_read_text(&log, text, error)))
    measurements = convert(&log, text, length, error);
  g_array_unref(log.rows);
  g_hash_table_unref(log.hosts);
  return measurements;
}

DspMeasurements *dsp_nccl_log_parse(const char *file, const char *text,
                                    gsize length,
                                    const DspNcclLogOptions *options,
                                    GError **error) {
  const gsize blank = strspn(text, " \t\r\n");
  if (text[blank] != '{')
    return parse_log(file, text, length, NULL, options, error);
  g_autoptr(DspJson) json = dsp_json_parse(file, text, length, error);
  if (!json)
    return NULL;
  if (cJSON_HasObjectItem(dsp_json_root(json), "schema"))
    return dsp_measurements_read(json, error);
  return parse_log(file, text, length, json, options, error);
}

DspMeasurements *dsp_nccl_log_load(const char *file,
                                   const DspNcclLogOptions *options,
                                   GError **error) {
  g_autofree char *text = NULL;
  g_autoptr(GError) cause = NULL;
  gsize length;
  if (g_file_get_contents(file, &text, &length, &cause))
    return dsp_nccl_log_parse(file, text, length, options, error);
  g_set_error(error, DSP_ERROR, DSP_ERROR_INPUT, "%s: %s", file,
              cause->message);
  return NULL;
}
