/* SPDX-License-Identifier: Apache-2.0 */
/* What nccl-tests prints, as a file of measurements: the text, pasted from a
 * terminal with all that is around it, and the JSON of its option -J. */
#ifndef DSP_MEASUREMENT_NCCL_LOG_H
#define DSP_MEASUREMENT_NCCL_LOG_H

#include "measurement/measurements.h"

/* What a log does not tell. Where it tells what is also given here, the two
 * must agree. */
typedef struct {
  const char *cluster; /* that it ran on: a log never tells, so that without
                          it (NULL) there can be none */
  int64_t nodes, gpus_per_node; /* 0: as its list of devices has it */
  int collective;               /* DspCollective, -1: as its name has it */
} DspNcclLogOptions;

/* Reads a log, or a file of "dspsim.measurements/1", whichever `file` is. Of a
 * log the out-of-place columns make points of kind collective, whose group is
 * the file's name and the collective; sizes of 0 bytes are passed over. Errors:
 * DSP_ERROR_INPUT with the position of what is wrong, DSP_ERROR_USAGE where an
 * option must say what the log does not. Free with dsp_measurements_free.
 * Source: NVIDIA/nccl-tests:src/util.cu, versions 2.0 to 2.18. */
DspMeasurements *dsp_nccl_log_load(const char *file,
                                   const DspNcclLogOptions *options,
                                   GError **error);

/* The same of text in memory. */
DspMeasurements *dsp_nccl_log_parse(const char *file, const char *text,
                                    gsize length,
                                    const DspNcclLogOptions *options,
                                    GError **error);

#endif
