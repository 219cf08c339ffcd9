#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The manual pages have nothing that mandoc warns of; every subcommand has one,
# which tells the options that its help tells, and no others.
set -u
failed=0
man=$DSP_TEST_SOURCE/man
work=$DSP_TEST_BUILD/tests/man
rm -rf "$work"
mkdir -p "$work"

run() {
  # shellcheck disable=SC2086 # DSPSIM may be a program and its options
  $DSPSIM "$@"
}

if command -v mandoc > /dev/null; then
  mandoc -T lint -W warning "$man"/*.[157] || failed=1
fi

# The HTML version has every page, and its links lead somewhere.
if command -v mandoc > /dev/null; then
  sh "$man/html.sh" "$work/html" || failed=1
  for file in "$man"/*.[157]; do
    grep -q "href=\"${file##*/}.html\"" "$work/html/index.html" || {
      echo "the index does not name ${file##*/}"
      failed=1
    }
  done
  cat "$work"/html/*.html | grep -o 'href="[^#"]*"' | cut -d '"' -f 2 |
    grep -v '^https:' | sort -u | while read -r link; do
    test -e "$work/html/$link" || echo "a link to $link leads nowhere"
  done > "$work/dead"
  if test -s "$work/dead"; then
    cat "$work/dead"
    failed=1
  fi
fi

page_of() {
  case $1 in
    help) echo dspsim.1 ;;
    list) echo dspsim-show.1 ;;
    *) echo "dspsim-$1.1" ;;
  esac
}

# Long options, one a line, of help and of a page. --help is for all commands,
# and dspsim(1) tells it.
options_of_help() {
  run "$1" --help | sed -n 's/^  ....--\([a-z][-a-z0-9]*\).*/\1/p'
}
options_of_page() {
  awk '/^\./ && /Fl/ {
      for (i = 2; i <= NF; i++) if ($i ~ /^-[a-z]/) print substr($i, 2)
    }' "$man/$1" | sort -u
}

# They differ from FILE: WHAT is wrong with them.
differ() {
  words=$(paste -s -d ' ' "$work/differ")
  test -z "$words" && return
  echo "$1 $2: $words"
  failed=1
}

for command in $(run help | sed -n 's/^  \([a-z][-a-z]*\)  .*/\1/p'); do
  page=$(page_of "$command")
  if test -e "$man/$page"; then
    options_of_help "$command" >> "$work/$page"
  else
    echo "$command has no page $page"
    failed=1
  fi
done
for file in "$work"/dspsim-*.1; do
  page=${file##*/}
  sort -u "$file" > "$work/help"
  options_of_page "$page" > "$work/page"
  comm -23 "$work/help" "$work/page" > "$work/differ"
  differ "$page" "does not tell"
  comm -13 "$work/help" "$work/page" > "$work/differ"
  differ "$page" "tells what help does not"
done

# displays FILE: the display of a page behind the comment that names FILE, as
# it is read.
displays() {
  awk -v mark=".\\\\\" file $1" '
    $0 == mark { named = 1; next }
    named && /^\.Bd/ { inside = 1; next }
    /^\.Ed/ { inside = named = 0 }
    inside { gsub(/\\&/, ""); gsub(/\\e/, "\\"); print }' "$man"/*.7
}

# Pages show the files that the tests run.
for name in weather.json lab.json heads.c; do
  file=$DSP_TEST_SOURCE/tests/data/extending/$name
  displays "$name" > "$work/shown"
  cmp "$file" "$work/shown" || {
    echo "the manual shows another $name"
    failed=1
  }
done

# README.md says why each package is installed.
sed -n '/^packages()/,/^END/s/^\([a-z0-9.-]*\)  .*  .*/\1/p' \
  "$DSP_TEST_SOURCE/bootstrap" > "$work/help"
grep '^|' "$DSP_TEST_SOURCE/README.md" | grep -oE '[a-z0-9.-]+' |
  sort -u > "$work/page"
sort "$work/help" | comm -23 - "$work/page" > "$work/differ"
differ README.md "does not tell the packages"
exit $failed
