/* SPDX-License-Identifier: Apache-2.0 */
#include "measurement/residuals.h"
#include "measurement/predict-point.h"
#include "measurement/statistics.h"
#include <math.h>
#include <string.h>

const char *const dsp_errors_names[] = {"gemm_short",
                                        "gemm_long",
                                        "attention_short",
                                        "attention_long",
                                        "attention_backward",
                                        "norm",
                                        "pointwise",
                                        "node_small",
                                        "node_medium",
                                        "node_large",
                                        "nodes_small",
                                        "nodes_medium",
                                        "nodes_large",
                                        "host",
                                        "layer",
                                        "layers",
                                        "step",
                                        "step_outside",
                                        NULL};

/* --- classes ------------------------------------------------------------- */

DspErrors dsp_errors_of_gemm(double seconds) {
  const double most_short = 100e-6;
  return seconds <= most_short ? DSP_ERRORS_GEMM_SHORT : DSP_ERRORS_GEMM_LONG;
}

DspErrors dsp_errors_of_attention(const DspAttentionShape *shape,
                                  DspDirection direction) {
  enum { LEAST_LONG = 1000 };
  if (direction != DSP_FORWARD)
    return DSP_ERRORS_ATTENTION_BACKWARD;
  return shape->seq_q == shape->seq_k && shape->seq_q >= LEAST_LONG
             ? DSP_ERRORS_ATTENTION_LONG
             : DSP_ERRORS_ATTENTION_SHORT;
}

DspErrors dsp_errors_of_memory(DspMemoryOp op) {
  return op == DSP_MEMORY_NORM || op == DSP_MEMORY_NORM_BACKWARD
             ? DSP_ERRORS_NORM
             : DSP_ERRORS_POINTWISE;
}

DspErrors dsp_errors_of_collective(int64_t bytes, gboolean across) {
  enum { MEDIUM = 1 << 20, LARGE = 64 << 20 };
  return (across ? DSP_ERRORS_NODES_SMALL : DSP_ERRORS_NODE_SMALL) +
         (bytes >= MEDIUM) + (bytes >= LARGE);
}

static DspErrors errors_of_attention(const DspPoint *point) {
  const DspAttentionPoint *p = &point->attention;
  const DspAttentionShape shape = {.seq_q = p->seq_q, .seq_k = p->seq_k};
  return dsp_errors_of_attention(&shape, (DspDirection)p->pass);
}

DspErrors dsp_errors_of_point(const DspPoint *p, double predicted) {
  switch (p->kind) {
  case DSP_MEASURED_COLLECTIVE:
    return dsp_errors_of_collective(p->collective.bytes,
                                    p->collective.nodes > 1);
  case DSP_MEASURED_GEMM:
    return dsp_errors_of_gemm(1e-6 * predicted);
  case DSP_MEASURED_ATTENTION:
    return errors_of_attention(p);
  case DSP_MEASURED_MEMORY:
    return dsp_errors_of_memory((DspMemoryOp)p->memory.op);
  case DSP_MEASURED_LAYER:
    return p->layer.gpus > 1 ? DSP_ERRORS_LAYERS : DSP_ERRORS_LAYER;
  default:
    return dsp_point_unmodelled(p) ? DSP_ERRORS_STEP_OUTSIDE : DSP_ERRORS_STEP;
  }
}

/* --- quantiles ----------------------------------------------------------- */

static double share_at(guint i) {
  return (i + 0.5) / DSP_RESIDUAL_QUANTILES;
}

double dsp_residuals_quantile(const DspResiduals *residuals, DspErrors errors,
                              double share) {
  const double *q = residuals->classes[errors].quantiles;
  const double at = CLAMP(share * DSP_RESIDUAL_QUANTILES - 0.5, 0,
                          DSP_RESIDUAL_QUANTILES - 1);
  const guint below = MIN((guint)at, DSP_RESIDUAL_QUANTILES - 2);
  return q[below] + (q[below + 1] - q[below]) * (at - below);
}

/* --- from errors --------------------------------------------------------- */

#define LEAST_POINTS 20

/* Whose errors are the likeliest for a class that has few of its own. */
static const DspErrors kin[DSP_N_ERRORS] = {
    [DSP_ERRORS_GEMM_SHORT] = DSP_ERRORS_GEMM_LONG,
    [DSP_ERRORS_GEMM_LONG] = DSP_ERRORS_GEMM_SHORT,
    [DSP_ERRORS_ATTENTION_SHORT] = DSP_ERRORS_ATTENTION_LONG,
    [DSP_ERRORS_ATTENTION_LONG] = DSP_ERRORS_ATTENTION_SHORT,
    [DSP_ERRORS_ATTENTION_BACKWARD] = DSP_ERRORS_ATTENTION_SHORT,
    [DSP_ERRORS_NORM] = DSP_ERRORS_POINTWISE,
    [DSP_ERRORS_POINTWISE] = DSP_ERRORS_NORM,
    [DSP_ERRORS_NODE_SMALL] = DSP_ERRORS_NODES_SMALL,
    [DSP_ERRORS_NODE_MEDIUM] = DSP_ERRORS_NODES_MEDIUM,
    [DSP_ERRORS_NODE_LARGE] = DSP_ERRORS_NODES_LARGE,
    [DSP_ERRORS_NODES_SMALL] = DSP_ERRORS_NODE_SMALL,
    [DSP_ERRORS_NODES_MEDIUM] = DSP_ERRORS_NODE_MEDIUM,
    [DSP_ERRORS_NODES_LARGE] = DSP_ERRORS_NODE_LARGE,
    [DSP_ERRORS_HOST] = DSP_ERRORS_STEP,
    [DSP_ERRORS_LAYER] = DSP_ERRORS_ATTENTION_LONG,
    [DSP_ERRORS_LAYERS] = DSP_ERRORS_LAYER,
    [DSP_ERRORS_STEP] = DSP_ERRORS_STEP_OUTSIDE,
    [DSP_ERRORS_STEP_OUTSIDE] = DSP_ERRORS_STEP,
};

/* Appends those of the class; returns how many. */
static guint select_errors(GArray *selected, const GArray *all,
                           DspErrors errors, const char *but) {
  guint n = 0;
  for (guint i = 0; i < all->len; i++) {
    const DspResidual *r = &g_array_index(all, DspResidual, i);
    if (r->errors != errors || g_strcmp0(r->subject, but) == 0)
      continue;
    g_array_append_val(selected, *r);
    n++;
  }
  return n;
}

/* Errors of a subject, or of all. */
typedef struct {
  double n, sum, squares;
} Sums;

static void add_to(Sums *sums, double error) {
  sums->n++;
  sums->sum += error;
  sums->squares += error * error;
}

/* Sums of each subject. */
static GHashTable *sum_up(const GArray *errors, Sums *all) {
  GHashTable *subjects =
      g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);
  for (guint i = 0; i < errors->len; i++) {
    const DspResidual *r = &g_array_index(errors, DspResidual, i);
    Sums *own = g_hash_table_lookup(subjects, r->subject);
    if (!own) {
      own = g_new0(Sums, 1);
      g_hash_table_insert(subjects, (gpointer)r->subject, own);
    }
    add_to(own, r->error);
    add_to(all, r->error);
  }
  return subjects;
}

/* One-way analysis of variance with subjects of unequal sizes: the variance
 * between them over that between and inside them (Searle, Casella and
 * McCulloch, Variance Components, 3.6). */
static double common_share(GHashTable *subjects, const Sums *all) {
  double between = 0, sizes = 0;
  GHashTableIter iter;
  gpointer own;
  g_hash_table_iter_init(&iter, subjects);
  while (g_hash_table_iter_next(&iter, NULL, &own)) {
    const Sums *sums = own;
    between += sums->sum * sums->sum / sums->n;
    sizes += sums->n * sums->n;
  }
  const double n = all->n, k = g_hash_table_size(subjects);
  if (k < 2 || n <= k)
    return 0;
  const double inside = (all->squares - between) / (n - k);
  const double size = (n - sizes / n) / (k - 1);
  const double over =
      ((between - all->sum * all->sum / n) / (k - 1) - inside) / size;
  return over > 0 && inside >= 0 ? over / (over + inside) : 0;
}

static void make_class(DspResidualClass *class, const GArray *selected) {
  g_autoptr(GArray) values = g_array_new(FALSE, FALSE, sizeof(double));
  Sums all = {0, 0, 0};
  g_autoptr(GHashTable) subjects = sum_up(selected, &all);
  for (guint i = 0; i < selected->len; i++)
    g_array_append_val(values, g_array_index(selected, DspResidual, i).error);
  class->points = selected->len;
  class->common = common_share(subjects, &all);
  class->subjects = g_hash_table_size(subjects);
  for (guint i = 0; i < DSP_RESIDUAL_QUANTILES; i++)
    class->quantiles[i] = values->len ? dsp_quantile(values, share_at(i)) : 0;
}

void dsp_residuals_make(DspResiduals *residuals, const GArray *errors,
                        DspErrors from, DspErrors to, const char *but) {
  for (DspErrors i = from; i < to; i++) {
    DspResidualClass *class = &residuals->classes[i];
    g_autoptr(GArray) selected = g_array_new(FALSE, FALSE, sizeof(DspResidual));
    const gboolean few = select_errors(selected, errors, i, but) < LEAST_POINTS;
    class->with = few ? kin[i] : i;
    if (few)
      select_errors(selected, errors, kin[i], but);
    make_class(class, selected);
  }
}
