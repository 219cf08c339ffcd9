#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cli-golden.sh [update]: the answers to the questions in golden/jobs are those
# in golden/, byte by byte. With "update" (tests/golden-update.sh) the answers
# of now take their place: look at the difference before it is kept.
# shellcheck disable=SC1091,SC2154 # tests/cli.sh
. "$DSP_TEST_SOURCE/tests/cli.sh"
golden=$DSP_TEST_SOURCE/tests/golden
cd "$DSP_TEST_SOURCE/tests/data" || exit 1

# answer FILE ARGUMENT...: to $work/FILE, in the format of its suffix.
answer() {
  file=$1
  shift
  case $file in
    plot.*)
      # Without gnuplot what it is drawn from is there all the same.
      DSPSIM_GNUPLOT=true dspsim "$@" > "$work/out" 2> "$work/err"
      ;;
    *) dspsim "$@" -o "$work/$file" 2> "$work/err" ;;
  esac
}

while read -r file arguments; do
  case $file in '#'* | '') continue ;; esac
  words=$(echo "$arguments" | sed "s|PLOT|$work/plot.svg|")
  # shellcheck disable=SC2086 # they are words
  answer "$file" $words
  if test "${1-}" = update; then
    cp "$work/$file" "$golden/$file"
  else
    same "$golden/$file" "$work/$file" "dspsim $arguments"
  fi
done < "$golden/jobs"
exit "$failed"
