#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# calibrate: what it reads, writes and refuses.
# shellcheck disable=SC1091,SC2154 # tests/cli.sh
. "$DSP_TEST_SOURCE/tests/cli.sh"
data=$DSP_TEST_SOURCE/tests/data/calibrate
log=$data/two-nodes.txt
cd "$work" || exit 1

# A log, and one in JSON; where they ran is in them, or is told.
expect 0 '^# cluster  dgx-h100, fitted to 31 points of 1 machine$' '' \
  calibrate dgx-h100 "$log"
expect 0 '^# cluster  dgx-h100, fitted to 33 points of 1 machine$' '' \
  calibrate dgx-h100 "$log" "$data/one-node.json"
sed -n '/^ .*float/p' "$log" > bare.txt
expect 2 '' "'--nodes' must say how many nodes ran, which bare.txt does not" \
  calibrate dgx-h100 bare.txt
expect 2 '' "'--collective' must say" calibrate dgx-h100 bare.txt -N2 -g4
expect 0 'fitted to 31 points' '' calibrate dgx-h100 bare.txt --nodes 2 \
  --gpus-per-node 4 --collective all_reduce
expect 3 '' 'two-nodes.txt:7:1: lists 2 nodes, and not 3 as asked for' \
  calibrate dgx-h100 "$log" --nodes 3

# One process of an NCCL that is old, or unknown, tells little of small sizes.
sed 's/22703/20804/' "$data/one-node.json" > old.json
expect 0 'fitted to 1 point of 1 machine' '' calibrate dgx-h100 old.json

# What it writes is a profile, and the same each time.
expect 0 'Constants that the points determine' '' \
  calibrate dgx-h100 "$log" -o new.json
mkdir once
cp new*.json once
expect 0 'Constants that the points determine' '' \
  calibrate dgx-h100 "$log" -o new.json
for file in once/*.json; do
  same "$file" "${file#once/}" calibrate twice
done
grep -q '"source": "dspsim calibrate: two-nodes.txt; collective: median error' \
  new*.json ||
  fail 'the profile does not say what it is made from'
expect 0 'busbw' '' cost new.json --nodes 2 -b 1M -e 1M
expect 0 '^file,constant,unit,fitted,before,after,' '' \
  calibrate dgx-h100 "$log" --format csv
expect 0 '"schema": "dspsim.calibrate/1"' '' \
  calibrate dgx-h100 "$log" --format json

expect 0 '"excluded": \[' '' \
  calibrate dgx-h100 "$log" --format json -x none

# Kernels, for a profile that is found from any folder.
mkdir sub
{
  printf '{"schema": "dspsim.measurements/1", "title": "t", "source": "s",\n'
  printf ' "licence": "l", "points": ['
  comma=
  for bytes in 1 4 16 64 256 1024; do
    printf '%s{"id": "%s", "kind": "memory", "gpu": "h100-sxm", "op": "norm",\n' \
      "$comma" "$bytes"
    printf '"bytes": %s000000, "fused": true, "dtype": "bf16", "time_us": %s}\n' \
      "$bytes" "$bytes.5"
    comma=,
  done
  echo ']}'
} > norms.json
expect 0 '^  h100-sxm  memory_kernels.norm.fused  *0\.[0-9]*  *0\.[0-9]* ' '' \
  calibrate dgx-h100 norms.json -o sub/mine.json
grep -q '"gpu": "mine-h100-sxm.json"' sub/mine.json ||
  fail 'the profile names its GPU by more than a name'
(cd / && dspsim predict "$tiny" "$work/sub/mine.json" -q) > out ||
  fail 'the profile is not found from another folder'
expect 0 '^  h100-sxm ' '' calibrate --leave-one-out norms.json
expect 0 '^all,memory,all,6,' '' \
  calibrate --leave-one-out norms.json --format csv

# The answer is no.
expect 1 '' 'no healthy point of dgx-h100 to calibrate to' \
  calibrate dgx-h100 "$log" --exclude 'two-nodes.txt all_reduce'

# Usage and bad input; nothing is written.
expect 2 '' 'calibrate to what?' calibrate
expect 2 '' 'calibrate to what?' calibrate dgx-h100
expect 2 '' "no 'dgx-h1000' in hwprofiles" calibrate dgx-h1000 "$log"
expect 2 '' "'--leave-one-out': .*'--shared'" \
  calibrate --leave-one-out --shared "$log"
expect 2 '' "does not end with '.json'" calibrate dgx-h100 "$log" -o new.txt
expect 2 '' 'has no profile to write' \
  calibrate 'node:2 gpu:4 nic:4x50GB/s' "$log" -o other.json
expect 3 '' 'no-such-file' calibrate dgx-h100 no-such-file
expect 4 '' "cannot write 'no/such/folder" \
  calibrate dgx-h100 "$log" -o no/such/folder.json
printf '# x\n8 2 float sum -1 5.0 0.0\n' > cut.txt
expect 3 '' 'cut.txt:2:.*cut off' calibrate dgx-h100 cut.txt -o bad.json
test ! -e bad.json || fail 'a bad log leaves a profile'

# Every cluster from the others.
expect 3 '' 'two-nodes.txt:1:1: ' calibrate --leave-one-out "$log"
cat > two.json << 'END'
{"schema": "dspsim.measurements/1", "title": "t", "source": "s",
 "licence": "l", "points": [
END
comma=
for cluster in dgx-h100 hgx-h200-roce; do
  for bytes in 1024 2048 4096 1048576 67108864 1073741824; do
    dspsim cost $cluster -b $bytes -e $bytes --collective all_gather \
      --format csv > cost.csv
    time=$(awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "time_us") c = i }
      NR == 2 { print $c }' cost.csv)
    printf '%s{"id": "%s", "kind": "collective", "cluster": "%s", "nodes": 1,
      "gpus_per_node": 8, "collective": "all_gather", "bytes": %s,
      "time_us": %s}\n' "$comma" "$cluster $bytes" $cluster $bytes "$time"
    comma=,
  done
done >> two.json
echo ']}' >> two.json
expect 0 '^  dgx-h100 .* 6 .* 0\.0 ' '' calibrate --leave-one-out two.json
expect 0 '^all,collective,all,12,' '' calibrate --leave-one-out two.json --format csv
exit "$failed"
