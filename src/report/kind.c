/* SPDX-License-Identifier: Apache-2.0 */
#include "report/kind.h"
#include <string.h>

const DspKind *const dsp_kinds[] = {&dsp_kind_model, &dsp_kind_cluster,
                                    &dsp_kind_gpu, &dsp_kind_method, NULL};

/* --- sources ------------------------------------------------------------- */

static void source_clear(gpointer data) {
  DspSource *source = data;
  g_free(source->place);
  g_free(source->source);
}

GArray *dsp_sources_new(void) {
  GArray *sources = g_array_new(FALSE, FALSE, sizeof(DspSource));
  g_array_set_clear_func(sources, source_clear);
  return sources;
}

static char *join(const char *place, const char *key) {
  return *place ? g_strconcat(place, "/", key, NULL) : g_strdup(key);
}

/* Depth first, in the order of the file; the reader bounds the depth. */
static void walk(GArray *sources, const char *place, const cJSON *node) {
  const cJSON *text = cJSON_GetObjectItemCaseSensitive(node, "source");
  const cJSON *estimate = cJSON_GetObjectItemCaseSensitive(node, "estimate");
  const cJSON *child;
  guint i = 0;
  if (cJSON_IsString(text)) {
    const DspSource source = {g_strdup(place), g_strdup(text->valuestring),
                              cJSON_IsTrue(estimate)};
    g_array_append_val(sources, source);
  }
  cJSON_ArrayForEach(child, node) {
    g_autofree char *index = g_strdup_printf("%u", i++);
    g_autofree char *inner = join(place, child->string ? child->string : index);
    walk(sources, inner, child);
  }
}

void dsp_sources_add(GArray *sources, const char *file, const DspJson *json) {
  if (json)
    walk(sources, file ? file : "", dsp_json_root(json));
}

enum { PLACE, SOURCE, ESTIMATE };

static DspValue get_source(gconstpointer row, guint index) {
  const DspSource *source = row;
  switch (index) {
  case PLACE:
    return dsp_string(source->place);
  case SOURCE:
    return dsp_string(source->source);
  default:
    return dsp_boolean(source->estimate);
  }
}

static const DspColumn source_columns[] = {
    {NULL, "place", get_source, PLACE},
    {NULL, "source", get_source, SOURCE},
    {NULL, "estimate", get_source, ESTIMATE},
    {NULL}};

DspTable *dsp_sources_table(const GArray *sources) {
  DspTable *table = dsp_table_new(source_columns);
  for (guint i = 0; i < sources->len; i++)
    dsp_table_add_row(table, &g_array_index(sources, DspSource, i));
  return table;
}

/* Places that have one source in common stand together. */
static gboolean is_repeated(const GArray *sources, guint i) {
  const DspSource *source = &g_array_index(sources, DspSource, i);
  for (guint j = 0; j < i; j++) {
    const DspSource *known = &g_array_index(sources, DspSource, j);
    if (strcmp(known->source, source->source) == 0 &&
        known->estimate == source->estimate)
      return TRUE;
  }
  return FALSE;
}

static char *places_of(const GArray *sources, guint i) {
  const DspSource *source = &g_array_index(sources, DspSource, i);
  GString *places = g_string_new(NULL);
  for (; i < sources->len; i++) {
    const DspSource *other = &g_array_index(sources, DspSource, i);
    if (strcmp(other->source, source->source) == 0 &&
        other->estimate == source->estimate)
      g_string_append_printf(places, "%s%s", places->len ? ", " : "",
                             *other->place ? other->place : "file");
  }
  return g_string_free(places, FALSE);
}

void dsp_sources_text(const GArray *sources, const DspStyle *style,
                      GString *out) {
  if (sources->len)
    g_string_append(out, "#\n# sources\n");
  for (guint i = 0; i < sources->len; i++) {
    const DspSource *source = &g_array_index(sources, DspSource, i);
    if (is_repeated(sources, i))
      continue;
    g_autofree char *places = places_of(sources, i);
    g_autofree char *line =
        g_strdup_printf("%s: %s%s", places,
                        source->estimate ? "estimate: " : "", source->source);
    g_string_append(out, "  ");
    dsp_text_wrap(out, style, "", 4, line);
  }
}
