/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"
#include <string.h>

/* Longer names are nobody's typing error, and the cost is quadratic. */
#define MAX_NAME 63

static guint min3(guint a, guint b, guint c) {
  return MIN(MIN(a, b), c);
}

static gboolean same(char a, char b) {
  return g_ascii_tolower(a) == g_ascii_tolower(b);
}

/* Edits that turn `a` into `b`: insert, delete, replace, or swap neighbours
 * (optimal string alignment distance). Letter case is free. */
static guint distance(const char *a, gsize n, const char *b, gsize m) {
  guint rows[3][MAX_NAME + 1];
  guint *before = rows[0], *last = rows[1], *row = rows[2];
  for (gsize j = 0; j <= m; j++)
    last[j] = (guint)j;
  for (gsize i = 1; i <= n; i++) {
    row[0] = (guint)i;
    for (gsize j = 1; j <= m; j++) {
      row[j] = min3(last[j] + 1, row[j - 1] + 1,
                    last[j - 1] + !same(a[i - 1], b[j - 1]));
      if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) &&
          same(a[i - 2], b[j - 1]))
        row[j] = MIN(row[j], before[j - 2] + 1);
    }
    guint *reused = before;
    before = last, last = row, row = reused;
  }
  return last[m];
}

/* One edit in three letters still looks like the name that was meant. */
const char *dsp_nearest_name(const char *text, const char *const *names) {
  const gsize n = strlen(text);
  const char *nearest = NULL;
  guint least = n > MAX_NAME ? 0 : (guint)(n + 2) / 3 + 1;
  for (; *names; names++) {
    const gsize m = strlen(*names);
    const guint edits =
        n > MAX_NAME || m > MAX_NAME ? G_MAXUINT : distance(text, n, *names, m);
    if (edits < least) {
      least = edits;
      nearest = *names;
    }
  }
  return nearest;
}
