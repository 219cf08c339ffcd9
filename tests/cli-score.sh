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

# Logs of nccl-tests, as pasted from a terminal, in text and JSON: the faulty
# run as its program would have told it, and twice as fast a one.
# to_log GROUP FACTOR: rows of results of the points of a group.
to_log() {
  tr '}' '\n' < collectives.json | grep "\"$1\"" |
    sed 's/.*"bytes": \([0-9]*\).*"time_us": \([0-9.]*\).*/\1 \2/' |
    awk -v factor="$2" '{ t = $2 / factor; a = $1 / t / 1000
      printf "%12d %12d    half     sum      -1 %9.2f %7.2f %7.2f      0", \
        $1, $1 / 2, t, a, a * 1.75
      printf " %9.2f %7.2f %7.2f      0\n", t, a, a * 1.75 }'
}
heading() {
  cat << 'END'
root@box:/opt/nccl-tests# ./build/all_reduce_perf -b 512 -e 512M -f 2 -g 8 -d half
# nThread 1 nGpus 8 minBytes 512 maxBytes 536870912 step: 2(factor) warmup iters: 5
#
# Using devices
END
  for i in 0 1 2 3 4 5 6 7; do
    echo "#  Rank  $i Group  0 Pid   4711 on        box device  $i [0x0$i] NVIDIA L40S"
  done
  cat << 'END'
NCCL version 2.27.3+cuda12.8
#
#                                                              out-of-place                       in-place
#       size         count      type   redop    root     time   algbw   busbw #wrong     time   algbw   busbw #wrong
#        (B)    (elements)                               (us)  (GB/s)  (GB/s)            (us)  (GB/s)  (GB/s)
END
}
{
  heading
  to_log aic-l40s-pcie-all_reduce-8-nccl2.27.3 1
  echo '# Out of bounds values : 0 OK'
  echo '# Avg bus bandwidth    : 0.98'
} > slow.txt
expect 1 '^  *[0-9.]*  *[0-9.]*  *[0-9.]* MiB .* slow .* slow.txt all_reduce$' \
  '1 of 1 runs are unhealthy' score --health slow.txt --cluster l40s-pcie
expect 1 '"unhealthy": true' . score --health slow.txt -c l40s-pcie \
  --format json
{
  heading
  to_log aic-l40s-pcie-all_reduce-8-nccl2.27.3 10
} > good.txt
expect 0 ' ok .* good.txt all_reduce$' '' \
  score --health good.txt --cluster l40s-pcie
expect 1 ' ok .* good.txt all_reduce$' '1 of 2 runs are unhealthy' \
  score --health slow.txt good.txt --cluster l40s-pcie
expect 0 ' ok .* two-nodes.txt all_reduce$' '' score --health \
  "$DSP_TEST_SOURCE/tests/data/calibrate/two-nodes.txt" --cluster dgx-h100
expect 0 ' ok .* one-node.json all_to_all$' '' score --health \
  "$DSP_TEST_SOURCE/tests/data/calibrate/one-node.json" --cluster dgx-h100
expect 0 '^  collective  *[0-9]* .*  all$' '' score good.txt -c l40s-pcie
# A profile of one's own; what a log does not tell; what it contradicts.
cp "$DSP_TEST_SOURCE/hwprofiles/l40s-pcie.json" own.json
expect 0 ' ok .* good.txt' '' score --health good.txt --cluster ./own.json
to_log aic-l40s-pcie-all_reduce-8-nccl2.27.3 1 > bare.txt
expect 2 '' "option '--cluster' must say on which machine it ran" \
  score --health bare.txt -N 1 -g 8
expect 2 '' "'--collective' must say which collective ran" \
  score --health bare.txt -c l40s-pcie -N 1 -g 8
expect 1 ' slow ' . score --health bare.txt -c l40s-pcie -N 1 -g 8 \
  --collective all_reduce
expect 3 '' 'slow.txt:1:[0-9]*: this is all_reduce, and not all_to_all' \
  score --health slow.txt -c l40s-pcie --collective all_to_all
expect 1 'no cluster .zebra. is installed\|^# 0 of 0 runs' 'no run of' \
  score --health good.txt -c zebra

# Intervals: those shipped, those of others, and a file of one's own.
expect 0 '^  collective .* inside\|inside  class$' '' score collectives.json
expect 0 '"in_interval": \(true\|false\)' '' \
  score collectives.json --format json
expect 0 '"in_interval": [01]' '' score collectives.json --format json
expect 0 '^  collective ' '' score --held-out collectives.json
mkdir -p data/hwprofiles/residuals
expect 0 '^  collective ' '' score collectives.json h200-steps.json \
  --residuals data/hwprofiles/residuals/measured.json
expect 0 '^    likely  ' '' predict "$tiny" dgx-a100-80 --gpus 8 --interval -q
dspsim score collectives.json --format csv > shipped.csv
DSPSIM_PATH=data:$DSPSIM_PATH dspsim score collectives.json --format csv > own.csv
! cmp -s shipped.csv own.csv || fail 'residuals of one'"'"'s own are not taken'
expect 4 '' "option '--residuals': cannot write 'no/such" \
  score collectives.json --residuals no/such/file.json

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
