/* SPDX-License-Identifier: Apache-2.0 */
/* Weighted max-min fair rates by progressive filling, restarted only where
 * something changed.
 *
 * An allocation is max-min fair if and only if every flow has a bottleneck: a
 * saturated link on which no flow is faster (Bertsekas and Gallager, Data
 * Networks, 6.5.2). Filling takes links in the order of the level at which
 * their waiting flows would saturate them. A flow that does not wait keeps its
 * rate for as long as it has its bottleneck:
 *  - where a link fills up below its rate, it waits again, for that link;
 *  - where a link lost load, the flows that it holds back wait again.
 * Both only concern levels above the present one, so one pass upwards is
 * enough, and links out of reach of the change are never looked at. */
#include "network/sharing.h"
#include <math.h>

/* Share of a link's capacity that does not matter. It keeps rates that are
 * equal but for rounding equal to the last bit, and so the times that follow
 * from them. */
#define NEGLIGIBLE 1e-11

static double level_of(const DspFlowLink *link) {
  return MAX(link->capacity - link->used, 0) / link->waiting;
}

/* Does it matter to the link at which of the two levels its flows run? */
static gboolean near_level(const DspFlowLink *link, double a, double b) {
  return fabs(a - b) * link->waiting <= NEGLIGIBLE * link->capacity;
}

/* A flow waits for a new rate; until then it takes nothing. */
static void disturb(DspFlows *flows, uint32_t id) {
  DspFlow *flow = &flows->flows[id];
  if (flow->waits)
    return;
  const double rate = flows->links[flow->bottleneck].level;
  for (uint32_t u = flow->first; u < flow->first + flow->n_uses; u++) {
    const uint32_t l = flows->uses[u].link;
    const double weight = dsp_use_weight(flows, u);
    flows->links[l].used -= weight * rate;
    flows->links[l].waiting += weight;
    flows->links[l].n_waiting++;
    dsp_link_note(flows, l, touched);
  }
  flows->links[flow->bottleneck].n_bound--;
  flow->waits = 1;
  flows->n_waiting++;
}

static void release(DspFlows *flows, uint32_t id) {
  uint32_t use = flows->links[id].first_use;
  for (; use != DSP_NOWHERE && flows->links[id].n_bound > 0;
       use = flows->uses[use].next)
    if (flows->flows[flows->uses[use].flow].bottleneck == id)
      disturb(flows, flows->uses[use].flow);
}

/* Everything that the last change disturbs waits, and `fill` knows it. */
static void spread(DspFlows *flows) {
  for (guint i = 0; i < flows->freed->len; i++) {
    const uint32_t id = g_array_index(flows->freed, uint32_t, i);
    flows->links[id].freed = 0;
    release(flows, id);
  }
  g_array_set_size(flows->freed, 0);
  for (guint i = 0; i < flows->touched->len; i++) {
    const uint32_t id = g_array_index(flows->touched, uint32_t, i);
    flows->links[id].touched = 0;
    if (flows->links[id].n_waiting > 0)
      dsp_heap_set(flows->fill, id, level_of(&flows->links[id]));
  }
  g_array_set_size(flows->touched, 0);
}

/* Sums up the link afresh, which also ends the drift of rounding errors, and
 * returns the fastest rate on it. */
static double survey(DspFlows *flows, DspFlowLink *link) {
  double fastest = 0, used = 0;
  for (uint32_t u = link->first_use; u != DSP_NOWHERE;
       u = flows->uses[u].next) {
    const DspFlow *flow = &flows->flows[flows->uses[u].flow];
    if (flow->waits)
      continue;
    const double rate = flows->links[flow->bottleneck].level;
    used += dsp_use_weight(flows, u) * rate;
    fastest = MAX(fastest, rate);
  }
  link->used = used;
  return fastest;
}

static gint compare_faster(gconstpointer a, gconstpointer b) {
  const DspFasterFlow *x = a, *y = b;
  return x->rate != y->rate ? (x->rate < y->rate) - (x->rate > y->rate)
                            : (x->flow > y->flow) - (x->flow < y->flow);
}

static void list_faster(DspFlows *flows, const DspFlowLink *link,
                        double level) {
  g_array_set_size(flows->faster, 0);
  for (uint32_t u = link->first_use; u != DSP_NOWHERE;
       u = flows->uses[u].next) {
    const uint32_t id = flows->uses[u].flow;
    if (flows->flows[id].waits)
      continue;
    const DspFasterFlow faster = {
        flows->links[flows->flows[id].bottleneck].level,
        dsp_use_weight(flows, u), id};
    if (faster.rate > level)
      g_array_append_val(flows->faster, faster);
  }
  g_array_sort(flows->faster, compare_faster);
}

/* Disturbs the flows that are faster than the level at which the link fills
 * up once they wait too. */
static void disturb_faster(DspFlows *flows, uint32_t id) {
  const DspFlowLink *link = &flows->links[id];
  list_faster(flows, link, level_of(link));
  double free = link->capacity - link->used, waiting = link->waiting;
  for (guint i = 0; i < flows->faster->len; i++) {
    const DspFasterFlow *faster =
        &g_array_index(flows->faster, DspFasterFlow, i);
    if (faster->rate * waiting <= free)
      break;
    free += faster->weight * faster->rate;
    waiting += faster->weight;
    disturb(flows, faster->flow);
  }
}

/* Where the flow was faster than it will be at `to`, there is room now. */
static void leave(DspFlows *flows, const DspFlow *flow, uint32_t to,
                  double level) {
  const double slower = flows->links[flow->bottleneck].level - level;
  for (uint32_t u = flow->first; u < flow->first + flow->n_uses; u++) {
    const uint32_t l = flows->uses[u].link;
    const DspFlowLink *link = &flows->links[l];
    if (l != to && link->n_bound > 0 &&
        slower * dsp_use_weight(flows, u) > NEGLIGIBLE * link->capacity)
      dsp_link_note(flows, l, freed);
  }
}

/* Moves a flow to the queue of its new bottleneck. */
static void requeue(DspFlows *flows, uint32_t id, uint32_t to) {
  DspFlow *flow = &flows->flows[id];
  const uint32_t from = flow->bottleneck;
  if (from == to)
    return;
  if (from != DSP_NOWHERE) {
    flow->end -= dsp_link_service(flows, &flows->links[from]);
    dsp_queue_remove(flows, from, id);
    dsp_link_note(flows, from, changed);
  }
  flow->end += dsp_link_service(flows, &flows->links[to]);
  flow->bottleneck = to;
  dsp_queue_add(flows, to, id);
}

static void settle(DspFlows *flows, uint32_t id, uint32_t to, double level) {
  DspFlow *flow = &flows->flows[id];
  for (uint32_t u = flow->first; u < flow->first + flow->n_uses; u++) {
    DspFlowLink *link = &flows->links[flows->uses[u].link];
    const double weight = dsp_use_weight(flows, u);
    link->used += weight * level;
    link->waiting = --link->n_waiting ? link->waiting - weight : 0;
  }
  if (flow->bottleneck != DSP_NOWHERE)
    leave(flows, flow, to, level);
  requeue(flows, id, to);
  flow->waits = 0;
  flows->links[to].n_bound++;
  flows->n_waiting--;
}

/* The level of the link is that of its waiting flows: nothing stops them
 * before. */
static void saturate(DspFlows *flows, uint32_t id, double level) {
  DspFlowLink *link = &flows->links[id];
  if (link->n_queue == 0 || link->level != level) {
    link->service = dsp_link_service(flows, link);
    link->moment = flows->now;
  }
  for (uint32_t u = link->first_use; u != DSP_NOWHERE; u = flows->uses[u].next)
    if (flows->flows[flows->uses[u].flow].waits)
      settle(flows, flows->uses[u].flow, id, level);
  link->level = level;
}

/* Takes the link that fills up first at `key`, or sees that it does not. */
static void fill(DspFlows *flows, uint32_t id, double key, double *last) {
  DspFlowLink *link = &flows->links[id];
  uint32_t next;
  if (link->n_waiting == 0)
    return;
  double level = level_of(link);
  if (level > key && !near_level(link, level, key) &&
      !dsp_heap_is_empty(flows->fill) &&
      dsp_heap_peek(flows->fill, &next) < level) {
    dsp_heap_set(flows->fill, id, level);
    return;
  }
  double fastest = survey(flows, link);
  level = level_of(link);
  if (link->n_queue > 0 && near_level(link, level, link->level))
    level = link->level;
  else if (near_level(link, level, fastest))
    level = fastest;
  else if (near_level(link, level, *last))
    level = *last;
  if (fastest > level && !near_level(link, level, fastest)) {
    dsp_link_note(flows, id, touched);
    disturb_faster(flows, id);
  } else if (link->n_bound > 0 && level != link->level) {
    dsp_link_note(flows, id, touched);
    release(flows, id);
  } else {
    dsp_link_note(flows, id, changed);
    saturate(flows, id, level);
    *last = level;
  }
}

void dsp_sharing_solve(DspFlows *flows) {
  double last = 0;
  spread(flows);
  while (flows->n_waiting > 0) {
    uint32_t id;
    const double key = dsp_heap_pop(flows->fill, &id);
    fill(flows, id, key, &last);
    spread(flows);
  }
  for (guint i = 0; i < flows->changed->len; i++) {
    const uint32_t id = g_array_index(flows->changed, uint32_t, i);
    flows->links[id].changed = 0;
    dsp_queue_schedule(flows, id);
  }
  g_array_set_size(flows->changed, 0);
}
