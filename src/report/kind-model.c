/* SPDX-License-Identifier: Apache-2.0 */
/* Models: their dimensions, stages, parameters and FLOP at the file's own
 * lengths. */
#include "base/paths.h"
#include "model/model.h"
#include "report/kind.h"

/* A stage of a block. */
typedef struct {
  const DspModel *model;
  const DspBlock *block;
  const DspStage *stage;
  char *over, *operations;
  int64_t parameters; /* of one repetition */
  double flop;        /* the same, forward, one sample */
} StageRow;

typedef struct {
  DspModel *model;
  DspLengths lengths;
  char *sample; /* "T=16 S=1024" */
  GArray *stages, *sources;
  DspTable *dim_table, *stage_table, *source_table;
} Row;

static char **names(void) {
  return dsp_list_data("models");
}

/* --- dimensions and stages ----------------------------------------------- */

enum { DIM_NAME, DIM_MEANING, DIM_LENGTH };

static DspValue get_dim(gconstpointer data, guint index) {
  const DspDim *dim = data;
  switch (index) {
  case DIM_NAME:
    return dsp_string(dim->name);
  case DIM_MEANING:
    return dsp_string(dim->meaning);
  default:
    return dsp_integer(dim->length);
  }
}

static const DspColumn dim_columns[] = {{NULL, "name", get_dim, DIM_NAME},
                                        {NULL, "meaning", get_dim, DIM_MEANING},
                                        {NULL, "length", get_dim, DIM_LENGTH},
                                        {NULL}};

enum { BLOCK, COUNT, STAGE, STREAM, OVER, OPERATIONS, STAGE_PARAMETERS, FLOP };

static DspValue get_stage(gconstpointer data, guint index) {
  const StageRow *row = data;
  const DspValue values[] = {
      [BLOCK] = dsp_string(row->block->name),
      [COUNT] = dsp_integer(row->block->count),
      [STAGE] = dsp_string(row->stage->name),
      [STREAM] = dsp_string(row->model->streams[row->stage->stream].name),
      [OVER] = dsp_string(row->over),
      [OPERATIONS] = dsp_string(row->operations),
      [STAGE_PARAMETERS] = dsp_integer(row->parameters),
      [FLOP] = dsp_number(row->flop),
  };
  return values[index];
}

static const DspColumn stage_columns[] = {
    {NULL, "block", get_stage, BLOCK},
    {NULL, "count", get_stage, COUNT},
    {NULL, "stage", get_stage, STAGE},
    {NULL, "stream", get_stage, STREAM},
    {NULL, "needs_whole", get_stage, OVER},
    {NULL, "operations", get_stage, OPERATIONS},
    {NULL, "parameters", get_stage, STAGE_PARAMETERS},
    {NULL, "forward_flop", get_stage, FLOP},
    {NULL}};

static char *dims_of(const DspModel *model, DspDimSet set) {
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < model->n_dims; i++)
    if (set & (1u << i))
      g_string_append_printf(text, "%s%s", text->len ? " " : "",
                             model->dims[i].name);
  return g_string_free(text, FALSE);
}

static void add_stage(Row *row, const DspBlock *block, const DspStage *stage) {
  StageRow s = {row->model, block, stage, dims_of(row->model, stage->over),
                NULL,       0,     0};
  GString *operations = g_string_new(NULL);
  for (guint i = 0; i < stage->n_ops; i++) {
    const DspOp *op = &stage->ops[i];
    s.parameters += op->parameters;
    s.flop += dsp_op_flop(row->model, op, &row->lengths);
    if (op->kind != DSP_OP_PARAMETERS)
      g_string_append_printf(operations, "%s%s", operations->len ? ", " : "",
                             op->name);
  }
  s.operations = g_string_free(operations, FALSE);
  g_array_append_val(row->stages, s);
}

static void stage_clear(gpointer data) {
  StageRow *row = data;
  g_free(row->over);
  g_free(row->operations);
}

static void add_stages(Row *row) {
  const DspBlock *block;
  row->stages = g_array_new(FALSE, FALSE, sizeof(StageRow));
  g_array_set_clear_func(row->stages, stage_clear);
  for (guint i = 0; (block = dsp_model_part(row->model, i)); i++)
    for (guint j = 0; j < block->n_stages; j++)
      add_stage(row, block, &block->stages[j]);
}

/* --- the row ------------------------------------------------------------- */

static char *sample_of(const DspModel *model, const DspLengths *lengths) {
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < model->n_dims; i++)
    g_string_append_printf(text, "%s%s=%" G_GINT64_FORMAT, i ? " " : "",
                           model->dims[i].name, lengths->length[i]);
  return g_string_free(text, FALSE);
}

static void fill_tables(Row *row) {
  row->dim_table = dsp_table_new(dim_columns);
  for (guint i = 0; i < row->model->n_dims; i++)
    dsp_table_add_row(row->dim_table, &row->model->dims[i]);
  row->stage_table = dsp_table_new(stage_columns);
  for (guint i = 0; i < row->stages->len; i++)
    dsp_table_add_row(row->stage_table,
                      &g_array_index(row->stages, StageRow, i));
  row->source_table = dsp_sources_table(row->sources);
}

static gpointer load(const char *name, GError **error) {
  DspModel *model = dsp_model_load(name, error);
  if (!model)
    return NULL;
  Row *row = g_new0(Row, 1);
  row->model = model;
  row->lengths = dsp_model_default_lengths(model);
  row->sample = sample_of(model, &row->lengths);
  row->sources = dsp_sources_new();
  dsp_sources_add(row->sources, NULL, model->json);
  add_stages(row);
  fill_tables(row);
  return row;
}

static void row_free(gpointer data) {
  Row *row = data;
  dsp_table_free(row->dim_table);
  dsp_table_free(row->stage_table);
  dsp_table_free(row->source_table);
  g_array_unref(row->stages);
  g_array_unref(row->sources);
  g_free(row->sample);
  dsp_model_free(row->model);
  g_free(row);
}

/* --- as keys ------------------------------------------------------------- */

enum {
  NAME,
  TITLE,
  SHA256,
  SOURCE,
  PARAMETERS,
  PUBLISHED,
  HIDDEN,
  HEADS,
  HOME,
  EVALUATIONS,
  GUIDANCE,
  TOKENS,
  FORWARD_FLOP,
};

static DspValue positive(int64_t count) {
  return count > 0 ? dsp_integer(count) : dsp_null();
}

static DspValue get(gconstpointer data, guint index) {
  const Row *row = data;
  const DspModel *m = row->model;
  const DspValue values[] = {
      [NAME] = dsp_string(m->name),
      [TITLE] = dsp_string(m->title),
      [SHA256] = dsp_string(m->sha256),
      [SOURCE] = dsp_string(m->source),
      [PARAMETERS] = dsp_integer(dsp_model_parameters(m)),
      [PUBLISHED] = positive(m->published_parameters),
      [HIDDEN] = dsp_integer(m->hidden),
      [HEADS] = dsp_integer(m->heads),
      [HOME] =
          m->home_dim < 0 ? dsp_null() : dsp_string(m->dims[m->home_dim].name),
      [EVALUATIONS] = positive(m->evaluations),
      [GUIDANCE] = positive(m->guidance),
      [TOKENS] = dsp_integer(dsp_stream_tokens(m, 0, &row->lengths)),
      [FORWARD_FLOP] = dsp_number(dsp_model_forward_flop(m, &row->lengths)),
  };
  return values[index];
}

static DspValue get_dims(gconstpointer data, guint index) {
  (void)index;
  return dsp_table_value(((const Row *)data)->dim_table);
}

static DspValue get_stages(gconstpointer data, guint index) {
  (void)index;
  return dsp_table_value(((const Row *)data)->stage_table);
}

static DspValue get_sources(gconstpointer data, guint index) {
  (void)index;
  return dsp_table_value(((const Row *)data)->source_table);
}

static const DspColumn columns[] = {
    {NULL, "name", get, NAME},
    {NULL, "title", get, TITLE},
    {NULL, "sha256", get, SHA256},
    {NULL, "source", get, SOURCE},
    {NULL, "parameters", get, PARAMETERS},
    {NULL, "published_parameters", get, PUBLISHED},
    {NULL, "hidden", get, HIDDEN},
    {NULL, "heads", get, HEADS},
    {NULL, "home", get, HOME},
    {NULL, "evaluations", get, EVALUATIONS},
    {NULL, "guidance_passes", get, GUIDANCE},
    {NULL, "tokens", get, TOKENS},
    {NULL, "forward_flop", get, FORWARD_FLOP},
    {NULL}};

static DspTable *table(void) {
  DspTable *table = dsp_table_new(columns);
  dsp_table_add_nested(table, "dims", get_dims);
  dsp_table_add_nested(table, "stages", get_stages);
  dsp_table_add_nested(table, "sources", get_sources);
  return table;
}

/* --- as text ------------------------------------------------------------- */

static const DspTextColumn list_columns[] = {{"model", "", TRUE},
                                             {"parameters", "", FALSE},
                                             {"dimensions", "", TRUE},
                                             {"title", "", TRUE},
                                             {NULL}};

static void add_cells(gconstpointer data, DspGrid *grid) {
  const Row *row = data;
  g_autofree char *parameters =
      dsp_text_number((double)dsp_model_parameters(row->model));
  dsp_grid_cell(grid, "%s", row->model->name);
  dsp_grid_cell(grid, "%s", parameters);
  dsp_grid_cell(grid, "%s", row->sample);
  dsp_grid_cell(grid, "%s", row->model->title);
}

static void add_head(const Row *row, const DspStyle *style, GString *out) {
  const DspModel *m = row->model;
  g_autofree char *parameters =
      dsp_text_number((double)dsp_model_parameters(m));
  g_autofree char *published = dsp_text_number((double)m->published_parameters);
  g_autofree char *tokens =
      dsp_text_number((double)dsp_stream_tokens(m, 0, &row->lengths));
  g_autofree char *flop =
      dsp_text_number(dsp_model_forward_flop(m, &row->lengths));
  dsp_text_line(out, style, "model", "%s", m->name);
  dsp_text_line(out, style, "title", "%s", m->title);
  dsp_text_line(out, style, "parameters", "%s%s%s", parameters,
                m->published_parameters ? ", published " : "",
                m->published_parameters ? published : "");
  dsp_text_line(out, style, "width",
                "%" G_GINT64_FORMAT ", %" G_GINT64_FORMAT " heads", m->hidden,
                m->heads);
  dsp_text_line(out, style, "sample", "%s: %s tokens, %sFLOP forward",
                row->sample, tokens, flop);
  if (m->home_dim >= 0)
    dsp_text_line(out, style, "home shard", "%s", m->dims[m->home_dim].name);
  if (m->evaluations)
    dsp_text_line(out, style, "sampler",
                  "%" G_GINT64_FORMAT " steps of %" G_GINT64_FORMAT
                  " forward passes",
                  m->evaluations, m->guidance);
}

static void add_dims(const DspModel *model, const DspStyle *style,
                     GString *out) {
  static const DspTextColumn dim_text[] = {
      {"dimension", "", TRUE}, {"tokens", "", FALSE}, {"meaning", "", TRUE}};
  g_autoptr(DspGrid) grid =
      dsp_grid_new(style, dim_text, G_N_ELEMENTS(dim_text));
  for (guint i = 0; i < model->n_dims; i++) {
    dsp_grid_cell(grid, "%s", model->dims[i].name);
    dsp_grid_cell(grid, "%" G_GINT64_FORMAT, model->dims[i].length);
    dsp_grid_cell(grid, "%s", model->dims[i].meaning);
  }
  g_string_append(out, "#\n");
  dsp_grid_print(grid, out);
}

static void add_stage_line(const StageRow *s, gboolean first, DspGrid *grid) {
  g_autofree char *parameters = dsp_text_number((double)s->parameters);
  g_autofree char *flop = dsp_text_number(s->flop);
  if (first) {
    dsp_grid_cell(grid, "%s", s->block->name);
    dsp_grid_cell(grid, "%" G_GINT64_FORMAT, s->block->count);
  } else {
    dsp_grid_cell(grid, "%s", "");
    dsp_grid_cell(grid, "%s", "");
  }
  dsp_grid_cell(grid, "%s", s->stage->name);
  dsp_grid_cell(grid, "%s", *s->over ? s->over : "-");
  dsp_grid_cell(grid, "%s", parameters);
  dsp_grid_cell(grid, "%s", flop);
}

static void add_stage_lines(const Row *row, const DspStyle *style,
                            GString *out) {
  static const DspTextColumn stage_text[] = {
      {"block", "", TRUE},           {"times", "", FALSE},
      {"stage", "", TRUE},           {"needs whole", "", TRUE},
      {"parameters", "each", FALSE}, {"FLOP", "each", FALSE}};
  const DspBlock *block = NULL;
  g_autoptr(DspGrid) grid =
      dsp_grid_new(style, stage_text, G_N_ELEMENTS(stage_text));
  for (guint i = 0; i < row->stages->len; i++) {
    const StageRow *s = &g_array_index(row->stages, StageRow, i);
    add_stage_line(s, s->block != block, grid);
    block = s->block;
  }
  g_string_append(out, "#\n");
  dsp_grid_print(grid, out);
}

static void text(gconstpointer data, const DspStyle *style, GString *out) {
  const Row *row = data;
  add_head(row, style, out);
  add_dims(row->model, style, out);
  add_stage_lines(row, style, out);
  dsp_sources_text(row->sources, style, out);
}

const DspKind dsp_kind_model = {"model",      "models",  names,
                                load,         row_free,  table,
                                list_columns, add_cells, text};
