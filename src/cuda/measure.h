/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DSP_CUDA_MEASURE_H
#define DSP_CUDA_MEASURE_H

/* Times kernels on the first GPU and writes them to `file` as points of `gpu`
 * (dspsim-measurements(5)); NULL: the GPU's profile by its name. Gives the exit
 * status. */
int dsp_measure(const char *file, const char *gpu);

#endif
