#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Formats, files, and that the same question gets the same answer.
# shellcheck disable=SC1091,SC2154 # tests/cli.sh
. "$DSP_TEST_SOURCE/tests/cli.sh"
cd "$work" || exit 1

# The format is that of the suffix, unless it is asked for.
for format in text csv json; do
  expect 0 . '' compare "$tiny" --format "$format"
  mv out "plain.$format"
  suffix=$(echo "$format" | sed s/text/txt/)
  expect 0 '' '' compare "$tiny" -o "file.$suffix"
  same "plain.$format" "file.$suffix" "-o file.$suffix and --format $format"
  expect 0 '' '' compare "$tiny" --format "$format" -o other
  same "plain.$format" other "--format $format to a file and to the standard output"
  expect 0 . '' compare "$tiny" -o - --format "$format"
  same "plain.$format" out "-o - and no -o in $format"
done
matches '^# model ' plain.text || fail "text has no heading"
matches '^method,variant,degrees.dp,' plain.csv || fail "CSV has no header"
matches '^{$' plain.json || fail "JSON is no object"

# Two runs, and every rank simulated or not, give the same bytes.
expect 0 . '' compare "$tiny" --format json
same plain.json out 'two runs'
expect 0 . '' compare "$tiny" --format csv --every-rank
same plain.csv out 'every rank or one for all'

# The best are the same, whether the others are simulated to their end or not.
plans() {
  sed -n 's/^  \([a-z].*[a-z]=[0-9]*\) .*/\1/p' "$1" | tr -s ' '
}
plans plain.text > brief
expect 0 . '' compare "$tiny" --all
plans out | grep -v published | awk '!seen[$1]++' > best
same brief best 'the best of the brief and of the whole table'

# Colours, and neither where they are not wanted.
expect 0 '^  ' '' compare "$tiny" --color never
! grep -q "$(printf '\033')" out || fail 'colours though never'
expect 0 "$(printf '\033')" '' compare "$tiny" --color always
LC_ALL=C.UTF-8 TERM=xterm NO_COLOR='' dspsim compare "$tiny" > out
same plain.text out 'another locale, not on a terminal'

# Where it comes from, with a time that can be set.
SOURCE_DATE_EPOCH=86400 dspsim compare "$tiny" --format json --provenance > out
matches '"time": "1970-01-02T00:00:00Z"' out || fail 'no time of SOURCE_DATE_EPOCH'
grep -v -e '^  "provenance"' -e '^    "[tv][a-z]*": "[^"]*",\{0,1\}$' \
  -e '^  },$' out > one
matches '"sha256": "[0-9a-f]\{64\}"' out || fail 'no checksum of inputs'
! grep -q -e "$work" -e "$DSP_TEST_SOURCE" plain.json ||
  fail 'a path of this machine in the answer'

# A file is replaced as a whole, or stays as it is where there is an error.
echo old > kept.csv
expect 1 '' . compare "$tiny" --sp 3 -o kept.csv
test "$(cat kept.csv)" = old || fail 'written in spite of an error'
expect 1 '' 'no plan can run' compare "$tiny" --degrees dp=3 -o kept.csv
matches ',false,.degrees multiply' kept.csv || fail 'no answer when it is no'

# Help lists every option once, in 100 columns.
for command in compare predict list show; do
  dspsim $command --help > out
  longest=$(awk 'length($0) > n { n = length($0) } END { print n }' out)
  test "$longest" -le 100 || fail "$command --help: $longest columns"
  twice=$(sed -n 's/^ .* \(--[a-z-]*\).*/\1/p' out | sort | uniq -d)
  test -z "$twice" || fail "$command --help: $twice twice"
done

# No text is wider than 100 columns.
for line in 'compare --all -g 16' 'predict -e' 'compare hunyuanvideo -g 64 --sp 64' \
  'list models' 'list clusters' 'list gpus' 'list methods' \
  'show dgx-h100' 'show hunyuanvideo' 'show h100-sxm'; do
  # shellcheck disable=SC2086 # a line
  dspsim $line > out 2> err || fail "dspsim $line"
  longest=$(awk 'length($0) > n { n = length($0) } END { print n }' out)
  test "$longest" -le 100 || fail "dspsim $line: $longest columns"
done
exit "$failed"
