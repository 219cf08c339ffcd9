/* SPDX-License-Identifier: Apache-2.0 */
#include "test_cluster.h"

static void test_description(void) {
  g_autoptr(DspCluster) c =
      load("node:16 gpu:4\ttype:a100-sxm-80 nvlink:300GBps pcie:32GB/s "
           " nic:2x400Gbps latency:2us fabric:tree oversubscription:2 "
           "price:2.5USD");
  DSP_CHECK(!c->file && !c->sha256 && !c->json, "a description has no file");
  DSP_CHECK_INT(c->max_nodes, 16);
  DSP_CHECK_INT(c->gpus_per_node, 4);
  DSP_CHECK_STRING(c->gpu->name, "a100-sxm-80");
  DSP_CHECK_INT(c->node_kind, DSP_NODE_SWITCH);
  DSP_CHECK_NEAR(c->nvlink_bandwidth, 300e9, 1e-12);
  DSP_CHECK_NEAR(c->pcie_bandwidth, 32e9, 1e-12);
  DSP_CHECK_INT(c->nics, 2);
  DSP_CHECK_NEAR(c->nic_bandwidth, 50e9, 1e-12);
  DSP_CHECK_NEAR(c->nic_latency, 2e-6, 1e-12);
  DSP_CHECK_INT(c->fabric, DSP_FABRIC_FAT_TREE);
  DSP_CHECK_NEAR(c->oversubscription, 2, 1e-12);
  DSP_CHECK_NEAR(c->price, 2.5, 1e-12);
  DSP_CHECK_STRING(c->currency, "USD");
  DSP_CHECK_STRING(c->intra_name, "nvswitch-a100");
}

static void test_description_defaults(void) {
  g_autoptr(DspCluster) c = load("gpu:2 nvlink:100GBps");
  DSP_CHECK_STRING(c->gpu->name, "h100-sxm");
  DSP_CHECK_INT(c->nics, 0);
  DSP_CHECK_INT(c->fabric, DSP_FABRIC_NONE);
  g_autoptr(DspCluster) pcie = load("gpu:4 pcie:32GBps nic:32GBps");
  DSP_CHECK_INT(pcie->node_kind, DSP_NODE_PCIE);
  DSP_CHECK_INT(pcie->nics, 1);
  DSP_CHECK_INT(pcie->fabric, DSP_FABRIC_RAIL);
  DSP_CHECK_INT(pcie->max_nodes, 0);
}

static const char *const canonical[] = {
    "gpu:8 type:h100-sxm nvlink:450GBps pcie:53GBps oversubscription:1",
    "node:16 gpu:8 type:h100-sxm nvlink:450GBps pcie:53GBps nic:8x50GBps "
    "latency:1us fabric:rail oversubscription:1",
    "node:2 gpu:4 type:a100-sxm-80 nvlink:20.6GBps pcie:1.25GBps "
    "nic:2x12.5GBps latency:2.5us fabric:tree oversubscription:1.5 "
    "price:0.75EUR",
    "gpu:2 type:h100-sxm pcie:24GBps nic:1x12.5GBps latency:1us "
    "fabric:switch oversubscription:1",
};

/* Text to cluster to the same text. */
static void test_description_round_trip(void) {
  for (guint i = 0; i < G_N_ELEMENTS(canonical); i++) {
    g_autoptr(DspCluster) c = load(canonical[i]);
    g_autofree char *text = dsp_cluster_describe(c);
    DSP_CHECK_STRING(text, canonical[i]);
  }
}

/* Profile to text to a cluster that carries the same. */
static void test_profile_round_trip(void) {
  guint described = 0;
  g_auto(GStrv) names = dsp_list_data("hwprofiles");
  for (guint i = 0; names[i]; i++) {
    g_autoptr(DspCluster) c = load(names[i]);
    g_autofree char *text = dsp_cluster_describe(c);
    if (!text)
      continue;
    described++;
    g_autoptr(DspCluster) again = load(text);
    DSP_CHECK_INT(again->node_kind, c->node_kind);
    DSP_CHECK_INT(again->fabric, c->fabric);
    DSP_CHECK_INT(again->gpus_per_node, c->gpus_per_node);
    DSP_CHECK_NEAR(again->nvlink_bandwidth, c->nvlink_bandwidth, 1e-12);
    DSP_CHECK_NEAR(again->pcie_bandwidth, c->pcie_bandwidth, 1e-12);
    DSP_CHECK_NEAR(again->nic_bandwidth * again->nics,
                   c->nic_bandwidth * c->nics, 1e-12);
    DSP_CHECK_NEAR(again->nic_latency, c->nic_latency, 1e-12);
  }
  DSP_CHECK(described >= 15, "only %u profiles have a description", described);
}

static const struct {
  const char *text;
  guint column;
  const char *message;
} bad_descriptions[] = {
    {"node:16", 1, "'gpu' is missing"},
    {"gpu:", 1, "a key and a value"},
    {"gpu:8 nvlink", 7, "a key and a value"},
    {"gpu:8 :5", 7, "unknown key ''"},
    {"gpu:8 nvlonk:450GBps", 7, "did you mean 'nvlink'"},
    {"gpu:8 zzzzzz:450GBps", 7, "must be one of node, gpu"},
    {"gpu:8 nvlink:450", 7, "'nvlink' must be a rate"},
    {"gpu:8 nvlink:450us", 7, "'nvlink' must be a rate"},
    {"gpu:8 nvlink:-450GBps", 7, "'nvlink' must be a rate"},
    {"gpu:8 nvlink:0GBps", 7, "'nvlink' must be a rate"},
    {"gpu:8 nvlink:1e400GBps", 7, "'nvlink' must be a rate"},
    {"gpu:8 nvlink:1e30GBps", 7, "'nvlink' must be a rate"},
    {"  gpu:0", 3, "'gpu' must be a number of GPUs"},
    {"gpu:8.5", 1, "'gpu' must be a number of GPUs"},
    {"gpu:-1", 1, "'gpu' must be a number of GPUs"},
    {"gpu:1025", 1, "'gpu' must be a number of GPUs"},
    {"gpu:99999999999999999999", 1, "'gpu' must be a number of GPUs"},
    {"gpu:8 gpu:8", 7, "'gpu' is given twice"},
    {"gpu:8 node:0", 7, "'node' must be a number of nodes"},
    {"gpu:8 nic:8x", 7, "'nic' must be a number of NICs"},
    {"gpu:8 nic:x50GBps", 7, "'nic' must be a number of NICs"},
    {"gpu:8 nic:0x50GBps", 7, "'nic' must be a number of NICs"},
    {"gpu:8 nic:8x0GBps", 7, "'nic' must be a number of NICs"},
    {"gpu:8 nic:8*50GBps", 7, "'nic' must be a number of NICs"},
    {"gpu:8 nic:12x50GBps", 1, "multiple of the GPUs"},
    {"gpu:8 latency:2GBps", 7, "'latency' must be a time"},
    {"gpu:8 latency:0us", 7, "'latency' must be a time"},
    {"gpu:8 fabric:none", 7, "rail, tree or switch"},
    {"gpu:8 fabric:rail", 1, "'nic' and a 'fabric'"},
    {"gpu:8 oversubscription:0.5", 7, "must be a number from 1"},
    {"gpu:8 oversubscription:2x", 7, "must be a number from 1"},
    {"gpu:8 oversubscription:nan", 7, "must be a number from 1"},
    {"gpu:8 price:2.5", 7, "a price of a GPU hour"},
    {"gpu:8 price:USD", 7, "a price of a GPU hour"},
    {"gpu:8 price:2.5U$D", 7, "a price of a GPU hour"},
    {"gpu:8 price:0USD", 7, "a price of a GPU hour"},
    {"gpu:8 type:h100-sxn", 7, "h100-sxm"},
    {"node:2 gpu:8 nvlink:450GBps", 1, "needs 'nic'"},
    {":", 1, "a key and a value"},
};

static void test_bad_descriptions(void) {
  for (guint i = 0; i < G_N_ELEMENTS(bad_descriptions); i++) {
    g_autoptr(GError) error = NULL;
    g_autoptr(DspCluster) c =
        dsp_cluster_load(bad_descriptions[i].text, &error);
    g_autofree char *column = g_strdup_printf(
        "cluster description, column %u: ", bad_descriptions[i].column);
    DSP_CHECK(!c, "'%s' is accepted", bad_descriptions[i].text);
    DSP_CHECK(error && g_str_has_prefix(error->message, column),
              "'%s': got '%s', want '%s'", bad_descriptions[i].text,
              error ? error->message : "", column);
    DSP_CHECK_ERROR(error, DSP_ERROR_USAGE, bad_descriptions[i].message);
  }
}

CU_TestInfo description_tests[] = {
    {"every key", test_description},
    {"defaults", test_description_defaults},
    {"text to text", test_description_round_trip},
    {"profile to text", test_profile_round_trip},
    {"bad ones", test_bad_descriptions},
    CU_TEST_INFO_NULL,
};
