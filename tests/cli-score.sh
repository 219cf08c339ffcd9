#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Scores: what is told where, and when the answer is no.
# shellcheck disable=SC1091,SC2154 # tests/cli.sh
. "$DSP_TEST_SOURCE/tests/cli.sh"
cp "$DSP_TEST_SOURCE"/tests/data/measurement/*.json "$work"
cd "$work" || exit 1

# Tables as they are asked for.
expect 0 '^  collective  .*  all$' '' score collectives.json
expect 0 '^   .*  64 MiB and above$' '' score collectives.json
expect 0 '^  collective  .*  faulty$' '' score collectives.json
expect 0 ' all_to_all, below 1 MiB$' '' \
  score collectives.json --by collective,band
expect 0 '^  step  *10  *0 .*  all$' '' score h200-steps.json collectives.json
expect 0 '^  step  *12  *0 .*  all$' '' score h200-steps.json -t all
expect 0 '  us  *[-0-9.]*  aic-hgx-h200-roce-all_to_all-4' '' \
  score collectives.json --points
expect 0 '  yes  *rfa-a100-sxm-fwd$' '' score layers.json --groups
expect 0 'attention_layer: usp has no ring without zigzag$' '' \
  score layers.json
expect 0 . '' score every-key.json h200-steps.json collectives.json layers.json

# The answer is no.
expect 1 '^  *[0-9.]*  .* faulty  *aic-l40s-pcie-all_reduce-8' \
  '1 of 3 runs are unhealthy' score collectives.json --health
expect 1 '^# 0 of 0 runs' 'no run of a collective could be judged' \
  score h200-steps.json --health
expect 0 . '' score collectives.json --fail-above 50
expect 1 . 'step: a median error of .* is above 1 %' \
  score h200-steps.json --fail-above 1
sed 's/"hgx-h200-roce"/"zebra"/' h200-steps.json > zebra.json
expect 0 '^  *10  step: no cluster .zebra. is installed' '' score zebra.json
expect 1 . 'no point could be predicted' score zebra.json --fail-above 99

# Usage, and bad files.
expect 2 '' 'score what?' score
expect 2 '' "option '--by': no key 'bnad', did you mean 'band'" \
  score collectives.json --by bnad
expect 2 '' "option '--trust': 'faulty' is not one of" \
  score collectives.json --trust faulty
sed 's/"bytes"/"byte"/' collectives.json > bad.json
expect 3 '' "^bad.json:7:[0-9]*: unknown key 'byte', did you mean 'bytes'" \
  score collectives.json bad.json
expect 3 '' 'none.json' score none.json

# CSV and JSON tell the same points, every time.
dspsim score collectives.json layers.json -o one.json
dspsim score collectives.json layers.json -o two.json
same one.json two.json 'two runs'
dspsim score collectives.json layers.json --format csv > points.csv
test "$(sed 1d points.csv | wc -l)" -eq "$(grep -c '"skipped": [n"]' one.json)" ||
  fail 'CSV and JSON have other numbers of points'
matches '^  "summary": \[$' one.json || fail 'no summary in JSON'
matches '^  "groups": \[$' one.json || fail 'no groups in JSON'
matches '^  "health": \[$' one.json || fail 'no health in JSON'
! grep -q -e "$work" -e "$DSP_TEST_SOURCE" one.json ||
  fail 'a path of this machine in the answer'

# Nothing is wider than 100 columns.
for line in --points --groups --health --help '--by group,collective,cluster'; do
  # shellcheck disable=SC2086 # words
  dspsim score collectives.json layers.json $line > out 2> err
  longest=$(awk 'length($0) > n { n = length($0) } END { print n }' out)
  test "$longest" -le 100 || fail "score $line: $longest columns"
done
exit "$failed"
