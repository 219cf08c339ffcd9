/* SPDX-License-Identifier: Apache-2.0 */
/* Volumes against the derivations (DSP paper, tables of bytes per pair of
 * stages), the mirror of the backward pass, well-formed steps, memory, and the
 * rules that refuse plans. */
#include "base/paths.h"
#include "schedule/memory.h"
#include "schedule/method.h"
#include "schedule/rules.h"
#include "schedule/schedule.h"
#include "test.h"
#include <inttypes.h>

#define FORWARD   (1u << DSP_PASS_FORWARD)
#define RECOMPUTE (1u << DSP_PASS_RECOMPUTE)
#define BACKWARD  (1u << DSP_PASS_BACKWARD)
#define ALL       ((1u << DSP_N_PASSES) - 1)

static DspModel *divided, *llama, *video;
static DspCluster *cluster, *one_node;

/* Also called where no test runs, and so no assertion may stand. */
static DspModel *load_model(const char *name) {
  g_autoptr(GError) error = NULL;
  DspModel *model = dsp_model_load(name, &error);
  if (!model)
    fprintf(stderr, "%s\n", error->message);
  return model;
}

static int setup(void) {
  g_autofree char *path =
      dsp_test_path("tests/data/models/divided-64-heads.json");
  divided = load_model(path);
  llama = load_model("llama-2-7b");
  video = load_model("transformer-2d-720m");
  cluster = dsp_cluster_load("dgx-h100", NULL);
  one_node = dsp_cluster_load("node:1 gpu:64 nvlink:450GBps", NULL);
  return !divided || !llama || !video || !cluster || !one_node;
}

static int teardown(void) {
  dsp_model_free(divided);
  dsp_model_free(llama);
  dsp_model_free(video);
  dsp_cluster_free(cluster);
  dsp_cluster_free(one_node);
  return 0;
}

static DspJob job_of(const DspModel *model, guint gpus) {
  return (DspJob){.model = model,
                  .cluster = cluster,
                  .gpus = gpus,
                  .lengths = dsp_model_default_lengths(model),
                  .batch = 1};
}

/* A plan of one replica on `ranks`; usp with a ring of `ring`. */
static DspPlan plan_of(const char *method, const char *variant, int64_t ranks,
                       int64_t ring) {
  DspPlan plan = {.method = dsp_method_find(method), .home = -1};
  plan.variant = (guint)dsp_method_variant(plan.method, variant);
  for (int i = 0; i < DSP_N_AXES; i++)
    plan.degree[i] = 1;
  guint axes = plan.method->axes;
  if (axes == (1u << DSP_AXIS_SP | 1u << DSP_AXIS_RING)) {
    plan.degree[DSP_AXIS_RING] = ring;
    plan.degree[DSP_AXIS_SP] = ranks / ring;
    return plan;
  }
  for (int i = 0; i < DSP_N_AXES; i++)
    if (axes & (1u << i))
      plan.degree[i] = ranks;
  return plan;
}

static DspSchedule *schedule_of(const DspJob *job, const DspPlan *plan) {
  g_autoptr(GError) error = NULL;
  DspSchedule *schedule = dsp_schedule_new(job, plan, &error);
  DSP_CHECK_NO_ERROR(error);
  return schedule;
}

/* --- volumes
 * ------------------------------------------------------------------ */

/* Forward bytes that leave a device in a pair of stages, in units of M/N (N>0)
 * or M, with M the bytes of one activation; times (N-1)/N. `text`: the text's
 * keys and values besides. Derivations: Megatron-SP and ring move O(M), Ulysses
 * and DSP O(M/N). */
static const struct {
  const char *method, *variant;
  int64_t over_n, whole; /* k M/N + w M */
  gboolean text;
  int64_t launches; /* a block, 0: N-1 times `rings` */
  int64_t rings;
  int64_t most; /* ranks with a token for each slice, 0: any */
} volumes[] = {
    {"dsp", "best", 2, 0, FALSE, 2, 0},
    {"dsp", "pipelined-2", 2, 0, FALSE, 4, 0},
    {"dsp", "pipelined-4", 2, 0, FALSE, 8, 0, 48},
    {"ulysses", "best", 4, 0, FALSE, 4, 0},
    {"ulysses", "naive", 8, 0, FALSE, 8, 0},
    {"ulysses", "published", 10, 0, TRUE, 12, 0},
    {"ring", "best", 0, 2, FALSE, 0, 1},
    {"ring", "naive", 0, 4, FALSE, 0, 2},
    {"ring", "published", 0, 2, FALSE, 0, 1},
    {"megatron-sp", "best", 0, 4, FALSE, 4, 0},
    {"megatron-sp", "naive", 0, 8, FALSE, 8, 0},
    {"megatron-sp", "published", 0, 6, FALSE, 6, 0},
    {"megatron-tp", "best", 0, 8, FALSE, 4, 0},
    {"megatron-tp", "published", 0, 6, FALSE, 3, 0},
};

/* The activation with both dimensions padded as the exchange pads them. */
static int64_t padded_bytes(const DspJob *job, const char *method, int64_t n) {
  const int64_t *length = job->lengths.length;
  int64_t t = (length[0] + n - 1) / n * n, s = length[1];
  if (g_str_equal(method, "dsp"))
    s = (s + n - 1) / n * n;
  if (g_str_equal(method, "megatron-tp"))
    t = length[0];
  return t * s * job->model->streams[0].width * 2;
}

static void check_volume(guint row, int64_t n) {
  DspJob job = job_of(divided, (guint)n);
  job.cluster = one_node;
  const DspPlan plan = plan_of(volumes[row].method, volumes[row].variant, n, 1);
  int64_t blocks = divided->blocks[0].count;
  int64_t m = padded_bytes(&job, volumes[row].method, n);
  int64_t text = job.lengths.length[2] * divided->streams[1].width * 2 * 2;
  g_autoptr(DspSchedule) schedule = schedule_of(&job, &plan);
  if (!schedule)
    return;
  DspVolume volume = dsp_schedule_volume(schedule, FORWARD);
  int64_t parts = volumes[row].over_n * (m / n) + volumes[row].whole * m +
                  (volumes[row].text ? text : 0);
  int64_t launches = volumes[row].launches ? volumes[row].launches
                                           : volumes[row].rings * (n - 1);
  DSP_CHECK(volume.total == blocks * (parts / n * (n - 1)),
            "%s %s N=%" PRId64 ": %" PRId64 " bytes, want %" PRId64,
            volumes[row].method, volumes[row].variant, n, volume.total,
            blocks * (parts / n * (n - 1)));
  DSP_CHECK_INT(volume.collectives, blocks * launches);
}

static gboolean divides(const char *method, int64_t n) {
  return g_str_equal(method, "dsp") || g_str_equal(method, "ring") ||
         64 % n == 0;
}

static void test_volumes(void) {
  for (guint i = 0; i < G_N_ELEMENTS(volumes); i++)
    for (int64_t n = 2; n <= (volumes[i].most ? volumes[i].most : 64); n++)
      if (divides(volumes[i].method, n))
        check_volume(i, n);
}

/* usp: 4 M/N exchanged among u ranks, 2 of them of K and V passed on among r:
 * (4(u-1)/u + 2(r-1)/u... ) M/N, counted per rank. */
static void test_usp_volume(void) {
  static const int64_t degrees[][2] = {{2, 2}, {4, 2}, {2, 4}, {8, 8}, {32, 2}};
  for (guint i = 0; i < G_N_ELEMENTS(degrees); i++) {
    int64_t u = degrees[i][0], r = degrees[i][1], n = u * r;
    const DspJob job = job_of(divided, (guint)n);
    const DspPlan plan = plan_of("usp", "best", n, r);
    g_autoptr(DspSchedule) schedule = schedule_of(&job, &plan);
    int64_t shard = padded_bytes(&job, "usp", n) / n;
    DSP_CHECK_INT(dsp_schedule_volume(schedule, FORWARD).total,
                  divided->blocks[0].count *
                      (4 * shard / u * (u - 1) + 2 * shard * (r - 1)));
  }
}

/* The paper's "less than 25 %" is against exchanging in both attentions; the
 * honest figure against the best embedded schedule is half. */
static void test_paper_claim(void) {
  const DspJob job = job_of(divided, 8);
  int64_t total[3];
  static const char *const plans[][2] = {
      {"dsp", "best"}, {"ulysses", "naive"}, {"ulysses", "best"}};
  for (int i = 0; i < 3; i++) {
    const DspPlan plan = plan_of(plans[i][0], plans[i][1], 8, 1);
    g_autoptr(DspSchedule) schedule = schedule_of(&job, &plan);
    total[i] = dsp_schedule_volume(schedule, FORWARD).total;
  }
  DSP_CHECK_INT(total[1], 4 * total[0]);
  DSP_CHECK_INT(total[2], 2 * total[0]);
}

/* --- the backward pass
 * ------------------------------------------------------------ */

static void test_mirror(void) {
  for (guint i = 0; i < G_N_ELEMENTS(volumes); i++) {
    const DspJob job = job_of(divided, 8);
    DspPlan plan = plan_of(volumes[i].method, volumes[i].variant, 8, 1);
    plan.recompute = DSP_RECOMPUTE_FULL;
    g_autoptr(DspSchedule) schedule = schedule_of(&job, &plan);
    int64_t forward = dsp_schedule_volume(schedule, FORWARD).total;
    DspVolume backward = dsp_schedule_volume(schedule, BACKWARD);
    DSP_CHECK_INT(dsp_schedule_volume(schedule, RECOMPUTE).total, forward);
    DspVolume f = dsp_schedule_volume(schedule, FORWARD);
    gboolean ring = g_str_equal(volumes[i].method, "ring");
    DSP_CHECK_INT(backward.bytes[DSP_ALL_TO_ALL], f.bytes[DSP_ALL_TO_ALL]);
    DSP_CHECK_INT(backward.bytes[DSP_SENDRECV],
                  (ring ? 2 : 1) * f.bytes[DSP_SENDRECV]);
    DSP_CHECK_INT(backward.bytes[DSP_REDUCE_SCATTER], f.bytes[DSP_ALL_GATHER]);
  }
}

/* ZeRO 0 reduces gradients whole; 2 scatters them and gathers weights; 3
 * gathers weights twice. */
static void test_gradient_sync(void) {
  const DspJob job = job_of(divided, 8);
  int64_t bytes = dsp_model_parameters(divided) * 2;
  for (int zero = 0; zero <= 3; zero++) {
    DspPlan plan = plan_of("single", "best", 1, 1);
    plan.degree[DSP_AXIS_DP] = 8;
    plan.zero = zero;
    g_autoptr(DspSchedule) schedule = schedule_of(&job, &plan);
    DspVolume v = dsp_schedule_volume(schedule, ALL);
    DSP_CHECK_INT(v.bytes[DSP_ALL_REDUCE], zero ? 0 : 2 * bytes / 8 * 7);
    DSP_CHECK_INT(v.bytes[DSP_REDUCE_SCATTER], zero ? bytes / 8 * 7 : 0);
    DSP_CHECK_INT(v.bytes[DSP_ALL_GATHER], (zero == 3 ? 2
                                            : zero    ? 1
                                                      : 0) *
                                               (bytes / 8 * 7));
  }
}

/* --- well-formed steps
 * ---------------------------------------------------------------- */

/* Every block takes and leaves its streams as wide as the model says. */
static void test_widths(void) {
  g_auto(GStrv) names = dsp_list_data("models");
  for (guint i = 0; names[i]; i++) {
    g_autoptr(DspModel) model = load_model(names[i]);
    const DspJob job = job_of(model, 1);
    const DspPlan plan = plan_of("single", "best", 1, 1);
    g_autoptr(DspSchedule) schedule = schedule_of(&job, &plan);
    const DspSegment *block = schedule->segments->pdata[1];
    int64_t widest = 0;
    for (gsize j = block->first_tensor; j < block->end_tensor; j++) {
      const DspTensor *t = &g_array_index(schedule->tensors, DspTensor, j);
      widest = MAX(widest, t->stream == 0 ? t->width : 0);
    }
    DSP_CHECK(widest >= model->streams[0].width,
              "%s: no tensor of its first block is %" PRId64 " wide", names[i],
              model->streams[0].width);
  }
}

static void check_step(const DspSchedule *schedule, const DspStep *steps,
                       guint i) {
  const DspStep *step = &steps[i];
  for (int j = 0; j < DSP_MAX_WAITS; j++)
    if (step->waits[j] >= 0)
      DSP_CHECK(step->waits[j] < (int)i &&
                    steps[step->waits[j]].stream != step->stream,
                "step %u waits for step %d", i, step->waits[j]);
  for (int j = 0; j < DSP_MAX_INPUTS; j++)
    DSP_CHECK(step->inputs[j] < (int)schedule->tensors->len,
              "step %u reads tensor %d", i, step->inputs[j]);
  if (step->kind == DSP_STEP_COLLECTIVE)
    DSP_CHECK(step->exchange.bytes > 0 &&
                  dsp_plan_axis(&schedule->plan, step->exchange.axis).size > 1,
              "step %u exchanges %" PRId64 " bytes", i, step->exchange.bytes);
}

static void check_schedule(const DspJob *job, const DspPlan *plan) {
  g_autoptr(DspSchedule) schedule = dsp_schedule_new(job, plan, NULL);
  if (!schedule)
    return;
  for (guint i = 0; i < schedule->segments->len; i++) {
    const DspSegment *segment = schedule->segments->pdata[i];
    for (guint j = 0; j < segment->steps->len; j++)
      check_step(schedule, dsp_segment_steps(segment), j);
  }
  for (guint i = 0; i < schedule->tensors->len; i++)
    DSP_CHECK(g_array_index(schedule->tensors, DspTensor, i).bytes > 0,
              "tensor %u is empty", i);
}

static void test_well_formed(void) {
  const DspModel *models[] = {divided, video, llama};
  const DspMethod *const *methods;
  guint n = dsp_methods(&methods);
  for (guint m = 0; m < G_N_ELEMENTS(models); m++)
    for (guint i = 0; i < n; i++)
      for (int v = 0; methods[i]->variants[v]; v++)
        for (int mode = 0; mode < 2; mode++)
          for (int recompute = 0; recompute < 2; recompute++) {
            DspJob job = job_of(models[m], 6);
            DspPlan plan = plan_of(methods[i]->name, methods[i]->variants[v],
                                   methods[i]->axes ? 6 : 1, 3);
            if (!methods[i]->axes)
              plan.degree[DSP_AXIS_DP] = 6;
            job.mode = (DspMode)mode;
            plan.recompute = (DspRecompute)recompute;
            plan.zero = recompute ? 3 : 0;
            check_schedule(&job, &plan);
          }
}

/* --- memory
 * --------------------------------------------------------------------------------
 */

static void test_memory(void) {
  DspJob job = job_of(video, 8);
  DspPlan plan = plan_of("dsp", "best", 8, 1);
  plan.recompute = DSP_RECOMPUTE_FULL;
  plan.zero = 2;
  g_autoptr(DspSchedule) schedule = schedule_of(&job, &plan);
  DspMemoryUse use = dsp_schedule_memory(schedule);
  int64_t parameters = dsp_model_parameters(video);
  int64_t block = dsp_stream_tokens(video, 0, &job.lengths) / 8 * 1152 * 2;
  DSP_CHECK_INT(use.bytes[DSP_MEMORY_KIND_PARAMETERS], 2 * parameters);
  DSP_CHECK_INT(use.bytes[DSP_MEMORY_KIND_GRADIENTS], 2 * (parameters / 8));
  DSP_CHECK_INT(use.bytes[DSP_MEMORY_KIND_OPTIMIZER], 12 * (parameters / 8));
  /* 29 checkpoints of M/N, and inside one block more than ten tensors as
   * wide, but fewer than forty. */
  int64_t activations = use.bytes[DSP_MEMORY_KIND_ACTIVATIONS];
  DSP_CHECK(activations > 39 * block && activations < 69 * block,
            "activations are %.1f of M/N", (double)activations / (double)block);
}

static int64_t peak_of(DspJob *job, DspPlan plan, DspMemoryKind kind) {
  g_autoptr(DspSchedule) schedule = schedule_of(job, &plan);
  return dsp_schedule_memory(schedule).bytes[kind];
}

static void test_memory_order(void) {
  DspJob job = job_of(video, 8);
  DspPlan plan = plan_of("dsp", "best", 8, 1);
  int64_t none = peak_of(&job, plan, DSP_MEMORY_KIND_ACTIVATIONS);
  plan.recompute = DSP_RECOMPUTE_FULL;
  int64_t full = peak_of(&job, plan, DSP_MEMORY_KIND_ACTIVATIONS);
  DSP_CHECK(full * 5 < none, "recompute: %" PRId64 " against %" PRId64, full,
            none);
  job.mode = DSP_MODE_INFER;
  int64_t infer = peak_of(&job, plan, DSP_MEMORY_KIND_ACTIVATIONS);
  DSP_CHECK(infer < full, "inference: %" PRId64 " against %" PRId64, infer,
            full);
}

/* --- rules
 * ----------------------------------------------------------------------------------
 */

static const struct {
  const char *model, *method, *variant;
  int64_t ranks, ring;
  guint gpus;
  const char *reason, *nearest; /* nearest NULL: none */
} refused[] = {
    {"transformer-2d-720m", "ulysses", "best", 32, 1, 32,
     "16 heads do not divide by 32", "ulysses (best) ulysses=16 dp=2"},
    {"transformer-2d-720m", "megatron-sp", "best", 3, 1, 6,
     "16 heads do not divide by 3", "megatron-sp (best) sp=2 dp=3"},
    {"transformer-2d-720m", "dsp", "best", 6, 1, 48, "straddle nodes of 8 GPUs",
     "dsp sp=8 dp=6"},
    {"transformer-2d-720m", "dsp", "best", 1, 1, 8,
     "dsp needs a sp degree of at least 2", NULL},
    {"llama-2-7b", "dsp", "best", 8, 1, 8,
     "leaves no dimension, and no batch, of at least 8 to shard", NULL},
    {"llama-2-7b", "ulysses", "published", 8, 1, 8,
     "attention divided between dimensions", NULL},
    {"llama-2-7b", "megatron-tp", "best", 6, 1, 6,
     "32 heads do not divide by 6", "megatron-tp (best) tp=2 dp=3"},
    {"transformer-2d-720m", "usp", "best", 64, 2, 64,
     "16 heads do not divide by 32", "usp (best) ulysses=16 ring=2 dp=2"},
    {"transformer-2d-720m", "dsp", "best", 8, 1, 7,
     "degrees multiply to 8 ranks, not to 7 GPUs", "dsp sp=7"},
};

static void test_rules(void) {
  for (guint i = 0; i < G_N_ELEMENTS(refused); i++) {
    g_autoptr(GError) error = NULL;
    g_autoptr(DspModel) model = load_model(refused[i].model);
    DspJob job = job_of(model, refused[i].gpus);
    DspPlan plan = plan_of(refused[i].method, refused[i].variant,
                           refused[i].ranks, refused[i].ring),
            nearest;
    if (refused[i].gpus % refused[i].ranks == 0)
      plan.degree[DSP_AXIS_DP] = refused[i].gpus / dsp_plan_ranks(&plan);
    DSP_CHECK(!dsp_schedule_new(&job, &plan, &error), "row %u accepted", i);
    DSP_CHECK_ERROR(error, DSP_ERROR_INFEASIBLE, refused[i].reason);
    g_autofree char *text = dsp_plan_nearest(&job, &plan, NULL, NULL, &nearest)
                                ? dsp_plan_describe(&nearest)
                                : NULL;
    if (refused[i].nearest)
      DSP_CHECK_STRING(text, refused[i].nearest);
  }
}

/* Where no degree helps, another method is named. */
static void test_alternative(void) {
  DspJob job = job_of(llama, 8);
  DspPlan plan = plan_of("dsp", "best", 8, 1), other;
  DSP_CHECK(dsp_plan_alternative(&job, &plan, NULL, NULL, &other),
            "llama-2-7b has no alternative to dsp");
  g_autofree char *text = dsp_plan_describe(&other);
  DSP_CHECK_STRING(text, "ulysses (best) ulysses=8");
  DSP_CHECK(dsp_plan_check(&job, &other, NULL), "it does not run");
}

/* One frame: the temporal attention has nothing to shard but the batch. */
static void test_image(void) {
  DspJob job = job_of(video, 4);
  DspPlan plan = plan_of("dsp", "best", 4, 1);
  g_autoptr(GError) error = NULL;
  job.lengths.length[dsp_model_dim(video, "T")] = 1;
  DSP_CHECK(!dsp_schedule_new(&job, &plan, &error), "an image on 4 ranks");
  DSP_CHECK_ERROR(error, DSP_ERROR_INFEASIBLE, "no batch");
  job.batch = 4;
  g_autoptr(DspSchedule) schedule = schedule_of(&job, &plan);
  int64_t m = 4 * 4096 * 1152 * 2;
  DSP_CHECK_INT(dsp_schedule_volume(schedule, FORWARD).total,
                28 * 2 * (m / 4) / 4 * 3);
}

static void test_overflow(void) {
  DspJob job = job_of(video, 4);
  DspPlan plan = plan_of("dsp", "best", 4, 1);
  g_autoptr(GError) error = NULL;
  job.lengths.length[0] = INT64_C(1) << 40;
  job.lengths.length[1] = INT64_C(1) << 40;
  DSP_CHECK(!dsp_schedule_new(&job, &plan, &error), "2^80 tokens");
  DSP_CHECK_ERROR(error, DSP_ERROR_INFEASIBLE, "too many tokens");
}

/* --- slices
 * ------------------------------------------------------------------- */

/* Slices of each rank's part, one after another, are the part. */
static void test_slices(void) {
  for (int64_t length = 4; length < 40; length++)
    for (int64_t ranks = 1; ranks <= 4; ranks++)
      for (int64_t rank = 0; rank < ranks; rank++) {
        const DspLayout whole = {.dim = 0, .ranks = ranks};
        DspLayout slice = {.dim = 0, .ranks = ranks, .slices = 4};
        int64_t at = 0;
        for (slice.slice = 0; slice.slice < slice.slices; slice.slice++)
          for (int64_t i = 0; i < dsp_layout_part(slice, length); i++, at++)
            DSP_CHECK_INT(dsp_layout_index(slice, length, rank, i),
                          dsp_layout_index(whole, length, rank, at));
        DSP_CHECK_INT(at, dsp_layout_part(whole, length));
      }
}

/* Products between two steps of the first block. */
static guint products(const DspSchedule *schedule, guint first, guint last) {
  const DspStep *steps = dsp_segment_steps(schedule->segments->pdata[1]);
  guint n = 0;
  for (guint i = first; i < last; i++)
    n += steps[i].kind == DSP_STEP_GEMM;
  return n;
}

/* All slices are under way before the first is worked on, and the first goes
 * back before the last is. */
static void test_pipeline(void) {
  const DspJob job = job_of(video, 8);
  const DspPlan plan = plan_of("dsp", "pipelined-4", 8, 1);
  g_autoptr(DspSchedule) schedule = schedule_of(&job, &plan);
  const DspSegment *segment = schedule->segments->pdata[1];
  const DspStep *steps = dsp_segment_steps(segment);
  guint at[8], n = 0;
  for (guint i = 0; i < segment->steps->len; i++)
    if (steps[i].kind == DSP_STEP_COLLECTIVE && n < G_N_ELEMENTS(at))
      at[n++] = i;
  DSP_CHECK_INT(n, 8);
  DSP_CHECK_INT(products(schedule, at[0], at[3]), 0);
  for (guint i = 3; i < 7; i++)
    DSP_CHECK(products(schedule, at[i], at[i + 1]) > 0,
              "no product between exchanges %u and %u", i, i + 1);
}

/* What cannot be sliced runs as it does without: a length of fewer tokens, and
 * stages of several streams. */
static void test_unsliced(void) {
  static const struct {
    const char *model;
    int64_t length;
  } rows[] = {{"transformer-2d-720m", 31}, {"vchitect-2.0", 0}};
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autoptr(DspModel) model = load_model(rows[i].model);
    DspJob job = job_of(model, 8);
    job.mode = DSP_MODE_INFER;
    if (rows[i].length)
      job.lengths.length[1] = rows[i].length;
    const DspPlan plan = plan_of("dsp", "best", 8, 1),
                  sliced = plan_of("dsp", "pipelined-4", 8, 1);
    g_autoptr(DspSchedule) a = schedule_of(&job, &plan);
    g_autoptr(DspSchedule) b = schedule_of(&job, &sliced);
    const DspVolume x = dsp_schedule_volume(a, ALL),
                    y = dsp_schedule_volume(b, ALL);
    DSP_CHECK_INT(x.total, y.total);
    DSP_CHECK(rows[i].length == 0 || x.collectives == y.collectives,
              "%s: %" PRId64 " collectives, %" PRId64 " sliced", rows[i].model,
              x.collectives, y.collectives);
  }
}

static CU_TestInfo volume_tests[] = {{"derivations", test_volumes},
                                     {"usp", test_usp_volume},
                                     {"the paper's claim", test_paper_claim},
                                     {"backward mirrors forward", test_mirror},
                                     {"ZeRO", test_gradient_sync},
                                     CU_TEST_INFO_NULL};
static CU_TestInfo step_tests[] = {{"well-formed", test_well_formed},
                                   {"widths", test_widths},
                                   {"an image", test_image},
                                   {"slices", test_slices},
                                   {"pipeline", test_pipeline},
                                   {"unsliced", test_unsliced},
                                   {"memory", test_memory},
                                   {"memory in order", test_memory_order},
                                   CU_TEST_INFO_NULL};
static CU_TestInfo rule_tests[] = {{"refusals", test_rules},
                                   {"alternatives", test_alternative},
                                   {"overflow", test_overflow},
                                   CU_TEST_INFO_NULL};
static CU_SuiteInfo suites[] = {{.pName = "volumes",
                                 .pInitFunc = setup,
                                 .pCleanupFunc = teardown,
                                 .pTests = volume_tests},
                                {.pName = "steps",
                                 .pInitFunc = setup,
                                 .pCleanupFunc = teardown,
                                 .pTests = step_tests},
                                {.pName = "rules",
                                 .pInitFunc = setup,
                                 .pCleanupFunc = teardown,
                                 .pTests = rule_tests},
                                CU_SUITE_INFO_NULL};

DSP_TEST_MAIN(suites)
