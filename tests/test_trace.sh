#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Timelines as files: whole or not at all, and the same each time.
# shellcheck disable=SC1091,SC2154 # tests/cli.sh
. "$DSP_TEST_SOURCE/tests/cli.sh"
cd "$work" || exit 1

expect 0 '' '' trace "$tiny" -o step.json
expect 0 '' '' trace "$tiny" -o again.json
same step.json again.json 'two traces'
expect 0 '^{"displayTimeUnit"' '' trace "$tiny"
same step.json out 'a file and the standard output'
matches '"name":"rank 7, node 0"' step.json || fail 'rank 7 is missing'
matches '^]}$' step.json || fail 'step.json has no end'
expect 0 '' '' trace "$tiny" --ranks 0,3-5 -o some.json
test "$(grep -c process_name some.json)" = 4 || fail 'not four ranks'
expect 0 '' '' trace "$tiny" -g 16 --ranks all --every-rank -o all.json
test "$(grep -c process_name all.json)" = 16 || fail 'not sixteen ranks'
expect 0 '' '' trace "$tiny" --window 100us:200us -o part.json
test "$(wc -c < part.json)" -lt "$(wc -c < step.json)" || fail 'no part'

for window in forward backward step 0us:1ms; do
  expect 0 '' '' trace "$tiny" --method ring --window $window -o $window.svg
  expect 0 '' '' trace "$tiny" --method ring --window $window -o again.svg
  same $window.svg again.svg 'two pictures'
  matches '^</svg>$' $window.svg || fail "$window.svg has no end"
  if command -v xmllint > /dev/null; then
    xmllint --noout $window.svg || fail "$window.svg is no XML"
  fi
done
matches '>sendrecv<' forward.svg || fail 'no sendrecv in the picture'
sed 's/"title": "[^"]*"/"title": "x"/; s/"qkv"/"<\&"/' "$tiny" > hostile.json
expect 0 '' '' trace ./hostile.json --dim T=64 --dim S=4096 \
  -o hostile.svg
matches '&lt;&amp;' hostile.svg || fail 'a name is not escaped'

# No answer where there is an error, and nothing left over.
echo old > kept.json
expect 1 '' 'this plan cannot run' trace "$tiny" --sp 8 --method ulysses \
  -o kept.json
expect 2 '' "'--ranks': '8' is none of the ranks 0 to 7" trace "$tiny" \
  --ranks 1,8 -o kept.json
expect 2 '' "'--ranks': '5-3' is none" trace "$tiny" --ranks 5-3
expect 2 '' "'--ranks': '' is none" trace "$tiny" --ranks 1,,2
expect 2 '' "'--window': 'x' is not step, forward" trace "$tiny" --window x
expect 2 '' "'--window': '2ms:1ms' is not" trace "$tiny" --window 2ms:1ms
expect 2 '' "'--window': begins after the step" trace "$tiny" --window 1s:2s
expect 2 '' "'--window': there is no backward" trace "$tiny" --mode infer \
  --window backward
expect 4 '' "cannot write 'none/x.json'" trace "$tiny" -o none/x.json
test "$(cat kept.json)" = old || fail 'written in spite of an error'
if test -w /dev/full; then
  expect 4 '' "cannot write '/dev/full'" trace "$tiny" -o /dev/full
fi
test -z "$(find . -name '*.json.*' -o -name '*.svg.*')" || fail 'files are left'
exit "$failed"
