#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Predictions beside measured runs, a table for each file of runs (columns and
# sources in the file). No constant of dspsim is fitted to whole runs.
#
#   DSPSIM=./dspsim sh tests/against-measured.sh tests/data/*-steps.tsv
set -eu
DSPSIM=${DSPSIM:-dspsim}
tab=$(printf '\t')
log=$(mktemp)
trap 'rm -f "$log"' EXIT

predicted() { # UNIT ARGUMENT...; nothing if the plan cannot run
  unit=$1
  shift
  plan=$($DSPSIM predict --format csv --quiet "$@" 2>"$log") ||
    test $? -eq 1 || { cat "$log" >&2; return 1; }
  echo "$plan" |
    awk -F, -v unit="$unit" '
      NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
      unit == "samples/s" { print $at["samples_per_s"]; next }
      $at["step_time_us"] > 0 {
        run = $at["run_time_s"] + 0
        print (run > 0 ? run : $at["step_time_us"] * 1e-6) }'
}

row() { # RUN MEASURED UNIT TRUST PREDICTED
  awk -v run="$1" -v m="$2" -v u="$3" -v trust="$4" -v p="$5" 'BEGIN {
    if (p + 0 == 0)
      printf "| %s | %.3g %s | cannot run | - | %s |\n", run, m, u, trust
    else
      printf "| %s | %.3g %s | %.3g | %.2f | %s |\n", run, m, u, p, p / m, trust
  }'
}

for file; do
  printf '| run | measured | predicted | predicted/measured | trust |\n'
  printf '|---|--:|--:|--:|---|\n'
  grep -v '^#' "$file" |
    while IFS=$tab read -r run measured unit trust arguments; do
      # shellcheck disable=SC2086 # the arguments are words
      value=$(predicted "$unit" $arguments)
      row "$run" "$measured" "$unit" "$trust" "$value"
    done
  echo
done
