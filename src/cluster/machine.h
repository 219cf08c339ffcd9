/* SPDX-License-Identifier: Apache-2.0 */
/* A machine as importers read it. Private to src/cluster. */
#ifndef DSP_CLUSTER_MACHINE_H
#define DSP_CLUSTER_MACHINE_H

#include "base/error.h"
#include <glib.h>

#define DSP_IMPORT_GPUS 64
#define DSP_IMPORT_NICS 256
#define DSP_UNKNOWN     G_MAXUINT

/* Lines and columns (in bytes) from 1. */
typedef struct {
  guint line, column;
} DspMark;

/* A GPU or NIC. Devices with the same slot are below one PCIe switch (or
 * several, but no CPU), and those with the same cpu below one CPU. */
typedef struct {
  guint slot, cpu; /* cpu: or DSP_UNKNOWN */
  DspMark at;      /* what tells of it */
} DspDevice;

typedef struct {
  const char *file, *text; /* text ends with a NUL, which it does not contain */
  GArray *gpus, *nics;     /* DspDevice */
  /* NVLinks from GPU i to GPU j. Where they go through a switch, either
   * `switched` tells how many each GPU has, or all are counted for each pair.
   */
  guint links[DSP_IMPORT_GPUS][DSP_IMPORT_GPUS];
  guint switched[DSP_IMPORT_GPUS];
  const char *gpu, *host; /* names of files, where the text tells, or NULL */
  guint sm;               /* compute capability times ten, or 0 */
} DspMachine;

typedef struct {
  const char *name; /* of what it reads */
  gboolean (*recognises)(const char *text);
  gboolean (*read)(DspMachine *machine, GError **error);
} DspImporter;

extern const DspImporter dsp_import_smi, dsp_import_xml;

/* Fails with DSP_ERROR_INPUT "file:line:column: message"; returns FALSE. */
gboolean dsp_machine_fail(const DspMachine *machine, DspMark at, GError **error,
                          const char *format, ...) G_GNUC_PRINTF(4, 5);

#endif
