/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DSP_NUMERICS_SHRINK_H
#define DSP_NUMERICS_SHRINK_H

#include "model/model.h"

/* A small model of the same structure, read anew from the model's file:
 * dimensions, streams, stages, operations and heads stay; widths are divided by
 * what all of them have in common, blocks repeat twice at most, default lengths
 * are a few tokens that hardly anything divides. Free with dsp_model_free. */
DspModel *dsp_model_shrink(const DspModel *model, GError **error);

#endif
