/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/job.h"
#include "base/error.h"
#include "base/json.h"
#include "base/units.h"
#include "kernel/kernel.h"
#include <string.h>

#define DEFAULT_MODEL   "transformer-2d-720m"
#define DEFAULT_CLUSTER "dgx-h100"

/* --- the options --------------------------------------------------------- */

static gboolean parse_pixels(const DspOption *option, const char *text,
                             gpointer member, GError **error) {
  DspPixels *pixels = member;
  g_auto(GStrv) sides = g_strsplit(text, "x", 2);
  (void)option;
  if (sides[0] && sides[1] &&
      dsp_parse_count(sides[0], DSP_UNITS_COMMAND_LINE, &pixels->height,
                      NULL) &&
      dsp_parse_count(sides[1], DSP_UNITS_COMMAND_LINE, &pixels->width, NULL) &&
      pixels->height && pixels->width)
    return TRUE;
  g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE,
              "'%s' is not HEIGHTxWIDTH in pixels, such as 720x1280", text);
  return FALSE;
}

static void tell_pixels(const DspOption *option, gconstpointer member,
                        GPtrArray *texts) {
  const DspPixels *pixels = member;
  (void)option;
  if (pixels->height)
    g_ptr_array_add(texts,
                    g_strdup_printf("%" G_GINT64_FORMAT "x%" G_GINT64_FORMAT,
                                    pixels->height, pixels->width));
}

static const DspOptionType option_pixels = {FALSE, parse_pixels, NULL,
                                            tell_pixels};

static void clear_price(gpointer member) {
  DspGpuHour *price = member;
  g_clear_pointer(&price->currency, g_free);
}

static gboolean parse_price(const DspOption *option, const char *text,
                            gpointer member, GError **error) {
  DspGpuHour *price = member;
  (void)option;
  clear_price(price);
  return dsp_parse_price(text, &price->amount, &price->currency, error);
}

static void tell_price(const DspOption *option, gconstpointer member,
                       GPtrArray *texts) {
  const DspGpuHour *price = member;
  (void)option;
  if (price->currency)
    g_ptr_array_add(texts,
                    g_strdup_printf("%.17g%s", price->amount, price->currency));
}

static const DspOptionType option_price = {FALSE, parse_price, clear_price,
                                           tell_price};

static const char *const zero_names[] = {"0", "1", "2", "3", NULL};
#define AT(member) G_STRUCT_OFFSET(DspJobOptions, member)

const DspOption dsp_job_options[] = {
    {"model", 'm', &dsp_option_string, AT(model), "MODEL",
     "model, or the path of its file", DEFAULT_MODEL, NULL},
    {"cluster", 'c', &dsp_option_string, AT(cluster), "CLUSTER",
     "cluster, path or one-line description", DEFAULT_CLUSTER, NULL},
    {"gpus", 'g', &dsp_option_count, AT(gpus), "N", "GPUs",
     "8; all of a description", NULL},
    {"price", 0, &option_price, AT(price), "PRICE",
     "of a GPU hour, with its currency: 2.5USD", "the cluster's", NULL},
    {"mode", 0, &dsp_option_enum, AT(mode), "MODE", "what a step does", "train",
     dsp_mode_names},
    {"frames", 0, &dsp_option_count, AT(frames), "N", "frames of a video", NULL,
     NULL},
    {"size", 0, &option_pixels, AT(pixels), "HxW",
     "pixels of a frame: 720x1280", NULL, NULL},
    {"dim", 0, &dsp_option_list, AT(dims), "NAME=N",
     "length of a dimension in tokens: T=128", NULL, NULL},
    {"batch", 'b', &dsp_option_count, AT(batch), "N",
     "samples of a replica in a step", "1", NULL},
    {"dtype", 0, &dsp_option_enum, AT(dtype), "TYPE", "of the tensors",
     "bf16; on Volta fp16", dsp_dtype_names},
    {"guidance", 0, &dsp_option_enum, AT(guidance), "HOW",
     "classifier-free, in inference", "none", dsp_guidance_names},
    {"evaluations", 0, &dsp_option_count, AT(evaluations), "N",
     "of the model in a run of inference", NULL, NULL},
    {NULL}};

const DspOption dsp_plan_options[] = {
    {"method", 0, &dsp_option_string, AT(method), "METHOD",
     "one of 'dspsim list methods'", NULL, NULL},
    {"variant", 0, &dsp_option_string, AT(variant), "VARIANT", "of the method",
     NULL, NULL},
    {"sp", 0, &dsp_option_count, AT(sequence), "N",
     "degree that carries the method", NULL, NULL},
    {"degrees", 0, &dsp_option_string, AT(degrees), "NAME=N,...",
     "one by one: dp=2,ulysses=4,ring=2,tp=1,cfg=1", NULL, NULL},
    {"home", 0, &dsp_option_string, AT(home), "DIM",
     "dimension that is sharded between stages", "the model's", NULL},
    {"recompute", 0, &dsp_option_enum, AT(recompute), "HOW",
     "of activations, in training", "full", dsp_recompute_names},
    {"zero", 0, &dsp_option_enum, AT(zero), "STAGE",
     "what ranks with the same weights share out", "2", zero_names},
    {NULL}};

const DspOption dsp_run_options[] = {
    {"launch", 0, &dsp_option_enum, AT(launch), "HOW",
     "how the CPU starts kernels", "eager", dsp_launch_names},
    {"attention", 0, &dsp_option_enum, AT(attention), "KERNEL", "kernel",
     "by the GPU", dsp_attention_kernel_names},
    {"algo", 0, &dsp_option_enum, AT(algorithm), "NAME", "as NCCL_ALGO",
     "NCCL's choice", dsp_forced_algorithm_names},
    {"proto", 0, &dsp_option_enum, AT(protocol), "NAME", "as NCCL_PROTO",
     "NCCL's choice", dsp_protocol_names},
    {"channels", 0, &dsp_option_count, AT(channels), "N",
     "as NCCL_MAX_NCHANNELS", "NCCL's choice", NULL},
    {"every-rank", 0, &dsp_option_flag, AT(every_rank), NULL,
     "simulate ranks that do the same one by one", NULL, NULL},
    {NULL}};

/* --- what and where ------------------------------------------------------ */

/* The option, the operand that stands for it, or the default. */
static const char *choose_name(const char *option, const char *given,
                               const char *operand, const char *otherwise,
                               GError **error) {
  if (!given || !operand)
    return given ? given : operand ? operand : otherwise;
  dsp_option_fail(error, option, "is '%s', and the operand is '%s'", given,
                  operand);
  return NULL;
}

static gboolean load(DspTask *task, DspStock *stock, const DspJobOptions *o,
                     char *const *operands, GError **error) {
  const char *model =
      choose_name("model", o->model, operands[0], DEFAULT_MODEL, error);
  const char *cluster = model ? choose_name("cluster", o->cluster,
                                            operands[0] ? operands[1] : NULL,
                                            DEFAULT_CLUSTER, error)
                              : NULL;
  if (cluster)
    task->model = dsp_stock_model(stock, model, error);
  if (task->model)
    task->cluster = dsp_stock_cluster(stock, cluster, o->price.amount,
                                      o->price.currency, error);
  return task->cluster != NULL;
}

/* All of a one-line description, which says how many; else a node of eight. */
static int64_t default_gpus(const DspCluster *cluster) {
  enum { USUAL = 8 };
  const int64_t all = cluster->max_nodes * cluster->gpus_per_node;
  if (all > 0 && !cluster->file)
    return all;
  return all > 0 ? MIN(all, USUAL) : USUAL;
}

static gboolean count_gpus(DspTask *task, const DspJobOptions *o,
                           GError **error) {
  const int64_t gpus = o->gpus ? o->gpus : default_gpus(task->cluster);
  if (gpus > G_MAXUINT / 2)
    return dsp_option_fail(error, "gpus", "%" G_GINT64_FORMAT " are too many",
                           gpus);
  task->job.gpus = (guint)gpus;
  return TRUE;
}

/* --- names --------------------------------------------------------------- */

/* Fails since `name` is none of `names`, which it lists. */
static gboolean fail_name(GError **error, const char *what, const char *name,
                          GPtrArray *names) {
  g_ptr_array_add(names, NULL);
  const char *const *list = (const char *const *)names->pdata;
  const char *near = dsp_nearest_name(name, list);
  g_autofree char *all = g_strjoinv(", ", (char **)names->pdata);
  g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE, "no %s '%s'%s%s%s (%s)", what,
              name, near ? ", did you mean '" : "", near ? near : "",
              near ? "'?" : "", all);
  return FALSE;
}

static gboolean find_dim(const DspModel *model, const char *name, int *dim,
                         GError **error) {
  g_autoptr(GPtrArray) names = g_ptr_array_new();
  *dim = dsp_model_dim(model, name);
  if (*dim >= 0)
    return TRUE;
  for (guint i = 0; i < model->n_dims; i++)
    g_ptr_array_add(names, model->dims[i].name);
  return fail_name(error, "dimension", name, names);
}

static gboolean find_method(const char *name, const DspMethod **method,
                            GError **error) {
  g_autoptr(GPtrArray) names = g_ptr_array_new();
  const DspMethod *const *methods;
  const guint n = dsp_methods(&methods);
  *method = dsp_method_find(name);
  if (*method)
    return TRUE;
  for (guint i = 0; i < n; i++)
    g_ptr_array_add(names, (gpointer)methods[i]->name);
  return fail_name(error, "method", name, names);
}

/* "NAME=COUNT" -> name (the caller frees) and count. */
static char *split_setting(const char *text, const char *example,
                           int64_t *count, GError **error) {
  const char *equals = strchr(text, '=');
  if (!equals || equals == text) {
    g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE,
                "'%s' is not NAME=NUMBER, such as %s", text, example);
    return NULL;
  }
  if (!dsp_parse_count(equals + 1, DSP_UNITS_COMMAND_LINE, count, error))
    return NULL;
  return g_strndup(text, (gsize)(equals - text));
}

/* --- lengths ------------------------------------------------------------- */

static gboolean set_dim(const DspModel *model, const char *text,
                        DspLengths *lengths, GError **error) {
  int64_t length;
  int dim;
  g_autofree char *name = split_setting(text, "T=128", &length, error);
  return name && find_dim(model, name, &dim, error) &&
         dsp_model_set_length(model, (guint)dim, length, lengths, error);
}

gboolean dsp_task_set_lengths(DspTask *task, const DspJobOptions *o,
                              GError **error) {
  DspLengths *lengths = &task->job.lengths;
  const char *option = o->pixels.height ? "size" : "frames";
  gboolean set = TRUE;
  *lengths = dsp_model_default_lengths(task->model);
  if (o->frames || o->pixels.height)
    set = dsp_model_lengths_from_video(task->model, o->frames, o->pixels.height,
                                       o->pixels.width, lengths, error);
  for (guint i = 0; set && o->dims && i < o->dims->len; i++) {
    option = "dim";
    set = set_dim(task->model, o->dims->pdata[i], lengths, error);
  }
  if (!set)
    g_prefix_error(error, "option '--%s': ", option);
  return set;
}

/* --- the job ------------------------------------------------------------- */

/* An option that means something only in the other mode. */
static gboolean fail_mode(const char *option, DspMode mode, GError **error) {
  return dsp_option_fail(error, option, "is for '--mode %s'",
                         dsp_mode_names[mode]);
}

static gboolean fits_mode(const DspJobOptions *o, GError **error) {
  if (o->mode == DSP_MODE_TRAIN && o->guidance >= 0)
    return fail_mode("guidance", DSP_MODE_INFER, error);
  if (o->mode == DSP_MODE_TRAIN && o->evaluations)
    return fail_mode("evaluations", DSP_MODE_INFER, error);
  if (o->mode == DSP_MODE_INFER && o->recompute >= 0)
    return fail_mode("recompute", DSP_MODE_TRAIN, error);
  if (o->mode == DSP_MODE_INFER && o->zero >= 0)
    return fail_mode("zero", DSP_MODE_TRAIN, error);
  return TRUE;
}

/* bf16, unless the GPU computes it without tensor cores and fp16 with them
 * (Volta). */
static DspDtype default_dtype(const DspGpu *gpu) {
  return gpu->peak[DSP_DTYPE_BF16] > 0 || gpu->peak[DSP_DTYPE_FP16] <= 0
             ? DSP_DTYPE_BF16
             : DSP_DTYPE_FP16;
}

static gboolean fill_job(DspTask *task, const DspJobOptions *o,
                         GError **error) {
  const DspGpu *gpu = task->cluster->gpu;
  DspJob *job = &task->job;
  job->model = task->model;
  job->cluster = task->cluster;
  job->mode = (DspMode)o->mode;
  job->batch = o->batch ? o->batch : 1;
  job->dtype = o->dtype < 0 ? default_dtype(gpu) : (DspDtype)o->dtype;
  job->guidance = (DspGuidance)MAX(o->guidance, 0);
  job->launch = (DspLaunch)o->launch;
  job->attention_kernel = o->attention < 0 ? dsp_attention_usual(gpu)
                                           : (DspAttentionKernel)o->attention;
  job->evaluations = o->evaluations;
  return fits_mode(o, error) && count_gpus(task, o, error) &&
         dsp_task_set_lengths(task, o, error);
}

/* --- the plans ----------------------------------------------------------- */

/* Where the degree of that name goes: an axis goes by its own name and by what
 * methods call it; sp is the degree that carries the method, as in --sp. */
static int64_t *degree_of(DspPlanSpace *space, const char *name) {
  const DspMethod *const *methods;
  const guint n = dsp_methods(&methods);
  if (strcmp(name, dsp_axis_names[DSP_AXIS_SP]) == 0)
    return &space->sequence;
  for (int axis = 0; axis < DSP_N_AXES; axis++) {
    gboolean named = strcmp(name, dsp_axis_names[axis]) == 0;
    for (guint i = 0; !named && i < n; i++)
      named = g_strcmp0(name, methods[i]->degree_names[axis]) == 0;
    if (named)
      return &space->degree[axis];
  }
  return NULL;
}

static gboolean set_degree(DspPlanSpace *space, const char *text,
                           GError **error) {
  int64_t count;
  g_autofree char *name = split_setting(text, "ulysses=4", &count, error);
  int64_t *degree = name ? degree_of(space, name) : NULL;
  if (name && !degree)
    g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE,
                "no degree '%s' (dp, cfg, sp, ring, ulysses, tp)", name);
  else if (name && count == 0)
    g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE,
                "%s must be greater than zero", name);
  if (!degree || count == 0)
    return FALSE;
  *degree = count;
  return TRUE;
}

static gboolean set_degrees(DspPlanSpace *space, const char *text,
                            GError **error) {
  g_auto(GStrv) settings = g_strsplit(text ? text : "", ",", -1);
  for (char **s = settings; *s; s++)
    if (!set_degree(space, *s, error)) {
      g_prefix_error(error, "option '--degrees': ");
      return FALSE;
    }
  return TRUE;
}

/* The name as the tables spell it: of `method`, or of any if NULL. */
static gboolean find_variant(const DspMethod *method, const char *name,
                             const char **variant, GError **error) {
  const DspMethod *const *methods;
  const guint n = dsp_methods(&methods);
  g_autoptr(GPtrArray) names = g_ptr_array_new();
  for (guint i = 0; i < n; i++)
    for (int j = 0; methods[i]->variants[j]; j++) {
      if (method && methods[i] != method)
        continue;
      if (g_str_equal(methods[i]->variants[j], name)) {
        *variant = methods[i]->variants[j];
        return TRUE;
      }
      if (!g_ptr_array_find_with_equal_func(names, methods[i]->variants[j],
                                            g_str_equal, NULL))
        g_ptr_array_add(names, (gpointer)methods[i]->variants[j]);
    }
  return fail_name(error, "variant", name, names);
}

static gboolean set_method(DspPlanSpace *space, const DspJobOptions *o,
                           const char *otherwise, GError **error) {
  const char *method = o->method ? o->method : otherwise;
  if (method && !find_method(method, &space->method, error)) {
    g_prefix_error(error, "option '--method': ");
    return FALSE;
  }
  if (!o->variant ||
      find_variant(space->method, o->variant, &space->variant, error))
    return TRUE;
  g_prefix_error(error, "option '--variant': ");
  return FALSE;
}

static gboolean fill_space(DspTask *task, const DspJobOptions *o,
                           const char *method, GError **error) {
  DspPlanSpace *space = &task->space;
  const gboolean train = task->job.mode == DSP_MODE_TRAIN;
  enum { DEFAULT_ZERO = 2 };
  space->home = -1;
  space->recompute = train && o->recompute != DSP_RECOMPUTE_NONE
                         ? DSP_RECOMPUTE_FULL
                         : DSP_RECOMPUTE_NONE;
  space->zero = !train ? 0 : o->zero < 0 ? DEFAULT_ZERO : o->zero;
  if (task->job.guidance == DSP_GUIDANCE_PARALLEL)
    space->degree[DSP_AXIS_CFG] = 2; /* a group for each pass */
  if (!set_method(space, o, method, error) ||
      !set_degrees(space, o->degrees, error))
    return FALSE;
  space->sequence = o->sequence ? o->sequence : space->sequence;
  if (!o->home || find_dim(task->model, o->home, &space->home, error))
    return TRUE;
  g_prefix_error(error, "option '--home': ");
  return FALSE;
}

/* --- the task ------------------------------------------------------------ */

static gboolean fill_run(DspTask *task, DspStock *stock, const DspJobOptions *o,
                         GError **error) {
  task->nccl = (DspNcclOptions){
      o->algorithm < 0 ? NULL : dsp_forced_algorithm_names[o->algorithm],
      o->protocol, o->channels};
  task->sim.every_rank = o->every_rank;
  task->inputs =
      (DspInputs){&task->job, &task->space, &task->nccl, o->every_rank};
  const DspMachine *machine = dsp_stock_machine(
      stock, task->cluster, task->job.gpus, &task->nccl, error);
  if (!machine)
    return FALSE;
  task->topology = machine->topology;
  task->prices = machine->prices;
  return TRUE;
}

static gboolean fill_question(DspTask *task, DspStock *stock,
                              const DspJobOptions *o, char *const *operands,
                              const char *method, GError **error) {
  return load(task, stock, o, operands, error) && fill_job(task, o, error) &&
         fill_space(task, o, method, error);
}

static gboolean fill(DspTask *task, DspStock *stock, const DspJobOptions *o,
                     char *const *operands, const char *method,
                     GError **error) {
  return fill_question(task, stock, o, operands, method, error) &&
         fill_run(task, stock, o, error);
}

gboolean dsp_task_check(DspStock *stock, const DspJobOptions *options,
                        char *const *operands, const char *method,
                        GError **error) {
  g_autoptr(DspTask) task = g_new0(DspTask, 1);
  return fill_question(task, stock, options, operands, method, error);
}

DspTask *dsp_task_new_from(DspStock *stock, const DspJobOptions *options,
                           char *const *operands, const char *method,
                           GError **error) {
  g_autoptr(DspTask) task = g_new0(DspTask, 1);
  return fill(task, stock, options, operands, method, error)
             ? g_steal_pointer(&task)
             : NULL;
}

DspTask *dsp_task_new(const DspJobOptions *options, char *const *operands,
                      const char *method, GError **error) {
  g_autoptr(DspTask) task = g_new0(DspTask, 1);
  task->own = dsp_stock_new(NULL, 0);
  return fill(task, task->own, options, operands, method, error)
             ? g_steal_pointer(&task)
             : NULL;
}

void dsp_task_free(DspTask *task) {
  if (!task)
    return;
  dsp_stock_free(task->own);
  g_free(task);
}
