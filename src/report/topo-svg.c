/* SPDX-License-Identifier: Apache-2.0 */
/* A cluster as a picture: one node, for all are alike, below its switches. A
 * column for each GPU; a GPU's NIC, PCIe switch and leaf switch stand above
 * it, NVLinks below. Colours are those of Okabe and Ito, which the colour-blind
 * tell apart, and kinds of links differ in their dashes too. */
#include "report/svg.h"
#include "report/text.h"
#include "report/topo.h"
#include <math.h>
#include <string.h>

enum {
  MARGIN = 24,
  PADDING = 24, /* of the node's card */
  COLUMN = 108,
  BOX = 30, /* height of a box */
  GAP = 46, /* between rows */
  LEAST_WIDTH = 640,
  LEGEND_LINE = 22,
  SHADOW = 7, /* of the nodes behind */
};

static const struct {
  const char *colour, *dashes;
} link_styles[DSP_N_LINK_TYPES] = {
    [DSP_LINK_NVLINK] = {"#009e73", NULL},
    [DSP_LINK_PCIE] = {"#0072b2", NULL},
    [DSP_LINK_HOST] = {"#e69f00", "3 3"},
    [DSP_LINK_NIC] = {"#d55e00", "9 3"},
    [DSP_LINK_FABRIC] = {"#8c4b7a", "14 4 3 4"},
};

typedef enum { GPU, NIC, CPU, PCIE, NVSWITCH, LEAF, N_BOXES } BoxKind;

static const struct {
  const char *fill, *stroke;
} box_styles[N_BOXES] = {
    [GPU] = {"#d9f2ea", "#009e73"}, [NIC] = {"#fbe3d4", "#d55e00"},
    [CPU] = {"#fdf0d2", "#b97f00"}, [PCIE] = {"#dcebf7", "#0072b2"},
    [NVSWITCH] = {"#009e73", NULL}, [LEAF] = {"#f3e3ee", "#8c4b7a"},
};

/* Where the rows are (their tops), from above. */
typedef struct {
  const DspCluster *c;
  GString *out;
  double width, left; /* left: of the first column */
  double spine, leaf, card, nic, cpu, pcie, gpu, nvlink, bottom;
} Picture;

/* --- SVG ----------------------------------------------------------------- */

static void add_text(Picture *p, double x, double y, int size,
                     const char *attributes, const char *text) {
  dsp_svg_text(p->out, x, y, size, attributes, text);
}

/* Wider where there is more bandwidth. */
static double thickness(double bandwidth) {
  return CLAMP(1.4 + 0.85 * log2(bandwidth / 16e9), 1.4, 7);
}

/* `path`: of an SVG path element. */
static void add_link(Picture *p, DspLinkType type, double bandwidth,
                     const char *path) {
  g_string_append_printf(p->out,
                         "<path d=\"%s\" fill=\"none\" stroke=\"%s\" "
                         "stroke-width=\"%.1f\"",
                         path, link_styles[type].colour, thickness(bandwidth));
  if (link_styles[type].dashes)
    g_string_append_printf(p->out, " stroke-dasharray=\"%s\"",
                           link_styles[type].dashes);
  g_string_append(p->out, "/>\n");
}

static void add_line(Picture *p, DspLinkType type, double bandwidth, double x1,
                     double y1, double x2, double y2) {
  g_autofree char *path =
      g_strdup_printf("M%.1f %.1fL%.1f %.1f", x1, y1, x2, y2);
  add_link(p, type, bandwidth, path);
}

/* A box around (x, top), with its label. */
static void add_box(Picture *p, BoxKind kind, double x, double top,
                    double width, double height, const char *label) {
  const char *stroke = box_styles[kind].stroke;
  g_string_append_printf(
      p->out,
      "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"6\" "
      "fill=\"%s\" stroke=\"%s\"/>\n",
      x - width / 2, top, width, height, box_styles[kind].fill,
      stroke ? stroke : box_styles[kind].fill);
  add_text(p, x, top + height / 2 + 4.5, 13,
           stroke ? " text-anchor=\"middle\""
                  : " text-anchor=\"middle\" fill=\"#ffffff\"",
           label);
}

static void add_numbered(Picture *p, BoxKind kind, const char *name,
                         guint number, double x, double top, double width) {
  g_autofree char *label = g_strdup_printf("%s %u", name, number);
  add_box(p, kind, x, top, width, BOX, label);
}

/* --- places -------------------------------------------------------------- */

static guint n_gpus(const Picture *p) {
  return (guint)p->c->gpus_per_node;
}

static double gpu_x(const Picture *p, guint gpu) {
  return p->left + (gpu + 0.5) * COLUMN;
}

/* The middle of GPUs that `of` puts on the same switch or CPU. */
static double middle(const Picture *p, guint (*of)(const DspCluster *, guint),
                     guint which, guint *count) {
  guint first = 0, n = 0;
  for (guint gpu = 0; gpu < n_gpus(p); gpu++)
    if (of(p->c, gpu) == which) {
      first = n == 0 ? gpu : first;
      n++;
    }
  *count = n;
  return p->left + (first + n / 2.0) * COLUMN;
}

static double switch_x(const Picture *p, guint gpu) {
  guint count;
  return middle(p, dsp_topo_switch_of, dsp_topo_switch_of(p->c, gpu), &count);
}

static double cpu_x(const Picture *p, guint cpu) {
  guint count;
  return middle(p, dsp_topo_cpu_of, cpu, &count);
}

static guint n_cpus(const Picture *p) {
  return dsp_topo_cpu_of(p->c, n_gpus(p) - 1) + 1;
}

/* Beside its GPU's middle, so that the way up does not cross the CPU. */
static double nic_x(const Picture *p, guint rail) {
  const guint gpu = dsp_topo_gpu_of_rail(p->c, rail);
  guint count;
  middle(p, dsp_topo_cpu_of, dsp_topo_cpu_of(p->c, gpu), &count);
  return gpu_x(p, gpu) - (count % 2 ? 37 : 12);
}

static gboolean has_rails(const Picture *p) {
  return p->c->fabric == DSP_FABRIC_RAIL;
}

static double next_row(double *y, gboolean there) {
  const double top = *y;
  *y += there ? BOX + GAP : 0;
  return top;
}

static gboolean has_mesh(const Picture *p) {
  return p->c->node_kind == DSP_NODE_MESH;
}

static gboolean has_nvswitch(const Picture *p) {
  return p->c->node_kind == DSP_NODE_SWITCH;
}

/* A switch of a domain of several nodes is not in any. */
static gboolean is_outside(const Picture *p) {
  return has_nvswitch(p) && p->c->domain_nodes > 1;
}

/* How far the NVLinks between GPUs so many columns apart hang down. */
static double mesh_depth(guint distance) {
  return 18 + 20.0 * distance;
}

static guint longest_link(const Picture *p) {
  const guint n = n_gpus(p);
  guint longest = 0;
  for (guint i = 0; i < n * n; i++)
    if (p->c->mesh[i] > 0 && i % n > i / n)
      longest = MAX(longest, i % n - i / n);
  return longest;
}

static void place_rows(Picture *p) {
  const gboolean nics = p->c->nics > 0;
  double y = MARGIN + 84;
  p->spine = next_row(&y, dsp_topo_has_spine(p->c));
  p->leaf = next_row(&y, p->c->fabric != DSP_FABRIC_NONE);
  p->card = y;
  y += PADDING;
  p->nic = next_row(&y, nics);
  p->cpu = next_row(&y, TRUE);
  p->pcie = next_row(&y, dsp_topo_has_switches(p->c));
  p->gpu = y;
  y += BOX + 14;
  p->nvlink = y + (is_outside(p) ? GAP + PADDING : GAP);
  p->bottom = y + PADDING;
  if (has_mesh(p))
    p->bottom = y + mesh_depth(longest_link(p)) + PADDING;
  else if (has_nvswitch(p) && !is_outside(p))
    p->bottom = p->nvlink + BOX + PADDING;
}

/* --- links, below boxes -------------------------------------------------- */

static void link_gpus_up(Picture *p) {
  const gboolean switches = dsp_topo_has_switches(p->c);
  for (guint gpu = 0; gpu < n_gpus(p); gpu++)
    add_line(p, DSP_LINK_PCIE, p->c->pcie_bandwidth, gpu_x(p, gpu), p->gpu,
             switches ? switch_x(p, gpu) : cpu_x(p, dsp_topo_cpu_of(p->c, gpu)),
             (switches ? p->pcie : p->cpu) + BOX);
  for (guint gpu = 0; switches && gpu < n_gpus(p);
       gpu += (guint)p->c->gpus_per_pcie_switch)
    add_line(p, DSP_LINK_PCIE, p->c->pcie_bandwidth, switch_x(p, gpu), p->pcie,
             cpu_x(p, dsp_topo_cpu_of(p->c, gpu)), p->cpu + BOX);
}

static void link_cpus(Picture *p) {
  for (guint cpu = 0; cpu + 1 < n_cpus(p); cpu++)
    add_line(p, DSP_LINK_HOST, p->c->socket_bandwidth, cpu_x(p, cpu),
             p->cpu + BOX / 2.0, cpu_x(p, cpu + 1), p->cpu + BOX / 2.0);
}

static double rail_bandwidth(const Picture *p) {
  return p->c->nic_bandwidth * (double)p->c->nics / dsp_topo_rails(p->c);
}

/* A NIC hangs on its GPU's PCIe switch, or shares the GPU's slot. */
static void link_nics(Picture *p) {
  for (guint r = 0; r < dsp_topo_rails(p->c); r++) {
    const double x = nic_x(p, r);
    add_line(p, DSP_LINK_PCIE, p->c->pcie_bandwidth, x, p->nic + BOX, x,
             dsp_topo_has_switches(p->c) ? p->pcie : p->gpu);
    add_line(p, DSP_LINK_NIC, rail_bandwidth(p), x, p->leaf + BOX, x, p->nic);
    if (dsp_topo_has_spine(p->c) && has_rails(p))
      add_line(p, DSP_LINK_FABRIC, dsp_topo_spine_bandwidth(p->c), x,
               p->spine + BOX, x, p->leaf);
  }
  if (dsp_topo_has_spine(p->c) && !has_rails(p))
    add_line(p, DSP_LINK_FABRIC, dsp_topo_spine_bandwidth(p->c), p->width / 2,
             p->spine + BOX, p->width / 2, p->leaf);
}

static void link_mesh(Picture *p) {
  const guint n = n_gpus(p);
  const double top = p->gpu + BOX + 14;
  for (guint i = 0; i < n; i++)
    for (guint j = i + 1; j < n; j++) {
      /* A curve goes three quarters of the way to its control points. */
      const double depth = mesh_depth(j - i) / 0.75;
      if (p->c->mesh[i * n + j] <= 0)
        continue;
      g_autofree char *path =
          g_strdup_printf("M%.1f %.1fC%.1f %.1f %.1f %.1f %.1f %.1f",
                          gpu_x(p, i) + 7, top, gpu_x(p, i) + 14, top + depth,
                          gpu_x(p, j) - 14, top + depth, gpu_x(p, j) - 7, top);
      add_link(p, DSP_LINK_NVLINK, p->c->mesh[i * n + j], path);
    }
}

static void link_nvswitch(Picture *p) {
  for (guint gpu = 0; gpu < n_gpus(p); gpu++)
    add_line(p, DSP_LINK_NVLINK, p->c->nvlink_bandwidth, gpu_x(p, gpu),
             p->gpu + BOX, gpu_x(p, gpu), p->nvlink);
}

static void add_links(Picture *p) {
  link_gpus_up(p);
  link_cpus(p);
  if (p->c->nics > 0)
    link_nics(p);
  if (has_mesh(p))
    link_mesh(p);
  if (has_nvswitch(p))
    link_nvswitch(p);
}

/* --- boxes --------------------------------------------------------------- */

static void add_fabric(Picture *p) {
  const DspCluster *c = p->c;
  const double all = n_gpus(p) * COLUMN - 10;
  const guint rails = dsp_topo_rails(c);
  if (dsp_topo_has_spine(c))
    add_box(p, LEAF, p->width / 2, p->spine, all, BOX, "spine switches");
  for (guint r = 0; has_rails(p) && r < rails; r++)
    add_numbered(p, LEAF, "leaf", r, nic_x(p, r), p->leaf, 64);
  if (c->fabric == DSP_FABRIC_FAT_TREE)
    add_box(p, LEAF, p->width / 2, p->leaf, all, BOX, "leaf switch");
  if (c->fabric == DSP_FABRIC_SWITCH)
    add_box(p, LEAF, p->width / 2, p->leaf, all, BOX, "switch");
}

static void add_gpu(Picture *p, guint gpu) {
  g_autofree char *label = g_strdup_printf("GPU %u", gpu);
  g_autofree char *memory = dsp_topo_memory(p->c);
  const double x = gpu_x(p, gpu);
  add_box(p, GPU, x, p->gpu, 84, BOX + 14, "");
  add_text(p, x, p->gpu + 19, 14, " text-anchor=\"middle\" font-weight=\"600\"",
           label);
  add_text(p, x, p->gpu + 35, 11, " text-anchor=\"middle\" fill=\"#444444\"",
           memory);
}

static void add_boxes(Picture *p) {
  const DspCluster *c = p->c;
  guint count;
  for (guint r = 0; r < dsp_topo_rails(c); r++)
    add_numbered(p, NIC, c->nics > c->gpus_per_node ? "NICs" : "NIC", r,
                 nic_x(p, r), p->nic, 56);
  for (guint cpu = 0; cpu < n_cpus(p); cpu++)
    add_numbered(p, CPU, "CPU", cpu, cpu_x(p, cpu), p->cpu, 60);
  for (guint gpu = 0; dsp_topo_has_switches(c) && gpu < n_gpus(p);
       gpu += (guint)c->gpus_per_pcie_switch) {
    const guint s = dsp_topo_switch_of(c, gpu);
    const double x = middle(p, dsp_topo_switch_of, s, &count);
    add_numbered(p, PCIE, "PCIe switch", s, x, p->pcie,
                 MAX(count * COLUMN - 24.0, 96));
  }
  for (guint gpu = 0; gpu < n_gpus(p); gpu++)
    add_gpu(p, gpu);
  if (has_nvswitch(p))
    add_box(p, NVSWITCH, p->width / 2, p->nvlink, n_gpus(p) * COLUMN - 10, BOX,
            is_outside(p) ? "NVSwitch, common to the nodes of a domain"
                          : "NVSwitch");
}

/* --- around -------------------------------------------------------------- */

static gboolean is_single(const Picture *p) {
  return p->c->max_nodes == 1 ||
         (p->c->fabric == DSP_FABRIC_NONE && p->c->domain_nodes == 1);
}

/* The node, and two of those behind it. */
static void add_card(Picture *p) {
  const double width = n_gpus(p) * COLUMN + 2 * PADDING;
  for (int behind = is_single(p) ? 0 : 2; behind >= 0; behind--)
    g_string_append_printf(
        p->out,
        "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" "
        "rx=\"12\" fill=\"%s\" stroke=\"#9a9a9a\"/>\n",
        p->left - PADDING + behind * SHADOW, p->card - behind * SHADOW, width,
        p->bottom - p->card, behind ? "#ececec" : "#fafafa");
}

static void add_legend_line(Picture *p, double *y, DspLinkType type,
                            double bandwidth, double latency,
                            const char *what) {
  if (bandwidth <= 0)
    return;
  g_autofree char *text = g_strdup_printf("%s: %.6g GB/s each way, %.3g us",
                                          what, bandwidth / 1e9, latency * 1e6);
  add_line(p, type, bandwidth, MARGIN, *y - 4.5, MARGIN + 52, *y - 4.5);
  add_text(p, MARGIN + 64, *y, 13, "", text);
  *y += LEGEND_LINE;
}

/* The bandwidth of the narrowest NVLink of a mesh. */
static double mesh_bandwidth(const Picture *p) {
  double least = 0;
  for (guint i = 0; i < n_gpus(p) * n_gpus(p); i++)
    least = dsp_scale_least(p->c->mesh[i], least);
  return least;
}

static double add_legend(Picture *p) {
  const DspCluster *c = p->c;
  double y = (is_outside(p) ? p->nvlink + BOX : p->bottom) + 34;
  if (has_nvswitch(p))
    add_legend_line(p, &y, DSP_LINK_NVLINK, c->nvlink_bandwidth,
                    c->nvlink_latency, "NVLinks of a GPU");
  if (has_mesh(p))
    add_legend_line(p, &y, DSP_LINK_NVLINK, mesh_bandwidth(p),
                    c->nvlink_latency, "the narrowest NVLink of a pair");
  add_legend_line(p, &y, DSP_LINK_PCIE, c->pcie_bandwidth, c->pcie_latency,
                  "PCIe");
  if (n_cpus(p) > 1)
    add_legend_line(p, &y, DSP_LINK_HOST, c->socket_bandwidth,
                    c->socket_latency, "between CPUs");
  if (c->nics > 0)
    add_legend_line(p, &y, DSP_LINK_NIC, rail_bandwidth(p), c->nic_latency,
                    c->nics > c->gpus_per_node ? "NICs of a GPU, to their leaf"
                                               : "NIC to its leaf");
  if (dsp_topo_has_spine(c))
    add_legend_line(p, &y, DSP_LINK_FABRIC, dsp_topo_spine_bandwidth(c),
                    c->spine_latency, "leaf to spine");
  return y;
}

static void add_contents(Picture *p) {
  const DspCluster *c = p->c;
  g_autofree char *nodes =
      is_single(p) ? g_strdup("the node")
      : c->domain_nodes > 1
          ? g_strdup_printf("each node, %" G_GINT64_FORMAT " in a domain",
                            c->domain_nodes)
          : g_strdup("each node");
  g_autofree char *text = g_strdup_printf(
      "%s: %" G_GINT64_FORMAT " x %s", nodes, c->gpus_per_node, c->gpu->name);
  add_text(p, MARGIN, MARGIN + 60, 14, " fill=\"#444444\"", text);
}

static void add_titles(Picture *p) {
  add_text(p, MARGIN, MARGIN + 16, 20, " font-weight=\"700\"", p->c->name);
  add_text(p, MARGIN, MARGIN + 38, 14, " fill=\"#444444\"", p->c->title);
  add_contents(p);
}

void dsp_topo_svg(const DspReport *report, const DspStyle *style,
                  GString *out) {
  const DspTopoText *text = report->data;
  g_autoptr(GString) body = g_string_new(NULL);
  Picture p = {.c = text->job->cluster, .out = body};
  (void)style;
  const double columns = n_gpus(&p) * COLUMN;
  p.width = MAX(columns + 2 * (PADDING + MARGIN) + SHADOW, LEAST_WIDTH);
  p.left = (p.width - columns) / 2;
  place_rows(&p);
  add_titles(&p);
  add_card(&p);
  add_links(&p);
  add_boxes(&p);
  add_fabric(&p);
  const double end = add_legend(&p);
  dsp_svg_head(out, p.width, end + MARGIN - LEGEND_LINE / 2.0, p.c->name,
               p.c->title);
  g_string_append_len(out, body->str, (gssize)body->len);
  g_string_append(out, "</svg>\n");
}
