/* SPDX-License-Identifier: Apache-2.0 */
/* A cluster's GPUs, links and the ways between them: as a tree, as a matrix,
 * as the links of one route, and as a picture. */
#ifndef DSP_REPORT_TOPO_H
#define DSP_REPORT_TOPO_H

#include "cluster/cluster.h"
#include "report/report.h"

typedef enum {
  DSP_TOPO_TREE,   /* every link of the nodes */
  DSP_TOPO_MATRIX, /* every pair of GPUs */
  DSP_TOPO_ROUTE,  /* every link between two GPUs */
  DSP_N_TOPO_VIEWS,
} DspTopoView;

typedef struct {
  const DspCluster *cluster;
  const DspTopology *topology;
  DspTopoView view;
  guint from, to; /* of a route */
} DspTopoJob;

/* A link, a pair or a hop, as the view has it. Rates in bytes/s, times in s. */
typedef struct {
  const DspTopoJob *job;
  guint from, to, hop; /* hop: from 0 */
  guint n_links;       /* of the route */
  char *link;          /* its name, or NULL */
  DspLinkType type;
  double bandwidth, latency; /* of the link; of all of a route for a pair */
} DspTopoRow;

void dsp_topo_row_clear(DspTopoRow *row);

/* The rows of the job's view (DspTopoRow, cleared with the array). */
GArray *dsp_topo_rows(const DspTopoJob *job);

DspTable *dsp_topo_inputs(const DspTopoJob *job);
/* A table for the rows of a view, without them. */
DspTable *dsp_topo_table(DspTopoView view);

/* What text is made of. */
typedef struct {
  const DspTopoJob *job;
  const GArray *rows;
} DspTopoText;

/* Reports' texts; their data is a DspTopoText. The last is SVG. */
void dsp_topo_text(const DspReport *report, const DspStyle *style,
                   GString *out);
void dsp_topo_svg(const DspReport *report, const DspStyle *style, GString *out);

/* ------------------------------------------------------------------------- */
/* Places in a node (dspsim-hwprofile(5), node and nic) */

/* "80 GiB"; the caller frees. */
static inline char *dsp_topo_memory(const DspCluster *c) {
  return g_strdup_printf("%.4g GiB", (double)c->gpu->memory_bytes / (1 << 30));
}

/* NICs of a node, those of one GPU counted as one. */
static inline guint dsp_topo_rails(const DspCluster *c) {
  return (guint)MIN(c->nics, c->gpus_per_node);
}

/* The GPU beside which a rail's NIC sits. */
static inline guint dsp_topo_gpu_of_rail(const DspCluster *c, guint rail) {
  const guint gpus = (guint)c->gpus_per_node, rails = dsp_topo_rails(c);
  return (rail * gpus + rails - 1) / rails;
}

static inline guint dsp_topo_switch_of(const DspCluster *c, guint gpu) {
  return gpu / (guint)c->gpus_per_pcie_switch;
}

static inline guint dsp_topo_cpu_of(const DspCluster *c, guint gpu) {
  return dsp_topo_switch_of(c, gpu) / (guint)c->pcie_switches_per_cpu;
}

static inline gboolean dsp_topo_has_switches(const DspCluster *c) {
  return c->gpus_per_pcie_switch > 1;
}

/* Do leaf switches have a spine above them? */
static inline gboolean dsp_topo_has_spine(const DspCluster *c) {
  return (c->fabric == DSP_FABRIC_RAIL || c->fabric == DSP_FABRIC_FAT_TREE) &&
         (c->max_nodes == 0 || c->max_nodes > c->nodes_per_leaf ||
          c->fabric == DSP_FABRIC_RAIL);
}

/* Bytes/s from a leaf switch to the spine. */
static inline double dsp_topo_spine_bandwidth(const DspCluster *c) {
  const double leaves = c->fabric == DSP_FABRIC_RAIL ? dsp_topo_rails(c) : 1;
  return c->nic_bandwidth * (double)c->nics * (double)c->nodes_per_leaf /
         leaves / c->oversubscription;
}

#endif
