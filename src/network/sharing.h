/* SPDX-License-Identifier: Apache-2.0 */
/* The records behind flow.h. Private to src/network: flow.c keeps them,
 * sharing.c solves them.
 *
 * Flows with the same bottleneck link run at the same rate, the link's level.
 * So a link counts the service that each of its flows has had, and a flow is
 * done when that service reaches a number fixed when it came to the link: a
 * change of level costs the link one update, and its flows none. */
#ifndef DSP_NETWORK_SHARING_H
#define DSP_NETWORK_SHARING_H

#include "base/heap.h"
#include "network/flow.h"

#define DSP_NOWHERE UINT32_MAX

typedef struct {
  double end; /* service of the bottleneck at which it is done; bytes left
                 before it has a bottleneck */
  uint32_t bottleneck;  /* a link; the last one while it waits for a new one */
  uint32_t place;       /* in the bottleneck's queue */
  uint32_t first;       /* its uses are first .. first + n_uses - 1 */
  uint32_t n_uses : 31; /* a free flow: first is the next free one */
  uint32_t waits : 1;   /* for a rate: new, or disturbed by others */
} DspFlow;

/* A flow on a link; the uses of a link are a list. */
typedef struct {
  uint32_t link, flow, next, previous;
} DspFlowUse;

typedef struct {
  double capacity;
  double used;     /* by flows that do not wait, bytes/s */
  double waiting;  /* weight of the flows that wait */
  double bound;    /* weight of the queue's flows that do not */
  double level;    /* rate of the flows in the queue */
  double peak;     /* no flow with another bottleneck is faster */
  double service;  /* bytes each of them had until `moment` */
  double moment;   /* when level was set, s */
  double due;      /* when the first of the queue is done, s */
  uint32_t *queue; /* flows that this link holds back, a heap by end */
  uint32_t n_queue, queue_size, n_bound;
  uint32_t n_waiting, first_use;
  uint32_t touched : 1, changed : 1; /* is in that list */
  uint32_t dirty : 1; /* its level may be wrong, or its flows have none */
} DspFlowLink;

#define DSP_USE_CLASSES 32

/* The level at which its waiting and bound flows would fill a link; lower, out
 * of date ones may stand beside it. */
typedef struct {
  double level;
  uint32_t link;
} DspFill;

/* A flow that is faster than the level of a link. */
typedef struct {
  double rate, weight;
  uint32_t flow;
} DspFasterFlow;

struct DspFlows {
  DspFlowLink *links; /* the caller's, then one for each rate limit */
  uint32_t n_links, links_size, n_shared, free_link;
  DspFlow *flows;
  uint32_t n_flows, flows_size, free_flow;
  DspFlowUse *uses; /* blocks of 2^class */
  double *weights;  /* of uses; NULL while all are 1 */
  uint32_t n_uses, uses_size, free_uses[DSP_USE_CLASSES];
  uint32_t n_dirty; /* links */
  double now;
  DspHeap *events; /* link: when its next flow is done */
  DspFill *fill;   /* a heap by level */
  uint32_t n_fill, fill_size;
  uint32_t *touched, n_touched; /* dirty links whose level in `fill` may be
                                   too high */
  uint32_t *changed, n_changed; /* links with another level or queue */
  GArray *faster;               /* scratch of the solver */
};

static inline double dsp_use_weight(const DspFlows *flows, uint32_t use) {
  return flows->weights ? flows->weights[use] : 1;
}

/* Service of a link at the present moment. */
static inline double dsp_link_service(const DspFlows *flows,
                                      const DspFlowLink *link) {
  return link->n_queue
             ? link->service + link->level * (flows->now - link->moment)
             : 0;
}

/* The flows of a link, or what they use of it, changed. */
void dsp_link_touch(DspFlows *flows, uint32_t link);

/* Makes all rates max-min fair again. */
void dsp_sharing_solve(DspFlows *flows);

/* The queue of a link. */
void dsp_queue_add(DspFlows *flows, uint32_t link, uint32_t flow);
void dsp_queue_remove(DspFlows *flows, uint32_t link, uint32_t flow);
/* Brings the link's event up to date with its queue. */
void dsp_queue_schedule(DspFlows *flows, uint32_t link);

#endif
