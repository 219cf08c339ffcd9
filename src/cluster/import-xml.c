/* SPDX-License-Identifier: Apache-2.0 */
/* NCCL's topology, as NCCL_TOPO_DUMP_FILE has it: CPUs, in them PCI bridges, in
 * them GPUs and NICs, in GPUs their NVLinks.
 * Source: NVIDIA/nccl:src/graph/xml.cc at v2.28.9-1. */
#include "cluster/machine.h"
#include <stdlib.h>
#include <string.h>

typedef enum {
  SYSTEM,
  CPU,
  PCI,
  GPU,
  NVLINK,
  C2C,
  PCILINK,
  NIC,
  NET,
  N_ELEMENTS,
} Element;

/* Elements, and in which they may stand. */
#define IN(element) (1u << (element))
static const struct {
  const char *name;
  guint parents; /* 0: the root */
} elements[N_ELEMENTS] = {
    [SYSTEM] = {"system", 0},           [CPU] = {"cpu", IN(SYSTEM)},
    [PCI] = {"pci", IN(CPU) | IN(PCI)}, [GPU] = {"gpu", IN(PCI)},
    [NVLINK] = {"nvlink", IN(GPU)},     [C2C] = {"c2c", IN(GPU)},
    [PCILINK] = {"pcilink", IN(PCI)},   [NIC] = {"nic", IN(CPU) | IN(PCI)},
    [NET] = {"net", IN(NIC)},
};

/* PCI device ids of NVIDIA (pci-ids.ucw.cz) for which there is a file. */
static const struct {
  const char *device, *gpu;
} gpu_ids[] = {
    {"0x1db1", "v100-sxm2"},    {"0x1db5", "v100-sxm2"},
    {"0x20b0", "a100-sxm-40"},  {"0x20b2", "a100-sxm-80"},
    {"0x20b5", "a100-pcie-80"}, {"0x20f1", "a100-pcie-40"},
    {"0x20f3", "a800-sxm-80"},  {"0x2235", "a40"},
    {"0x2324", "h800-sxm"},     {"0x2329", "h20-sxm"},
    {"0x2330", "h100-sxm"},     {"0x2331", "h100-pcie"},
    {"0x2335", "h200-sxm"},     {"0x2684", "rtx4090"},
    {"0x26b5", "l40"},          {"0x26b9", "l40s"},
    {"0x27b6", "l20"},          {"0x2901", "b200-sxm"},
};

/* Hosts by the CPU and the speed of the GPU's slot. */
static const struct {
  const char *cpu, *speed, *host;
} hosts[] = {
    {"GenuineIntel", "8", "xeon-pcie3"},  {"GenuineIntel", "16", "xeon-pcie4"},
    {"GenuineIntel", "32", "xeon-pcie5"}, {"AuthenticAMD", "16", "epyc-pcie4"},
    {"AuthenticAMD", "32", "epyc-pcie5"}, {"arm64", NULL, "grace"},
};

/* NVLinks whose other end may come later. */
typedef struct {
  guint gpu, count;
  char *target;
  DspMark at;
} Link;

typedef struct {
  guint dev;
  char *bus;
} Gpu;

typedef struct {
  DspMachine *machine;
  GMarkupParseContext *context;
  GArray *open;         /* Element: those that have begun */
  GArray *gpus, *links; /* Gpu, as machine->gpus; Link */
  guint slot, n_slots, cpu;
  guint depth;                         /* of PCI bridges */
  gboolean ended;                      /* there was a <system> */
  char *bus, *device, *speed, *vendor; /* of the innermost bridge, the CPU */
} Reader;

static DspMark here(const Reader *r) {
  int line, column;
  g_markup_parse_context_get_position(r->context, &line, &column);
  return (DspMark){(guint)line, (guint)column};
}

/* --- attributes ---------------------------------------------------------- */

typedef struct {
  const char **names, **values;
} Attributes;

static const char *find(Attributes a, const char *name) {
  for (guint i = 0; a.names[i]; i++)
    if (strcmp(a.names[i], name) == 0)
      return a.values[i];
  return NULL;
}

static gboolean need_text(Reader *r, Attributes a, const char *name,
                          const char **text, GError **error) {
  *text = find(a, name);
  return (*text && **text) ||
         dsp_machine_fail(r->machine, here(r), error, "'%s' is missing", name);
}

static gboolean need_number(Reader *r, Attributes a, const char *name,
                            guint most, guint *number, GError **error) {
  const char *text;
  guint64 value = 0;
  if (!need_text(r, a, name, &text, error))
    return FALSE;
  if (!g_ascii_string_to_unsigned(text, 10, 0, most, &value, NULL))
    return dsp_machine_fail(r->machine, here(r), error,
                            "'%s' must be a number from 0 to %u", name, most);
  *number = (guint)value;
  return TRUE;
}

static void keep(char **member, const char *text) {
  g_free(*member);
  *member = g_strdup(text);
}

/* --- elements ------------------------------------------------------------ */

static gboolean begin_cpu(Reader *r, Attributes a, GError **error) {
  const char *vendor = find(a, "vendor"), *arch = find(a, "arch");
  keep(&r->vendor, arch && strcmp(arch, "arm64") == 0 ? arch : vendor);
  r->depth = 0;
  r->slot = ++r->n_slots;
  return need_number(r, a, "numaid", 65535, &r->cpu, error);
}

/* What hangs on one of a CPU's ports is below one switch. */
static gboolean begin_pci(Reader *r, Attributes a, GError **error) {
  const char *bus;
  if (r->depth++ == 0)
    r->slot = ++r->n_slots;
  if (!need_text(r, a, "busid", &bus, error))
    return FALSE;
  keep(&r->bus, bus);
  keep(&r->device, find(a, "device"));
  keep(&r->speed, find(a, "link_speed"));
  return TRUE;
}

static const char *gpu_of(const char *device) {
  for (guint i = 0; device && i < G_N_ELEMENTS(gpu_ids); i++)
    if (g_ascii_strcasecmp(device, gpu_ids[i].device) == 0)
      return gpu_ids[i].gpu;
  return NULL;
}

/* "16.0 GT/s PCIe" and "16 GT/s" are the same speed. */
static gboolean is_speed(const char *text, const char *speed) {
  const gsize n = strlen(speed);
  return text && strncmp(text, speed, n) == 0 && !g_ascii_isdigit(text[n]);
}

static const char *host_of(const Reader *r) {
  for (guint i = 0; r->vendor && i < G_N_ELEMENTS(hosts); i++)
    if (strcmp(r->vendor, hosts[i].cpu) == 0 &&
        (!hosts[i].speed || is_speed(r->speed, hosts[i].speed)))
      return hosts[i].host;
  return NULL;
}

static gboolean begin_gpu(Reader *r, Attributes a, GError **error) {
  DspMachine *m = r->machine;
  const DspDevice device = {r->slot, r->cpu, here(r)};
  Gpu gpu = {.bus = g_strdup(r->bus)};
  if (m->gpus->len == DSP_IMPORT_GPUS) {
    g_free(gpu.bus);
    return dsp_machine_fail(m, device.at, error, "more than %d GPUs",
                            DSP_IMPORT_GPUS);
  }
  g_array_append_val(m->gpus, device);
  g_array_append_val(r->gpus, gpu);
  m->gpu = gpu_of(r->device);
  m->host = host_of(r);
  return need_number(r, a, "dev", 1023,
                     &g_array_index(r->gpus, Gpu, r->gpus->len - 1).dev,
                     error) &&
         (!find(a, "sm") || need_number(r, a, "sm", 999, &m->sm, error));
}

static gboolean begin_nvlink(Reader *r, Attributes a, GError **error) {
  const char *target, *class;
  const guint gpu = r->gpus->len - 1;
  guint count = 0;
  if (!need_text(r, a, "target", &target, error) ||
      !need_text(r, a, "tclass", &class, error) ||
      !need_number(r, a, "count", 64, &count, error))
    return FALSE;
  if (g_str_has_prefix(class, "0x0680")) {
    r->machine->switched[gpu] += count;
    return TRUE;
  }
  g_array_set_size(r->links, r->links->len + 1);
  g_array_index(r->links, Link, r->links->len - 1) =
      (Link){gpu, count, g_strdup(target), here(r)};
  return TRUE;
}

static gboolean begin_net(Reader *r, Attributes a, GError **error) {
  const DspDevice device = {r->slot, r->cpu, here(r)};
  (void)a;
  if (r->machine->nics->len == DSP_IMPORT_NICS)
    return dsp_machine_fail(r->machine, device.at, error, "more than %d NICs",
                            DSP_IMPORT_NICS);
  g_array_append_val(r->machine->nics, device);
  return TRUE;
}

static gboolean (*const begins[N_ELEMENTS])(Reader *, Attributes, GError **) = {
    [CPU] = begin_cpu, [PCI] = begin_pci,       [GPU] = begin_gpu,
    [NET] = begin_net, [NVLINK] = begin_nvlink,
};

/* --- GMarkup ------------------------------------------------------------- */

static gboolean fits(const Reader *r, Element element) {
  if (r->open->len == 0)
    return elements[element].parents == 0 && !r->ended;
  const Element parent = g_array_index(r->open, Element, r->open->len - 1);
  return (elements[element].parents & IN(parent)) != 0;
}

static void start_element(GMarkupParseContext *context, const char *name,
                          const char **names, const char **values,
                          gpointer data, GError **error) {
  Reader *r = data;
  Element e = SYSTEM;
  (void)context;
  while (e < N_ELEMENTS && strcmp(elements[e].name, name) != 0)
    e++;
  if (e == N_ELEMENTS || !fits(r, e)) {
    dsp_machine_fail(r->machine, here(r), error,
                     "<%s> does not belong here in a topology of NCCL", name);
    return;
  }
  g_array_append_val(r->open, e);
  if (begins[e])
    begins[e](r, (Attributes){names, values}, error);
}

static void end_element(GMarkupParseContext *context, const char *name,
                        gpointer data, GError **error) {
  Reader *r = data;
  (void)context, (void)name, (void)error;
  if (g_array_index(r->open, Element, r->open->len - 1) == PCI)
    r->depth--;
  g_array_set_size(r->open, r->open->len - 1);
  r->ended = r->open->len == 0;
}

static void add_text(GMarkupParseContext *context, const char *text,
                     gsize length, gpointer data, GError **error) {
  Reader *r = data;
  (void)context;
  for (gsize i = 0; i < length; i++)
    if (!g_ascii_isspace(text[i])) {
      dsp_machine_fail(r->machine, here(r), error,
                       "there must be no text between elements");
      return;
    }
}

static const GMarkupParser parser = {.start_element = start_element,
                                     .end_element = end_element,
                                     .text = add_text};

/* GLib's own errors say the place in words. */
static void place_error(const Reader *r, GError *cause, GError **error) {
  const char *message = strstr(cause->message, ": ");
  if (cause->domain != DSP_ERROR)
    dsp_machine_fail(r->machine, here(r), error, "%s",
                     message ? message + 2 : cause->message);
  else
    g_propagate_error(error, g_error_copy(cause));
}

static gboolean parse(Reader *r, GError **error) {
  g_autoptr(GError) cause = NULL;
  if (g_markup_parse_context_parse(r->context, r->machine->text, -1, &cause) &&
      g_markup_parse_context_end_parse(r->context, &cause))
    return TRUE;
  place_error(r, cause, error);
  return FALSE;
}

/* --- what it means ------------------------------------------------------- */

static gboolean resolve_links(Reader *r, GError **error) {
  for (guint i = 0; i < r->links->len; i++) {
    const Link *link = &g_array_index(r->links, Link, i);
    guint to = 0;
    while (to < r->gpus->len &&
           g_ascii_strcasecmp(g_array_index(r->gpus, Gpu, to).bus,
                              link->target) != 0)
      to++;
    if (to == r->gpus->len || to == link->gpu)
      return dsp_machine_fail(r->machine, link->at, error,
                              "there is no other GPU at '%s'", link->target);
    r->machine->links[link->gpu][to] += link->count;
  }
  return TRUE;
}

static void swap_gpus(Reader *r, guint a, guint b) {
  DspMachine *m = r->machine;
  DspDevice *devices = (DspDevice *)(void *)m->gpus->data;
  Gpu *gpus = (Gpu *)(void *)r->gpus->data;
  const DspDevice device = devices[a];
  const Gpu gpu = gpus[a];
  devices[a] = devices[b], devices[b] = device;
  gpus[a] = gpus[b], gpus[b] = gpu;
  guint row[DSP_IMPORT_GPUS];
  memcpy(row, m->links[a], sizeof row);
  memcpy(m->links[a], m->links[b], sizeof row);
  memcpy(m->links[b], row, sizeof row);
  for (guint i = 0; i < DSP_IMPORT_GPUS; i++) {
    const guint links = m->links[i][a];
    m->links[i][a] = m->links[i][b], m->links[i][b] = links;
  }
  const guint switched = m->switched[a];
  m->switched[a] = m->switched[b], m->switched[b] = switched;
}

/* GPUs in the order of their numbers in CUDA. */
static gboolean sort_gpus(Reader *r, GError **error) {
  for (guint i = 1; i < r->gpus->len; i++)
    for (guint j = i; j > 0; j--) {
      const guint dev = g_array_index(r->gpus, Gpu, j).dev;
      const guint before = g_array_index(r->gpus, Gpu, j - 1).dev;
      if (dev > before)
        break;
      if (dev == before)
        return dsp_machine_fail(
            r->machine, g_array_index(r->machine->gpus, DspDevice, j).at, error,
            "there are two GPUs with dev=\"%u\"", dev);
      swap_gpus(r, j - 1, j);
    }
  return TRUE;
}

static void clear_gpu(gpointer data) {
  g_free(((Gpu *)data)->bus);
}

static void clear_link(gpointer data) {
  g_free(((Link *)data)->target);
}

static void reader_clear(Reader *r) {
  g_markup_parse_context_free(r->context);
  g_array_free(r->open, TRUE);
  g_array_free(r->gpus, TRUE);
  g_array_free(r->links, TRUE);
  g_free(r->bus);
  g_free(r->device);
  g_free(r->speed);
  g_free(r->vendor);
}

static gboolean read(DspMachine *machine, GError **error) {
  Reader r = {.machine = machine,
              .open = g_array_new(FALSE, FALSE, sizeof(Element)),
              .gpus = g_array_new(FALSE, FALSE, sizeof(Gpu)),
              .links = g_array_new(FALSE, FALSE, sizeof(Link))};
  r.context = g_markup_parse_context_new(&parser, 0, &r, NULL);
  g_array_set_clear_func(r.gpus, clear_gpu);
  g_array_set_clear_func(r.links, clear_link);
  const gboolean done =
      parse(&r, error) && resolve_links(&r, error) && sort_gpus(&r, error);
  reader_clear(&r);
  return done;
}

static gboolean recognises(const char *text) {
  return text[strspn(text, " \t\r\n")] == '<';
}

const DspImporter dsp_import_xml = {"the topology of NCCL", recognises, read};
