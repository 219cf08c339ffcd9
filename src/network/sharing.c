/* SPDX-License-Identifier: Apache-2.0 */
/* Weighted max-min fair rates by progressive filling, restarted only where
 * something changed.
 *
 * An allocation is max-min fair if and only if every flow has a bottleneck: a
 * saturated link on which no flow is faster (Bertsekas and Gallager, Data
 * Networks, 6.5.2). Filling takes the links that a change touched in the order
 * of the level at which the flows that wait for a rate, and those that the link
 * holds back already, would saturate them:
 *  - flows of other bottlenecks that are faster than this wait too;
 *  - the flows held back move to the level together, all in one go, or wait
 *    too where another of their links cannot follow;
 *  - the flows that wait settle.
 * What that changes on other links only concerns levels above this one, so one
 * pass upwards is enough, and links out of reach are never looked at. */
#include "network/sharing.h"
#include <math.h>

/* Share of a link's capacity that does not matter. It keeps rates that are
 * equal but for rounding equal to the last bit, and so the times that follow
 * from them. */
#define NEGLIGIBLE 1e-11

/* A flow with less than this share of a link's level is no matter to it. */
#define FAR 0.999

/* ------------------------------------------------------------------------- */
/* The links to fill, lowest level first, then lowest number. Unlike DspHeap,
 * which tracks its events, it is emptied at once and never searched. */

static gboolean lower(DspFill a, DspFill b) {
  return a.level < b.level || (a.level == b.level && a.link < b.link);
}

static void push_fill(DspFlows *flows, uint32_t link, double level) {
  if (flows->n_fill == flows->fill_size) {
    flows->fill_size = MAX(2 * flows->fill_size, 64);
    flows->fill = g_renew(DspFill, flows->fill, flows->fill_size);
  }
  const DspFill fill = {level, link};
  uint32_t at = flows->n_fill++;
  for (; at > 0 && lower(fill, flows->fill[(at - 1) / 2]); at = (at - 1) / 2)
    flows->fill[at] = flows->fill[(at - 1) / 2];
  flows->fill[at] = fill;
}

static DspFill pop_fill(DspFlows *flows) {
  const DspFill first = flows->fill[0];
  const uint32_t n = --flows->n_fill;
  const DspFill last = flows->fill[n];
  uint32_t at = 0;
  for (uint32_t child; (child = 2 * at + 1) < n; at = child) {
    if (child + 1 < n && lower(flows->fill[child + 1], flows->fill[child]))
      child++;
    if (!lower(flows->fill[child], last))
      break;
    flows->fill[at] = flows->fill[child];
  }
  flows->fill[at] = last;
  return first;
}

/* ------------------------------------------------------------------------- */

static double level_of(const DspFlowLink *link) {
  const double free = link->capacity - link->used + link->bound * link->level;
  return MAX(free, 0) / (link->waiting + link->bound);
}

/* Does it matter to the link at which of the two levels its flows run? */
static gboolean near_level(const DspFlowLink *link, double a, double b) {
  return fabs(a - b) * (link->waiting + link->bound) <=
         NEGLIGIBLE * link->capacity;
}

/* Is there room for the link's own flows at the level? */
static gboolean has_room(const DspFlowLink *link, double level) {
  return link->used + link->bound * (level - link->level) +
             link->waiting * level <=
         link->capacity * (1 + NEGLIGIBLE);
}

void dsp_link_touch(DspFlows *flows, uint32_t id) {
  DspFlowLink *link = &flows->links[id];
  flows->n_dirty += !link->dirty;
  link->dirty = 1;
  if (link->touched)
    return;
  link->touched = 1;
  flows->touched[flows->n_touched++] = id;
}

static void clean(DspFlows *flows, DspFlowLink *link) {
  flows->n_dirty -= link->dirty;
  link->dirty = 0;
}

static void note_changed(DspFlows *flows, uint32_t id) {
  if (flows->links[id].changed)
    return;
  flows->links[id].changed = 1;
  flows->changed[flows->n_changed++] = id;
}

/* Links that were touched take their place in `fill`. */
static void push_touched(DspFlows *flows) {
  for (uint32_t i = 0; i < flows->n_touched; i++) {
    const uint32_t id = flows->touched[i];
    DspFlowLink *link = &flows->links[id];
    link->touched = 0;
    if (link->n_waiting + link->n_bound > 0)
      push_fill(flows, id, level_of(link));
    else
      clean(flows, link);
  }
  flows->n_touched = 0;
}

/* ------------------------------------------------------------------------- */

/* The flow waits for a new rate; until then it takes nothing. */
static void disturb(DspFlows *flows, uint32_t id) {
  DspFlow *flow = &flows->flows[id];
  DspFlowLink *bottleneck = &flows->links[flow->bottleneck];
  if (flow->waits)
    return;
  bottleneck->n_bound--;
  for (uint32_t u = flow->first; u < flow->first + flow->n_uses; u++) {
    DspFlowLink *link = &flows->links[flows->uses[u].link];
    const double weight = dsp_use_weight(flows, u);
    if (link == bottleneck)
      link->bound = link->n_bound > 0 ? link->bound - weight : 0;
    link->used -= weight * bottleneck->level;
    link->waiting += weight;
    link->n_waiting++;
    dsp_link_touch(flows, flows->uses[u].link);
  }
  flow->waits = 1;
}

/* All flows that the link holds back wait. */
static void release(DspFlows *flows, const DspFlowLink *link) {
  for (uint32_t i = 0; i < link->n_queue; i++)
    disturb(flows, link->queue[i]);
}

/* Sums up the link afresh, which also ends the drift of rounding errors, and
 * returns the fastest rate of flows with other bottlenecks. */
static double sum_up(DspFlows *flows, uint32_t id) {
  DspFlowLink *link = &flows->links[id];
  double fastest = 0, used = 0;
  for (uint32_t u = link->first_use; u != DSP_NOWHERE;
       u = flows->uses[u].next) {
    const DspFlow *flow = &flows->flows[flows->uses[u].flow];
    if (flow->waits || flow->bottleneck == id)
      continue;
    const double rate = flows->links[flow->bottleneck].level;
    used += dsp_use_weight(flows, u) * rate;
    fastest = MAX(fastest, rate);
  }
  link->used = used + link->bound * link->level;
  link->peak = fastest;
  return fastest;
}

static gint compare_faster(gconstpointer a, gconstpointer b) {
  const DspFasterFlow *x = a, *y = b;
  return x->rate != y->rate ? (x->rate < y->rate) - (x->rate > y->rate)
                            : (x->flow > y->flow) - (x->flow < y->flow);
}

static void list_faster(DspFlows *flows, uint32_t id, double level) {
  uint32_t u = flows->links[id].first_use;
  g_array_set_size(flows->faster, 0);
  for (; u != DSP_NOWHERE; u = flows->uses[u].next) {
    const uint32_t f = flows->uses[u].flow;
    const DspFlow *flow = &flows->flows[f];
    if (flow->waits || flow->bottleneck == id)
      continue;
    const DspFasterFlow faster = {flows->links[flow->bottleneck].level,
                                  dsp_use_weight(flows, u), f};
    if (faster.rate > level)
      g_array_append_val(flows->faster, faster);
  }
  g_array_sort(flows->faster, compare_faster);
}

/* Disturbs the flows that are faster than the level at which the link fills
 * up once they wait too. */
static void disturb_faster(DspFlows *flows, uint32_t id) {
  const DspFlowLink *link = &flows->links[id];
  double weight = link->waiting + link->bound, free = level_of(link) * weight;
  list_faster(flows, id, level_of(link));
  for (guint i = 0; i < flows->faster->len; i++) {
    const DspFasterFlow *faster =
        &g_array_index(flows->faster, DspFasterFlow, i);
    if (faster->rate * weight <= free)
      break;
    free += faster->weight * faster->rate;
    weight += faster->weight;
    disturb(flows, faster->flow);
  }
}

/* ------------------------------------------------------------------------- */

/* Moves the flows that the link holds back by `step` to `level`; FALSE if a
 * link of theirs has no room for that. */
static gboolean shift(DspFlows *flows, const DspFlowLink *link, double step,
                      double level) {
  gboolean room = TRUE;
  for (uint32_t i = 0; i < link->n_queue; i++) {
    const DspFlow *flow = &flows->flows[link->queue[i]];
    if (flow->waits)
      continue;
    for (uint32_t u = flow->first; u < flow->first + flow->n_uses; u++) {
      DspFlowLink *other = &flows->links[flows->uses[u].link];
      if (other == link)
        continue;
      other->used += dsp_use_weight(flows, u) * step;
      other->peak = MAX(other->peak, level);
      room = room && has_room(other, level);
      if (other->n_bound + other->n_waiting > 0)
        dsp_link_touch(flows, flows->uses[u].link);
    }
  }
  return room;
}

/* From now on the flows in the link's queue run at the level. */
static gboolean set_level(DspFlows *flows, uint32_t id, double level) {
  DspFlowLink *link = &flows->links[id];
  const double step = level - link->level;
  if (link->n_bound > 0 && step != 0 && !shift(flows, link, step, level) &&
      step > 0) {
    shift(flows, link, -step, link->level);
    return FALSE;
  }
  link->used += link->bound * step;
  if (link->n_queue == 0 || step != 0) {
    link->service = dsp_link_service(flows, link);
    link->moment = flows->now;
    link->level = level;
    note_changed(flows, id);
  }
  return TRUE;
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
    note_changed(flows, from);
  }
  flow->end += dsp_link_service(flows, &flows->links[to]);
  flow->bottleneck = to;
  dsp_queue_add(flows, to, id);
  note_changed(flows, to);
}

static void settle(DspFlows *flows, uint32_t id, uint32_t to) {
  DspFlow *flow = &flows->flows[id];
  DspFlowLink *bottleneck = &flows->links[to];
  bottleneck->n_bound++;
  for (uint32_t u = flow->first; u < flow->first + flow->n_uses; u++) {
    DspFlowLink *link = &flows->links[flows->uses[u].link];
    const double weight = dsp_use_weight(flows, u);
    link->used += weight * bottleneck->level;
    link->waiting = --link->n_waiting > 0 ? link->waiting - weight : 0;
    if (link == bottleneck) {
      link->bound += weight;
      continue;
    }
    link->peak = MAX(link->peak, bottleneck->level);
    if (link->n_waiting + link->n_bound == 0)
      clean(flows, link);
  }
  requeue(flows, id, to);
  flow->waits = 0;
}

/* The level of a link: one that others have where the difference is nothing
 * but rounding. */
static double snap_level(const DspFlowLink *link, double fastest, double last) {
  const double level = level_of(link);
  if (link->n_queue > 0 && near_level(link, level, link->level))
    return link->level;
  if (near_level(link, level, fastest))
    return fastest;
  return near_level(link, level, last) ? last : level;
}

/* Fills the link, or sees that other flows must wait too. */
static void fill_link(DspFlows *flows, uint32_t id, double *last) {
  DspFlowLink *link = &flows->links[id];
  const double fastest =
      link->peak > FAR * level_of(link) ? sum_up(flows, id) : link->peak;
  const double level = snap_level(link, fastest, *last);
  if (fastest > level && !near_level(link, level, fastest)) {
    disturb_faster(flows, id);
    dsp_link_touch(flows, id);
    return;
  }
  if (!set_level(flows, id, level)) {
    release(flows, link);
    return;
  }
  for (uint32_t u = link->first_use; u != DSP_NOWHERE && link->n_waiting > 0;
       u = flows->uses[u].next)
    if (flows->flows[flows->uses[u].flow].waits)
      settle(flows, flows->uses[u].flow, id);
  clean(flows, link);
  *last = level;
}

/* Takes the link that may be the next to fill up. What happened since it was
 * put there only raised its level, or put it there again. */
static void take_link(DspFlows *flows, double *last) {
  const DspFill next = pop_fill(flows);
  const DspFlowLink *link = &flows->links[next.link];
  if (!link->dirty)
    return;
  const double level = level_of(link);
  if (level > next.level && !near_level(link, level, next.level))
    push_fill(flows, next.link, level);
  else
    fill_link(flows, next.link, last);
}

void dsp_sharing_solve(DspFlows *flows) {
  double last = 0;
  push_touched(flows);
  while (flows->n_dirty > 0) {
    take_link(flows, &last);
    push_touched(flows);
  }
  flows->n_fill = 0;
  for (uint32_t i = 0; i < flows->n_changed; i++) {
    flows->links[flows->changed[i]].changed = 0;
    dsp_queue_schedule(flows, flows->changed[i]);
  }
  flows->n_changed = 0;
}
