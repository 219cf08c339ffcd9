/* SPDX-License-Identifier: Apache-2.0 */
/* What was measured on real hardware: files of "dspsim.measurements/1"
 * (dspsim-measurements(5)), each a list of points. */
#ifndef DSP_MEASUREMENT_MEASUREMENTS_H
#define DSP_MEASUREMENT_MEASUREMENTS_H

#include "base/dtype.h"
#include "base/json.h"
#include "model/model.h"
#include "schedule/method.h"
#include <stdint.h>

typedef enum {
  DSP_MEASURED_COLLECTIVE,
  DSP_MEASURED_GEMM,
  DSP_MEASURED_ATTENTION,
  DSP_MEASURED_MEMORY,
  DSP_MEASURED_STEP,
  DSP_MEASURED_LAYER,
  DSP_N_MEASURED,
} DspMeasuredKind;

/* "collective", "gemm", "attention", "memory", "step", "attention_layer",
 * NULL */
extern const char *const dsp_measured_names[];

/* Whether the machine is thought to have been in order. */
typedef enum {
  DSP_TRUST_HEALTHY,
  DSP_TRUST_SUSPECT,
  DSP_TRUST_FAULTY,
  DSP_N_TRUSTS,
} DspTrust;

extern const char *const dsp_trust_names[];

typedef struct {
  char *cluster;
  int64_t nodes, gpus_per_node, bytes; /* bytes: as nccl-tests counts size */
  int collective;                      /* DspCollective */
  char *nccl;                          /* version, or NULL */
  int64_t version;                     /* 22703 for "2.27.3"; 0: not given */
  int processes;                       /* -1: not given */
} DspCollectivePoint;

typedef struct {
  char *gpu;
  int64_t m, n, k;
  int dtype, clocks;
} DspGemmPoint;

typedef struct {
  char *gpu;
  int64_t batch, heads, kv_heads, head_dim, seq_q, seq_k;
  gboolean causal;
  int pass, dtype, clocks; /* pass: DspDirection */
  int kernel;              /* DspAttentionKernel, -1: not given */
} DspAttentionPoint;

typedef struct {
  char *gpu;
  int op; /* DspMemoryOp */
  int64_t bytes;
  gboolean fused;
  int dtype;
} DspMemoryPoint;

typedef struct {
  const DspMethod *method;
  int variant;                /* index into the method's variants */
  int64_t degree[DSP_N_AXES]; /* at least 1 */
  int64_t pipeline;           /* stages, at least 1 */
} DspMeasuredPlan;

typedef struct {
  char *name;
  int64_t length;
} DspMeasuredDim;

/* "sustained", "burst", NULL: DspClocks; "per_gpu", "one", NULL */
extern const char *const dsp_clocks_names[], *const dsp_processes_names[];

/* What the time of a step holds besides the model. */
typedef enum {
  DSP_OUTSIDE_VAE = 1 << 0,
  DSP_OUTSIDE_TEXT_ENCODER = 1 << 1,
  DSP_OUTSIDE_OFFLOAD = 1 << 2,
  DSP_OUTSIDE_OPTIMIZER = 1 << 3,
} DspOutside;

/* In the order of the bits. */
extern const char *const dsp_outside_names[];

typedef enum { DSP_METRIC_TIME, DSP_METRIC_SAMPLES } DspMetric;

typedef struct {
  char *model, *cluster;
  int64_t gpus, batch, evaluations, zero;
  int mode, dtype, guidance, recompute, launch, kernel, metric;
  guint n_dims;
  DspMeasuredDim dims[DSP_MAX_DIMS];
  DspMeasuredPlan plan;
  guint outside;    /* DspOutside */
  double outside_s; /* of them all; 0: not known */
} DspStepPoint;

typedef enum { DSP_LAYER_FORWARD, DSP_LAYER_BOTH } DspLayerPass;

typedef struct {
  char *cluster;
  int64_t gpus, batch, heads, kv_heads, head_dim, seq;
  gboolean causal, zigzag;
  int pass, dtype, kernel; /* pass: DspLayerPass */
  DspMeasuredPlan plan;
} DspLayerPoint;

typedef struct {
  DspMeasuredKind kind;
  char *id;        /* unique in its file */
  char *group;     /* of points that differ in one thing only, or NULL */
  double measured; /* us; of a step s, or samples/s by its metric */
  double spread;   /* relative half-width of it, 0: not known */
  int trust;       /* DspTrust */
  union {
    DspCollectivePoint collective;
    DspGemmPoint gemm;
    DspAttentionPoint attention;
    DspMemoryPoint memory;
    DspStepPoint step;
    DspLayerPoint layer;
  };
} DspPoint;

typedef struct {
  char *file, *sha256; /* file: as given */
  char *title, *source, *licence;
  GArray *points; /* DspPoint, in the order of the file */
} DspMeasurements;

/* Reads a file. DSP_ERROR_INPUT with the position of what is wrong. Free with
 * dsp_measurements_free. */
DspMeasurements *dsp_measurements_load(const char *file, GError **error);
/* The same of a document that has been read; it is not kept. */
DspMeasurements *dsp_measurements_read(const DspJson *json, GError **error);
void dsp_measurements_free(DspMeasurements *measurements);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DspMeasurements, dsp_measurements_free)

static inline const DspPoint *dsp_point(const DspMeasurements *measurements,
                                        guint i) {
  return &g_array_index(measurements->points, DspPoint, i);
}

/* Name of the cluster or of the GPU that the point was measured on; one of them
 * is NULL. */
const char *dsp_point_cluster(const DspPoint *point);
const char *dsp_point_gpu(const DspPoint *point);
/* The plan of a step or layer, else NULL. */
const DspMeasuredPlan *dsp_point_plan(const DspPoint *point);

/* Seconds that stand for the measured value and for `predicted` in its unit, so
 * that lower is better: of a rate its inverse. */
double dsp_point_seconds(const DspPoint *point, double value);

#endif
