/* SPDX-License-Identifier: Apache-2.0 */
#include "test_cluster.h"

/* Number of GPUs and NICs of a node, and what one GPU and one NIC carry, GB/s:
 * what the vendors say of each machine, less what protocols take. */
static const struct {
  const char *name;
  int64_t gpus, nics;
  double nvlink, nic;
} shipped[] = {
    {"a100-pcie", 8, 0, 0, 0},
    {"a100-pcie-80", 4, 0, 0, 0},
    {"a3high-h100", 8, 4, 370.8, 17.7},
    {"a3mega-h100", 8, 8, 370.8, 22.6},
    {"a3ultra-h200", 8, 8, 370.8, 47.1},
    {"a4-b200", 8, 8, 721.8, 47.1},
    {"a4x-gb300-xdomain", 4, 4, 721.8, 90.1},
    {"alps-gh200", 4, 4, 0, 23},
    {"alps-gh200-tcp", 4, 4, 0, 1.5},
    {"dgx-2", 16, 8, 123.6, 11.5},
    {"dgx-a100-40", 8, 8, 240, 23.6},
    {"dgx-a100-80", 8, 8, 240, 23.6},
    {"dgx-b200", 8, 8, 721.8, 48.9},
    {"dgx-h100", 8, 8, 370.8, 48.9},
    {"dgx-h100-sharp", 8, 8, 370.8, 48.9},
    {"dgx-v100", 8, 4, 0, 11.5},
    {"dgx-v100-2nic", 8, 2, 0, 11.45},
    {"gb200-nvl72", 4, 4, 721.8, 48.9},
    {"gb300-nvl72", 4, 4, 721.8, 90.1},
    {"h100-1nic", 1, 1, 0, 47.1},
    {"h100-pcie-nvl2", 8, 0, 0, 0},
    {"hgx-a800", 8, 8, 160, 23.6},
    {"hgx-h20", 8, 8, 370.8, 47.1},
    {"hgx-h200-roce", 8, 8, 370.8, 47.1},
    {"hgx-h800", 8, 8, 164.8, 48.9},
    {"l20-pcie", 8, 0, 0, 0},
    {"l40-pcie", 8, 0, 0, 0},
    {"l40-pcie-100gbe", 8, 1, 0, 4.6},
    {"l40s-pcie", 8, 0, 0, 0},
    {"leonardo-a100", 4, 4, 0, 11.8},
    {"oci-a100", 8, 16, 240, 11.85},
    {"oci-h100", 8, 16, 370.8, 23.6},
    {"p3dn", 8, 1, 0, 4.6},
    {"p4de", 8, 4, 240, 10.5},
    {"p5-h100", 8, 32, 370.8, 11.5},
    {"rtx4090-pcie", 8, 0, 0, 0},
    {"rtx6000d-pcie", 8, 8, 0, 45.9},
    {"rtx6000d-pcie-nop2p", 8, 8, 0, 45.9},
    {"v100-1nic", 8, 1, 0, 11.5},
};

static void test_shipped_shapes(void) {
  for (guint i = 0; i < G_N_ELEMENTS(shipped); i++) {
    g_autoptr(DspCluster) c = load(shipped[i].name);
    if (!c)
      continue;
    DSP_CHECK_STRING(c->name, shipped[i].name);
    DSP_CHECK(c->title && c->file && c->sha256, "%s", c->name);
    DSP_CHECK_INT(c->gpus_per_node, shipped[i].gpus);
    DSP_CHECK_INT(c->nics, shipped[i].nics);
    DSP_CHECK_NEAR(c->nvlink_bandwidth, shipped[i].nvlink * 1e9, 1e-9);
    DSP_CHECK_NEAR(c->nic_bandwidth, shipped[i].nic * 1e9, 1e-9);
    DSP_CHECK(c->nvlink_bandwidth <= c->gpu->links * c->gpu->link_bandwidth,
              "%s: more than the raw NVLink rate", c->name);
    DSP_CHECK(c->launch.eager_forward > 0 && c->launch.graph > 0, "%s",
              c->name);
  }
}

/* No file is left out of the table above. */
static void test_shipped_complete(void) {
  g_auto(GStrv) names = dsp_list_data("hwprofiles");
  DSP_CHECK_INT(g_strv_length(names), G_N_ELEMENTS(shipped));
  for (guint i = 0; i < G_N_ELEMENTS(shipped); i++)
    DSP_CHECK(g_strv_contains((const char *const *)names, shipped[i].name),
              "%s is not installed", shipped[i].name);
}

/* Every number has a source in its own or an enclosing object. */
static void check_sources(const char *file, const cJSON *node,
                          gboolean sourced) {
  const cJSON *source = cJSON_GetObjectItemCaseSensitive(node, "source");
  sourced = sourced || (cJSON_IsString(source) && *source->valuestring);
  DSP_CHECK(!cJSON_IsNumber(node) || sourced, "%s: %s has no source", file,
            node->string ? node->string : "element");
  for (const cJSON *child = node->child; child; child = child->next)
    check_sources(file, child, sourced);
}

static void test_shipped_sources(void) {
  static const char *const folders[] = {"hwprofiles", "hwprofiles/hosts",
                                        "hwprofiles/networks"};
  for (guint f = 0; f < G_N_ELEMENTS(folders); f++) {
    g_auto(GStrv) names = dsp_list_data(folders[f]);
    for (guint i = 0; names[i]; i++) {
      g_autofree char *path = dsp_find_data(folders[f], names[i], NULL);
      g_autoptr(DspJson) json = dsp_json_load(path, NULL);
      const cJSON *root = json ? dsp_json_root(json) : NULL;
      DSP_CHECK(root && cJSON_HasObjectItem(root, "source"),
                "%s/%s has no source", folders[f], names[i]);
      if (root)
        check_sources(names[i], root, FALSE);
    }
  }
}

/* The shared constants stand in one place and reach every cluster. */
static void test_shared_parts(void) {
  g_autoptr(DspCluster) h100 = load("dgx-h100"), h800 = load("hgx-h800");
  DSP_CHECK_STRING(h100->intra_name, "nvswitch-h100");
  DSP_CHECK_STRING(h100->inter_name, "ib-ndr");
  DSP_CHECK_STRING(h100->host_name, "xeon-pcie5");
  DSP_CHECK(memcmp(&h100->intra, &h800->intra, sizeof h100->intra) == 0,
            "one file, two constants");
  DSP_CHECK_NEAR(h100->nvlink_bandwidth / h800->nvlink_bandwidth, 18.0 / 8,
                 1e-12);
  DSP_CHECK_NEAR(h100->nic_bandwidth, h100->inter.bandwidth, 1e-12);
  DSP_CHECK_STRING(dsp_json_sha256(h100->intra_json),
                   dsp_json_sha256(h800->intra_json));
}

/* A cluster overrides what it gives of its host's, and only that. */
static void test_overrides(void) {
  g_autoptr(DspCluster) h200 = load("hgx-h200-roce"), h100 = load("dgx-h100");
  DSP_CHECK_NEAR(h200->launch.operation, 21e-6, 1e-12);
  DSP_CHECK_NEAR(h200->launch.collective, h100->launch.collective, 1e-12);
  g_autoptr(DspCluster) p5 = load("p5-h100"), a100 = load("dgx-a100-80");
  DSP_CHECK_NEAR(p5->pcie_bandwidth, 53e9, 1e-12);
  DSP_CHECK_NEAR(p5->pcie_latency, a100->pcie_latency, 1e-12);
}

CU_TestInfo profile_tests[] = {
    {"shapes", test_shipped_shapes},
    {"all are tested", test_shipped_complete},
    {"sources", test_shipped_sources},
    {"shared parts", test_shared_parts},
    {"overrides", test_overrides},
    CU_TEST_INFO_NULL,
};
