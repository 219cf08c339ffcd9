#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# golden-update.sh BUILD: makes the answers of BUILD/dspsim the golden ones.
set -eu
DSP_TEST_SOURCE=$(cd "$(dirname "$0")/.." && pwd)
DSP_TEST_BUILD=$(cd "$1" && pwd)
DSPSIM=${DSPSIM-$DSP_TEST_BUILD/dspsim}
DSPSIM_PATH=$DSP_TEST_SOURCE
export DSP_TEST_SOURCE DSP_TEST_BUILD DSPSIM DSPSIM_PATH LC_ALL=C NO_COLOR=1
exec sh "$DSP_TEST_SOURCE/tests/cli-golden.sh" update
