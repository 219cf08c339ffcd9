/* SPDX-License-Identifier: Apache-2.0 */
/* Fits the constants of a cluster to what was measured on it: those of its
 * networks (hwprofiles/networks) and links to collectives, those of its GPU's
 * kernels (hwprofiles/gpus) to kernels, and those of launches to whole steps.
 * Constants that the measurements do not determine stay as they are, each with
 * the reason. dspsim-calibrate(1) tells the method. */
#ifndef DSP_MEASUREMENT_CALIBRATE_H
#define DSP_MEASUREMENT_CALIBRATE_H

#include "measurement/score.h"

/* Whose measurements count. */
typedef enum {
  DSP_CALIBRATE_ALONE,   /* the cluster's own */
  DSP_CALIBRATE_SHARED,  /* also those of clusters that have a network of its */
  DSP_CALIBRATE_WITHOUT, /* those of the others: its own are foretold only */
  DSP_N_CALIBRATE_MODES,
} DspCalibrateMode;

typedef struct {
  const GPtrArray *files;    /* DspMeasurements */
  const char *cluster;       /* a profile's name or path */
  const GPtrArray *excluded; /* names of groups (char *), or NULL */
  DspCalibrateMode mode;
  /* 0, or how many parts kernels are dealt into in turn, of which one is not
   * fitted to and the only one that is foretold. */
  guint folds, fold;
} DspCalibrateJob;

typedef enum {
  DSP_QUANTITY_TIME,
  DSP_QUANTITY_RATE,
  DSP_QUANTITY_SHARE,  /* of one */
  DSP_QUANTITY_NUMBER, /* above zero */
  DSP_QUANTITY_FACTOR, /* above one */
} DspQuantity;

typedef struct {
  const char *file;     /* name of a network, of a GPU, or of the profile */
  char *key;            /* "launch", "gemm.t0" */
  DspMeasuredKind kind; /* of the points that it is fitted to */
  DspQuantity quantity;
  double before, after; /* s, bytes/s, or a share */
  double error;         /* standard error over `after`, NaN: not fitted */
  guint points;         /* that depend on it */
  char *kept;           /* why it stayed as it was, NULL: it is fitted */
} DspCalibratedConstant;

typedef struct DspCalibration DspCalibration;

/* Fails with DSP_ERROR_INFEASIBLE if no healthy point is left to fit to, and as
 * dsp_cluster_load. The files must outlive the calibration. Free with
 * dsp_calibration_free. */
DspCalibration *dsp_calibrate(const DspCalibrateJob *job, GError **error);
void dsp_calibration_free(DspCalibration *calibration);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DspCalibration, dsp_calibration_free)

/* DspCalibratedConstant: networks in order of the profile, the profile's own,
 * the GPU's. */
const GArray *dsp_calibration_constants(const DspCalibration *calibration);
guint dsp_calibration_fitted(const DspCalibration *calibration);
/* The cluster's own points as predicted before and after (DspScored); owned. */
const GArray *dsp_calibration_points(const DspCalibration *calibration,
                                     gboolean after);
/* Points that were fitted to, the clusters and GPUs that they are of, and
 * points that could not be predicted. */
guint dsp_calibration_training(const DspCalibration *calibration,
                               guint *machines, guint *skipped);
/* The profile, as it was. */
const DspCluster *dsp_calibration_cluster(const DspCalibration *calibration);

/* "dgx-h100", or the GPU where kernels are dealt out. */
const char *dsp_calibration_name(const DspCalibration *calibration);

/* Names of the clusters that the files have healthy collectives of, or of the
 * GPUs that they have healthy kernels of, sorted; g_strfreev. */
char **dsp_calibrate_machines(const GPtrArray *files, gboolean gpus);

/* Writes the cluster's profile with what was fitted to `file`, which ends with
 * ".json", and the GPU and each network that changed to files beside it, which
 * the profile names without a folder; all say in
 * "source" and "note" what they are made from. dsp_cluster_load takes it.
 * DSP_ERROR_USAGE for a cluster without a profile, DSP_ERROR_EXTERNAL if a file
 * cannot be written. */
gboolean dsp_calibration_write(const DspCalibration *calibration,
                               const GPtrArray *files, const char *file,
                               GError **error);

/* What points of a profile's cluster call it: "dgx-h100" for
 * "some/dgx-h100.json". The caller frees. */
char *dsp_calibrate_name(const char *cluster);

/* "24.5GB/s", "3.4us", "0.74", as files have it. The caller frees. */
char *dsp_quantity_format(DspQuantity quantity, double value);

#endif
