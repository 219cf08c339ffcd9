/* SPDX-License-Identifier: Apache-2.0 */
#include "network/uses.h"
#include <math.h>

const char *const dsp_protocol_names[] = {"ll", "ll128", "simple", NULL};
const char *const dsp_forced_algorithm_names[] = {
    "ring", "tree", "nvls", "nvlstree", "collnet", "pat", NULL};

static double meet(double a, double b, double sharpness) {
  const double low = MIN(a, b), high = MAX(a, b);
  return sharpness > 0 && high < INFINITY
             ? low * pow(1 + pow(low / high, sharpness), -1 / sharpness)
             : low;
}

static const char *name_bound(const DspPrice *price, const DspLimits *limits,
                              double links, const DspLink *least) {
  if (price->latency > price->bytes / price->rate_limit)
    return "launch";
  if (MIN(limits->channels, limits->cap) < links)
    return "channels";
  return dsp_link_type_names[least->type];
}

void dsp_price_set_limits(const DspNcclJob *job, DspPrice *price,
                          const DspLimits *limits) {
  const DspLink *least;
  const double links =
      dsp_uses_rate(job->topology, price->uses, -1, &least) * limits->share;
  price->rate_limit =
      MIN(meet(links, limits->channels, limits->sharpness), limits->cap);
  price->latency += limits->fill / price->rate_limit;
  price->bound_by = name_bound(price, limits, links, least);
}

DspPrice *dsp_price_new(const DspTopology *topology, const DspAxis *axis,
                        int group, DspCollective collective, int64_t bytes,
                        const DspNcclOptions *options) {
  DspNcclJob job;
  g_return_val_if_fail(bytes > 0 && axis->size > 1, NULL);
  DspPrice *price = g_new0(DspPrice, 1);
  dsp_nccl_job_init(&job, topology, axis, group, collective, bytes, options);
  const DspAlgorithm *algorithm = dsp_nccl_select(&job, &price->protocol);
  price->algorithm = algorithm->name;
  price->bytes = bytes;
  price->n_groups = job.n_groups;
  algorithm->price(&job, price);
  price->blocks = MAX(price->blocks, price->channels);
  price->time = price->latency + (double)bytes / price->rate_limit;
  return price;
}

/* s to start a GPU's kernel, and more for each further channel, whose work NCCL
 * of that time wrote one by one: 34.5 us on 8 GPUs whatever they do, 75 with 24
 * channels, in a100-1n8-*-superbench; 62 with 16 in h800-8card-all-gather. */
#define START_GPU     4.3e-6
#define START_CHANNEL 0.2e-6

/* The slower of host and GPUs sets the pace, and both vary: fitted to the same
 * and v100-8card-para-all-reduce, v100-dgx2-12gpu-allreduce. */
#define PACE 3

#define STARTS_AT_ONCE 22300

double dsp_price_by_one_process(const DspPrice *price, guint gpus,
                                int64_t nccl_version) {
  const double host =
      gpus * (START_GPU + (double)(price->channels - 1) * START_CHANNEL);
  if (nccl_version >= STARTS_AT_ONCE)
    return price->time;
  const double late = (price->time - price->latency) / 2;
  return late +
         pow(pow(price->time - late, PACE) + pow(host, PACE), 1.0 / PACE);
}

void dsp_price_free(DspPrice *price) {
  if (!price)
    return;
  g_array_unref(price->uses);
  g_free(price);
}
