/* SPDX-License-Identifier: Apache-2.0 */
/* The flows that a link holds back, first done first: a binary heap by end,
 * then by id. */
#include "network/sharing.h"
#include <math.h>

#define MIN_QUEUE 4

static gboolean before(const DspFlow *flows, uint32_t a, uint32_t b) {
  const double x = flows[a].end, y = flows[b].end;
  return x != y ? x < y : a < b;
}

static void put(DspFlow *flows, uint32_t *queue, uint32_t at, uint32_t flow) {
  queue[at] = flow;
  flows[flow].place = at;
}

static void sift_up(DspFlow *flows, uint32_t *queue, uint32_t at,
                    uint32_t flow) {
  for (; at > 0 && before(flows, flow, queue[(at - 1) / 2]); at = (at - 1) / 2)
    put(flows, queue, at, queue[(at - 1) / 2]);
  put(flows, queue, at, flow);
}

/* To a leaf without comparing, then up: the flow comes from the end. */
static void sift_down(DspFlow *flows, uint32_t *queue, uint32_t n, uint32_t at,
                      uint32_t flow) {
  for (uint32_t child; (child = 2 * at + 1) < n; at = child) {
    if (child + 1 < n && before(flows, queue[child + 1], queue[child]))
      child++;
    put(flows, queue, at, queue[child]);
  }
  sift_up(flows, queue, at, flow);
}

void dsp_queue_add(DspFlows *flows, uint32_t id, uint32_t flow) {
  DspFlowLink *link = &flows->links[id];
  if (link->n_queue == link->queue_size) {
    link->queue_size = MAX(2 * link->queue_size, MIN_QUEUE);
    link->queue = g_renew(uint32_t, link->queue, link->queue_size);
  }
  sift_up(flows->flows, link->queue, link->n_queue++, flow);
}

void dsp_queue_remove(DspFlows *flows, uint32_t id, uint32_t flow) {
  DspFlowLink *link = &flows->links[id];
  const uint32_t last = link->queue[--link->n_queue];
  if (last != flow)
    sift_down(flows->flows, link->queue, link->n_queue,
              flows->flows[flow].place, last);
}

void dsp_queue_schedule(DspFlows *flows, uint32_t id) {
  DspFlowLink *link = &flows->links[id];
  double due = INFINITY;
  if (link->n_queue > 0) {
    const double left = flows->flows[link->queue[0]].end - link->service;
    due = MAX(link->moment + left / link->level, flows->now);
  } else {
    link->service = 0;
  }
  if (due == link->due)
    return;
  link->due = due;
  if (due < INFINITY)
    dsp_heap_set(flows->events, id, due);
  else
    dsp_heap_remove(flows->events, id);
}
