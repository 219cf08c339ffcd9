/* SPDX-License-Identifier: Apache-2.0 */
#include "search/enumerate.h"

typedef struct {
  const DspJob *job;
  const DspPlanSpace *space;
  GArray *plans;
} Enumeration;

static int64_t fixed_or(int64_t degree, int64_t otherwise) {
  return degree ? degree : otherwise;
}

static gboolean carries(const DspMethod *method, guint axis) {
  return method->axes & (1u << axis);
}

/* The degree that a method of this plan carries: the product of its axes. */
static int64_t method_degree(const DspPlan *plan) {
  int64_t degree = 1;
  for (guint i = 0; i < DSP_N_AXES; i++)
    if (carries(plan->method, i))
      degree *= plan->degree[i];
  return degree;
}

static void add_plan(Enumeration *e, DspPlan plan, int64_t rest) {
  const DspPlanSpace *space = e->space;
  plan.degree[DSP_AXIS_DP] = fixed_or(space->degree[DSP_AXIS_DP], rest);
  if (space->sequence && method_degree(&plan) != space->sequence)
    return;
  g_array_append_val(e->plans, plan);
}

/* Every value of the axes that carry the method, from `axis` on; `rest`: ranks
 * not yet given out. */
static void vary(Enumeration *e, DspPlan plan, guint axis, int64_t rest) {
  while (axis < DSP_N_AXES && !carries(plan.method, axis))
    axis++;
  if (axis == DSP_N_AXES) {
    add_plan(e, plan, rest);
    return;
  }
  int64_t fixed = e->space->degree[axis];
  for (int64_t degree = 2; degree <= rest; degree++) {
    if (rest % degree || (fixed && degree != fixed))
      continue;
    plan.degree[axis] = degree;
    vary(e, plan, axis + 1, rest / degree);
  }
}

static void add_variant(Enumeration *e, const DspMethod *method,
                        guint variant) {
  const DspPlanSpace *space = e->space;
  DspPlan plan = {.method = method,
                  .variant = variant,
                  .home = space->home,
                  .recompute = space->recompute,
                  .zero = space->zero};
  int64_t rest = e->job->gpus;
  for (int i = 0; i < DSP_N_AXES; i++) {
    plan.degree[i] = 1;
    if (i == DSP_AXIS_DP || carries(method, i))
      continue;
    plan.degree[i] = fixed_or(space->degree[i], 1);
    if (rest % plan.degree[i])
      return;
    rest /= plan.degree[i];
  }
  vary(e, plan, DSP_AXIS_CFG, rest);
}

GArray *dsp_enumerate_plans(const DspJob *job, const DspPlanSpace *space) {
  const DspMethod *const *methods;
  guint n = dsp_methods(&methods);
  Enumeration e = {job, space, g_array_new(FALSE, FALSE, sizeof(DspPlan))};
  for (guint i = 0; i < n; i++)
    for (guint j = 0; methods[i]->variants[j]; j++)
      if ((!space->method || space->method == methods[i]) &&
          (!space->variant ||
           g_str_equal(space->variant, methods[i]->variants[j])))
        add_variant(&e, methods[i], j);
  return e.plans;
}

gboolean dsp_plan_is_candidate(const DspPlanSpace *space, const DspPlan *plan) {
  const guint others = plan->method->published | plan->method->proposed;
  return space->variant || !(others & (1u << plan->variant));
}
