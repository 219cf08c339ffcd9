/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DSP_CUDA_MEASURE_H
#define DSP_CUDA_MEASURE_H

/* Times kernels on the first GPU and, if this machine is one of the profile
 * `cluster` (else NULL), collectives of all its GPUs; writes them to `file`
 * (dspsim-measurements(5)). Gives the exit status. */
int dsp_measure(const char *file, const char *cluster);

#endif
