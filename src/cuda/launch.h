/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DSP_CUDA_LAUNCH_H
#define DSP_CUDA_LAUNCH_H

#include <glib.h>

/* Starts a process for each rank of this program as `worker`, size by size of
 * the cases in the file, and prints one JSON document: {"machine": ...,
 * "rows": [...]} or {"skipped": why}. Processes do not outlive it. A case in
 * which one ends early or does not get further has an error; those behind it
 * are run by new processes. Gives the exit status. */
int dsp_launch(const char *cases, guint timeout);

/* Starts `ranks` processes as `bench`, which add lines to `folder`/results; the
 * reason where they do not end well, which the caller frees, else NULL. */
char *dsp_launch_bench(const char *folder, int ranks, guint timeout);

/* A folder for processes to meet in, and its end. */
char *dsp_folder_new(GError **error);
void dsp_folder_remove(const char *folder);

/* Why nothing can be run here, or NULL; the caller frees. */
char *dsp_no_gpu(void);

/* Prints {"skipped": why}; gives the exit status. */
int dsp_print_skipped(const char *why);

/* Prints the document of what is in `folder`/results; `n` cases. */
void dsp_print_results(const char *folder, guint n);

#endif
