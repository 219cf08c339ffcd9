#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The grid of the DSP paper's end-to-end runs (128 H100, batch 1 a sequence
# group, frames and degree as in oahzxl/OpenDiT@86869cd:scripts/opensora): how
# many times the throughput of each other plan DSP has at the same degree. A
# dash is a plan that cannot run.
#
#   DSPSIM=./dspsim sh tests/paper-grid.sh
set -eu
DSPSIM=${DSPSIM:-dspsim}

columns='ulysses/best ulysses/naive ulysses/published ring/best ring/published
  usp/best megatron-sp/best megatron-sp/published'

header() {
  printf '| frames | degree | DSP samples/s |'
  for column in $columns; do printf ' %s |' "$column"; done
  printf '\n|--:|--:|--:|'
  for column in $columns; do printf -- '--:|'; done
  printf '\n'
}

row() { # MODEL FRAMES DEGREE
  plans=$($DSPSIM compare "$1" dgx-h100 --gpus 128 --dim "T=$2" --sp "$3" \
    --all --format csv --quiet)
  echo "$plans" |
    awk -F, -v columns="$columns" -v frames="$2" -v degree="$3" '
      NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
      {
        plan = $at["method"] "/" $at["variant"]
        rate = $at["samples_per_s"] + 0
        if (rate > best[plan]) best[plan] = rate
      }
      END {
        printf "| %d | %d | %.2f |", frames, degree, best["dsp/best"]
        n = split(columns, column, " ")
        for (i = 1; i <= n; i++)
          if (best[column[i]] > 0)
            printf " %.2f |", best["dsp/best"] / best[column[i]]
          else
            printf " - |"
        print ""
      }'
}

table() { # MODEL FRAMES:DEGREE...
  printf '\n%s:\n\n' "$1"
  header
  model=$1
  shift
  for point; do row "$model" "${point%:*}" "${point#*:}"; done
}

table transformer-2d-720m 128:2 256:4 256:8 512:8 512:16 1024:16 1024:32
table transformer-2d-3b 128:4 256:8 512:16 1024:32
