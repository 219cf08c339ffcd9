#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Predictions beside the published runs of Open-Sora 1.0 on H800, as a table.
# Nothing is fitted to these runs.
#
#   DSPSIM=./dspsim sh tests/against-open-sora.sh
set -eu
DSPSIM=${DSPSIM:-dspsim}
runs=$(dirname "$0")/data/open-sora-1.0-steps.tsv
tab=$(printf '\t')

predicted() { # UNIT OPTION...
  unit=$1
  shift
  { $DSPSIM predict open-sora-1.0 hgx-h800 --attention fa2 --format csv \
    --quiet "$@" 2>&3 || test $? -eq 1; } |
    awk -F, -v unit="$unit" '
      NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
      { print unit == "s" ? $at["run_time_s"] : $at["samples_per_s"] }'
}

printf '| run | measured | predicted | predicted/measured | trust |\n'
printf '|---|--:|--:|--:|---|\n'
grep -v '^#' "$runs" |
  while IFS=$tab read -r run measured unit trust options; do
    # shellcheck disable=SC2086 # the options are words
    value=$(predicted "$unit" $options)
    awk -v run="$run" -v m="$measured" -v p="$value" -v u="$unit" \
      -v trust="$trust" 'BEGIN {
        if (p == 0)
          printf "| %s | %.3g %s | cannot run | - | %s |\n", run, m, u, trust
        else
          printf "| %s | %.3g %s | %.3g | %.2f | %s |\n", run, m, u, p, p / m,
                 trust }'
  done 3>/dev/null
