/* SPDX-License-Identifier: Apache-2.0 */
/* What predictions are off by: the errors log(measured / predicted) of measured
 * points, sorted into classes of operations that are predicted alike well. A
 * file of hwprofiles/residuals holds their quantiles, from which intervals of
 * predictions are drawn. dspsim-score(1) tells how it is made. */
#ifndef DSP_MEASUREMENT_RESIDUALS_H
#define DSP_MEASUREMENT_RESIDUALS_H

#include "measurement/measurements.h"
#include "model/work.h"

/* Classes go by what is known of an operation before it is measured: its shape,
 * its bytes, and the time that is predicted. */
typedef enum {
  DSP_ERRORS_GEMM_SHORT, /* up to 100 us */
  DSP_ERRORS_GEMM_LONG,
  DSP_ERRORS_ATTENTION_SHORT, /* forward, below 1000 tokens, or cross */
  DSP_ERRORS_ATTENTION_LONG,  /* forward, from 1000 tokens on */
  DSP_ERRORS_ATTENTION_BACKWARD,
  DSP_ERRORS_NORM,       /* norms and their gradients */
  DSP_ERRORS_POINTWISE,  /* other memory-bound kernels */
  DSP_ERRORS_NODE_SMALL, /* collectives inside a node, below 1 MiB */
  DSP_ERRORS_NODE_MEDIUM,
  DSP_ERRORS_NODE_LARGE,  /* from 64 MiB on */
  DSP_ERRORS_NODES_SMALL, /* collectives of several nodes */
  DSP_ERRORS_NODES_MEDIUM,
  DSP_ERRORS_NODES_LARGE,
  DSP_ERRORS_HOST,         /* issue of operations by the CPU */
  DSP_ERRORS_LAYER,        /* attention layers on one GPU */
  DSP_ERRORS_LAYERS,       /* on several */
  DSP_ERRORS_STEP,         /* what steps are off by beyond their operations */
  DSP_ERRORS_STEP_OUTSIDE, /* steps of which parts are not modelled */
  DSP_N_ERRORS,
} DspErrors;

/* "gemm_short", ..., NULL */
extern const char *const dsp_errors_names[];

DspErrors dsp_errors_of_gemm(double seconds);
DspErrors dsp_errors_of_attention(const DspAttentionShape *shape,
                                  DspDirection direction);
DspErrors dsp_errors_of_memory(DspMemoryOp op);
/* `across`: its ranks are on more nodes than one. */
DspErrors dsp_errors_of_collective(int64_t bytes, gboolean across);
/* `predicted`: in the unit of point->measured. */
DspErrors dsp_errors_of_point(const DspPoint *point, double predicted);

/* ------------------------------------------------------------------------- */

#define DSP_RESIDUAL_QUANTILES 20

typedef struct {
  int64_t points, subjects; /* subjects: machines or, of steps, models */
  double common; /* share of the variance that a subject's points have in
                    common: between 0 (each by itself) and 1 */
  double quantiles[DSP_RESIDUAL_QUANTILES]; /* at (i + 1/2) / 20 */
  DspErrors with; /* the class whose errors are among them, since its own are
                     few; itself: none */
} DspResidualClass;

typedef struct {
  DspResidualClass classes[DSP_N_ERRORS];
  char sha256[65]; /* of the file that they were read from, or "" */
} DspResiduals;

/* The error below which a share (0 to 1) of the class's errors is; linear
 * between quantiles, and no farther out than the first and the last. */
double dsp_residuals_quantile(const DspResiduals *residuals, DspErrors errors,
                              double share);

/* One error. */
typedef struct {
  DspErrors errors;
  const char *subject;
  double error; /* log(measured / predicted) of times */
} DspResidual;

/* Sets the classes of `residuals` from `from` to `to` - 1 from errors
 * (DspResidual), leaving out those of the subject `but` (NULL: none). A class
 * of fewer than 20 takes those of its nearest kin to its own; without any at
 * all it has no error. */
void dsp_residuals_make(DspResiduals *residuals, const GArray *errors,
                        DspErrors from, DspErrors to, const char *but);

/* ------------------------------------------------------------------------- */

/* `name` is looked up in hwprofiles/residuals, or a path. Fails with
 * DSP_ERROR_USAGE if there is no such file, DSP_ERROR_INPUT and the position if
 * it is wrong. The caller frees with g_free. */
DspResiduals *dsp_residuals_load(const char *name, GError **error);
/* The shipped ones. */
#define DSP_RESIDUALS_NAME "measured"

/* Writes such a file that says that it is from the `files` (DspMeasurements).
 * DSP_ERROR_EXTERNAL if it cannot. */
gboolean dsp_residuals_write(const DspResiduals *residuals,
                             const GPtrArray *files, const char *file,
                             GError **error);

#endif
