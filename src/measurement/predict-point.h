/* SPDX-License-Identifier: Apache-2.0 */
/* What is predicted for a point. */
#ifndef DSP_MEASUREMENT_PREDICT_POINT_H
#define DSP_MEASUREMENT_PREDICT_POINT_H

#include "measurement/inventory.h"
#include "measurement/measurements.h"
#include "network/collective.h"

/* Sets *predicted in the unit of point->measured. DSP_ERROR_INFEASIBLE with the
 * reason where nothing can be predicted: a name is not installed, or the plan
 * cannot run. Other errors are those of the files that the point names. */
gboolean dsp_point_predict(DspInventory *inventory, const DspPoint *point,
                           double *predicted, GError **error);

/* Parts of the measured value besides the model of which the time is not known:
 * bits of DspOutside. Of these a VAE's decoder is estimated. */
guint dsp_point_unmodelled(const DspPoint *point);

/* s of a run of the collective that has the price. */
double dsp_collective_point_time(const DspCollectivePoint *point,
                                 const DspPrice *price);

#endif
