/* SPDX-License-Identifier: Apache-2.0 */
/* The options that say what is asked of predict and compare: what is computed,
 * where, and which plans come into question. */
#ifndef DSP_CMD_JOB_H
#define DSP_CMD_JOB_H

#include "cmd/cmd.h"
#include "cmd/stock.h"
#include "report/prediction.h"

typedef struct {
  int64_t height, width; /* 0: not given */
} DspPixels;

typedef struct {
  double amount; /* of a GPU hour; 0: not given */
  char *currency;
} DspGpuHour;

/* The record of the options. Enumerations are -1, the rest is zero, where the
 * option was not given. */
typedef struct {
  char *model, *cluster;
  int64_t gpus, frames, batch, evaluations;
  DspPixels pixels;
  DspGpuHour price;
  GPtrArray *dims; /* "T=128" */
  int mode, dtype, guidance, launch, attention;
  char *method, *variant, *degrees, *home;
  int64_t sequence;
  int recompute, zero;
  int algorithm, protocol;
  int64_t channels;
  gboolean every_rank;
} DspJobOptions;

#define DSP_JOB_DEFAULTS                                                       \
  {                                                                            \
    .dtype = -1, .guidance = -1, .attention = -1, .recompute = -1, .zero = -1, \
    .algorithm = -1, .protocol = -1                                            \
  }
/* The groups of these options; the record is at `offset` of the command's. */
extern const DspOption dsp_job_options[], dsp_plan_options[], dsp_run_options[];

#define DSP_JOB_GROUPS(offset)                                                 \
  {"What, and where", dsp_job_options, offset},                                \
      {"Which plans", dsp_plan_options, offset}, {                             \
    "How it runs", dsp_run_options, offset                                     \
  }

/* Usage line of the operands that stand for --model and --cluster. */
#define DSP_JOB_OPERANDS "[MODEL [CLUSTER]]"

/* What is asked, ready to be answered. */
typedef struct {
  DspModel *model;
  DspCluster *cluster;
  DspTopology *topology;
  DspPrices *prices;
  DspJob job;
  DspPlanSpace space;
  DspNcclOptions nccl;
  DspSimOptions sim;
  DspInputs inputs; /* of the members above */
  DspStock *own;    /* what they are from, NULL: the caller's */
} DspTask;

/* Reads model and cluster and fills in what was not given. `method`: of plans
 * where none was given, or NULL for all. Free with dsp_task_free. */
DspTask *dsp_task_new(const DspJobOptions *options, char *const *operands,
                      const char *method, GError **error);
/* The same of a stock, which owns model, cluster, topology and prices; the task
 * holds until the next one of the same stock. */
DspTask *dsp_task_new_from(DspStock *stock, const DspJobOptions *options,
                           char *const *operands, const char *method,
                           GError **error);
/* The job's lengths: those that the options give, of others the model's. */
gboolean dsp_task_set_lengths(DspTask *task, const DspJobOptions *options,
                              GError **error);
/* Whether that would not be an error of usage or input. */
gboolean dsp_task_check(DspStock *stock, const DspJobOptions *options,
                        char *const *operands, const char *method,
                        GError **error);
void dsp_task_free(DspTask *task);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DspTask, dsp_task_free)

#endif
