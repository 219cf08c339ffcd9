/* SPDX-License-Identifier: Apache-2.0 */
/* An explanation is made from what the simulator tells its observer, so that
 * its parts add up to the prediction. */
#include "report/explain.h"
#include "report/text.h"
#include <math.h>
#include <string.h>

/* What one rank has done of one operation. */
typedef struct {
  int64_t calls;
  double time[DSP_N_PASSES]; /* s */
} Work;

/* Steps of one operation in one stage of one kind of block. */
typedef struct {
  const DspBlock *block; /* NULL: the update */
  guint block_order;     /* of blocks as they were met */
  int stage;             /* -1: between stages */
  char *name;
  DspStreamKind stream;
  gboolean collective;
  DspExchange exchange;
  guint index; /* of its work in accounts */
  Work work;   /* of the rank that held up the rest */
} Operation;

/* The same collective wherever it is called. */
typedef struct {
  DspExchange exchange;
  int64_t calls, sent_bytes; /* that leave the GPU, all calls together */
  double time;               /* s, all calls together */
  const DspPrice *price;
  double busbw; /* bytes/s, as nccl-tests */
} Exchange;

typedef struct {
  double end, busy;
  GArray *work; /* Work, by index of the operation */
} Account;

struct DspExplanation {
  GArray *operations;  /* Operation */
  GArray *exchanges;   /* Exchange */
  GHashTable *indices; /* DspStep -> index of its operation + 1 */
  GPtrArray *accounts; /* Account, by rank */
  DspTable *operation_table, *exchange_table;
};

static Operation *operation_at(const DspExplanation *e, guint i) {
  return &g_array_index(e->operations, Operation, i);
}

static Exchange *exchange_at(const DspExplanation *e, guint i) {
  return &g_array_index(e->exchanges, Exchange, i);
}

/* --- while it is simulated ----------------------------------------------- */

/* "qkv", "pack", "all_to_all over sp, 12 MiB". */
static char *name_of(const DspStep *step) {
  const DspExchange *x = &step->exchange;
  if (step->kind != DSP_STEP_COLLECTIVE)
    return g_strdup(step->op && step->role <= DSP_ROLE_WEIGHT_GRAD
                        ? step->op->name
                        : dsp_role_names[step->role]);
  g_autofree char *size = dsp_text_bytes((double)x->bytes);
  return g_strdup_printf("%s over %s, %s", dsp_collective_names[x->collective],
                         dsp_axis_names[x->axis], size);
}

static guint order_of(const DspExplanation *e, const DspBlock *block) {
  guint next = 0;
  for (guint i = 0; i < e->operations->len; i++) {
    const Operation *known = operation_at(e, i);
    if (known->block == block)
      return known->block_order;
    next = MAX(next, known->block_order + 1);
  }
  return next;
}

static gboolean is_same(const Operation *a, const Operation *b) {
  return a->block == b->block && a->stage == b->stage &&
         a->stream == b->stream && strcmp(a->name, b->name) == 0;
}

static guint add_operation(DspExplanation *e, const DspSegment *segment,
                           const DspStep *step) {
  Operation new = {.block = segment->block,
                   .block_order = order_of(e, segment->block),
                   .stage = step->stage,
                   .name = name_of(step),
                   .stream = step->stream,
                   .collective = step->kind == DSP_STEP_COLLECTIVE,
                   .index = e->operations->len};
  for (guint i = 0; i < e->operations->len; i++)
    if (is_same(operation_at(e, i), &new)) {
      g_free(new.name);
      return i;
    }
  if (new.collective)
    new.exchange = step->exchange;
  g_array_append_val(e->operations, new);
  return new.index;
}

static guint index_of(DspExplanation *e, const DspSegment *segment,
                      const DspStep *step) {
  gpointer known = g_hash_table_lookup(e->indices, step);
  if (known)
    return GPOINTER_TO_UINT(known) - 1;
  const guint index = add_operation(e, segment, step);
  g_hash_table_insert(e->indices, (gpointer)step, GUINT_TO_POINTER(index + 1));
  return index;
}

static Account *account_of(DspExplanation *e, guint rank) {
  while (e->accounts->len <= rank) {
    Account *account = g_new0(Account, 1);
    account->work = g_array_new(FALSE, TRUE, sizeof(Work));
    g_ptr_array_add(e->accounts, account);
  }
  return e->accounts->pdata[rank];
}

static void account_free(gpointer data) {
  Account *account = data;
  g_array_free(account->work, TRUE);
  g_free(account);
}

static void note(gpointer data, const DspStepRun *run) {
  DspExplanation *e = data;
  const guint index = index_of(e, run->segment, run->step);
  Account *account = account_of(e, run->rank);
  if (account->work->len <= index)
    g_array_set_size(account->work, index + 1);
  Work *work = &g_array_index(account->work, Work, index);
  work->calls++;
  work->time[run->step->pass] += run->end - run->start;
  account->end = MAX(account->end, run->end);
  if (run->step->stream == DSP_STREAM_COMPUTE)
    account->busy += run->end - run->start;
}

DspObserver dsp_explanation_observer(DspExplanation *e) {
  return (DspObserver){.step = note, .data = e};
}

/* --- afterwards ---------------------------------------------------------- */

/* As the simulator chooses it: the last to end, and of those that end together
 * the one that computed longest. */
static const Account *slowest(const DspExplanation *e) {
  const Account *most = e->accounts->pdata[0];
  for (guint i = 1; i < e->accounts->len; i++) {
    const Account *account = e->accounts->pdata[i];
    if (account->end > most->end ||
        (account->end == most->end && account->busy > most->busy))
      most = account;
  }
  return most;
}

/* Blocks in order, their stages in order, what is between stages behind. */
static gint by_place(gconstpointer a, gconstpointer b) {
  const Operation *x = a, *y = b;
  const guint stage_x = (guint)x->stage, stage_y = (guint)y->stage;
  if (x->block_order != y->block_order)
    return x->block_order < y->block_order ? -1 : 1;
  if (stage_x != stage_y)
    return stage_x < stage_y ? -1 : 1;
  return x->index < y->index ? -1 : x->index > y->index;
}

static double total_of(const Work *work) {
  double total = 0;
  for (int i = 0; i < DSP_N_PASSES; i++)
    total += work->time[i];
  return total;
}

static Exchange *find_exchange(DspExplanation *e, const DspExchange *exchange) {
  for (guint i = 0; i < e->exchanges->len; i++) {
    const DspExchange *known = &exchange_at(e, i)->exchange;
    if (known->collective == exchange->collective &&
        known->axis == exchange->axis && known->bytes == exchange->bytes)
      return exchange_at(e, i);
  }
  const Exchange new = {.exchange = *exchange};
  g_array_append_val(e->exchanges, new);
  return exchange_at(e, e->exchanges->len - 1);
}

static void add_exchange(DspExplanation *e, const Operation *operation,
                         const DspPlan *plan, DspPrices *prices) {
  const DspExchange *x = &operation->exchange;
  const DspAxis axis = dsp_plan_axis(plan, x->axis);
  Exchange *exchange = find_exchange(e, x);
  exchange->calls += operation->work.calls;
  exchange->time += total_of(&operation->work);
  exchange->sent_bytes +=
      operation->work.calls *
      dsp_collective_sent_bytes(x->collective, axis.size, x->bytes);
  exchange->price = dsp_prices_get(prices, &axis, -1, x->collective, x->bytes);
  exchange->busbw = (double)exchange->calls * (double)x->bytes /
                    exchange->time *
                    dsp_collective_busbw_factor(x->collective, axis.size);
}

static void fill_tables(DspExplanation *e) {
  for (guint i = 0; i < e->operations->len; i++)
    dsp_table_add_row(e->operation_table, operation_at(e, i));
  for (guint i = 0; i < e->exchanges->len; i++)
    dsp_table_add_row(e->exchange_table, exchange_at(e, i));
}

void dsp_explanation_finish(DspExplanation *e, const DspPlan *plan,
                            DspPrices *prices) {
  if (!e->accounts->len)
    return;
  const Account *account = slowest(e);
  for (guint i = 0; i < account->work->len; i++)
    operation_at(e, i)->work = g_array_index(account->work, Work, i);
  g_array_sort(e->operations, by_place);
  for (guint i = 0; i < e->operations->len; i++)
    if (operation_at(e, i)->collective)
      add_exchange(e, operation_at(e, i), plan, prices);
  fill_tables(e);
}

/* --- as keys ------------------------------------------------------------- */

static const char *stage_of(const Operation *operation) {
  return operation->block && operation->stage >= 0
             ? operation->block->stages[operation->stage].name
             : NULL;
}

enum { BLOCK, STAGE, OPERATION, STREAM, CALLS };

static DspValue get_operation(gconstpointer row, guint index) {
  const Operation *operation = row;
  switch (index) {
  case BLOCK:
    return dsp_string(operation->block ? operation->block->name : NULL);
  case STAGE:
    return dsp_string(stage_of(operation));
  case OPERATION:
    return dsp_string(operation->name);
  case STREAM:
    return dsp_string(dsp_stream_names[operation->stream]);
  default:
    return dsp_integer(operation->work.calls);
  }
}

static DspValue get_pass_time(gconstpointer row, guint pass) {
  return dsp_number(((const Operation *)row)->work.time[pass] * 1e6);
}

enum {
  COLLECTIVE,
  AXIS,
  BYTES,
  EXCHANGE_CALLS,
  SENT,
  TIME,
  BUSBW,
  ALGORITHM,
  PROTOCOL,
  CHANNELS,
  BOUND_BY,
};

static DspValue get_exchange(gconstpointer row, guint index) {
  const Exchange *x = row;
  const DspValue values[] = {
      [COLLECTIVE] = dsp_string(dsp_collective_names[x->exchange.collective]),
      [AXIS] = dsp_string(dsp_axis_names[x->exchange.axis]),
      [BYTES] = dsp_integer(x->exchange.bytes),
      [EXCHANGE_CALLS] = dsp_integer(x->calls),
      [SENT] = dsp_integer(x->sent_bytes),
      [TIME] = dsp_number(x->time * 1e6),
      [BUSBW] = dsp_number(x->busbw / 1e9),
      [ALGORITHM] = dsp_string(x->price->algorithm),
      [PROTOCOL] = dsp_string(dsp_protocol_names[x->price->protocol]),
      [CHANNELS] = dsp_integer(x->price->channels),
      [BOUND_BY] = dsp_string(x->price->bound_by),
  };
  return values[index];
}

static const DspColumn operation_columns[] = {
    {NULL, "block", get_operation, BLOCK},
    {NULL, "stage", get_operation, STAGE},
    {NULL, "operation", get_operation, OPERATION},
    {NULL, "stream", get_operation, STREAM},
    {NULL, "calls", get_operation, CALLS},
    {NULL}};

static const DspColumn exchange_columns[] = {
    {NULL, "collective", get_exchange, COLLECTIVE},
    {NULL, "axis", get_exchange, AXIS},
    {NULL, "bytes", get_exchange, BYTES},
    {NULL, "calls", get_exchange, EXCHANGE_CALLS},
    {NULL, "sent_bytes", get_exchange, SENT},
    {NULL, "time_us", get_exchange, TIME},
    {NULL, "busbw_GBps", get_exchange, BUSBW},
    {NULL, "algorithm", get_exchange, ALGORITHM},
    {NULL, "protocol", get_exchange, PROTOCOL},
    {NULL, "channels", get_exchange, CHANNELS},
    {NULL, "bound_by", get_exchange, BOUND_BY},
    {NULL}};

static DspValue get_operations(gconstpointer row, guint index) {
  const DspResult *result = row;
  (void)index;
  return dsp_table_value(result->explanation->operation_table);
}

static DspValue get_exchanges(gconstpointer row, guint index) {
  const DspResult *result = row;
  (void)index;
  return dsp_table_value(result->explanation->exchange_table);
}

void dsp_explanation_add_columns(DspTable *results) {
  dsp_table_add_nested(results, "operations", get_operations);
  dsp_table_add_nested(results, "exchanges", get_exchanges);
}

static void operation_clear(gpointer operation) {
  g_free(((Operation *)operation)->name);
}

DspExplanation *dsp_explanation_new(void) {
  DspExplanation *e = g_new0(DspExplanation, 1);
  e->operations = g_array_new(FALSE, TRUE, sizeof(Operation));
  g_array_set_clear_func(e->operations, operation_clear);
  e->exchanges = g_array_new(FALSE, TRUE, sizeof(Exchange));
  e->indices = g_hash_table_new(NULL, NULL);
  e->accounts = g_ptr_array_new_with_free_func(account_free);
  e->operation_table = dsp_table_new(operation_columns);
  dsp_table_add_group(e->operation_table, "time_us", dsp_pass_names,
                      DSP_N_PASSES, get_pass_time);
  e->exchange_table = dsp_table_new(exchange_columns);
  return e;
}

void dsp_explanation_free(DspExplanation *e) {
  if (!e)
    return;
  g_array_free(e->operations, TRUE);
  g_array_free(e->exchanges, TRUE);
  g_hash_table_destroy(e->indices);
  g_ptr_array_free(e->accounts, TRUE);
  dsp_table_free(e->operation_table);
  dsp_table_free(e->exchange_table);
  g_free(e);
}

/* --- as text ------------------------------------------------------------- */

/* Operations of a smaller share of the step are not shown one by one. */
#define LEAST_SHARE 0.001

#define PERCENT (&(const DspScale){0.01, "%", 1})

/* Passes with a column of their own: those that anything was done in, where
 * there are several. The update is a block of its own. */
static guint shown_passes(const DspExplanation *e) {
  guint passes = 0;
  for (guint i = 0; i < e->operations->len; i++)
    for (int j = 0; j < DSP_PASS_UPDATE; j++)
      if (operation_at(e, i)->work.time[j] > 0)
        passes |= 1u << j;
  return passes & (passes - 1) ? passes : 0;
}

static DspScale time_scale(const DspExplanation *e) {
  double longest = 0;
  for (guint i = 0; i < e->operations->len; i++)
    longest = MAX(longest, total_of(&operation_at(e, i)->work));
  DspScale scale = dsp_scale_time(longest);
  scale.decimals = 2;
  return scale;
}

typedef struct {
  DspGrid *grid;
  DspScale scale;
  guint passes;
  double step_time;
} TimeGrid;

static void add_times(const TimeGrid *t, const Work *work) {
  for (int i = 0; i < DSP_PASS_UPDATE; i++)
    if (t->passes & (1u << i))
      dsp_grid_number(t->grid, &t->scale,
                      work->time[i] > 0 ? work->time[i] : NAN);
  dsp_grid_number(t->grid, &t->scale, total_of(work));
  dsp_grid_number(t->grid, PERCENT, total_of(work) / t->step_time);
}

static gboolean begins_stage(const DspExplanation *e, guint i) {
  if (i == 0)
    return TRUE;
  const Operation *before = operation_at(e, i - 1), *now = operation_at(e, i);
  return before->block != now->block || before->stage != now->stage;
}

/* The operations from `i` on that are of one stage, together. */
static Work sum_of_stage(const DspExplanation *e, guint i) {
  Work sum = operation_at(e, i)->work;
  for (i++; i < e->operations->len && !begins_stage(e, i); i++)
    for (int j = 0; j < DSP_N_PASSES; j++)
      sum.time[j] += operation_at(e, i)->work.time[j];
  return sum;
}

static void add_stage(const TimeGrid *t, const DspExplanation *e, guint i) {
  const Operation *first = operation_at(e, i);
  const char *block = first->block ? first->block->name : "update";
  const char *stage = stage_of(first);
  const Work sum = sum_of_stage(e, i);
  dsp_grid_cell(t->grid, "%s%s%s", block, stage ? ": " : "",
                stage ? stage : "");
  dsp_grid_cell(t->grid, "%s", "");
  dsp_grid_cell(t->grid, "%s", "");
  add_times(t, &sum);
  dsp_grid_colour(t->grid, DSP_TEXT_BEST);
}

static void add_operations(const DspExplanation *e, const TimeGrid *t) {
  for (guint i = 0; i < e->operations->len; i++) {
    const Operation *o = operation_at(e, i);
    if (begins_stage(e, i))
      add_stage(t, e, i);
    if (total_of(&o->work) < LEAST_SHARE * t->step_time)
      continue;
    dsp_grid_cell(t->grid, "  %s", o->name);
    dsp_grid_cell(t->grid, "%s", dsp_stream_names[o->stream]);
    dsp_grid_cell(t->grid, "%" G_GINT64_FORMAT, o->work.calls);
    add_times(t, &o->work);
  }
}

static void times_text(const DspExplanation *e, double step_time,
                       const DspStyle *style, GString *out) {
  TimeGrid t = {NULL, time_scale(e), shown_passes(e), step_time};
  DspTextColumn columns[DSP_N_PASSES + 5] = {{"stage, operation", "", TRUE},
                                             {"stream", "", TRUE},
                                             {"calls", "", FALSE}};
  guint n = 3;
  for (int i = 0; i < DSP_PASS_UPDATE; i++)
    if (t.passes & (1u << i))
      columns[n++] = (DspTextColumn){dsp_pass_names[i], t.scale.unit, FALSE};
  columns[n++] = (DspTextColumn){"total", t.scale.unit, FALSE};
  columns[n++] = (DspTextColumn){"share", "%", FALSE};
  g_autoptr(DspGrid) grid = dsp_grid_new(style, columns, n);
  t.grid = grid;
  add_operations(e, &t);
  g_string_append(
      out,
      "#\n# time by stage and operation of 0.1 % and more, of the slowest GPU; "
      "streams overlap\n");
  dsp_grid_print(grid, out);
}

static void exchanges_text(const DspExplanation *e, const DspStyle *style,
                           GString *out) {
  static const DspTextColumn columns[] = {
      {"collective", "", TRUE}, {"axis", "", TRUE},
      {"size", "", FALSE},      {"calls", "", FALSE},
      {"sent", "", FALSE},      {"time", "", FALSE},
      {"busbw", "GB/s", FALSE}, {"algorithm", "", TRUE},
      {"channels", "", FALSE},  {"bound by", "", TRUE},
  };
  const DspScale busbw = {1e9, "GB/s", 1};
  g_autoptr(DspGrid) grid = dsp_grid_new(style, columns, G_N_ELEMENTS(columns));
  for (guint i = 0; i < e->exchanges->len; i++) {
    const Exchange *x = exchange_at(e, i);
    g_autofree char *size = dsp_text_bytes((double)x->exchange.bytes);
    g_autofree char *sent = dsp_text_bytes((double)x->sent_bytes);
    g_autofree char *time = dsp_text_time(x->time);
    dsp_grid_cell(grid, "%s", dsp_collective_names[x->exchange.collective]);
    dsp_grid_cell(grid, "%s", dsp_axis_names[x->exchange.axis]);
    dsp_grid_cell(grid, "%s", size);
    dsp_grid_cell(grid, "%" G_GINT64_FORMAT, x->calls);
    dsp_grid_cell(grid, "%s", sent);
    dsp_grid_cell(grid, "%s", time);
    dsp_grid_number(grid, &busbw, x->busbw);
    dsp_grid_cell(grid, "%s %s", x->price->algorithm,
                  dsp_protocol_names[x->price->protocol]);
    dsp_grid_cell(grid, "%" G_GINT64_FORMAT, x->price->channels);
    dsp_grid_cell(grid, "%s", x->price->bound_by);
  }
  g_string_append(out, "#\n# collectives of a GPU\n");
  dsp_grid_print(grid, out);
}

static void memory_text(const DspMemoryUse *use, const DspStyle *style,
                        GString *out) {
  static const DspTextColumn columns[] = {{"memory of a GPU", "", TRUE},
                                          {"size", "", FALSE},
                                          {"share", "%", FALSE}};
  g_autoptr(DspGrid) grid = dsp_grid_new(style, columns, G_N_ELEMENTS(columns));
  for (int i = 0; i < DSP_N_MEMORY_KINDS; i++) {
    g_autofree char *size = dsp_text_bytes((double)use->bytes[i]);
    dsp_grid_cell(grid, "%s", dsp_memory_kind_names[i]);
    dsp_grid_cell(grid, "%s", size);
    dsp_grid_number(grid, PERCENT, (double)use->bytes[i] / (double)use->peak);
  }
  g_string_append(out, "#\n");
  dsp_grid_print(grid, out);
}

void dsp_explanation_text(const DspResult *result, const DspStyle *style,
                          GString *out) {
  const DspExplanation *e = result->explanation;
  const DspPrediction *p = result->prediction;
  times_text(e, p->sim.step_time, style, out);
  if (e->exchanges->len)
    exchanges_text(e, style, out);
  memory_text(&p->memory, style, out);
}
