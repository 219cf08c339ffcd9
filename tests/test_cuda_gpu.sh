#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Plans on GPUs by dspsim-cuda: skipped where it is not built or there is none.
# shellcheck disable=SC1091,SC2154 # tests/cli.sh
. "$DSP_TEST_SOURCE/tests/cli.sh"

test -x "$DSPSIM_CUDA" || {
  echo 'dspsim-cuda is not built'
  exit 77
}
for dtype in fp32 bf16; do
  dspsim validate -g 2,4 --dtype $dtype --backend cuda > "$work/out" \
    2> "$work/err"
  if matches 'no GPU' "$work/out"; then
    matches ' 0 passed, 0 failed' "$work/out" || fail 'not skipped, but no GPU'
    test "$failed" -ne 0 || {
      grep -o 'no GPU.*' "$work/out"
      exit 77
    }
  fi
  matches '[1-9][0-9]* passed, 0 failed' "$work/out" || {
    fail "$dtype"
    cat "$work/out" "$work/err"
  }
done
exit "$failed"
