# SPDX-License-Identifier: Apache-2.0
# Cells of a map in the colours of who wins there. Behind style.gp. `data` has
# a row for each cell:
#   1 column, 2 row (from 0, from below), 3 series (its colour), empty if
#   nothing runs, 4 its name, 5 how far ahead, 6 the same from 0 to 1,
#   7 value of x, 8 of y, 9 name of x, 10 of y, 11 title, 12 inputs
stats data using (x_name = strcol(9), y_name = strcol(10), \
  title = strcol(11), inputs = strcol(12), $1) nooutput
columns = int(STATS_max) + 1
stats data using 2 nooutput
rows = int(STATS_max) + 1

# A colour between white (0) and itself (1).
channel(c, shift, s) = int(255 - s * (255 - (int(c) >> shift) % 256))
tint(c, s) = channel(c, 16, s) * 65536 + channel(c, 8, s) * 256 \
  + channel(c, 0, s)

set label 1 title at screen 0, screen title_y offset 1.5,0 font ',17' noenhanced
set label 2 inputs at screen 0, screen inputs_y offset 1.5,0 font ',12' \
  textcolor rgb '#555555' noenhanced
set tmargin at screen 1 - 72.0 / height
set lmargin 11
set rmargin 4
set xrange [-0.5 : columns - 0.5]
set yrange [-0.5 : rows - 0.5]
set xlabel x_name noenhanced textcolor rgb '#333333'
set ylabel y_name noenhanced textcolor rgb '#333333' offset -0.5,0
set xtics scale 0 noenhanced ()
set ytics scale 0 noenhanced ()
unset grid
unset border
set style fill solid 1 border rgb '#ffffff'

plot data using 1:2:($1 - 0.5):($1 + 0.5):($2 - 0.5):($2 + 0.5): \
    (strlen(strcol(4)) ? tint(hue($3), 0.15 + 0.45 * $6) : 0xf4f4f4) \
    with boxxyerror linewidth 3 linecolor rgb variable, \
  data using 1:2:4 with labels noenhanced offset 0,0.55 \
    font ',13' textcolor rgb '#000000', \
  data using 1:2:5 with labels noenhanced offset 0,-0.6 \
    font ',11' textcolor rgb '#444444', \
  data using 1:2:xtic(7):ytic(8) with lines linetype nodraw
