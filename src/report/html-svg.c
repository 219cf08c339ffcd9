/* SPDX-License-Identifier: Apache-2.0 */
/* SVG as a part of a page. It is not copied: it is read, and what draws is
 * written anew, so that nothing else can come with it. */
#include "report/html.h"
#include <string.h>

typedef struct {
  GString *out;
  const char *prefix;
  guint skipped; /* elements that are left out, which are open */
} Copy;

static const char *const drawing[] = {
    "svg",    "g",        "path",           "text",    "tspan",    "rect",
    "circle", "ellipse",  "line",           "polygon", "polyline", "use",
    "defs",   "clipPath", "linearGradient", "stop",    "pattern",  NULL};

static const char *const looks[] = {"width",
                                    "height",
                                    "viewBox",
                                    "x",
                                    "y",
                                    "x1",
                                    "y1",
                                    "x2",
                                    "y2",
                                    "cx",
                                    "cy",
                                    "r",
                                    "rx",
                                    "ry",
                                    "dx",
                                    "dy",
                                    "d",
                                    "points",
                                    "transform",
                                    "fill",
                                    "stroke",
                                    "stroke-width",
                                    "stroke-dasharray",
                                    "stroke-linecap",
                                    "stroke-linejoin",
                                    "fill-opacity",
                                    "font-family",
                                    "font-size",
                                    "font-weight",
                                    "font-style",
                                    "text-anchor",
                                    "color",
                                    "opacity",
                                    "clip-path",
                                    "xml:space",
                                    NULL};

static void add_attribute(Copy *copy, const char *name, const char *value) {
  g_autofree char *escaped = g_markup_escape_text(value, -1);
  g_string_append_printf(copy->out, " %s=\"%s\"", name, escaped);
}

/* Identifiers are those of one picture; addresses of anything else go. */
static void copy_attribute(Copy *copy, const char *name, const char *value) {
  g_autofree char *own = NULL;
  if (strcmp(name, "id") == 0) {
    own = g_strconcat(copy->prefix, value, NULL);
    add_attribute(copy, "id", own);
  } else if (strcmp(name, "xlink:href") == 0 || strcmp(name, "href") == 0) {
    if (*value != '#')
      return;
    own = g_strconcat("#", copy->prefix, value + 1, NULL);
    add_attribute(copy, "href", own);
  } else if (g_str_has_prefix(value, "url(#")) {
    own = g_strconcat("url(#", copy->prefix, value + strlen("url(#"), NULL);
    add_attribute(copy, name, own);
  } else if (g_strv_contains(looks, name) && !strstr(value, "url(")) {
    add_attribute(copy, name, value);
  }
}

static void start(GMarkupParseContext *context, const char *element,
                  const char **names, const char **values, gpointer data,
                  GError **error) {
  Copy *copy = data;
  (void)context;
  (void)error;
  if (copy->skipped || !g_strv_contains(drawing, element)) {
    copy->skipped++;
    return;
  }
  g_string_append_printf(copy->out, "<%s", element);
  if (strcmp(element, "svg") == 0)
    g_string_append(copy->out, " role=\"img\"");
  for (; *names; names++, values++)
    copy_attribute(copy, *names, *values);
  g_string_append_c(copy->out, '>');
}

static void end(GMarkupParseContext *context, const char *element,
                gpointer data, GError **error) {
  Copy *copy = data;
  (void)context;
  (void)error;
  if (copy->skipped)
    copy->skipped--;
  else
    g_string_append_printf(copy->out, "</%s>", element);
}

static void text(GMarkupParseContext *context, const char *characters,
                 gsize length, gpointer data, GError **error) {
  Copy *copy = data;
  (void)context;
  (void)error;
  if (copy->skipped)
    return;
  g_autofree char *escaped = g_markup_escape_text(characters, (gssize)length);
  g_string_append(copy->out, escaped);
}

gboolean dsp_html_svg(GString *out, const char *svg, gsize length,
                      const char *prefix) {
  static const GMarkupParser parser = {start, end, text, NULL, NULL};
  g_autoptr(GString) part = g_string_new(NULL);
  Copy copy = {.out = part, .prefix = prefix};
  g_autoptr(GMarkupParseContext) context =
      g_markup_parse_context_new(&parser, 0, &copy, NULL);
  if (!g_markup_parse_context_parse(context, svg, (gssize)length, NULL) ||
      !g_markup_parse_context_end_parse(context, NULL) ||
      !g_str_has_prefix(g_strchug(part->str), "<svg"))
    return FALSE;
  g_string_append(out, part->str);
  g_string_append_c(out, '\n');
  return TRUE;
}
