# SPDX-License-Identifier: Apache-2.0
# Plans by the FLOP for each byte that a GPU sends, below the peak rate of the
# GPU and what its links allow. Behind style.gp. `data` has a row for each roof
# and each plan:
#   1 series (its colour), 2 name, 3 FLOP a byte, 4 TFLOP/s of a GPU, 5 y of
#   the name, 6 GB/s of a roof (rows of roofs have no 3 to 5), 7 peak TFLOP/s,
#   8 to 11 range of x, of y, 12 title, 13 inputs
stats data using (peak = $7, x_low = $8, x_high = $9, y_low = $10, \
  y_high = $11, title = strcol(12), inputs = strcol(13), $7) nooutput

set label 1 title at screen 0, screen title_y offset 1.5,0 font ',17' noenhanced
set label 2 inputs at screen 0, screen inputs_y offset 1.5,0 font ',12' \
  textcolor rgb '#555555' noenhanced
set tmargin at screen 1 - 72.0 / height
set rmargin 4
set logscale xy 10
set xrange [x_low : x_high]
set yrange [y_low : y_high]
set format x '%.0s%c'
set format y '%.10g'
set xlabel 'FLOP of a GPU for each byte that it sends' \
  textcolor rgb '#333333'
set ylabel 'TFLOP/s of a GPU (FLOP of the model)' textcolor rgb '#333333'
set label 3 sprintf('peak %.0f TFLOP/s', peak) at graph 1, first peak right \
  offset 0,0.7 textcolor rgb '#333333'

if (few_decades(y_low, y_high)) {
  set ytics ()
  set for [i = 0 : ticks] ytics add (gprintf('%.10g', tick(i)) tick(i))
}
is_roof(column) = strlen(strcol(column)) > 0
knee(bandwidth) = peak * 1000 / bandwidth
slope(bandwidth, x) = bandwidth * x / 1000
roof_x(bandwidth) = slope(bandwidth, x_low) > y_low ? x_low \
  : y_low * 1000 / bandwidth
unset grid
set samples 500
set style line 1 linewidth 2 linecolor rgb '#444444'
end_x = x_high / (x_high / x_low) ** 0.27

plot peak with lines linestyle 1, \
  data using (is_roof(6) ? roof_x($6) : NaN):(slope($6, roof_x($6))): \
    (knee($6) - roof_x($6)):(peak - slope($6, roof_x($6))) \
    with vectors nohead linestyle 1, \
  data using (is_roof(6) ? knee($6) : NaN):(peak):2 with labels noenhanced \
    offset 0,0.7 textcolor rgb '#333333', \
  data using (is_roof(6) ? NaN : $3):4:(end_x - $3):($5 - $4) \
    with vectors nohead linewidth 0.7 dashtype 3 linecolor rgb '#999999', \
  data using (is_roof(6) ? NaN : $3):4:(hue($1)) with points pointtype 7 \
    pointsize 1.3 linecolor rgb variable, \
  data using (is_roof(6) ? NaN : end_x):5:2:(ink($1)) with labels left \
    noenhanced offset (dumb ? 2 : 0.5),0 textcolor rgb variable
