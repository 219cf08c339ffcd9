/* SPDX-License-Identifier: Apache-2.0 */
/* The suites of test_network, one a file, and clusters by hand. */
#ifndef DSP_TEST_NETWORK_H
#define DSP_TEST_NETWORK_H

#include "cluster/cluster.h"
#include "test.h"

extern CU_TestInfo dsp_flow_tests[];
extern CU_TestInfo dsp_measured_tests[];
extern CU_TestInfo dsp_messages_tests[];
extern CU_TestInfo dsp_nccl_tests[];
extern CU_TestInfo dsp_price_tests[];

/* Nodes of `gpus` on a switch, 450 GB/s and 0.5 us to it; across nodes a NIC of
 * 50 GB/s and 1 us for each GPU, if there is more than one node. */
DspCluster dsp_test_cluster(gint64 nodes, gint64 gpus);

/* Gives it constants of collectives, of the order of Hopper's. */
void dsp_test_transports(DspCluster *cluster);

#endif
