/* SPDX-License-Identifier: Apache-2.0 */
/* The sections of the page, in the order in which a meeting asks: what is best,
 * of what, how the others do, what it looks like, why not, how far from what is
 * possible, and how that is known. */
#include "base/error.h"
#include "report/html.h"
#include "report/plot-private.h"
#include "report/text.h"
#include <math.h>
#include <string.h>

enum { MOST_ROWS = 120 };

typedef struct {
  const DspHtmlReport *report;
  DspSelection selection;
  DspFactor jobs;  /* by the keys of the job that vary */
  GArray *winners; /* guint: the fastest row of each job */
  GArray *best;    /* Best: of each job and method, job by job, the fastest
                      first */
  GString *out;
  char *undrawn;
} Page;

typedef struct {
  guint row, job;
  double rate;
} Best;

static const Best *best_at(const Page *page, guint i) {
  return &g_array_index(page->best, Best, i);
}

static double number_of(const Page *page, guint row, const char *key) {
  return dsp_select_number(&page->selection, row, key);
}

static const char *text_of(const Page *page, guint row, const char *key) {
  const char *text = dsp_record_text(page->report->records, row, key);
  return text ? text : "";
}

/* --- values -------------------------------------------------------------- */

static char *as_number(double value) {
  return isfinite(value) ? dsp_text_number(value) : g_strdup("\xe2\x80\x93");
}

static char *as_time(double us) {
  return isfinite(us) ? dsp_text_time(us * 1e-6) : as_number(us);
}

static char *as_bytes(double bytes) {
  return isfinite(bytes) ? dsp_text_bytes(bytes) : as_number(bytes);
}

static char *as_share(double share) {
  return isfinite(share) ? g_strdup_printf("%.1f%%", 100 * share)
                         : as_number(share);
}

static char *as_ratio(double ratio) {
  return isfinite(ratio) ? g_strdup_printf("%.2f\xc3\x97", ratio)
                         : as_number(ratio);
}

static char *as_price(double price) {
  return isfinite(price) ? g_strdup_printf("%.2f", price) : as_number(price);
}

/* A column of predictions: a key, over another one if there is `over`. Without
 * a key: samples a second over those of the best of the job. */
typedef struct {
  const char *title, *key, *over;
  char *(*format)(double value);
} Fact;

static const Fact facts[] = {
    {"samples/s", "samples_per_s", NULL, as_number},
    {"of the best", NULL, NULL, as_share},
    {"step", "step_time_us", NULL, as_time},
    {"MFU", "mfu", NULL, as_share},
    {"exposed", "exposed_comm_us", "step_time_us", as_share},
    {"sent by a GPU", "sent_bytes_per_gpu", NULL, as_bytes},
    {"memory", "peak_memory_bytes", NULL, as_bytes},
    {"of its limit", "peak_memory_bytes", "memory_limit_bytes", as_share},
    {"cost of 1000", "cost_per_1k_samples", NULL, as_price},
    {NULL}};

static const Fact bounds[] = {
    {"step", "step_time_us", NULL, as_time},
    {"no schedule is below", "bound_us", NULL, as_time},
    {"step over bound", "step_time_us", "bound_us", as_ratio},
    {"compute", "compute_us", "step_time_us", as_share},
    {"exposed communication", "exposed_comm_us", "step_time_us", as_share},
    {"waiting for the CPU", "launch_idle_us", "step_time_us", as_share},
    {NULL}};

static double of_the_best(const Page *page, guint row) {
  const guint job = dsp_factor_of(&page->jobs, &page->selection, row);
  return number_of(page, row, "samples_per_s") /
         number_of(page, dsp_select_row(page->winners, job), "samples_per_s");
}

static char *value_of(const Page *page, guint row, const Fact *fact) {
  if (!fact->key)
    return fact->format(of_the_best(page, row));
  double value = number_of(page, row, fact->key);
  if (fact->over)
    value /= number_of(page, row, fact->over);
  return fact->format(value);
}

static gboolean is_known(const Page *page, const Fact *fact) {
  if (!fact->key)
    return TRUE;
  for (guint i = 0; i < page->best->len; i++)
    if (isfinite(number_of(page, best_at(page, i)->row, fact->key)))
      return TRUE;
  return FALSE;
}

/* "dsp", or "dsp paper" for a variant that is not the usual one. */
static char *method_of(const Page *page, guint row) {
  const char *variant = text_of(page, row, "variant");
  const gboolean usual = !*variant || strcmp(variant, "best") == 0;
  return g_strdup_printf("%s%s%s", text_of(page, row, "method"),
                         usual ? "" : " ", usual ? "" : variant);
}

static char *job_of(const Page *page, guint row) {
  g_auto(GStrv) keys = g_strsplit(page->jobs.keys, ",", -1);
  g_autoptr(GString) text = g_string_new(NULL);
  for (char **key = keys; *key; key++) {
    g_autofree char *one =
        **key ? dsp_select_describe(*key, text_of(page, row, *key))
              : g_strdup("");
    g_string_append_printf(text, "%s%s", text->len ? ", " : "", one);
  }
  return g_strdup(text->str);
}

/* --- the verdict --------------------------------------------------------- */

static void add_facts(const Page *page, guint row) {
  g_string_append(page->out, "<dl class=\"facts\">\n");
  for (const Fact *fact = facts; fact->title; fact++) {
    g_autofree char *value = value_of(page, row, fact);
    if (!fact->key || !is_known(page, fact))
      continue;
    g_string_append(page->out, "<div>");
    dsp_html_element(page->out, "dt", fact->title);
    dsp_html_element(page->out, "dd", value);
    g_string_append(page->out, "</div>\n");
  }
  g_string_append(page->out, "</dl>\n");
}

/* The fastest plan of another method for the same job; G_MAXUINT: none. */
static guint second_of(const Page *page, guint winner) {
  for (guint i = 0; i + 1 < page->best->len; i++)
    if (best_at(page, i)->row == winner &&
        best_at(page, i + 1)->job == best_at(page, i)->job)
      return best_at(page, i + 1)->row;
  return G_MAXUINT;
}

static double lead_of(const Page *page, guint winner) {
  const guint second = second_of(page, winner);
  return second == G_MAXUINT
             ? NAN
             : number_of(page, winner, "samples_per_s") /
                       number_of(page, second, "samples_per_s") -
                   1;
}

/* "+4.3%" or "5.20x". */
static char *as_lead(double lead) {
  if (!isfinite(lead))
    return g_strdup("alone");
  return lead < 2 ? g_strdup_printf("+%.1f%%", 100 * lead) : as_ratio(1 + lead);
}

static void add_embedded(const Page *page, guint row) {
  const double speedup = number_of(page, row, "speedup_vs_best_embedded");
  g_autofree char *ratio = as_ratio(speedup);
  g_autofree char *line = g_strdup_printf(
      "%s the throughput of the best embedded sequence parallelism.", ratio);
  if (isfinite(speedup))
    dsp_html_element(page->out, "p", line);
}

static void add_one_winner(const Page *page) {
  const guint row = dsp_select_row(page->winners, 0);
  const guint second = second_of(page, row);
  g_autofree char *method = method_of(page, row);
  g_autofree char *degrees = dsp_select_degrees(&page->selection, row);
  g_autofree char *plan =
      g_strdup_printf("%s%s%s", method, *degrees ? ", " : "", degrees);
  dsp_html_element(page->out, "p class=\"winner\"", plan);
  if (second != G_MAXUINT) {
    g_autofree char *other = method_of(page, second);
    g_autofree char *lead = as_lead(lead_of(page, row));
    g_autofree char *line = g_strdup_printf(
        "The fastest plan that can run, ahead of %s, the next method: %s "
        "samples a second.",
        other, lead);
    dsp_html_element(page->out, "p", line);
  }
  add_embedded(page, row);
  add_facts(page, row);
}

/* "dsp wins 9, ulysses 6 of 15 jobs" */
static void add_wins(const Page *page) {
  DspFactor methods;
  g_autoptr(GString) line = g_string_new(NULL);
  dsp_factor_init(&methods, &page->selection, "method");
  g_autofree guint *wins = g_new0(guint, methods.values->len);
  for (guint i = 0; i < page->winners->len; i++)
    wins[dsp_factor_of(&methods, &page->selection,
                       dsp_select_row(page->winners, i))]++;
  for (guint i = 0; i < methods.values->len; i++)
    if (wins[i])
      g_string_append_printf(line, "%s%s wins %u", line->len ? ", " : "",
                             (const char *)methods.values->pdata[i], wins[i]);
  g_string_append_printf(line, " of %u jobs", page->winners->len);
  dsp_html_element(page->out, "p class=\"winner\"", line->str);
  dsp_factor_clear(&methods);
}

static void add_winners(const Page *page) {
  static const char *const titles[] = {
      "job",        "fastest method",     "degrees",
      " samples/s", " ahead of the next", NULL};
  dsp_html_table(page->out, titles);
  for (guint i = 0; i < MIN(page->winners->len, MOST_ROWS); i++) {
    const guint row = dsp_select_row(page->winners, i);
    g_autofree char *job = job_of(page, row);
    g_autofree char *method = method_of(page, row);
    g_autofree char *degrees = dsp_select_degrees(&page->selection, row);
    g_autofree char *rate = as_number(number_of(page, row, "samples_per_s"));
    g_autofree char *lead = as_lead(lead_of(page, row));
    dsp_html_row(page->out, NULL);
    dsp_html_cell(page->out, FALSE, job);
    dsp_html_cell(page->out, FALSE, method);
    dsp_html_cell(page->out, FALSE, degrees);
    dsp_html_cell(page->out, TRUE, rate);
    dsp_html_cell(page->out, TRUE, lead);
    dsp_html_row_end(page->out);
  }
  dsp_html_table_end(page->out);
}

/* Tables end where nobody reads on, and say so. */
static void add_rest(const Page *page, guint shown, guint all) {
  if (all <= shown)
    return;
  g_autofree char *line =
      g_strdup_printf("the first %u of %u rows", shown, all);
  dsp_html_element(page->out, "p class=\"note\"", line);
}

static void add_verdict(const Page *page) {
  g_string_append(page->out, "<div class=\"verdict\">\n");
  if (page->winners->len == 1)
    add_one_winner(page);
  else
    add_wins(page);
  g_string_append(page->out, "</div>\n");
}

/* --- tables -------------------------------------------------------------- */

/* The first of its job. */
static gboolean is_winner(const Page *page, guint i) {
  return i == 0 || best_at(page, i)->job != best_at(page, i - 1)->job;
}

static void add_columns(const Page *page, const Fact *columns) {
  const gboolean jobs = page->winners->len > 1;
  g_autoptr(GPtrArray) titles = g_ptr_array_new_with_free_func(g_free);
  if (jobs)
    g_ptr_array_add(titles, g_strdup("job"));
  g_ptr_array_add(titles, g_strdup("method"));
  g_ptr_array_add(titles, g_strdup("degrees"));
  for (const Fact *fact = columns; fact->title; fact++)
    if (is_known(page, fact))
      g_ptr_array_add(titles, g_strconcat(" ", fact->title, NULL));
  g_ptr_array_add(titles, NULL);
  dsp_html_table(page->out, (const char *const *)titles->pdata);
}

static void add_plan(const Page *page, guint i, const Fact *columns) {
  const guint row = best_at(page, i)->row;
  g_autofree char *job = job_of(page, row);
  g_autofree char *method = method_of(page, row);
  g_autofree char *degrees = dsp_select_degrees(&page->selection, row);
  dsp_html_row(page->out, is_winner(page, i) ? "best" : NULL);
  if (page->winners->len > 1)
    dsp_html_cell(page->out, FALSE, job);
  dsp_html_cell(page->out, FALSE, method);
  dsp_html_cell(page->out, FALSE, degrees);
  for (const Fact *fact = columns; fact->title; fact++) {
    g_autofree char *value = value_of(page, row, fact);
    if (is_known(page, fact))
      dsp_html_cell(page->out, TRUE, value);
  }
  dsp_html_row_end(page->out);
}

static void add_plans(const Page *page, const Fact *columns) {
  add_columns(page, columns);
  for (guint i = 0; i < MIN(page->best->len, MOST_ROWS); i++)
    add_plan(page, i, columns);
  dsp_html_table_end(page->out);
  add_rest(page, MOST_ROWS, page->best->len);
}

/* --- pictures ------------------------------------------------------------ */

/* Without gnuplot the bars stand for it. */
static void add_bars(Page *page, const DspFigure *figure, GError *trouble) {
  static const DspStyle style = {.utf8 = TRUE};
  enum { COLUMNS = 110 };
  g_autoptr(GString) bars = g_string_new(NULL);
  dsp_figure_bars(figure, &style, COLUMNS, bars);
  g_autofree char *escaped = g_markup_escape_text(bars->str, -1);
  g_string_append_printf(page->out, "<pre>%s</pre>\n", escaped);
  if (!page->undrawn)
    page->undrawn = g_strdup(trouble ? trouble->message : "no SVG");
}

static void add_figure(Page *page, const DspPlotKind *kind) {
  const DspPlotRequest usual = {NULL};
  g_autoptr(GError) none = NULL, trouble = NULL;
  g_autoptr(GString) svg = g_string_new(NULL);
  g_autoptr(DspFigure) figure =
      dsp_figure_new(kind, page->report->records, &usual, &none);
  g_autofree char *prefix = g_strconcat(kind->name, "-", NULL);
  if (!figure)
    return;
  g_string_append_printf(page->out, "<figure id=\"%s\" aria-label=\"",
                         kind->name);
  dsp_html_text(page->out, figure->title);
  g_string_append(page->out, "\">\n");
  if (!dsp_figure_svg(figure, svg, &trouble) ||
      !dsp_html_svg(page->out, svg->str, svg->len, prefix))
    add_bars(page, figure, trouble);
  g_string_append(page->out, "</figure>\n");
}

/* Those of one job, or those of many; what the rows do not have is not drawn.
 */
static void add_figures(Page *page) {
  static const DspPlotKind *const one[] = {&dsp_plot_breakdown,
                                           &dsp_plot_memory, &dsp_plot_volume,
                                           &dsp_plot_roofline, NULL};
  static const DspPlotKind *const many[] = {
      &dsp_plot_scaling, &dsp_plot_crossover, &dsp_plot_pareto,
      &dsp_plot_memory,  &dsp_plot_volume,    NULL};
  static const DspPlotKind *const others[] = {&dsp_plot_busbw, &dsp_plot_score,
                                              NULL};
  dsp_html_element(page->out, "h2", "Pictures");
  const DspPlotKind *const *kinds = page->winners->len > 1 ? many : one;
  for (; *kinds; kinds++)
    add_figure(page, *kinds);
  for (kinds = others; *kinds; kinds++)
    add_figure(page, *kinds);
}

/* --- why not ------------------------------------------------------------- */

/* Plans that are refused for the same reason. */
typedef struct {
  guint first, plans;
} Refusal;

static char *refusal_key(const Page *page, guint row) {
  g_autofree char *job = job_of(page, row);
  return g_strjoin("\n", job, text_of(page, row, "method"),
                   text_of(page, row, "variant"), text_of(page, row, "reason"),
                   NULL);
}

static GArray *refusals_of(const Page *page) {
  GArray *refusals = g_array_new(FALSE, FALSE, sizeof(Refusal));
  g_autoptr(GHashTable) known =
      g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  const GArray *refused = page->selection.refused;
  for (guint i = 0; i < refused->len; i++) {
    const guint row = dsp_select_row(refused, i);
    char *key = refusal_key(page, row);
    const guint place = GPOINTER_TO_UINT(g_hash_table_lookup(known, key));
    if (place) {
      g_array_index(refusals, Refusal, place - 1).plans++;
      g_free(key);
      continue;
    }
    const Refusal refusal = {row, 1};
    g_array_append_val(refusals, refusal);
    g_hash_table_insert(known, key, GUINT_TO_POINTER(refusals->len));
  }
  return refusals;
}

static void add_refusal(const Page *page, const Refusal *refusal) {
  const guint row = refusal->first;
  g_autofree char *method = method_of(page, row);
  g_autofree char *job = job_of(page, row);
  g_autofree char *degrees = dsp_select_degrees(&page->selection, row);
  g_autofree char *which =
      refusal->plans > 1
          ? g_strdup_printf("%s and %u more", *degrees ? degrees : "one",
                            refusal->plans - 1)
          : g_strdup(degrees);
  dsp_html_row(page->out, NULL);
  if (page->winners->len > 1)
    dsp_html_cell(page->out, FALSE, job);
  dsp_html_cell(page->out, FALSE, method);
  dsp_html_cell(page->out, FALSE, which);
  dsp_html_cell(page->out, FALSE, text_of(page, row, "reason"));
  dsp_html_cell(page->out, FALSE, text_of(page, row, "suggestion"));
  dsp_html_row_end(page->out);
}

static void add_why_not(const Page *page) {
  static const char *const titles[] = {
      "job", "method", "degrees", "reason", "what can run instead", NULL};
  g_autoptr(GArray) refusals = refusals_of(page);
  dsp_html_element(page->out, "h2", "Why not");
  if (!refusals->len) {
    dsp_html_element(page->out, "p", "Every plan that was asked for can run.");
    return;
  }
  dsp_html_table(page->out, titles + (page->winners->len > 1 ? 0 : 1));
  for (guint i = 0; i < MIN(refusals->len, MOST_ROWS); i++)
    add_refusal(page, &g_array_index(refusals, Refusal, i));
  dsp_html_table_end(page->out);
  add_rest(page, MOST_ROWS, refusals->len);
}

/* --- what is known from where -------------------------------------------- */

static void add_files(const Page *page) {
  static const char *const titles[] = {"file", "schema", "SHA-256", NULL};
  const DspRecords *records = page->report->records;
  dsp_html_table(page->out, titles);
  for (guint i = 0; i < dsp_records_n_files(records); i++) {
    const DspRecordFile file = dsp_records_file(records, i);
    g_autofree char *name = g_path_get_basename(file.name);
    dsp_html_row(page->out, NULL);
    dsp_html_cell(page->out, FALSE, name);
    dsp_html_cell(page->out, FALSE, file.schema ? file.schema : "");
    g_string_append(page->out, "<td class=\"hash\">");
    dsp_html_text(page->out, file.sha256);
    g_string_append(page->out, "</td>");
    dsp_html_row_end(page->out);
  }
  dsp_html_table_end(page->out);
}

static void add_inputs_of(const Page *page, const DspRecordFile *file) {
  static const char *const titles[] = {"input", "value", NULL};
  if (!file->inputs->len)
    return;
  g_autofree char *name = g_path_get_basename(file->name);
  g_autofree char *heading = g_strdup_printf("Inputs of %s", name);
  dsp_html_element(page->out, "h3", heading);
  dsp_html_table(page->out, titles);
  for (guint i = 0; i + 1 < file->inputs->len; i += 2) {
    const char *value = file->inputs->pdata[i + 1];
    if (!*value)
      continue;
    dsp_html_row(page->out, NULL);
    dsp_html_cell(page->out, FALSE, file->inputs->pdata[i]);
    g_string_append(page->out,
                    strlen(value) == 64 ? "<td class=\"hash\">" : "<td>");
    dsp_html_text(page->out, value);
    g_string_append(page->out, "</td>");
    dsp_html_row_end(page->out);
  }
  dsp_html_table_end(page->out);
}

static void add_provenance(const Page *page) {
  const DspRecords *records = page->report->records;
  dsp_html_element(page->out, "h2", "Where this comes from");
  if (page->report->provenance)
    dsp_html_element(page->out, "p", page->report->provenance);
  add_files(page);
  for (guint i = 0; i < dsp_records_n_files(records); i++) {
    const DspRecordFile file = dsp_records_file(records, i);
    add_inputs_of(page, &file);
  }
}

/* --- all ----------------------------------------------------------------- */

/* The line of the inputs is that of a picture. */
static void add_head(const Page *page) {
  const DspPlotRequest usual = {NULL};
  DspFigure line = {.request = &usual, .texts = g_string_chunk_new(256)};
  dsp_figure_head(&line, &page->selection, "", "");
  g_autofree char *title = page->report->title
                               ? g_strdup(page->report->title)
                               : g_strdup("Which sequence parallelism?");
  dsp_html_begin(page->out, title);
  dsp_html_element(page->out, "h1", title);
  dsp_html_element(page->out, "p class=\"inputs\"", line.inputs);
  g_string_chunk_free(line.texts);
}

static void add_sections(Page *page) {
  add_head(page);
  add_verdict(page);
  if (page->winners->len > 1) {
    dsp_html_element(page->out, "h2", "Who wins where");
    add_winners(page);
    add_rest(page, MOST_ROWS, page->winners->len);
  }
  dsp_html_element(page->out, "h2", "The best plan of each method");
  add_plans(page, facts);
  add_figures(page);
  add_why_not(page);
  dsp_html_element(page->out, "h2", "Bounds");
  dsp_html_element(page->out, "p class=\"note\"",
                   "No schedule of a plan takes less than its bound: its work "
                   "at the peak rates of the GPU, or the bytes of the busiest "
                   "link. Where a step is near it, only another plan or "
                   "another cluster helps.");
  add_plans(page, bounds);
  add_provenance(page);
  dsp_html_end(page->out);
}

static int compare_best(gconstpointer a, gconstpointer b) {
  const Best *one = a, *other = b;
  if (one->job != other->job)
    return one->job < other->job ? -1 : 1;
  return (one->rate < other->rate) - (one->rate > other->rate);
}

static void find_best(Page *page) {
  g_autofree char *cells =
      g_strconcat("method", *page->jobs.keys ? "," : "", page->jobs.keys, NULL);
  g_autoptr(GArray) rows = dsp_select_best(&page->selection, cells);
  for (guint i = 0; i < rows->len; i++) {
    const guint row = dsp_select_row(rows, i);
    const Best best = {row, dsp_factor_of(&page->jobs, &page->selection, row),
                       number_of(page, row, "samples_per_s")};
    g_array_append_val(page->best, best);
  }
  g_array_sort(page->best, compare_best);
  for (guint i = 0; i < page->best->len; i++)
    if (is_winner(page, i))
      g_array_append_val(page->winners, best_at(page, i)->row);
}

static void answer(Page *page) {
  g_autofree char *keys = dsp_select_free_keys(&page->selection, "");
  page->winners = g_array_new(FALSE, FALSE, sizeof(guint));
  page->best = g_array_new(FALSE, FALSE, sizeof(Best));
  dsp_factor_init(&page->jobs, &page->selection, keys);
  find_best(page);
  add_sections(page);
  dsp_factor_clear(&page->jobs);
  g_array_unref(page->best);
  g_array_unref(page->winners);
}

gboolean dsp_html_report(const DspHtmlReport *report, GString *out,
                         char **undrawn, GError **error) {
  static const char *const needed[] = {"samples_per_s", NULL};
  Page page = {.report = report, .out = out};
  const gboolean done =
      dsp_select(&page.selection, report->records, NULL, needed, error);
  if (done)
    answer(&page);
  *undrawn = page.undrawn;
  dsp_selection_clear(&page.selection);
  return done;
}
