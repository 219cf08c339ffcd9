# SPDX-License-Identifier: Apache-2.0
# Bars of parts, from above. Behind style.gp. `data` has a row for each part,
# and one behind the last part of each bar with its note:
#   1 place of the bar (from 0), 2 its label, 3 part, 4 colour of the part,
#   5 from, 6 to, 7 note, 8 heading of a group of bars (has a place of its own),
#   9 limit of the bar, 10 name of the axis, 11 a part in the legend (at 5),
#   12 left end of the axis (0 to 1 of the picture), 13 its last value, 14 and
#   15 its upper and lower end, 16 title, 17 inputs
# What a row has not is empty.
stats data using (axis = strcol(10), left = $12, x_high = $13, top = $14, \
  bottom = $15, title = strcol(16), inputs = strcol(17), $1) nooutput
rows = int(STATS_max) + 1
upper = STATS_min - 0.6
half = 0.36
is(text) = strlen(text) > 0
repeat(n, c) = n < 1 ? '' : c . repeat(n - 1, c)

set label 1 title at screen 0, screen 1 offset 1.5,-1.6 font ',17' noenhanced
set label 2 inputs at screen 0, screen 1 offset 1.5,-3.1 font ',12' \
  textcolor rgb '#555555' noenhanced
set lmargin at screen left
set bmargin at screen bottom
set tmargin at screen top
set rmargin at screen 0.975
set xlabel axis noenhanced textcolor rgb '#333333'
set xrange [0 : x_high]
set yrange [rows - 0.4 : upper]
set border 0
set arrow 1 from 0, -0.6 to 0, rows - 0.4 nohead linecolor rgb '#888888'
set ytics scale 0 noenhanced textcolor rgb '#000000' ()
unset grid
set grid xtics back linetype 1 linewidth 0.5 linecolor rgb '#e2e2e2'
set style fill solid 1 noborder

plot for [i = 0 : 7] data using \
    (is(strcol(3)) && $4 == i ? $5 : NaN):1:5:6:($1 - half):($1 + half) \
    with boxxyerror linecolor rgb hue(i), \
  data using (is(strcol(9)) ? $9 : NaN):($1 - 0.5):(0):(1) with vectors \
    nohead linewidth 1.5 dashtype 2 linecolor rgb '#b00000', \
  data using (is(strcol(7)) ? $6 : NaN):1:7 with labels left noenhanced \
    offset 0.8,0 textcolor rgb '#333333', \
  data using (is(strcol(8)) ? 0 : NaN):1:8 with labels left noenhanced \
    offset 0.2,-0.3 font ',14' textcolor rgb '#000000', \
  data using (is(strcol(11)) ? $5 : NaN):1:('■'):(hue($4)) with labels left \
    noenhanced offset 0,-0.2 textcolor rgb variable, \
  data using (is(strcol(11)) ? $5 : NaN):1:11 with labels left noenhanced \
    offset 2,-0.2 textcolor rgb '#333333', \
  data using (is(strcol(2)) ? 0 : NaN):1:ytic(2) with dots
