/* SPDX-License-Identifier: Apache-2.0 */
/* How far a long run has come, on the standard error: a bar, the rate and when
 * it will be done. */
#ifndef DSP_CMD_PROGRESS_H
#define DSP_CMD_PROGRESS_H

#include <glib.h>
#include <stdint.h>

extern const char *const dsp_progress_names[]; /* auto, always, never, NULL */

typedef struct {
  gboolean shown;
  int64_t first, total;  /* done before it began; in all */
  gint64 started, drawn; /* microseconds */
} DspProgress;

/* `when`: one of the names; auto shows it on a terminal. */
void dsp_progress_begin(DspProgress *progress, int when, int64_t done,
                        int64_t total);
/* May be called as often as one likes: draws five times a second. */
void dsp_progress_tell(DspProgress *progress, int64_t done);
/* Wipes it. */
void dsp_progress_end(const DspProgress *progress);

#endif
