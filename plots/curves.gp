# SPDX-License-Identifier: Apache-2.0
# Curves in panels, their names at their ends. Behind style.gp. `data` has a row
# for each point, sorted by panel, series and x:
#   1 panel (from 0), 2 series (its colour, from 0), 3 its name, 4 x, 5 y,
#   6 y of the name (last point of a series; else empty),
#   7 to 10 left, right, bottom, top of the panel (0 to 1 of the picture),
#   11 to 14 range of x, of y, 15 x is linear (0), logarithmic (2) or bytes
#   (1024), 16 y is logarithmic (1), 17 y of a line across, or empty,
#   18 title of the panel, 19 name of x, 20 name of y, 21 title, 22 inputs
stats data using 1 nooutput
panels = int(STATS_max) + 1
stats data using 2 nooutput
last = int(STATS_max)

set multiplot
do for [panel = 0 : panels - 1] {
  found = 0
  limit = NaN
  stats data using ($1 == panel ? (found = 1, x_low = $11, x_high = $12, \
    y_low = $13, y_high = $14, x_log = $15, y_log = $16, limit = $17, \
    heading = strcol(18), x_name = strcol(19), y_name = strcol(20), \
    title = strcol(21), inputs = strcol(22), $7) : NaN) nooutput
  if (!found) { continue }
  stats data using ($1 == panel ? (left = $7, right = $8, bottom = $9, \
    top = $10, $7) : NaN) nooutput
  unset label
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
  unset logscale
  if (x_log > 0) { set logscale x 2 }
  set ytics auto
  ratio = y_log > 0 ? y_high / y_low : 1
  if (y_log > 0) { set logscale y (ratio < 8 || ratio > 40 ? 10 : 2) }
  if (y_log > 0 && (ratio < 8 || ratio > 40) && few_decades(y_low, y_high)) {
    set ytics ()
    set for [i = 0 : ticks] ytics add (gprintf('%.10g', tick(i)) tick(i))
  }
  set format x (x_log == 1024 ? '%.0b%B' : '%.10g')
  set format y '%.10g'
  set xrange [x_low : x_high]
  set yrange [y_low : y_high]
  set xlabel x_name noenhanced textcolor rgb '#333333' offset 0,0.25
  if (!dumb) { set ylabel y_name noenhanced textcolor rgb '#333333' }
  if (dumb) { heading = heading . '  ' . y_name }
  set label 3 heading at graph 0, graph 1 offset (dumb ? 1 : 0),0.7 font ',13' \
    textcolor rgb '#000000' noenhanced
  if (limit == limit) {
    set label 4 'limit' at graph 0, first limit offset 0.8,0.5 \
      textcolor rgb '#b00000'
  }
  plot limit with lines linewidth 1.5 dashtype 2 linecolor rgb '#b00000', \
    for [s = 0 : last] data \
      using ($1 == panel && $2 == s && $6 == $6 ? $4 : NaN):5:(x_high - $4):($6 - $5) \
      with vectors nohead linewidth 0.7 dashtype 3 linecolor rgb hue(s), \
    for [s = 0 : last] data using ($1 == panel && $2 == s ? $4 : NaN):5 \
      with linespoints linewidth 2 linecolor rgb hue(s) pointtype mark(s) \
      pointsize 0.8, \
    data using ($1 == panel ? x_high : NaN):6:3:(ink($2)) with labels left \
      noenhanced offset (dumb ? 2 : 0.7),0 textcolor rgb variable
}
unset multiplot
