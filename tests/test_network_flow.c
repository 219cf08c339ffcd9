/* SPDX-License-Identifier: Apache-2.0 */
/* Flows: against a reference that solves every system from scratch, and
 * against properties that define max-min fairness. */
#include "network/flow.h"
#include "test_network.h"
#include <gsl/gsl_rng.h>

#define MAX_USES  8
#define MAX_LINKS 24
#define MAX_FLOWS 64

typedef struct {
  gboolean active;
  uint32_t id;
  double left, limit, rate; /* rate: of the reference */
  guint n_uses;
  DspLinkUse uses[MAX_USES];
} Flow;

typedef struct {
  guint n_links;
  double capacity[MAX_LINKS];
  Flow flows[MAX_FLOWS];
  DspFlows *solver;
} System;

static double weight_on(const Flow *flow, guint link) {
  double weight = 0;
  for (guint i = 0; i < flow->n_uses; i++)
    if (flow->uses[i].link == link)
      weight += flow->uses[i].weight;
  return weight;
}

static double rate_of(System *s, const Flow *flow) {
  return dsp_flows_rate(s->solver, flow->id);
}

/* The level at which the unsettled flows (rate < 0) fill a link. */
static double reference_level(const System *s, guint link) {
  double used = 0, weight = 0;
  for (guint f = 0; f < MAX_FLOWS; f++) {
    if (!s->flows[f].active)
      continue;
    const double w = weight_on(&s->flows[f], link);
    if (s->flows[f].rate < 0)
      weight += w;
    else
      used += w * s->flows[f].rate;
  }
  return weight > 0 ? MAX(s->capacity[link] - used, 0) / weight : INFINITY;
}

/* Sets the next lowest level; FALSE when every flow has a rate. */
static gboolean reference_fill(System *s) {
  double level = INFINITY;
  guint bottleneck = 0;
  gboolean waiting = FALSE;
  for (guint l = 0; l < s->n_links; l++) {
    const double here = reference_level(s, l);
    if (here < level) {
      level = here;
      bottleneck = l;
    }
  }
  for (guint f = 0; f < MAX_FLOWS; f++)
    if (s->flows[f].active && s->flows[f].rate < 0)
      waiting = TRUE;
  for (guint f = 0; f < MAX_FLOWS && waiting; f++) {
    Flow *flow = &s->flows[f];
    if (flow->active && flow->rate < 0 && flow->limit <= level) {
      flow->rate = flow->limit; /* the lowest limit first would be the same */
      return TRUE;
    }
  }
  for (guint f = 0; f < MAX_FLOWS && waiting; f++) {
    Flow *flow = &s->flows[f];
    if (flow->active && flow->rate < 0 && weight_on(flow, bottleneck) > 0)
      flow->rate = level;
  }
  return waiting;
}

static void reference_solve(System *s) {
  for (guint f = 0; f < MAX_FLOWS; f++)
    s->flows[f].rate = -1;
  while (reference_fill(s))
    ;
}

static double used_on(System *s, guint link) {
  double used = 0;
  for (guint f = 0; f < MAX_FLOWS; f++)
    if (s->flows[f].active)
      used += weight_on(&s->flows[f], link) * rate_of(s, &s->flows[f]);
  return used;
}

static double fastest_on(System *s, guint link) {
  double fastest = 0;
  for (guint f = 0; f < MAX_FLOWS; f++)
    if (s->flows[f].active && weight_on(&s->flows[f], link) > 0)
      fastest = MAX(fastest, rate_of(s, &s->flows[f]));
  return fastest;
}

static gboolean has_bottleneck(System *s, const Flow *flow) {
  const double rate = rate_of(s, flow);
  if (rate >= flow->limit * (1 - 1e-9))
    return TRUE;
  for (guint i = 0; i < flow->n_uses; i++) {
    const guint l = flow->uses[i].link;
    if (used_on(s, l) >= s->capacity[l] * (1 - 1e-9) &&
        rate >= fastest_on(s, l) * (1 - 1e-8))
      return TRUE;
  }
  return FALSE;
}

static void check_rates(System *s) {
  reference_solve(s);
  for (guint l = 0; l < s->n_links; l++)
    CU_ASSERT(used_on(s, l) <= s->capacity[l] * (1 + 1e-9));
  for (guint f = 0; f < MAX_FLOWS; f++) {
    const Flow *flow = &s->flows[f];
    if (!flow->active)
      continue;
    CU_ASSERT_DOUBLE_EQUAL(rate_of(s, flow), flow->rate, 1e-8 * flow->rate);
    CU_ASSERT(has_bottleneck(s, flow));
  }
}

static void start_flow(System *s, gsl_rng *rng, Flow *flow, double now) {
  static const double limits[] = {INFINITY, INFINITY, 3, 1, 0.25};
  flow->n_uses = 1 + gsl_rng_uniform_int(rng, MIN(MAX_USES, s->n_links));
  for (guint i = 0; i < flow->n_uses; i++) {
    flow->uses[i].link = gsl_rng_uniform_int(rng, s->n_links);
    flow->uses[i].weight =
        gsl_rng_uniform_int(rng, 3) ? 1 : 0.05 + 2 * gsl_rng_uniform(rng);
  }
  flow->limit = limits[gsl_rng_uniform_int(rng, G_N_ELEMENTS(limits))];
  flow->left = 1 + gsl_rng_uniform_int(rng, 4);
  flow->active = TRUE;
  flow->id = dsp_flows_start(s->solver, now, flow->left, flow->limit,
                             flow->uses, flow->n_uses);
}

/* Moves every flow on at its reference rate. */
static void pass(System *s, double time) {
  for (guint f = 0; f < MAX_FLOWS; f++)
    if (s->flows[f].active)
      s->flows[f].left -= time * s->flows[f].rate;
}

static void finish_flows(System *s, double now) {
  uint32_t id;
  guint n = 0;
  for (; dsp_flows_finish(s->solver, now, &id); n++)
    for (guint f = 0; f < MAX_FLOWS; f++)
      if (s->flows[f].active && s->flows[f].id == id) {
        CU_ASSERT_DOUBLE_EQUAL(s->flows[f].left, 0, 1e-7);
        s->flows[f].active = FALSE;
      }
  CU_ASSERT(n > 0);
}

static void start_some(System *s, gsl_rng *rng, double now) {
  for (guint n = gsl_rng_uniform_int(rng, 5); n > 0; n--) {
    const guint f = gsl_rng_uniform_int(rng, MAX_FLOWS);
    if (!s->flows[f].active)
      start_flow(s, rng, &s->flows[f], now);
  }
}

static void run_random(gsl_rng *rng) {
  System s = {.n_links = 1 + gsl_rng_uniform_int(rng, MAX_LINKS)};
  double now = 0;
  for (guint l = 0; l < s.n_links; l++)
    s.capacity[l] =
        gsl_rng_uniform_int(rng, 2) ? 2 : 5 * gsl_rng_uniform(rng) + 0.1;
  s.solver = dsp_flows_new(s.n_links, s.capacity);
  for (guint step = 0; step < 60; step++) {
    if (step < 40)
      start_some(&s, rng, now);
    check_rates(&s);
    const double next = dsp_flows_next(s.solver);
    if (next == INFINITY)
      continue;
    const gboolean whole = gsl_rng_uniform_int(rng, 3) > 0;
    const double until = whole ? next : now + (next - now) / 2;
    pass(&s, until - now);
    now = until;
    if (whole)
      finish_flows(&s, now);
  }
  dsp_flows_free(s.solver);
}

static void test_random_systems(void) {
  gsl_rng *rng = gsl_rng_alloc(gsl_rng_mt19937);
  gsl_rng_set(rng, 20260);
  for (guint i = 0; i < 150; i++)
    run_random(rng);
  gsl_rng_free(rng);
}

/* Hand-made systems: rates by the definition. */
typedef struct {
  const char *name;
  double capacity[3];
  struct {
    double weight[3], limit, rate; /* weight 0: not on the link */
  } flows[4];
} HandMade;

static const HandMade hand_made[] = {
    {"equal shares", {9}, {{{1}, 0, 3}, {{1}, 0, 3}, {{1}, 0, 3}}},
    {"a limit leaves room", {9}, {{{1}, 1, 1}, {{1}, 0, 4}, {{1}, 0, 4}}},
    {"weights", {10}, {{{1}, 0, 2}, {{4}, 0, 2}}},
    {"two bottlenecks",
     {10, 4, 100},
     {{{1, 1}, 0, 2}, {{0, 1}, 0, 2}, {{1, 0, 1}, 0, 8}}},
    {"a chain",
     {1, 2, 4},
     {{{1}, 0, 0.5},
      {{1, 1}, 0, 0.5},
      {{0, 1, 1}, 0, 1.5},
      {{0, 0, 1}, 0, 2.5}}},
};

static void check_hand_made(const HandMade *c) {
  g_autoptr(DspFlows) solver = dsp_flows_new(3, c->capacity);
  uint32_t ids[4];
  for (guint f = 0; f < 4 && c->flows[f].rate > 0; f++) {
    DspLinkUse uses[3];
    guint n = 0;
    for (guint l = 0; l < 3; l++)
      if (c->flows[f].weight[l] > 0)
        uses[n++] = (DspLinkUse){l, c->flows[f].weight[l]};
    const double limit = c->flows[f].limit > 0 ? c->flows[f].limit : INFINITY;
    ids[f] = dsp_flows_start(solver, 0, 1, limit, uses, n);
  }
  for (guint f = 0; f < 4 && c->flows[f].rate > 0; f++)
    CU_ASSERT_DOUBLE_EQUAL(dsp_flows_rate(solver, ids[f]), c->flows[f].rate,
                           1e-12);
}

static void test_hand_made(void) {
  for (guint i = 0; i < G_N_ELEMENTS(hand_made); i++) {
    const HandMade *c = &hand_made[i];
    HandMade padded = *c;
    for (guint l = 0; l < 3; l++)
      padded.capacity[l] = MAX(padded.capacity[l], 1e-3);
    check_hand_made(&padded);
  }
}

/* A flow runs alone, shares, then runs alone again. */
static void test_times(void) {
  const double capacity = 10;
  const DspLinkUse use = {0, 1};
  uint32_t id;
  g_autoptr(DspFlows) solver = dsp_flows_new(1, &capacity);
  CU_ASSERT_EQUAL(dsp_flows_next(solver), INFINITY);
  const uint32_t a = dsp_flows_start(solver, 0, 100, INFINITY, &use, 1);
  CU_ASSERT_EQUAL(dsp_flows_next(solver), 10);
  const uint32_t b = dsp_flows_start(solver, 4, 20, INFINITY, &use, 1);
  CU_ASSERT_EQUAL(dsp_flows_next(solver), 8);
  CU_ASSERT(dsp_flows_finish(solver, 8, &id) && id == b);
  CU_ASSERT_FALSE(dsp_flows_finish(solver, 8, &id));
  CU_ASSERT_EQUAL(dsp_flows_next(solver), 12);
  CU_ASSERT(dsp_flows_finish(solver, 12, &id) && id == a);
  CU_ASSERT_EQUAL(dsp_flows_next(solver), INFINITY);
}

/* n ports send to each other at once; returns the end of the last message.
 * Every message of a rank must end at the same instant, to the last bit. */
static double run_all_to_all(guint n, double port, double skew,
                             guint *instants) {
  g_autofree double *capacity = g_new(double, 2 * n);
  for (guint i = 0; i < 2 * n; i++)
    capacity[i] = port;
  g_autoptr(DspFlows) solver = dsp_flows_new(2 * n, capacity);
  double end = 0;
  uint32_t id;
  *instants = 0;
  for (guint r = 0; r < n; r++)
    for (guint i = 1; i < n; i++) {
      const DspLinkUse uses[] = {{r, 1}, {n + (r + i) % n, 1}};
      dsp_flows_start(solver, skew * r, 64e6 / n, INFINITY, uses, 2);
    }
  for (double next; (next = dsp_flows_next(solver)) < INFINITY; end = next) {
    ++*instants;
    while (dsp_flows_finish(solver, next, &id))
      ;
  }
  return end;
}

static void test_all_to_all(void) {
  for (guint n = 2; n <= 64; n += n < 8 ? 1 : 7) {
    guint instants;
    const double bound = (n - 1) * (64e6 / n) / 50e9;
    const double end = run_all_to_all(n, 50e9, 0, &instants);
    CU_ASSERT_DOUBLE_EQUAL(end, bound, 1e-12 * bound);
    CU_ASSERT_EQUAL(instants, 1);
    const double late = run_all_to_all(n, 50e9, 1e-6, &instants);
    CU_ASSERT_DOUBLE_EQUAL(late, bound + 1e-6 * (n - 1), 1e-9 * bound);
    CU_ASSERT_EQUAL(instants, n);
  }
}

/* Twice the capacity of every link halves the time; of the one bottleneck,
 * never adds to it. */
static void test_monotone(void) {
  gsl_rng *rng = gsl_rng_alloc(gsl_rng_mt19937);
  gsl_rng_set(rng, 7);
  for (guint round = 0; round < 200; round++) {
    const guint n = 1 + gsl_rng_uniform_int(rng, 12);
    double end[2] = {0, 0}, bytes[12], limit[12];
    for (guint f = 0; f < n; f++) {
      bytes[f] = 0.1 + gsl_rng_uniform(rng);
      limit[f] =
          gsl_rng_uniform_int(rng, 2) ? INFINITY : gsl_rng_uniform(rng) + 0.1;
    }
    for (guint i = 0; i < 2; i++) {
      const double capacity = i + 1;
      const DspLinkUse use = {0, 1};
      uint32_t id;
      g_autoptr(DspFlows) solver = dsp_flows_new(1, &capacity);
      for (guint f = 0; f < n; f++)
        dsp_flows_start(solver, 0, bytes[f], limit[f], &use, 1);
      for (double next; (next = dsp_flows_next(solver)) < INFINITY;
           end[i] = next)
        while (dsp_flows_finish(solver, next, &id))
          ;
    }
    CU_ASSERT(end[1] <= end[0] * (1 + 1e-12));
    CU_ASSERT(end[1] >= end[0] / 2 * (1 - 1e-12));
  }
  gsl_rng_free(rng);
}

CU_TestInfo dsp_flow_tests[] = {
    {"random systems against the reference", test_random_systems},
    {"hand-made systems", test_hand_made},
    {"times of two flows", test_times},
    {"all to all, at once and skewed", test_all_to_all},
    {"more capacity is never slower", test_monotone},
    CU_TEST_INFO_NULL,
};
