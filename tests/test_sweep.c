/* SPDX-License-Identifier: Apache-2.0 */
#include "base/units.h"
#include "cmd/job.h"
#include "cmd/sweep-file.h"
#include "search/sweep.h"
#include "test.h"
#include <glib/gstdio.h>
#include <unistd.h>

/* --- grids --------------------------------------------------------------- */

static DspSweepGrid *grid_new(const char *text, gboolean zip, GError **error) {
  g_auto(GStrv) words = g_strsplit(text, " ", -1);
  g_autoptr(GPtrArray) specs = g_ptr_array_new();
  for (char **word = words; *word; word++)
    g_ptr_array_add(specs, *word);
  return dsp_sweep_grid_new(specs, zip, error);
}

static char *cells_text(const DspSweepGrid *grid) {
  g_autoptr(GString) text = g_string_new(NULL);
  for (int64_t cell = 0; cell < grid->cells; cell++)
    for (guint i = 0; i < grid->varied->len; i++)
      g_string_append_printf(text, "%s%s",
                             i      ? ","
                             : cell ? " "
                                    : "",
                             dsp_sweep_grid_value(grid, i, cell));
  return g_string_free(g_steal_pointer(&text), FALSE);
}

/* Specs (split at spaces) and the cells that they give, or an error. */
typedef struct {
  const char *specs;
  gboolean zip;
  const char *cells, *error;
} GridRow;

static const GridRow grid_rows[] = {
    {"a=1", FALSE, "1", NULL},
    {"a=x,1,x", FALSE, "x 1 x", NULL},
    {"a=1..4", FALSE, "1 2 3 4", NULL},
    {"a=1..6:+2", FALSE, "1 3 5", NULL},
    {"a=3..25:x2", FALSE, "3 6 12 24", NULL},
    {"a=0..2:+1", FALSE, "0 1 2", NULL},
    {"a=1k..4k:x2", FALSE, "1024 2048 4096", NULL},
    {"a=7..7:x3,9", FALSE, "7 9", NULL},
    {"a=1..2,x,4..4", FALSE, "1 2 x 4", NULL},
    {"a=../x/8..9,./1..2", FALSE, "../x/8..9 ./1..2", NULL},
    {"a=9223372036854775806..9223372036854775807", FALSE,
     "9223372036854775806 9223372036854775807", NULL},
    {"a=4611686018427387904..9223372036854775807:x2", FALSE,
     "4611686018427387904", NULL},
    {"a=1,2 b=x,y,z", FALSE, "1,x 1,y 1,z 2,x 2,y 2,z", NULL},
    {"a=1,2 b=x c=3,4", FALSE, "1,x,3 1,x,4 2,x,3 2,x,4", NULL},
    {"a=1..3 b=x,y,z", TRUE, "1,x 2,y 3,z", NULL},
    {"a.b=c=d", FALSE, "c=d", NULL},
    {"a", FALSE, NULL, "'a' is not NAME=VALUE"},
    {"=1", FALSE, NULL, "'=1' is not NAME=VALUE"},
    {"a=", FALSE, NULL, "a: a value is missing"},
    {"a=1,", FALSE, NULL, "a: a value is missing"},
    {"a=2..1", FALSE, NULL, "a: '2..1' is not a range"},
    {"a=1..", FALSE, NULL, "'1..' is not a range"},
    {"a=1..2:", FALSE, NULL, "'1..2:' is not a range"},
    {"a=1..2:3", FALSE, NULL, "'1..2:3' is not a range"},
    {"a=1..2:x1", FALSE, NULL, "is not a range"},
    {"a=0..2:x2", FALSE, NULL, "is not a range"},
    {"a=1..2:+0", FALSE, NULL, "is not a range"},
    {"a=1..2:x2:x2", FALSE, NULL, "is not a range"},
    {"a=1..99999999999999999999", FALSE, NULL, "is not a range"},
    {"a=1..1000001", FALSE, NULL, "a: has more than 1000000 values"},
    {"a=1 b=2 a=3", FALSE, NULL, "a is varied twice"},
    {"a=1,2 b=1,2,3", TRUE, NULL, "a has 2 values and b has 3"},
    {"a=1..65536 b=1..65536 c=1..65536 d=1..65536", FALSE, NULL,
     "too many combinations"},
};

/* The cells with a value are those that are given for it. */
static void check_cells(const DspSweepGrid *grid) {
  for (guint i = 0; i < grid->varied->len; i++) {
    const int64_t share = dsp_sweep_grid_share(grid, i);
    for (guint j = 0; j < dsp_sweep_grid_varied(grid, i)->values->len; j++)
      for (int64_t k = 0, before = -1; k < share; k++) {
        const int64_t cell = dsp_sweep_grid_cell(grid, i, j, k);
        DSP_CHECK(cell > before && cell < grid->cells, "cell %d", (int)cell);
        DSP_CHECK_INT(dsp_sweep_grid_index(grid, i, cell), j);
        before = cell;
      }
  }
}

static void test_grids(void) {
  for (guint i = 0; i < G_N_ELEMENTS(grid_rows); i++) {
    const GridRow *row = &grid_rows[i];
    g_autoptr(GError) error = NULL;
    g_autoptr(DspSweepGrid) grid = grid_new(row->specs, row->zip, &error);
    g_autofree char *cells = grid ? cells_text(grid) : NULL;
    DSP_CHECK_STRING(cells, row->cells);
    if (grid)
      check_cells(grid);
    if (row->error)
      DSP_CHECK_ERROR(error, DSP_ERROR_USAGE, row->error);
    else
      DSP_CHECK_NO_ERROR(error);
  }
}

/* A cell gets what was given by parsing it again. */
static void test_options(void) {
  static const DspOptionGroup groups[] = {DSP_JOB_GROUPS(0), {NULL}};
  for (const DspOptionGroup *g = groups; g->title; g++)
    for (const DspOption *o = g->options; o->name; o++)
      DSP_CHECK(o->type->tell, "'%s' does not tell what was given", o->name);
}

/* --- order --------------------------------------------------------------- */

/* Workers that give back the last task first, or nothing every third time. */
typedef struct {
  DspWorkers workers;
  GArray *tasks;
  guint asked, most;
} Odd;

static gboolean odd_give(DspWorkers *workers, int64_t task) {
  Odd *odd = (Odd *)workers;
  g_array_append_val(odd->tasks, task);
  odd->most = MAX(odd->most, odd->tasks->len);
  return TRUE;
}

static GString *odd_take(DspWorkers *workers, gint64 timeout, int64_t *task) {
  Odd *odd = (Odd *)workers;
  (void)timeout;
  if (++odd->asked % 3 == 0 || !odd->tasks->len)
    return NULL;
  *task = g_array_index(odd->tasks, int64_t, odd->tasks->len - 1);
  g_array_set_size(odd->tasks, odd->tasks->len - 1);
  GString *text = g_string_new(NULL);
  g_string_printf(text, "%" G_GINT64_FORMAT " ", *task);
  return text;
}

/* What was written; fails at task `stop`. */
typedef struct {
  GString *text;
  int64_t stop, told;
} Written;

static gboolean write_task(gpointer data, int64_t task, const GString *text,
                           GError **error) {
  Written *written = data;
  if (task == written->stop) {
    g_set_error(error, DSP_ERROR, DSP_ERROR_EXTERNAL, "stop");
    return FALSE;
  }
  g_string_append(written->text, text->str);
  return TRUE;
}

static gboolean pulse(gpointer data, int64_t done, GError **error) {
  (void)error;
  ((Written *)data)->told = done;
  return TRUE;
}

static void check_order(guint window, int64_t stop, const char *want) {
  g_autoptr(GError) error = NULL;
  Odd odd = {{window, odd_give, odd_take, NULL},
             g_array_new(FALSE, FALSE, sizeof(int64_t)),
             0,
             0};
  Written written = {g_string_new(NULL), stop, 0};
  const DspSink sink = {write_task, pulse, &written};
  const gboolean done = dsp_sweep_run(&odd.workers, 3, 12, &sink, &error);
  DSP_CHECK_STRING(written.text->str, want);
  DSP_CHECK_INT(done, stop < 0);
  DSP_CHECK(odd.most <= window, "%u tasks at once", odd.most);
  if (stop < 0)
    DSP_CHECK_INT(written.told, 12);
  else
    DSP_CHECK_ERROR(error, DSP_ERROR_EXTERNAL, "stop");
  g_string_free(written.text, TRUE);
  g_array_free(odd.tasks, TRUE);
}

static void test_order(void) {
  for (guint window = 1; window < 20; window++)
    check_order(window, -1, "3 4 5 6 7 8 9 10 11 ");
  check_order(4, 7, "3 4 5 6 ");
}

static gpointer begin_thread(gpointer data) {
  g_atomic_int_inc((gint *)data);
  return g_new0(int64_t, 1);
}

static void thread_work(gpointer begun, int64_t task, GString *out) {
  ++*(int64_t *)begun;
  g_usleep((gulong)(task % 7) * 100);
  g_string_printf(out, "%" G_GINT64_FORMAT " ", task);
}

static void test_threads(void) {
  gint begun = 0;
  const DspWork work = {begin_thread, thread_work, g_free, &begun};
  g_autoptr(GString) want = g_string_new(NULL);
  for (int i = 0; i < 500; i++)
    g_string_append_printf(want, "%d ", i);
  for (guint n = 1; n < 6; n++) {
    Written written = {g_string_new(NULL), -1, 0};
    const DspSink sink = {write_task, pulse, &written};
    begun = 0;
    g_autoptr(DspWorkers) workers = dsp_sweep_threads_new(&work, n);
    DSP_CHECK(dsp_sweep_run(workers, 0, 500, &sink, NULL), "%u threads", n);
    DSP_CHECK_STRING(written.text->str, want->str);
    g_string_free(written.text, TRUE);
    dsp_workers_free(g_steal_pointer(&workers));
    DSP_CHECK_INT(begun, n);
  }
}

/* --- documents ----------------------------------------------------------- */

static GString *document(const char *option, const char *hash, DspShard shard,
                         DspSweepEnd end) {
  GString *text = g_string_new(NULL);
  g_autoptr(DspSweepGrid) grid =
      grid_new("gpus=8..32:x2 c=a\"b,d", FALSE, NULL);
  g_autoptr(GArray) options = g_array_new(FALSE, FALSE, sizeof(DspSweepFact));
  g_autoptr(GArray) files = g_array_new(FALSE, FALSE, sizeof(DspSweepFact));
  const DspSweepFact fact = {"batch", option}, file = {"model", hash};
  g_array_append_val(options, fact);
  g_array_append_val(files, file);
  const DspSweepFacts facts = {
      "1.0", &dsp_sweep_formats[1], "best", grid, options, files};
  dsp_sweep_document_write(&facts, &shard, &end, text);
  return text;
}

static DspSweepDocument *parse(GString *text, GError **error) {
  DspSweepDocument *d =
      dsp_sweep_document_parse("x.sweep", text->str, text->len, error);
  g_string_free(text, TRUE);
  return d;
}

/* What is read of a document writes the same document again. */
static void test_document(void) {
  static const DspSweepEnd ends[] = {{FALSE, 0, 0}, {TRUE, 6, 9999}};
  for (guint i = 0; i < G_N_ELEMENTS(ends); i++) {
    const DspShard shard = {2, 5};
    g_autoptr(GError) error = NULL;
    g_autoptr(GString) text = document("4", "abc", shard, ends[i]);
    g_autoptr(GString) again = g_string_new(NULL);
    g_autoptr(DspSweepDocument) d =
        dsp_sweep_document_parse("x.sweep", text->str, text->len, &error);
    DSP_CHECK_NO_ERROR(error);
    if (!d)
      continue;
    DSP_CHECK_INT(d->facts.grid->cells, 6);
    dsp_sweep_document_write(&d->facts, &d->shard, &d->end, again);
    DSP_CHECK_STRING(again->str, text->str);
  }
}

/* Two documents and what differs. */
typedef struct {
  const char *option, *hash;
  DspShard shard;
  gboolean any_shard;
  const char *difference;
} DifferenceRow;

static void test_difference(void) {
  static const DifferenceRow rows[] = {
      {"4", "abc", {0, 1}, FALSE, NULL},
      {"5", "abc", {0, 1}, FALSE, "option 'batch'"},
      {"4", "abd", {0, 1}, FALSE, "the file 'model'"},
      {"4", "abc", {1, 2}, FALSE, "'shard'"},
      {"4", "abc", {1, 2}, TRUE, NULL},
  };
  const DspSweepEnd begun = {FALSE, 0, 0}, done = {TRUE, 1, 1};
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
    const DifferenceRow *row = &rows[i];
    g_autoptr(DspSweepDocument) one =
        parse(document("4", "abc", (DspShard){0, 1}, begun), NULL);
    g_autoptr(DspSweepDocument) other =
        parse(document(row->option, row->hash, row->shard, done), NULL);
    g_autofree char *difference =
        dsp_sweep_document_difference(one, other, row->any_shard);
    DSP_CHECK_STRING(difference, row->difference);
  }
}

/* A document of which one thing is replaced by another is none. */
static void test_bad_documents(void) {
  static const char *const rows[][2] = {
      {"dspsim.sweep/1", "dspsim.sweep/2"},
      {"\"cells\": 6", "\"cells\": 7"},
      {"\"cells\": 6", "\"cells\": \"6\""},
      {"\"shard\": 3", "\"shard\": 6"},
      {"\"shard\": 3", "\"shard\": 0"},
      {"\"shard\": 3", "\"shard\": -1e99"},
      {"jsonl", "xml"},
      {"\"gpus\"", "7"},
      {"8,16,32", "8..4"},
      {"\"options\": [", "\"options\": [1,"},
      {"\"sha256\"", "\"sha\""},
      {"\"version\"", "\"versions\""},
  };
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autoptr(GError) error = NULL;
    GString *text =
        document("4", "abc", (DspShard){2, 5}, (DspSweepEnd){FALSE, 0, 0});
    DSP_CHECK_INT(g_string_replace(text, rows[i][0], rows[i][1], 1), 1);
    g_autoptr(DspSweepDocument) d = parse(text, &error);
    DSP_CHECK(!d, "a document with %s", rows[i][1]);
    DSP_CHECK_ERROR(error, DSP_ERROR_INPUT, "x.sweep:1:1: ");
  }
}

/* --- rows ---------------------------------------------------------------- */

/* A file, and the cells of its whole rows. */
typedef struct {
  int format;
  const char *text, *cells;
} RowsRow;

static const RowsRow rows_rows[] = {
    {0, "", ""},
    {0, "cell,a\n", "-1 "},
    {0, "cell,a\n0,x\n12,y\n", "-1 0 12 "},
    {0, "cell,a\n0,x\n12,y", "-1 0 "},
    {0, "0,\"x\ny\"\n1,z\n", "0 1 "},
    {0, "0,\"x\n1,z\n2,y\n", ""},
    {0, "0,\"x\"\"\n1,z\"\n2,\"\"\n", "0 2 "},
    {0, "0\n,1\n\n-1,2\n99999999999999999999,3\n", "-1 -1 -1 -1 -1 "},
    {1, "{\"cell\": 3, \"a\": \"\\\"\"}\n{\"cell\": 4, \"a\": 1}\n", "3 4 "},
    {1, "{\"cell\": 3, \"a\": 1}\n{\"cell\": 4, \"a\"", "3 "},
    {1, "{\"cell\":3, \"a\": 1}\n{}\n", "-1 -1 "},
};

static void test_reader(void) {
  g_autofree char *path = g_strdup("sweep-XXXXXX");
  const int fd = g_mkstemp(path);
  DSP_CHECK(fd >= 0, "no file");
  close(fd);
  for (guint i = 0; i < G_N_ELEMENTS(rows_rows); i++) {
    const RowsRow *row = &rows_rows[i];
    g_autoptr(GString) cells = g_string_new(NULL);
    int64_t cell;
    g_file_set_contents(path, row->text, -1, NULL);
    g_autoptr(DspSweepReader) reader =
        dsp_sweep_reader_new(path, &dsp_sweep_formats[row->format], NULL);
    while (reader && dsp_sweep_reader_next(reader, &cell))
      g_string_append_printf(cells, "%" G_GINT64_FORMAT " ", cell);
    DSP_CHECK_STRING(cells->str, row->cells);
  }
  g_unlink(path);
}

/* --- stock --------------------------------------------------------------- */

static void test_stock(void) {
  static const char name[] = "node:4 gpu:8 nvlink:9GB/s nic:8x1GB/s";
  const DspNcclOptions nccl = {NULL, -1, 0}, ring = {"ring", -1, 0};
  g_autoptr(DspStock) base = dsp_stock_new(NULL, 0);
  g_autoptr(DspStock) stock = dsp_stock_new(base, 0);
  g_autoptr(GError) error = NULL;
  const DspCluster *cluster = dsp_stock_cluster(base, name, 0, NULL, &error);
  DSP_CHECK_NO_ERROR(error);
  DSP_CHECK(dsp_stock_cluster(stock, name, 0, NULL, NULL) == cluster,
            "a cluster of the base is read again");
  const DspCluster *dear = dsp_stock_cluster(stock, name, 2, "EUR", NULL);
  DSP_CHECK(dear != cluster && dear->price == 2 && cluster->price == 0,
            "a price of another cluster");
  DSP_CHECK_INT(dsp_stock_clusters(base)->len, 1);
  DSP_CHECK(!dsp_stock_model(stock, "none", &error), "a model that is not");
  DSP_CHECK_ERROR(error, DSP_ERROR_USAGE, "no 'none' in models");

  const DspMachine *m = dsp_stock_machine(stock, cluster, 8, &nccl, NULL);
  const DspPrices *prices = m->prices;
  DSP_CHECK(dsp_stock_machine(stock, cluster, 8, &nccl, NULL)->prices == prices,
            "a machine is made again");
  DSP_CHECK(dsp_stock_machine(stock, cluster, 8, &ring, NULL)->prices != prices,
            "prices of other options");
  DSP_CHECK(!dsp_stock_machine(stock, cluster, 64, &nccl, &error),
            "more GPUs than there are");
  DSP_CHECK_ERROR(error, DSP_ERROR_INFEASIBLE, "at most");
}

/* What is not used is forgotten as soon as there is too much of it; what is
 * used starts with no prices again. */
static void test_limits(void) {
  const DspNcclOptions nccl = {NULL, -1, 0};
  g_autoptr(DspStock) stock = dsp_stock_new(NULL, 1 << 20);
  const DspCluster *cluster = dsp_stock_cluster(
      stock, "node:64 gpu:8 nvlink:9GB/s nic:8x1GB/s", 0, NULL, NULL);
  const DspAxis axis = {512, 512, 1};
  gsize most = 0;
  for (int64_t bytes = 1; bytes < 2000; bytes++) {
    const DspMachine *m = dsp_stock_machine(stock, cluster, 512, &nccl, NULL);
    dsp_prices_get(m->prices, &axis, -1, DSP_ALL_TO_ALL, bytes * 1024);
    most = MAX(most, dsp_prices_size(m->prices));
  }
  DSP_CHECK(most > 1 << 20 && most < 2 << 20, "prices take %zu bytes", most);
}

static CU_TestInfo grid_tests[] = {{"specs and cells", test_grids},
                                   {"what can be varied", test_options},
                                   CU_TEST_INFO_NULL};
static CU_TestInfo order_tests[] = {{"by odd workers", test_order},
                                    {"by threads", test_threads},
                                    CU_TEST_INFO_NULL};
static CU_TestInfo document_tests[] = {{"there and back", test_document},
                                       {"differences", test_difference},
                                       {"bad ones", test_bad_documents},
                                       CU_TEST_INFO_NULL};
static CU_TestInfo row_tests[] = {{"whole ones", test_reader},
                                  CU_TEST_INFO_NULL};
static CU_TestInfo stock_tests[] = {
    {"shared", test_stock}, {"limits", test_limits}, CU_TEST_INFO_NULL};
static CU_SuiteInfo suites[] = {{.pName = "grid", .pTests = grid_tests},
                                {.pName = "order", .pTests = order_tests},
                                {.pName = "document", .pTests = document_tests},
                                {.pName = "rows", .pTests = row_tests},
                                {.pName = "stock", .pTests = stock_tests},
                                CU_SUITE_INFO_NULL};
DSP_TEST_MAIN(suites)
