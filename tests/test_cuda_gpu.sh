#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Plans on GPUs by dspsim-cuda: skipped where it is not built or there is none.
# shellcheck disable=SC1091,SC2154 # tests/cli.sh
. "$DSP_TEST_SOURCE/tests/cli.sh"

test -x "$DSPSIM_CUDA" || {
  echo 'dspsim-cuda is not built'
  exit 77
}

# refused TEXT MESSAGE: a file of plans that cannot be read.
refused() {
  echo "$1" > "$work/plans.json"
  "$DSPSIM_CUDA" validate "$work/plans.json" > "$work/out" 2> "$work/err"
  got=$?
  if test $got -ne 3 || ! matches "plans.json:$2" "$work/err"; then
    fail "$1: exit status $got"
    cat "$work/out" "$work/err"
  fi
}
plan='"model": "transformer-2d-720m", "method": "dsp"'
refused '{"cases": [{"method": "dsp"}]}' '1:12: .*model'
refused "{\"cases\": [{$plan, \"degrees\": [1, 1]}]}" '1:.*5 numbers are due'
refused "{\"cases\": [{$plan, \"degrees\": [1, 1, 1, 0, 1]}]}" \
  '1:.*a positive number is due'
refused "{\"cases\": [{$plan, \"degrees\": [1, 1, 1, 2, 1],
  \"lengths\": [1, \"2\", 3]}]}" '2:.*a positive number is due'
refused "{\"cases\": [{$plan, \"degrees\": [1, 1, 1, 2, 1],
  \"variant\": \"none\"}]}" "1:.*no variant 'none'"
refused "{\"cases\": [{$plan, \"degrees\": [1, 1, 1, 2, 1],
  \"type\": \"fp32\"}]}" '2:.*unknown key'
refused '{' '[12]:'

for dtype in fp32 bf16; do
  dspsim validate -g 2,4 --dtype $dtype --backend cuda > "$work/out" \
    2> "$work/err"
  if matches 'no GPU' "$work/out"; then
    matches ' 0 passed, 0 failed' "$work/out" || fail 'not skipped, but no GPU'
    test "$failed" -eq 0 || exit 1
    grep -o 'no GPU.*' "$work/out"
    exit 77
  fi
  matches '[1-9][0-9]* passed, 0 failed' "$work/out" || {
    fail "$dtype"
    cat "$work/out" "$work/err"
  }
done
exit "$failed"
