/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"
#include "base/paths.h"
#include "cluster/profile.h"

#define NETWORK_FOLDER "hwprofiles/networks"
#define NETWORK_SCHEMA "dspsim.network/1"

typedef struct {
  DspTransport transport;
  char *schema, *title;
} NetworkFile;

#define FIELD(key, type, flags, doc)                                           \
  {                                                                            \
#key, DSP_FIELD_##type, G_STRUCT_OFFSET(NetworkFile, transport.key),       \
        flags, NULL, doc                                                       \
  }

static const DspField network_fields[] = {
    {"schema", DSP_FIELD_STRING, G_STRUCT_OFFSET(NetworkFile, schema), 0, NULL,
     "\"" NETWORK_SCHEMA "\""},
    {"title", DSP_FIELD_STRING, G_STRUCT_OFFSET(NetworkFile, title), 0, NULL,
     "what it is, one line"},
    FIELD(bandwidth, RATE, DSP_FIELD_OPTIONAL,
          "payload of one NVLink or one NIC, one way"),
    FIELD(latency, TIME, DSP_FIELD_OPTIONAL, "time over one link"),
    FIELD(channel_rate, RATE, 0, "copy rate of one channel, collectives"),
    FIELD(p2p_channel_rate, RATE, 0, "copy rate of one channel, send/recv"),
    FIELD(all_to_all_rate, RATE, DSP_FIELD_OPTIONAL,
          "most that leaves one GPU or one NIC in an all_to_all"),
    FIELD(channels, COUNT, 0, "most channels of a collective"),
    FIELD(p2p_channels, COUNT, 0, "most channels of send/recv"),
    FIELD(peer_channels, COUNT, 0, "most channels of send/recv with one peer"),
    FIELD(launch, TIME, DSP_FIELD_ZERO, "start of a collective on the GPU"),
    FIELD(p2p_launch, TIME, 0, "start of a group of send/recv on the GPU"),
    FIELD(p2p_peer, TIME, DSP_FIELD_ZERO, "each peer of such a group"),
    FIELD(step_ll, TIME, 0, "one ring step of protocol LL"),
    FIELD(step_ll128, TIME, 0, "one ring step of protocol LL128"),
    FIELD(step_simple, TIME, 0, "one ring step of protocol Simple"),
    FIELD(tree_ll, TIME, 0, "one tree level of protocol LL"),
    FIELD(tree_ll128, TIME, 0, "one tree level of protocol LL128"),
    FIELD(tree_simple, TIME, 0, "one tree level of protocol Simple"),
    FIELD(efficiency_ll, NUMBER, 0, "payload share of the wire, LL"),
    FIELD(efficiency_ll128, NUMBER, 0, "payload share of the wire, LL128"),
    FIELD(nvls, BOOL, DSP_FIELD_OPTIONAL, "the switch reduces"),
    FIELD(nvls_efficiency, NUMBER, DSP_FIELD_OPTIONAL,
          "share of NVLink bandwidth that an NVLS all_reduce reaches"),
    FIELD(step_nvls, TIME, DSP_FIELD_OPTIONAL, "one pass through the switch"),
    {NULL},
};
#undef FIELD

static const DspRange network_ranges[] = {
    {"efficiency_ll", 0, 1},
    {"efficiency_ll128", 0, 1},
    {"nvls_efficiency", 0, 1},
    {"channels", 1, 64},
    {"p2p_channels", 1, 64},
    {"peer_channels", 1, 64},
    {NULL},
};

static gboolean check(const DspJson *json, const NetworkFile *file,
                      GError **error) {
  const cJSON *root = dsp_json_root(json);
  if (g_strcmp0(file->schema, NETWORK_SCHEMA) != 0)
    return dsp_json_fail(json, cJSON_GetObjectItemCaseSensitive(root, "schema"),
                         error, "'schema' must be '" NETWORK_SCHEMA "'");
  const DspTransport *t = &file->transport;
  if (t->nvls && (t->nvls_efficiency <= 0 || t->step_nvls <= 0))
    return dsp_json_fail(
        json, cJSON_GetObjectItemCaseSensitive(root, "nvls"), error,
        "'nvls' needs 'nvls_efficiency' and 'step_nvls' beside it");
  return dsp_check_ranges(json, root, network_ranges, error);
}

gboolean dsp_transport_load(const char *name, DspTransport *transport,
                            DspJson **json, GError **error) {
  g_autofree char *path = dsp_find_data(NETWORK_FOLDER, name, error);
  g_autoptr(DspJson) loaded = path ? dsp_json_load(path, error) : NULL;
  if (!loaded)
    return FALSE;
  NetworkFile file = {0};
  gboolean ok = dsp_json_read(loaded, dsp_json_root(loaded), network_fields,
                              &file, error) &&
                check(loaded, &file, error);
  g_free(file.schema);
  g_free(file.title);
  if (!ok)
    return FALSE;
  *transport = file.transport;
  *json = g_steal_pointer(&loaded);
  return TRUE;
}
