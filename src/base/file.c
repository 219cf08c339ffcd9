/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"
#include "base/error.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

GString *dsp_file_read(const char *path, gsize most, GError **error) {
  g_autoptr(GString) text = g_string_new(NULL);
  FILE *file = fopen(path, "rb");
  gsize n;
  char buffer[16384];
  while (file && text->len <= most &&
         (n = fread(buffer, 1, sizeof buffer, file)) > 0)
    g_string_append_len(text, buffer, (gssize)n);
  const int code = !file || ferror(file) ? errno : 0;
  if (file)
    fclose(file);
  if (!code)
    return g_steal_pointer(&text);
  g_set_error(error, DSP_ERROR, DSP_ERROR_INPUT, "%s: cannot be read: %s", path,
              g_strerror(code));
  return NULL;
}

void dsp_file_position(const char *text, gsize offset, guint *line,
                       guint *column) {
  const char *begin = text, *end = text + offset, *newline;
  *line = 1;
  while ((newline = memchr(begin, '\n', (gsize)(end - begin)))) {
    begin = newline + 1;
    ++*line;
  }
  *column = 1;
  for (; begin < end; begin++)
    *column += (*begin & 0xc0) != 0x80;
}
