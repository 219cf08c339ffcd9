/* SPDX-License-Identifier: Apache-2.0 */
/* score: predictions against measurements. */
#include "base/error.h"
#include "cmd/measured.h"
#include "cmd/output.h"
#include "report/score.h"
#include "schedule/rules.h"

typedef struct {
  DspOutputOptions output;
  DspLogOptions log;
  char *by, *cluster, *residuals;
  int trust;
  gboolean points, groups, health, held_out;
  int64_t fail_above;
} Options;

static const char *const trust_names[] = {"healthy", "suspect", "all", NULL};

#define AT(member) G_STRUCT_OFFSET(Options, member)

static const DspOption score_options[] = {
    {"by", 'b', &dsp_option_string, AT(by), "KEY,...",
     "what points are told apart by", "of each kind", NULL},
    {"points", 'p', &dsp_option_flag, AT(points), NULL, "every point", NULL,
     NULL},
    {"groups", 'G', &dsp_option_flag, AT(groups), NULL,
     "every group of points that differ in one thing", NULL, NULL},
    {"trust", 't', &dsp_option_enum, AT(trust), "TRUST",
     "the least trusted points that count", "healthy", trust_names},
    {"health", 0, &dsp_option_flag, AT(health), NULL,
     "which runs of collectives are slower than they should be", NULL, NULL},
    {"held-out", 0, &dsp_option_flag, AT(held_out), NULL,
     "intervals from other machines and models only", NULL, NULL},
    {"residuals", 0, &dsp_option_string, AT(residuals), "FILE",
     "write there what intervals are made from", NULL, NULL},
    {"fail-above", 0, &dsp_option_count, AT(fail_above), "PERCENT",
     "the answer is no if a kind's median error is larger", NULL, NULL},
    {NULL}};

static const DspOption cluster_options[] = {
    {"cluster", 'c', &dsp_option_string, AT(cluster), "NAME",
     "where logs of nccl-tests ran", NULL, NULL},
    {NULL}};

static const DspOptionGroup groups[] = {{"Score", score_options, 0},
                                        {"Logs", cluster_options, 0},
                                        DSP_LOG_GROUP(AT(log)),
                                        DSP_OUTPUT_GROUP(AT(output)),
                                        {NULL}};
#undef AT

static const Options defaults = {.output = DSP_OUTPUT_DEFAULTS,
                                 .log = DSP_LOG_DEFAULTS};

/* --- the verdict --------------------------------------------------------- */

static gboolean is_healthy(const DspScoreAnswer *answer, GError **error) {
  guint unhealthy = 0;
  for (guint i = 0; i < answer->runs->len; i++)
    unhealthy += g_array_index(answer->runs, DspRunHealth, i).unhealthy;
  if (!answer->runs->len)
    return dsp_refuse(error, "no run of a collective could be judged");
  return !unhealthy || dsp_refuse(error, "%u of %u runs are unhealthy",
                                  unhealthy, answer->runs->len);
}

static gboolean is_near(const DspScoreAnswer *answer, int64_t percent,
                        GError **error) {
  guint n = 0;
  for (guint i = 0; i < answer->kinds->len; i++) {
    const DspScoreClass *c = &g_array_index(answer->kinds, DspScoreClass, i);
    n += c->n;
    if (c->median_ape > (double)percent / 100)
      return dsp_refuse(
          error,
          "%s: a median error of %.1f %% is above %" G_GINT64_FORMAT " %%",
          dsp_measured_names[c->kind], 100 * c->median_ape, percent);
  }
  return n || dsp_refuse(error, "no point could be predicted");
}

static gboolean judge(const Options *options, const DspScoreAnswer *answer,
                      GError **error) {
  return (!options->health || is_healthy(answer, error)) &&
         (!options->fail_above || is_near(answer, options->fail_above, error));
}

/* --- the answer ---------------------------------------------------------- */

static gboolean write_answer(const DspInvocation *invocation,
                             const DspScoreAnswer *answer, GError **error) {
  const Options *options = invocation->options;
  DspScoreTables tables;
  dsp_score_tables_init(&tables, answer);
  const DspSection sections[] = {{"summary", tables.summary},
                                 {"groups", tables.groups},
                                 {"health", tables.health},
                                 {NULL}};
  DspReport report = {.schema = "dspsim.score/1",
                      .inputs = tables.inputs,
                      .results = tables.results,
                      .sections = sections,
                      .text = dsp_score_text,
                      .data = answer};
  const gboolean written =
      dsp_output_write(&options->output, &report, invocation->out, error);
  dsp_score_tables_clear(&tables);
  return written;
}

/* Bit sets of DspTrust by trust_names. */
static const guint trusts[] = {
    1u << DSP_TRUST_HEALTHY, 1u << DSP_TRUST_HEALTHY | 1u << DSP_TRUST_SUSPECT,
    DSP_TRUST_ALL};

static gboolean answer(const DspInvocation *invocation, const GPtrArray *files,
                       const DspScore *score, const DspResiduals *residuals,
                       GError **error) {
  const Options *options = invocation->options;
  DspScoreAnswer all = {.files = files,
                        .score = score,
                        .trust = trust_names[options->trust],
                        .trusts = trusts[options->trust],
                        .by = options->by,
                        .tell_points = options->points,
                        .tell_groups = options->groups,
                        .tell_health = options->health,
                        .residuals = residuals};
  dsp_score_answer_fill(&all);
  const gboolean answered =
      write_answer(invocation, &all, error) && judge(options, &all, error);
  dsp_score_answer_clear(&all);
  return answered;
}

/* --- intervals ----------------------------------------------------------- */

/* Sets *residuals to the shipped ones, without which there are no intervals. */
static gboolean find_intervals(const Options *options, DspScore *score,
                               DspResiduals **residuals, GError **error) {
  g_autoptr(GError) cause = NULL;
  if (options->held_out) {
    dsp_score_intervals_held_out(score);
    return TRUE;
  }
  *residuals = dsp_residuals_load(DSP_RESIDUALS_NAME, &cause);
  if (*residuals) {
    dsp_score_intervals(score, *residuals);
    return TRUE;
  }
  if (!g_error_matches(cause, DSP_ERROR, DSP_ERROR_USAGE)) {
    g_propagate_error(error, g_steal_pointer(&cause));
    return FALSE;
  }
  dsp_output_note(&options->output, "no intervals: %s", cause->message);
  return TRUE;
}

static gboolean write_residuals(const Options *options, const GPtrArray *files,
                                const DspScore *score, GError **error) {
  DspResiduals residuals;
  if (!options->residuals)
    return TRUE;
  dsp_score_residuals(score, &residuals);
  if (dsp_residuals_write(&residuals, files, options->residuals, error))
    return TRUE;
  g_prefix_error(error, "option '--residuals': ");
  return FALSE;
}

/* --- the run ------------------------------------------------------------- */

static gboolean check(const DspInvocation *invocation, GError **error) {
  const Options *options = invocation->options;
  if (options->by && !dsp_score_check_keys(options->by, error)) {
    g_prefix_error(error, "option '--by': ");
    return FALSE;
  }
  if (*invocation->operands)
    return TRUE;
  g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE,
              "score what? usage: dspsim score FILE...");
  return FALSE;
}

static gboolean run(const DspInvocation *invocation, GError **error) {
  const Options *options = invocation->options;
  g_autoptr(GPtrArray) files = NULL;
  g_autoptr(DspScore) score = NULL;
  g_autofree DspResiduals *residuals = NULL;
  return check(invocation, error) &&
         (files = dsp_measured_load(invocation->operands, options->cluster,
                                    &options->log, error)) &&
         (score = dsp_score_new(files, error)) &&
         write_residuals(options, files, score, error) &&
         find_intervals(options, score, &residuals, error) &&
         answer(invocation, files, score, residuals, error);
}

const DspCommand dsp_command_score = {
    .name = "score",
    .summary = "tell how far predictions are from measurements",
    .operands = "FILE...",
    .max_operands = G_MAXUINT,
    .groups = groups,
    .record_size = sizeof(Options),
    .defaults = &defaults,
    .run = run,
};
