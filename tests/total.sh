#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# total.sh BUILD: one line with the totals of the last `make check` in BUILD,
# from the results that automake's test drivers left.
set -eu
find "$1/tests" -name '*.trs' -exec cat {} + | awk '
  $1 == ":test-result:" { n[$2]++ }
  END {
    failed = n["FAIL"] + n["ERROR"] + n["XPASS"]
    printf "%d passed, %d failed, %d skipped\n",
      n["PASS"] + n["XFAIL"], failed, n["SKIP"]
    exit failed > 0 || n["PASS"] == 0
  }'
