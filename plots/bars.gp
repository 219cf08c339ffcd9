# SPDX-License-Identifier: Apache-2.0
# Bars of parts, from above. Behind style.gp. `data` has a row for each part,
# and one behind the last part of each bar with its note:
#   1 place of the bar (from 0), 2 its label, 3 part, 4 colour of the part,
#   5 from, 6 to, 7 note, 8 heading of a group of bars (has a place of its own),
#   9 limit of the bar, 10 name of the axis, 11 a part in the legend, from 5 on
#   at the height 6 (0 to 1 of the picture),
#   12 left end of the axis (0 to 1 of the picture), 13 its last value, 14 upper
#   and 15 lower end of the bars, 16 title, 17 inputs
# What a row has not is empty.
stats data using (axis = strcol(10), left = $12, x_high = $13, top = $14, \
  bottom = $15, title = strcol(16), inputs = strcol(17), $1) nooutput
rows = int(STATS_max) + 1
half = 0.36
is(text) = strlen(text) > 0

entries = 0
array entry[16]
array colour[16]
array from[16]
array height[16]
stats data using (is(strcol(11)) && entries < 16 ? (entries = entries + 1, \
  entry[entries] = strcol(11), colour[entries] = $4, from[entries] = $5, \
  height[entries] = $6, 0) : 0) nooutput
do for [i = 1 : entries] {
  set label (10 + i) '■' at screen from[i], screen height[i] \
    textcolor rgb hue(colour[i])
  set label (30 + i) entry[i] at screen from[i], screen height[i] \
    offset 1.8,0 noenhanced textcolor rgb '#333333'
}

set label 1 title at screen 0, screen title_y offset 1.5,0 font ',17' noenhanced
set label 2 inputs at screen 0, screen inputs_y offset 1.5,0 font ',12' \
  textcolor rgb '#555555' noenhanced
set lmargin at screen left
set bmargin at screen bottom
set tmargin at screen top
set rmargin at screen 0.975
set xlabel axis noenhanced textcolor rgb '#333333' offset 0,0.25
set xrange [0 : x_high]
set yrange [rows - 0.4 : -0.6]
set border 0
set arrow 1 from 0, -0.6 to 0, rows - 0.4 nohead linecolor rgb '#888888'
unset ytics
unset grid
set grid xtics back linetype 1 linewidth 0.5 linecolor rgb '#e2e2e2'
set style fill solid 1 noborder
limit = NaN
stats data using (is(strcol(9)) ? (limit = $9, 0) : 0) nooutput
if (limit == limit) {
  set label 3 sprintf('limit %.4g', limit) at limit, graph 1 center \
    offset 0,0.6 textcolor rgb '#b00000'
}

plot for [i = 0 : 7] data using \
    (is(strcol(3)) && $4 == i ? $5 : NaN):1:5:6:($1 - half):($1 + half) \
    with boxxyerror linecolor rgb hue(i), \
  data using (is(strcol(9)) ? $9 : NaN):($1 - 0.5):(0):(1) with vectors \
    nohead linewidth 1.5 dashtype 2 linecolor rgb '#b00000', \
  data using (is(strcol(7)) ? $6 : NaN):1:7 with labels left noenhanced \
    offset 0.8,0 textcolor rgb '#333333', \
  data using (is(strcol(8)) ? 0 : NaN):1:8 with labels left noenhanced \
    offset 0.2,-0.3 font ',14' textcolor rgb '#000000', \
  data using (is(strcol(7)) ? 0 : NaN):1:2 with labels right noenhanced \
    offset -1,0 textcolor rgb '#000000'
