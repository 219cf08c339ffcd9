/* SPDX-License-Identifier: Apache-2.0 */
/* Profiles from what other programs print of a machine. */
#ifndef DSP_CLUSTER_IMPORT_H
#define DSP_CLUSTER_IMPORT_H

#include <glib.h>
#include <stdint.h>

/* What the file does not say, or says wrongly; NULL and 0: as it says. */
typedef struct {
  char *name;       /* title of the profile */
  char *gpu, *host; /* in hwprofiles/gpus and hwprofiles/hosts */
  char *network;    /* in hwprofiles/networks; "none": leave out the NICs */
  int64_t cpus;     /* of the node, with as many GPUs each */
} DspImportOptions;

/* The text of a profile (dspsim-hwprofile(5)) of the machine in `file`: what
 * `nvidia-smi topo -m` prints, or NCCL's topology (NCCL_TOPO_DUMP_FILE). The
 * profile has been read back: dsp_cluster_load takes it. Errors:
 * DSP_ERROR_INPUT and the position where the file is wrong or says what a
 * profile cannot; DSP_ERROR_USAGE naming the option that must say what the file
 * does not. The caller frees. */
char *dsp_import_profile(const char *file, const DspImportOptions *options,
                         GError **error);

#endif
