/* SPDX-License-Identifier: Apache-2.0 */
/* The suites of tests/test_cluster, one file each, and what they share. */
#ifndef DSP_TESTS_TEST_CLUSTER_H
#define DSP_TESTS_TEST_CLUSTER_H

#include "cluster/cluster.h"
#include "base/paths.h"
#include "test.h"

extern CU_TestInfo description_tests[];
extern CU_TestInfo input_tests[];
extern CU_TestInfo profile_tests[];
extern CU_TestInfo topology_tests[];

static inline DspCluster *load(const char *name) {
  g_autoptr(GError) error = NULL;
  DspCluster *cluster = dsp_cluster_load(name, &error);
  DSP_CHECK(cluster != NULL, "%s: %s", name, error ? error->message : "");
  return cluster;
}

static inline DspTopology *topology(const DspCluster *cluster, guint gpus) {
  g_autoptr(GError) error = NULL;
  DspTopology *t = dsp_topology_new(cluster, gpus, &error);
  DSP_CHECK_NO_ERROR(error);
  if (!t)
    abort();
  return t;
}

#endif
