/* SPDX-License-Identifier: Apache-2.0 */
/* Gram-Schmidt with pivots: the same columns come first as in a QR
 * decomposition that reveals rank (Golub and Van Loan, Matrix Computations,
 * 5.4.2), and what is left of a column is what only it explains. */
#include "measurement/calibrate-private.h"
#include <gsl/gsl_cblas.h>
#include <math.h>

typedef struct {
  double *columns;
  double *original; /* their lengths at first */
  double *likeness; /* share of each along each, n x n */
  guint rows, n;
} Basis;

static double *column(const Basis *b, guint k) {
  return b->columns + (gsize)k * b->rows;
}

static int longest(const Basis *b, const gboolean *taken) {
  int best = -1;
  double most = 0;
  for (guint k = 0; k < b->n; k++) {
    const double length =
        taken[k] ? 0 : cblas_dnrm2((int)b->rows, column(b, k), 1);
    if (length > most) {
      most = length;
      best = (int)k;
    }
  }
  return best;
}

/* Takes from the others what they have in common with column `pivot`. */
static void deflate(Basis *b, guint pivot, const gboolean *taken) {
  double *p = column(b, pivot);
  cblas_dscal((int)b->rows, 1 / cblas_dnrm2((int)b->rows, p, 1), p, 1);
  for (guint k = 0; k < b->n; k++) {
    if (taken[k])
      continue;
    const double common = cblas_ddot((int)b->rows, p, 1, column(b, k), 1);
    cblas_daxpy((int)b->rows, -common, p, 1, column(b, k), 1);
    b->likeness[k * b->n + pivot] =
        b->original[k] > 0 ? fabs(common) / b->original[k] : 0;
  }
}

static int most_alike(const Basis *b, guint k, const gboolean *taken) {
  int best = -1;
  const double least = 0.5;
  double most = least;
  for (guint j = 0; j < b->n; j++)
    if (taken[j] && b->likeness[k * b->n + j] > most) {
      most = b->likeness[k * b->n + j];
      best = (int)j;
    }
  return best;
}

void dsp_identify(double *columns, guint rows, guint n, double sigma,
                  double most, gboolean *taken, double *error, int *like) {
  g_autofree double *original = g_new0(double, n);
  g_autofree double *likeness = g_new0(double, (gsize)n *n);
  Basis basis = {columns, original, likeness, rows, n};
  int pivot;
  for (guint k = 0; k < n; k++) {
    original[k] = cblas_dnrm2((int)rows, column(&basis, k), 1);
    taken[k] = FALSE;
  }
  while ((pivot = longest(&basis, taken)) >= 0) {
    error[pivot] =
        sigma / cblas_dnrm2((int)rows, column(&basis, (guint)pivot), 1);
    if (error[pivot] > most)
      break;
    taken[pivot] = TRUE;
    deflate(&basis, (guint)pivot, taken);
  }
  for (guint k = 0; k < n; k++) {
    like[k] = -1;
    if (taken[k])
      continue;
    const double left = cblas_dnrm2((int)rows, column(&basis, k), 1);
    error[k] = left > 0 ? sigma / left : INFINITY;
    like[k] = most_alike(&basis, k, taken);
  }
}
