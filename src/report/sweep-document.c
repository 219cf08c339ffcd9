/* SPDX-License-Identifier: Apache-2.0 */
/* The document beside the rows of a sweep: all that they follow from, so that
 * the sweep can be resumed and its shards be merged. */
#include "report/sweep.h"
#include <string.h>

#define SCHEMA "dspsim.sweep/1"

typedef struct {
  const DspSweepFacts *facts;
  const DspShard *shard;
  const DspSweepEnd *end;
} Document;

/* --- writing ------------------------------------------------------------- */

enum { TOOL_VERSION, FORMAT, PLANS, ZIP, CELLS, SHARD, SHARDS };

static DspValue get_input(gconstpointer row, guint index) {
  const Document *d = row;
  const DspSweepFacts *facts = d->facts;
  switch (index) {
  case TOOL_VERSION:
    return dsp_string(facts->version);
  case FORMAT:
    return dsp_string(facts->format->name);
  case PLANS:
    return dsp_string(facts->plans);
  case ZIP:
    return dsp_boolean(facts->grid->zip);
  case CELLS:
    return dsp_integer(facts->grid->cells);
  case SHARD:
    return dsp_integer(d->shard->shard + 1);
  default:
    return dsp_integer(d->shard->shards);
  }
}

enum { COMPLETE, ROWS, BYTES };

static DspValue get_end(gconstpointer row, guint index) {
  const DspSweepEnd *end = ((const Document *)row)->end;
  if (index == COMPLETE)
    return dsp_boolean(end->complete);
  if (!end->complete)
    return dsp_null();
  return dsp_integer(index == ROWS ? end->rows : end->bytes);
}

static DspValue get_fact(gconstpointer row, guint index) {
  const DspSweepFact *fact = row;
  return dsp_string(index ? fact->value : fact->name);
}

static const DspColumn input_columns[] = {
    {NULL, "version", get_input, TOOL_VERSION},
    {NULL, "format", get_input, FORMAT},
    {NULL, "plans", get_input, PLANS},
    {NULL, "zip", get_input, ZIP},
    {NULL, "cells", get_input, CELLS},
    {NULL, "shard", get_input, SHARD},
    {NULL, "shards", get_input, SHARDS},
    {NULL}};
static const DspColumn end_columns[] = {{NULL, "complete", get_end, COMPLETE},
                                        {NULL, "rows", get_end, ROWS},
                                        {NULL, "bytes", get_end, BYTES},
                                        {NULL}};
static const DspColumn value_columns[] = {
    {NULL, "name", get_fact, 0}, {NULL, "value", get_fact, 1}, {NULL}};
static const DspColumn file_columns[] = {
    {NULL, "name", get_fact, 0}, {NULL, "sha256", get_fact, 1}, {NULL}};

static DspTable *one_row(const DspColumn *columns, const Document *document) {
  DspTable *table = dsp_table_new(columns);
  dsp_table_add_row(table, document);
  return table;
}

static DspTable *facts_table(const DspColumn *columns, const GArray *facts) {
  DspTable *table = dsp_table_new(columns);
  for (guint i = 0; i < facts->len; i++)
    dsp_table_add_row(table, &g_array_index(facts, DspSweepFact, i));
  return table;
}

static void clear_value(gpointer fact) {
  g_free((char *)((DspSweepFact *)fact)->value);
}

/* Values joined by commas, of which they have none. */
static GArray *varied_facts(const DspSweepGrid *grid) {
  GArray *facts = g_array_new(FALSE, FALSE, sizeof(DspSweepFact));
  g_array_set_clear_func(facts, clear_value);
  for (guint i = 0; i < grid->varied->len; i++) {
    const DspVaried *varied = dsp_sweep_grid_varied(grid, i);
    GString *values = g_string_new(NULL);
    for (guint j = 0; j < varied->values->len; j++)
      g_string_append_printf(values, "%s%s", j ? "," : "",
                             (const char *)varied->values->pdata[j]);
    const DspSweepFact fact = {varied->name, g_string_free(values, FALSE)};
    g_array_append_val(facts, fact);
  }
  return facts;
}

void dsp_sweep_document_write(const DspSweepFacts *facts, const DspShard *shard,
                              const DspSweepEnd *end, GString *out) {
  const Document document = {facts, shard, end};
  g_autoptr(GArray) varied_values = varied_facts(facts->grid);
  g_autoptr(DspTable) inputs = one_row(input_columns, &document);
  g_autoptr(DspTable) results = one_row(end_columns, &document);
  g_autoptr(DspTable) varied = facts_table(value_columns, varied_values);
  g_autoptr(DspTable) options = facts_table(value_columns, facts->options);
  g_autoptr(DspTable) files = facts_table(file_columns, facts->files);
  const DspSection sections[] = {
      {"varied", varied}, {"options", options}, {"files", files}, {NULL, NULL}};
  const DspReport report = {.schema = SCHEMA,
                            .inputs = inputs,
                            .results = results,
                            .sections = sections};
  const DspStyle style = {TRUE, FALSE};
  dsp_format_json.write(&report, &style, out);
}

/* --- reading ------------------------------------------------------------- */

static const cJSON *member(const cJSON *object, const char *key) {
  return cJSON_GetObjectItemCaseSensitive(object, key);
}

static const char *read_string(const cJSON *object, const char *key) {
  return cJSON_GetStringValue(member(object, key));
}

static gboolean read_count(const cJSON *object, const char *key,
                           int64_t *count) {
  const cJSON *item = member(object, key);
  const double value = cJSON_IsNumber(item) ? item->valuedouble : -1;
  *count = value >= 0 && value < 0x1p53 ? (int64_t)value : 0;
  return value >= 0 && value < 0x1p53;
}

static gboolean read_shard(const cJSON *inputs, DspShard *shard) {
  const gboolean counted = read_count(inputs, "shard", &shard->shard) &&
                           read_count(inputs, "shards", &shard->shards);
  shard->shard--;
  return counted && shard->shard >= 0 && shard->shard < shard->shards;
}

static void read_end(const cJSON *results, DspSweepEnd *end) {
  const cJSON *row = cJSON_GetArrayItem(results, 0);
  end->complete = cJSON_IsTrue(member(row, "complete")) &&
                  read_count(row, "rows", &end->rows) &&
                  read_count(row, "bytes", &end->bytes);
}

static gboolean read_format(const cJSON *inputs,
                            const DspSweepFormat **format) {
  const char *name = read_string(inputs, "format");
  for (int i = 0; name && dsp_sweep_format_names[i]; i++)
    if (g_str_equal(dsp_sweep_format_names[i], name)) {
      *format = &dsp_sweep_formats[i];
      return TRUE;
    }
  return FALSE;
}

/* Entries of a name and `key`; NULL if they are something else. */
static GArray *read_facts(const cJSON *entries, const char *key) {
  g_autoptr(GArray) facts = g_array_new(FALSE, FALSE, sizeof(DspSweepFact));
  const cJSON *entry;
  cJSON_ArrayForEach(entry, entries) {
    const DspSweepFact fact = {read_string(entry, "name"),
                               read_string(entry, key)};
    if (!fact.name || !fact.value)
      return NULL;
    g_array_append_val(facts, fact);
  }
  return cJSON_IsArray(entries) ? g_steal_pointer(&facts) : NULL;
}

static DspSweepGrid *read_grid(const cJSON *varied, gboolean zip) {
  g_autoptr(GArray) facts = read_facts(varied, "value");
  g_autoptr(GPtrArray) specs = g_ptr_array_new_with_free_func(g_free);
  for (guint i = 0; facts && i < facts->len; i++) {
    const DspSweepFact *fact = &g_array_index(facts, DspSweepFact, i);
    g_ptr_array_add(specs, g_strconcat(fact->name, "=", fact->value, NULL));
  }
  return facts ? dsp_sweep_grid_new(specs, zip, NULL) : NULL;
}

static gboolean read_document(DspSweepDocument *d) {
  const cJSON *root = dsp_json_root(d->json), *inputs = member(root, "inputs");
  const gboolean zip = cJSON_IsTrue(member(inputs, "zip"));
  int64_t cells;
  d->grid = read_grid(member(root, "varied"), zip);
  d->options = read_facts(member(root, "options"), "value");
  d->files = read_facts(member(root, "files"), "sha256");
  d->facts = (DspSweepFacts){.version = read_string(inputs, "version"),
                             .plans = read_string(inputs, "plans"),
                             .grid = d->grid,
                             .options = d->options,
                             .files = d->files};
  read_end(member(root, "results"), &d->end);
  return g_strcmp0(read_string(root, "schema"), SCHEMA) == 0 && d->grid &&
         d->options && d->files && d->facts.version && d->facts.plans &&
         read_format(inputs, &d->facts.format) &&
         read_shard(inputs, &d->shard) && read_count(inputs, "cells", &cells) &&
         cells == d->grid->cells;
}

/* Takes `json`, which may be NULL. */
static DspSweepDocument *document_new(DspJson *json, GError **error) {
  g_autoptr(DspSweepDocument) document = g_new0(DspSweepDocument, 1);
  document->json = json;
  if (!json)
    return NULL;
  if (read_document(document))
    return g_steal_pointer(&document);
  dsp_json_fail(json, dsp_json_root(json), error,
                "is not a document of a sweep (%s)", SCHEMA);
  return NULL;
}

DspSweepDocument *dsp_sweep_document_load(const char *path, GError **error) {
  return document_new(dsp_json_load(path, error), error);
}

DspSweepDocument *dsp_sweep_document_parse(const char *name, const char *text,
                                           gsize length, GError **error) {
  return document_new(dsp_json_parse(name, text, length, error), error);
}

static void array_unref(GArray *array) {
  if (array)
    g_array_unref(array);
}

void dsp_sweep_document_free(DspSweepDocument *document) {
  if (!document)
    return;
  array_unref(document->files);
  array_unref(document->options);
  dsp_sweep_grid_free(document->grid);
  dsp_json_free(document->json);
  g_free(document);
}

/* --- comparing ----------------------------------------------------------- */

static gboolean is_shard(const cJSON *item) {
  return g_str_has_prefix(item->string, "shard");
}

/* The first key whose value differs, or NULL. */
static const char *differing_key(const cJSON *one, const cJSON *other,
                                 gboolean any_shard) {
  const cJSON *item;
  cJSON_ArrayForEach(item, one) {
    if (!(any_shard && is_shard(item)) &&
        !cJSON_Compare(item, member(other, item->string), TRUE))
      return item->string;
  }
  return NULL;
}

/* The name in the first entry that differs, or NULL. */
static const char *differing_entry(const cJSON *one, const cJSON *other) {
  const int n = MAX(cJSON_GetArraySize(one), cJSON_GetArraySize(other));
  for (int i = 0; i < n; i++) {
    const cJSON *a = cJSON_GetArrayItem(one, i);
    const cJSON *b = cJSON_GetArrayItem(other, i);
    const char *name = cJSON_GetStringValue(member(a ? a : b, "name"));
    if (!a || !b || !cJSON_Compare(a, b, TRUE))
      return name ? name : "?";
  }
  return NULL;
}

static const char *const section_names[] = {"varied", "options", "files"};
static const char *const section_nouns[] = {"the values of", "option",
                                            "the file"};

char *dsp_sweep_document_difference(const DspSweepDocument *one,
                                    const DspSweepDocument *other,
                                    gboolean any_shard) {
  const cJSON *a = dsp_json_root(one->json), *b = dsp_json_root(other->json);
  const char *key =
      differing_key(member(a, "inputs"), member(b, "inputs"), any_shard);
  for (guint i = 0; i < G_N_ELEMENTS(section_names); i++) {
    const char *name = differing_entry(member(a, section_names[i]),
                                       member(b, section_names[i]));
    if (name)
      return g_strdup_printf("%s '%s'", section_nouns[i], name);
  }
  return key ? g_strdup_printf("'%s'", key) : NULL;
}
