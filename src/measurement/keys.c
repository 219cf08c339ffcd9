/* SPDX-License-Identifier: Apache-2.0 */
/* What points are told apart by. */
#include "measurement/keys.h"
#include "base/error.h"
#include "cluster/gpu.h"
#include "measurement/predict-point.h"
#include <math.h>
#include <string.h>

typedef DspKeyValue Value;

static Value text_value(const char *text) {
  return (Value){g_strdup(text), 0};
}

static Value number_value(int64_t number) {
  return (Value){g_strdup_printf("%" G_GINT64_FORMAT, number), (double)number};
}

static const Value none = {NULL, 0};

/* --- bands --------------------------------------------------------------- */

typedef struct {
  double from;
  const char *name; /* NULL ends the table */
} Band;

#define KIB 1024.0
#define MIB (1024 * KIB)

static const Band sizes[] = {{0, "below 1 MiB"},
                             {MIB, "1 to 64 MiB"},
                             {64 * MIB, "64 MiB and above"},
                             {0, NULL}};
static const Band gemm_times[] = {
    {0, "up to 100 us"}, {100, "above 100 us"}, {0, NULL}};
static const Band memory_times[] = {
    {0, "up to 10 us"}, {10, "above 10 us"}, {0, NULL}};
static const Band gpu_counts[] = {
    {0, "1 GPU"}, {2, "2 to 8 GPUs"}, {9, "more GPUs"}, {0, NULL}};
static const Band sequence_lengths[] = {
    {0, "below 32k tokens"}, {32 * KIB, "32k tokens and above"}, {0, NULL}};

enum { LONG, SHORT, CROSS, OTHER };
static const Band attention_shapes[] = {{LONG, "1k tokens and more"},
                                        {SHORT, "many short"},
                                        {CROSS, "cross"},
                                        {OTHER, "other"},
                                        {0, NULL}};

/* Long; short ones by the hundred, as in attention between frames; queries and
 * keys of different streams; what is left. */
static double attention_shape(const DspPoint *p) {
  const DspAttentionPoint *a = &p->attention;
  enum { LEAST_LONG = 1000, MOST_SHORT = 256, MANY = 256 };
  if (a->seq_q != a->seq_k)
    return CROSS;
  if (a->seq_q >= LEAST_LONG)
    return LONG;
  return a->seq_q <= MOST_SHORT && a->batch >= MANY / (double)a->heads ? SHORT
                                                                       : OTHER;
}

static double bytes_of(const DspPoint *p) {
  return (double)p->collective.bytes;
}

/* Just above the limit belongs to the upper band, the limit to the lower. */
static double time_of(const DspPoint *p) {
  return nextafter(p->measured, 0);
}

static double gpus_of(const DspPoint *p) {
  return (double)p->step.gpus;
}

static double tokens_of(const DspPoint *p) {
  return (double)p->layer.seq;
}

static Value band_value(const DspScored *s) {
  static const struct {
    const Band *bands;
    double (*quantity)(const DspPoint *p);
  } of[DSP_N_MEASURED] = {
      [DSP_MEASURED_COLLECTIVE] = {sizes, bytes_of},
      [DSP_MEASURED_GEMM] = {gemm_times, time_of},
      [DSP_MEASURED_ATTENTION] = {attention_shapes, attention_shape},
      [DSP_MEASURED_MEMORY] = {memory_times, time_of},
      [DSP_MEASURED_STEP] = {gpu_counts, gpus_of},
      [DSP_MEASURED_LAYER] = {sequence_lengths, tokens_of},
  };
  const Band *band = of[s->point->kind].bands;
  const double quantity = of[s->point->kind].quantity(s->point);
  while (band[1].name && quantity >= band[1].from)
    band++;
  return (Value){g_strdup(band->name), band->from};
}

/* --- keys ---------------------------------------------------------------- */

static Value kind_value(const DspScored *s) {
  return text_value(dsp_measured_names[s->point->kind]);
}

static Value collective_value(const DspScored *s) {
  const DspPoint *p = s->point;
  return p->kind == DSP_MEASURED_COLLECTIVE
             ? text_value(dsp_collective_names[p->collective.collective])
             : none;
}

static Value gpu_value(const DspScored *s) {
  return text_value(s->gpu ? s->gpu : "unknown");
}

static Value cluster_value(const DspScored *s) {
  const char *cluster = dsp_point_cluster(s->point);
  return cluster ? text_value(cluster) : none;
}

static Value model_value(const DspScored *s) {
  return s->point->kind == DSP_MEASURED_STEP ? text_value(s->point->step.model)
                                             : none;
}

static Value method_value(const DspScored *s) {
  const DspMeasuredPlan *plan = dsp_point_plan(s->point);
  return plan ? text_value(plan->method->name) : none;
}

static Value nodes_value(const DspScored *s) {
  const DspPoint *p = s->point;
  return p->kind == DSP_MEASURED_COLLECTIVE ? number_value(p->collective.nodes)
                                            : none;
}

static Value gpus_value(const DspScored *s) {
  const DspPoint *p = s->point;
  switch (p->kind) {
  case DSP_MEASURED_COLLECTIVE:
    return number_value(p->collective.nodes * p->collective.gpus_per_node);
  case DSP_MEASURED_STEP:
    return number_value(p->step.gpus);
  case DSP_MEASURED_LAYER:
    return number_value(p->layer.gpus);
  default:
    return none;
  }
}

static Value pass_value(const DspScored *s) {
  const DspPoint *p = s->point;
  static const char *const directions[] = {"fwd", "bwd"};
  static const char *const layers[] = {"fwd", "fwd_bwd"};
  if (p->kind == DSP_MEASURED_ATTENTION)
    return (Value){g_strdup(directions[p->attention.pass]), p->attention.pass};
  return p->kind == DSP_MEASURED_LAYER ? text_value(layers[p->layer.pass])
                                       : none;
}

static Value kernel_value(const DspScored *s) {
  const DspPoint *p = s->point;
  const int kernels[DSP_N_MEASURED] = {
      [DSP_MEASURED_ATTENTION] = p->attention.kernel,
      [DSP_MEASURED_STEP] = p->step.kernel,
      [DSP_MEASURED_LAYER] = p->layer.kernel,
  };
  const int kernel = kernels[p->kind];
  if (p->kind != DSP_MEASURED_ATTENTION && p->kind != DSP_MEASURED_STEP &&
      p->kind != DSP_MEASURED_LAYER)
    return none;
  return text_value(kernel < 0 ? "not named"
                               : dsp_attention_kernel_names[kernel]);
}

static Value clocks_value(const DspScored *s) {
  const DspPoint *p = s->point;
  if (p->kind == DSP_MEASURED_GEMM)
    return text_value(dsp_clocks_names[p->gemm.clocks]);
  return p->kind == DSP_MEASURED_ATTENTION
             ? text_value(dsp_clocks_names[p->attention.clocks])
             : none;
}

static Value nccl_value(const DspScored *s) {
  const DspCollectivePoint *p = &s->point->collective;
  if (s->point->kind != DSP_MEASURED_COLLECTIVE)
    return none;
  return (Value){g_strdup(p->nccl ? p->nccl : "not given"), (double)p->version};
}

static Value processes_value(const DspScored *s) {
  const DspCollectivePoint *p = &s->point->collective;
  if (s->point->kind != DSP_MEASURED_COLLECTIVE)
    return none;
  return text_value(p->processes < 0 ? "not given"
                                     : dsp_processes_names[p->processes]);
}

static Value op_value(const DspScored *s) {
  const DspMemoryPoint *p = &s->point->memory;
  return s->point->kind == DSP_MEASURED_MEMORY
             ? text_value(dsp_memory_op_names[p->op])
             : none;
}

static Value mode_value(const DspScored *s) {
  return s->point->kind == DSP_MEASURED_STEP
             ? text_value(dsp_mode_names[s->point->step.mode])
             : none;
}

static Value launch_value(const DspScored *s) {
  return s->point->kind == DSP_MEASURED_STEP
             ? text_value(dsp_launch_names[s->point->step.launch])
             : none;
}

static Value guidance_value(const DspScored *s) {
  return s->point->kind == DSP_MEASURED_STEP
             ? text_value(dsp_guidance_names[s->point->step.guidance])
             : none;
}

/* What the time holds that is neither modelled nor known. */
static Value outside_value(const DspScored *s) {
  const guint unmodelled = dsp_point_unmodelled(s->point);
  g_autoptr(GString) text = g_string_new(NULL);
  if (s->point->kind != DSP_MEASURED_STEP)
    return none;
  for (guint i = 0; dsp_outside_names[i]; i++)
    if (unmodelled & (1u << i))
      g_string_append_printf(text, "%s%s", text->len ? "+" : "",
                             dsp_outside_names[i]);
  return text_value(text->len ? text->str : "nothing");
}

static Value trust_value(const DspScored *s) {
  return (Value){g_strdup(dsp_trust_names[s->point->trust]), s->point->trust};
}

static Value group_value(const DspScored *s) {
  return text_value(s->point->group ? s->point->group : "none");
}

static Value file_value(const DspScored *s) {
  return text_value(s->file->file);
}

/* Each has a function of its name above. */
/* clang-format off */
#define KEYS(X)                                                                \
  X(kind) X(band) X(collective) X(gpu) X(cluster) X(model) X(method) X(nodes)  \
  X(gpus) X(nccl) X(processes) X(pass) X(kernel) X(clocks) X(op) X(mode)       \
  X(launch) X(guidance) X(outside) X(trust) X(group) X(file)
/* clang-format on */
#define KEY(name)  {#name, name##_value},
#define NAME(name) #name,

static const DspScoreKey keys[] = {KEYS(KEY)};
static const char *const key_names[] = {KEYS(NAME) NULL};

const char *const *dsp_score_keys(void) {
  return key_names;
}

const char *dsp_score_usual_key(DspMeasuredKind kind) {
  static const char *const usual[DSP_N_MEASURED] = {
      [DSP_MEASURED_COLLECTIVE] = "band",     [DSP_MEASURED_GEMM] = "band",
      [DSP_MEASURED_ATTENTION] = "pass,band", [DSP_MEASURED_MEMORY] = "op",
      [DSP_MEASURED_STEP] = "mode",           [DSP_MEASURED_LAYER] = "method",
  };
  return usual[kind];
}

const DspScoreKey *dsp_score_key(const char *name) {
  for (guint i = 0; i < G_N_ELEMENTS(keys); i++)
    if (strcmp(keys[i].name, name) == 0)
      return &keys[i];
  return NULL;
}

gboolean dsp_score_check_keys(const char *by, GError **error) {
  g_auto(GStrv) names = g_strsplit(by, ",", -1);
  for (char **name = names; *name; name++)
    if (!dsp_score_key(*name)) {
      const char *near = dsp_nearest_name(*name, key_names);
      g_autofree char *all = g_strjoinv(", ", (char **)key_names);
      g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE, "no key '%s'%s%s%s (%s)",
                  *name, near ? ", did you mean '" : "", near ? near : "",
                  near ? "'?" : "", all);
      return FALSE;
    }
  if (g_strv_length(names) <= DSP_MAX_SCORE_KEYS)
    return TRUE;
  g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE, "at most %d keys",
              DSP_MAX_SCORE_KEYS);
  return FALSE;
}
