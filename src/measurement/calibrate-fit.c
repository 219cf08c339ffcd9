/* SPDX-License-Identifier: Apache-2.0 */
/* The fit: nonlinear least squares (GSL's trust region of Levenberg and
 * Marquardt) of log(predicted / measured), again and again with weights that
 * let points count less the farther off they are (Cauchy's), so that a few bad
 * runs do not carry the day. Each kind of points has constants of its own;
 * steps come last, with all else fitted. All limits are fixed: the same files
 * give the same constants. */
#include "measurement/calibrate-private.h"
#include "measurement/statistics.h"
#include <gsl/gsl_blas.h>
#include <gsl/gsl_multifit_nlinear.h>
#include <math.h>
#include <string.h>

#define ROUNDS     4
#define ITERATIONS 12
#define TOLERANCE  1e-5
#define STEP       1e-4

/* What is known before: a constant of a profile is right within a factor of 3.
 * Of the time of alike machines, within 10 %. */
#define PRIOR 1.0986
#define NOISE 0.1

/* A constant is fitted if its standard error is at most this, three points
 * depend on it, and the fit does not move it by more than a factor of 5. */
#define MOST_ERROR   0.25
#define LEAST_POINTS 3
#define MOST_MOVE    1.6094

/* A point depends on a constant if a change of it by 1 changes the point by
 * this; and no time changes more than in proportion to one constant, so that
 * what does is a jump between NCCL's choices. */
#define LEAST_EFFECT 0.05
#define MOST_EFFECT  1.05

/* More points of a kind than this make no difference but time: every so many-th
 * is taken. */
#define MOST_ROWS 600

#define CAUCHY       2.385 /* 95 % efficient where errors are normal */
#define NORMAL       1.4826
#define LEAST_SIGMA  0.01
#define USUAL_SPREAD 0.05

typedef struct {
  DspCalibration *c;
  DspMeasuredKind kind; /* of points, and of their constants */
  GArray *rows;         /* guint: samples that are fitted to */
  guint n;              /* constants that are fitted */
  guint *active;        /* which they are */
  double *first, *free; /* of all constants, unbounded */
  double *values;       /* of all constants, as files have them */
  double *effects;      /* d log(time) / d free, rows x constants */
  gboolean *depends;    /* where these are not zero */
  double *weights;      /* of rows */
  double sigma;         /* spread of the errors of rows */
  double *error;        /* standard errors of all constants */
} Fit;

static DspSample *row_sample(const Fit *f, guint i) {
  return dsp_sample(f->c, g_array_index(f->rows, guint, i));
}

/* --- predictions --------------------------------------------------------- */

static gboolean is_of_kind(const Fit *f, guint k) {
  return dsp_calibrated(f->c, k)->kind == f->kind;
}

static void set_all(Fit *f) {
  for (guint k = 0; k < f->c->constants->len; k++)
    f->values[k] = !is_of_kind(f, k) || f->free[k] == f->first[k]
                       ? dsp_calibrated(f->c, k)->after
                       : dsp_quantity_of_free(dsp_calibrated(f->c, k)->quantity,
                                              f->free[k]);
  dsp_calibration_set(f->c, f->values);
}

static void predict_all(Fit *f) {
  set_all(f);
  for (guint i = 0; i < f->c->samples->len; i++)
    if (dsp_sample(f->c, i)->point->kind == f->kind)
      dsp_calibration_predict(f->c, dsp_sample(f->c, i));
}

static void predict_rows(Fit *f) {
  set_all(f);
  for (guint i = 0; i < f->rows->len; i++)
    dsp_calibration_predict(f->c, row_sample(f, i));
}

static double log_time(const DspSample *s) {
  return log(dsp_point_seconds(s->point, s->predicted));
}

static double log_error(const DspSample *s) {
  return log_time(s) - log(dsp_point_seconds(s->point, s->point->measured));
}

/* Effects of constant k on the rows that depend on it; all: on every row. */
static void find_effects(Fit *f, guint k, gboolean all) {
  const guint n = f->c->constants->len;
  const double free = f->free[k];
  f->free[k] = free + STEP;
  set_all(f);
  for (guint i = 0; i < f->rows->len; i++) {
    double *effect = &f->effects[(gsize)i * n + k];
    DspSample changed = *row_sample(f, i);
    if (!all && !f->depends[(gsize)i * n + k])
      continue;
    dsp_calibration_predict(f->c, &changed);
    *effect = (log_time(&changed) - log_time(row_sample(f, i))) / STEP;
    if (fabs(*effect) > MOST_EFFECT)
      *effect = 0;
    if (all)
      f->depends[(gsize)i * n + k] = *effect != 0;
  }
  f->free[k] = free;
}

/* --- what GSL is given --------------------------------------------------- */

static void take_free(Fit *f, const gsl_vector *x) {
  for (guint j = 0; j < f->n; j++)
    f->free[f->active[j]] = gsl_vector_get(x, j);
}

/* The rows, and below them how far constants are from what was known. */
static int get_errors(const gsl_vector *x, void *data, gsl_vector *errors) {
  Fit *f = data;
  take_free(f, x);
  predict_rows(f);
  for (guint i = 0; i < f->rows->len; i++)
    gsl_vector_set(errors, i, log_error(row_sample(f, i)));
  for (guint j = 0; j < f->n; j++)
    gsl_vector_set(errors, f->rows->len + j,
                   f->free[f->active[j]] - f->first[f->active[j]]);
  return GSL_SUCCESS;
}

static int get_effects(const gsl_vector *x, void *data, gsl_matrix *effects) {
  Fit *f = data;
  const guint n = f->c->constants->len;
  take_free(f, x);
  predict_rows(f);
  gsl_matrix_set_zero(effects);
  for (guint j = 0; j < f->n; j++) {
    find_effects(f, f->active[j], FALSE);
    for (guint i = 0; i < f->rows->len; i++)
      gsl_matrix_set(effects, i, j, f->effects[(gsize)i * n + f->active[j]]);
    gsl_matrix_set(effects, f->rows->len + j, j, 1);
  }
  set_all(f);
  return GSL_SUCCESS;
}

/* --- weights ------------------------------------------------------------- */

static double spread_of(Fit *f) {
  g_autoptr(GArray) sizes = g_array_new(FALSE, FALSE, sizeof(double));
  for (guint i = 0; i < f->rows->len; i++) {
    const double size = fabs(log_error(row_sample(f, i)));
    g_array_append_val(sizes, size);
  }
  return MAX(NORMAL * dsp_median(sizes), LEAST_SIGMA);
}

static void weigh(Fit *f) {
  f->sigma = spread_of(f);
  for (guint i = 0; i < f->rows->len; i++) {
    const DspSample *s = row_sample(f, i);
    const double off = log_error(s) / (CAUCHY * f->sigma);
    const double spread = s->point->spread / USUAL_SPREAD;
    f->weights[i] = 1 / ((1 + off * off) * (1 + spread * spread));
  }
}

/* --- the fit ------------------------------------------------------------- */

static void take_errors(Fit *f, const gsl_multifit_nlinear_workspace *w) {
  gsl_matrix *covariance = gsl_matrix_alloc(f->n, f->n);
  gsl_multifit_nlinear_covar(gsl_multifit_nlinear_jac(w), 0, covariance);
  for (guint j = 0; j < f->n; j++)
    f->error[f->active[j]] = f->sigma * sqrt(gsl_matrix_get(covariance, j, j));
  gsl_matrix_free(covariance);
}

static void solve(Fit *f, gsl_multifit_nlinear_workspace *w,
                  gsl_multifit_nlinear_fdf *fdf) {
  gsl_vector *x = gsl_vector_alloc(f->n);
  gsl_vector *weights = gsl_vector_alloc(f->rows->len + f->n);
  int info;
  for (guint j = 0; j < f->n; j++) {
    const double prior = f->sigma / PRIOR;
    gsl_vector_set(x, j, f->free[f->active[j]]);
    gsl_vector_set(weights, f->rows->len + j, prior * prior);
  }
  for (guint i = 0; i < f->rows->len; i++)
    gsl_vector_set(weights, i, f->weights[i]);
  gsl_multifit_nlinear_winit(x, weights, fdf, w);
  gsl_multifit_nlinear_driver(ITERATIONS, TOLERANCE, TOLERANCE, TOLERANCE, NULL,
                              NULL, &info, w);
  take_free(f, gsl_multifit_nlinear_position(w));
  take_errors(f, w);
  gsl_vector_free(x);
  gsl_vector_free(weights);
}

/* From what the profile has. */
static void fit(Fit *f) {
  const gsl_multifit_nlinear_parameters parameters =
      gsl_multifit_nlinear_default_parameters();
  gsl_multifit_nlinear_fdf fdf = {.f = get_errors,
                                  .df = get_effects,
                                  .n = f->rows->len + f->n,
                                  .p = f->n,
                                  .params = f};
  memcpy(f->free, f->first, sizeof(double) * f->c->constants->len);
  predict_rows(f);
  if (!f->n)
    return;
  gsl_multifit_nlinear_workspace *w = gsl_multifit_nlinear_alloc(
      gsl_multifit_nlinear_trust, &parameters, fdf.n, fdf.p);
  for (guint round = 0; round < ROUNDS; round++) {
    weigh(f);
    solve(f, w, &fdf);
    predict_rows(f);
  }
  gsl_multifit_nlinear_free(w);
}

/* --- which constants ----------------------------------------------------- */

static void keep(Fit *f, guint k, char *why) {
  DspCalibratedConstant *constant = dsp_calibrated(f->c, k);
  g_free(constant->kept);
  constant->kept = why;
}

static void list_active(Fit *f) {
  f->n = 0;
  for (guint k = 0; k < f->c->constants->len; k++)
    if (is_of_kind(f, k) && !dsp_calibrated(f->c, k)->kept)
      f->active[f->n++] = k;
}

static void count_points(Fit *f, guint k) {
  DspCalibratedConstant *constant = dsp_calibrated(f->c, k);
  const guint n = f->c->constants->len;
  if (!is_of_kind(f, k) || constant->kept)
    return;
  find_effects(f, k, TRUE);
  for (guint i = 0; i < f->rows->len; i++)
    constant->points += fabs(f->effects[(gsize)i * n + k]) >= LEAST_EFFECT;
  if (constant->points == 0)
    keep(f, k, g_strdup("no point depends on it"));
  else if (constant->points < LEAST_POINTS)
    keep(f, k,
         g_strdup_printf("only %u point%s on it", constant->points,
                         constant->points > 1 ? "s depend" : " depends"));
}

static char *describe_like(const Fit *f, guint k, int j, double error) {
  const DspCalibratedConstant *constant = dsp_calibrated(f->c, k);
  const DspCalibratedConstant *other =
      j < 0 ? NULL : dsp_calibrated(f->c, f->active[j]);
  if (!other)
    return g_strdup_printf("standard error would be %.0f %%",
                           MIN(100 * error, 999));
  const gboolean near = strcmp(constant->file, other->file) == 0;
  return g_strdup_printf("not to be told from %s%s%s", near ? "" : other->file,
                         near ? "" : " ", other->key);
}

/* Leaves out what the points depend on alike, before anything is fitted. */
static void identify(Fit *f) {
  const guint rows = f->rows->len, all = f->c->constants->len;
  g_autofree double *columns = g_new(double, (gsize)rows * f->n);
  g_autofree double *error = g_new(double, f->n);
  g_autofree gboolean *taken = g_new(gboolean, f->n);
  g_autofree int *like = g_new(int, f->n);
  for (guint j = 0; j < f->n; j++)
    for (guint i = 0; i < rows; i++)
      columns[(gsize)j * rows + i] =
          sqrt(f->weights[i]) * f->effects[(gsize)i * all + f->active[j]];
  dsp_identify(columns, rows, f->n, NOISE, MOST_ERROR, taken, error, like);
  for (guint j = 0; j < f->n; j++)
    if (!taken[j])
      keep(f, f->active[j], describe_like(f, f->active[j], like[j], error[j]));
  list_active(f);
}

/* What lanes of NVLink, InfiniBand and Ethernet, and slots of PCIe 3 to 6
 * signal, bytes/s one way: the least that is not below the profile's payload is
 * the wire's own. */
static double wire_of(const Fit *f, guint k) {
  static const double lanes[] = {1.25e9, 3.125e9, 5e9,  6.25e9, 7e9,
                                 12.5e9, 25e9,    50e9, 100e9,  INFINITY};
  static const double slots[] = {15.75e9, 31.5e9, 63e9, 121e9, INFINITY};
  const DspFreeConstant *free = dsp_free_constant(f->c, k);
  const double *wire = dsp_is_bandwidth(free)                  ? lanes
                       : g_strcmp0(free->section, "pcie") == 0 ? slots
                                                               : NULL;
  while (wire && dsp_calibrated(f->c, k)->before > *wire)
    wire++;
  return wire ? *wire : INFINITY;
}

/* How far a fitted constant is beyond belief: above 1. */
static double doubt(const Fit *f, guint k) {
  if (f->values[k] > wire_of(f, k))
    return INFINITY;
  return MAX(fabs(f->free[k] - f->first[k]) / MOST_MOVE,
             f->error[k] / MOST_ERROR);
}

/* The fitted constant that is the least believable, or -1. */
static int find_worst(const Fit *f) {
  int worst = -1;
  double most = 1;
  for (guint j = 0; j < f->n; j++)
    if (doubt(f, f->active[j]) > most) {
      worst = (int)f->active[j];
      most = doubt(f, f->active[j]);
    }
  return worst;
}

static char *describe_worst(const Fit *f, guint k) {
  if (f->values[k] > wire_of(f, k))
    return g_strdup_printf("the fit would make it %.4gGB/s, above the wire's "
                           "%.4gGB/s",
                           1e-9 * f->values[k], 1e-9 * wire_of(f, k));
  if (f->error[k] > MOST_ERROR)
    return g_strdup_printf("standard error would be %.0f %%",
                           100 * f->error[k]);
  return g_strdup_printf("the fit would make it %.2g times what it is",
                         exp(f->free[k] - f->first[k]));
}

static void fit_believable(Fit *f) {
  int worst;
  fit(f);
  while ((worst = find_worst(f)) >= 0) {
    keep(f, (guint)worst, describe_worst(f, (guint)worst));
    list_active(f);
    fit(f);
  }
}

/* --- the whole ----------------------------------------------------------- */

static void add_rows(Fit *f) {
  g_autoptr(GArray) all = g_array_new(FALSE, FALSE, sizeof(guint));
  f->rows = g_array_new(FALSE, FALSE, sizeof(guint));
  for (guint i = 0; i < f->c->samples->len; i++)
    if (dsp_sample(f->c, i)->trained &&
        dsp_sample(f->c, i)->point->kind == f->kind)
      g_array_append_val(all, i);
  const gsize n =
      f->kind == DSP_MEASURED_COLLECTIVE ? all->len : MIN(all->len, MOST_ROWS);
  for (gsize i = 0; i < n; i++)
    g_array_append_val(f->rows, g_array_index(all, guint, i * all->len / n));
}

static void fit_init(Fit *f, DspCalibration *c, DspMeasuredKind kind) {
  const guint n = c->constants->len;
  *f = (Fit){.c = c, .kind = kind};
  add_rows(f);
  f->active = g_new0(guint, n);
  f->first = g_new0(double, n);
  f->free = g_new0(double, n);
  f->values = g_new0(double, n);
  f->error = g_new0(double, n);
  f->weights = g_new0(double, f->rows->len);
  f->effects = g_new0(double, (gsize)f->rows->len *n);
  f->depends = g_new0(gboolean, (gsize)f->rows->len * n);
  for (guint k = 0; k < n; k++) {
    const DspCalibratedConstant *constant = dsp_calibrated(c, k);
    if (!constant->kept)
      f->first[k] = f->free[k] =
          dsp_quantity_to_free(constant->quantity, constant->before);
  }
}

static void fit_clear(Fit *f) {
  gpointer const arrays[] = {f->active, f->first,   f->free,    f->values,
                             f->error,  f->weights, f->effects, f->depends};
  for (guint i = 0; i < G_N_ELEMENTS(arrays); i++)
    g_free(arrays[i]);
  g_array_unref(f->rows);
}

static const char *gpu_of(const DspCalibration *c, const DspSample *s) {
  return s->stand ? s->stand->site->cluster->gpu->name : c->cluster->gpu->name;
}

static GArray *score(const DspCalibration *c) {
  GArray *points = g_array_new(FALSE, TRUE, sizeof(DspScored));
  for (guint i = 0; i < c->samples->len; i++) {
    const DspSample *s = dsp_sample(c, i);
    const DspScored scored = {.file = s->file,
                              .point = s->point,
                              .gpu = gpu_of(c, s),
                              .predicted = s->predicted,
                              .interval = {NAN, NAN}};
    if (s->own)
      g_array_append_val(points, scored);
  }
  return points;
}

static void take_results(Fit *f) {
  for (guint j = 0; j < f->n; j++) {
    DspCalibratedConstant *constant = dsp_calibrated(f->c, f->active[j]);
    constant->after = f->values[f->active[j]];
    constant->error = dsp_quantity_error(constant->quantity, constant->after,
                                         f->error[f->active[j]]);
  }
}

/* Nothing to fit to. */
static void keep_kind(Fit *f) {
  for (guint k = 0; k < f->c->constants->len; k++)
    if (is_of_kind(f, k) && !dsp_calibrated(f->c, k)->kept)
      keep(f, k,
           g_strdup_printf("no %s was measured", dsp_measured_names[f->kind]));
}

static void fit_kind(DspCalibration *c, DspMeasuredKind kind) {
  Fit f;
  fit_init(&f, c, kind);
  if (!f.rows->len)
    keep_kind(&f);
  predict_all(&f);
  weigh(&f);
  for (guint k = 0; k < c->constants->len; k++)
    count_points(&f, k);
  set_all(&f);
  list_active(&f);
  identify(&f);
  fit_believable(&f);
  predict_all(&f);
  take_results(&f);
  fit_clear(&f);
}

static void predict_before(DspCalibration *c) {
  for (guint i = 0; i < c->samples->len; i++)
    dsp_calibration_predict(c, dsp_sample(c, i));
}

void dsp_calibration_fit(DspCalibration *c) {
  predict_before(c);
  c->before = score(c);
  for (int kind = 0; kind < DSP_N_MEASURED; kind++) {
    if (kind == DSP_MEASURED_STEP)
      dsp_inventory_forget_prices(c->inventory);
    fit_kind(c, (DspMeasuredKind)kind);
  }
  c->after = score(c);
}
