/* SPDX-License-Identifier: Apache-2.0 */
/* Files of measurements and logs of nccl-tests, as commands are given them. */
#ifndef DSP_CMD_MEASURED_H
#define DSP_CMD_MEASURED_H

#include "cmd/cmd.h"
#include "measurement/measurements.h"

/* What logs do not tell. */
typedef struct {
  int64_t nodes, gpus_per_node;
  int collective;
} DspLogOptions;

#define DSP_LOG_DEFAULTS                                                       \
  { .collective = -1 }
extern const DspOption dsp_log_options[];
#define DSP_LOG_GROUP(offset)                                                  \
  { "What ran, in logs of nccl-tests", dsp_log_options, offset }

/* Reads the files (DspMeasurements). Points of logs call the cluster
 * `cluster`, NULL: it is not told; without `options` there can be none.
 * g_ptr_array_unref. */
GPtrArray *dsp_measured_load(char *const *names, const char *cluster,
                             const DspLogOptions *options, GError **error);

#endif
