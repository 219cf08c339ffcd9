#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The prices that cost tells: sizes as nccl-tests counts them, bandwidths that
# follow from times, times that add up, and nothing faster than its links.
# shellcheck disable=SC1091,SC2154 # tests/cli.sh
. "$DSP_TEST_SOURCE/tests/cli.sh"
cd "$work" || exit 1

# Checks of every row. Columns: tests/cost.csv's header.
# shellcheck disable=SC2016 # it is awk's
check='
  function off(a, b) { return (a > b ? a - b : b - a) > 1e-9 * (b + 1e-9) }
  function bad(what) { print FILENAME ": line " FNR ": " what; failed = 1 }
  BEGIN { FS = "," }
  FNR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; last = 0; next }
  {
    collective = $at["collective"]; n = $at["ranks"]; size = $at["bytes"]
    time = $at["time_us"]
    factor = 1
    if (collective == "all_reduce") factor = 2 * (n - 1) / n
    if (collective ~ /all_to_all|all_gather|reduce_scatter/)
      factor = (n - 1) / n
    if (off($at["algbw_GBps"], size / time / 1e3)) bad("algbw")
    if (off($at["busbw_GBps"], $at["algbw_GBps"] * factor)) bad("busbw")
    if (off($at["launch_us"] + $at["steps_us"] + $at["transfer_us"], time))
      bad("parts do not make the time")
    if ($at["launch_us"] < 0 || $at["steps_us"] < -1e-9) bad("negative part")
    if ($at["link_us"] > $at["transfer_us"] * (1 + 1e-9))
      bad("faster than its busiest link")
    if ($at["messages_us"] != "" && $at["messages_us"] <= 0) bad("messages")
    if (size <= last) bad("sizes do not grow")
    last = size; rows++
  }
  END { if (rows < 8) bad("only " rows " rows"); exit failed }'

sweep() {
  expect 0 '' '' cost "$@" -b 1K -e 1G -f 4 -o rows.csv
  awk "$check" rows.csv > trouble || {
    fail "dspsim cost $*:"
    head -n 3 trouble
  }
}

for collective in all_to_all all_gather reduce_scatter all_reduce sendrecv \
  broadcast reduce; do
  for place in 'dgx-h100' 'dgx-a100-80 --nodes 4' 'dgx-v100 -g 4' \
    'dgx-h100 -g 4 --stride 8' 'l40s-pcie' 'gb200-nvl72 -g 72' \
    'dgx-h100 --nodes 3 --gpus-per-node 1'; do
    # shellcheck disable=SC2086 # they are words
    sweep $place --collective $collective -d bfloat16
  done
done
for collective in all_to_all all_gather reduce_scatter all_reduce; do
  sweep --collective $collective --messages
done

# More bandwidth and less latency cost no more.
description() {
  echo "node:4 gpu:8 nvlink:$1 nic:8x$2 latency:$3"
}
durations() {
  dspsim cost "$@" --nodes 2 -b 1K -e 1G -f 8 --format csv |
    awk -F , 'NR > 1 { print $7 }'
}
for collective in all_to_all all_gather all_reduce sendrecv; do
  durations "$(description 200GB/s 25GB/s 2us)" --collective $collective \
    --proto simple > slow
  for better in '400GB/s 25GB/s 2us' '200GB/s 50GB/s 2us' \
    '200GB/s 25GB/s 1us'; do
    # shellcheck disable=SC2086 # three
    durations "$(description $better)" --collective $collective \
      --proto simple > fast
    paste slow fast | awk '$2 > $1 * (1 + 1e-9) { exit 1 }' ||
      fail "$collective is slower with $better"
  done
done

# Sizes: whole elements, and equal parts of whole 16 bytes.
sizes() {
  dspsim cost --format csv "$@" | awk -F , 'NR > 1 { print $2 ":" $3 }' |
    paste -s -d ' ' -
}
is() {
  test "$1" = "$2" || fail "got '$1', expected '$2'"
}
is "$(sizes)" "$(sizes -b 8 -e 8G -f 2)"
is "$(sizes -b 10 -e 40 -f 2)" '8:2 20:5 40:10'
is "$(sizes -b 64 -e 1K -f 2 --collective all_gather)" \
  '128:4 256:8 512:16 1024:32'
is "$(sizes -b 1000 -e 1000 --collective all_to_all -d half)" '896:56'
is "$(sizes -b 1M -e 3M)" '1048576:262144 2097152:524288 3145728:786432'
is "$(sizes -b 64M)" '67108864:16777216'
is "$(sizes -b 32M -e 33M -i 512K -d int8)" \
  '33554432:33554432 34078720:34078720 34603008:34603008'

# What is forced is what runs, or there is no answer.
forced() {
  dspsim cost -b 1M -e 1M --format csv "$@" | awk -F , 'NR > 1 { print $10, $11 }'
}
is "$(forced --algo ring --proto ll)" 'ring ll'
is "$(forced --algo tree --proto simple)" 'tree simple'
expect 1 '' 'broadcast by nvls cannot run here' cost --collective broadcast \
  --algo nvls

# Siblings that share NICs are no faster than one group alone.
alone() {
  dspsim cost dgx-v100 -g 2 --nodes 2 --stride 8 --collective all_to_all \
    -b 64M -e 64M --format csv "$@" | awk -F , 'NR > 1 { print $7 }'
}
awk "BEGIN { exit !($(alone --alone) * 1.5 < $(alone)) }" ||
  fail "siblings on the same NICs cost nothing"

expect 0 '^# Avg bus bandwidth    : ' '' cost -b 1M -e 1M
expect 0 '^#  *size  *count  *type  *redop  *root  *time  *algbw  *busbw' '' \
  cost -b 1M
expect 0 '^# time = launch + steps + transfer' '' cost --explain -b 1M
expect 0 ', 8 such groups at the same time' '' cost -g 8 --stride 8 -b 1M
expect 2 '' "'--minbytes': 67108864 is more than --maxbytes" cost -b 64M -e 32M
expect 2 '' "'--minbytes': must be greater than zero" cost -b 0
expect 2 '' "'--minbytes': " cost -b 64Mxyz
expect 2 '' "'--stepbytes': makes more than 10000 sizes" cost -b 8 -e 8G -i 8
expect 2 '' "'--datatype': 'fp32' is not one of" cost -d fp32
expect 2 '' "'--gpus': a collective needs 2 ranks" cost -g 1
expect 2 '' "'--gpus': groups of 5 ranks" cost -g 5 --nodes 1
expect 2 '' "'--stride': groups of 2 ranks, 3 GPUs apart" \
  cost -g 2 --stride 3 --nodes 1
expect 2 '' "'--gpus': must be at most" cost -g 8g
expect 2 '' "'--gpus-per-node': 6 GPUs do not fill nodes of 4" \
  cost -g 6 --gpus-per-node 4
expect 2 '' "'--maxbytes': 64 bytes have no whole part" \
  cost -b 8 -e 64 -f 2 --collective all_gather
expect 2 '' "'--messages': is not for sendrecv" cost --messages \
  --collective sendrecv
expect 2 '' "'--messages': simulates all groups" cost --messages --alone
expect 2 '' "is 'dgx-h100', and the operand is" cost -c dgx-h100 dgx-v100
expect 1 '' 'at most' cost l40s-pcie -g 16
expect 1 '' 'a node of dgx-h100 has 8 GPUs, not 9' cost --gpus-per-node 9
exit "$failed"
