#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Pictures: what lies beside them, that they are always the same, that no name
# reaches the interpreter, and what happens without it.
# shellcheck disable=SC1091,SC2154 # tests/cli.sh
. "$DSP_TEST_SOURCE/tests/cli.sh"
cd "$work" || exit 1

# What is drawn, of each command.
dspsim sweep "$tiny" -V gpus=2..8:x2 -V dim.T=8,16 -V method=dsp,ulysses,ring \
  -q -o sweep.csv || fail 'no sweep'
dspsim sweep "$tiny" -V gpus=2..8:x2 -V dim.T=8,16 -V method=dsp,ulysses,ring \
  -q -o sweep.jsonl || fail 'no sweep in JSON Lines'
dspsim compare "$tiny" -o compare.csv || fail 'no comparison'
dspsim compare "$tiny" -o compare.json || fail 'no comparison in JSON'
dspsim cost -b 1M -e 64M -f 4 -o cost.json || fail 'no costs'
dspsim score "$DSP_TEST_SOURCE/tests/data/measurement/collectives.json" \
  -o score.csv || fail 'no score'

# KIND FILE, one a line.
kinds='scaling sweep.csv
volume sweep.csv
memory sweep.jsonl
crossover sweep.csv
pareto compare.csv
breakdown compare.csv
breakdown compare.json
breakdown sweep.csv
volume compare.csv
memory compare.json
roofline compare.csv
busbw cost.json
score score.csv'

# Without gnuplot: what is to be drawn stays, and bars stand for it.
DSPSIM_GNUPLOT=/nonexistent/gnuplot
export DSPSIM_GNUPLOT
expect 4 '' 'package gnuplot-nox' compare "$tiny" --plot none.svg
expect 4 '' "'some.svg', to be drawn from 'some.gp' and 'some.gp.csv': cannot" \
  plot scaling sweep.csv -w dims.T=8 -o some.svg
for file in none.gp none.gp.csv some.gp some.gp.csv; do
  test -s "$file" || fail "no $file to draw from"
done
test ! -e none.svg || fail 'a picture without gnuplot'
expect 4 '^  dsp  *#* [0-9.]* samples/s' 'package gnuplot-nox' \
  plot scaling sweep.csv
expect 0 '^  dsp .* samples/s' '' plot compare.csv
unset DSPSIM_GNUPLOT
expect 4 '' 'cannot write' compare "$tiny" --plot nowhere/x.svg

# Questions that no picture answers.
expect 2 '' 'control characters' compare "$tiny" --plot "a
b.svg"
expect 2 '' 'none of .svg, .png, .pdf' plot compare.csv -o x.gif
expect 2 '' 'plot what' plot
expect 2 '' 'plot what' plot scaling
expect 2 '' "did you mean 'scaling'" plot scalling compare.csv
expect 2 '' "no row has 'bytes', 'busbw_GBps'" plot busbw sweep.csv
expect 2 '' 'KEY=VALUE' plot compare.csv --where method
expect 2 '' 'KEY=VALUE' plot compare.csv --where nonsense=1
expect 2 '' 'no row that --where leaves' plot compare.csv --where method=none
expect 2 '' 'rows differ in no dimension' plot crossover compare.csv
expect 2 '' "rows differ in 'dims.T'" plot pareto sweep.csv
expect 3 '' 'cannot be read' plot scaling nothing.csv

# Files with a flaw, and where it is.
flawed() {
  printf '%b' "$1" > flawed.csv
  expect 3 '' "^flawed.csv:$2" plot scaling flawed.csv
}
flawed 'method,gpus,samples_per_s\ndsp,8,fast\n' "2:7: 'fast' is not a number"
flawed 'method,gpus,samples_per_s\ndsp,8\n' '2:6: the line ends with cell 2'
flawed 'method,gpus,gpus\n' '1:13: a column of the same name'
flawed 'method,"gpus\n' "1:8: cell without a closing"
flawed 'method,g"pus\n' "1:9: '\"' within a cell"
flawed 'a\n\0377\n' '2:1: not valid UTF-8'
flawed 'method,"a,b"\ndsp,1\n' " a key with a comma: 'a,b'"
flawed '' '1:1: an empty file'
flawed '{"results": 7}' "1:13: 'results' must be a list"
flawed '{"a": 1}\n{"a": 1}\n{"a"}\n' "3:5: expected ':'"
flawed '{"method": "dsp", "gpus": "x", "samples_per_s": 1}\n' "1:27: 'x' is not"

command -v gnuplot > /dev/null || {
  test "$failed" = 0 && exit 77
  exit 1
}

# Each kind, whatever the user's settings are, to each kind of file, and twice
# the same.
echo 'set bogus' > .gnuplot
echo "$kinds" | while read -r kind file; do
  for suffix in svg png pdf; do
    HOME=$work GNUTERM=bogus expect 0 '' '' plot "$kind" "$file" -o "p.$suffix"
    test -s "p.$suffix" || fail "no p.$suffix of $kind"
  done
  mv p.svg first.svg
  expect 0 '' '' plot "$kind" "$file" -o p.svg
  same first.svg p.svg "two pictures of $kind"
  rm p.svg
  gnuplot -d p.gp 2> err || fail "gnuplot -d p.gp of $kind"
  same first.svg p.svg "$kind drawn by hand"
  COLUMNS=90 expect 0 . '' plot "$kind" "$file"
  test "$failed" = 0 || exit 1
done || failed=1

# By hand, from the installed programs.
dspsim plot scaling sweep.csv -o hand.svg || fail 'no picture'
gnuplot -d -e "set terminal svg; set output 'by-hand.svg'; \
  data = 'hand.gp.csv'" "$DSP_TEST_SOURCE/plots/style.gp" \
  "$DSP_TEST_SOURCE/plots/curves.gp" 2> err || fail 'by hand'
matches 'efficiency' by-hand.svg || fail 'nothing drawn by hand'

# Titles tell the inputs, curves their names, panels what else differs.
matches 'tiny on dgx-h100' hand.svg || fail 'no inputs'
for text in 'throughput · T=8' 'efficiency · T=16' '>dsp<' '>ulysses<' GPUs; do
  matches "$text" hand.svg || fail "no '$text'"
done
expect 0 '' '' plot breakdown compare.csv -o hand.svg -t 'Any title'
for text in 'Any title' 'tiny on dgx-h100 · 8 GPUs · train' 'samples/s' \
  'exposed all-to-all'; do
  matches "$text" hand.svg || fail "no '$text'"
done
expect 0 . '' compare "$tiny" --plot same.svg
expect 0 '' '' plot breakdown compare.csv -o other.svg
same same.svg other.svg 'compare --plot and plot'
dspsim sweep "$tiny" -V gpus=2,4 -q --format csv < /dev/null > piped.csv
dspsim plot - -o piped.svg < piped.csv || fail 'nothing from the standard input'
test -s piped.svg || fail 'no piped.svg'

# What is read stays as it was.
cp sweep.csv before.csv
expect 0 '' '' plot scaling sweep.csv -o sweep.svg
same before.csv sweep.csv 'what was drawn'

# A program that fails is an error.
mkdir plots
cp "$DSP_TEST_SOURCE/plots/style.gp" plots
echo 'plot nothing' > plots/bars.gp
DSPSIM_PATH=$work:$DSPSIM_PATH expect 4 '' "gnuplot failed on 'x.gp': " \
  compare "$tiny" --plot x.svg

# Names are data. Each of these would leave a file behind if it were run.
# shellcheck disable=SC2016 # as they are
set -- '`touch bad`' "';system('touch bad');'" '$(touch bad)' '"; !touch bad' \
  '|touch bad' '<touch bad' '@bad' "a','b" '{*9 x}^2_3' '%s%n' '# none' \
  '\"; system("touch bad")' '& < > \n' '"."`touch bad`"."' "'.system('touch bad').'"
no_harm() {
  for bad in bad*; do
    test ! -e "$bad" || fail "$1 was run: $bad"
    rm -f "$bad"
  done
}
for name; do
  cp "$tiny" "$name.json"
  expect 0 '^  dsp ' '' compare "./$name.json" --plot "./$name.svg"
  test -s "$name.svg" || fail "no picture of $name"
  no_harm "$name"
done

# The same in every cell of a file, its header, and what is asked.
for name; do
  case $name in *,*) continue ;; esac # keys have no commas
  cell=$(printf '%s' "$name" | sed 's/"/""/g')
  printf 'method,gpus,samples_per_s,model,cluster,"dims.%s",mode\n' \
    "$cell" > hostile.csv
  for gpus in 1 2; do
    printf '"%s",%s,3,"%s","%s\nx",%s,"%s"\n' "$cell" "$gpus" "$cell" "$cell" \
      "$gpus" "$cell" >> hostile.csv
  done
  for kind in scaling crossover pareto; do
    expect 0 '' '' plot "$kind" hostile.csv -o hostile.svg -t "$name" -x gpus
    no_harm "a cell $name, $kind,"
    expect 0 . '' plot "$kind" hostile.csv -x "dims.$name" -b model
    no_harm "a key $name, $kind,"
  done
done
# A method stands with the plan that compare chose, though another is faster.
dspsim compare --all -o "$work/plans.csv" 2> "$work/err"
dspsim plot breakdown "$work/plans.csv" > "$work/bars"
if ! grep -q '^  dsp  ' "$work/bars" || grep -q 'dsp pipelined' "$work/bars"; then
  fail 'not the plan that compare chose'
  cat "$work/err" "$work/bars"
fi
exit "$failed"
