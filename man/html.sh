#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# html.sh FOLDER: the manual as HTML pages that link to each other, with an
# index, in FOLDER.
set -eu
man=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
cp "$man/style.css" "$1"
for page in "$man"/*.[157]; do
  mandoc -T html -O style=style.css,man=%N.%S.html,toc "$page" \
    > "$1/${page##*/}.html"
done

# entries SECTION: what its pages are about, the main one first.
entries() {
  for page in "$man/dspsim.$1" "$man"/dspsim-*."$1"; do
    test -e "$page" || continue
    name=${page##*/}
    sed -n "s|^\.Nd \(.*\)|<dt><a href=\"$name.html\">${name%.*}($1)</a></dt><dd>\1</dd>|p" "$page"
  done
}

{
  echo '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"/>'
  echo '<title>dspsim: the manual</title>'
  echo '<link rel="stylesheet" href="style.css"/></head><body>'
  echo '<h1>dspsim: the manual</h1>'
  for section in '1 Commands' '5 Files' '7 Concepts'; do
    echo "<h2>${section#* }</h2><dl class=\"index\">"
    entries "${section%% *}"
    echo '</dl>'
  done
  echo '</body></html>'
} > "$1/index.html"
