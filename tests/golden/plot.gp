# To draw this again: gnuplot -d FILE
set terminal svg font 'sans-serif,13' background '#ffffff' size 900,402
set output './plot.svg'
data = './plot.csv'

# SPDX-License-Identifier: Apache-2.0
# Time of a sample by method: stacked bars, the fastest on top. Before this
# stand the terminal, the output and `data`, the CSV file:
#   1 model, 2 cluster, 3 gpus, 4 mode, 5 plan,
#   6 compute, 7 exposed communication, 8 launch idle (ms a sample), 9 note
set encoding utf8
set datafile separator comma
set datafile commentschars ''
set datafile columnheaders

heading = ''
stats data using (heading = sprintf('%s on %s, %s GPUs, %s', strcol(1), \
  strcol(2), strcol(3), strcol(4)), $6 + $7 + $8) nooutput
rows = STATS_records
longest = STATS_max > 0 ? STATS_max : 1
half = 0.36

set tmargin 4.5
set title heading noenhanced font ',14' offset 0,1.6
set key at graph 0.5, graph 1.02 center bottom horizontal Left reverse samplen 1
set xlabel 'milliseconds a sample, all GPUs together (x: speedup over the best embedded plan)'
set xrange [0:1.4 * longest]
set yrange [rows - 0.4:-0.6]
set border 3 linecolor rgb '#888888'
set xtics nomirror out textcolor rgb '#333333'
set ytics nomirror scale 0 noenhanced textcolor rgb '#000000'
set grid xtics back linecolor rgb '#dddddd' linetype 1
set style fill solid 1 noborder

plot data using (0):0:(0):6:($0 - half):($0 + half):ytic(5) \
       with boxxyerror linecolor rgb '#0072b2' title 'compute  ', \
     '' using (0):0:6:($6 + $7):($0 - half):($0 + half) \
       with boxxyerror linecolor rgb '#e69f00' title 'exposed communication  ', \
     '' using (0):0:($6 + $7):($6 + $7 + $8):($0 - half):($0 + half) \
       with boxxyerror linecolor rgb '#999999' title 'waiting for the CPU', \
     '' using ($6 + $7 + $8):0:9 with labels left noenhanced offset 0.8,0 \
       textcolor rgb '#333333' notitle
