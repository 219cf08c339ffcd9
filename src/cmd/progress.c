/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/progress.h"
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

typedef enum { AUTO, ALWAYS, NEVER } When;
const char *const dsp_progress_names[] = {"auto", "always", "never", NULL};

enum { SECOND = G_USEC_PER_SEC, INTERVAL = SECOND / 5, USUAL_WIDTH = 80 };

static int terminal_width(void) {
  struct winsize size;
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col
             ? size.ws_col
             : USUAL_WIDTH;
}

static char *clock_text(double seconds) {
  const gint64 s = (gint64)(seconds + 0.5), hours = s / 3600;
  if (hours)
    return g_strdup_printf("%" G_GINT64_FORMAT ":%02d:%02d", hours,
                           (int)(s / 60 % 60), (int)(s % 60));
  return g_strdup_printf("%d:%02d", (int)(s / 60), (int)(s % 60));
}

static char *figures(const DspProgress *p, int64_t done, double seconds) {
  const double rate = seconds > 0 ? (double)(done - p->first) / seconds : 0;
  g_autofree char *left = rate > 0
                              ? clock_text((double)(p->total - done) / rate)
                              : g_strdup("-:--");
  return g_strdup_printf(
      "%" G_GINT64_FORMAT "/%" G_GINT64_FORMAT " %5.1f%% %6.0f/s ETA %s", done,
      p->total, 100 * (double)done / (double)MAX(p->total, 1), rate, left);
}

static void draw(const DspProgress *p, int64_t done, double seconds) {
  g_autofree char *text = figures(p, done, seconds);
  const int width = terminal_width() - (int)strlen(text) - 4;
  g_autoptr(GString) bar = g_string_new(NULL);
  const int full =
      (int)((double)MAX(width, 0) * (double)done / (double)MAX(p->total, 1));
  for (int i = 0; i < width; i++)
    g_string_append_c(bar, i < full ? '#' : '.');
  fprintf(stderr, "\r%s%s%s%s\033[K", width > 0 ? "[" : "", bar->str,
          width > 0 ? "] " : "", text);
  fflush(stderr);
}

void dsp_progress_begin(DspProgress *progress, int when, int64_t done,
                        int64_t total) {
  const gint64 now = g_get_monotonic_time();
  *progress = (DspProgress){.shown = when == ALWAYS ||
                                     (when == AUTO && isatty(STDERR_FILENO)),
                            .first = done,
                            .total = total,
                            .started = now,
                            .drawn = now};
  if (progress->shown)
    draw(progress, done, 0);
}

void dsp_progress_tell(DspProgress *progress, int64_t done) {
  const gint64 now = g_get_monotonic_time();
  if (!progress->shown || now - progress->drawn < INTERVAL)
    return;
  progress->drawn = now;
  draw(progress, done, (double)(now - progress->started) / SECOND);
}

void dsp_progress_end(const DspProgress *progress) {
  if (progress->shown)
    fputs("\r\033[K", stderr);
}
