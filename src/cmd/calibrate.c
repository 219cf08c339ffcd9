/* SPDX-License-Identifier: Apache-2.0 */
/* calibrate: constants from measurements. */
#include "base/error.h"
#include "cmd/measured.h"
#include "cmd/output.h"
#include "report/calibrate.h"
#include "schedule/rules.h"

typedef struct {
  DspOutputOptions output;
  char *profile;
  GPtrArray *excluded;
  gboolean shared, in_turn;
  DspLogOptions log;
} Options;

#define AT(member) G_STRUCT_OFFSET(Options, member)

static const DspOption calibrate_options[] = {
    {"output", 'o', &dsp_option_string, AT(profile), "FILE",
     "write the calibrated profile there", NULL, NULL},
    {"shared", 0, &dsp_option_flag, AT(shared), NULL,
     "fit to all clusters that have a network of this one", NULL, NULL},
    {"exclude", 'x', &dsp_option_list, AT(excluded), "GROUP",
     "do not fit to points of this group; may be repeated", NULL, NULL},
    {"leave-one-out", 0, &dsp_option_flag, AT(in_turn), NULL,
     "foretell every cluster from the others", NULL, NULL},
    {NULL}};

/* The answer goes to the standard output: -o, the first of the usual options,
 * is the profile's. */
static const DspOptionGroup groups[] = {
    {"Calibration", calibrate_options, 0},
    DSP_LOG_GROUP(AT(log)),
    {"What it says", dsp_output_options + 1, AT(output)},
    {NULL}};
#undef AT

static const Options defaults = {.output = DSP_OUTPUT_DEFAULTS,
                                 .log = DSP_LOG_DEFAULTS};

/* --- the answer ---------------------------------------------------------- */

static gboolean write_answer(const DspInvocation *invocation,
                             const DspCalibrateAnswer *answer, GError **error) {
  const Options *options = invocation->options;
  DspCalibrateTables t;
  dsp_calibrate_tables_init(&t, answer);
  const DspSection sections[] = {
      {"errors", t.bands}, {"points", t.points}, {NULL}};
  DspReport report = {.schema = "dspsim.calibrate/1",
                      .inputs = t.inputs,
                      .results = answer->in_turn ? t.bands : t.constants,
                      .sections = answer->in_turn ? NULL : sections,
                      .text = dsp_calibrate_text,
                      .data = answer};
  const gboolean written =
      dsp_output_write(&options->output, &report, invocation->out, error);
  dsp_calibrate_tables_clear(&t);
  return written;
}

static gboolean answer(const DspInvocation *invocation, const GPtrArray *files,
                       const char *cluster, const GPtrArray *calibrations,
                       GError **error) {
  const Options *options = invocation->options;
  DspCalibrateAnswer all = {
      .files = files,
      .excluded = options->excluded,
      .cluster = cluster,
      .mode = options->in_turn  ? "leave-one-out"
              : options->shared ? "shared"
                                : "alone",
      .calibrations = calibrations,
      .in_turn = options->in_turn,
  };
  dsp_calibrate_answer_fill(&all);
  const gboolean written = write_answer(invocation, &all, error);
  dsp_calibrate_answer_clear(&all);
  return written;
}

/* --- files --------------------------------------------------------------- */

static GPtrArray *load(const Options *options, const char *cluster,
                       char *const *names, GError **error) {
  g_autofree char *name = cluster ? dsp_calibrate_name(cluster) : NULL;
  if (*names)
    return dsp_measured_load(names, name, cluster ? &options->log : NULL,
                             error);
  g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE,
              "calibrate to what? usage: dspsim calibrate CLUSTER FILE...");
  return NULL;
}

static gboolean check_in_turn(const Options *o, GError **error) {
  if (o->in_turn && (o->profile || o->shared))
    return dsp_option_fail(error, "leave-one-out",
                           "fits no one cluster, so "
                           "that there can be no '--%s'",
                           o->profile ? "output" : "shared");
  return TRUE;
}

/* --- the runs ------------------------------------------------------------ */

static void free_calibration(gpointer calibration) {
  dsp_calibration_free(calibration);
}

static gboolean add(GPtrArray *calibrations, const DspCalibrateJob *job,
                    GError **error) {
  DspCalibration *calibration = dsp_calibrate(job, error);
  if (calibration)
    g_ptr_array_add(calibrations, calibration);
  return calibration != NULL;
}

/* Machines that are not installed are told, and passed over. */
static gboolean add_installed(GPtrArray *calibrations, const Options *options,
                              const DspCalibrateJob *job, GError **error) {
  g_autoptr(GError) cause = NULL;
  if (add(calibrations, job, &cause))
    return TRUE;
  if (!g_error_matches(cause, DSP_ERROR, DSP_ERROR_USAGE)) {
    g_propagate_error(error, g_steal_pointer(&cause));
    return FALSE;
  }
  dsp_output_note(&options->output, "%s", cause->message);
  return TRUE;
}

/* Each cluster from the others; each fifth of a GPU's kernels from the rest. */
static gboolean add_in_turn(GPtrArray *calibrations, const Options *options,
                            const GPtrArray *files, GError **error) {
  enum { FOLDS = 5 };
  g_auto(GStrv) clusters = dsp_calibrate_machines(files, FALSE);
  g_auto(GStrv) gpus = dsp_calibrate_machines(files, TRUE);
  DspCalibrateJob job = {files, NULL, options->excluded, DSP_CALIBRATE_WITHOUT,
                         0,     0};
  for (char **name = clusters; *name; name++) {
    job.cluster = *name;
    if (!add_installed(calibrations, options, &job, error))
      return FALSE;
  }
  job.mode = DSP_CALIBRATE_ALONE;
  job.folds = FOLDS;
  for (char **name = gpus; *name; name++) {
    g_autofree char *one = g_strdup_printf("node:1 gpu:1 type:%s", *name);
    job.cluster = one;
    for (job.fold = 0; job.fold < FOLDS; job.fold++)
      if (!add_installed(calibrations, options, &job, error))
        return FALSE;
  }
  return calibrations->len ||
         dsp_refuse(error, "no healthy collective or kernel on an installed "
                           "machine");
}

static gboolean write_profile(const Options *options, const GPtrArray *files,
                              const DspCalibration *calibration,
                              GError **error) {
  if (!options->profile ||
      dsp_calibration_write(calibration, files, options->profile, error))
    return TRUE;
  g_prefix_error(error, "option '--output': ");
  return FALSE;
}

static gboolean run(const DspInvocation *invocation, GError **error) {
  const Options *o = invocation->options;
  g_autoptr(GPtrArray) files = NULL;
  g_autoptr(GPtrArray) calibrations =
      g_ptr_array_new_with_free_func(free_calibration);
  char *const *names = invocation->operands;
  const char *cluster = o->in_turn || !*names ? NULL : *names++;
  if (!check_in_turn(o, error) || !(files = load(o, cluster, names, error)))
    return FALSE;
  if (o->in_turn)
    return add_in_turn(calibrations, o, files, error) &&
           answer(invocation, files, NULL, calibrations, error);
  const DspCalibrateJob job = {
      files,       cluster,
      o->excluded, o->shared ? DSP_CALIBRATE_SHARED : DSP_CALIBRATE_ALONE,
      0,           0};
  return add(calibrations, &job, error) &&
         write_profile(o, files, calibrations->pdata[0], error) &&
         answer(invocation, files, cluster, calibrations, error);
}

const DspCommand dsp_command_calibrate = {
    .name = "calibrate",
    .summary = "fit a cluster's constants to measurements",
    .operands = "CLUSTER FILE...",
    .max_operands = G_MAXUINT,
    .groups = groups,
    .record_size = sizeof(Options),
    .defaults = &defaults,
    .run = run,
};
