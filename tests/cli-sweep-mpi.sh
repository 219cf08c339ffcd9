#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Sweeps under mpirun with 4 ranks: the same bytes as without, also when a rank
# dies. Skipped where there is no mpirun, or dspsim is built without MPI.
# shellcheck disable=SC1091,SC2154 # tests/cli.sh
. "$DSP_TEST_SOURCE/tests/cli.sh"
cd "$work" || exit 1

if ! command -v mpirun > /dev/null; then
  echo 'no mpirun'
  exit 77
fi
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
# A folder of its own: paths of sockets are short.
export OMPI_MCA_orte_tmpdir_base=/tmp OMPI_MCA_rmaps_base_oversubscribe=1

# Each rank tells its process.
cat > rank.sh << 'END'
echo $$ > "pid.$OMPI_COMM_WORLD_RANK"
exec "$@"
END
# ranks ARGUMENT...: a sweep by four of them, which ends at some time.
ranks() {
  # shellcheck disable=SC2086,SC2016 # words; not ours
  sh -c 'echo $$ > launcher; exec "$@"' sh timeout -k 5 300 mpirun -n 4 $options sh rank.sh $DSPSIM sweep "$tiny" $grid "$@"
}
options='' grid='--method dsp -V batch=1..12000'
# shellcheck disable=SC2086 # words
dspsim sweep "$tiny" $grid -o whole.csv
size=$(wc -c < whole.csv)

ranks -o ranks.csv > out 2> err
status=$?
if grep -q 'built without' err; then
  test $status = 2 || fail "without MPI: exit status $status"
  test "$failed" = 0 && echo 'built without MPI' && exit 77
  exit 1
fi
test $status = 0 || fail "4 ranks: exit status $status, $(cat err)"
test ! -s out || fail "4 ranks: $(cat out)"
same whole.csv ranks.csv '4 ranks'
same whole.csv.sweep ranks.csv.sweep 'the document of 4 ranks'

# Ranks that read different files say so, and write nothing.
for rank in 0 1 2 3; do
  mkdir -p "files.$rank"
  cp "$tiny" "files.$rank/model.json"
done
sed -i 's/"title": "/&Another /' files.2/model.json
cat > files.sh << 'END'
cd "files.$OMPI_COMM_WORLD_RANK" && exec "$@"
END
# shellcheck disable=SC2086 # words
mpirun -n 4 sh files.sh $DSPSIM sweep model.json -V gpus=2,4 > out 2> err &&
  fail 'different files: exit status 0'
grep -q 'the ranks read different files' err || fail "$(cat err)"
test ! -s out || fail "different files: $(cat out)"

# reach BYTES: waits until the file is so long, or the ranks have ended.
reach() {
  while kill -0 "$pid" 2> /dev/null &&
    test "$(stat -c %s ranks.csv 2> /dev/null || echo 0)" -lt "$1"; do
    sleep 0.01
  done
}
# A rank dies, and mpirun ends the others; a resumed sweep has the same bytes,
# with ranks and without.
for rank in 3 0; do
  rm -f ranks.csv*
  ranks -o ranks.csv > out 2> err &
  pid=$!
  reach $((size / 4))
  kill -9 "$(cat pid.$rank)"
  wait $pid && fail "rank $rank is killed: exit status 0"
  if test $rank = 3; then
    ranks --resume -o ranks.csv > out 2> err || fail "resume: $(cat err)"
  else
    # shellcheck disable=SC2086 # words
    expect 0 '' '' sweep "$tiny" $grid --resume -o ranks.csv
  fi
  same whole.csv ranks.csv "rank $rank killed, then resumed"
done

# Where mpirun lets the others live, they do what the dead one had, and the
# first does all that is left if it is the last.
rm -f ranks.csv*
options=--enable-recovery
ranks -o ranks.csv > out 2> err &
pid=$!
reach $((size / 4))
kill -9 "$(cat pid.2)"
reach $((size / 2))
kill -9 "$(cat pid.1)" "$(cat pid.3)"
# The ranks' work counts: mpirun of Open MPI 4.1 does not always end by itself
# when ranks were killed.
tries=0
while kill -0 "$pid" 2> /dev/null && test $tries -lt 3000 &&
  ! cmp -s whole.csv.sweep ranks.csv.sweep; do
  sleep 0.02
  tries=$((tries + 1))
done
sleep 1
kill "$(cat launcher)" 2> /dev/null
wait $pid
for rank in 1 2 3; do
  grep -q "rank $rank does not answer, its work is done again" err ||
    fail "recovery from rank $rank: $(cat err)"
done
same whole.csv ranks.csv 'ranks killed'
same whole.csv.sweep ranks.csv.sweep 'the document with ranks killed'
exit "$failed"
