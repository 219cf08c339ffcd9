/* SPDX-License-Identifier: Apache-2.0 */
/* Collectives between ranks that are threads of one process: every rank shows
 * its send buffer, all wait for each other, each copies what it is due from the
 * buffers of the others. Bytes are counted where they are copied; sums are
 * taken in float32 in the order of members. */
#ifndef DSP_NUMERICS_THREADS_H
#define DSP_NUMERICS_THREADS_H

#include "numerics/carrier.h"

DspCarrier *dsp_threads_new(const DspPlan *plan, DspDtype dtype);

#endif
