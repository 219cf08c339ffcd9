/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/fabric.h"
#include <string.h>

DspFabric *dsp_fabric_new(const DspTopology *topology) {
  DspFabric *fabric = g_new0(DspFabric, 1);
  fabric->n_links = dsp_topology_n_links(topology);
  g_autofree double *capacity = g_new(double, fabric->n_links);
  for (guint i = 0; i < fabric->n_links; i++)
    capacity[i] = dsp_topology_link(topology, i)->bandwidth;
  fabric->flows = dsp_flows_new(fabric->n_links, capacity);
  return fabric;
}

/* --- folding
 * ------------------------------------------------------------------ */

/* A link's class is what each exchange puts on it, and its bandwidth. Sums of
 * mixed words stand for the class: they do not depend on the order. */
static guint64 mix(guint64 exchange, double weight) {
  guint64 bits;
  memcpy(&bits, &weight, sizeof bits);
  guint64 h = (bits ^ (exchange + 1) * 0xD6E8FEB86659FD93u);
  h = (h ^ (h >> 32)) * 0x9E3779B97F4A7C15u;
  h = (h ^ (h >> 29)) * 0xBF58476D1CE4E5B9u;
  return h ^ (h >> 32);
}

typedef struct {
  const DspTopology *topology;
  guint64 *class_of; /* by link, 0: not used */
  guint *row_of;     /* by link: row + 1, 0: none yet */
  GHashTable *rows;  /* class -> row + 1 */
  GArray *capacity;  /* double, by row */
} Folding;

static void add_class(Folding *folding, guint exchange, const DspPrice *price) {
  const DspLinkUse *uses = (const DspLinkUse *)(void *)price->uses->data;
  for (guint i = 0; i < price->uses->len; i++)
    folding->class_of[uses[i].link] += mix(exchange, uses[i].weight);
}

static guint find_row(Folding *folding, guint link) {
  double bandwidth = dsp_topology_link(folding->topology, link)->bandwidth;
  guint64 class = folding->class_of[link] ^ mix(G_MAXUINT32, bandwidth);
  gpointer key = (gpointer)(guintptr) class;
  guint row = GPOINTER_TO_UINT(g_hash_table_lookup(folding->rows, key));
  if (row == 0) {
    g_array_append_val(folding->capacity, bandwidth);
    row = folding->capacity->len;
    g_hash_table_insert(folding->rows, key, GUINT_TO_POINTER(row));
  }
  return row;
}

static gboolean uses_row(const GArray *uses, guint row) {
  for (guint i = 0; i < uses->len; i++)
    if (g_array_index(uses, DspLinkUse, i).link == row)
      return TRUE;
  return FALSE;
}

/* One use for each class of links. Classes are few, links are many: most uses
 * are of the row before. */
static GArray *folded_uses(Folding *folding, const DspPrice *price) {
  GArray *folded = g_array_new(FALSE, FALSE, sizeof(DspLinkUse));
  const DspLinkUse *uses = (const DspLinkUse *)(void *)price->uses->data;
  for (guint i = 0; i < price->uses->len; i++) {
    guint *row = &folding->row_of[uses[i].link];
    if (*row == 0)
      *row = find_row(folding, uses[i].link);
    DspLinkUse use = {*row - 1, uses[i].weight};
    if (!uses_row(folded, use.link))
      g_array_append_val(folded, use);
  }
  return folded;
}

static void array_unref(gpointer array) {
  g_array_unref(array);
}

static const DspPrice *price_of(DspPrices *prices, const DspProgram *program,
                                guint i) {
  const DspExchange *e = &g_array_index(program->exchanges, DspExchange, i);
  DspAxis axis = dsp_plan_axis(&program->schedule->plan, e->axis);
  return dsp_prices_get(prices, &axis, -1, e->collective, e->bytes);
}

DspFabric *dsp_fabric_new_folded(DspPrices *prices, const DspProgram *program) {
  DspFabric *fabric = g_new0(DspFabric, 1);
  Folding folding = {.topology = dsp_prices_topology(prices)};
  guint n_links = dsp_topology_n_links(folding.topology);
  folding.class_of = g_new0(guint64, n_links);
  folding.row_of = g_new0(guint, n_links);
  folding.rows = g_hash_table_new(NULL, NULL);
  folding.capacity = g_array_new(FALSE, FALSE, sizeof(double));
  fabric->uses = g_ptr_array_new_with_free_func(array_unref);
  for (guint i = 0; i < program->exchanges->len; i++)
    add_class(&folding, i, price_of(prices, program, i));
  for (guint i = 0; i < program->exchanges->len; i++)
    g_ptr_array_add(fabric->uses,
                    folded_uses(&folding, price_of(prices, program, i)));
  fabric->n_links = folding.capacity->len;
  fabric->flows = dsp_flows_new(fabric->n_links,
                                (const double *)(void *)folding.capacity->data);
  g_free(folding.class_of);
  g_free(folding.row_of);
  g_hash_table_destroy(folding.rows);
  g_array_free(folding.capacity, TRUE);
  return fabric;
}

void dsp_fabric_free(DspFabric *fabric) {
  if (!fabric)
    return;
  dsp_flows_free(fabric->flows);
  g_clear_pointer(&fabric->uses, g_ptr_array_unref);
  g_free(fabric);
}
