#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Clusters as trees, matrices, routes and pictures, and imported machines.
# shellcheck disable=SC1091,SC2154 # tests/cli.sh
. "$DSP_TEST_SOURCE/tests/cli.sh"
cd "$work" || exit 1
data=$DSP_TEST_SOURCE/tests/data/topo

# Each cluster has a tree, a matrix and a picture; pictures are well-formed and
# the same each time.
for name in $(dspsim list clusters --format csv | sed '1d; s/,.*//'); do
  expect 0 "^$name: " '' topo "$name"
  expect 0 'from GPU to GPU' '' topo "$name" --matrix
  expect 0 '' '' topo "$name" -o "$name.svg"
  matches '^</svg>$' "$name.svg" || fail "$name.svg has no end"
  if command -v xmllint > /dev/null; then
    xmllint --noout "$name.svg" || fail "$name.svg is no XML"
  fi
done
expect 0 '' '' topo dgx-h100 -o again.svg
same dgx-h100.svg again.svg 'two pictures'

# A matrix of routes that lead back as they lead there.
expect 0 '' '' topo dgx-v100 --nodes 2 --matrix -o pairs.csv
awk -F , 'NR > 1 { path[$1, $2] = $3; rate[$1, $2] = $5; n++ }
  END {
    for (i = 0; i < 16; i++) for (j = 0; j < 16; j++)
      if (path[i, j] != path[j, i] || rate[i, j] != rate[j, i] ||
          (path[i, j] == "local") != (i == j) ||
          (path[i, j] == "net") != ((i < 8) != (j < 8))) bad++
    exit n != 256 || bad
  }' pairs.csv || fail 'the matrix of dgx-v100'

# A pair is its route: the narrowest link, and all latencies.
for pair in 0:1 0:7 0:8 3:13; do
  expect 0 '' '' topo dgx-v100 --nodes 2 --route $pair -o route.csv
  awk -F , -v pair=$pair 'NR == FNR { if ($1 ":" $2 == pair) p = $3 "," $5 "," $6; next }
    FNR > 1 { if (!w || $7 < w) w = $7; t += $8; path = $3 }
    END { split(p, want, ",")
          exit path != want[1] || w != want[2] || (t - want[3]) ^ 2 > 1e-18 }' \
    pairs.csv route.csv || fail "route $pair is not its pair"
done
expect 0 '^# dgx-h100, GPU 0 to GPU 9: path net' '' topo --route 0:9
expect 0 'path local$' '' topo --route 3:3
expect 0 '"schema": "dspsim.topo/1"' '' topo --format json
expect 0 '"view": "matrix"' '' topo --matrix --format json

# Imported, shown and priced.
expect 0 '' '' topo --import "$data/nccl-nvswitch.xml" --network ib-hdr \
  -o imported.json
expect 0 'PCIe switch 3' '' topo ./imported.json
expect 0 '^# Avg' '' cost ./imported.json --nodes 2 -b 1M -e 1M
expect 0 'NVSwitch' '' topo imported.json
expect 0 '"kind": "switch"' '' topo --import "$data/smi-nvswitch.txt" \
  --gpu h100-sxm --host xeon-pcie5 --network none

# Text from outside is text.
sed 's/"title": "[^"]*"/"title": "<\/text><script>\&\\"alert(1)"/' imported.json \
  > hostile.json
expect 0 '' '' topo ./hostile.json -o hostile.svg
if grep -q '<script' hostile.svg || ! grep -q '&lt;script&gt;&amp;' hostile.svg
then
  fail 'the title is not escaped'
fi

# No answer where there is an error.
printf 'GPU0 GPU1\nGPU0 X PHB\nGPU1 SYS X\n' > bad.txt
echo old > kept.json
expect 3 '' '^bad.txt:3:6: GPU1 to GPU0 differs' topo --import bad.txt \
  --gpu l40s --host xeon-pcie4 -o kept.json
test "$(cat kept.json)" = old || fail 'written in spite of an error'
expect 3 '' '^none.txt: ' topo --import none.txt
expect 2 '' "'--gpu' must name the GPU" topo --import "$data/smi-pcie.txt"
expect 2 '' "'--host' must name the host" topo --import "$data/smi-pcie.txt" \
  --gpu l40s
expect 2 '' "'--network' must name" topo --import "$data/nccl-nvswitch.xml"
expect 2 '' "'--cpus': 4 GPUs do not share 3 CPUs" topo \
  --import "$data/smi-pcie.txt" --gpu l40s --host xeon-pcie4 --cpus 3
expect 2 '' "'--gpu': is for '--import'" topo --gpu l40s
expect 2 '' "'--cpus': is for '--import'" topo --cpus 2
expect 2 '' "'--import': does not go with '--matrix'" topo --import x --matrix
expect 2 '' "'--import': does not go with 'dgx-h100'" topo dgx-h100 --import x
expect 2 '' "'--import': does not go with '--format'" topo --import x \
  --format csv
expect 2 '' "'--import': does not go with '-o FILE.svg'" topo --import x \
  -o x.svg
expect 2 '' "'--matrix': does not go with '--route'" topo --matrix --route 0:1
expect 2 '' "'--output': does not go with '--matrix'" topo --matrix -o x.svg
expect 2 '' "'--format': does not go with '-o FILE.svg'" topo -o x.svg \
  --format csv
expect 2 '' "'--route': '0' is not two GPUs" topo --route 0
expect 2 '' "'--route': '0:x' is not two GPUs" topo --route 0:x
expect 2 '' "'--route': there are GPUs 0 to 7" topo --route 0:8 --nodes 1
expect 2 '' "'--nodes': makes 1032 GPUs, more than 1024" topo --matrix \
  --nodes 129
expect 1 '' 'at most' topo l40s-pcie --route 0:8
exit "$failed"
