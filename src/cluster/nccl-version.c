/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/cluster.h"

/* Two digits for each part but the first, as NCCL_VERSION_CODE has them. */
enum { PARTS = 3, BASE = 100 };

gboolean dsp_parse_nccl_version(const char *text, int64_t *version) {
  g_auto(GStrv) parts = g_strsplit(text, ".", 0);
  const guint n = g_strv_length(parts);
  int64_t code = 0;
  if (n < 2 || n > PARTS)
    return FALSE;
  for (guint i = 0; i < PARTS; i++) {
    guint64 number = 0;
    if (i < n &&
        !g_ascii_string_to_unsigned(parts[i], 10, 0, BASE - 1, &number, NULL))
      return FALSE;
    code = code * BASE + (int64_t)number;
  }
  *version = code;
  return TRUE;
}

char *dsp_format_nccl_version(int64_t version) {
  const int major = (int)(version / (BASE * BASE));
  const int minor = (int)(version / BASE % BASE), patch = (int)(version % BASE);
  return patch ? g_strdup_printf("%d.%d.%d", major, minor, patch)
               : g_strdup_printf("%d.%d", major, minor);
}
