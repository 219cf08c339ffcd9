/* SPDX-License-Identifier: Apache-2.0 */
/* Points that differ in one thing only: their ratios, and which is fastest. */
#include "measurement/score.h"
#include "measurement/statistics.h"
#include <math.h>
#include <string.h>

/* Members of one group, in order: const DspScored *. */
static GPtrArray *members_of(GPtrArray *groups, GHashTable *index,
                             const DspScored *s) {
  g_autofree char *key = g_strdup_printf("%p %d %s", (const void *)s->file,
                                         (int)s->point->kind, s->point->group);
  GPtrArray *members = g_hash_table_lookup(index, key);
  if (!members) {
    members = g_ptr_array_new();
    g_ptr_array_add(groups, members);
    g_hash_table_insert(index, g_steal_pointer(&key), members);
  }
  return members;
}

/* Groups of two points and more that were predicted. */
static GPtrArray *collect(const DspScore *score, guint trusts) {
  GPtrArray *groups =
      g_ptr_array_new_with_free_func((GDestroyNotify)g_ptr_array_unref);
  g_autoptr(GHashTable) index =
      g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < score->points->len; i++) {
    const DspScored *s = dsp_scored(score, i);
    if (s->point->group && !s->skipped && trusts & (1u << s->point->trust))
      g_ptr_array_add(members_of(groups, index, s), (gpointer)s);
  }
  for (guint i = groups->len; i-- > 0;)
    if (((GPtrArray *)groups->pdata[i])->len < 2)
      g_ptr_array_remove_index(groups, i);
  return groups;
}

static double measured_time(const DspScored *s) {
  return dsp_point_seconds(s->point, s->point->measured);
}

static double predicted_time(const DspScored *s) {
  return dsp_point_seconds(s->point, s->predicted);
}

/* Appends |predicted / measured - 1| of the ratio of each member to the
 * first. */
static void add_ratio_errors(const GPtrArray *members, GArray *errors) {
  const double first = 1 + dsp_scored_time_error(members->pdata[0]);
  for (guint i = 1; i < members->len; i++) {
    const double own = 1 + dsp_scored_time_error(members->pdata[i]);
    const double error = fabs(own / first - 1);
    g_array_append_val(errors, error);
  }
}

static const DspScored *fastest(const GPtrArray *members,
                                double (*time)(const DspScored *)) {
  const DspScored *best = members->pdata[0];
  for (guint i = 1; i < members->len; i++)
    if (time(members->pdata[i]) < time(best))
      best = members->pdata[i];
  return best;
}

/* How much longer the second takes than the winner. */
static double margin_of(const GPtrArray *members, const DspScored *winner) {
  double second = INFINITY;
  for (guint i = 0; i < members->len; i++)
    if (members->pdata[i] != winner)
      second = fmin(second, measured_time(members->pdata[i]));
  return second / measured_time(winner) - 1;
}

static gboolean has_winner(DspMeasuredKind kind) {
  return kind == DSP_MEASURED_STEP || kind == DSP_MEASURED_LAYER;
}

static DspScoreGroup describe(const GPtrArray *members) {
  const DspScored *first = members->pdata[0];
  g_autoptr(GArray) errors = g_array_new(FALSE, FALSE, sizeof(double));
  add_ratio_errors(members, errors);
  DspScoreGroup group = {first->file,
                         first->point->group,
                         first->point->kind,
                         members->len,
                         dsp_median(errors),
                         NULL,
                         NULL,
                         NAN};
  if (!has_winner(group.kind))
    return group;
  const DspScored *winner = fastest(members, measured_time);
  group.winner_measured = winner->point->id;
  group.winner_predicted = fastest(members, predicted_time)->point->id;
  group.margin = margin_of(members, winner);
  return group;
}

GArray *dsp_score_groups(const DspScore *score, guint trusts) {
  GArray *results = g_array_new(FALSE, FALSE, sizeof(DspScoreGroup));
  g_autoptr(GPtrArray) groups = collect(score, trusts);
  for (guint i = 0; i < groups->len; i++) {
    const DspScoreGroup group = describe(groups->pdata[i]);
    g_array_append_val(results, group);
  }
  return results;
}

/* --- over the groups of a kind ------------------------------------------- */

static void add_group(DspScoreContest *contest, GArray *errors,
                      const GPtrArray *members) {
  const DspScoreGroup group = describe(members);
  add_ratio_errors(members, errors);
  contest->groups++;
  contest->contested = has_winner(group.kind);
  if (!(group.margin > DSP_SCORE_MARGIN))
    return;
  contest->contests++;
  contest->named += strcmp(group.winner_measured, group.winner_predicted) == 0;
}

GArray *dsp_score_contests(const DspScore *score, guint trusts) {
  GArray *results = g_array_new(FALSE, FALSE, sizeof(DspScoreContest));
  g_autoptr(GPtrArray) groups = collect(score, trusts);
  for (int kind = 0; kind < DSP_N_MEASURED; kind++) {
    g_autoptr(GArray) errors = g_array_new(FALSE, FALSE, sizeof(double));
    DspScoreContest contest = {.kind = (DspMeasuredKind)kind};
    for (guint i = 0; i < groups->len; i++) {
      const GPtrArray *members = groups->pdata[i];
      const DspScored *first = members->pdata[0];
      if ((int)first->point->kind == kind)
        add_group(&contest, errors, members);
    }
    contest.ratios = errors->len;
    contest.median_ratio_error = dsp_median(errors);
    if (contest.groups)
      g_array_append_val(results, contest);
  }
  return results;
}
