# To draw this again: gnuplot -d FILE
set terminal svg font 'Helvetica,Arial,sans-serif,13' background '#ffffff' size 960,392
set output './plot.svg'
data = './plot.gp.csv'
height = 392

# SPDX-License-Identifier: Apache-2.0
# What all pictures share; stands before each of them. By hand:
#   gnuplot -d -e "set terminal svg size 900,400; set output 'x.svg'; \
#     data = 'x.csv'" style.gp curves.gp
# where x.csv has the columns that the picture's program names.
set termoption noenhanced
set encoding utf8
set datafile separator comma
set datafile commentschars ''
set datafile columnheaders

# Colours of Okabe and Ito, which the colour-blind tell apart, and darker ones
# of the same hue for words. 1 is the first; they repeat after 0.
hue_of(i) = i == 1 ? 0x0072b2 : i == 2 ? 0xe69f00 : i == 3 ? 0x009e73 : \
  i == 4 ? 0xcc79a7 : i == 5 ? 0xd55e00 : i == 6 ? 0x56b4e9 : \
  i == 7 ? 0x000000 : 0x8c8c8c
ink_of(i) = i == 1 ? 0x005f95 : i == 2 ? 0x9a6a00 : i == 3 ? 0x007a59 : \
  i == 4 ? 0xa34d7e : i == 5 ? 0xb04e00 : i == 6 ? 0x2a7fae : \
  i == 7 ? 0x000000 : 0x666666
hue(i) = hue_of(int(i) % 8)
ink(i) = ink_of(int(i) % 8)
mark_of(i) = i == 1 ? 7 : i == 2 ? 5 : i == 3 ? 9 : i == 4 ? 13 : i == 5 ? 11 : \
  i == 6 ? 4 : i == 7 ? 6 : 8
mark(i) = mark_of(int(i) % 8)

# Terminals of characters have no colours for areas and no room.
dumb = GPVAL_TERM eq 'dumb'
set border 3 linecolor rgb '#888888'
set tics nomirror out scale 0.6 textcolor rgb '#333333'
set grid xtics ytics back linetype 1 linewidth 0.5 linecolor rgb '#e2e2e2'
if (dumb) { unset grid }
unset key

# Places of marks on a logarithmic axis that spans a few decades at most: 1, 2, 3,
# 5 times powers of ten, tick(0) = 1e-9. By hand:
#   set for [i = 0 : ticks] xtics add (gprintf('%.10g', tick(i)) tick(i))
ticks = 84
tick(i) = (i % 4 < 3 ? i % 4 + 1 : 5) * 10.0 ** (i / 4 - 9)
few_decades(low, high) = high / low < 400

# The first line says what is shown, the second of which inputs. `height` of the
# picture is in pixels of SVG.
title = ''
inputs = ''
if (!exists('height')) { height = 400 }
title_y = 1 - 26.0 / height
inputs_y = 1 - 50.0 / height

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
