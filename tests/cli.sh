# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0
# What the tests of the command share. Each works in a folder of its own and
# ends with `exit "$failed"`.
set -u
failed=0
work=$DSP_TEST_BUILD/tests/cli/$(basename "$0" .sh)
rm -rf "$work"
mkdir -p "$work"
# A model that is soon simulated.
tiny=$DSP_TEST_SOURCE/tests/data/tiny.json
export tiny

# dspsim ARGUMENT...: DSPSIM may be a program and its options.
dspsim() {
  # shellcheck disable=SC2086 # it is words
  $DSPSIM "$@"
}

# fail WORD...
fail() {
  echo "$*"
  # shellcheck disable=SC2034 # the test ends with it
  failed=1
}

# expect STATUS STDOUT STDERR ARGUMENT...: runs dspsim; patterns of grep -e, ""
# for nothing at all.
expect() {
  status=$1 out=$2 err=$3
  shift 3
  dspsim "$@" > "$work/out" 2> "$work/err"
  got=$?
  if test $got -ne "$status" || ! matches "$out" "$work/out" ||
    ! matches "$err" "$work/err"; then
    fail "dspsim $*: exit status $got, expected $status '$out' '$err', got"
    cat "$work/out" "$work/err"
  fi
}

matches() {
  if test -n "$1"; then grep -q -e "$1" "$2"; else test ! -s "$2"; fi
}

# same FILE FILE WORD...
same() {
  one=$1 other=$2
  shift 2
  cmp -s "$one" "$other" || {
    fail "$*: not the same"
    diff "$one" "$other" | head -n 10
  }
}
