# SPDX-License-Identifier: Apache-2.0
# Predicted against measured, a panel for each kind. Behind style.gp. `data` has
# a row for each point, sorted by panel:
#   1 panel (from 0), 2 measured, 3 predicted, 4 healthy (1), 5 to 8 left,
#   right, bottom, top of the panel (0 to 1 of the picture), 9 and 10 range of
#   both axes, 11 name of the panel, 12 what its error is, 13 title, 14 inputs
stats data using 1 nooutput
panels = int(STATS_max) + 1

set logscale xy 10
set format xy '%.0s%c'
set multiplot
do for [panel = 0 : panels - 1] {
  stats data using ($1 == panel ? (left = $5, right = $6, bottom = $7, \
    top = $8, low = $9, high = $10, name = strcol(11), error = strcol(12), \
    title = strcol(13), inputs = strcol(14), $9) : NaN) nooutput
  unset label
  set xtics auto
  set ytics auto
  if (few_decades(low, high)) {
    set xtics ()
    set ytics ()
    set for [i = 0 : ticks] xtics add (gprintf('%.0s%c', tick(i)) tick(i))
    set for [i = 0 : ticks] ytics add (gprintf('%.0s%c', tick(i)) tick(i))
  }
  if (panel == 0) {
    set label 1 title at screen 0, screen title_y offset 1.5,0 \
      font ',17' textcolor rgb '#000000' noenhanced
    set label 2 inputs at screen 0, screen inputs_y offset 1.5,0 \
      font ',12' textcolor rgb '#555555' noenhanced
  }
  set lmargin at screen left
  set rmargin at screen right
  set bmargin at screen bottom
  set tmargin at screen top
  set xrange [low : high]
  set yrange [low : high]
  set label 3 name at graph 0, graph 1 offset 0,0.8 noenhanced font ',13'
  set label 4 error at graph 0.03, graph 0.95 noenhanced font ',11' \
    textcolor rgb '#444444'
  set xlabel 'measured' textcolor rgb '#333333' offset 0,0.25
  set ylabel 'predicted' textcolor rgb '#333333'
  plot x with lines linewidth 1.2 linecolor rgb '#000000', \
    x * 1.1 with lines linewidth 0.7 linecolor rgb '#888888', \
    x / 1.1 with lines linewidth 0.7 linecolor rgb '#888888', \
    x * 1.25 with lines linewidth 0.7 dashtype 2 linecolor rgb '#888888', \
    x / 1.25 with lines linewidth 0.7 dashtype 2 linecolor rgb '#888888', \
    data using ($1 == panel && $4 == 0 ? $2 : NaN):3 with points pointtype 6 \
      pointsize 0.5 linecolor rgb '#aaaaaa', \
    data using ($1 == panel && $4 == 1 ? $2 : NaN):3 with points pointtype 7 \
      pointsize 0.5 linecolor rgb hue(1)
}
unset multiplot
