#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The command's exit status, and what it prints where: results on the standard
# output, all else on the standard error.
set -u
failed=0
work=$DSP_TEST_BUILD/tests/cli
mkdir -p "$work"

# expect STATUS STDOUT STDERR ARGUMENT...: patterns of grep, "" for nothing.
expect() {
  status=$1 out=$2 err=$3
  shift 3
  # shellcheck disable=SC2086 # DSPSIM may be a program and its options
  $DSPSIM "$@" > "$work/out" 2> "$work/err"
  got=$?
  if test $got -ne "$status" || ! matches "$out" "$work/out" ||
    ! matches "$err" "$work/err"; then
    echo "dspsim $*: exit status $got, expected $status '$out' '$err', got"
    cat "$work/out" "$work/err"
    failed=1
  fi
}

matches() {
  if test -n "$1"; then grep -q -e "$1" "$2"; else test ! -s "$2"; fi
}

expect 0 '^usage: dspsim COMMAND' ''
expect 0 '^usage: dspsim COMMAND' '' help
expect 0 '^usage: dspsim COMMAND' '' --help
expect 0 '^usage: dspsim COMMAND' '' -h
expect 0 '^dspsim [0-9]*\.[0-9]*\.[0-9]*$' '' --version
expect 0 '^usage: dspsim help \[COMMAND\]$' '' help help
expect 0 '^usage: dspsim help \[COMMAND\]$' '' help --help
expect 2 '' "^dspsim: unknown command 'hepl', did you mean 'help'?" hepl
expect 2 '' "^dspsim: unknown command 'zebra', see 'dspsim help'" zebra
expect 2 '' "^dspsim: unknown option '--zebra'" --zebra
expect 2 '' "^dspsim: unknown command 'hepl'" help hepl
expect 2 '' "^dspsim: help: unknown option '--zebra'" help --zebra

if test -c /dev/full && test -w /dev/full; then
  $DSPSIM help > /dev/full 2> "$work/err"
  if test $? -ne 4 || ! grep -q 'cannot write the standard' "$work/err"; then
    echo "a full disk passes unseen"
    failed=1
  fi
fi
exit $failed
