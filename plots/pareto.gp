# SPDX-License-Identifier: Apache-2.0
# Plans by time and cost, and the line of those that nothing beats in both.
# Behind style.gp. `data` has a row for each plan, those on the line last, the
# fastest first:
#   1 series (its colour), 2 name (on the line only), 3 seconds, 4 cost, 5 y of
#   the name, 6 on the line (1), 7 to 10 range of x, of y, 11 name of y,
#   12 name of the series, 13 where in the legend (0 to 1 of the picture),
#   14 title, 15 inputs
stats data using (x_low = $7, x_high = $8, y_low = $9, y_high = $10, \
  cost = strcol(11), title = strcol(14), inputs = strcol(15), $7) nooutput

set label 1 title at screen 0, screen title_y offset 1.5,0 font ',17' noenhanced
set label 2 inputs at screen 0, screen inputs_y offset 1.5,0 font ',12' \
  textcolor rgb '#555555' noenhanced
set tmargin at screen 1 - 100.0 / height

# The legend: each series once, in a line.
array legend[32]
array place[32]
do for [i = 1 : 32] { place[i] = 2 }
stats data using ($1 < 32 ? (legend[int($1) + 1] = strcol(12), \
  place[int($1) + 1] = $13, 0) : 0) nooutput
do for [i = 1 : 32] {
  if (place[i] < 1) {
    set label (10 + i) '●' at screen place[i], \
      screen 1 - 76.0 / height textcolor rgb hue(i - 1)
    set label (50 + i) legend[i] at screen place[i], \
      screen 1 - 76.0 / height offset 1.8,0 noenhanced \
      textcolor rgb '#333333'
  }
}

set rmargin 4
set logscale xy 10
set xrange [x_low : x_high]
set yrange [y_low : y_high]
set format xy '%.10g'
set xlabel 'seconds for 1000 samples' textcolor rgb '#333333'
set ylabel cost noenhanced textcolor rgb '#333333'
if (few_decades(x_low, x_high)) {
  set xtics ()
  set for [i = 0 : ticks] xtics add (gprintf('%.10g', tick(i)) tick(i))
}
if (few_decades(y_low, y_high)) {
  set ytics ()
  set for [i = 0 : ticks] ytics add (gprintf('%.10g', tick(i)) tick(i))
}
name_x(x) = x / (x_high / x_low) ** 0.03

plot data using ($6 == 1 ? NaN : $3):4:(hue($1)) with points pointtype 6 \
    pointsize 0.6 linecolor rgb variable, \
  data using ($6 == 1 ? $3 : NaN):4 with steps linewidth 1.5 \
    linecolor rgb '#444444', \
  data using ($6 == 1 ? $3 : NaN):4:(name_x($3) - $3):($5 - $4) \
    with vectors nohead linewidth 0.7 dashtype 3 linecolor rgb '#999999', \
  data using ($6 == 1 ? $3 : NaN):4:(hue($1)) with points pointtype 7 \
    pointsize 1.3 linecolor rgb variable, \
  data using ($6 == 1 ? name_x($3) : NaN):5:2:(ink($1)) with labels right \
    noenhanced offset (dumb ? -2 : -0.3),0 textcolor rgb variable
