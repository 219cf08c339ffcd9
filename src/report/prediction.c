/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of predictions, in the order in which they are documented. */
#include "report/prediction.h"

#define US 1e6 /* of a second */

static const DspPlan *plan_of(gconstpointer row) {
  return &((const DspResult *)row)->prediction->plan;
}

static const DspJob *job_of(gconstpointer row) {
  return ((const DspResult *)row)->job;
}

static gboolean trains(const DspJob *job) {
  return job->mode == DSP_MODE_TRAIN;
}

/* --- the plan ------------------------------------------------------------ */

enum { METHOD, VARIANT, RECOMPUTE, ZERO, HOME };

static DspValue get_plan(gconstpointer row, guint index) {
  const DspPlan *plan = plan_of(row);
  const DspJob *job = job_of(row);
  switch (index) {
  case METHOD:
    return dsp_string(plan->method->name);
  case VARIANT:
    return dsp_string(plan->method->variants[plan->variant]);
  case RECOMPUTE:
    return trains(job) ? dsp_string(dsp_recompute_names[plan->recompute])
                       : dsp_null();
  case ZERO:
    return trains(job) ? dsp_integer(plan->zero) : dsp_null();
  default: {
    const gboolean shards = dsp_plan_sequence_degree(plan) > 1;
    const int home = shards ? dsp_plan_home(job, plan, 0) : -1;
    return home < 0 ? dsp_null() : dsp_string(job->model->dims[home].name);
  }
  }
}

/* sp is the degree of sequence parallelism as a whole; ulysses and ring are
 * its factors in the methods that have them. */
const char *const dsp_degree_keys[DSP_N_DEGREE_KEYS] = {
    "dp", "cfg", "tp", "pp", "sp", "ulysses", "ring"};

DspValue dsp_degree_value(const DspPlan *plan, guint index) {
  const char *sp_name = plan->method->degree_names[DSP_AXIS_SP];
  const gboolean ulysses = g_strcmp0(sp_name, "ulysses") == 0;
  const int64_t degrees[] = {
      plan->degree[DSP_AXIS_DP],      plan->degree[DSP_AXIS_CFG],
      plan->degree[DSP_AXIS_TP],      1,
      dsp_plan_sequence_degree(plan), ulysses ? plan->degree[DSP_AXIS_SP] : 1,
      plan->degree[DSP_AXIS_RING],
  };
  return dsp_integer(degrees[index]);
}

static DspValue get_degree(gconstpointer row, guint index) {
  return dsp_degree_value(plan_of(row), index);
}

/* --- the job ------------------------------------------------------------- */

enum { MODEL, CLUSTER, GPUS, MODE, BATCH, DTYPE };

static DspValue job_value(const DspJob *job, guint index) {
  switch (index) {
  case MODEL:
    return dsp_string(job->model->name);
  case CLUSTER:
    return dsp_string(job->cluster->name);
  case GPUS:
    return dsp_integer(job->gpus);
  case MODE:
    return dsp_string(dsp_mode_names[job->mode]);
  case BATCH:
    return dsp_integer(job->batch);
  default:
    return dsp_string(dsp_dtype_names[job->dtype]);
  }
}

static DspValue get_job(gconstpointer row, guint index) {
  return job_value(job_of(row), index);
}

static DspValue get_dim(gconstpointer row, guint index) {
  return dsp_integer(job_of(row)->lengths.length[index]);
}

/* --- the answer ---------------------------------------------------------- */

enum { FEASIBLE, REASON, SUGGESTION };

static DspValue get_verdict(gconstpointer row, guint index) {
  const DspPrediction *p = ((const DspResult *)row)->prediction;
  switch (index) {
  case FEASIBLE:
    return dsp_boolean(p->feasible);
  case REASON:
    return dsp_string(p->reason);
  default:
    return dsp_string(p->suggestion);
  }
}

/* A member of the prediction by its offset, if the plan runs. */
static const void *member(gconstpointer row, guint offset) {
  const DspPrediction *p = ((const DspResult *)row)->prediction;
  return p->feasible ? G_STRUCT_MEMBER_P(p, offset) : NULL;
}

static DspValue get_number(gconstpointer row, guint offset) {
  const double *number = member(row, offset);
  return number ? dsp_number(*number) : dsp_null();
}

/* Not asked for, or not known: not positive. */
static DspValue get_positive(gconstpointer row, guint offset) {
  const double *number = member(row, offset);
  return number && *number > 0 ? dsp_number(*number) : dsp_null();
}

static DspValue get_time(gconstpointer row, guint offset) {
  const double *seconds = member(row, offset);
  return seconds ? dsp_number(*seconds * US) : dsp_null();
}

static DspValue get_integer(gconstpointer row, guint offset) {
  const int64_t *integer = member(row, offset);
  return integer ? dsp_integer(*integer) : dsp_null();
}

#define AT(member) G_STRUCT_OFFSET(DspPrediction, member)

static DspValue get_volume(gconstpointer row, guint index) {
  return get_integer(row, AT(volume.bytes) + index * sizeof(int64_t));
}

static DspValue get_exposed(gconstpointer row, guint index) {
  return get_time(row, AT(sim.exposed_by) + index * sizeof(double));
}

static DspValue get_memory(gconstpointer row, guint index) {
  return get_integer(row, AT(memory.bytes) + index * sizeof(int64_t));
}

static DspValue get_speedup(gconstpointer row, guint index) {
  const DspResult *result = row;
  (void)index;
  return result->speedup > 0 ? dsp_number(result->speedup) : dsp_null();
}

static DspValue get_chosen(gconstpointer row, guint index) {
  (void)index;
  return dsp_boolean(((const DspResult *)row)->chosen);
}

/* --- the columns --------------------------------------------------------- */

static const DspColumn method_columns[] = {{NULL, "method", get_plan, METHOD},
                                           {NULL, "variant", get_plan, VARIANT},
                                           {NULL}};

static const DspColumn plan_columns[] = {
    {NULL, "recompute", get_plan, RECOMPUTE},
    {NULL, "zero", get_plan, ZERO},
    {NULL, "home", get_plan, HOME},
    {NULL, "model", get_job, MODEL},
    {NULL, "cluster", get_job, CLUSTER},
    {NULL, "gpus", get_job, GPUS},
    {NULL, "mode", get_job, MODE},
    {NULL}};

static const DspColumn time_columns[] = {
    {NULL, "batch", get_job, BATCH},
    {NULL, "dtype", get_job, DTYPE},
    {NULL, "feasible", get_verdict, FEASIBLE},
    {NULL, "reason", get_verdict, REASON},
    {NULL, "suggestion", get_verdict, SUGGESTION},
    {NULL, "step_time_us", get_time, AT(sim.step_time)},
    {NULL, "run_time_s", get_positive, AT(run_time)},
    {NULL, "samples_per_s", get_number, AT(samples_per_s)},
    {NULL, "tokens_per_s", get_number, AT(tokens_per_s)},
    {NULL, "mfu", get_number, AT(mfu)},
    {NULL, "compute_us", get_time, AT(sim.compute_time)},
    {NULL, "contention_us", get_time, AT(sim.contention_time)},
    {NULL, "comm_us", get_time, AT(sim.comm_time)},
    {NULL, "exposed_comm_us", get_time, AT(sim.exposed_comm_time)},
    {NULL, "launch_idle_us", get_time, AT(sim.launch_idle_time)},
    {NULL}};

static const DspColumn volume_columns[] = {
    {NULL, "sent_bytes_per_gpu", get_integer, AT(volume.total)}, {NULL}};

static const DspColumn memory_columns[] = {
    {NULL, "collectives", get_integer, AT(volume.collectives)},
    {NULL, "peak_memory_bytes", get_integer, AT(memory.peak)},
    {NULL, "memory_limit_bytes", get_integer, AT(memory.limit)},
    {NULL}};

static const DspColumn bound_columns[] = {
    {NULL, "bound_us", get_time, AT(sim.bound)},
    {NULL, "cost_per_1k_samples", get_positive, AT(cost_per_1k_samples)},
    {NULL}};

static const DspColumn compare_columns[] = {
    {NULL, "speedup_vs_best_embedded", get_speedup, 0},
    {NULL, "chosen", get_chosen, 0},
    {NULL}};

static void add_dims(DspTable *table, const DspModel *model,
                     DspValue (*get)(gconstpointer row, guint index)) {
  for (guint i = 0; i < model->n_dims; i++) {
    const DspColumn column = {"dims", model->dims[i].name, get, i};
    g_array_append_val(table->columns, column);
  }
}

DspTable *dsp_result_table(const DspModel *model, gboolean compared) {
  DspTable *table = dsp_table_new(method_columns);
  dsp_table_add_group(table, "degrees", dsp_degree_keys, DSP_N_DEGREE_KEYS,
                      get_degree);
  dsp_table_add_columns(table, plan_columns);
  add_dims(table, model, get_dim);
  dsp_table_add_columns(table, time_columns);
  dsp_table_add_group(table, "exposed_us", dsp_collective_names, DSP_REDUCE,
                      get_exposed);
  dsp_table_add_columns(table, volume_columns);
  dsp_table_add_group(table, "volume", dsp_collective_names, DSP_REDUCE,
                      get_volume);
  dsp_table_add_columns(table, memory_columns);
  dsp_table_add_group(table, "memory", dsp_memory_kind_names,
                      DSP_N_MEMORY_KINDS, get_memory);
  dsp_table_add_columns(table, bound_columns);
  if (compared)
    dsp_table_add_columns(table, compare_columns);
  return table;
}

/* --- intervals ----------------------------------------------------------- */

enum { P10, P90 };

static DspValue get_interval(gconstpointer row, guint index) {
  const DspInterval *i = &((const DspResult *)row)->interval;
  const double *step = member(row, AT(sim.step_time));
  return step ? dsp_number(*step * US * (index == P10 ? i->p10 : i->p90))
              : dsp_null();
}

void dsp_result_table_add_interval(DspTable *table) {
  static const DspColumn columns[] = {{"interval", "p10_us", get_interval, P10},
                                      {"interval", "p90_us", get_interval, P90},
                                      {NULL}};
  dsp_table_add_columns(table, columns);
}

static DspValue get_residuals(gconstpointer row, guint index) {
  const DspResiduals *residuals = ((const DspInputs *)row)->residuals;
  return dsp_string(index ? residuals->sha256 : DSP_RESIDUALS_NAME);
}

static const DspColumn residuals_columns[] = {
    {"residuals", "name", get_residuals, 0},
    {"residuals", "sha256", get_residuals, 1},
    {NULL}};

/* --- inputs -------------------------------------------------------------- */

/* A file that was read. */
typedef struct {
  const char *name, *sha256;
} File;

enum { MODEL_FILE, CLUSTER_FILE, GPU_FILE, HOST_FILE, INTRA_FILE, INTER_FILE };

static const char *sha256_of(const DspJson *json) {
  return json ? dsp_json_sha256(json) : NULL;
}

static DspValue get_file(gconstpointer row, guint index) {
  const DspJob *job = ((const DspInputs *)row)->job;
  const DspCluster *c = job->cluster;
  const File files[] = {
      [MODEL_FILE] = {job->model->name, job->model->sha256},
      [CLUSTER_FILE] = {c->name, c->sha256},
      [GPU_FILE] = {c->gpu->name, c->gpu->sha256},
      [HOST_FILE] = {c->host_name, sha256_of(c->host_json)},
      [INTRA_FILE] = {c->intra_name, sha256_of(c->intra_json)},
      [INTER_FILE] = {c->inter_name, sha256_of(c->network_json)},
  };
  const File *file = &files[index / 2];
  return dsp_string(index % 2 ? file->sha256 : file->name);
}

static DspValue get_input_job(gconstpointer row, guint index) {
  return job_value(((const DspInputs *)row)->job, index);
}

static DspValue get_input_dim(gconstpointer row, guint index) {
  return dsp_integer(((const DspInputs *)row)->job->lengths.length[index]);
}

static DspValue count_or_null(int64_t count) {
  return count > 0 ? dsp_integer(count) : dsp_null();
}

enum { GUIDANCE, LAUNCH, ATTENTION, EVALUATIONS, EVERY_RANK, PRICE, CURRENCY };

static DspValue get_setting(gconstpointer row, guint index) {
  const DspInputs *inputs = row;
  const DspJob *job = inputs->job;
  switch (index) {
  case GUIDANCE:
    return dsp_string(dsp_guidance_names[job->guidance]);
  case LAUNCH:
    return dsp_string(dsp_launch_names[job->launch]);
  case ATTENTION:
    return dsp_string(dsp_attention_kernel_names[job->attention_kernel]);
  case EVALUATIONS:
    return count_or_null(job->evaluations);
  case EVERY_RANK:
    return dsp_boolean(inputs->every_rank);
  case PRICE:
    return job->cluster->price > 0 ? dsp_number(job->cluster->price)
                                   : dsp_null();
  default:
    return dsp_string(job->cluster->currency);
  }
}

enum { ALGORITHM, PROTOCOL, CHANNELS };

static DspValue get_nccl(gconstpointer row, guint index) {
  const DspNcclOptions *nccl = ((const DspInputs *)row)->nccl;
  switch (index) {
  case ALGORITHM:
    return dsp_string(nccl->algorithm);
  case PROTOCOL:
    return nccl->protocol < 0 ? dsp_null()
                              : dsp_string(dsp_protocol_names[nccl->protocol]);
  default:
    return count_or_null(nccl->channels);
  }
}

/* What was fixed: null where it was free. */
enum {
  SPACE_METHOD,
  SPACE_VARIANT,
  SPACE_SEQUENCE,
  SPACE_HOME,
  SPACE_RECOMPUTE,
  SPACE_ZERO
};

static DspValue get_space(gconstpointer row, guint index) {
  const DspInputs *inputs = row;
  const DspPlanSpace *space = inputs->space;
  const gboolean train = trains(inputs->job);
  switch (index) {
  case SPACE_METHOD:
    return space->method ? dsp_string(space->method->name) : dsp_null();
  case SPACE_VARIANT:
    return space->variant ? dsp_string(space->variant) : dsp_null();
  case SPACE_SEQUENCE:
    return count_or_null(space->sequence);
  case SPACE_HOME:
    return space->home < 0
               ? dsp_null()
               : dsp_string(inputs->job->model->dims[space->home].name);
  case SPACE_RECOMPUTE:
    return train ? dsp_string(dsp_recompute_names[space->recompute])
                 : dsp_null();
  default:
    return train ? dsp_integer(space->zero) : dsp_null();
  }
}

static DspValue get_fixed_degree(gconstpointer row, guint index) {
  return count_or_null(((const DspInputs *)row)->space->degree[index]);
}

static const DspColumn file_columns[] = {
    {"model", "name", get_file, 2 * MODEL_FILE},
    {"model", "sha256", get_file, 2 * MODEL_FILE + 1},
    {"cluster", "name", get_file, 2 * CLUSTER_FILE},
    {"cluster", "sha256", get_file, 2 * CLUSTER_FILE + 1},
    {"gpu", "name", get_file, 2 * GPU_FILE},
    {"gpu", "sha256", get_file, 2 * GPU_FILE + 1},
    {"host", "name", get_file, 2 * HOST_FILE},
    {"host", "sha256", get_file, 2 * HOST_FILE + 1},
    {"intra", "name", get_file, 2 * INTRA_FILE},
    {"intra", "sha256", get_file, 2 * INTRA_FILE + 1},
    {"inter", "name", get_file, 2 * INTER_FILE},
    {"inter", "sha256", get_file, 2 * INTER_FILE + 1},
    {NULL, "gpus", get_input_job, GPUS},
    {NULL, "mode", get_input_job, MODE},
    {NULL}};

static const DspColumn setting_columns[] = {
    {NULL, "batch", get_input_job, BATCH},
    {NULL, "dtype", get_input_job, DTYPE},
    {NULL, "guidance", get_setting, GUIDANCE},
    {NULL, "launch", get_setting, LAUNCH},
    {NULL, "attention", get_setting, ATTENTION},
    {NULL, "evaluations", get_setting, EVALUATIONS},
    {NULL, "every_rank", get_setting, EVERY_RANK},
    {NULL, "price_per_gpu_hour", get_setting, PRICE},
    {NULL, "currency", get_setting, CURRENCY},
    {"nccl", "algorithm", get_nccl, ALGORITHM},
    {"nccl", "protocol", get_nccl, PROTOCOL},
    {"nccl", "channels", get_nccl, CHANNELS},
    {"plan", "method", get_space, SPACE_METHOD},
    {"plan", "variant", get_space, SPACE_VARIANT},
    {"plan", "home", get_space, SPACE_HOME},
    {"plan", "recompute", get_space, SPACE_RECOMPUTE},
    {"plan", "zero", get_space, SPACE_ZERO},
    {"plan", "sequence", get_space, SPACE_SEQUENCE},
    {NULL}};

DspTable *dsp_inputs_table(const DspInputs *inputs) {
  DspTable *table = dsp_table_new(file_columns);
  add_dims(table, inputs->job->model, get_input_dim);
  dsp_table_add_columns(table, setting_columns);
  dsp_table_add_group(table, "plan", dsp_axis_names, DSP_N_AXES,
                      get_fixed_degree);
  if (inputs->residuals)
    dsp_table_add_columns(table, residuals_columns);
  dsp_table_add_row(table, inputs);
  return table;
}
