/* SPDX-License-Identifier: Apache-2.0 */
#include "network/sharing.h"
#include <math.h>

/* Flows that finish within this share of the present time finish together:
 * their times differ by rounding only. */
#define SAME_TIME 1e-12

#define MIN_RECORDS 64

/* Makes room for `more` records behind the first `n`. */
#define reserve(type, array, n, size, more)                                    \
  G_STMT_START {                                                               \
    if ((n) + (more) > (size)) {                                               \
      (size) = MAX(2 * (size), MAX((n) + (more), MIN_RECORDS));                \
      (array) = g_renew(type, (array), (size));                                \
    }                                                                          \
  }                                                                            \
  G_STMT_END

static uint32_t add_link(DspFlows *flows, double capacity) {
  DspFlowLink link = {
      .capacity = capacity, .due = INFINITY, .first_use = DSP_NOWHERE};
  uint32_t id = flows->free_link;
  if (id != DSP_NOWHERE) {
    flows->free_link = flows->links[id].first_use;
    link.queue = flows->links[id].queue;
    link.queue_size = flows->links[id].queue_size;
  } else {
    reserve(DspFlowLink, flows->links, flows->n_links, flows->links_size, 1);
    flows->touched = g_renew(uint32_t, flows->touched, flows->links_size);
    flows->changed = g_renew(uint32_t, flows->changed, flows->links_size);
    id = flows->n_links++;
  }
  flows->links[id] = link;
  return id;
}

DspFlows *dsp_flows_new(guint n_links, const double *capacity) {
  DspFlows *flows = g_new0(DspFlows, 1);
  flows->free_link = flows->free_flow = DSP_NOWHERE;
  for (guint i = 0; i < DSP_USE_CLASSES; i++)
    flows->free_uses[i] = DSP_NOWHERE;
  for (guint i = 0; i < n_links; i++)
    add_link(flows, capacity[i]);
  flows->n_shared = n_links;
  flows->events = dsp_heap_new(n_links);
  flows->faster = g_array_new(FALSE, FALSE, sizeof(DspFasterFlow));
  return flows;
}

void dsp_flows_free(DspFlows *flows) {
  if (!flows)
    return;
  for (uint32_t i = 0; i < flows->n_links; i++)
    g_free(flows->links[i].queue);
  g_free(flows->links);
  g_free(flows->flows);
  g_free(flows->uses);
  g_free(flows->weights);
  dsp_heap_free(flows->events);
  g_free(flows->fill);
  g_free(flows->touched);
  g_free(flows->changed);
  g_array_free(flows->faster, TRUE);
  g_free(flows);
}

/* Blocks of uses come in powers of two, so that they fit again. */
static guint use_class(guint n) {
  return n > 1 ? g_bit_storage(n - 1) : 0;
}

static uint32_t add_uses(DspFlows *flows, guint n) {
  const guint class = use_class(n);
  const uint32_t block = 1u << class;
  const uint32_t first = flows->free_uses[class];
  if (first != DSP_NOWHERE) {
    flows->free_uses[class] = flows->uses[first].next;
    return first;
  }
  const uint32_t size = flows->uses_size;
  reserve(DspFlowUse, flows->uses, flows->n_uses, flows->uses_size, block);
  if (flows->weights && flows->uses_size > size)
    flows->weights = g_renew(double, flows->weights, flows->uses_size);
  flows->n_uses += block;
  return flows->n_uses - block;
}

static void set_weight(DspFlows *flows, uint32_t use, double weight) {
  if (!flows->weights) {
    if (weight == 1)
      return;
    flows->weights = g_new(double, flows->uses_size);
    for (uint32_t i = 0; i < flows->uses_size; i++)
      flows->weights[i] = 1;
  }
  flows->weights[use] = weight;
}

/* Puts a waiting flow on a link. */
static void attach(DspFlows *flows, uint32_t use, uint32_t flow,
                   DspLinkUse on) {
  DspFlowLink *link = &flows->links[on.link];
  const DspFlowUse record = {on.link, flow, link->first_use, DSP_NOWHERE};
  flows->uses[use] = record;
  set_weight(flows, use, on.weight);
  if (link->first_use != DSP_NOWHERE)
    flows->uses[link->first_use].previous = use;
  link->first_use = use;
  link->waiting += on.weight;
  link->n_waiting++;
  dsp_link_touch(flows, on.link);
}

/* Takes a settled flow off a link. */
static void detach(DspFlows *flows, uint32_t id, const DspFlow *flow) {
  const DspFlowUse *use = &flows->uses[id];
  DspFlowLink *link = &flows->links[use->link];
  const double weight = dsp_use_weight(flows, id);
  const double rate = flows->links[flow->bottleneck].level;
  if (use->next != DSP_NOWHERE)
    flows->uses[use->next].previous = use->previous;
  if (use->previous != DSP_NOWHERE)
    flows->uses[use->previous].next = use->next;
  else
    link->first_use = use->next;
  link->used = link->first_use != DSP_NOWHERE ? link->used - weight * rate : 0;
  if (flow->bottleneck == use->link)
    link->bound = link->n_bound > 0 ? link->bound - weight : 0;
  if (link->n_bound > 0)
    dsp_link_touch(flows, use->link);
}

static uint32_t add_flow(DspFlows *flows) {
  const uint32_t id = flows->free_flow;
  if (id != DSP_NOWHERE) {
    flows->free_flow = flows->flows[id].first;
    return id;
  }
  reserve(DspFlow, flows->flows, flows->n_flows, flows->flows_size, 1);
  return flows->n_flows++;
}

uint32_t dsp_flows_start(DspFlows *flows, double now, double bytes,
                         double rate_limit, const DspLinkUse *uses,
                         guint n_uses) {
  const gboolean limited = rate_limit < INFINITY;
  const guint n = n_uses + (limited ? 1 : 0);
  g_assert(n > 0 && bytes > 0 && rate_limit > 0);
  if (now != flows->now)
    dsp_sharing_solve(flows); /* what happened before now */
  const uint32_t id = add_flow(flows);
  const DspFlow flow = {bytes, DSP_NOWHERE, 0, add_uses(flows, n), n, TRUE};
  flows->now = now;
  flows->flows[id] = flow;
  for (guint i = 0; i < n_uses; i++)
    attach(flows, flow.first + i, id, uses[i]);
  if (limited) {
    const DspLinkUse own = {add_link(flows, rate_limit), 1};
    attach(flows, flow.first + n_uses, id, own);
  }
  return id;
}

static void remove_flow(DspFlows *flows, uint32_t id) {
  DspFlow *flow = &flows->flows[id];
  for (uint32_t u = flow->first; u < flow->first + flow->n_uses; u++) {
    const uint32_t link = flows->uses[u].link;
    detach(flows, u, flow);
    if (link >= flows->n_shared) {
      flows->links[link].first_use = flows->free_link;
      flows->free_link = link;
    }
  }
  const guint class = use_class(flow->n_uses);
  flows->uses[flow->first].next = flows->free_uses[class];
  flows->free_uses[class] = flow->first;
  flow->first = flows->free_flow;
  flows->free_flow = id;
}

double dsp_flows_next(DspFlows *flows) {
  uint32_t link;
  dsp_sharing_solve(flows);
  return dsp_heap_is_empty(flows->events) ? INFINITY
                                          : dsp_heap_peek(flows->events, &link);
}

gboolean dsp_flows_finish(DspFlows *flows, double now, uint32_t *id) {
  const double until = now + SAME_TIME * fabs(now);
  uint32_t l;
  flows->now = now;
  if (dsp_heap_is_empty(flows->events) ||
      dsp_heap_peek(flows->events, &l) > until)
    return FALSE;
  DspFlowLink *link = &flows->links[l];
  *id = link->queue[0];
  dsp_queue_remove(flows, l, *id);
  link->n_bound--;
  remove_flow(flows, *id);
  dsp_queue_schedule(flows, l);
  return TRUE;
}

double dsp_flows_rate(DspFlows *flows, uint32_t id) {
  dsp_sharing_solve(flows);
  return flows->links[flows->flows[id].bottleneck].level;
}
