/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/measured.h"
#include "measurement/nccl-log.h"
#include "schedule/collective.h"

#define AT(member) G_STRUCT_OFFSET(DspLogOptions, member)

const DspOption dsp_log_options[] = {
    {"nodes", 'N', &dsp_option_count, AT(nodes), "N", "nodes that ran",
     "what logs tell", NULL},
    {"gpus-per-node", 'g', &dsp_option_count, AT(gpus_per_node), "N",
     "GPUs of each", "what logs tell", NULL},
    {"collective", 0, &dsp_option_enum, AT(collective), "NAME", "that ran",
     "what logs tell", dsp_collective_names},
    {NULL}};
#undef AT

static void free_file(gpointer file) {
  dsp_measurements_free(file);
}

static DspMeasurements *load_log(const char *file, const char *cluster,
                                 const DspLogOptions *options, GError **error) {
  const DspNcclLogOptions log = {cluster, options->nodes,
                                 options->gpus_per_node, options->collective};
  return dsp_nccl_log_load(file, &log, error);
}

GPtrArray *dsp_measured_load(char *const *names, const char *cluster,
                             const DspLogOptions *options, GError **error) {
  g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func(free_file);
  for (; *names; names++) {
    DspMeasurements *file = options ? load_log(*names, cluster, options, error)
                                    : dsp_measurements_load(*names, error);
    if (!file)
      return NULL;
    g_ptr_array_add(files, file);
  }
  return g_steal_pointer(&files);
}
