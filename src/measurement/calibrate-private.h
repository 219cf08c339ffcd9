/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of measurement/: a calibration, as its parts share it. */
#ifndef DSP_MEASUREMENT_CALIBRATE_PRIVATE_H
#define DSP_MEASUREMENT_CALIBRATE_PRIVATE_H

#include "measurement/calibrate.h"

/* The constants of a network that may be fitted. Shares of the wire and numbers
 * of channels are NCCL's, not measured. */
typedef struct {
  const char *key;
  DspQuantity quantity;
  gsize offset; /* of DspTransport */
} DspFreeConstant;

extern const DspFreeConstant dsp_free_constants[];
extern const guint dsp_n_free_constants;

/* The one that links follow, and not the price alone. */
gboolean dsp_is_bandwidth(const DspFreeConstant *constant);

/* A cluster with its own copy of the networks' constants. */
typedef struct {
  DspCluster *cluster; /* changed as constants are tried */
  DspTransport intra, inter;
  double nvlink_bandwidth, nic_bandwidth;
  double *mesh;
  gboolean own_nvlink, own_nic; /* the profile says otherwise than the network
                                   and is not what is calibrated */
} DspSite;

/* GPUs of a site that points ran on. */
typedef struct {
  DspSite *site;
  guint nodes, gpus_per_node;
  DspTopology *topology;
} DspStand;

typedef struct {
  const DspMeasurements *file;
  const DspPoint *point;
  DspStand *stand;
  gboolean own;     /* of the cluster that is calibrated */
  gboolean trained; /* fitted to */
  double time;      /* s, predicted last */
} DspSample;

struct DspCalibration {
  DspCluster *cluster; /* as it was */
  GPtrArray *sites, *stands;
  GArray *samples;        /* DspSample */
  GArray *constants;      /* DspCalibratedConstant */
  GArray *free;           /* guint: index into dsp_free_constants of each */
  GArray *before, *after; /* DspScored */
  guint clusters, training, skipped;
};

static inline DspSample *dsp_sample(const DspCalibration *c, guint i) {
  return &g_array_index(c->samples, DspSample, i);
}

static inline DspCalibratedConstant *dsp_calibrated(const DspCalibration *c,
                                                    guint i) {
  return &g_array_index(c->constants, DspCalibratedConstant, i);
}

/* Finds the points of the job and the clusters, networks and constants that
 * they are about. */
gboolean dsp_calibration_gather(DspCalibration *c, const DspCalibrateJob *job,
                                GError **error);

/* A constant as the fit sees it, without bounds: the logarithm of a time or
 * rate, the logit of a share. And back. */
double dsp_quantity_to_free(DspQuantity quantity, double value);
double dsp_quantity_of_free(DspQuantity quantity, double free);

/* Gives the constants these values (`values`: one each) in all sites. */
void dsp_calibration_set(DspCalibration *c, const double *values);
/* Predicts a point with what is set, s. */
double dsp_sample_time(const DspSample *sample);

/* Fits; sets after, error and kept of the constants. */
void dsp_calibration_fit(DspCalibration *c);

/* ------------------------------------------------------------------------- */

/* Which of `n` columns (each `rows` long, in one array, weighted relative
 * errors for a change of one) the rows determine to a standard error of at most
 * `most` if their errors are `sigma`: greedily, the best determined first, each
 * by what is left of it beside those before. Sets taken[k], error[k] and, of
 * those not taken, like[k]: the taken one that it looks most like, or -1.
 * `columns` is overwritten. */
void dsp_identify(double *columns, guint rows, guint n, double sigma,
                  double most, gboolean *taken, double *error, int *like);

#endif
