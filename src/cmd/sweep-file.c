/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/sweep-file.h"
#include "base/error.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- reading ------------------------------------------------------------- */

struct DspSweepReader {
  const DspSweepFormat *format;
  FILE *stream;
  char *line;
  size_t size;
  GString *row;
};

static gboolean fail_file(GError **error, int code, const char *what,
                          const char *path) {
  g_set_error(error, DSP_ERROR, code, "cannot %s '%s': %s", what, path,
              g_strerror(errno));
  return FALSE;
}

DspSweepReader *dsp_sweep_reader_new(const char *path,
                                     const DspSweepFormat *format,
                                     GError **error) {
  FILE *stream = fopen(path, "re");
  if (!stream) {
    fail_file(error, DSP_ERROR_INPUT, "read", path);
    return NULL;
  }
  DspSweepReader *reader = g_new0(DspSweepReader, 1);
  reader->format = format;
  reader->stream = stream;
  reader->row = g_string_new(NULL);
  return reader;
}

void dsp_sweep_reader_free(DspSweepReader *reader) {
  if (!reader)
    return;
  fclose(reader->stream);
  free(reader->line);
  g_string_free(reader->row, TRUE);
  g_free(reader);
}

/* The cell is the first column. */
static int64_t cell_of(const DspSweepFormat *format, const char *row) {
  static const char key[] = "{\"cell\": ";
  const gsize skipped = format->header ? 0 : strlen(key);
  char *end;
  if (strncmp(row, key, skipped) != 0 || !g_ascii_isdigit(row[skipped]))
    return -1;
  const guint64 cell = g_ascii_strtoull(row + skipped, &end, 10);
  return *end == ',' && cell <= G_MAXINT64 ? (int64_t)cell : -1;
}

static gboolean is_odd(const char *line, gssize length) {
  gboolean odd = FALSE;
  for (gssize i = 0; i < length; i++)
    odd ^= line[i] == '"';
  return odd;
}

const GString *dsp_sweep_reader_next(DspSweepReader *reader, int64_t *cell) {
  gboolean open = TRUE, quoted = FALSE;
  g_string_truncate(reader->row, 0);
  while (open) {
    const ssize_t length =
        getline(&reader->line, &reader->size, reader->stream);
    if (length <= 0 || reader->line[length - 1] != '\n')
      return NULL;
    quoted ^= reader->format->quotes && is_odd(reader->line, length);
    open = quoted;
    g_string_append_len(reader->row, reader->line, length);
  }
  *cell = cell_of(reader->format, reader->row->str);
  return reader->row;
}

/* --- how far it has come ------------------------------------------------- */

struct DspSweepFile {
  const DspSweepTarget *target;
  const char *name; /* for messages */
  char *document;   /* path, NULL: there is none */
  int fd;
  int64_t bytes, rows; /* whole */
  int64_t cell;        /* of the last row, -1: none */
  GString *last;       /* rows of that cell that are there */
  gboolean complete;
};

static void note_row(DspSweepFile *file, const GString *row, int64_t cell) {
  if (cell != file->cell)
    g_string_truncate(file->last, 0);
  g_string_append_len(file->last, row->str, (gssize)row->len);
  file->cell = cell;
  file->rows++;
  file->bytes += (int64_t)row->len;
}

static gboolean is_of_shard(const DspSweepFile *file, int64_t cell) {
  const DspSweepTarget *t = file->target;
  return cell % t->shard.shards == t->shard.shard && cell >= file->cell &&
         cell < t->facts->grid->cells;
}

static gboolean fail_foreign(const DspSweepFile *file, GError **error) {
  g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE,
              "'%s' holds something else than the rows of this sweep",
              file->name);
  return FALSE;
}

/* Reads the header, or as much of it as there is. */
static gboolean read_header(DspSweepFile *file, DspSweepReader *reader,
                            gboolean *whole, GError **error) {
  int64_t cell;
  const char *header = file->target->header;
  *whole = TRUE;
  if (!*header)
    return TRUE;
  const GString *row = dsp_sweep_reader_next(reader, &cell);
  *whole = row != NULL;
  if (row && strcmp(row->str, header) != 0)
    return fail_foreign(file, error);
  file->bytes = row ? (int64_t)row->len : 0;
  return TRUE;
}

static gboolean read_rows(DspSweepFile *file, GError **error) {
  g_autoptr(DspSweepReader) reader = dsp_sweep_reader_new(
      file->target->path, file->target->facts->format, error);
  gboolean whole;
  int64_t cell;
  const GString *row;
  if (!reader || !read_header(file, reader, &whole, error))
    return FALSE;
  while (whole && (row = dsp_sweep_reader_next(reader, &cell))) {
    if (cell < 0 || !is_of_shard(file, cell))
      return fail_foreign(file, error);
    note_row(file, row, cell);
  }
  return TRUE;
}

/* --- the document -------------------------------------------------------- */

static GString *document_text(const DspSweepFile *file) {
  const DspSweepEnd end = {file->complete, file->rows, file->bytes};
  GString *text = g_string_new(NULL);
  dsp_sweep_document_write(file->target->facts, &file->target->shard, &end,
                           text);
  return text;
}

static gboolean write_document(const DspSweepFile *file, GError **error) {
  g_autoptr(GString) text = document_text(file);
  g_autoptr(GError) cause = NULL;
  if (!file->document ||
      g_file_set_contents_full(file->document, text->str, (gssize)text->len,
                               G_FILE_SET_CONTENTS_CONSISTENT, 0666, &cause))
    return TRUE;
  g_set_error(error, DSP_ERROR, DSP_ERROR_EXTERNAL, "cannot write '%s': %s",
              file->document, cause->message);
  return FALSE;
}

static gboolean is_same_sweep(const DspSweepFile *file,
                              const DspSweepDocument *old, GError **error) {
  g_autoptr(GString) text = document_text(file);
  g_autoptr(DspSweepDocument) new =
      dsp_sweep_document_parse(file->document, text->str, text->len, error);
  if (!new)
    return FALSE;
  g_autofree char *difference = dsp_sweep_document_difference(old, new, FALSE);
  if (difference)
    g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE,
                "cannot resume '%s': %s has changed since it was begun",
                file->name, difference);
  return !difference;
}

/* What the document says of the file's end. */
static gboolean read_document(DspSweepFile *file, DspSweepEnd *end,
                              GError **error) {
  g_autoptr(DspSweepDocument) old =
      dsp_sweep_document_load(file->document, error);
  if (!old)
    return FALSE;
  *end = old->end;
  return !file->target->resume || is_same_sweep(file, old, error);
}

/* --- opening ------------------------------------------------------------- */

static gboolean exists(const char *path) {
  return g_file_test(path, G_FILE_TEST_EXISTS);
}

/* Anything that keeps no rows (a device, a pipe) has no document. */
static gboolean is_plain(const DspSweepFile *file) {
  struct stat status;
  return file->target->path && fstat(file->fd, &status) == 0 &&
         S_ISREG(status.st_mode);
}

static gboolean open_file(DspSweepFile *file, GError **error) {
  const char *path = file->target->path;
  file->fd =
      path ? open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666) : STDOUT_FILENO;
  if (file->fd < 0)
    return fail_file(error, DSP_ERROR_EXTERNAL, "write", path);
  if (is_plain(file))
    file->document = g_strconcat(path, ".sweep", NULL);
  if (!file->document || flock(file->fd, LOCK_EX | LOCK_NB) == 0 ||
      errno != EWOULDBLOCK)
    return TRUE;
  g_set_error(error, DSP_ERROR, DSP_ERROR_EXTERNAL,
              "'%s' is being written by another process", path);
  return FALSE;
}

/* Everything behind the whole rows goes. */
static gboolean cut(const DspSweepFile *file, GError **error) {
  return (ftruncate(file->fd, file->bytes) == 0 &&
          lseek(file->fd, file->bytes, SEEK_SET) >= 0) ||
         fail_file(error, DSP_ERROR_EXTERNAL, "write", file->name);
}

static gboolean refuse_overwrite(const DspSweepFile *file,
                                 const DspSweepEnd *end, GError **error) {
  if (end->complete)
    return TRUE;
  g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE,
              "'%s' holds an unfinished sweep: '--resume' goes on with it, and "
              "without '%s' it is written anew",
              file->name, file->document);
  return FALSE;
}

static gboolean write_all(const DspSweepFile *file, const char *text,
                          gsize length, GError **error) {
  while (length) {
    const ssize_t n = write(file->fd, text, length);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return fail_file(error, DSP_ERROR_EXTERNAL, "write", file->name);
    text += n;
    length -= (gsize)n;
  }
  return TRUE;
}

/* The document comes before the first row, and after the rows that were there
 * are gone: at no time does it stand beside rows of another sweep. */
static gboolean begin(DspSweepFile *file, GError **error) {
  const char *header = file->target->header;
  const gsize length = strlen(header);
  if (file->document && (!cut(file, error) || !write_document(file, error)))
    return FALSE;
  file->bytes = (int64_t)length;
  return write_all(file, header, length, error);
}

static gboolean resume(DspSweepFile *file, const DspSweepEnd *end,
                       GError **error) {
  if (!read_rows(file, error))
    return FALSE;
  file->complete = end->complete && end->bytes == file->bytes;
  if (file->bytes == 0)
    return begin(file, error);
  return cut(file, error) && (file->complete || write_document(file, error));
}

static gboolean start(DspSweepFile *file, GError **error) {
  DspSweepEnd end = {FALSE, 0, 0};
  if (file->target->resume && !file->document) {
    g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE,
                "'%s' keeps no rows that could be resumed", file->name);
    return FALSE;
  }
  if (!file->document || !exists(file->document)) {
    if (file->target->resume && lseek(file->fd, 0, SEEK_END) > 0)
      return fail_foreign(file, error);
    return begin(file, error);
  }
  if (!read_document(file, &end, error))
    return FALSE;
  if (file->target->resume)
    return resume(file, &end, error);
  return refuse_overwrite(file, &end, error) && begin(file, error);
}

DspSweepFile *dsp_sweep_file_open(const DspSweepTarget *target,
                                  GError **error) {
  g_autoptr(DspSweepFile) file = g_new0(DspSweepFile, 1);
  file->target = target;
  file->name = target->path ? target->path : "the standard output";
  file->cell = -1;
  file->last = g_string_new(NULL);
  return open_file(file, error) && start(file, error) ? g_steal_pointer(&file)
                                                      : NULL;
}

void dsp_sweep_file_free(DspSweepFile *file) {
  if (!file)
    return;
  if (file->fd > STDOUT_FILENO)
    close(file->fd);
  g_string_free(file->last, TRUE);
  g_free(file->document);
  g_free(file);
}

int64_t dsp_sweep_file_cell(const DspSweepFile *file) {
  return file->cell < 0 ? file->target->shard.shard : file->cell;
}

gboolean dsp_sweep_file_is_complete(const DspSweepFile *file) {
  return file->complete;
}

/* --- writing ------------------------------------------------------------- */

static int64_t count_rows(const DspSweepFile *file, const char *text,
                          gsize length) {
  const gboolean quotes = file->target->facts->format->quotes;
  gboolean quoted = FALSE;
  int64_t rows = 0;
  for (gsize i = 0; i < length; i++) {
    quoted ^= quotes && text[i] == '"';
    rows += text[i] == '\n' && !quoted;
  }
  return rows;
}

/* What could not be written whole is taken back, as far as that is possible. */
gboolean dsp_sweep_file_write(DspSweepFile *file, const GString *rows,
                              GError **error) {
  const gsize there = file->last->len;
  if (there > rows->len || memcmp(rows->str, file->last->str, there) != 0) {
    g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE,
                "cannot resume '%s': its rows of cell %" G_GINT64_FORMAT
                " are not what they would be now",
                file->name, file->cell);
    return FALSE;
  }
  g_string_truncate(file->last, 0);
  const char *text = rows->str + there;
  const gsize length = rows->len - there;
  if (!write_all(file, text, length, error)) {
    if (file->document)
      cut(file, NULL);
    return FALSE;
  }
  file->bytes += (int64_t)length;
  file->rows += count_rows(file, text, length);
  return TRUE;
}

gboolean dsp_sweep_file_finish(DspSweepFile *file, GError **error) {
  if (file->complete)
    return TRUE;
  file->complete = TRUE;
  return (!file->document || fdatasync(file->fd) == 0 ||
          fail_file(error, DSP_ERROR_EXTERNAL, "write", file->name)) &&
         write_document(file, error);
}
