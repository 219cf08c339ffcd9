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
