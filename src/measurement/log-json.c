/* SPDX-License-Identifier: Apache-2.0 */
/* What nccl-tests writes with -J: {"args": [...], "nccl_version": 22809,
 * "config": {"nthreads": 1, "ngpus": 1, "devices": [{"hostname": ...}]},
 * "results": [{"size": 8, "out_of_place": {"time": 5.6, "nwrong": 0}}]}. Keys
 * that tell nothing here are passed over: they differ from version to version.
 */
#include "measurement/log.h"
#include <math.h>

static DspLogMark mark_of(const DspJson *json, const cJSON *node) {
  DspLogMark at;
  dsp_json_position(json, node, &at.line, &at.column);
  return at;
}

static const cJSON *get(const cJSON *object, const char *key) {
  return cJSON_GetObjectItemCaseSensitive(object, key);
}

/* A whole number of the object, 0 where there is none. */
static gint64 get_count(const cJSON *object, const char *key) {
  const cJSON *item = get(object, key);
  const double most = 1LL << 50;
  return cJSON_IsNumber(item) && item->valuedouble > 0 &&
                 item->valuedouble <= most &&
                 item->valuedouble == floor(item->valuedouble)
             ? (gint64)item->valuedouble
             : 0;
}

static gboolean read_programs(DspLog *log, const DspJson *json,
                              GError **error) {
  const cJSON *argument;
  cJSON_ArrayForEach(argument, get(dsp_json_root(json), "args")) {
    if (cJSON_IsString(argument) &&
        !dsp_log_start(log, mark_of(json, argument), argument->valuestring,
                       error))
      return FALSE;
  }
  return TRUE;
}

static void read_config(DspLog *log, const DspJson *json) {
  const cJSON *config = get(dsp_json_root(json), "config"), *device;
  log->version = get_count(dsp_json_root(json), "nccl_version");
  log->gpus_per_process =
      MAX(get_count(config, "nthreads"), get_count(config, "ngpus"));
  cJSON_ArrayForEach(device, get(config, "devices")) {
    const cJSON *host = get(device, "hostname");
    if (cJSON_IsString(host))
      dsp_log_device(log, mark_of(json, device), host->valuestring);
  }
}

static gboolean read_result(DspLog *log, const DspJson *json,
                            const cJSON *result, GError **error) {
  const cJSON *size = get(result, "size"), *out = get(result, "out_of_place");
  const cJSON *time = get(out, "time"), *wrong = get(out, "nwrong");
  if (!cJSON_IsNumber(size) || size->valuedouble < 0 ||
      (size->valuedouble > 0 && !get_count(result, "size")))
    return dsp_json_fail(json, size ? size : result, error,
                         "'size' must be a number of bytes");
  if (!cJSON_IsNumber(time))
    return dsp_json_fail(json,
                         time  ? time
                         : out ? out
                               : result,
                         error,
                         "'out_of_place' must have a number 'time', in us");
  return dsp_log_row(log, mark_of(json, result), (int64_t)size->valuedouble,
                     time->valuedouble,
                     cJSON_IsNumber(wrong) ? wrong->valuedouble : 0, error);
}

gboolean dsp_log_read_json(DspLog *log, const DspJson *json, GError **error) {
  const cJSON *results = get(dsp_json_root(json), "results"), *result;
  if (!cJSON_IsArray(results))
    return dsp_json_fail(json, dsp_json_root(json), error,
                         "neither 'schema', as measurements have it, nor an "
                         "array 'results', as 'nccl-tests -J' writes it");
  read_config(log, json);
  if (!read_programs(log, json, error))
    return FALSE;
  cJSON_ArrayForEach(result, results) {
    if (!read_result(log, json, result, error))
      return FALSE;
  }
  return TRUE;
}
