/* SPDX-License-Identifier: Apache-2.0 */
/* Timelines: what perfetto's importer asks of events, and that they tell what
 * was simulated. */
#include "report/trace.h"
#include "schedule/method.h"
#include "test.h"
#include <cjson/cJSON.h>
#include <stdlib.h>

static DspModel *tiny, *llama;
static DspCluster *h100;

static int setup(void) {
  g_autofree char *path = dsp_test_path("tests/data/tiny.json");
  tiny = dsp_model_load(path, NULL);
  llama = dsp_model_load("llama-2-7b", NULL);
  h100 = dsp_cluster_load("dgx-h100", NULL);
  return !tiny || !llama || !h100;
}

static int teardown(void) {
  dsp_model_free(tiny);
  dsp_model_free(llama);
  dsp_cluster_free(h100);
  return 0;
}

/* --- traces -------------------------------------------------------------- */

/* A plan of 16 GPUs on two nodes. */
typedef struct {
  const char *method, *variant;
  int64_t degree[DSP_N_AXES];
  int zero;
  gboolean causal; /* of the causal model */
} Case;

static const Case cases[] = {
    {"dsp", "best", {4, 1, 1, 4, 1}, 2, FALSE},
    {"ulysses", "best", {4, 1, 1, 4, 1}, 3, FALSE},
    {"ring", "best", {2, 1, 8, 1, 1}, 0, FALSE},
    {"ring", "naive", {1, 1, 16, 1, 1}, 0, TRUE},
    {"ring", "naive", {2, 1, 4, 1, 2}, 0, TRUE},
    {"single", "best", {16, 1, 1, 1, 1}, 1, FALSE},
};

typedef struct {
  DspTopology *topology;
  DspPrices *prices;
  DspSchedule *schedule;
  guint ranks[16];
  DspTrace trace;
} Fixture;

static Fixture *fixture_new(const Case *c) {
  Fixture *f = g_new0(Fixture, 1);
  const DspModel *model = c->causal ? llama : tiny;
  const DspJob job = {.model = model,
                      .cluster = h100,
                      .gpus = 16,
                      .lengths = dsp_model_default_lengths(model),
                      .batch = 1};
  DspPlan plan = {.method = dsp_method_find(c->method),
                  .home = -1,
                  .recompute = DSP_RECOMPUTE_FULL,
                  .zero = c->zero};
  plan.variant = (guint)dsp_method_variant(plan.method, c->variant);
  memcpy(plan.degree, c->degree, sizeof plan.degree);
  f->topology = dsp_topology_new(h100, job.gpus, NULL);
  f->prices = dsp_prices_new(f->topology, NULL);
  f->schedule = dsp_schedule_new(&job, &plan, NULL);
  for (guint i = 0; i < job.gpus; i++)
    f->ranks[i] = i;
  f->trace = (DspTrace){.schedule = f->schedule,
                        .prices = f->prices,
                        .ranks = f->ranks,
                        .n_ranks = job.gpus,
                        .to = INFINITY};
  DSP_CHECK(f->schedule != NULL, "no schedule of %s", c->method);
  return f;
}

static void fixture_free(Fixture *f) {
  dsp_schedule_free(f->schedule);
  dsp_prices_free(f->prices);
  dsp_topology_free(f->topology);
  g_free(f);
}

/* The caller frees (free). */
static char *text_of(const DspTrace *trace) {
  char *text = NULL;
  size_t length = 0;
  FILE *file = open_memstream(&text, &length);
  dsp_trace_json(trace, file);
  fclose(file);
  DSP_CHECK(strlen(text) == length, "a zero byte in %zu", length);
  return text;
}

static DspSimResult simulate(const Fixture *f) {
  const DspSimOptions options = {.every_rank = FALSE};
  DspSimResult result;
  dsp_simulate(f->schedule, f->prices, &options, &result);
  return result;
}

/* --- events -------------------------------------------------------------- */

static const char *string_of(const cJSON *event, const char *key) {
  return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(event, key));
}

/* -1: there is none. */
static double number_of(const cJSON *event, const char *key) {
  const cJSON *item = cJSON_GetObjectItemCaseSensitive(event, key);
  return cJSON_IsNumber(item) ? item->valuedouble : -1;
}

/* Whole nanoseconds. */
static gint64 ns_of(const cJSON *event, const char *key) {
  const double us = number_of(event, key);
  DSP_CHECK(us >= 0, "no %s", key);
  return llround(us * 1000);
}

typedef struct {
  gint64 last;  /* ts of the last event */
  GArray *open; /* gint64: ends of slices, each within the one before */
  double bytes; /* of a counter: the sum of value times time */
  double value; /* of a counter: the last */
  double most;  /* of a counter */
} Line;

static void line_free(gpointer data) {
  g_array_free(((Line *)data)->open, TRUE);
  g_free(data);
}

typedef struct {
  GHashTable *lines;  /* "pid/tid" or "pid/name" of a counter -> Line */
  GHashTable *arrows; /* id -> the pid of s, until f */
  guint slices, paired, named;
} Seen;

static void seen_clear(Seen *seen) {
  g_hash_table_destroy(seen->lines);
  g_hash_table_destroy(seen->arrows);
}

static Line *line_of(Seen *seen, char *key) {
  Line *line = g_hash_table_lookup(seen->lines, key);
  if (line) {
    g_free(key);
    return line;
  }
  line = g_new0(Line, 1);
  line->open = g_array_new(FALSE, FALSE, sizeof(gint64));
  g_hash_table_insert(seen->lines, key, line);
  return line;
}

static gint64 innermost(const Line *line) {
  return line->open->len
             ? g_array_index(line->open, gint64, line->open->len - 1)
             : G_MAXINT64;
}

static void close_slices(Line *line, gint64 ts) {
  while (innermost(line) <= ts)
    g_array_set_size(line->open, line->open->len - 1);
}

static void see_slice(Seen *seen, Line *line, const cJSON *event) {
  const gint64 ts = ns_of(event, "ts"), end = ts + ns_of(event, "dur");
  close_slices(line, ts);
  DSP_CHECK(end <= innermost(line),
            "'%s' from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT
            " ns is not within one to %" G_GINT64_FORMAT,
            string_of(event, "name"), ts, end, innermost(line));
  g_array_append_val(line->open, end);
  seen->slices++;
}

static void see_counter(Line *line, const cJSON *event) {
  const cJSON *args = cJSON_GetObjectItemCaseSensitive(event, "args");
  DSP_CHECK(args && cJSON_IsNumber(args->child), "a counter without a value");
  const gint64 ts = ns_of(event, "ts");
  line->bytes += line->value * (double)(ts - line->last);
  line->value = args->child->valuedouble;
  line->most = MAX(line->most, line->value);
}

/* Both ends are in slices: of the thread, there is one until then. Either end
 * may be written first. */
static void see_arrow(Seen *seen, Line *line, const cJSON *event) {
  const double id = number_of(event, "id");
  const gint64 ts = ns_of(event, "ts");
  gint64 *key = g_new(gint64, 1);
  *key = (gint64)id;
  DSP_CHECK(id >= 0, "an arrow without id");
  close_slices(line, ts);
  DSP_CHECK(line->open->len > 0, "an arrow in no slice");
  gpointer other = g_hash_table_lookup(seen->arrows, key);
  const int pid = (int)number_of(event, "pid");
  const int mark = *string_of(event, "ph") == 's' ? pid : -pid;
  if (!other) {
    g_hash_table_insert(seen->arrows, key, GINT_TO_POINTER(mark));
    return;
  }
  DSP_CHECK((GPOINTER_TO_INT(other) > 0) != (mark > 0) &&
                ABS(GPOINTER_TO_INT(other)) != pid,
            "arrow %g from %d to %d", id, GPOINTER_TO_INT(other), mark);
  g_hash_table_remove(seen->arrows, key);
  g_free(key);
  seen->paired++;
}

static void see(Seen *seen, const cJSON *event) {
  const char *phase = string_of(event, "ph"), *name = string_of(event, "name");
  const int pid = (int)number_of(event, "pid");
  DSP_CHECK(phase && name && pid >= 0, "an event without ph, name or pid");
  if (*phase == 'M') {
    seen->named += g_str_equal(name, "process_name") && pid > 0;
    return;
  }
  const gint64 ts = ns_of(event, "ts");
  const int tid = (int)number_of(event, "tid");
  Line *line =
      line_of(seen, *phase == 'C' ? g_strdup_printf("%d/%s", pid, name)
                                  : g_strdup_printf("%d/%d", pid, tid));
  DSP_CHECK(pid > 0 && (*phase == 'C' || tid > 0), "thread %d of %d", tid, pid);
  if (*phase == 'X')
    see_slice(seen, line, event);
  else if (*phase == 'C')
    see_counter(line, event);
  else
    see_arrow(seen, line, event);
  /* An arrow ends before its slice does, and no later slice begins earlier. */
  DSP_CHECK(ts >= line->last,
            "%s at %" G_GINT64_FORMAT " ns after one at %" G_GINT64_FORMAT,
            phase, ts, line->last);
  line->last = ts;
}

static Seen read_trace(const char *text) {
  Seen seen = {
      g_hash_table_new_full(g_str_hash, g_str_equal, g_free, line_free),
      g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL), 0, 0,
      0};
  cJSON *json = cJSON_Parse(text);
  const cJSON *events = cJSON_GetObjectItemCaseSensitive(json, "traceEvents");
  DSP_CHECK(cJSON_IsArray(events), "no events");
  for (const cJSON *e = events ? events->child : NULL; e; e = e->next)
    see(&seen, e);
  DSP_CHECK_INT(g_hash_table_size(seen.arrows), 0);
  cJSON_Delete(json);
  return seen;
}

/* --- tests --------------------------------------------------------------- */

static void test_valid(void) {
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    Fixture *f = fixture_new(&cases[i]);
    char *text = text_of(&f->trace), *again = text_of(&f->trace);
    Seen seen = read_trace(text);
    DSP_CHECK_INT(seen.named, 16);
    DSP_CHECK(seen.slices > 100 && seen.paired > 0, "%u slices, %u arrows",
              seen.slices, seen.paired);
    DSP_CHECK(strcmp(text, again) == 0, "two traces of %s differ",
              cases[i].method);
    seen_clear(&seen);
    free(text);
    free(again);
    fixture_free(f);
  }
}

/* The highest counter of memory is the predicted peak. */
static void test_memory(void) {
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    Fixture *f = fixture_new(&cases[i]);
    char *text = text_of(&f->trace);
    Seen seen = read_trace(text);
    const Line *memory = g_hash_table_lookup(seen.lines, "1/memory");
    DSP_CHECK(memory != NULL, "no memory");
    DSP_CHECK_INT(memory ? (gint64)memory->most : 0,
                  dsp_schedule_memory(f->schedule).peak);
    seen_clear(&seen);
    free(text);
    fixture_free(f);
  }
}

/* What leaves a GPU by NVLink is what its schedule declares: all-to-alls only,
 * in one node. */
static void test_links(void) {
  static const Case only = {"dsp", "best", {1, 1, 1, 8, 1}, 0, FALSE};
  DspJob job = {.model = tiny,
                .cluster = h100,
                .gpus = 8,
                .mode = DSP_MODE_INFER,
                .lengths = dsp_model_default_lengths(tiny),
                .batch = 2};
  DspPlan plan = {.method = dsp_method_find(only.method), .home = -1};
  memcpy(plan.degree, only.degree, sizeof plan.degree);
  g_autoptr(DspTopology) topology = dsp_topology_new(h100, 8, NULL);
  g_autoptr(DspPrices) prices = dsp_prices_new(topology, NULL);
  g_autoptr(DspSchedule) schedule = dsp_schedule_new(&job, &plan, NULL);
  static const guint rank = 5;
  const DspTrace trace = {.schedule = schedule,
                          .prices = prices,
                          .ranks = &rank,
                          .n_ranks = 1,
                          .to = INFINITY};
  const DspVolume volume = dsp_schedule_volume(schedule, ~0u);
  char *text = text_of(&trace);
  Seen seen = read_trace(text);
  const Line *nvlink = g_hash_table_lookup(seen.lines, "6/nvlink out");
  DSP_CHECK(volume.bytes[DSP_ALL_TO_ALL] > 0 && nvlink, "nothing is sent");
  DSP_CHECK_NEAR(nvlink ? nvlink->bytes : 0, (double)volume.total, 2e-3);
  DSP_CHECK(nvlink && nvlink->value == 0, "something is sent at the end");
  seen_clear(&seen);
  free(text);
}

static guint count(const char *text, const char *part) {
  guint n = 0;
  for (; (text = strstr(text, part)); text += strlen(part))
    n++;
  return n;
}

/* Some ranks have the slices that they have among all. */
static void test_ranks(void) {
  Fixture *f = fixture_new(&cases[3]);
  const guint some[] = {3, 12};
  char *all = text_of(&f->trace);
  f->trace.ranks = some;
  f->trace.n_ranks = G_N_ELEMENTS(some);
  char *part = text_of(&f->trace);
  DSP_CHECK_INT(count(part, "\"ph\":\"X\",\"pid\":13,"),
                count(all, "\"ph\":\"X\",\"pid\":13,"));
  DSP_CHECK(count(part, "\"pid\":13,") > 100, "rank 12 is missing");
  DSP_CHECK_INT(count(part, "\"pid\":5,"), 0);
  free(all);
  free(part);
  fixture_free(f);
}

/* A window of one block: its slices and no others. */
static void test_window(void) {
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    Fixture *f = fixture_new(&cases[i]);
    const double step = simulate(f).step_time;
    for (int pass = 0; pass < DSP_N_PASSES; pass++) {
      const gboolean found = dsp_trace_block(&f->trace, (DspPass)pass,
                                             &f->trace.from, &f->trace.to);
      DSP_CHECK_INT(found, pass != DSP_PASS_RECOMPUTE);
      if (!found || pass == DSP_PASS_UPDATE)
        continue;
      DSP_CHECK(0 < f->trace.from && f->trace.from < f->trace.to &&
                    f->trace.to < step,
                "a block from %g to %g s of %g", f->trace.from, f->trace.to,
                step);
      char *text = text_of(&f->trace);
      Seen seen = read_trace(text);
      DSP_CHECK(seen.slices > 100, "%u slices", seen.slices);
      DSP_CHECK(count(text, "\"block\":\"before\"") == 0, "a block before it");
      seen_clear(&seen);
      free(text);
    }
    fixture_free(f);
  }
}

/* Names come from files. */
static void test_hostile(void) {
  g_autofree char *path = dsp_test_path("tests/data/tiny.json");
  g_autoptr(DspModel) model = dsp_model_load(path, NULL);
  DspModel *own = tiny;
  g_free(model->blocks[0].name);
  model->blocks[0].name = g_strdup("\"},{\\\n\t\x01<b>\xff");
  tiny = model;
  Fixture *f = fixture_new(&cases[0]);
  char *text = text_of(&f->trace);
  Seen seen = read_trace(text);
  DSP_CHECK(seen.slices > 100, "%u slices", seen.slices);
  DSP_CHECK(g_utf8_validate(text, -1, NULL), "not UTF-8");
  seen_clear(&seen);
  free(text);
  fixture_free(f);
  tiny = own;
}

static CU_TestInfo tests[] = {{"valid, and the same each time", test_valid},
                              {"memory", test_memory},
                              {"links", test_links},
                              {"some ranks", test_ranks},
                              {"one block", test_window},
                              {"hostile names", test_hostile},
                              CU_TEST_INFO_NULL};
static CU_SuiteInfo suites[] = {{.pName = "trace",
                                 .pInitFunc = setup,
                                 .pCleanupFunc = teardown,
                                 .pTests = tests},
                                CU_SUITE_INFO_NULL};

DSP_TEST_MAIN(suites)
