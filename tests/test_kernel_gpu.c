/* SPDX-License-Identifier: Apache-2.0 */
/* The shipped GPUs: that all load, that every number says where it is from,
 * and that constants of another GPU stand by reference. */
#include "base/paths.h"
#include "test_kernel.h"

typedef struct {
  const char *name;
  double bf16, bandwidth; /* FLOP/s, bytes/s as published */
  int64_t sms, links;
} Published;

static const Published published[] = {
    {"a100-pcie-40", 312e12, 1555e9, 108, 12},
    {"a100-pcie-80", 312e12, 1935e9, 108, 12},
    {"a100-sxm-40", 312e12, 1555e9, 108, 12},
    {"a100-sxm-80", 312e12, 2039e9, 108, 12},
    {"a40", 149.7e12, 696e9, 84, 4},
    {"a800-sxm-80", 312e12, 2039e9, 108, 8},
    {"b200-sxm", 2250e12, 8000e9, 148, 18},
    {"b300-sxm", 2250e12, 8000e9, 148, 18},
    {"gb200", 2500e12, 8000e9, 152, 18},
    {"gb300", 2500e12, 8000e9, 152, 18},
    {"gh200", 989.4e12, 4000e9, 132, 18},
    {"h100-pcie", 756e12, 2000e9, 114, 12},
    {"h100-sxm", 989.4e12, 3350e9, 132, 18},
    {"h20-sxm", 148e12, 4000e9, 78, 18},
    {"h200-sxm", 989.4e12, 4800e9, 132, 18},
    {"h800-sxm", 989.4e12, 3350e9, 132, 8},
    {"l20", 119.5e12, 864e9, 92, 0},
    {"l40", 181.05e12, 864e9, 142, 0},
    {"l40s", 362.05e12, 864e9, 142, 0},
    {"mi300x", 1300e12, 5300e9, 304, 7},
    {"mi325x", 1307e12, 6000e9, 304, 7},
    {"mi355x", 2516e12, 8000e9, 256, 7},
    {"rtx4090", 165.2e12, 1008e9, 128, 0},
    {"rtx6000d", 148e12, 1398e9, 156, 0},
    {"v100-sxm2", 0, 900e9, 80, 6},
};

static void test_published(void) {
  g_auto(GStrv) names = dsp_list_data("hwprofiles/gpus");
  DSP_CHECK_INT(g_strv_length(names), G_N_ELEMENTS(published));
  for (guint i = 0; i < G_N_ELEMENTS(published); i++) {
    const Published *want = &published[i];
    DSP_CHECK_STRING(names[i], want->name);
    g_autoptr(DspGpu) gpu = dsp_test_gpu(want->name);
    DSP_CHECK_STRING(gpu->name, want->name);
    DSP_CHECK_NEAR(gpu->peak[DSP_DTYPE_BF16], want->bf16, 1e-12);
    DSP_CHECK_NEAR(gpu->memory_bandwidth, want->bandwidth, 1e-12);
    DSP_CHECK_INT(gpu->sms, want->sms);
    DSP_CHECK_INT(gpu->links, want->links);
    DSP_CHECK(gpu->links == 0 || gpu->link_bandwidth > 0, "%s", want->name);
    DSP_CHECK_INT(strlen(gpu->sha256), 64);
  }
}

/* Every number stands in an object that has a "source", or in one that does. */
static int numbers_without_source(const cJSON *node, gboolean sourced) {
  int missing = 0;
  const cJSON *child;
  if (cJSON_IsNumber(node))
    return !sourced;
  sourced = sourced || cJSON_HasObjectItem(node, "source");
  cJSON_ArrayForEach(child, node) missing +=
      numbers_without_source(child, sourced);
  return missing;
}

/* The constants of each section, one deep, must name their own source: the
 * file's is about its figures. */
static void check_sections(const char *name, const cJSON *parent) {
  const cJSON *section;
  cJSON_ArrayForEach(section, parent) if (cJSON_IsObject(section))
      DSP_CHECK(cJSON_HasObjectItem(section, "source"),
                "%s: \"%s\" has no source", name, section->string);
}

static void test_sources(void) {
  for (guint i = 0; i < G_N_ELEMENTS(published); i++) {
    g_autoptr(DspGpu) gpu = dsp_test_gpu(published[i].name);
    const cJSON *root = dsp_json_root(gpu->json);
    DSP_CHECK_INT(numbers_without_source(root, FALSE), 0);
    DSP_CHECK(cJSON_HasObjectItem(cJSON_GetObjectItem(root, "gemm"), "source"),
              "%s: gemm has no source", gpu->name);
    check_sections(gpu->name, cJSON_GetObjectItem(root, "attention"));
    check_sections(gpu->name, cJSON_GetObjectItem(root, "memory_kernels"));
  }
}

static void test_like(void) {
  g_autoptr(DspGpu) h100 = dsp_test_gpu("h100-sxm");
  g_autoptr(DspGpu) h800 = dsp_test_gpu("h800-sxm");
  g_autoptr(DspGpu) h20 = dsp_test_gpu("h20-sxm");
  DSP_CHECK(h100->gemm.like == NULL, "h100-sxm has its own");
  DSP_CHECK_STRING(h800->gemm.like, "h100-sxm");
  DSP_CHECK_NEAR(h800->gemm.k0, h100->gemm.k0, 0);
  DSP_CHECK_NEAR(h20->gemm.e_max, 0.92, 0);
  DSP_CHECK_NEAR(h20->gemm.k0, h100->gemm.k0, 0);
  DSP_CHECK_STRING(h20->attention[DSP_KERNEL_FA3].like, "h100-sxm");
  DSP_CHECK(h20->attention[DSP_KERNEL_FA3].clock !=
                h100->attention[DSP_KERNEL_FA3].clock,
            "an override overrides");
  DSP_CHECK(!h100->attention[DSP_KERNEL_FA4].present, "no FA4 on Hopper");
}

/* The manual has an entry for every key of the format. */
static void check_documented(const char *manual, const cJSON *object) {
  const cJSON *child;
  cJSON_ArrayForEach(child, object) {
    g_autofree char *pattern =
        g_strdup_printf("\\.I(t I)?c (\\w+ , )*%s\\b", child->string);
    DSP_CHECK(strcmp(child->string, "source") == 0 ||
                  g_regex_match_simple(pattern, manual, 0, 0),
              "the manual does not have '%s'", child->string);
    check_documented(manual, child);
  }
}

static void test_manual(void) {
  g_autofree char *man = dsp_test_path("man/dspsim-hwprofile.5");
  g_autofree char *keys = dsp_test_path("tests/data/gpu-every-key.json");
  g_autofree char *manual = NULL;
  DSP_CHECK(g_file_get_contents(man, &manual, NULL, NULL), "no %s", man);
  const char *section = manual ? strstr(manual, "\n.Ss GPU\n") : NULL;
  g_autoptr(GError) error = NULL;
  g_autoptr(DspJson) json = dsp_json_load(keys, &error);
  DSP_CHECK_NO_ERROR(error);
  DSP_CHECK(section && json, "manual and keys are there");
  if (section && json)
    check_documented(section, dsp_json_root(json));
}

static void test_peak(void) {
  g_autoptr(DspGpu) v100 = dsp_test_gpu("v100-sxm2");
  DSP_CHECK_NEAR(dsp_gpu_peak(v100, DSP_DTYPE_FP16), 125e12, 0);
  DSP_CHECK_NEAR(dsp_gpu_peak(v100, DSP_DTYPE_BF16), 15.7e12, 0);
}

CU_TestInfo gpu_file_tests[] = {
    {"published figures", test_published},
    {"every number has a source", test_sources},
    {"constants of another GPU", test_like},
    {"the manual has every key", test_manual},
    {"a type that tensor cores lack", test_peak},
    CU_TEST_INFO_NULL,
};
