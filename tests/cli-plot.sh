#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Pictures: what lies beside them, that they are always the same, that no name
# reaches the interpreter, and what happens without it.
# shellcheck disable=SC1091,SC2154 # tests/cli.sh
. "$DSP_TEST_SOURCE/tests/cli.sh"
cd "$work" || exit 1

# Without gnuplot: what is to be drawn stays, and there is no answer.
DSPSIM_GNUPLOT=/nonexistent/gnuplot
export DSPSIM_GNUPLOT
expect 4 '' 'package gnuplot-nox' compare "$tiny" --plot none.svg
for file in none.gp none.csv; do
  test -s "$file" || fail "no $file to draw from"
done
test ! -e none.svg || fail 'a picture without gnuplot'
unset DSPSIM_GNUPLOT
expect 4 '' 'cannot write' compare "$tiny" --plot nowhere/x.svg
expect 2 '' 'control characters' compare "$tiny" --plot "a
b.svg"

command -v gnuplot > /dev/null || {
  test "$failed" = 0 && exit 77
  exit 1
}

# Each kind, whatever the user's settings are.
echo 'set bogus' > .gnuplot
for suffix in svg png pdf; do
  HOME=$work GNUTERM=bogus expect 0 '^  dsp ' '' compare "$tiny" --plot "x.$suffix"
  test -s "x.$suffix" || fail "no x.$suffix"
done
matches '^model,cluster,gpus,mode,plan,compute_ms,' x.csv || fail 'no data'

# The same picture twice, and by hand from what lies beside it.
expect 0 . '' compare "$tiny" --plot x.svg
mv x.svg first.svg
expect 0 . '' compare "$tiny" --plot x.svg
same first.svg x.svg 'two pictures'
rm x.svg
gnuplot -d x.gp 2> err || fail 'gnuplot -d x.gp'
same first.svg x.svg 'a picture drawn by hand'
matches 'exposed communication' x.svg || fail 'no legend'
matches 'tiny on dgx-h100, 8 GPUs, train' x.svg || fail 'no title'

# A program that fails is an error.
mkdir plots
echo 'plot nothing' > plots/compare.gp
DSPSIM_PATH=$work:$DSPSIM_PATH expect 4 '' "gnuplot failed on 'x.gp': " \
  compare "$tiny" --plot x.svg

# Names are data. Each of these would leave a file behind if it were run.
# shellcheck disable=SC2016 # as they are
set -- '`touch bad`' "';system('touch bad');'" '$(touch bad)' '"; !touch bad' \
  '|touch bad' '<touch bad' '@bad' "a','b" '{*9 x}^2_3' '%s%n' '# none' \
  '\"; system("touch bad")' '& < > \n'
for name; do
  cp "$tiny" "$name.json"
  expect 0 '^  dsp ' '' compare "./$name.json" --plot "./$name.svg"
  test -s "$name.svg" || fail "no picture of $name"
  for bad in bad*; do
    test ! -e "$bad" || fail "$name was run: $bad"
    rm -f "$bad"
  done
done
exit "$failed"
