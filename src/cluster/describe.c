/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"
#include "base/units.h"
#include "cluster/profile.h"
#include <string.h>

/* What a description leaves open (dspsim-hwprofile(5), DESCRIPTIONS). */
#define DEFAULT_TYPE           "h100-sxm"
#define DEFAULT_HOST           "xeon-pcie5"
#define DEFAULT_INTER          "ib-ndr"
#define DEFAULT_NODES_PER_LEAF 32

typedef struct Key Key;

/* One key of a description; `parse` and `print` know the member's type. `print`
 * appends nothing for a member that is not given (0). */
struct Key {
  const char *name;
  gsize offset;
  gboolean (*parse)(DspCluster *cluster, const Key *key, const char *value,
                    GError **error);
  void (*print)(const DspCluster *cluster, const Key *key, GString *text);
  double least, most;
  const char *right; /* what would be right */
};

#define MEMBER(type, cluster, key)                                             \
  (*(type *)G_STRUCT_MEMBER_P(cluster, (key)->offset))
#define CONST_MEMBER(type, cluster, key)                                       \
  (*(const type *)G_STRUCT_MEMBER_P(cluster, (key)->offset))

static gboolean wrong(const Key *key, GError **error) {
  g_clear_error(error);
  g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE, "'%s' must be %s", key->name,
              key->right);
  return FALSE;
}

static gboolean in_range(const Key *key, double value, GError **error) {
  return (value >= key->least && value <= key->most) || wrong(key, error);
}

static gboolean parse_count(DspCluster *cluster, const Key *key,
                            const char *value, GError **error) {
  int64_t count;
  if (!dsp_parse_count(value, DSP_UNITS_FILE, &count, error))
    return wrong(key, error);
  MEMBER(int64_t, cluster, key) = count;
  return in_range(key, (double)count, error);
}

static void print_count(const DspCluster *cluster, const Key *key,
                        GString *text) {
  int64_t count = CONST_MEMBER(int64_t, cluster, key);
  if (count > 0)
    g_string_append_printf(text, "%" G_GINT64_FORMAT, count);
}

static gboolean set_number(DspCluster *cluster, const Key *key, gboolean ok,
                           double value, GError **error) {
  if (!ok)
    return wrong(key, error);
  MEMBER(double, cluster, key) = value;
  return in_range(key, value, error);
}

static gboolean parse_rate(DspCluster *cluster, const Key *key,
                           const char *value, GError **error) {
  double rate = 0;
  gboolean ok = dsp_parse_rate(value, &rate, error);
  return set_number(cluster, key, ok, rate, error);
}

static gboolean parse_time(DspCluster *cluster, const Key *key,
                           const char *value, GError **error) {
  double time = 0;
  gboolean ok = dsp_parse_time(value, &time, error);
  return set_number(cluster, key, ok, time, error);
}

static gboolean parse_number(DspCluster *cluster, const Key *key,
                             const char *value, GError **error) {
  char *end = NULL;
  double number = g_ascii_strtod(value, &end);
  return set_number(cluster, key, g_ascii_isdigit(*value) && *end == '\0',
                    number, error);
}

static void print_scaled(GString *text, double value, double unit,
                         const char *suffix) {
  char buffer[G_ASCII_DTOSTR_BUF_SIZE];
  if (value <= 0)
    return;
  g_ascii_formatd(buffer, sizeof buffer, "%.15g", value / unit);
  g_string_append_printf(text, "%s%s", buffer, suffix);
}

static void print_rate(const DspCluster *cluster, const Key *key,
                       GString *text) {
  print_scaled(text, CONST_MEMBER(double, cluster, key), 1e9, "GBps");
}

static void print_time(const DspCluster *cluster, const Key *key,
                       GString *text) {
  print_scaled(text, CONST_MEMBER(double, cluster, key), 1e-6, "us");
}

static void print_number(const DspCluster *cluster, const Key *key,
                         GString *text) {
  print_scaled(text, CONST_MEMBER(double, cluster, key), 1, "");
}

/* "8x50GBps" or, for one, "50GBps" */
static gboolean parse_nics(DspCluster *cluster, const Key *key,
                           const char *value, GError **error) {
  const char *times = strchr(value, 'x');
  g_autofree char *count =
      times ? g_strndup(value, (gsize)(times - value)) : g_strdup("1");
  if (!dsp_parse_rate(times ? times + 1 : value, &cluster->nic_bandwidth,
                      error) ||
      cluster->nic_bandwidth <= 0)
    return wrong(key, error);
  return parse_count(cluster, key, count, error);
}

static void print_nics(const DspCluster *cluster, const Key *key,
                       GString *text) {
  if (cluster->nics == 0)
    return;
  print_count(cluster, key, text);
  g_string_append_c(text, 'x');
  print_scaled(text, cluster->nic_bandwidth, 1e9, "GBps");
}

static gboolean parse_price(DspCluster *cluster, const Key *key,
                            const char *value, GError **error) {
  return dsp_parse_price(value, &cluster->price, &cluster->currency, NULL) ||
         wrong(key, error);
}

static void print_price(const DspCluster *cluster, const Key *key,
                        GString *text) {
  print_number(cluster, key, text);
  if (cluster->price > 0)
    g_string_append(text, cluster->currency);
}

static gboolean parse_fabric(DspCluster *cluster, const Key *key,
                             const char *value, GError **error) {
  for (guint i = 0; i < DSP_FABRIC_NONE; i++)
    if (g_strcmp0(value, dsp_fabric_kind_names[i]) == 0) {
      cluster->fabric = i;
      return TRUE;
    }
  return wrong(key, error);
}

static void print_fabric(const DspCluster *cluster, const Key *key,
                         GString *text) {
  (void)key;
  if (cluster->fabric != DSP_FABRIC_NONE)
    g_string_append(text, dsp_fabric_kind_names[cluster->fabric]);
}

static gboolean parse_type(DspCluster *cluster, const Key *key,
                           const char *value, GError **error) {
  (void)key;
  return dsp_cluster_load_parts(cluster, value, NULL, NULL, NULL, error);
}

static void print_type(const DspCluster *cluster, const Key *key,
                       GString *text) {
  (void)key;
  g_string_append(text, cluster->gpu->name);
}

#define M(member) G_STRUCT_OFFSET(DspCluster, member)

static const Key keys[] = {
    {"node", M(max_nodes), parse_count, print_count, 1, DSP_MAX_NODES,
     "a number of nodes, such as 16"},
    {"gpu", M(gpus_per_node), parse_count, print_count, 1,
     DSP_MAX_GPUS_PER_NODE, "a number of GPUs in a node, such as 8"},
    {"type", M(gpu), parse_type, print_type, 0, 0, "a GPU"},
    {"nvlink", M(nvlink_bandwidth), parse_rate, print_rate, 1, 1e15,
     "a rate in one direction, such as 450GBps"},
    {"pcie", M(pcie_bandwidth), parse_rate, print_rate, 1, 1e15,
     "a rate in one direction, such as 32GBps"},
    {"nic", M(nics), parse_nics, print_nics, 1, DSP_MAX_NICS_PER_NODE,
     "a number of NICs and the rate of each, such as 8x50GBps"},
    {"latency", M(nic_latency), parse_time, print_time, 1e-12, 1,
     "a time from a NIC to its switch, such as 2us"},
    {"fabric", M(fabric), parse_fabric, print_fabric, 0, 0,
     "rail, tree or switch"},
    {"oversubscription", M(oversubscription), parse_number, print_number, 1,
     1000, "a number from 1, such as 2"},
    {"price", M(price), parse_price, print_price, 1e-9, 1e9,
     "a price of a GPU hour with its currency, such as 2.5USD"},
};

static const Key *find_key(const char *name, GError **error) {
  const char *names[G_N_ELEMENTS(keys) + 1] = {NULL};
  for (guint i = 0; i < G_N_ELEMENTS(keys); i++) {
    if (g_strcmp0(name, keys[i].name) == 0)
      return &keys[i];
    names[i] = keys[i].name;
  }
  const char *near = dsp_nearest_name(name, names);
  g_autofree char *right = near ? g_strdup_printf("did you mean '%s'?", near)
                                : g_strjoinv(", ", (char **)names);
  g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE, "unknown key '%s', %s%s", name,
              near ? "" : "must be one of ", right);
  return NULL;
}

/* `word` is "key:value"; `seen` has a bit for every key that came before. */
static gboolean parse_word(DspCluster *cluster, const char *word, guint *seen,
                           GError **error) {
  const char *colon = strchr(word, ':');
  if (!colon || colon[1] == '\0') {
    g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE,
                "'%s' must be a key and a value, such as gpu:8", word);
    return FALSE;
  }
  g_autofree char *name = g_strndup(word, (gsize)(colon - word));
  const Key *key = find_key(name, error);
  if (!key)
    return FALSE;
  guint bit = 1u << (key - keys);
  if (*seen & bit) {
    g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE, "'%s' is given twice", name);
    return FALSE;
  }
  *seen |= bit;
  return key->parse(cluster, key, colon + 1, error);
}

static gboolean parse_words(DspCluster *cluster, const char *text,
                            GError **error) {
  static const char *const blanks = " \t\n";
  guint seen = 0;
  for (const char *at = text + strspn(text, blanks); *at;
       at += strspn(at, blanks)) {
    gsize length = strcspn(at, blanks);
    g_autofree char *word = g_strndup(at, length);
    if (!parse_word(cluster, word, &seen, error)) {
      g_prefix_error(
          error, "cluster description, column %u: ", (guint)(at - text) + 1);
      return FALSE;
    }
    at += length;
  }
  return TRUE;
}

/* The collective constants of the GPU's generation. */
static const char *intra_name(const DspCluster *cluster) {
  if (cluster->node_kind == DSP_NODE_PCIE)
    return "pcie-p2p";
  if (cluster->gpu->tile_family >= 100)
    return "nvswitch-b200";
  return cluster->gpu->tile_family >= 90 ? "nvswitch-h100" : "nvswitch-a100";
}

static gboolean finish(DspCluster *cluster, GError **error) {
  gboolean nics = cluster->nics > 0;
  cluster->node_kind =
      cluster->nvlink_bandwidth > 0 ? DSP_NODE_SWITCH : DSP_NODE_PCIE;
  if (nics && cluster->fabric == DSP_FABRIC_NONE)
    cluster->fabric = DSP_FABRIC_RAIL;
  cluster->nodes_per_leaf = nics ? DEFAULT_NODES_PER_LEAF : 0;
  cluster->title = g_strdup(cluster->name);
  if (!dsp_cluster_load_parts(cluster, cluster->gpu ? NULL : DEFAULT_TYPE, NULL,
                              NULL, NULL, error) ||
      !dsp_cluster_load_parts(cluster, NULL, NULL, intra_name(cluster),
                              nics ? DEFAULT_INTER : NULL, error))
    return FALSE;
  const char *why = cluster->gpus_per_node == 0 ? "'gpu' is missing"
                                                : dsp_cluster_complete(cluster);
  if (!why && !nics && cluster->max_nodes > 1)
    why = "more than one node needs 'nic', such as nic:8x50GBps";
  if (why)
    g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE,
                "cluster description, column 1: %s", why);
  return !why;
}

gboolean dsp_cluster_parse(DspCluster *cluster, const char *text,
                           GError **error) {
  return dsp_cluster_load_parts(cluster, NULL, DEFAULT_HOST, NULL, NULL,
                                error) &&
         parse_words(cluster, text, error) && finish(cluster, error);
}

/* What a description makes: NVSwitch nodes, or GPUs on one CPU's PCIe. */
static gboolean can_describe(const DspCluster *cluster) {
  if (cluster->domain_nodes > 1)
    return FALSE;
  return cluster->node_kind == DSP_NODE_SWITCH ||
         (cluster->node_kind == DSP_NODE_PCIE && cluster->pcie_p2p &&
          cluster->gpus_per_pcie_switch == 1 &&
          cluster->pcie_switches_per_cpu >= cluster->gpus_per_node);
}

char *dsp_cluster_describe(const DspCluster *cluster) {
  if (!can_describe(cluster))
    return NULL;
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < G_N_ELEMENTS(keys); i++) {
    gsize before = text->len;
    g_string_append_printf(text, "%s%s:", before ? " " : "", keys[i].name);
    gsize value = text->len;
    keys[i].print(cluster, &keys[i], text);
    if (text->len == value)
      g_string_truncate(text, before);
  }
  return g_string_free(text, FALSE);
}
