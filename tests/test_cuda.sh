#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What dspsim makes of dspsim-cuda, which a script stands for here: of its
# answers, its absence and its failures.
# shellcheck disable=SC1091,SC2154 # tests/cli.sh
. "$DSP_TEST_SOURCE/tests/cli.sh"
validate='validate -g 2 --method dsp --variant best --backend cuda'
export DSPSIM_CUDA="$work/dspsim-cuda"

# stand_in COMMAND...: it does that; $2 is the file of the cases.
stand_in() {
  printf '#!/bin/sh\n%s\n' "$*" > "$DSPSIM_CUDA"
  chmod +x "$DSPSIM_CUDA"
}

# check STATUS STDOUT STDERR: of validate.
check() {
  # shellcheck disable=SC2086 # it is words
  expect "$1" "$2" "$3" $validate
}

rm -f "$DSPSIM_CUDA"
check 1 'sp=2: dspsim-cuda is not installed' 'no plan could be run'
expect 4 . 'nothing was measured: dspsim-cuda is not installed' \
  validate -g 2 --method dsp --measure "$work/measured.json"

# A plan that was not run has not passed.
stand_in "echo '{\"skipped\": \"no GPU: none here\"}'"
check 1 'sp=2: no GPU: none here' 'no plan could be run'
matches ' 0 passed, 0 failed, .* 1 skipped' "$work/out" || fail 'not skipped'

stand_in 'echo "libnccl.so.2: cannot open" >&2; exit 127'
check 1 'sp=2: dspsim-cuda cannot be loaded: libnccl' 'no plan could be run'

# A row that comes back is told as it is; one that does not has failed.
row='"forward_error": 1e-7, "forward_bound": 1e-5, "backward_error": 2e-7,
  "backward_bound": 1e-5, "loss": 1, "reference_loss": 1, "bit_identical": true,
  "must_be_identical": true, "declared_bytes": 8, "moved_bytes": 8,
  "in_order": true, "updated": true'
answer() {
  stand_in "cat << 'END'
{\"machine\": \"a GPU\", \"rows\": [$1]}
END"
}
answer "{\"case\": 0, $row, \"verdict\": \"passed\"}"
check 0 '^  dsp  *sp=2  *1e-07  *1e-05  *2e-07 .* same .* yes  *passed' ''
matches 'on a GPU' "$work/out" || fail 'the machine is not told'
answer '{"case": 0, "error": "rank 1: ended by signal 9"}'
check 1 'sp=2: rank 1: ended by signal 9' '1 of 1 plans failed'
answer ''
check 1 'sp=2: no answer' '1 of 1 plans failed'
answer "{\"case\": 0, $row, \"verdict\": \"fine\"}"
check 1 'cannot be understood' '1 of 1 plans failed'
answer "{\"case\": 7, $row, \"verdict\": \"passed\"}"
check 1 'sp=2: no answer' '1 of 1 plans failed'

# No answer at all.
stand_in 'echo "out of memory" >&2; exit 1'
check 4 '' 'dspsim-cuda failed: out of memory'
stand_in 'echo "{"'
check 3 '' 'dspsim-cuda:'
stand_in 'kill -9 $$'
check 4 '' 'failed'

# It is told of each plan what it needs to build it anew.
stand_in "cp \"\$2\" '$work/cases'; echo '{\"machine\": \"a\", \"rows\": []}'"
check 1 'no answer' 'plans failed'
for key in model shrunk lengths mode batch dtype guidance method variant \
  degrees home recompute zero seed fault; do
  matches "\"$key\":" "$work/cases" || fail "no $key"
done

# What was measured can be read.
expect 0 '^  gemm  *77  *0 ' '' \
  score "$DSP_TEST_SOURCE/tests/data/cuda/h200.json"
exit "$failed"
