/* SPDX-License-Identifier: Apache-2.0 */
/* merge: the shards of a sweep, back in order. */
#include "base/error.h"
#include "cmd/output.h"
#include "cmd/sweep-file.h"
#include <glib/gstdio.h>
#include <string.h>

typedef struct {
  DspOutputOptions output;
} Options;

#define AT(member) G_STRUCT_OFFSET(Options, member)

static const DspOption options[] = {
    {"output", 'o', &dsp_option_string, AT(output.file), "FILE",
     "write rows there", NULL, NULL},
    {"quiet", 'q', &dsp_option_flag, AT(output.quiet), NULL, "no notes", NULL,
     NULL},
    {"verbose", 'v', &dsp_option_flag, AT(output.verbose), NULL, "more notes",
     NULL, NULL},
    {NULL}};

static const DspOptionGroup groups[] = {{"Merge", options, 0}, {NULL}};

/* --- shards -------------------------------------------------------------- */

/* A shard's file, and where its reader stands. */
typedef struct {
  const char *path;
  DspSweepDocument *document;
  DspSweepReader *reader;
  const GString *row;  /* the next one, NULL: none is left */
  int64_t cell;        /* its cell */
  int64_t rows, bytes; /* read */
} Shard;

static void shard_clear(gpointer data) {
  Shard *shard = data;
  dsp_sweep_reader_free(shard->reader);
  dsp_sweep_document_free(shard->document);
}

static Shard *shard_at(const GArray *shards, guint i) {
  return &g_array_index(shards, Shard, i);
}

#define fail(error, ...)                                                       \
  (g_set_error(error, DSP_ERROR, DSP_ERROR_INPUT, __VA_ARGS__), FALSE)

static gboolean load(Shard *shard, GError **error) {
  g_autofree char *path = g_strconcat(shard->path, ".sweep", NULL);
  if (!g_file_test(path, G_FILE_TEST_EXISTS))
    return fail(error, "'%s' has no '%s' beside it", shard->path, path);
  shard->document = dsp_sweep_document_load(path, error);
  return shard->document != NULL;
}

static GArray *load_all(char *const *paths, GError **error) {
  g_autoptr(GArray) shards = g_array_new(FALSE, TRUE, sizeof(Shard));
  g_array_set_clear_func(shards, shard_clear);
  for (; *paths; paths++) {
    const Shard shard = {.path = *paths};
    g_array_append_val(shards, shard);
    if (!load(shard_at(shards, shards->len - 1), error))
      return NULL;
  }
  return g_steal_pointer(&shards);
}

/* --- do they belong together --------------------------------------------- */

static int64_t number_of(const Shard *shard) {
  return shard->document->shard.shard;
}

static int64_t shards_of(const GArray *shards) {
  return shard_at(shards, 0)->document->shard.shards;
}

static gint by_number(gconstpointer a, gconstpointer b) {
  const int64_t x = number_of(a), y = number_of(b);
  return (x > y) - (x < y);
}

static gboolean fail_missing(const GArray *shards, guint i, GError **error) {
  return fail(error, "shard %u/%" G_GINT64_FORMAT " is missing", i + 1,
              shards_of(shards));
}

static gboolean is_like(const Shard *shard, const Shard *first,
                        GError **error) {
  g_autofree char *difference =
      dsp_sweep_document_difference(first->document, shard->document, TRUE);
  if (difference)
    return fail(error, "'%s' and '%s' are not of one sweep: %s differs",
                first->path, shard->path, difference);
  return shard->document->shard.shards == first->document->shard.shards ||
         fail(error, "'%s' and '%s' are of different numbers of shards",
              first->path, shard->path);
}

/* It is the `i`th, and whole. */
static gboolean is_in_place(const GArray *shards, guint i, GError **error) {
  const Shard *shard = shard_at(shards, i);
  if (i && number_of(shard) == number_of(shard_at(shards, i - 1)))
    return fail(error, "'%s' and '%s' are the same shard",
                shard_at(shards, i - 1)->path, shard->path);
  if (number_of(shard) != i)
    return fail_missing(shards, i, error);
  return shard->document->end.complete ||
         fail(error,
              "'%s' is not complete: 'dspsim sweep --resume' goes on "
              "with it",
              shard->path);
}

static gboolean belong_together(GArray *shards, GError **error) {
  g_array_sort(shards, by_number);
  for (guint i = 0; i < shards->len; i++)
    if (!is_like(shard_at(shards, i), shard_at(shards, 0), error) ||
        !is_in_place(shards, i, error))
      return FALSE;
  return shards->len == shards_of(shards) ||
         fail_missing(shards, shards->len, error);
}

/* --- rows ---------------------------------------------------------------- */

static void next_row(Shard *shard) {
  shard->row = dsp_sweep_reader_next(shard->reader, &shard->cell);
  shard->rows += shard->row != NULL;
  shard->bytes += shard->row ? (int64_t)shard->row->len : 0;
}

/* Opens it, or once more from its begin, and gives its header. */
static gboolean open_shard(Shard *shard, GString *header, GError **error) {
  const DspSweepFormat *format = shard->document->facts.format;
  g_string_truncate(header, 0);
  dsp_sweep_reader_free(shard->reader);
  shard->rows = shard->bytes = 0;
  shard->reader = dsp_sweep_reader_new(shard->path, format, error);
  if (!shard->reader)
    return FALSE;
  next_row(shard);
  if (format->header && shard->row) {
    g_string_append(header, shard->row->str);
    next_row(shard);
    shard->rows--;
  }
  return TRUE;
}

static gboolean open_all(const GArray *shards, GString *header,
                         GError **error) {
  for (guint i = 0; i < shards->len; i++)
    if (!open_shard(shard_at(shards, i), header, error))
      return FALSE;
  return TRUE;
}

/* The rows of the next cell, which are the next ones of its shard. */
static gboolean copy_cell(Shard *shard, int64_t cell, GString *rows,
                          DspSweepFile *file, GError **error) {
  g_string_truncate(rows, 0);
  for (; shard->row && shard->cell == cell; next_row(shard))
    g_string_append_len(rows, shard->row->str, (gssize)shard->row->len);
  return !file || dsp_sweep_file_write(file, rows, error);
}

/* All that was written when the shard was complete is there. */
static gboolean is_used_up(const Shard *shard, GError **error) {
  const DspSweepEnd *end = &shard->document->end;
  return (!shard->row && shard->rows == end->rows &&
          shard->bytes == end->bytes) ||
         fail(error,
              "'%s' is damaged: it has not the rows of its cells in "
              "order",
              shard->path);
}

/* Without a `file` it only looks whether they are all there. */
static gboolean copy_all(const GArray *shards, DspSweepFile *file,
                         GError **error) {
  g_autoptr(GString) rows = g_string_new(NULL);
  const int64_t cells = shard_at(shards, 0)->document->facts.grid->cells;
  for (int64_t cell = 0; cell < cells; cell++)
    if (!copy_cell(shard_at(shards, (guint)(cell % shards->len)), cell, rows,
                   file, error))
      return FALSE;
  for (guint i = 0; i < shards->len; i++)
    if (!is_used_up(shard_at(shards, i), error))
      return FALSE;
  return !file || dsp_sweep_file_finish(file, error);
}

/* --- where they go ------------------------------------------------------- */

static const char *path_of(const Options *o) {
  const char *path = o->output.file;
  return path && strcmp(path, "-") != 0 ? path : NULL;
}

static gboolean is_same_file(const char *one, const char *other) {
  GStatBuf a, b;
  return g_stat(one, &a) == 0 && g_stat(other, &b) == 0 &&
         a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* What is written over could not be read any more. */
static gboolean spares_shards(const GArray *shards, const char *path,
                              GError **error) {
  for (guint i = 0; path && i < shards->len; i++)
    if (is_same_file(path, shard_at(shards, i)->path))
      return dsp_option_fail(error, "output", "'%s' is one of the shards",
                             path);
  return TRUE;
}

/* Nothing is written of shards that are damaged. */
static gboolean merge(const GArray *shards, const Options *o, GError **error) {
  g_autoptr(GString) header = g_string_new(NULL);
  const char *path = path_of(o);
  if (!spares_shards(shards, path, error) || !open_all(shards, header, error) ||
      !copy_all(shards, NULL, error) || !open_all(shards, header, error))
    return FALSE;
  const DspSweepTarget target = {.path = path,
                                 .header = header->str,
                                 .facts = &shard_at(shards, 0)->document->facts,
                                 .shard = {0, 1}};
  g_autoptr(DspSweepFile) file = dsp_sweep_file_open(&target, error);
  if (!file || !copy_all(shards, file, error))
    return FALSE;
  dsp_output_detail(&o->output, "%u shards merged", shards->len);
  return TRUE;
}

static gboolean run(const DspInvocation *invocation, GError **error) {
  if (!*invocation->operands) {
    g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE,
                "merge what? The files of "
                "all shards");
    return FALSE;
  }
  g_autoptr(GArray) shards = load_all(invocation->operands, error);
  return shards && belong_together(shards, error) &&
         merge(shards, invocation->options, error);
}

const DspCommand dsp_command_merge = {
    .name = "merge",
    .summary = "put the shards of a sweep together",
    .operands = "FILE...",
    .max_operands = G_MAXUINT,
    .groups = groups,
    .record_size = sizeof(Options),
    .run = run,
};
