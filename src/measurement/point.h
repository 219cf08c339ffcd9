/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of measurement/: how the points of each kind are read. */
#ifndef DSP_MEASUREMENT_POINT_H
#define DSP_MEASUREMENT_POINT_H

#include "measurement/measurements.h"

/* The parts of a point that are read by hand: objects and arrays. */
typedef struct {
  DspPoint point;
  char *kind;
  const cJSON *plan, *dims, *outside;
} DspPointText;

typedef struct {
  const DspField *fields; /* of DspPointText */
  DspPoint defaults;
  /* What no field can tell alone; DSP_ERROR_INPUT at `node`, the point. */
  gboolean (*finish)(DspPointText *text, const DspJson *json, const cJSON *node,
                     GError **error);
} DspPointKind;

extern const DspPointKind dsp_point_kinds[DSP_N_MEASURED];

/* The plan `node`, which may be NULL. */
gboolean dsp_read_plan(const DspJson *json, const cJSON *node,
                       DspMeasuredPlan *plan, GError **error);

#endif
