#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Rows of the tables of dspsim-calibrate(1), CROSS-VALIDATION, and
# dspsim-score(1), COVERAGE, from files of measurements, after new residuals
# have been made of them:
#
#   dspsim score --residuals hwprofiles/residuals/measured.json FILE...
#   DSPSIM=./dspsim sh tests/measured-tables.sh FILE...
set -eu
DSPSIM=${DSPSIM:-dspsim}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

$DSPSIM calibrate --leave-one-out --quiet --format csv "$@" > "$work/out.csv"
echo 'dspsim-calibrate(1)'
awk -F, '
  function percent(key) { return sprintf("%.1f", 100 * $c[key]) }
  function medians() {
    return "Ta " percent("median_ape_before") " Ta " percent("median_ape_after")
  }
  NR == 1 { for (i = 1; i <= NF; i++) c[$i] = i; next }
  # Classes with commas in their names are not in the tables.
  NF > length(c) { next }
  $c["cluster"] == "all" && ($c["kind"] == "collective" || $c["band"] == "all") {
    print ".It", $c["kind"] ":", $c["band"], "Ta", $c["n"], medians(),
      "Ta", percent("p90_ape_before"), "Ta", percent("p90_ape_after") }
  $c["cluster"] != "all" && $c["kind"] == "collective" &&
    $c["band"] == "all" && $c["n"] >= 100 && $c["constants_fitted"] > 0 {
    print ".It", $c["cluster"], "Ta", $c["n"], medians() }
  ' "$work/out.csv"

$DSPSIM score --quiet --output "$work/shipped.csv" "$@"
$DSPSIM score --quiet --output "$work/held.csv" --held-out "$@"
echo 'dspsim-score(1)'
awk -F, '
  function share(file, kind) {
    return "Ta " sprintf("%.0f", 100 * inside[file, kind] / n[file, kind])
  }
  FNR == 1 { for (i = 1; i <= NF; i++) c[$i] = i; file++; next }
  $c["trust"] == "healthy" && $c["in_interval"] != "" {
    kind = $c["kind"]
    n[file, kind]++
    inside[file, kind] += $c["in_interval"] == "true"
    kinds[kind] }
  END {
    for (kind in kinds)
      print ".It", kind, "Ta", n[1, kind], share(1, kind), share(2, kind) }
  ' "$work/shipped.csv" "$work/held.csv" | sort
