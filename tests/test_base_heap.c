/* SPDX-License-Identifier: Apache-2.0 */
#include "base/heap.h"
#include "test_base.h"

#define N_EVENTS 600

/* The plainest queue, to compare with: the time and the turn of each event. */
typedef struct {
  double time[N_EVENTS];
  guint turn[N_EVENTS]; /* 0: not in the queue */
  guint turns;
} Model;

static guint32 model_first(const Model *model) {
  guint32 first = N_EVENTS;
  for (guint32 id = 0; id < N_EVENTS; id++) {
    if (!model->turn[id])
      continue;
    if (first == N_EVENTS || model->time[id] < model->time[first] ||
        (model->time[id] == model->time[first] &&
         model->turn[id] < model->turn[first]))
      first = id;
  }
  return first;
}

static guint random_below(guint64 *state, guint limit) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return (guint)(*state >> 33) % limit;
}

static void set_both(DspHeap *heap, Model *model, guint32 id, double time) {
  dsp_heap_set(heap, id, time);
  model->time[id] = time;
  model->turn[id] = ++model->turns;
}

static void remove_both(DspHeap *heap, Model *model, guint32 id) {
  dsp_heap_remove(heap, id);
  model->turn[id] = 0;
}

static void pop_both(DspHeap *heap, Model *model) {
  const guint32 want = model_first(model);
  DSP_CHECK_INT(dsp_heap_is_empty(heap), want == N_EVENTS);
  if (want == N_EVENTS || dsp_heap_is_empty(heap))
    return;
  guint32 seen, got;
  const double earliest = dsp_heap_peek(heap, &seen);
  const double time = dsp_heap_pop(heap, &got);
  DSP_CHECK(seen == got && earliest == time, "peek and pop differ");
  DSP_CHECK(got == want && time == model->time[want],
            "got event %u at %g, want %u at %g", got, time, want,
            model->time[want]);
  model->turn[want] = 0;
}

/* Sets, moves, withdraws and pops at random; few distinct times, so that most
 * events have equals. */
static void test_against_model(void) {
  g_autoptr(DspHeap) heap = dsp_heap_new(0);
  Model model = {.turns = 0};
  guint64 state = 2385;
  for (int i = 0; i < 20000; i++) {
    const guint32 id = random_below(&state, N_EVENTS);
    const guint what = random_below(&state, 8);
    if (what < 4)
      set_both(heap, &model, id, random_below(&state, 40) * 0.125);
    else if (what < 5)
      remove_both(heap, &model, id);
    else
      pop_both(heap, &model);
  }
  while (model_first(&model) != N_EVENTS)
    pop_both(heap, &model);
  DSP_CHECK(dsp_heap_is_empty(heap), "empty at the end");
}

static void check_order(DspHeap *heap, const guint32 *want, guint n) {
  for (guint i = 0; i < n; i++) {
    guint32 id = G_MAXUINT32;
    dsp_heap_pop(heap, &id);
    DSP_CHECK_INT(id, want[i]);
  }
  DSP_CHECK(dsp_heap_is_empty(heap), "nothing more");
}

static void test_equal_times(void) {
  g_autoptr(DspHeap) heap = dsp_heap_new(4);
  for (guint32 id = 0; id < 5; id++)
    dsp_heap_set(heap, id, 1.5);
  dsp_heap_set(heap, 1, 1.5);  /* moved to the end of the line */
  dsp_heap_set(heap, 3, -0.5); /* before all */
  dsp_heap_set(heap, 0, 7.25); /* behind all */
  check_order(heap, (const guint32[]){3, 2, 4, 1, 0}, 5);
}

static void test_extremes(void) {
  g_autoptr(DspHeap) heap = dsp_heap_new(1);
  dsp_heap_set(heap, 70000, INFINITY); /* far beyond the capacity */
  dsp_heap_set(heap, 0, -INFINITY);
  dsp_heap_set(heap, 5, 0.0);
  dsp_heap_set(heap, 4, -0.0); /* equals 0.0 */
  dsp_heap_remove(heap, 80000);
  dsp_heap_remove(heap, 6);
  check_order(heap, (const guint32[]){0, 5, 4, 70000}, 4);
  dsp_heap_free(NULL);
}

CU_TestInfo heap_tests[] = {
    {"random operations against a plain queue", test_against_model},
    {"equal times keep the order of insertion", test_equal_times},
    {"extreme times and numbers", test_extremes},
    CU_TEST_INFO_NULL,
};
