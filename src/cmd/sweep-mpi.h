/* SPDX-License-Identifier: Apache-2.0 */
/* Sweeps under mpirun, where dspsim is built --with-mpi: the first rank gives
 * out tasks and writes, the others do them. */
#ifndef DSP_CMD_SWEEP_MPI_H
#define DSP_CMD_SWEEP_MPI_H

#include "search/sweep.h"

/* To be called first. Without mpirun, or where ranks are not to work together,
 * the process is alone. DSP_ERROR_USAGE: mpirun, but built without MPI. */
gboolean dsp_mpi_begin(gboolean together, GError **error);
/* How many ranks there are besides the first; 0: alone. */
guint dsp_mpi_ranks(void);
/* All ranks call it: whether `text`, all that rows follow from, is the same on
 * each. DSP_ERROR_USAGE on all if it is not. */
gboolean dsp_mpi_agree(const GString *text, GError **error);
/* On other ranks than the first: does tasks until there are no more, and
 * returns TRUE. */
gboolean dsp_mpi_serve(const DspWork *work);
/* On the first rank: the others. Those that do not answer any more are told on
 * the standard error, and their work is done by the rest. */
DspWorkers *dsp_mpi_workers_new(const DspWork *work);
/* To be called last. */
void dsp_mpi_end(void);

#endif
