/* SPDX-License-Identifier: Apache-2.0 */
/* From a machine to its profile. What the profile cannot say is refused; what
 * the file does not say must be said by an option, or is marked as an
 * estimate. */
#include "cluster/import.h"
#include "base/error.h"
#include "base/paths.h"
#include "cluster/machine.h"
#include "cluster/profile.h"
#include <string.h>

#define MAX_BYTES (16 << 20)

static const DspImporter *const importers[] = {&dsp_import_smi,
                                               &dsp_import_xml};

/* What a profile needs to know of a machine. */
typedef struct {
  const DspMachine *machine;
  const DspImportOptions *options;
  const DspImporter *importer;
  const char *gpu, *host;
  guint n_gpus, n_nics;
  guint gpus_per_switch, gpus_per_cpu;
  guint width; /* NVLinks of a GPU to a switch, 0: none */
  DspNodeKind kind;
  DspGpu *data;
} Plan;

gboolean dsp_machine_fail(const DspMachine *machine, DspMark at, GError **error,
                          const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  dsp_error_at(error, machine->file, at.line, at.column, format, arguments);
  va_end(arguments);
  return FALSE;
}

static gboolean need_option(const Plan *plan, const char *option,
                            const char *what, GError **error) {
  g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE,
              "option '--%s' must name %s, which '%s' does not tell", option,
              what, plan->machine->file);
  return FALSE;
}

static gboolean exists(const char *folder, const char *name, GError **error) {
  g_autofree char *path = dsp_find_data(folder, name, error);
  return path != NULL;
}

static const DspDevice *gpu_at(const Plan *plan, guint i) {
  return &g_array_index(plan->machine->gpus, DspDevice, i);
}

/* --- PCIe ---------------------------------------------------------------- */

static guint slot_of(const DspDevice *device) {
  return device->slot;
}

static guint cpu_of(const DspDevice *device) {
  return device->cpu;
}

/* How many GPUs are on each switch or CPU, which must be neighbours, and as
 * many on each; else 0. */
static guint find_share(const Plan *plan, guint (*of)(const DspDevice *),
                        const char *what, const char *remedy, GError **error) {
  guint n = 1;
  while (n < plan->n_gpus && of(gpu_at(plan, n)) == of(gpu_at(plan, 0)))
    n++;
  for (guint i = 0; i < plan->n_gpus; i++) {
    const DspDevice *first = gpu_at(plan, i / n * n);
    const gboolean begins = i > 0 && i % n == 0;
    if (of(gpu_at(plan, i)) == of(first) && plan->n_gpus % n == 0 &&
        !(begins && of(first) == of(gpu_at(plan, i - 1))))
      continue;
    dsp_machine_fail(plan->machine, gpu_at(plan, i)->at, error,
                     "every %s must have %u GPUs, as the first has, and "
                     "neighbours%s",
                     what, n, remedy);
    return 0;
  }
  return n;
}

static gboolean has_unknown_cpu(const Plan *plan) {
  for (guint i = 0; i < plan->n_gpus; i++)
    if (gpu_at(plan, i)->cpu == DSP_UNKNOWN)
      return TRUE;
  return FALSE;
}

static gboolean set_cpus(Plan *plan, GError **error) {
  const guint n = plan->n_gpus, cpus = (guint)MIN(plan->options->cpus, n + 1);
  if (cpus == 0 && has_unknown_cpu(plan))
    return need_option(plan, "cpus", "the number of CPUs", error);
  plan->gpus_per_cpu =
      cpus ? n / cpus
           : find_share(plan, cpu_of, "CPU", "; '--cpus' overrides it", error);
  if (cpus == 0)
    return plan->gpus_per_cpu > 0;
  if (n % cpus == 0)
    return TRUE;
  g_set_error(error, DSP_ERROR, DSP_ERROR_USAGE,
              "option '--cpus': %u GPUs do not share %" G_GINT64_FORMAT
              " CPUs evenly",
              n, plan->options->cpus);
  return FALSE;
}

static gboolean find_pcie(Plan *plan, GError **error) {
  const guint share = find_share(plan, slot_of, "PCIe switch", "", error);
  plan->gpus_per_switch = share;
  if (share == 0 || !set_cpus(plan, error))
    return FALSE;
  return plan->gpus_per_cpu % share == 0 ||
         dsp_machine_fail(plan->machine, gpu_at(plan, 0)->at, error,
                          "%u GPUs of a PCIe switch and %u of a CPU do not fit "
                          "together",
                          share, plan->gpus_per_cpu);
}

/* --- NVLink -------------------------------------------------------------- */

static guint links_of(const Plan *plan, guint gpu) {
  guint sum = 0;
  for (guint i = 0; i < plan->n_gpus; i++)
    sum += plan->machine->links[gpu][i];
  return sum;
}

/* A GPU that would have more links than it has reaches all over the same. */
static guint width_of(const Plan *plan, guint gpu) {
  const guint *links = plan->machine->links[gpu];
  if (plan->machine->switched[gpu] > 0)
    return plan->machine->switched[gpu];
  return links_of(plan, gpu) > plan->data->links ? links[gpu == 0] : 0;
}

static gboolean check_switch(const Plan *plan, GError **error) {
  const DspMachine *m = plan->machine;
  for (guint i = 0; i < plan->n_gpus; i++) {
    gboolean same = width_of(plan, i) == plan->width;
    for (guint j = 0; j < plan->n_gpus; j++)
      same = same &&
             (i == j || m->switched[i] > 0 || m->links[i][j] == plan->width);
    if (!same)
      return dsp_machine_fail(m, gpu_at(plan, i)->at, error,
                              "has not %u NVLinks to a switch, as the first "
                              "GPU; %s has %" G_GINT64_FORMAT " in all",
                              plan->width, plan->gpu, plan->data->links);
  }
  if (plan->width == plan->data->links)
    return TRUE;
  return dsp_machine_fail(
      m, gpu_at(plan, 0)->at, error,
      "has %u NVLinks to a switch, and %s has %" G_GINT64_FORMAT
      "; '--gpu' must name a GPU with %u",
      plan->width, plan->gpu, plan->data->links, plan->width);
}

static gboolean find_nvlinks(Plan *plan, GError **error) {
  guint links = 0;
  plan->width = plan->n_gpus > 1 ? width_of(plan, 0) : 0;
  for (guint i = 0; i < plan->n_gpus; i++)
    links += links_of(plan, i);
  plan->kind = plan->width > 0 ? DSP_NODE_SWITCH
               : links > 0     ? DSP_NODE_MESH
                               : DSP_NODE_PCIE;
  return plan->width == 0 || check_switch(plan, error);
}

/* --- NICs ---------------------------------------------------------------- */

static gboolean is_near(const Plan *plan, const DspDevice *nic) {
  for (guint i = 0; i < plan->n_gpus; i++)
    if (gpu_at(plan, i)->slot == nic->slot)
      return TRUE;
  return FALSE;
}

/* Those that share a PCIe switch with a GPU, or all if none does: the others
 * are for storage and the like. */
static gboolean find_nics(Plan *plan, GError **error) {
  const GArray *nics = plan->machine->nics;
  const char *network = plan->options->network;
  guint near = 0;
  for (guint i = 0; i < nics->len; i++)
    near += is_near(plan, &g_array_index(nics, DspDevice, i));
  plan->n_nics = g_strcmp0(network, "none") == 0 ? 0
                 : near > 0                      ? near
                                                 : nics->len;
  if (plan->n_nics > 0 && !network)
    return need_option(plan, "network", "the network of its NICs, or 'none'",
                       error);
  return plan->n_nics == 0 || exists("hwprofiles/networks", network, error);
}

/* --- names --------------------------------------------------------------- */

static gboolean find_names(Plan *plan, GError **error) {
  const DspImportOptions *o = plan->options;
  const DspMachine *m = plan->machine;
  plan->gpu = o->gpu ? o->gpu : m->gpu;
  plan->host = o->host ? o->host : m->host;
  if (!plan->gpu)
    return need_option(plan, "gpu", "the GPU", error);
  if (!plan->host)
    return need_option(plan, "host", "the host", error);
  plan->data = dsp_gpu_load(plan->gpu, error);
  if (!plan->data || !exists("hwprofiles/hosts", plan->host, error))
    return FALSE;
  return m->sm == 0 || m->sm / 10 == plan->data->tile_family / 10 ||
         dsp_machine_fail(m, gpu_at(plan, 0)->at, error,
                          "the GPU has sm=\"%u\", and %s has %" G_GINT64_FORMAT
                          "; '--gpu' must name another",
                          m->sm, plan->gpu, plan->data->tile_family);
}

/* The collective constants of the GPU's generation. */
static const char *intra_of(const Plan *plan) {
  static const struct {
    int64_t family;
    const char *mesh, *nvswitch;
  } names[] = {
      {100, "nvlink-mesh-h100", "nvswitch-b200"},
      {90, "nvlink-mesh-h100", "nvswitch-h100"},
      {80, "nvlink-mesh-a100", "nvswitch-a100"},
      {0, "nvlink-mesh-v100", "nvswitch-v100"},
  };
  guint i = 0;
  while (plan->data->tile_family < names[i].family)
    i++;
  return plan->kind == DSP_NODE_PCIE   ? "pcie-p2p"
         : plan->kind == DSP_NODE_MESH ? names[i].mesh
                                       : names[i].nvswitch;
}

/* --- the profile --------------------------------------------------------- */

static void add_string(GString *out, const char *key, const char *text) {
  g_autofree char *valid = g_utf8_make_valid(text, -1);
  cJSON *string = cJSON_CreateString(valid);
  char *quoted = cJSON_PrintUnformatted(string);
  g_string_append_printf(out, "  \"%s\": %s,\n", key, quoted);
  cJSON_free(quoted);
  cJSON_Delete(string);
}

static void add_names(const Plan *plan, GString *out) {
  g_autofree char *base = g_path_get_basename(plan->machine->file);
  g_autofree char *source =
      g_strdup_printf("%s, imported from %s", plan->importer->name, base);
  g_autofree char *title =
      g_strdup_printf("%u x %s, from %s", plan->n_gpus, plan->gpu, base);
  add_string(out, "schema", "dspsim.cluster/1");
  add_string(out, "title", plan->options->name ? plan->options->name : title);
  add_string(out, "source", source);
  add_string(out, "gpu", plan->gpu);
  add_string(out, "host", plan->host);
  add_string(out, "intra", intra_of(plan));
  if (plan->n_nics > 0)
    add_string(out, "inter", plan->options->network);
}

static void add_node(const Plan *plan, GString *out) {
  g_string_append_printf(out,
                         "  \"node\": {\n    \"gpus\": %u,\n    \"kind\": "
                         "\"%s\"",
                         plan->n_gpus, dsp_node_kind_names[plan->kind]);
  if (plan->gpus_per_switch > 1)
    g_string_append_printf(out, ",\n    \"gpus_per_pcie_switch\": %u",
                           plan->gpus_per_switch);
  if (plan->gpus_per_cpu < plan->n_gpus)
    g_string_append_printf(out, ",\n    \"pcie_switches_per_cpu\": %u",
                           plan->gpus_per_cpu / plan->gpus_per_switch);
  g_string_append(out, "\n  }");
}

static void add_mesh(const Plan *plan, GString *out) {
  const guint n = plan->kind == DSP_NODE_MESH ? plan->n_gpus : 0;
  for (guint i = 0; i < n; i++) {
    g_string_append(out, i ? ",\n    [" : ",\n  \"mesh\": [\n    [");
    for (guint j = 0; j < n; j++)
      g_string_append_printf(out, "%s%u", j ? ", " : "",
                             plan->machine->links[i][j]);
    g_string_append(out, "]");
  }
  g_string_append(out, n ? "\n  ]" : "");
}

static void add_network(const Plan *plan, GString *out) {
  if (plan->n_nics > 0)
    g_string_append_printf(
        out,
        ",\n  \"nic\": {\n    \"count\": %u\n  },\n  \"fabric\": {\n"
        "    \"kind\": \"switch\",\n    \"estimate\": true,\n"
        "    \"source\": \"one switch without contention: what was imported "
        "does not tell\"\n  }",
        plan->n_nics);
}

/* The loader has the last word: it knows all rules of profiles. */
static gboolean check_profile(const Plan *plan, const GString *text,
                              GError **error) {
  g_autoptr(GError) why = NULL;
  g_autoptr(DspCluster) cluster = dsp_cluster_new("imported");
  cluster->json = dsp_json_parse("profile", text->str, text->len, &why);
  if (cluster->json && dsp_cluster_read(cluster, &why))
    return TRUE;
  return dsp_machine_fail(plan->machine, gpu_at(plan, 0)->at, error,
                          "makes no profile: %s", why->message);
}

static char *write_profile(const Plan *plan, GError **error) {
  g_autoptr(GString) out = g_string_new("{\n");
  add_names(plan, out);
  add_node(plan, out);
  add_mesh(plan, out);
  add_network(plan, out);
  g_string_append(out, "\n}\n");
  return check_profile(plan, out, error)
             ? g_string_free(g_steal_pointer(&out), FALSE)
             : NULL;
}

/* --- the file ------------------------------------------------------------ */

static gboolean check_text(const DspMachine *machine, gsize length,
                           GError **error) {
  const char *bad;
  if (length > MAX_BYTES)
    return dsp_machine_fail(machine, (DspMark){1, 1}, error,
                            "longer than %d bytes", MAX_BYTES);
  if (g_utf8_validate(machine->text, (gssize)length, &bad))
    return TRUE;
  DspMark at = {1, 1};
  for (const char *c = machine->text; c < bad; c++) {
    at.line += *c == '\n';
    at.column = *c == '\n' ? 1 : at.column + 1;
  }
  return dsp_machine_fail(machine, at, error, "not UTF-8 text");
}

static const DspImporter *find_importer(const DspMachine *machine,
                                        GError **error) {
  for (guint i = 0; i < G_N_ELEMENTS(importers); i++)
    if (importers[i]->recognises(machine->text))
      return importers[i];
  dsp_machine_fail(machine, (DspMark){1, 1}, error,
                   "neither a line 'GPU0 GPU1 ...' of 'nvidia-smi topo -m' nor "
                   "XML of NCCL_TOPO_DUMP_FILE");
  return NULL;
}

static gboolean has_gpus(const DspMachine *machine, GError **error) {
  return machine->gpus->len > 0 ||
         dsp_machine_fail(machine, (DspMark){1, 1}, error, "there is no GPU");
}

static char *import(DspMachine *machine, const DspImportOptions *options,
                    GError **error) {
  Plan plan = {.machine = machine,
               .options = options,
               .importer = find_importer(machine, error)};
  if (!plan.importer || !plan.importer->read(machine, error) ||
      !has_gpus(machine, error))
    return NULL;
  plan.n_gpus = machine->gpus->len;
  char *profile = find_names(&plan, error) && find_nvlinks(&plan, error) &&
                          find_pcie(&plan, error) && find_nics(&plan, error)
                      ? write_profile(&plan, error)
                      : NULL;
  dsp_gpu_free(plan.data);
  return profile;
}

char *dsp_import_profile(const char *file, const DspImportOptions *options,
                         GError **error) {
  g_autofree char *text = NULL;
  g_autoptr(GError) cause = NULL;
  gsize length;
  if (!g_file_get_contents(file, &text, &length, &cause)) {
    g_set_error(error, DSP_ERROR, DSP_ERROR_INPUT, "%s: %s", file,
                cause->message);
    return NULL;
  }
  DspMachine *machine = g_new0(DspMachine, 1);
  machine->file = file;
  machine->text = text;
  machine->gpus = g_array_new(FALSE, FALSE, sizeof(DspDevice));
  machine->nics = g_array_new(FALSE, FALSE, sizeof(DspDevice));
  char *profile = check_text(machine, length, error)
                      ? import(machine, options, error)
                      : NULL;
  g_array_free(machine->gpus, TRUE);
  g_array_free(machine->nics, TRUE);
  g_free(machine);
  return profile;
}
