/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/sweep-cells.h"
#include "base/error.h"
#include "base/json.h"
#include "base/units.h"
#include "measurement/spread.h"
#include "search/choose.h"
#include "search/compare.h"
#include <string.h>

const char *const dsp_sweep_plans_names[] = {"one", "best", "all", NULL};

/* Machines that a thread keeps. */
enum { MACHINE_BYTES = 64 << 20 };

/* An option and what it is given; of a parameter such as dim.T the key, which
 * goes before its values. */
typedef struct {
  const DspOption *option;
  char *text, *key;
} Setting;

struct DspSweepCells {
  const DspSweepQuestion *question;
  DspSweepGrid *grid;
  DspSweepPlans plans;
  GArray *settings; /* Setting: of all cells */
  GArray *varied;   /* Setting without text: of each parameter */
  DspStock *stock;
  DspResiduals *residuals; /* that intervals are from, or NULL */
  DspSweepTable *table;
  GArray *options; /* DspSweepFact: the settings, for the document */
  GArray *files;   /* DspSweepFact */
};

static const DspOptionGroup groups[] = {DSP_JOB_GROUPS(0), {NULL}};
static const DspJobOptions defaults = DSP_JOB_DEFAULTS;

static void setting_clear(gpointer data) {
  Setting *setting = data;
  g_free(setting->text);
  g_free(setting->key);
}

static Setting *setting_at(const GArray *settings, guint i) {
  return &g_array_index(settings, Setting, i);
}

/* --- from settings to options -------------------------------------------- */

/* Gives the option `text`; a key makes it "KEY=TEXT", after what a string
 * already holds. */
static gboolean set(DspJobOptions *record, const Setting *setting,
                    const char *text, GError **error) {
  const DspOption *option = setting->option;
  gpointer member = G_STRUCT_MEMBER_P(record, option->offset);
  g_autofree char *keyed = NULL;
  if (setting->key) {
    const char *before =
        option->type == &dsp_option_string ? *(char **)member : NULL;
    keyed = g_strconcat(before ? before : "", before ? "," : "", setting->key,
                        "=", text, NULL);
  }
  return option->type->parse(option, keyed ? keyed : text, member, error);
}

/* The options of a cell. Every text has been parsed before. */
static void fill_options(const DspSweepCells *cells, int64_t cell,
                         DspJobOptions *record) {
  *record = defaults;
  for (guint i = 0; i < cells->settings->len; i++) {
    const Setting *setting = setting_at(cells->settings, i);
    set(record, setting, setting->text, NULL);
  }
  for (guint i = 0; i < cells->varied->len; i++)
    set(record, setting_at(cells->varied, i),
        dsp_sweep_grid_value(cells->grid, i, cell), NULL);
}

static const char *method_of(const DspSweepCells *cells) {
  return cells->plans == DSP_ROWS_ONE ? "dsp" : NULL;
}

static DspTask *task_new(const DspSweepCells *cells, DspStock *stock,
                         int64_t cell, GError **error) {
  DspJobOptions record;
  fill_options(cells, cell, &record);
  DspTask *task = dsp_task_new_from(stock, &record, cells->question->operands,
                                    method_of(cells), error);
  dsp_options_clear(groups, &record);
  return task;
}

/* --- what is varied ------------------------------------------------------ */

static const DspOption *find_option(const char *name, gsize length) {
  for (const DspOptionGroup *g = groups; g->title; g++)
    for (const DspOption *o = g->options; o->name; o++)
      if (strlen(o->name) == length && strncmp(o->name, name, length) == 0)
        return o;
  return NULL;
}

static gboolean is_keyed(const DspOption *option) {
  return strchr(option->argument ? option->argument : "", '=') != NULL;
}

static gboolean fail_unknown(const char *name, GError **error) {
  g_autoptr(GPtrArray) names = g_ptr_array_new_null_terminated(0, NULL, TRUE);
  for (const DspOptionGroup *g = groups; g->title; g++)
    for (const DspOption *o = g->options; o->name; o++)
      if (!o->type->flag)
        g_ptr_array_add(names, (gpointer)o->name);
  const char *near = dsp_nearest_name(name, (const char *const *)names->pdata);
  g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE, "no parameter '%s', %s%s%s",
              name,
              near ? "did you mean '"
                   : "it is the name of an option, or of a "
                     "dimension or degree: dim.T, "
                     "degrees.sp",
              near ? near : "", near ? "'?" : "");
  return FALSE;
}

/* "gpus" or "dim.T". */
static gboolean find_varied(const char *name, Setting *setting,
                            GError **error) {
  const gsize length = strcspn(name, ".");
  const DspOption *option = find_option(name, length);
  const gboolean keyed = name[length] && name[length + 1];
  if (!option || option->type->flag || (name[length] && !keyed) ||
      (keyed && !is_keyed(option)))
    return fail_unknown(name, error);
  if (is_keyed(option) && option->type == &dsp_option_list && !keyed) {
    g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE,
                "'%s' needs a name as well, such as %s.T", name, name);
    return FALSE;
  }
  *setting =
      (Setting){option, NULL, keyed ? g_strdup(name + length + 1) : NULL};
  return TRUE;
}

/* The value as its option tells it: 8k becomes 8192. NULL with an error. */
static char *canonical(const Setting *setting, const char *value,
                       GError **error) {
  DspJobOptions record = defaults;
  g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
  int64_t count;
  char *text = NULL;
  if (setting->key)
    return dsp_parse_count(value, DSP_UNITS_COMMAND_LINE, &count, error)
               ? g_strdup_printf("%" G_GINT64_FORMAT, count)
               : NULL;
  if (set(&record, setting, value, error)) {
    setting->option->type->tell(
        setting->option, G_STRUCT_MEMBER_P(&record, setting->option->offset),
        texts);
    text = g_strdup(texts->pdata[0]);
  }
  dsp_options_clear(groups, &record);
  return text;
}

static gboolean make_canonical(const Setting *setting, DspVaried *varied,
                               GError **error) {
  for (guint i = 0; i < varied->values->len; i++) {
    char *text = canonical(setting, varied->values->pdata[i], error);
    if (!text)
      return FALSE;
    g_free(varied->values->pdata[i]);
    varied->values->pdata[i] = text;
  }
  return TRUE;
}

static gboolean bind_varied(DspSweepCells *cells, GError **error) {
  for (guint i = 0; i < cells->grid->varied->len; i++) {
    DspVaried *varied = dsp_sweep_grid_varied(cells->grid, i);
    Setting setting;
    if (!find_varied(varied->name, &setting, error))
      return FALSE;
    g_array_append_val(cells->varied, setting);
    if (!make_canonical(&setting, varied, error)) {
      g_prefix_error(error, "%s: ", varied->name);
      return FALSE;
    }
  }
  return TRUE;
}

/* --- what is not --------------------------------------------------------- */

/* As a whole, and not one key of it. */
static gboolean is_varied(const DspSweepCells *cells, const DspOption *option) {
  for (guint i = 0; i < cells->varied->len; i++) {
    const Setting *setting = setting_at(cells->varied, i);
    if (setting->option == option && !setting->key)
      return TRUE;
  }
  return FALSE;
}

/* What was given for `option`; nothing if that is what it is without. */
static GPtrArray *given(const DspJobOptions *job, const DspOption *option) {
  GPtrArray *texts = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GPtrArray) usual = g_ptr_array_new_with_free_func(g_free);
  option->type->tell(option, G_STRUCT_MEMBER_P(job, option->offset), texts);
  option->type->tell(option, G_STRUCT_MEMBER_P(&defaults, option->offset),
                     usual);
  if (texts->len == 1 && usual->len == 1 &&
      g_str_equal(texts->pdata[0], usual->pdata[0]))
    g_ptr_array_set_size(texts, 0);
  return texts;
}

static gboolean add_settings(DspSweepCells *cells, const DspOption *option,
                             GError **error) {
  g_autoptr(GPtrArray) texts = given(cells->question->job, option);
  if (texts->len && is_varied(cells, option))
    return dsp_option_fail(error, option->name, "is varied as well");
  for (guint i = 0; i < texts->len; i++) {
    const Setting setting = {option, g_strdup(texts->pdata[i]), NULL};
    const DspSweepFact fact = {option->name, setting.text};
    g_array_append_val(cells->settings, setting);
    g_array_append_val(cells->options, fact);
  }
  return TRUE;
}

/* What stands for --model and --cluster. */
static void note_operands(DspSweepCells *cells) {
  static const char *const names[] = {"model", "cluster"};
  char *const *operands = cells->question->operands;
  for (guint i = 0; i < G_N_ELEMENTS(names) && operands[i]; i++) {
    const DspSweepFact fact = {names[i], operands[i]};
    g_array_append_val(cells->options, fact);
  }
}

static gboolean keep_settings(DspSweepCells *cells, GError **error) {
  note_operands(cells);
  for (const DspOptionGroup *g = groups; g->title; g++)
    for (const DspOption *o = g->options; o->name; o++)
      if (!add_settings(cells, o, error))
        return FALSE;
  return TRUE;
}

/* --- checks -------------------------------------------------------------- */

/* Whether a cell can be asked; *wrong is the first error of a user that was
 * met. Other errors are final. */
static gboolean can_ask(DspSweepCells *cells, int64_t cell, GError **wrong,
                        GError **final) {
  g_autoptr(GError) error = NULL;
  DspJobOptions record;
  fill_options(cells, cell, &record);
  const gboolean right =
      dsp_task_check(cells->stock, &record, cells->question->operands,
                     method_of(cells), &error);
  dsp_options_clear(groups, &record);
  if (right)
    return TRUE;
  if (!g_error_matches(error, DSP_ERROR, DSP_ERROR_USAGE))
    g_propagate_error(final, g_steal_pointer(&error));
  else if (!*wrong)
    *wrong = g_steal_pointer(&error);
  return FALSE;
}

/* A value is wrong if it is in every cell, of which some thousands are tried.
 */
static gboolean check_value(DspSweepCells *cells, guint i, guint index,
                            GError **error) {
  enum { TRIED = 10000 };
  const int64_t share = dsp_sweep_grid_share(cells->grid, i);
  const int64_t step = share / TRIED | 1;
  g_autoptr(GError) wrong = NULL;
  GError *final = NULL;
  gboolean right = FALSE;
  for (int64_t k = 0; !right && !final && k < share; k += step)
    right = can_ask(cells, dsp_sweep_grid_cell(cells->grid, i, index, k),
                    &wrong, &final);
  if (!right)
    g_propagate_error(error, final ? final : g_steal_pointer(&wrong));
  return right;
}

/* Every value once, so that every model and cluster is read as well. */
static gboolean check_values(DspSweepCells *cells, GError **error) {
  for (guint i = 0; i < cells->grid->varied->len; i++)
    for (guint j = 0; j < dsp_sweep_grid_varied(cells->grid, i)->values->len;
         j++)
      if (!check_value(cells, i, j, error))
        return FALSE;
  return TRUE;
}

/* --- what they follow from ----------------------------------------------- */

static void add_file(DspSweepCells *cells, const char *name,
                     const char *sha256) {
  const DspSweepFact fact = {name, sha256};
  if (sha256)
    g_array_append_val(cells->files, fact);
}

static void add_json(DspSweepCells *cells, const char *name,
                     const DspJson *json) {
  if (json)
    add_file(cells, name, dsp_json_sha256(json));
}

static void keep_files(DspSweepCells *cells) {
  if (cells->residuals)
    add_file(cells, DSP_RESIDUALS_NAME, cells->residuals->sha256);
  const GPtrArray *models = dsp_stock_models(cells->stock);
  const GPtrArray *clusters = dsp_stock_clusters(cells->stock);
  for (guint i = 0; i < models->len; i++) {
    const DspModel *model = models->pdata[i];
    add_file(cells, model->name, model->sha256);
  }
  for (guint i = 0; i < clusters->len; i++) {
    const DspCluster *c = clusters->pdata[i];
    add_file(cells, c->name, c->sha256);
    add_file(cells, c->gpu->name, c->gpu->sha256);
    add_json(cells, c->host_name, c->host_json);
    add_json(cells, c->intra_name, c->intra_json);
    add_json(cells, c->inter_name, c->network_json);
  }
}

DspSweepFacts dsp_sweep_cells_facts(const DspSweepCells *cells) {
  return (DspSweepFacts){.version = PACKAGE_VERSION,
                         .format = &dsp_sweep_formats[cells->question->format],
                         .plans = dsp_sweep_plans_names[cells->plans],
                         .grid = cells->grid,
                         .options = cells->options,
                         .files = cells->files};
}

/* --- making them --------------------------------------------------------- */

static DspSweepPlans plans_of(const DspSweepCells *cells) {
  const DspSweepQuestion *q = cells->question;
  if (q->plans >= 0)
    return (DspSweepPlans)q->plans;
  return q->job->method ||
                 is_varied(cells, find_option("method", strlen("method")))
             ? DSP_ROWS_ONE
             : DSP_ROWS_BEST;
}

static gboolean fill(DspSweepCells *cells, GError **error) {
  const DspSweepQuestion *q = cells->question;
  cells->grid = dsp_sweep_grid_new(q->vary, q->zip, error);
  if (!cells->grid || !bind_varied(cells, error)) {
    g_prefix_error(error, "option '--vary': ");
    return FALSE;
  }
  cells->plans = plans_of(cells);
  if (!keep_settings(cells, error) || !check_values(cells, error))
    return FALSE;
  if (q->interval &&
      !(cells->residuals = dsp_residuals_load(DSP_RESIDUALS_NAME, error)))
    return FALSE;
  keep_files(cells);
  cells->table = dsp_sweep_table_new(
      cells->grid, dsp_stock_models(cells->stock), q->interval);
  return TRUE;
}

DspSweepCells *dsp_sweep_cells_new(const DspSweepQuestion *question,
                                   GError **error) {
  g_autoptr(DspSweepCells) cells = g_new0(DspSweepCells, 1);
  cells->question = question;
  cells->settings = g_array_new(FALSE, FALSE, sizeof(Setting));
  cells->varied = g_array_new(FALSE, FALSE, sizeof(Setting));
  g_array_set_clear_func(cells->settings, setting_clear);
  g_array_set_clear_func(cells->varied, setting_clear);
  cells->options = g_array_new(FALSE, FALSE, sizeof(DspSweepFact));
  cells->files = g_array_new(FALSE, FALSE, sizeof(DspSweepFact));
  cells->stock = dsp_stock_new(NULL, 0);
  return fill(cells, error) ? g_steal_pointer(&cells) : NULL;
}

void dsp_sweep_cells_free(DspSweepCells *cells) {
  if (!cells)
    return;
  dsp_sweep_table_free(cells->table);
  dsp_stock_free(cells->stock);
  g_free(cells->residuals);
  g_array_unref(cells->files);
  g_array_unref(cells->options);
  g_array_unref(cells->varied);
  g_array_unref(cells->settings);
  dsp_sweep_grid_free(cells->grid);
  g_free(cells);
}

const DspSweepGrid *dsp_sweep_cells_grid(const DspSweepCells *cells) {
  return cells->grid;
}

void dsp_sweep_cells_header(const DspSweepCells *cells, GString *out) {
  dsp_sweep_header(cells->table, &dsp_sweep_formats[cells->question->format],
                   out);
}

/* --- rows ---------------------------------------------------------------- */

struct DspSweepWorker {
  const DspSweepCells *cells;
  DspStock *stock;
  const DspTask *task; /* of the cell, NULL: it makes no sense */
  int64_t cell;
  GString *out;
};

DspSweepWorker *dsp_sweep_worker_new(const DspSweepCells *cells) {
  DspSweepWorker *worker = g_new0(DspSweepWorker, 1);
  worker->cells = cells;
  worker->stock = dsp_stock_new(cells->stock, MACHINE_BYTES);
  return worker;
}

void dsp_sweep_worker_free(DspSweepWorker *worker) {
  if (!worker)
    return;
  dsp_stock_free(worker->stock);
  g_free(worker);
}

static void add_row(const DspSweepWorker *worker, const DspResult *result,
                    const char *reason) {
  const DspSweepCells *cells = worker->cells;
  DspSweepRow row = {
      .table = cells->table, .cell = worker->cell, .reason = reason};
  if (result)
    row.result = *result;
  if (cells->residuals && result && result->prediction->feasible)
    row.result.interval = dsp_interval_of_plan(
        result->job, &result->prediction->plan, worker->task->prices,
        &worker->task->sim, cells->residuals);
  dsp_sweep_row(&row, &dsp_sweep_formats[cells->question->format], worker->out);
}

static void add_one(const DspSweepWorker *worker, const DspTask *task) {
  DspPrediction prediction;
  dsp_choose(&task->job, &task->space, task->prices, &task->sim, &prediction);
  const DspResult result = {.job = &task->job,
                            .prediction = &prediction,
                            .chosen = prediction.feasible};
  add_row(worker, &result, NULL);
  dsp_prediction_clear(&prediction);
}

static gboolean is_of(const DspResult *result, const DspMethod *method) {
  return result->prediction->plan.method == method;
}

/* Methods in the order of reports, so that rows do not move as parameters
 * change. */
static void add_best(const DspSweepWorker *worker, const DspTask *task,
                     const GArray *results) {
  const DspCompareText all = {&task->inputs, results, FALSE};
  const DspMethod *const *methods;
  const guint n = dsp_methods(&methods);
  for (guint i = 0; i < n; i++)
    for (guint j = 0; j < results->len; j++) {
      const DspResult *result = &g_array_index(results, DspResult, j);
      if (is_of(result, methods[i]) &&
          (result->chosen || dsp_compare_speaks(&all, result)))
        add_row(worker, result, NULL);
    }
}

static void add_compared(const DspSweepWorker *worker, const DspTask *task) {
  const gboolean all = worker->cells->plans == DSP_ROWS_ALL;
  g_autoptr(GArray) compared =
      dsp_compare(&task->job, &task->space, task->prices, &task->sim, !all);
  g_autoptr(GArray) results = dsp_results_of(&task->job, compared);
  if (!results->len)
    add_row(worker, NULL, "no plan of these degrees fills the GPUs");
  else if (!all)
    add_best(worker, task, results);
  for (guint i = 0; all && i < results->len; i++)
    add_row(worker, &g_array_index(results, DspResult, i), NULL);
}

void dsp_sweep_worker_rows(DspSweepWorker *worker, int64_t cell, GString *out) {
  g_autoptr(GError) error = NULL;
  worker->cell = cell;
  worker->out = out;
  g_autoptr(DspTask) task =
      task_new(worker->cells, worker->stock, cell, &error);
  worker->task = task;
  if (!task)
    add_row(worker, NULL, error->message);
  else if (worker->cells->plans == DSP_ROWS_ONE)
    add_one(worker, task);
  else
    add_compared(worker, task);
}
