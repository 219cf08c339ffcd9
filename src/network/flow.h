/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-License-Identifier: Apache-2.0 */
/* Flows that share links: fluid max-min fair sharing with weights. A flow has
 * work in bytes and crosses links; on each it uses `weight` bytes of the link
 * for each byte of work (a collective is one flow over many links). At every
 * moment rates are max-min fair: no flow can be faster without slowing one
 * that is not faster. Solved incrementally: starting or ending a flow touches
 * only the flows that share a saturated link with it, directly or through
 * others. Times in seconds, rates in bytes/s. */
#ifndef DSP_NETWORK_FLOW_H
#define DSP_NETWORK_FLOW_H

#include <glib.h>
#include <stdint.h>

typedef struct DspFlows DspFlows;

typedef struct {
  uint32_t link;
  double weight; /* bytes on the link for each byte of work, > 0 */
} DspLinkUse;

/* `capacity`: bytes/s of each link, copied. Free with dsp_flows_free. */
DspFlows *dsp_flows_new(guint n_links, const double *capacity);
void dsp_flows_free(DspFlows *flows);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DspFlows, dsp_flows_free)

/* Starts a flow of `bytes` > 0 at `now` (never before an earlier call's now),
 * no faster than `rate_limit` (INFINITY: only links limit it; then it must use
 * one). Gives its id, which is reused after the flow has finished. Several
 * starts at one `now` are solved together. */
uint32_t dsp_flows_start(DspFlows *flows, double now, double bytes,
                         double rate_limit, const DspLinkUse *uses,
                         guint n_uses);
/* When the next flow finishes, INFINITY if none is active. */
double dsp_flows_next(DspFlows *flows);
/* Ends the flows that finish at `now` == dsp_flows_next(): gives one id after
 * another in a fixed order, FALSE when there is none left at `now`. Flows whose
 * ends differ by rounding only (1e-12 of `now`) end together. */
gboolean dsp_flows_finish(DspFlows *flows, double now, uint32_t *id);
/* The present rate of an active flow. */
double dsp_flows_rate(DspFlows *flows, uint32_t id);

#endif
