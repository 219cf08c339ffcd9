#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cli-validate.sh [brief]: every method and variant computes what its model says,
# on meshes of one and two axes, forward and backward; what is wrong on purpose
# is noticed. With "brief", few tokens, for eyes that are slow.
# shellcheck disable=SC1091,SC2154 # tests/cli.sh
. "$DSP_TEST_SOURCE/tests/cli.sh"
cd "$work" || exit 1
plans=0

# sound ARGUMENT...: at least one plan runs, and none fails.
sound() {
  expect 0 '^# .* plans*: [1-9][0-9]* passed, 0 failed' '' validate "$@"
  passed=$(sed -n 's/^# .*plans*: \([0-9]*\) passed.*/\1/p' "$work/out")
  plans=$((plans + ${passed:-0}))
}

# caught FAULT ARGUMENT...: in every plan that has a place for it.
caught() {
  fault=$1
  shift
  expect 1 '^# .*plans*: 0 passed, [1-9]' 'plans failed$' \
    validate --fault "$fault" "$@"
}

if test "${1-}" = brief; then
  tiny='--dim T=4 --dim S=5'
  # shellcheck disable=SC2086 # words
  {
    sound -g 2,3,4 $tiny --recompute none
    sound -g 8 --dim T=8 --dim S=9 --variant best --recompute none --sp 8
    sound -g 4 $tiny --method dsp --variant best --degrees tp=2
    sound -g 4 $tiny --method dsp --variant best --zero 3 --dtype bf16
    sound -g 4 $tiny --variant best --mode infer --guidance parallel
    sound axial-3d -g 3 --dim T=4 --dim H=3 --dim W=5 --variant best
    sound wan2.1-t2v-1.3b -g 3 --dim X=7 --variant best
    sound llama-2-7b -g 3 --dim X=7 --method ring
    for fault in missing-switch swapped-ranks shard-off-by-one; do
      caught $fault -g 3 $tiny --method dsp --variant best
    done
    caught bytes-declared -g 3 $tiny --method dsp --variant best
    caught padding-kept -g 3 $tiny --method ring --variant best
    caught gradient-not-reduced -g 3 $tiny --method ring --variant best
    caught stale-keys -g 3 $tiny --method ring --variant best
    caught wrong-scale -g 3 $tiny --method ring --variant best
  }
  echo "$plans plans passed"
  exit "$failed"
fi

# Three models of divided attention (one of three dimensions; their lengths are
# divisible by hardly any degree), one of full attention, one that is causal.
sound transformer-2d-720m open-sora-1.2 wan2.1-t2v-1.3b -g 2,3,4,8
sound axial-3d timesformer -g 3,4
for variant in best naive; do
  sound llama-2-7b -g 3,4 --method ring --variant $variant
done
sound llama-2-7b -g 8 --method usp
sound flux.1-dev -g 2,4
# No embedders and no final layer: the last block gives the output.
sound "$DSP_TEST_SOURCE/tests/data/models/divided-64-heads.json" -g 8 --sp 8 \
  --variant best

# Meshes of two axes: ulysses x ring, dp x sp, tp x sp.
sound -g 8 --method usp --degrees ulysses=4,ring=2
sound -g 6 --method dsp --degrees dp=2,sp=3
for method in dsp ulysses ring; do
  sound -g 4 --degrees tp=2 --method $method
done

# An image has one frame: the batch is sharded. Inference, both passes of
# guidance, other recomputation, ZeRO and type.
sound -g 2,4 --dim T=1 --batch 4 --method dsp
sound -g 4 --mode infer
sound -g 4 --mode infer --guidance batched --method dsp
sound -g 4 --mode infer --guidance parallel
sound -g 4 --recompute none --zero 3
sound -g 4 --zero 0 --method ulysses
sound -g 4 --dtype bf16
echo "$plans plans passed"

# DSP and Ulysses move data and change no sum; the published ring computes
# something else, and how much is told.
expect 0 '^  dsp .* same .* yes  *passed' '' validate -g 4
matches '^  ulysses .* same .* passed' out || fail 'ulysses changes bits'
matches '^  ring published .* differs' out || fail 'no verdict of its own'
matches 'ring (published) ring=4: the output is .* off, the bound is' out ||
  fail 'nobody tells by how much'
expect 0 '"verdict": "differs as published"' '' \
  validate -g 2 --method ring --variant published --format json
matches '"passed": null' out || fail 'differs, and neither passed nor failed'
expect 0 '^transformer-2d-720m,dsp,best,1,1,1,1,2,1,1,2,full,2,cpu,fp32,' '' \
  validate -g 2 --method dsp --sp 2 --format csv
mv out one
expect 0 . '' validate -g 2 --method dsp --sp 2 --format csv
same one out 'two runs'
expect 0 . '' validate -g 2 --method dsp --sp 2 --format csv --seed 2
! cmp -s one out || fail 'the seed is of no use'

# Every fault is caught.
caught missing-switch -g 3,4 --method dsp --sp 3
caught missing-switch -g 4 --method ulysses --dtype bf16
caught swapped-ranks -g 4 --method dsp --sp 4
caught swapped-ranks -g 4 --method ulysses --dtype bf16
caught shard-off-by-one -g 3 --method dsp
caught padding-kept -g 4 --method ring --variant best --sp 4
caught gradient-not-reduced -g 4
caught stale-keys -g 4 --method ring --sp 4
caught wrong-scale -g 4
caught wrong-scale -g 2 --dtype bf16
caught bytes-declared -g 4
expect 1 "ring=2: has no place for 'stale-keys'" 'no plan could be run' \
  validate -g 2 --fault stale-keys --method ring --variant best

# What cannot be run is skipped, with the reason, and never passed.
expect 1 'cannot be computed yet: linear attention' 'no plan could be run' \
  validate sana-1.6b -g 2 --method single
expect 1 'dsp sp=2: stage .* leaves no dimension' 'no plan could be run' \
  validate wan2.1-t2v-1.3b -g 2 --method dsp --variant best
expect 2 '' "option '--gpus': 65 is not from 1 to 64" validate -g 65
expect 2 '' "option '--gpus': " validate -g 2,
expect 2 '' 'is too much to compute here' validate --dim T=1000000
expect 2 '' "option '--recompute': is for '--mode train'" \
  validate --mode infer --recompute full
expect 3 '' 'zebra' validate zebra.json
exit "$failed"
