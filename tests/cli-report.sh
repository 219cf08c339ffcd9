#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The page for a meeting: what it tells, that it is well formed and always the
# same, that nothing of a file becomes a part of it, and what a browser makes of
# it.
# shellcheck disable=SC1091,SC2154 # tests/cli.sh
. "$DSP_TEST_SOURCE/tests/cli.sh"
cd "$work" || exit 1
# Without gnuplot there are notes.
if command -v gnuplot > /dev/null; then quiet='' svg='<svg role'; else quiet=-q svg='<pre>'; fi

dspsim compare "$tiny" --all -o plans.json || fail 'no comparison'
dspsim compare "$tiny" -g 24 --all -o refused.csv || fail 'no refusals'
dspsim sweep "$tiny" -V gpus=2..8:x2 -V dim.T=8,16 -V method=dsp,ulysses -q \
  -o sweep.csv || fail 'no sweep'
dspsim cost -b 1M -e 64M -f 4 -o cost.json || fail 'no costs'

# page FILE...: to page.html; what it must have, a line each, on the standard
# input.
page() {
  # shellcheck disable=SC2086 # an option or nothing
  expect 0 '' '' report "$@" $quiet -o page.html
  matches "$svg" page.html || fail "no picture of $*"
  while read -r text; do
    grep -q -F -e "$text" page.html || fail "no '$text' of $*"
  done
}

expect 2 '' 'report what' report
expect 2 '' "no row has 'samples_per_s'" report cost.json
expect 3 '' 'cannot be read' report nothing.json
expect 4 '' 'cannot write' report plans.json -o nowhere/page.html
expect 0 '^<!DOCTYPE html>' '' report plans.json -q

page plans.json << END
<h1>Which sequence parallelism?</h1>
<p class="inputs">tiny on dgx-h100 · 8 GPUs · train
<p class="winner">
the next method
<h2>The best plan of each method</h2>
<td>ulysses</td>
<h2>Why not</h2>
<h2>Bounds</h2>
<td>dspsim.compare/1</td>
<td class="hash">$(sha256sum < plans.json | cut -d ' ' -f 1)</td>
<td>cluster.sha256</td>
END
page refused.csv << END
<th>reason</th><th>what can run instead</th>
END
page sweep.csv cost.json -t 'A <b> & title' --provenance << END
<title>A &lt;b&gt; &amp; title</title>
<h2>Who wins where</h2>
of 6 jobs</p>
<td>4 GPUs, T=16</td>
<p>dspsim $(dspsim --version | cut -d ' ' -f 2), 
<td>sweep.csv</td>
END

# Without gnuplot there are bars, and a note.
DSPSIM_GNUPLOT=/nonexistent expect 0 '' 'bars of characters: cannot draw' \
  report plans.json -o bars.html
matches '<pre># Where the time' bars.html || fail 'no bars'
DSPSIM_GNUPLOT=/nonexistent expect 0 '' '' report plans.json -q -o bars.html

# The same twice, and no address but in names of XML.
dspsim report plans.json sweep.csv > one.html 2> err || fail 'no page'
dspsim report plans.json sweep.csv > other.html 2> err || fail 'no page'
same one.html other.html 'two pages'
for word in '<script' '<img' '<link' '<iframe' '<foreignObject' ' on[a-z]*=' \
  'javascript:' 'https*:' '@import' 'src=' 'file:'; do
  ! grep -q -i -e "$word" one.html || fail "'$word' in the page"
done

# Nothing that a file says becomes markup.
set -- '<script>alert(1)</script>' '</style><img src=x onerror=alert(1)>' \
  '"><svg onload=alert(1)>' '<!--' ']]>' "' onclick='alert(1)" '&lt;b&gt;'
for name; do
  cell=$(printf '%s' "$name" | sed 's/"/""/g')
  {
    echo 'method,gpus,samples_per_s,model,cluster,variant,feasible,reason'
    for gpus in 1 2; do
      printf '"%s",%s,3,"%s","%s","%s",true,\n' "$cell" $gpus "$cell" "$cell" \
        "$cell"
    done
    printf 'dsp,1,,"%s","%s",,false,"%s"\n' "$cell" "$cell" "$cell"
  } > hostile.csv
  expect 0 '' '' report hostile.csv -q -t "$name" -o hostile.html
  ! grep -q -e '<script' -e '<img' -e '<svg on' -e '<b>' -e '<!--' \
    hostile.html || fail "$name is in the page"
  mv hostile.html "hostile-$((n = ${n-0} + 1)).html"
done

# Every element that is opened is closed, but those that never are.
if command -v xmllint > /dev/null; then
  for file in one.html bars.html hostile-*.html; do
    sed -e 's/<meta\([^>]*\)>/<meta\1\/>/' -e '/^<!DOCTYPE/d' "$file" |
      xmllint --noout - 2> err || fail "$file: $(head -n 2 err)"
  done
fi

command -v chromium > /dev/null || {
  echo 'no chromium: the page is not opened'
  exit "$failed"
}

# A browser finds nothing to complain of, runs nothing and draws the pictures.
# It has critical messages of its own, which are not to end it.
browse() {
  G_DEBUG='' timeout 120 chromium --headless --no-sandbox --disable-gpu \
    --user-data-dir="$work/browser" --enable-logging=stderr --v=0 "$@" \
    2> browser.err
}
cp one.html opened.html
browse --dump-dom "file://$work/opened.html" > dom.html || fail 'not opened'
matches '<h2>Bounds</h2>' dom.html || fail 'the browser lost the bounds'
! grep -q CONSOLE browser.err || fail "$(grep CONSOLE browser.err)"
browse --hide-scrollbars --window-size=1060,1400 --screenshot="$work/page.png" \
  "file://$work/opened.html" || fail 'no screenshot'
test "$(wc -c < page.png)" -gt 20000 || fail 'an empty page'
exit "$failed"
