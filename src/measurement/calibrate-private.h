/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of measurement/: a calibration, as its parts share it. */
#ifndef DSP_MEASUREMENT_CALIBRATE_PRIVATE_H
#define DSP_MEASUREMENT_CALIBRATE_PRIVATE_H

#include "measurement/calibrate.h"

/* What holds a constant: the transports, the GPU or the rest of a cluster. */
typedef enum {
  DSP_HOLDER_INTRA,
  DSP_HOLDER_INTER,
  DSP_HOLDER_CLUSTER,
  DSP_HOLDER_GPU,
} DspHolder;

/* A constant that may be fitted: a double of its holder, and where its file has
 * it. Shares of the wire, numbers of channels and tiles are of NCCL and of
 * libraries, not measured. */
typedef struct {
  DspHolder holder;
  gsize offset;
  const char *section, *part, *key; /* section, part: or NULL */
} DspFreeConstant;

/* The one of a network that links follow, and not the price alone. */
gboolean dsp_is_bandwidth(const DspFreeConstant *constant);

/* A cluster with its own copy of the networks' constants. */
typedef struct {
  DspCluster *cluster; /* changed as constants are tried */
  DspTransport intra, inter;
  double nvlink_bandwidth, nic_bandwidth;
  double *mesh;
  gboolean own;                 /* what is calibrated */
  gboolean own_nvlink, own_nic; /* the profile says otherwise than the network
                                   and is not what is calibrated */
  gboolean borrowed;            /* the cluster is the inventory's */
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
  DspStand *stand;  /* of a collective, else NULL */
  gboolean own;     /* of the cluster that is calibrated */
  gboolean trained; /* fitted to */
  double predicted; /* last, in the unit of the point */
} DspSample;

struct DspCalibration {
  DspCluster *cluster; /* as it was */
  GPtrArray *sites, *stands;
  DspInventory *inventory; /* for what is not a collective: */
  GPtrArray *gpus;         /* DspGpu in it that are changed as they are tried */
  GArray *samples;         /* DspSample */
  GArray *constants;       /* DspCalibratedConstant */
  GArray *free;            /* DspFreeConstant of each */
  GArray *before, *after;  /* DspScored */
  guint machines, training, skipped;
  gboolean folded; /* foretells parts of a GPU's kernels */
};

void dsp_site_free(gpointer site);
void dsp_stand_free(gpointer stand);

static inline DspSample *dsp_sample(const DspCalibration *c, guint i) {
  return &g_array_index(c->samples, DspSample, i);
}

static inline DspCalibratedConstant *dsp_calibrated(const DspCalibration *c,
                                                    guint i) {
  return &g_array_index(c->constants, DspCalibratedConstant, i);
}

static inline const DspFreeConstant *dsp_free_constant(const DspCalibration *c,
                                                       guint i) {
  return &g_array_index(c->free, DspFreeConstant, i);
}

/* Finds the points of the job and the clusters, networks and constants that
 * they are about. */
gboolean dsp_calibration_gather(DspCalibration *c, const DspCalibrateJob *job,
                                GError **error);
/* Lists the constants of c->cluster. */
void dsp_calibration_list(DspCalibration *c);

/* A constant as the fit sees it, without bounds: the logarithm of a time, rate
 * or number, and of what a factor is above one; the logit of a share. And
 * back. */
double dsp_quantity_to_free(DspQuantity quantity, double value);
double dsp_quantity_of_free(DspQuantity quantity, double free);
/* The relative error of a value for an error of its free form. */
double dsp_quantity_error(DspQuantity quantity, double value, double error);

/* Gives the constants these values (`values`: one each) wherever they are. */
void dsp_calibration_set(DspCalibration *c, const double *values);
/* Predicts a point with what is set. */
void dsp_calibration_predict(DspCalibration *c, DspSample *sample);

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
