/* SPDX-License-Identifier: Apache-2.0 */
/* Importers: the machine that a file tells of is the cluster that its profile
 * loads as, and what is wrong in a file is told with its place. */
#include "cluster/cluster.h"
#include "cluster/import.h"
#include "test.h"
#include <glib/gstdio.h>

/* --- good ---------------------------------------------------------------- */

typedef struct {
  const char *file; /* in tests/data/topo */
  DspImportOptions options;
  const char *gpu, *host, *intra;
  DspNodeKind kind;
  int64_t gpus, per_switch, switches_per_cpu, nics;
  guint from, to; /* two GPUs, and the NVLinks between them; 0: not a mesh */
  guint links;
} Good;

static const Good good[] = {
    {"smi-nvswitch.txt",
     {NULL, (char *)"h100-sxm", (char *)"xeon-pcie5", (char *)"ib-ndr", 0},
     "h100-sxm",
     "xeon-pcie5",
     "nvswitch-h100",
     DSP_NODE_SWITCH,
     8,
     1,
     4,
     8,
     0,
     0,
     0},
    {"smi-nvswitch.txt",
     {NULL, (char *)"h100-sxm", (char *)"epyc-pcie5", (char *)"none", 1},
     "h100-sxm",
     "epyc-pcie5",
     "nvswitch-h100",
     DSP_NODE_SWITCH,
     8,
     1,
     8,
     0,
     0,
     0,
     0},
    {"smi-bridges.txt",
     {(char *)"a \"name\"", (char *)"a100-pcie-40", (char *)"xeon-pcie4",
      (char *)"ib-hdr", 0},
     "a100-pcie-40",
     "xeon-pcie4",
     "nvlink-mesh-a100",
     DSP_NODE_MESH,
     4,
     2,
     1,
     2,
     2,
     3,
     4},
    {"smi-pcie.txt",
     {NULL, (char *)"l40s", (char *)"xeon-pcie4", NULL, 0},
     "l40s",
     "xeon-pcie4",
     "pcie-p2p",
     DSP_NODE_PCIE,
     4,
     1,
     2,
     0,
     0,
     0,
     0},
    {"nccl-nvswitch.xml",
     {NULL, NULL, NULL, (char *)"ib-hdr", 0},
     "a100-sxm-80",
     "epyc-pcie4",
     "nvswitch-a100",
     DSP_NODE_SWITCH,
     8,
     2,
     1,
     8,
     0,
     0,
     0},
    {"nccl-mesh.xml",
     {0},
     "v100-sxm2",
     "xeon-pcie3",
     "nvlink-mesh-v100",
     DSP_NODE_MESH,
     4,
     1,
     4,
     0,
     1,
     2,
     2},
};

/* The profile by way of a file, as a user has it. */
static DspCluster *load_text(const char *profile, GError **error) {
  g_autofree char *file = NULL;
  const int fd = g_file_open_tmp("dspsim-XXXXXX.json", &file, error);
  if (fd < 0)
    return NULL;
  g_close(fd, NULL);
  DspCluster *cluster = g_file_set_contents(file, profile, -1, error)
                            ? dsp_cluster_load(file, error)
                            : NULL;
  g_unlink(file);
  return cluster;
}

static void check_cluster(const Good *want, const DspCluster *c) {
  DSP_CHECK_STRING(c->gpu->name, want->gpu);
  DSP_CHECK_STRING(c->host_name, want->host);
  DSP_CHECK_STRING(c->intra_name, want->intra);
  DSP_CHECK_INT(c->node_kind, want->kind);
  DSP_CHECK_INT(c->gpus_per_node, want->gpus);
  DSP_CHECK_INT(c->gpus_per_pcie_switch, want->per_switch);
  DSP_CHECK_INT(MIN(c->pcie_switches_per_cpu, want->gpus),
                want->switches_per_cpu);
  DSP_CHECK_INT(c->nics, want->nics);
  if (want->options.name)
    DSP_CHECK_STRING(c->title, want->options.name);
  if (want->links > 0)
    DSP_CHECK_NEAR(c->mesh[want->from * want->gpus + want->to],
                   want->links * c->intra.bandwidth, 1e-12);
}

static void test_good(void) {
  for (guint i = 0; i < G_N_ELEMENTS(good); i++) {
    g_autoptr(GError) error = NULL;
    g_autofree char *name = g_strconcat("tests/data/topo/", good[i].file, NULL);
    g_autofree char *path = dsp_test_path(name);
    g_autofree char *profile =
        dsp_import_profile(path, &good[i].options, &error);
    g_autoptr(DspCluster) cluster = profile ? load_text(profile, &error) : NULL;
    if (DSP_CHECK(cluster != NULL, "%s: %s", good[i].file,
                  error ? error->message : ""))
      check_cluster(&good[i], cluster);
  }
}

/* --- bad ----------------------------------------------------------------- */

#define SMI  "GPU0 GPU1 CPU Affinity\n"
#define ROWS SMI "GPU0 X PHB 0-7\nGPU1 PHB X 0-7\n"
/* Three NICs cannot serve two GPUs evenly. */
#define NICS                                                                   \
  "GPU0 GPU1 NIC0 NIC1 NIC2 CPU\nGPU0 X PHB PHB PHB PHB 0\n"                   \
  "GPU1 PHB X PHB PHB PHB 0\nNIC0 PHB PHB X PHB PHB\n"                         \
  "NIC1 PHB PHB PHB X PHB\nNIC2 PHB PHB PHB PHB X\n"
#define CPU   "<system version=\"1\"><cpu numaid=\"0\">"
#define PCI   CPU "<pci busid=\"0:1:0\">"
#define GPU   PCI "<gpu dev=\"0\">"
#define CLOSE "</gpu></pci></cpu></system>"

typedef struct {
  const char *text, *gpu, *host;
  int code;
  const char *message;
  const char *network;
} Bad;

static const Bad bad[] = {
    {"", "l40s", "xeon-pcie4", DSP_ERROR_INPUT, ":1:1: neither a line"},
    {"hello\n", "l40s", "xeon-pcie4", DSP_ERROR_INPUT, ":1:1: neither"},
    {"a\nb\xff\n", "l40s", "xeon-pcie4", DSP_ERROR_INPUT, ":2:2: not UTF-8"},
    /* nvidia-smi */
    {SMI, "l40s", "xeon-pcie4", DSP_ERROR_INPUT,
     ":2:1: must be the row of GPU0"},
    {"GPU0 GPU1", "l40s", "xeon-pcie4", DSP_ERROR_INPUT,
     ":1:10: must go on with the row of GPU0"},
    {"GPU0 GPU2\n", "l40s", "xeon-pcie4", DSP_ERROR_INPUT,
     ":1:6: 'GPU2' must be GPU1, or a NIC"},
    {SMI "GPU1 X\n", "l40s", "xeon-pcie4", DSP_ERROR_INPUT,
     ":2:1: GPU1: must be the row of GPU0"},
    {SMI "GPU0 X QPI\n", "l40s", "xeon-pcie4", DSP_ERROR_INPUT,
     ":2:8: QPI: GPU0 to GPU1 must be X, NV and a number"},
    {SMI "GPU0 X NV0\n", "l40s", "xeon-pcie4", DSP_ERROR_INPUT, ":2:8: NV0: "},
    {SMI "GPU0 X NV\n", "l40s", "xeon-pcie4", DSP_ERROR_INPUT, ":2:8: NV: "},
    {SMI "GPU0 X NV4294967297\n", "l40s", "xeon-pcie4", DSP_ERROR_INPUT,
     ":2:8: NV4294967297: "},
    {SMI "GPU0 X\n", "l40s", "xeon-pcie4", DSP_ERROR_INPUT,
     ":2:7: GPU0 to GPU1 must be"},
    {SMI "GPU0 PHB X\n", "l40s", "xeon-pcie4", DSP_ERROR_INPUT,
     ":2:6: GPU0 to GPU0 must be X"},
    {SMI "GPU0 X X\n", "l40s", "xeon-pcie4", DSP_ERROR_INPUT,
     ":2:8: GPU0 to GPU1 must not be X"},
    {SMI "GPU0 X PHB\nGPU1 SYS X\n", "l40s", "xeon-pcie4", DSP_ERROR_INPUT,
     ":3:6: GPU1 to GPU0 differs from the way back"},
    {"GPU0 NIC0\nGPU0 X NV2\n", "l40s", "xeon-pcie4", DSP_ERROR_INPUT,
     ":2:8: only GPUs have NVLinks"},
    {"\tGPU0\tGPU1\tGPU2\nGPU0\tX\tPIX\tSYS\t0\nGPU1\tPIX\tX\tSYS\t0\n"
     "GPU2\tSYS\tSYS\tX\t1\n",
     "l40s", "xeon-pcie4", DSP_ERROR_INPUT,
     ":2:1: every PCIe switch must have 2 GPUs"},
    {"GPU0 GPU1 GPU2\nGPU0 X NV4 NV4\nGPU1 NV4 X NV2\nGPU2 NV4 NV2 X\n",
     "a100-pcie-40", "xeon-pcie4", DSP_ERROR_USAGE, "'--cpus'"},
    {"GPU0 GPU1 GPU2 CPU\nGPU0 X NV8 NV8 0\nGPU1 NV8 X NV8 0\n"
     "GPU2 NV8 NV8 X 0\n",
     "a100-sxm-80", "xeon-pcie4", DSP_ERROR_INPUT,
     "and a100-sxm-80 has 12; '--gpu' must name a GPU with 8"},
    {"GPU0 GPU1 CPU\nGPU0 X NV1 0\nGPU1 NV1 X 0\n", "l40s", "xeon-pcie4",
     DSP_ERROR_INPUT, "NVLinks to a switch, and l40s has 0"},
    {ROWS, NULL, "xeon-pcie4", DSP_ERROR_USAGE, "'--gpu' must name the GPU"},
    {ROWS, "l40s", NULL, DSP_ERROR_USAGE, "'--host' must name the host"},
    {ROWS, "l40z", "xeon-pcie4", DSP_ERROR_USAGE, "did you mean 'l40"},
    {ROWS, "l40s", "xeon", DSP_ERROR_USAGE, "no 'xeon' in hwprofiles/hosts"},
    {NICS, "l40s", "xeon-pcie4", DSP_ERROR_USAGE,
     "no 'ib' in hwprofiles/networks", "ib"},
    {NICS, "l40s", "xeon-pcie4", DSP_ERROR_INPUT,
     ":2:1: makes no profile: profile:", "ib-hdr"},
    {"GPU0 GPU1 NIC0 CPU\nGPU0 X PHB PHB 0\nGPU1 PHB X PHB 0\n"
     "NIC0 PHB PHB X\n",
     "l40s", "xeon-pcie4", DSP_ERROR_USAGE, "'--network' must name"},
    /* NCCL */
    {"<", "l40s", "xeon-pcie4", DSP_ERROR_INPUT, ":1:"},
    {"<topology/>", "l40s", "xeon-pcie4", DSP_ERROR_INPUT,
     "<topology> does not belong here"},
    {"<system version=\"1\">\n<gpu/></system>", "l40s", "xeon-pcie4",
     DSP_ERROR_INPUT, ":2:"},
    {"<system></system>", "l40s", "xeon-pcie4", DSP_ERROR_INPUT,
     "there is no GPU"},
    {"<system>\n\n</cpu>", "l40s", "xeon-pcie4", DSP_ERROR_INPUT, ":3:"},
    {"<system>text</system>", "l40s", "xeon-pcie4", DSP_ERROR_INPUT,
     "no text between elements"},
    {"<system><cpu/></system>", "l40s", "xeon-pcie4", DSP_ERROR_INPUT,
     "'numaid' is missing"},
    {"<system><cpu numaid=\"-1\"/></system>", "l40s", "xeon-pcie4",
     DSP_ERROR_INPUT, "'numaid' must be a number"},
    {CPU "<pci/>", "l40s", "xeon-pcie4", DSP_ERROR_INPUT, "'busid' is missing"},
    {PCI "<gpu/>", "l40s", "xeon-pcie4", DSP_ERROR_INPUT, "'dev' is missing"},
    {GPU "<nvlink/>", "l40s", "xeon-pcie4", DSP_ERROR_INPUT,
     "'target' is missing"},
    {GPU "<nvlink target=\"0:2:0\" count=\"2\" tclass=\"0x030200\"/>" CLOSE,
     "a100-sxm-80", "xeon-pcie4", DSP_ERROR_INPUT,
     "there is no other GPU at '0:2:0'"},
    {GPU "<nvlink target=\"0:1:0\" count=\"2\" tclass=\"0x030200\"/>" CLOSE,
     "a100-sxm-80", "xeon-pcie4", DSP_ERROR_INPUT, "no other GPU at '0:1:0'"},
    {GPU "<nvlink target=\"x\" count=\"999\" tclass=\"0x030200\"/>" CLOSE,
     "a100-sxm-80", "xeon-pcie4", DSP_ERROR_INPUT, "'count' must be a number"},
    {GPU "</gpu></pci><pci busid=\"0:2:0\"><gpu dev=\"0\">" CLOSE, "l40s",
     "xeon-pcie4", DSP_ERROR_INPUT, "there are two GPUs with dev=\"0\""},
    {PCI "<gpu dev=\"0\" sm=\"90\">" CLOSE, "l40s", "xeon-pcie4",
     DSP_ERROR_INPUT, "sm=\"90\", and l40s has"},
    {GPU CLOSE "<system/>", "l40s", "xeon-pcie4", DSP_ERROR_INPUT, ":1:"},
};

static void check_bad(const char *file, const Bad *b, guint i) {
  g_autoptr(GError) error = NULL;
  const DspImportOptions options = {.gpu = (char *)b->gpu,
                                    .host = (char *)b->host,
                                    .network = (char *)b->network};
  DSP_CHECK(g_file_set_contents(file, b->text, -1, NULL), "cannot write");
  g_autofree char *profile = dsp_import_profile(file, &options, &error);
  DSP_CHECK(!profile, "%u '%s' is imported", i, b->text);
  if (b->code == DSP_ERROR_INPUT)
    DSP_CHECK(error && g_str_has_prefix(error->message, file),
              "%u: '%s' does not begin with the file", i,
              error ? error->message : "");
  DSP_CHECK_ERROR(error, b->code, b->message);
}

static void test_bad(void) {
  g_autofree char *file = NULL;
  const int fd = g_file_open_tmp("dspsim-XXXXXX", &file, NULL);
  DSP_CHECK(fd >= 0, "no temporary file");
  g_close(fd, NULL);
  for (guint i = 0; i < G_N_ELEMENTS(bad); i++)
    check_bad(file, &bad[i], i);
  g_unlink(file);
}

/* Every beginning of a file, and every file with one byte changed, is imported
 * or refused: nothing else happens. */
static void try_text(const char *file, const char *text, gsize length,
                     const DspImportOptions *options, guint *refused) {
  g_autoptr(GError) error = NULL;
  if (!g_file_set_contents_full(file, text, (gssize)length,
                                G_FILE_SET_CONTENTS_NONE, 0600, NULL))
    return;
  g_autofree char *profile = dsp_import_profile(file, options, &error);
  DSP_CHECK(!profile == !!error, "neither or both");
  *refused += !profile;
}

static void test_damaged(void) {
  static const char *const bytes = "X<9\t\n\xff\"";
  g_autofree char *file = NULL;
  const int fd = g_file_open_tmp("dspsim-XXXXXX", &file, NULL);
  g_close(fd, NULL);
  for (guint i = 2; i < G_N_ELEMENTS(good); i++) {
    g_autofree char *name = g_strconcat("tests/data/topo/", good[i].file, NULL);
    g_autofree char *path = dsp_test_path(name);
    g_autofree char *text = NULL;
    gsize length = 0;
    guint refused = 0;
    DSP_CHECK(g_file_get_contents(path, &text, &length, NULL), "%s", path);
    for (gsize at = 0; at < length; at += 7) {
      try_text(file, text, at, &good[i].options, &refused);
      const char kept = text[at];
      text[at] = bytes[at % strlen(bytes)];
      try_text(file, text, length, &good[i].options, &refused);
      text[at] = kept;
    }
    DSP_CHECK(refused > length / 14, "%s: only %u refused", good[i].file,
              refused);
  }
  g_unlink(file);
}

static CU_TestInfo import_tests[] = {
    {"what a file says is what its profile loads as", test_good},
    {"what is wrong, and where", test_bad},
    {"damaged files", test_damaged},
    CU_TEST_INFO_NULL,
};

static CU_SuiteInfo suites[] = {
    {.pName = "import", .pTests = import_tests},
    CU_SUITE_INFO_NULL,
};
DSP_TEST_MAIN(suites)
