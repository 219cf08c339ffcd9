#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Exit statuses, and what is said where: answers on the standard output, all
# else on the standard error, and no answer where there was an error.
# shellcheck disable=SC1091,SC2154 # tests/cli.sh
. "$DSP_TEST_SOURCE/tests/cli.sh"

# 0: done.
expect 0 '^usage: dspsim COMMAND' ''
expect 0 '^usage: dspsim COMMAND' '' help
expect 0 '^usage: dspsim COMMAND' '' --help
expect 0 '^usage: dspsim COMMAND' '' -h
expect 0 '^dspsim [0-9]*\.[0-9]*\.[0-9]*$' '' --version
expect 0 '^usage: dspsim help \[COMMAND\]$' '' help help
expect 0 '^usage: dspsim help \[COMMAND\]$' '' help --help
expect 0 '^usage: dspsim compare \[OPTION\]' '' compare -h
expect 0 '^  -g, --gpus=N ' '' help predict
expect 0 '^  dsp ' '' compare "$tiny"
expect 0 '^  dsp ' '' compare open-sora-1.0 dgx-a100-80
expect 0 '^# cluster  dgx-a100-80, 16 GPUs' '' compare "$tiny" -c dgx-a100-80 -g16
expect 0 '4 GPUs .* on 2 nodes' '' compare "$tiny" -c 'node:2 gpu:2 nic:1x9GB/s'
expect 0 '^  plan  *dsp sp=8' 'dsp sp=8: the largest degree' predict "$tiny"
expect 0 '^  plan  *dsp sp=8' '' predict "$tiny" -q
expect 0 '^  plan  *dsp sp=2 dp=4' '' predict "$tiny" --sp 2
expect 0 '^  plan  *usp (best) ulysses=4 ring=2' '' \
  predict "$tiny" --method usp --degrees ulysses=4,ring=2
expect 0 '^  plan  *usp (naive)' '' \
  predict "$tiny" --method usp --variant naive --sp 8
expect 0 '^  plan  *single dp=8$' '' predict "$tiny" --method single
expect 0 'cfg=2' '' predict "$tiny" --mode infer --guidance parallel --sp 4
expect 0 '^  run  ' '' predict "$tiny" --mode infer --evaluations 30 --sp 8
expect 0 '^  plan ' 'simulated [0-9]* events' predict "$tiny" --sp 8 -v
expect 0 ', T=8 S=256 L=16:' '' compare "$tiny" --frames 8 --size 256x256
expect 0 '^# time by stage' '' predict "$tiny" --attention FA2 --sp 8 --explain --proto LL
expect 0 '^  ulysses ' '' compare "$tiny" --variant published
expect 0 '^  dsp ' '' list methods
expect 0 '^# model .*' '' list
expect 0 '^  dgx-h100 ' '' list clusters
expect 0 '^  model  *latte-1$' '' show latte-1
expect 0 '^  model  *latte-1$' '' show model latte-1
expect 0 '^  GPU  *h100-sxm$' '' show gpu h100-sxm
expect 0 '^  method  *ring$' '' show ring

# 1: the answer is no. It is an answer all the same.
expect 1 '^  cannot run  *4 heads' 'this plan cannot run: 4 heads' \
  predict "$tiny" --method ulysses -g 7
expect 1 '^  what can ' 'cannot run' predict "$tiny" --sp 3
expect 1 '^  cannot run  *single has no sp degree' 'cannot run' \
  predict "$tiny" --method single --sp 4
expect 1 '^  cannot run  *needs .* of memory' 'cannot run' \
  predict llama-2-7b -b 64 --method single
expect 1 '^# cannot run$' 'no plan can run' compare "$tiny" --degrees dp=3
expect 1 '' 'no plan of these degrees fills 8 GPUs' compare "$tiny" --sp 3
expect 1 '' 'at most' compare "$tiny" -c 'node:1 gpu:4 nvlink:1GB/s' -g 8

# 2: usage.
expect 2 '' "^dspsim: unknown command 'hepl', did you mean 'help'?" hepl
expect 2 '' "^dspsim: unknown command 'zebra', see 'dspsim help'" zebra
expect 2 '' "^dspsim: unknown option '--zebra'" --zebra
expect 2 '' "^dspsim: unknown command 'hepl'" help hepl
expect 2 '' "^dspsim: help: unknown option '--zebra'" help --zebra
expect 2 '' "'b' is one operand too many, usage: dspsim help" help a b
expect 2 '' "'c' is one operand too many" compare a b c
expect 2 '' "compare: unknown option '--gpu', did you mean '--gpus'" \
  compare --gpu 8
expect 2 '' "option '--gpus': must be greater" compare -g 0
expect 2 '' "option '--gpus': .* too many" compare -g 4g
expect 2 '' "option '--gpus' needs a value" compare -g
expect 2 '' "option '--mode': 'fly' is not one of train, infer" \
  compare --mode fly
expect 2 '' "option '--size': '720' is not HEIGHTxWIDTH" compare --size 720
expect 2 '' "option '--size': '0x1' is not HEIGHTxWIDTH" compare --size 0x1
expect 2 '' "option '--size': " compare --size 721x1280
expect 2 '' "option '--frames': " compare llama-2-7b --frames 8
expect 2 '' "option '--dim': 'T' is not NAME=NUMBER" compare --dim T
expect 2 '' "option '--dim': no dimension 'QQ' (T, S, L)" compare --dim QQ=1
expect 2 '' "option '--dim': no dimension 't', did you mean 'T'" \
  compare --dim t=1
expect 2 '' "option '--dim': " compare --dim T=0
expect 2 '' "option '--home': no dimension 'Q'" compare --home Q
expect 2 '' "option '--method': no method 'ulyses', did you mean 'ulysses'" \
  compare --method ulyses
expect 2 '' "option '--variant': no variant 'bset', did you mean 'best'" compare --variant bset
expect 2 '' "option '--variant': no variant 'worst'" compare --method ring --variant worst
expect 2 '' "option '--degrees': no degree 'zp'" compare --degrees zp=2
expect 2 '' "option '--degrees': dp must be greater" compare --degrees dp=0
expect 2 '' "option '--degrees': '' is not NAME=NUMBER" compare --degrees dp=1,
expect 2 '' "option '--guidance': is for '--mode infer'" \
  compare --guidance batched
expect 2 '' "option '--evaluations': is for '--mode infer'" \
  compare --evaluations 9
expect 2 '' "option '--zero': is for '--mode train'" \
  compare --mode infer --zero 1
expect 2 '' "option '--recompute': is for '--mode train'" \
  compare --mode infer --recompute none
expect 2 '' "option '--model': is 'latte-1', and the operand is 'mochi-1'" \
  compare -m latte-1 mochi-1
expect 2 '' "no 'lattee-1' in models, did you mean 'latte-1'" compare lattee-1
expect 2 '' "no 'dgx-h10' in hwprofiles, did you mean 'dgx-" \
  compare latte-1 dgx-h10
expect 2 '' "option '--plot': 'x.jpg' ends with none of" compare --plot x.jpg
expect 2 '' "show what" show
expect 2 '' "show what" show model
expect 2 '' "'zebra' is not one of model, cluster" show zebra latte-1
expect 2 '' "no model, cluster, GPU or method 'latte', did you mean" show latte
expect 2 '' "no method 'rong', did you mean 'ring'" show method rong
expect 2 '' "'zebra' is not one of models" list zebra
expect 2 '' "list of what" list --format csv

# 3: a bad file, and where in it.
model=$DSP_TEST_SOURCE/models/latte-1.json
sed 's/"width"/"widthh"/' "$model" > "$work/bad.json"
expect 3 '' '^[^ ]*/bad\.json:[0-9]*:[0-9]*: .*did you mean' \
  compare "$work/bad.json"
head -c 300 "$model" > "$work/short.json"
expect 3 '' '/short\.json:[0-9]*:[0-9]*: ' predict -m "$work/short.json"
expect 3 '' '/short\.json:[0-9]*:[0-9]*: ' predict latte-1 "$work/short.json"
expect 3 '' '/short\.json:[0-9]*:[0-9]*: ' show model "$work/short.json"
sed 's/"width"/"\\u001b[31m"/' "$model" > "$work/terminal.json"
expect 3 '' "unknown key '?\[31m'" compare "$work/terminal.json"
! grep -q "$(printf '\033')" "$work/err" || fail 'an escape sequence of a file'

# 4: what is not ours failed.
expect 4 '' "cannot write '$work/none/x.csv'" \
  compare "$tiny" -o "$work/none/x.csv"
if test -c /dev/full && test -w /dev/full; then
  dspsim help > /dev/full 2> "$work/err"
  if test $? -ne 4 || ! grep -q 'cannot write the standard' "$work/err"; then
    fail "a full disk passes unseen"
  fi
  expect 4 '' "cannot write '/dev/full'" compare "$tiny" -o /dev/full
  test -c /dev/full || fail "/dev/full has been replaced"
fi
exit "$failed"
