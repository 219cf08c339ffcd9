/* SPDX-License-Identifier: Apache-2.0 */
#include "test_cluster.h"
#include <glib/gstdio.h>

typedef enum { TEXT, NAME, FLAG, COUNT, NUMBER, RATE, TIME, SECTION } Type;

/* A document, one line a row: a key, or an object's end (no key). */
typedef struct {
  const char *key, *value;
  Type type;
  gboolean optional, zero; /* may be left out, may be 0 */
} Row;

#define OPTIONAL TRUE
#define REQUIRED FALSE

static const Row cluster_rows[] = {
    {"schema", "\"dspsim.cluster/1\"", TEXT, REQUIRED, 0},
    {"title", "\"a test\"", TEXT, REQUIRED, 0},
    {"source", "\"made up\"", TEXT, OPTIONAL, 0},
    {"gpu", "\"h100-sxm\"", NAME, REQUIRED, 0},
    {"host", "\"%s/host.json\"", NAME, REQUIRED, 0},
    {"intra", "\"%s/network.json\"", NAME, REQUIRED, 0},
    {"inter", "\"ib-ndr\"", NAME, REQUIRED, 0}, /* there are NICs */
    {"node", "{", SECTION, REQUIRED, 0},
    {"gpus", "8", COUNT, REQUIRED, 0},
    {"kind", "\"switch\"", NAME, REQUIRED, 0},
    {"domain_nodes", "1", COUNT, OPTIONAL, 0},
    {"nvlink_bandwidth", "\"300GB/s\"", RATE, OPTIONAL, 0},
    {"nvlink_latency", "\"0.5us\"", TIME, OPTIONAL, 0},
    {"gpus_per_pcie_switch", "2", COUNT, OPTIONAL, 0},
    {"pcie_switches_per_cpu", "2", COUNT, OPTIONAL, 0},
    {"pcie_p2p", "true", FLAG, OPTIONAL, 0},
    {"memory_reserved", "0.05", NUMBER, OPTIONAL, TRUE},
    {NULL, "}", TEXT, 0, 0},
    {"pcie", "{", SECTION, OPTIONAL, 0},
    {"bandwidth", "\"20GB/s\"", RATE, OPTIONAL, 0},
    {"latency", "\"1us\"", TIME, OPTIONAL, 0},
    {NULL, "}", TEXT, 0, 0},
    {"nic", "{", SECTION, REQUIRED, 0}, /* there is an "inter" */
    {"count", "8", COUNT, REQUIRED, 0},
    {"bandwidth", "\"25GB/s\"", RATE, OPTIONAL, 0},
    {"latency", "\"1us\"", TIME, OPTIONAL, 0},
    {"gpudirect", "true", FLAG, OPTIONAL, 0},
    {NULL, "}", TEXT, 0, 0},
    {"fabric", "{", SECTION, REQUIRED, 0}, /* there are NICs */
    {"kind", "\"rail\"", NAME, REQUIRED, 0},
    {"nodes_per_leaf", "32", COUNT, REQUIRED, 0}, /* of rails */
    {"oversubscription", "2", NUMBER, OPTIONAL, 0},
    {"spine_latency", "\"0.3us\"", TIME, OPTIONAL, 0},
    {"max_nodes", "4", COUNT, OPTIONAL, 0},
    {NULL, "}", TEXT, 0, 0},
    {"launch", "{", SECTION, OPTIONAL, 0},
    {"eager_forward", "\"9us\"", TIME, OPTIONAL, 0},
    {"operation", "\"11us\"", TIME, OPTIONAL, TRUE},
    {NULL, "}", TEXT, 0, 0},
    {"price", "{", SECTION, OPTIONAL, 0},
    {"gpu_hour", "2.5", NUMBER, REQUIRED, 0},
    {"currency", "\"USD\"", TEXT, REQUIRED, 0},
    {NULL, "}", TEXT, 0, 0},
    {"nccl", "{", SECTION, OPTIONAL, 0},
    {"version", "\"2.28\"", TEXT, OPTIONAL, 0},
    {"algorithm", "\"ring\"", NAME, OPTIONAL, 0},
    {NULL, "}", TEXT, 0, 0},
};

static const Row host_rows[] = {
    {"schema", "\"dspsim.host/1\"", TEXT, REQUIRED, 0},
    {"title", "\"a host\"", TEXT, REQUIRED, 0},
    {"pcie", "{", SECTION, REQUIRED, 0},
    {"bandwidth", "\"24GB/s\"", RATE, REQUIRED, 0},
    {"latency", "\"0.5us\"", TIME, REQUIRED, 0},
    {NULL, "}", TEXT, 0, 0},
    {"cpu", "{", SECTION, REQUIRED, 0},
    {"bandwidth", "\"80GB/s\"", RATE, REQUIRED, 0},
    {"latency", "\"0.3us\"", TIME, REQUIRED, 0},
    {NULL, "}", TEXT, 0, 0},
    {"socket", "{", SECTION, OPTIONAL, 0},
    {"bandwidth", "\"16GB/s\"", RATE, REQUIRED, 0},
    {"latency", "\"0.3us\"", TIME, REQUIRED, 0},
    {NULL, "}", TEXT, 0, 0},
    {"launch", "{", SECTION, REQUIRED, 0},
    {"eager_forward", "\"6us\"", TIME, REQUIRED, 0},
    {"eager_backward", "\"8us\"", TIME, REQUIRED, 0},
    {"operation", "\"10us\"", TIME, REQUIRED, TRUE},
    {"compiled", "\"2us\"", TIME, REQUIRED, 0},
    {"graph", "\"1us\"", TIME, REQUIRED, 0},
    {"collective", "\"15us\"", TIME, REQUIRED, 0},
    {NULL, "}", TEXT, 0, 0},
};

static const Row network_rows[] = {
    {"schema", "\"dspsim.network/1\"", TEXT, REQUIRED, 0},
    {"title", "\"a network\"", TEXT, REQUIRED, 0},
    {"bandwidth", "\"20GB/s\"", RATE, OPTIONAL, 0},
    {"latency", "\"1us\"", TIME, OPTIONAL, 0},
    {"channel_rate", "\"20GB/s\"", RATE, REQUIRED, 0},
    {"p2p_channel_rate", "\"20GB/s\"", RATE, REQUIRED, 0},
    {"all_to_all_rate", "\"300GB/s\"", RATE, OPTIONAL, 0},
    {"channels", "24", COUNT, REQUIRED, 0},
    {"p2p_channels", "32", COUNT, REQUIRED, 0},
    {"peer_channels", "2", COUNT, REQUIRED, 0},
    {"launch", "\"5us\"", TIME, REQUIRED, TRUE},
    {"p2p_launch", "\"6us\"", TIME, REQUIRED, 0},
    {"p2p_peer", "\"1us\"", TIME, REQUIRED, TRUE},
    {"step_ll", "\"1us\"", TIME, REQUIRED, 0},
    {"step_ll128", "\"2us\"", TIME, REQUIRED, 0},
    {"step_simple", "\"3us\"", TIME, REQUIRED, 0},
    {"tree_ll", "\"1us\"", TIME, REQUIRED, 0},
    {"tree_ll128", "\"2us\"", TIME, REQUIRED, 0},
    {"tree_simple", "\"4us\"", TIME, REQUIRED, 0},
    {"efficiency_ll", "0.5", NUMBER, REQUIRED, 0},
    {"efficiency_ll128", "0.9", NUMBER, REQUIRED, 0},
    {"nvls", "true", FLAG, OPTIONAL, 0},
    {"nvls_efficiency", "0.7", NUMBER, REQUIRED, 0}, /* "nvls" is true */
    {"step_nvls", "\"30us\"", TIME, REQUIRED, 0},
};

static const struct {
  const char *file;
  const Row *rows;
  guint n;
} documents[] = {
    {"cluster.json", cluster_rows, G_N_ELEMENTS(cluster_rows)},
    {"host.json", host_rows, G_N_ELEMENTS(host_rows)},
    {"network.json", network_rows, G_N_ELEMENTS(network_rows)},
};

typedef enum {
  NOTHING,
  MISSING,
  WRONG_TYPE,
  EMPTY,
  WRONG_UNIT,
  NO_UNIT,
  NEGATIVE,
  ZERO,
  OVERFLOW,
  DUPLICATE,
  UNKNOWN,
  N_MUTATIONS,
} Mutation;

static const char *const mutation_names[] = {
    "nothing",  "missing", "wrong type", "empty",     "wrong unit", "no unit",
    "negative", "zero",    "overflow",   "duplicate", "unknown",
};

/* The value that a mutation gives to a row, or NULL if it has none for it. */
static const char *mutated_value(const Row *row, Mutation mutation) {
  static const char *const values[N_MUTATIONS][SECTION + 1] = {
      [WRONG_TYPE] = {"7", "[]", "\"true\"", "\"8\"", "\"0.5\"", "7", "true",
                      "[{"},
      [EMPTY] = {"\"\"", "\"\"", NULL, NULL, NULL, "\"\"", "\"\"", NULL},
      [WRONG_UNIT] = {NULL, NULL, NULL, NULL, NULL, "\"3us\"", "\"3GB/s\"",
                      NULL},
      [NO_UNIT] = {NULL, NULL, NULL, NULL, NULL, "\"300\"", "\"3\"", NULL},
      [NEGATIVE] = {NULL, NULL, NULL, "-8", "-0.5", "\"-3GB/s\"", "\"-3us\"",
                    NULL},
      [ZERO] = {NULL, NULL, NULL, "0", "0", "\"0GB/s\"", "\"0us\"", NULL},
      [OVERFLOW] = {NULL, NULL, NULL, "1e300", "1e400", "\"1e400GB/s\"",
                    "\"1e400us\"", NULL},
  };
  return values[mutation][row->type];
}

/* One line of a document: the row's key and value. */
static void render_row(GString *text, const Row *row, Mutation mutation,
                       const char *folder) {
  const char *value = mutated_value(row, mutation);
  value = value ? value : row->value;
  g_autofree char *path = strstr(value, "%s")
                              ? g_strdup_printf("\"%s%s", folder, value + 3)
                              : g_strdup(value);
  g_string_append_printf(text, "\n,\"%s%s\": %s", row->key,
                         mutation == UNKNOWN ? "x" : "", path);
  if (mutation == DUPLICATE)
    g_string_append_printf(text, ", \"%s\": %s", row->key, path);
  if (row->type == SECTION)
    g_string_append(text, "\"note\": \"\"");
}

/* The document with one row mutated; each row is one line of it, but for the
 * closing brace that stands in the line of what it follows. A section that is
 * missing takes its rows along, one of the wrong type is in an array. */
static char *render(const Row *rows, guint n, guint at, Mutation mutation,
                    const char *folder) {
  GString *text = g_string_new("{\"note\": \"\"");
  gboolean inside = FALSE; /* the mutated section */
  for (guint i = 0; i < n; i++) {
    inside = inside || (i == at && rows[i].type == SECTION);
    if (mutation == MISSING && (i == at || inside))
      g_string_append(text, rows[i].key ? "\n" : "");
    else if (rows[i].key)
      render_row(text, &rows[i], i == at ? mutation : NOTHING, folder);
    else
      g_string_append(text, inside && mutation == WRONG_TYPE ? "}]" : "}");
    inside = inside && rows[i].key;
  }
  g_string_append(text, "}\n");
  return g_string_free(text, FALSE);
}

static void write_document(const char *folder, guint d, guint at,
                           Mutation mutation) {
  g_autofree char *path = g_build_filename(folder, documents[d].file, NULL);
  g_autofree char *text =
      render(documents[d].rows, documents[d].n, at, mutation, folder);
  DSP_CHECK(g_file_set_contents(path, text, -1, NULL), "%s", path);
}

static DspCluster *load_documents(const char *folder, GError **error) {
  g_autofree char *path = g_build_filename(folder, "cluster.json", NULL);
  return dsp_cluster_load(path, error);
}

static char *make_folder(void) {
  char *folder = g_dir_make_tmp("dspsim-cluster-XXXXXX", NULL);
  for (guint d = 0; folder && d < G_N_ELEMENTS(documents); d++)
    write_document(folder, d, 0, NOTHING);
  return folder;
}

static void remove_folder(const char *folder) {
  for (guint d = 0; d < G_N_ELEMENTS(documents); d++) {
    g_autofree char *path = g_build_filename(folder, documents[d].file, NULL);
    g_remove(path);
  }
  g_rmdir(folder);
}

static void test_good_documents(void) {
  g_autofree char *folder = make_folder();
  g_autoptr(GError) error = NULL;
  g_autoptr(DspCluster) c = load_documents(folder, &error);
  DSP_CHECK_NO_ERROR(error);
  DSP_CHECK_NEAR(c->nvlink_bandwidth, 300e9, 1e-12);
  DSP_CHECK_NEAR(c->pcie_bandwidth, 20e9, 1e-12);
  DSP_CHECK_NEAR(c->cpu_bandwidth, 80e9, 1e-12);
  DSP_CHECK_NEAR(c->launch.eager_forward, 9e-6, 1e-12);
  DSP_CHECK_NEAR(c->launch.eager_backward, 8e-6, 1e-12);
  DSP_CHECK_NEAR(c->intra.step_nvls, 30e-6, 1e-12);
  DSP_CHECK_INT(c->max_nodes, 4);
  DSP_CHECK_STRING(c->nccl_algorithm, "ring");
  DSP_CHECK_STRING(c->currency, "USD");
  remove_folder(folder);
}

/* Whether a mutation of a row must be refused. */
static gboolean is_wrong(const Row *row, Mutation mutation) {
  if (!row->key || (row->type == SECTION && mutation == DUPLICATE))
    return FALSE;
  switch (mutation) {
  case MISSING:
    return !row->optional;
  case DUPLICATE:
  case UNKNOWN:
    return strcmp(row->key, "source") != 0 || mutation == DUPLICATE;
  case ZERO:
    return mutated_value(row, mutation) && !row->zero;
  case EMPTY:
    return mutated_value(row, mutation) && strcmp(row->key, "source") != 0;
  default:
    return mutated_value(row, mutation) != NULL;
  }
}

/* The line of a row: 1 is the opening brace. */
static guint line_of(const Row *rows, guint at) {
  guint line = 1;
  for (guint i = 0; i <= at; i++)
    line += rows[i].key != NULL;
  return line;
}

static void check_refused(const char *folder, guint d, guint at,
                          Mutation mutation) {
  const Row *row = &documents[d].rows[at];
  g_autoptr(GError) error = NULL;
  g_autoptr(DspCluster) c = load_documents(folder, &error);
  g_autofree char *where = NULL;
  if (mutation == MISSING)
    where = g_strdup_printf("/%s:", documents[d].file);
  else
    where = g_strdup_printf("/%s:%u:", documents[d].file,
                            line_of(documents[d].rows, at));
  DSP_CHECK(!c, "%s: %s '%s' is accepted", documents[d].file,
            mutation_names[mutation], row->key);
  if (row->type != NUMBER || mutation != OVERFLOW) /* no number, no name */
    DSP_CHECK(error && strstr(error->message, row->key),
              "%s: %s '%s': the message does not name it: %s",
              documents[d].file, mutation_names[mutation], row->key,
              error ? error->message : "");
  DSP_CHECK_ERROR(error, DSP_ERROR_INPUT, where);
}

/* Every key of the three formats, every way to be wrong. */
static void test_mutations(void) {
  g_autofree char *folder = make_folder();
  guint refused = 0;
  for (guint d = 0; d < G_N_ELEMENTS(documents); d++) {
    for (guint at = 0; at < documents[d].n; at++)
      for (Mutation m = MISSING; m < N_MUTATIONS; m++)
        if (is_wrong(&documents[d].rows[at], m)) {
          write_document(folder, d, at, m);
          check_refused(folder, d, at, m);
          refused++;
        }
    write_document(folder, d, 0, NOTHING);
  }
  DSP_CHECK(refused > 300, "only %u mutations", refused);
  remove_folder(folder);
}

/* What may be left out is not missed. */
static void test_optional_keys(void) {
  g_autofree char *folder = make_folder();
  for (guint d = 0; d < G_N_ELEMENTS(documents); d++) {
    for (guint at = 0; at < documents[d].n; at++) {
      const Row *row = &documents[d].rows[at];
      if (!row->key || !row->optional || row->type == SECTION)
        continue;
      write_document(folder, d, at, MISSING);
      g_autoptr(GError) error = NULL;
      g_autoptr(DspCluster) c = load_documents(folder, &error);
      DSP_CHECK(c != NULL, "without '%s': %s", row->key,
                error ? error->message : "");
    }
    write_document(folder, d, 0, NOTHING);
  }
  remove_folder(folder);
}

/* Single edits of a good document, and the whole position of the complaint. */
static const struct {
  const char *file, *from, *to, *where, *message;
} edits[] = {
    {"cluster.json", "cluster/1", "cluster/2",
     "cluster.json:2:12: ", "'schema' must be 'dspsim.cluster/1'"},
    {"host.json", "host/1", "cluster/1",
     "host.json:2:12: ", "'schema' must be 'dspsim.host/1'"},
    {"network.json", "network/1", "network",
     "network.json:2:12: ", "'schema' must be 'dspsim.network/1'"},
    {"cluster.json", "h100-sxm", "h100-smx", "cluster.json:5:9: ", "h100-sxm"},
    {"cluster.json", "\"ib-ndr\"", "\"ib-nrd\"",
     "cluster.json:8:11: ", "ib-ndr"},
    {"cluster.json", "\"switch\"", "\"star\"",
     "cluster.json:11:10: ", "must be one of switch, mesh, pcie, net"},
    {"cluster.json", "\"switch\"", "\"mesh\"", "cluster.json:9:10: ", "'mesh'"},
    {"cluster.json", "\"gpus\": 8", "\"gpus\": 1025",
     "cluster.json:10:10: ", "'gpus' must be from 1 to 1024"},
    {"cluster.json", "\"gpus\": 8", "\"gpus\": {\"value\": 2000}",
     "cluster.json:10:20: ", "'gpus' must be from 1 to 1024"},
    {"cluster.json", "\"count\": 8", "\"count\": 12",
     "cluster.json:9:10: ", "multiple"},
    {"cluster.json", "\"oversubscription\": 2", "\"oversubscription\": 0.5",
     "cluster.json:30:22: ", "must be from 1"},
    {"cluster.json", "\"memory_reserved\": 0.05", "\"memory_reserved\": 1",
     "cluster.json:18:21: ", "must be from 0 to 0.9"},
    {"cluster.json", "\"rail\"", "\"none\"",
     "cluster.json:9:10: ", "'fabric' that is not 'none'"},
    {"cluster.json", "\"ring\"", "\"rings\"",
     "cluster.json:9:10: ", "must be ring, tree"},
    {"cluster.json", "\"300GB/s\"", "\"3000000GB/s\"",
     "cluster.json:9:10: ", "1 PB/s"},
    {"cluster.json", "\"2.28\"", "\"228\"",
     "cluster.json:40:13: ", "such as \"2.28\""},
    {"network.json", "\"channels\": 24", "\"channels\": 65",
     "network.json:9:14: ", "from 1 to 64"},
    {"network.json", "\"efficiency_ll\": 0.5", "\"efficiency_ll\": 1.5",
     "network.json:21:19: ", "from 0 to 1"},
    {"cluster.json", "\"domain_nodes\": 1", "\"domain_nodes\": 2097152",
     "cluster.json:12:18: ", "from 1 to 1048576"},
};

static void edit_file(const char *folder, guint i) {
  g_autofree char *path = g_build_filename(folder, edits[i].file, NULL);
  g_autofree char *text = NULL;
  if (!g_file_get_contents(path, &text, NULL, NULL))
    abort();
  GString *edited = g_string_new(text);
  DSP_CHECK_INT(g_string_replace(edited, edits[i].from, edits[i].to, 1), 1);
  DSP_CHECK(g_file_set_contents(path, edited->str, -1, NULL), "%s", path);
  g_string_free(edited, TRUE);
}

static void test_edits(void) {
  for (guint i = 0; i < G_N_ELEMENTS(edits); i++) {
    g_autofree char *folder = make_folder();
    edit_file(folder, i);
    g_autoptr(GError) error = NULL;
    g_autoptr(DspCluster) c = load_documents(folder, &error);
    DSP_CHECK(!c && error && strstr(error->message, edits[i].where),
              "'%s': got '%s', want '%s'", edits[i].to,
              error ? error->message : "", edits[i].where);
    DSP_CHECK_ERROR(error, DSP_ERROR_INPUT, edits[i].message);
    remove_folder(folder);
  }
}

/* Meshes of three V100 (6 links), each with what is wrong with it. */
static const struct {
  const char *mesh, *message; /* NULL: nothing */
} meshes[] = {
    {"[[0,2,2],[2,0,2],[2,2,0]]", NULL},
    {"[[0,3,3],[3,0,0],[3,0,0]]", NULL},
    {"[[0,0,0],[0,0,0],[0,0,0]]", NULL},
    {"{\"value\": [[0,2,2],[2,0,2],[2,2,0]], \"source\": \"x\"}", NULL},
    {"[[0,2],[2,0]]", "one row for each of 3 GPUs"},
    {"[[0,2,2],[2,0,2],[2,2]]", "an array of 3"},
    {"[[0,2,2],[2,0,2],7]", "an array of 3"},
    {"[[0,2,2],[2,0,2],[2,2,1]]", "from 0 to 0"},
    {"[[0,2,2],[2,0,2],[2,\"2\",0]]", "from 0 to 6"},
    {"[[0,2,2],[2,0,2],[2,2.5,0]]", "from 0 to 6"},
    {"[[0,2,2],[2,0,2],[2,-2,0]]", "from 0 to 6"},
    {"[[0,2,7],[2,0,2],[7,2,0]]", "from 0 to 6"},
    {"[[0,4,4],[4,0,2],[4,2,0]]", "8 links, but the GPU has 6"},
    {"[[0,2,2],[2,0,2],[2,1,0]]", "symmetric"},
    {"7", "an array"},
};

static void test_meshes(void) {
  g_autofree char *folder = make_folder();
  g_autofree char *path = g_build_filename(folder, "cluster.json", NULL);
  for (guint i = 0; i < G_N_ELEMENTS(meshes); i++) {
    g_autofree char *text = g_strdup_printf(
        "{\"schema\": \"dspsim.cluster/1\", \"title\": \"mesh\", \"gpu\": "
        "\"v100-sxm2\", \"host\": \"xeon-pcie3\", \"intra\": "
        "\"nvlink-mesh-v100\", \"node\": {\"gpus\": 3, \"kind\": \"mesh\"}, "
        "\"mesh\": %s}",
        meshes[i].mesh);
    DSP_CHECK(g_file_set_contents(path, text, -1, NULL), "%s", path);
    g_autoptr(GError) error = NULL;
    g_autoptr(DspCluster) c = dsp_cluster_load(path, &error);
    if (meshes[i].message)
      DSP_CHECK_ERROR(error, DSP_ERROR_INPUT, meshes[i].message);
    DSP_CHECK_NO_ERROR(error);
    DSP_CHECK((c == NULL) == (meshes[i].message != NULL), "%s", meshes[i].mesh);
  }
  remove_folder(folder);
}

/* A document cut after any of its bytes is refused with its position. */
static void test_truncated(void) {
  g_autofree char *folder = make_folder();
  g_autofree char *path = g_build_filename(folder, "cluster.json", NULL);
  g_autofree char *text = NULL;
  gsize length;
  if (!g_file_get_contents(path, &text, &length, NULL))
    abort();
  for (gsize cut = 0; cut + 2 < length; cut += 7) {
    DSP_CHECK(g_file_set_contents(path, text, (gssize)cut, NULL), "%s", path);
    g_autoptr(GError) error = NULL;
    g_autoptr(DspCluster) c = dsp_cluster_load(path, &error);
    DSP_CHECK(!c, "%u bytes are accepted", (guint)cut);
    DSP_CHECK_ERROR(error, DSP_ERROR_INPUT, "cluster.json:");
  }
  remove_folder(folder);
}

static char *manual(void) {
  g_autofree char *path = dsp_test_path("man/dspsim-hwprofile.5");
  char *text = NULL;
  DSP_CHECK(g_file_get_contents(path, &text, NULL, NULL), "no %s", path);
  return text ? text : g_strdup("");
}

/* The manual has an entry for every key of the three formats. */
static void test_manual_keys(void) {
  g_autofree char *text = manual();
  for (guint d = 0; d < G_N_ELEMENTS(documents); d++)
    for (guint at = 0; at < documents[d].n; at++) {
      const char *key = documents[d].rows[at].key;
      g_autofree char *pattern =
          g_strdup_printf("\\.I(t I)?c (\\w+ , )*%s\\b", key ? key : "kind");
      DSP_CHECK(strcmp(key ? key : "source", "source") == 0 ||
                    g_regex_match_simple(pattern, text, 0, 0),
                "the manual does not have '%s'", key);
    }
}

/* The network of a column: its own name, or that of a generation of switches.
 */
static DspJson *network_of(const char *column) {
  const char *const folders[] = {"hwprofiles/networks/%s.json",
                                 "hwprofiles/networks/nvswitch-%s.json"};
  const char *const name =
      g_str_has_prefix(column, "Em ") ? column + 3 : column;
  for (guint i = 0; i < G_N_ELEMENTS(folders); i++) {
    g_auto(GStrv) parts = g_strsplit(folders[i], "%s", 2);
    g_autofree char *file = g_strconcat(parts[0], name, parts[1], NULL);
    g_autofree char *path = dsp_test_path(file);
    if (g_file_test(path, G_FILE_TEST_EXISTS))
      return dsp_json_load(path, NULL);
  }
  return NULL;
}

/* The value of a key, as the file writes it; "-" if there is none. */
static char *value_of(const DspJson *json, const char *key) {
  const cJSON *node =
      cJSON_GetObjectItemCaseSensitive(dsp_json_root(json), key);
  if (cJSON_IsObject(node))
    node = cJSON_GetObjectItemCaseSensitive(node, "value");
  return !node                  ? g_strdup("-")
         : cJSON_IsString(node) ? g_strdup(cJSON_GetStringValue(node))
                                : g_strdup_printf("%g", node->valuedouble);
}

static void check_row(GPtrArray *networks, char **cells) {
  for (guint i = 0; i < networks->len; i++) {
    g_autofree char *value = value_of(networks->pdata[i], cells[0] + 4);
    DSP_CHECK_STRING(cells[i + 1], value);
  }
}

/* The constants that the manual lists are those of the files. */
static void test_manual_constants(void) {
  g_autofree char *text = manual();
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  g_autoptr(GPtrArray) networks =
      g_ptr_array_new_with_free_func((GDestroyNotify)dsp_json_free);
  guint rows = 0;
  for (guint i = 0; lines[i]; i++) {
    g_auto(GStrv) cells = g_strsplit(lines[i], " Ta ", -1);
    const guint n = g_strv_length(cells);
    if (g_str_equal(lines[i], ".El"))
      g_ptr_array_set_size(networks, 0);
    if (g_strcmp0(cells[0], ".It Em network") == 0)
      for (guint c = 1; c < n; c++) {
        DspJson *json = network_of(cells[c]);
        DSP_CHECK(json, "no network %s", cells[c]);
        if (json)
          g_ptr_array_add(networks, json);
      }
    else if (networks->len > 0 && n == networks->len + 1) {
      check_row(networks, cells);
      rows++;
    }
  }
  DSP_CHECK(rows > 60, "%u rows", rows);
}

/* The manual's example is a cluster. */
static void test_manual_example(void) {
  g_autofree char *text = manual(), *folder = make_folder();
  g_autofree char *path = g_build_filename(folder, "cluster.json", NULL);
  const char *begin = strstr(text, "\n{\n"), *end = strstr(text, "\n}\n");
  DSP_CHECK(begin && end && begin < end, "the manual has no example");
  if (begin && end && begin < end)
    DSP_CHECK(g_file_set_contents(path, begin, end + 2 - begin, NULL), "%s",
              path);
  g_autoptr(DspCluster) c = load(path);
  DSP_CHECK(c && c->gpus_per_node == 8 && c->nics == 4, "another example");
  remove_folder(folder);
}

static void test_unknown_name(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(DspCluster) c = dsp_cluster_load("dgx-h10", &error);
  DSP_CHECK(c == NULL, "there is a dgx-h10");
  DSP_CHECK_ERROR(error, DSP_ERROR_USAGE, "dgx-h100");
}

CU_TestInfo input_tests[] = {
    {"good files", test_good_documents},
    {"every key wrong", test_mutations},
    {"optional keys", test_optional_keys},
    {"positions", test_edits},
    {"meshes", test_meshes},
    {"truncated", test_truncated},
    {"unknown name", test_unknown_name},
    {"keys in the manual", test_manual_keys},
    {"constants in the manual", test_manual_constants},
    {"example of the manual", test_manual_example},
    CU_TEST_INFO_NULL,
};
