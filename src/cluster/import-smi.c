/* SPDX-License-Identifier: Apache-2.0 */
/* What `nvidia-smi topo -m` prints, as pasted from a terminal: a header of
 * devices, a row for each, then a legend. Cells tell the worst hop from device
 * to device; behind a GPU's stand the CPUs that are near. */
#include "cluster/machine.h"
#include <string.h>

#define MAX_DEVICES (DSP_IMPORT_GPUS + DSP_IMPORT_NICS)

/* What a cell says, from near to far. */
typedef enum { SELF, NVLINK, PIX, PXB, PHB, NODE, SYS, N_HOPS } Hop;

static const char *const hop_names[N_HOPS] = {
    [SELF] = "X",  [NVLINK] = "NV", [PIX] = "PIX", [PXB] = "PXB",
    [PHB] = "PHB", [NODE] = "NODE", [SYS] = "SYS"};

typedef struct {
  Hop hop;
  guint links;
} Cell;

typedef struct {
  char *name, *affinity; /* affinity: of CPUs, "" if it is not told */
  DspMark at;
  guint slot, cpu; /* a device that stands for all of its class */
} Row;

typedef struct {
  DspMachine *machine;
  GArray *rows; /* Row */
  Cell *cells;  /* rows x rows */
} Table;

/* One word after another, with its place. */
typedef struct {
  const char *at, *line;
  guint number; /* of the line */
} Scan;

/* Colours and underlines are as good as blanks. */
static char *without_escapes(const char *text) {
  char *copy = g_strdup(text);
  for (char *c = copy; (c = strchr(c, '\033'));) {
    while (*c && *c != '\n' && !g_ascii_isalpha(*c))
      *c++ = ' ';
    if (*c && *c != '\n')
      *c = ' ';
  }
  return copy;
}

static DspMark mark(const Scan *scan) {
  return (DspMark){scan->number, (guint)(scan->at - scan->line) + 1};
}

static void skip_blanks(Scan *scan) {
  scan->at += strspn(scan->at, " \t\r");
}

/* The next word of the line; NULL at its end. The caller frees. */
static char *next_word(Scan *scan, DspMark *at) {
  skip_blanks(scan);
  *at = mark(scan);
  const gsize length = strcspn(scan->at, " \t\r\n");
  if (length == 0)
    return NULL;
  char *word = g_strndup(scan->at, length);
  scan->at += length;
  return word;
}

static gboolean next_line(Scan *scan) {
  scan->at += strcspn(scan->at, "\n");
  if (!*scan->at)
    return FALSE;
  scan->line = ++scan->at;
  scan->number++;
  return TRUE;
}

/* The header is the first line that begins with the first GPU. Of rows the
 * first begins so too, but "X" follows. */
static gboolean find_header(Scan *scan) {
  do {
    skip_blanks(scan);
    const char *after = scan->at + 4;
    if (strncmp(scan->at, "GPU0", 4) == 0 && !g_ascii_isalnum(*after) &&
        after[strspn(after, " \t")] != 'X')
      return TRUE;
  } while (next_line(scan));
  return FALSE;
}

static gboolean recognises(const char *text) {
  g_autofree char *plain = without_escapes(text);
  Scan scan = {plain, plain, 1};
  return find_header(&scan);
}

/* --- the header ---------------------------------------------------------- */

static gboolean is_gpu(const Row *row) {
  return strncmp(row->name, "GPU", 3) == 0;
}

static gboolean add_device(Table *table, char *name, DspMark at,
                           GError **error) {
  const Row row = {.name = name, .at = at};
  g_array_append_val(table->rows, row);
  const guint n = table->rows->len;
  g_autofree char *expected = g_strdup_printf("GPU%u", n - 1);
  if (is_gpu(&row) && strcmp(name, expected) != 0)
    return dsp_machine_fail(table->machine, at, error,
                            "'%s' must be %s, or a NIC", name, expected);
  return n <= MAX_DEVICES ||
         dsp_machine_fail(table->machine, at, error, "more than %d devices",
                          MAX_DEVICES);
}

/* Devices stand before "CPU Affinity". */
static gboolean read_header(Table *table, Scan *scan, GError **error) {
  DspMark at;
  for (char *word; (word = next_word(scan, &at));) {
    if (strcmp(word, "CPU") == 0) {
      g_free(word);
      break;
    }
    if (!add_device(table, word, at, error))
      return FALSE;
  }
  const guint n = table->rows->len;
  table->cells = g_new0(Cell, (gsize)n * n);
  return TRUE;
}

/* --- rows ---------------------------------------------------------------- */

static gboolean parse_cell(const char *word, Cell *cell) {
  guint64 links = 0;
  for (Hop hop = SELF; hop < N_HOPS; hop++)
    if (hop != NVLINK && strcmp(word, hop_names[hop]) == 0) {
      cell->hop = hop;
      return TRUE;
    }
  cell->hop = NVLINK;
  if (strncmp(word, "NV", 2) != 0 ||
      !g_ascii_string_to_unsigned(word + 2, 10, 1, 64, &links, NULL))
    return FALSE;
  cell->links = (guint)links;
  return TRUE;
}

static Cell *cell_at(const Table *table, guint i, guint j) {
  return &table->cells[(gsize)i * table->rows->len + j];
}

static const Row *row_at(const Table *table, guint i) {
  return &g_array_index(table->rows, Row, i);
}

static gboolean check_cell(const Table *table, guint i, guint j, DspMark at,
                           GError **error) {
  const Cell *cell = cell_at(table, i, j), *other = cell_at(table, j, i);
  const gboolean gpus = is_gpu(row_at(table, i)) && is_gpu(row_at(table, j));
  if ((cell->hop == SELF) != (i == j))
    return dsp_machine_fail(table->machine, at, error, "%s to %s must%s be X",
                            row_at(table, i)->name, row_at(table, j)->name,
                            i == j ? "" : " not");
  if (cell->hop == NVLINK && !gpus)
    return dsp_machine_fail(table->machine, at, error,
                            "only GPUs have NVLinks to each other");
  return j >= i || (cell->hop == other->hop && cell->links == other->links) ||
         dsp_machine_fail(table->machine, at, error,
                          "%s to %s differs from the way back",
                          row_at(table, i)->name, row_at(table, j)->name);
}

static gboolean read_cells(Table *table, Scan *scan, guint i, GError **error) {
  for (guint j = 0; j < table->rows->len; j++) {
    DspMark at;
    g_autofree char *word = next_word(scan, &at);
    if (!word || !parse_cell(word, cell_at(table, i, j)))
      return dsp_machine_fail(table->machine, at, error,
                              "%s%s%s to %s must be X, NV and a number, PIX, "
                              "PXB, PHB, NODE or SYS",
                              word ? word : "", word ? ": " : "",
                              row_at(table, i)->name, row_at(table, j)->name);
    if (!check_cell(table, i, j, at, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean read_row(Table *table, Scan *scan, guint i, GError **error) {
  Row *row = &g_array_index(table->rows, Row, i);
  DspMark at;
  g_autofree char *word = next_word(scan, &row->at);
  if (g_strcmp0(word, row->name) != 0)
    return dsp_machine_fail(table->machine, row->at, error,
                            "%s%smust be the row of %s", word ? word : "",
                            word ? ": " : "", row->name);
  if (!read_cells(table, scan, i, error))
    return FALSE;
  row->affinity = next_word(scan, &at);
  return TRUE;
}

static gboolean read_rows(Table *table, Scan *scan, GError **error) {
  for (guint i = 0; i < table->rows->len; i++) {
    if (!next_line(scan))
      return dsp_machine_fail(table->machine, mark(scan), error,
                              "must go on with the row of %s",
                              row_at(table, i)->name);
    if (!read_row(table, scan, i, error))
      return FALSE;
  }
  return TRUE;
}

/* --- what it means ------------------------------------------------------- */

/* Gives devices no farther than `most` from each other one class. A hop to
 * itself is nearest, so classes are named by their first device. */
static guint class_of(const Table *table, guint i, Hop most) {
  guint first = i;
  gboolean *seen = g_new0(gboolean, table->rows->len);
  GArray *queue = g_array_new(FALSE, FALSE, sizeof(guint));
  g_array_append_val(queue, i);
  seen[i] = TRUE;
  for (guint at = 0; at < queue->len; at++) {
    const guint from = g_array_index(queue, guint, at);
    first = MIN(first, from);
    for (guint to = 0; to < table->rows->len; to++) {
      const Hop hop = cell_at(table, from, to)->hop;
      if (!seen[to] && hop != NVLINK && hop <= most) {
        seen[to] = TRUE;
        g_array_append_val(queue, to);
      }
    }
  }
  g_array_free(queue, TRUE);
  g_free(seen);
  return first;
}

static gboolean is_told(const char *affinity) {
  return affinity && g_ascii_isdigit(*affinity);
}

/* The first device with the same CPUs; where they are not told, what cells
 * say. */
static guint cpu_of(const Table *table, guint i) {
  const char *affinity = row_at(table, i)->affinity;
  if (!is_told(affinity)) {
    const guint first = class_of(table, i, NODE);
    return first == i && table->rows->len > 1 ? DSP_UNKNOWN : first;
  }
  for (guint j = 0; j < i; j++)
    if (g_strcmp0(row_at(table, j)->affinity, affinity) == 0)
      return j;
  return i;
}

static gboolean keep_devices(Table *table, GError **error) {
  DspMachine *m = table->machine;
  for (guint i = 0; i < table->rows->len; i++) {
    const Row *row = row_at(table, i);
    const DspDevice device = {class_of(table, i, PXB), cpu_of(table, i),
                              row->at};
    GArray *list = is_gpu(row) ? m->gpus : m->nics;
    if (list->len == (is_gpu(row) ? DSP_IMPORT_GPUS : DSP_IMPORT_NICS))
      return dsp_machine_fail(m, row->at, error, "more than %u %s", list->len,
                              is_gpu(row) ? "GPUs" : "NICs");
    g_array_append_val(list, device);
  }
  for (guint i = 0; i < m->gpus->len; i++)
    for (guint j = 0; j < m->gpus->len; j++)
      m->links[i][j] = cell_at(table, i, j)->links;
  return TRUE;
}

static void clear_row(gpointer data) {
  Row *row = data;
  g_free(row->name);
  g_free(row->affinity);
}

static gboolean read(DspMachine *machine, GError **error) {
  g_autofree char *plain = without_escapes(machine->text);
  Scan scan = {plain, plain, 1};
  Table table = {.machine = machine,
                 .rows = g_array_new(FALSE, FALSE, sizeof(Row))};
  g_array_set_clear_func(table.rows, clear_row);
  find_header(&scan);
  const gboolean done = read_header(&table, &scan, error) &&
                        read_rows(&table, &scan, error) &&
                        keep_devices(&table, error);
  g_array_free(table.rows, TRUE);
  g_free(table.cells);
  return done;
}

const DspImporter dsp_import_smi = {"nvidia-smi topo -m", recognises, read};
