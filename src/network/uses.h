/* SPDX-License-Identifier: Apache-2.0 */
/* Sums up what a collective puts on links, in all groups that are priced.
 * Private to src/network. */
#ifndef DSP_NETWORK_USES_H
#define DSP_NETWORK_USES_H

#include "network/nccl.h"

/* The sums of one collective, before they become DspLinkUse. */
typedef struct {
  const DspNcclJob *job;
  guint n_links;
  double *load; /* by link, bytes for each byte of work */
} DspUses;

DspUses dsp_uses_begin(const DspNcclJob *job);
/* A message of `weight` bytes for each byte of work. */
void dsp_uses_add(DspUses *uses, guint from, guint to, double weight);
/* The loaded links in their order; frees the rest. */
GArray *dsp_uses_end(DspUses *uses);

/* Rings as NCCL builds them, `weight` bytes from a rank to the next; `closed`:
 * the last sends to the first, too. Between nodes there is a ring for each
 * rail, which enters a node at the GPU beside the rail's NIC; inside a node the
 * ranks follow each other. Over a mesh of NVLinks rings are spread over all
 * links in proportion to their bandwidth. */
GArray *dsp_uses_ring(const DspNcclJob *job, double weight, gboolean closed);

/* Trees and in-switch reductions: `intra` bytes leave every rank inside its
 * node, `inter` bytes leave every node, the same on all its rails. */
GArray *dsp_uses_tree(const DspNcclJob *job, double intra, double inter);

/* Every rank sends its bytes to the next rank, the last to the first. */
GArray *dsp_uses_next(const DspNcclJob *job);

/* Every rank sends `weight` bytes to each other rank. */
GArray *dsp_uses_all_to_all(const DspNcclJob *job, double weight);

/* The bytes/s of work that the links allow, and the link that allows least.
 * `type` < 0: all links, else those of the type; INFINITY and NULL for none. */
double dsp_uses_rate(const DspTopology *topology, const GArray *uses, int type,
                     const DspLink **least);

#endif
