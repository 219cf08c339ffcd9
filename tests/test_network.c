/* SPDX-License-Identifier: Apache-2.0 */
#include "test_network.h"

DspCluster dsp_test_cluster(gint64 nodes, gint64 gpus) {
  return (DspCluster){
      .name = (char *)"test",
      .gpus_per_node = gpus,
      .node_kind = DSP_NODE_SWITCH,
      .domain_nodes = 1,
      .nvlink_bandwidth = 450e9,
      .nvlink_latency = 0.5e-6,
      .gpus_per_pcie_switch = 1,
      .pcie_switches_per_cpu = 1,
      .nics = nodes > 1 ? gpus : 0,
      .nic_bandwidth = 50e9,
      .nic_latency = 1e-6,
      .gpudirect = TRUE,
      .fabric = nodes > 1 ? DSP_FABRIC_SWITCH : DSP_FABRIC_NONE,
      .nodes_per_leaf = nodes,
      .oversubscription = 1,
  };
}

void dsp_test_transports(DspCluster *cluster) {
  const DspTransport transport = {
      .bandwidth = 50e9,
      .latency = 1e-6,
      .channel_rate = 20e9,
      .p2p_channel_rate = 20e9,
      .channels = 24,
      .p2p_channels = 32,
      .peer_channels = 2,
      .launch = 5e-6,
      .p2p_launch = 6e-6,
      .p2p_peer = 1e-6,
      .step_ll = 1e-6,
      .step_ll128 = 2e-6,
      .step_simple = 4e-6,
      .tree_ll = 1e-6,
      .tree_ll128 = 2e-6,
      .tree_simple = 4e-6,
      .efficiency_ll = 0.5,
      .efficiency_ll128 = 0.9375,
  };
  cluster->intra = cluster->inter = transport;
  cluster->nccl_version = 22800;
}

static CU_SuiteInfo suites[] = {
    {.pName = "flows", .pTests = dsp_flow_tests},
    {.pName = "messages", .pTests = dsp_messages_tests},
    {.pName = "nccl", .pTests = dsp_nccl_tests},
    {.pName = "prices", .pTests = dsp_price_tests},
    {.pName = "measurements", .pTests = dsp_measured_tests},
    CU_SUITE_INFO_NULL,
};

DSP_TEST_MAIN(suites)
