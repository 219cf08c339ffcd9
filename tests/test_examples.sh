#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# test_examples.sh [update [PAGE]]: the examples of the manual and of README.md
# run and print what is shown. With "update", what is shown (of one page, such
# as dspsim-cost.1) becomes what they print.
#
# An example is a line "$ COMMAND" of a literal display (.Bd to .Ed) or of a
# console block (```) whose first such line runs dspsim. What follows it up to
# the next "$" is what it prints, all of it; a line "..." stands for any number
# of lines. "$ echo $?" shows the exit status; without it the status is 0.
set -u
failed=0 examples=0
work=$DSP_TEST_BUILD/tests/examples
rm -rf "$work"
mkdir -p "$work/bin" "$work/scratch"
cd "$work" || exit 1

# Some examples read files of measurements, logs, or those of
# dspsim-extending(7).
cp "$DSP_TEST_SOURCE"/tests/data/measurement/*.json \
  "$DSP_TEST_SOURCE"/tests/data/extending/*.json \
  "$DSP_TEST_SOURCE"/tests/data/calibrate/two-nodes.txt scratch || exit 1

# DSPSIM may be a program and its options.
printf '#!/bin/sh\nexec %s "$@"\n' "$DSPSIM" > bin/dspsim
chmod +x bin/dspsim
PATH=$work/bin:$PATH
dspsim --version > /dev/null || exit 1

# What both uses of a file need to know of each line: is it in a display, is it
# a command, and does the display belong to dspsim?
# shellcheck disable=SC2016 # it is awk's
follow='
  FILENAME ~ /\.md$/ && /^```/ { inside = !inside; first = inside; border = 1 }
  FILENAME !~ /\.md$/ && /^\.Bd/ { inside = first = border = 1 }
  FILENAME !~ /\.md$/ && /^\.Ed/ { inside = 0; border = 1 }
  border { border = mine = status = 0; edge(); next }
  inside && first && /^\$ / { first = 0; mine = /^\$ dspsim/ }
  !inside || !mine { other(); next }
  $0 == "$ echo $?" { status = 1; other(); next }
  status { exit_status($0); status = 0; other(); next }
  /^\$ / { command = substr($0, 3); from_page = 1 }
  continued { command = command "\n" $0 }
  /^\$ / || continued {
    continued = sub(/\\e?$/, "\\", command)
    begin($0)
    if (!continued) run(plain(command))
    next
  }
  { output($0) }
  function plain(text) {
    if (FILENAME ~ /\.md$/) return text
    gsub(/\\&/, "", text); gsub(/\\-/, "-", text)
    gsub(/\\\(dq/, "\"", text); gsub(/\\e/, "\\", text)
    return text
  }'

# write_examples FILE: NUMBER.sh, NUMBER.status and NUMBER.expected for each
# example.
write_examples() {
  awk -v n="$examples" "$follow"'
    function run(text) {
      close(n ".expected")
      n++
      print text > (n ".sh"); close(n ".sh")
      print 0 > (n ".status"); close(n ".status")
      printf "" > (n ".expected")
    }
    function output(text) { print plain(text) > (n ".expected") }
    function exit_status(text) {
      print text > (n ".status"); close(n ".status")
    }
    function begin(line) {}
    function edge() {}
    function other() {}
    END { print n }' "$1" > count
  examples=$(cat count)
}

# update FILE: what its examples print takes the place of what is shown, unless
# that has "..." in it.
update() {
  awk "$follow"'
    function shown(text) {
      if (FILENAME !~ /\.md$/) {
        gsub(/\\/, "\\e", text)
        if (text ~ /^[.\047]/) text = "\\&" text
      }
      return text
    }
    function flush() {
      printf "%s", abridged ? old : new
      old = new = ""
      abridged = 0
    }
    function run(text, line) {
      text = "(cd scratch\n" text "\n) 2>&1"
      while ((text | getline line) > 0) new = new shown(line) "\n"
      close(text)
    }
    function output(text) { old = old text "\n"; abridged += plain(text) == "..." }
    function begin(line) { flush(); print line }
    function edge() { flush(); print }
    function other() { flush(); print }
    function exit_status(text) {}
    END { flush() }' "$1" > updated && cat updated > "$1"
}

# matches EXPECTED PRINTED
matches() {
  awk 'NR == FNR { want[++n] = $0; next }
    { got[++m] = $0 }
    END {
      for (i = j = 1; i <= n; i++)
        if (want[i] == "...") {
          if (i++ == n) exit 0
          while (j <= m && got[j] != want[i]) j++
          if (j++ > m) exit 1
        } else if (j > m || got[j++] != want[i]) exit 1
      exit j <= m
    }' "$1" "$2"
}

# run FILE NUMBER: an example of FILE. Pictures need gnuplot.
run() {
  if ! command -v gnuplot > /dev/null && grep -q -e --plot -e 'dspsim plot' -e '^ls' "$2.sh"; then
    return
  fi
  status=$(cat "$2.status")
  (cd scratch && sh "../$2.sh") > "$2.printed" 2>&1
  got=$?
  if test $got -ne "$status"; then
    echo "$1: exit status $got, not $status, of: $(cat "$2.sh")"
    cat "$2.printed"
    failed=1
  elif ! matches "$2.expected" "$2.printed"; then
    echo "$1: this prints something else: $(cat "$2.sh")"
    diff -u "$2.expected" "$2.printed"
    failed=1
  fi
}

for file in "$DSP_TEST_SOURCE"/man/*.[157] "$DSP_TEST_SOURCE/README.md"; do
  test -e "$file" || continue
  case ${2:-${file##*/}} in "${file##*/}") ;; *) continue ;; esac
  if test "${1-}" = update; then
    update "$file"
    continue
  fi
  before=$examples
  write_examples "$file"
  while test "$before" -lt "$examples"; do
    before=$((before + 1))
    run "${file##*/}" "$before"
  done
done
test "${1-}" = update || echo "$examples examples"
exit $failed
