#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Sweeps: what a grid is, the same bytes whoever does the work and however often
# it is cut off, and what is refused.
# shellcheck disable=SC1091,SC2154 # tests/cli.sh
. "$DSP_TEST_SOURCE/tests/cli.sh"
cd "$work" || exit 1

# rows FILE COLUMN...: columns of a CSV file by their names.
rows() {
  file=$1
  shift
  awk -F , -v names="$*" '
    NR == 1 {
      n = split(names, name, " ")
      for (i = 1; i <= NF; i++) column[$i] = i
    }
    {
      for (i = 1; i <= n; i++)
        printf "%s%s", (i > 1 ? " " : ""), $column[name[i]]
      print ""
    }' "$file"
}

# --- the grid ----------------------------------------------------------------

expect 0 '^# 6 cells, every combination$' '' \
  sweep -n -V gpus=2..8:x2 --vary dim.T=4,8
expect 0 '^# 2 cells, values side by side$' '' \
  sweep -n --zip -V gpus=2,4 -V dim.T=4,8
expect 0 '^# and 90 more$' '' sweep -n -V batch=1..100
expect 0 ' 3 *7$' '' sweep -n -V batch=1..9:+2
expect 0 '8192$' '' sweep -n "$tiny" -V dim.S=4k,8k

expect 2 '' 'what is to vary' sweep
expect 2 '' "'gpus' is not NAME=VALUE" sweep -V gpus
expect 2 '' 'gpus: a value is missing' sweep -V gpus=
expect 2 '' 'gpus: a value is missing' sweep -V gpus=8,,16
expect 2 '' "gpus: '8..4' is not a range" sweep -V gpus=8..4
expect 2 '' "gpus: '8..64:x1' is not a range" sweep -V gpus=8..64:x1
expect 2 '' "gpus: '0..64:x2' is not a range" sweep -V gpus=0..64:x2
expect 2 '' "gpus: '8..64:.2' is not a range" sweep -V 'gpus=8..64:*2'
expect 2 '' "gpus: '8..64:+0' is not a range" sweep -V gpus=8..64:+0
expect 2 '' 'batch: has more than 1000000 values' sweep -V batch=1..9999999
expect 2 '' 'too many combinations' sweep -V batch=1..64k -V gpus=1..64k \
  -V dim.T=1..64k -V dim.S=1..64k
expect 2 '' 'gpus is varied twice' sweep -V gpus=8 -V gpus=16
expect 2 '' 'gpus has 1 values and batch has 2' sweep --zip -V gpus=8 -V batch=1,2
expect 2 '' "gpus: invalid count 'x'" sweep -V gpus=8,x
expect 2 '' "no parameter 'gpu', did you mean 'gpus'" sweep -V gpu=8
expect 2 '' "no parameter 'every-rank'" sweep -V every-rank=1
expect 2 '' "no parameter 'gpus.T'" sweep -V gpus.T=8
expect 2 '' "'dim' needs a name as well" sweep -V dim=8
expect 2 '' "mode: 'fly' is not one of" sweep -V mode=train,fly
expect 2 '' "option '--gpus': is varied as well" sweep -g 8 -V gpus=8,16
expect 2 '' 'rows are .csv or .jsonl' sweep -V gpus=8 -o rows.json
expect 2 '' 'option .--resume.: needs' sweep -V gpus=8 --resume
expect 2 '' "'3/2' is not I/N" sweep -V gpus=8 --shard 3/2
expect 2 '' "'0/2' is not I/N" sweep -V gpus=8 --shard 0/2
# Wrong in every cell, whatever the others are.
expect 2 '' "no method 'dps', did you mean 'dsp'" sweep -V method=ring,dps
expect 2 '' "no 'latte' in models" sweep -V model=latte-1,latte
expect 2 '' "no dimension 'Q'" sweep "$tiny" -V dim.Q=1,2
expect 2 '' "no degree 'zp'" sweep "$tiny" -V degrees.zp=2
expect 2 '' "is for '--mode infer'" sweep "$tiny" -V guidance=batched -V gpus=8
head -c 99 "$tiny" > bad.json
expect 3 '' '^bad\.json:[0-9]*:[0-9]*: ' sweep -V "model=$tiny,bad.json"

# --- rows --------------------------------------------------------------------

# One plan where there is a method, else the best of each.
expect 0 . '' sweep "$tiny" -V gpus=2,4 --method dsp
test "$(rows out cell vary.gpus method gpus | tail -n 2 | paste -s -d ' ')" = \
  '0 2 dsp 2 1 4 dsp 4' || fail "one plan: $(cat out)"
expect 0 . '' sweep "$tiny" -V gpus=4
test "$(rows out method chosen | tail -n +2 | paste -s -d ' ')" = \
  "single true dsp true ulysses true ring true usp true $(
  )megatron-sp true megatron-tp true" || fail "best plans: $(cat out)"
expect 0 . '' sweep "$tiny" -V gpus=4 --plans all
test "$(rows out chosen | grep -c true)" = 7 || fail "all plans: $(cat out)"
# It is the plan that predict takes, and the figures of compare.
dspsim predict "$tiny" --sp 4 -g 4 --format csv > predict.csv
dspsim sweep "$tiny" -V degrees.sp=4 -V gpus=4 --method dsp > sweep.csv
test "$(rows predict.csv step_time_us mfu)" = "$(rows sweep.csv step_time_us mfu)" ||
  fail 'predict has other figures'
dspsim compare "$tiny" -g 4 --format csv > compare.csv
rows compare.csv chosen method step_time_us speedup_vs_best_embedded |
  sed -n 's/^true //p' | sort > compare.best
dspsim sweep "$tiny" -V gpus=4 > sweep.csv
rows sweep.csv chosen method step_time_us speedup_vs_best_embedded |
  sed -n 's/^true //p' | sort > sweep.best
same compare.best sweep.best 'compare has other figures'

# Options of every type can be varied, and given besides.
dspsim predict "$tiny" --sp 4 -g 4 --dim T=16 --dim S=128 --price 2USD -i \
  --every-rank --attention fa2 --format csv > predict.csv
dspsim sweep "$tiny" --dim S=128 -V price=2USD -V sp=4 -V gpus=4 -V dim.T=16 \
  --method dsp -i --every-rank -V attention=FA2 > sweep.csv
for column in step_time_us cost_per_1k_samples interval.p10_us interval.p90_us \
  dims.S; do
  test "$(rows predict.csv $column)" = "$(rows sweep.csv $column)" ||
    fail "$column: $(rows predict.csv $column) $(rows sweep.csv $column)"
done
expect 0 '720x1280, 480x640' '' sweep -n -m wan2.1-t2v-1.3b --frames 81 \
  -V size=720x1280,480x640

# Dimensions of all models; what makes no sense has a row that says so.
expect 0 . '' sweep --method dsp -V "model=$tiny,llama-2-7b"
test "$(rows out model dims.T dims.X | tail -n +2 | paste -s -d '|')" = \
  'tiny 8 |llama-2-7b  4096' || fail "dims: $(rows out model dims.T dims.X)"
expect 0 . '' sweep "$tiny" -V method=dsp,ring -V variant=best,naive
test "$(rows out cell feasible method | tail -n +2 | paste -s -d '|')" = \
  '0 true dsp|1 false |2 true ring|3 true ring' || fail "variants: $(cat out)"
grep -q "^1,dsp,naive,.*,false,.*option '--variant': no variant 'naive'" out ||
  fail "no reason: $(cat out)"
expect 0 'has at most 1 node' '' sweep "$tiny" -V gpus=4,8 \
  -c 'node:1 gpu:4 nvlink:9GB/s'
expect 2 '' 'is for ' sweep "$tiny" -V mode=train,infer -V zero=1
expect 0 '4 heads' '' sweep "$tiny" -V gpus=7 --method ulysses

# JSON Lines have the same keys and values.
expect 0 '^{"cell": 0, "vary.gpus": 2, "vary.mode": "train", "method": ' '' \
  sweep "$tiny" -V gpus=2,4 -V mode=train,infer --format jsonl
dspsim sweep "$tiny" -V gpus=2,4 -V mode=train,infer > rows.csv
dspsim sweep "$tiny" -V gpus=2,4 -V mode=train,infer -o rows.jsonl
same out rows.jsonl 'a file and the standard output'
head -n 1 rows.jsonl | grep -o '"[A-Za-z0-9_.]*": ' | tr -d '": ' |
  paste -s -d , > keys
head -n 1 rows.csv > header
same keys header 'the keys of JSON Lines and CSV'
test "$(wc -l < rows.csv)" = "$(($(wc -l < rows.jsonl) + 1))" ||
  fail 'CSV and JSON Lines have different rows'

# A name with a line feed is still one row.
cp "$tiny" 'two
lines.json'
dspsim sweep -m 'two
lines.json' --method dsp -V gpus=2,4 -o lines.csv
head -c 1300 lines.csv > half.csv
cp lines.csv lines.whole && cp half.csv lines.csv
expect 0 '' '' sweep -m 'two
lines.json' --method dsp -V gpus=2,4 -o lines.csv --resume
same lines.whole lines.csv 'names with line feeds'

# --- the same bytes ----------------------------------------------------------

grid="-V batch=1..200 -V method=dsp,ulysses,ring,single"
# sweep ARGUMENT...: that grid.
sweep() {
  # shellcheck disable=SC2086 # words
  dspsim sweep "$tiny" $grid "$@"
}
sweep -j 1 -o one.csv
for jobs in 2 5; do
  sweep -j $jobs -o jobs.csv
  same one.csv jobs.csv "-j $jobs"
  same one.csv.sweep jobs.csv.sweep "the document of -j $jobs"
done
sweep --progress always > /dev/null 2> err
grep -q '0/800 .* ETA' err || fail "progress: $(cat err)"

# Cut at any byte.
size=$(wc -c < one.csv)
for cut in 0 1 99 600 1200 $((size / 3)) $((size / 2)) $((size - 1)) $size; do
  head -c "$cut" one.csv > cut.csv
  sed 's/"complete": true/"complete": false/; s/"rows": [0-9]*/"rows": null/
    s/"bytes": [0-9]*/"bytes": null/' one.csv.sweep > cut.csv.sweep
  sweep --resume -o cut.csv || fail "resume after $cut bytes"
  same one.csv cut.csv "cut after $cut bytes"
  same one.csv.sweep cut.csv.sweep "the document, cut after $cut bytes"
done
expect 0 '' 'is complete' sweep "$tiny" -V batch=1..200 \
  -V method=dsp,ulysses,ring,single --resume -o cut.csv
same one.csv cut.csv 'complete'

# --- killed ------------------------------------------------------------------

long="-V batch=1..12000 --method dsp"
# start ARGUMENT...: a long sweep to long.csv; sets pid.
start() {
  # shellcheck disable=SC2086 # words
  (exec env --default-signal=INT $DSPSIM sweep "$tiny" $long -o long.csv "$@") &
  pid=$!
}
# reach BYTES: waits until the file is so long, or the sweep has ended.
reach() {
  while kill -0 "$pid" 2> /dev/null &&
    test "$(stat -c %s long.csv 2> /dev/null || echo 0)" -lt "$1"; do
    sleep 0.01
  done
}
# shellcheck disable=SC2086 # words
dspsim sweep "$tiny" $long -o whole.csv
size=$(wc -c < whole.csv)
killed=0
for tenth in 0 1 2 3 4 5 6 7 8 9; do
  part=$(awk -v seed=$tenth 'BEGIN { srand(seed); print rand() }')
  start --resume
  reach "$(awk "BEGIN { print int(($tenth + $part) / 10 * $size) }")"
  kill -9 $pid 2> /dev/null && killed=$((killed + 1))
  wait $pid 2> /dev/null
done
test $killed -gt 5 || fail "killed $killed times only"
start --resume
wait $pid || fail "resume after kills"
same whole.csv long.csv 'killed ten times'
same whole.csv.sweep long.csv.sweep 'the document, killed ten times'

# A signal ends it between rows, with its own status.
for signal in INT TERM; do
  rm -f long.csv*
  start 2> err
  reach 9999
  kill -$signal $pid
  wait $pid
  status=$?
  test $status = 130 || fail "SIG$signal: exit status $status"
  grep -q 'interrupted' err || fail "SIG$signal: $(cat err)"
  test "$(tail -c 1 long.csv | od -An -c | tr -d ' ')" = '\n' ||
    fail "SIG$signal: half a row"
  # shellcheck disable=SC2086 # words
  expect 2 '' "unfinished sweep: '--resume' goes on" \
    sweep "$tiny" $long -o long.csv
  start --resume
  wait $pid || fail "resume after SIG$signal"
  same whole.csv long.csv "SIG$signal"
done

# Only one process at a time.
if command -v flock > /dev/null; then
  status=0
  # shellcheck disable=SC2086 # words
  flock long.csv $DSPSIM sweep "$tiny" $long -o long.csv --resume 2> err ||
    status=$?
  test $status = 4 || fail "two processes: exit status $status"
  grep -q 'is being written by another process' err || fail "$(cat err)"
fi

# A full disk.
if test -c /dev/full; then
  expect 4 '' "cannot write '/dev/full': No space left" \
    sweep "$tiny" -V gpus=2 -o /dev/full
fi
(ulimit -f 200 && sweep -o full.csv) 2> err
status=$?
test $status = 4 || fail "a full disk: exit status $status"
grep -q "cannot write 'full.csv': File too large" err || fail "$(cat err)"
test "$(tail -c 1 full.csv | od -An -c | tr -d ' ')" = '\n' ||
  fail "a full disk: half a row"
sweep --resume -o full.csv || fail "resume after a full disk"
same one.csv full.csv 'a full disk'

# --- what has changed --------------------------------------------------------

cp "$tiny" model.json
dspsim sweep model.json --method dsp -V batch=1..9 -o changed.csv
for change in '--method ring -V batch=1..9' '--method dsp -V batch=1..8' \
  '--method dsp -V batch=1..9 --zero 1' '--method dsp -V batch=1..9 --plans all' \
  '--method dsp -V batch=1..9 --shard 1/2' \
  '-c dgx-a100-80 --method dsp -V batch=1..9'; do
  # shellcheck disable=SC2086 # words
  expect 2 '' 'has changed since it was begun' \
    sweep model.json $change -o changed.csv --resume
done
sed 's/"title": "/&Another /' model.json > other.json && mv other.json model.json
expect 2 '' "the file 'model' has changed since" \
  sweep model.json --method dsp -V batch=1..9 -o changed.csv --resume
expect 0 '' '' sweep model.json --method dsp -V batch=1..9 -o changed.csv
# Rows that are not ours.
head -c 2000 changed.csv | sed 's/dsp,best/dsp,worst/' > damaged.csv
sed 's/"complete": true/"complete": false/' changed.csv.sweep > damaged.csv.sweep
expect 2 '' 'are not what they would be now' \
  sweep model.json --method dsp -V batch=1..9 -o damaged.csv --resume
sed 's/^cell/call/' changed.csv > damaged.csv
expect 2 '' 'holds something else' \
  sweep model.json --method dsp -V batch=1..9 -o damaged.csv --resume
rm damaged.csv.sweep
expect 2 '' 'holds something else' \
  sweep model.json --method dsp -V batch=1..9 -o damaged.csv --resume
echo '{"schema": "dspsim.sweep/1"}' > damaged.csv.sweep
expect 3 '' 'damaged.csv.sweep:1:1: is not a document' \
  sweep model.json --method dsp -V batch=1..9 -o damaged.csv --resume
expect 2 '' 'keeps no rows' sweep "$tiny" -V gpus=2 -o /dev/null --resume

# --- shards ------------------------------------------------------------------

for i in 1 2 3 4; do
  sweep --shard $i/4 -o $i.csv
done
expect 0 '' '' merge 3.csv 1.csv 4.csv 2.csv -o merged.csv
same one.csv merged.csv merge
same one.csv.sweep merged.csv.sweep 'the document of merge'
expect 0 . '' merge 1.csv 2.csv 3.csv 4.csv
same one.csv out 'merge to the standard output'
for i in 1 2 3; do
  dspsim sweep "$tiny" -V gpus=2,4 --shard $i/3 -o $i.jsonl
done
dspsim sweep "$tiny" -V gpus=2,4 -o all.jsonl
expect 0 . '' merge 1.jsonl 2.jsonl 3.jsonl
same all.jsonl out 'merge of JSON Lines, with a shard without cells'
expect 0 '' '' merge one.csv -o merged.csv
same one.csv merged.csv 'merge of all cells'

# Files of an earlier dspsim.
data=$DSP_TEST_SOURCE/tests/data/sweep
expect 0 '^cell,vary.gpus,vary.dim.T,method,' '' merge "$data/scaling.csv"
expect 0 '^{"cell": 0, "vary.gpus": 8, ' '' merge "$data/methods.jsonl"

expect 2 '' 'merge what' merge
expect 3 '' 'shard 3/4 is missing' merge 1.csv 2.csv 4.csv
expect 3 '' 'shard 4/4 is missing' merge 1.csv 2.csv 3.csv
expect 3 '' "'1.csv' and '1.csv' are the same shard" merge 1.csv 1.csv 2.csv
expect 3 '' "has no 'none.csv.sweep' beside it" merge none.csv
expect 3 '' 'are not of one sweep' merge 1.csv 2.jsonl
sweep --shard 2/3 -o 2of3.csv
expect 3 '' 'are of different numbers of shards' merge 1.csv 2of3.csv
cp 2.csv damaged.csv
sed 's/"complete": true/"complete": false/' 2.csv.sweep > damaged.csv.sweep
expect 3 '' "'damaged.csv' is not complete" merge 1.csv damaged.csv 3.csv 4.csv
cp 2.csv.sweep damaged.csv.sweep
sed 3d 2.csv > damaged.csv
expect 3 '' "'damaged.csv' is damaged" merge 1.csv damaged.csv 3.csv 4.csv
expect 3 '' "'damaged.csv' is damaged" merge 1.csv damaged.csv 3.csv 4.csv -o broken.csv
test ! -e broken.csv || fail 'rows of damaged shards are written'
cp 2.csv kept.csv
ln -s 2.csv linked.csv
expect 2 '' 'is one of the shards' merge 1.csv 2.csv 3.csv 4.csv -o linked.csv
same kept.csv 2.csv 'a shard that was to be written over'
head -c 9999 2.csv > damaged.csv
expect 3 '' "'damaged.csv' is damaged" merge 1.csv damaged.csv 3.csv 4.csv -o broken2.csv
expect 4 '' 'cannot write' merge one.csv -o none/x.csv
exit "$failed"
