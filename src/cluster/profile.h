/* SPDX-License-Identifier: Apache-2.0 */
/* The steps that a profile and a one-line description share on their way to a
 * DspCluster. Private to src/cluster. */
#ifndef DSP_CLUSTER_PROFILE_H
#define DSP_CLUSTER_PROFILE_H

#include "cluster/cluster.h"

#define DSP_MAX_GPUS_PER_NODE 1024
#define DSP_MAX_NICS_PER_NODE 1024
#define DSP_MAX_NODES         1048576

/* A number of a JSON object that must lie between two others. */
typedef struct {
  const char *key;
  double least, most;
} DspRange;

/* Checks the numbers of `node` that `ranges` (ended by a NULL key) names, plain
 * or annotated; keys that are absent or not numbers pass. */
gboolean dsp_check_ranges(const DspJson *json, const cJSON *node,
                          const DspRange *ranges, GError **error);

/* A cluster with every default of dspsim-hwprofile(5). */
DspCluster *dsp_cluster_new(const char *name);

/* Fills the cluster from the profile in its `json`. */
gboolean dsp_cluster_read(DspCluster *cluster, GError **error);

/* Loads what `gpu`, `host`, `intra` and `inter` name into the cluster; NULL
 * names are skipped. */
gboolean dsp_cluster_load_parts(DspCluster *cluster, const char *gpu,
                                const char *host, const char *intra,
                                const char *inter, GError **error);

/* Reads the constants in hwprofiles/networks/NAME.json. */
gboolean dsp_transport_load(const char *name, DspTransport *transport,
                            DspJson **json, GError **error);

/* Fills what follows from the rest (bandwidths from the shared files), then
 * says what is missing or does not fit together: NULL, or a constant message.
 */
const char *dsp_cluster_complete(DspCluster *cluster);

/* Fills the cluster from a one-line description. DSP_ERROR_USAGE with the
 * column. */
gboolean dsp_cluster_parse(DspCluster *cluster, const char *text,
                           GError **error);

#endif
