/* SPDX-License-Identifier: Apache-2.0 */
/* How far predictions are from measurements: point by point, in classes of
 * alike points, and in groups of points that differ in one thing only. */
#ifndef DSP_MEASUREMENT_SCORE_H
#define DSP_MEASUREMENT_SCORE_H

#include "measurement/inventory.h"
#include "measurement/measurements.h"
#include "measurement/spread.h"

typedef struct {
  const DspMeasurements *file;
  const DspPoint *point;
  const char *gpu;      /* that it ran on, NULL: not known */
  double predicted;     /* in the unit of point->measured; NaN if skipped */
  char *skipped;        /* why, or NULL */
  DspInterval interval; /* factors on the predicted time, NaN: none */
  DspSpread *spread;    /* of a step: what its time is made of, else NULL */
} DspScored;

/* predicted / measured - 1. */
double dsp_scored_error(const DspScored *scored);
/* The same of seconds, so that positive is too slow; of a rate its inverse. */
double dsp_scored_time_error(const DspScored *scored);

typedef struct {
  DspInventory *inventory;
  GArray *points; /* DspScored, in the order of files and points */
} DspScore;

/* Predicts every point of the `files` (DspMeasurements), which must outlive the
 * score. Fails where a file that a point names is wrong. Free with
 * dsp_score_free. */
DspScore *dsp_score_new(const GPtrArray *files, GError **error);
void dsp_score_free(DspScore *score);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DspScore, dsp_score_free)

static inline const DspScored *dsp_scored(const DspScore *score, guint i) {
  return &g_array_index(score->points, DspScored, i);
}

/* Finds the interval of every predicted point. */
void dsp_score_intervals(DspScore *score, const DspResiduals *residuals);
/* The same, that of each point from the errors of the healthy ones of other
 * machines or, of steps, other models: how well something that nobody has
 * measured is foretold. */
void dsp_score_intervals_held_out(DspScore *score);
/* Whether the measured value is inside of its interval. */
gboolean dsp_scored_inside(const DspScored *scored);
/* What healthy points are off by. The errors of a step are those beyond what
 * its operations' explain. */
void dsp_score_residuals(const DspScore *score, DspResiduals *residuals);

/* ------------------------------------------------------------------------- */

/* Points of one kind that have the same value of a key, or of several. Shares
 * of one, NaN where no point was predicted. */
typedef struct {
  DspMeasuredKind kind;
  const char *by; /* "band", "pass,band"; "kind": all of it */
  char *value;    /* "below 1 MiB"; of several keys "fwd, cross" */
  guint n;        /* predicted */
  guint skipped;
  double median_ape, mean_ape, p90_ape; /* of |predicted / measured - 1| */
  double bias;        /* median of the error of time: positive is too slow */
  double in_interval; /* share of the points with an interval, NaN: none */
} DspScoreClass;

/* Bit sets of DspTrust. */
#define DSP_TRUST_ALL ((1u << DSP_N_TRUSTS) - 1)

/* The names of all keys, NULL-terminated. */
const char *const *dsp_score_keys(void);
/* What points of a kind are told apart by if nothing else is asked. */
const char *dsp_score_usual_key(DspMeasuredKind kind);
/* Whether `by` is keys with commas between them; else DSP_ERROR_USAGE. */
gboolean dsp_score_check_keys(const char *by, GError **error);

/* Classes (DspScoreClass) of the points of this trust, in order of kind and
 * value. `by`: keys, NULL for the usual ones of each kind. Kinds to which a key
 * does not apply are left out. Free with g_array_unref. */
GArray *dsp_score_classes(const DspScore *score, guint trusts, const char *by);

/* Why points were skipped, most often first (DspScoreReason). */
typedef struct {
  const char *reason;
  DspMeasuredKind kind;
  guint n;
} DspScoreReason;
GArray *dsp_score_reasons(const DspScore *score, guint trusts);

/* ------------------------------------------------------------------------- */

/* A group of points, of those that were predicted. Ratios are of times to that
 * of the group's first point. */
typedef struct {
  const DspMeasurements *file;
  const char *group;
  DspMeasuredKind kind;
  guint n;
  double median_ratio_error; /* of |predicted / measured - 1|, NaN: n is 1 */
  /* Steps and layers, of which one is the fastest: its id; else NULL. */
  const char *winner_measured, *winner_predicted;
  double
      margin; /* of the measured winner over the second, NaN: there is none */
} DspScoreGroup;

/* Groups (DspScoreGroup) of two points and more, in order of appearance. Free
 * with g_array_unref. */
GArray *dsp_score_groups(const DspScore *score, guint trusts);

/* Over the groups of one kind. */
typedef struct {
  DspMeasuredKind kind;
  guint groups, ratios;
  double median_ratio_error; /* of all their ratios */
  gboolean contested;        /* groups of this kind have a winner */
  guint contests, named;     /* groups whose first two differ by more than the
                                margin, and those whose winner was named */
} DspScoreContest;

#define DSP_SCORE_MARGIN 0.05

GArray *dsp_score_contests(const DspScore *score, guint trusts);

/* ------------------------------------------------------------------------- */

/* One run of nccl-tests: the points of a group or, without one, of the same
 * collective on the same GPUs. */
typedef struct {
  const DspScored *first;
  guint n;         /* sizes of at least 1 MiB that were predicted */
  double slowdown; /* median of measured / predicted over them */
  double worst;    /* the largest of them */
  int64_t worst_bytes;
  gboolean unhealthy; /* slowdown is above the threshold */
} DspRunHealth;

/* Slower than this is not what collectives of machines in order differ by. */
#define DSP_HEALTH_THRESHOLD 1.5

/* Runs of collectives (DspRunHealth), slowest first, whatever their trust; runs
 * of small sizes only are left out, since latency tells little of links. Free
 * with g_array_unref. */
GArray *dsp_score_health(const DspScore *score, double threshold);

#endif
