#!/usr/bin/env bash
# Measures everything that needs a GPU, in one go, on a machine that has one.
#
#   tools/measure_gpu.sh EVENTS OUT [PIPELINE ...]
#   tools/measure_gpu.sh data/pu200-test runs/gpu compact quickstart
#
# EVENTS: simulated pile-up 200 events with truth, three at least (growth to 300,000 hits); without
# a folder of that name they are simulated there (needs the extra `sim`). OUT gets, for every
# pipeline, benchmark.json, benchmark.md and growth.png with CPU and GPU side by side, and once the
# reference sizes of arXiv 2103.06995. Interrupted, the same line goes on where it stopped.
# hitgraph has to be installed with a CUDA build of PyTorch, and the machine to be free.
set -euo pipefail
[ $# -ge 2 ] || { sed -n '2,/^set/p' "$0" | sed -n 's/^# \{0,1\}//p'; exit 2; }
events=$1 out=$2
shift 2
[ $# -gt 0 ] || set -- compact
root=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-python3}

"$python" - <<'CHECK'
import torch

if not torch.cuda.is_available():
    raise SystemExit("no CUDA device, or a PyTorch without CUDA: nothing to measure here")
print(torch.cuda.get_device_name(), "torch", torch.__version__, "CUDA", torch.version.cuda)
CHECK
mkdir -p "$out"
nvidia-smi > "$out/nvidia-smi.txt" || true

[ -d "$events" ] || "$python" -m hitgraph.cli simulate "$events" --events 6 --pileup 200 --seed 3

# are the numbers right? kernels against their references, networks on both devices
"$python" -m pytest -q -rs "$root/tests/kernels" "$root/tests/graph" "$root/tests/gnn" \
  2>&1 | tee "$out/tests.txt" || echo "some tests failed, see $out/tests.txt" >&2

for pipeline in "$@"; do
  place=$out/$(basename "$pipeline")
  "$python" -m hitgraph.cli benchmark "$events" --pipeline "$pipeline" --out "$place" --resume \
    --device auto --repeats 7 --growth --throughput
  "$python" -m hitgraph.cli reconstruct "$events" --pipeline "$pipeline" --device cuda \
    --out "$place/tracks-cuda" --resume
  "$python" -m hitgraph.cli reconstruct "$events" --pipeline "$pipeline" --device cpu \
    --out "$place/tracks-cpu" --resume
  # the same tracks from both devices
  "$python" -m hitgraph.cli evaluate "$place/tracks-cpu" "$place/tracks-cuda" --truth "$events" \
    --json "$place/cpu-and-cuda.json"
done

"$python" -m hitgraph.cli benchmark "$events" --pipeline "$1" --device cuda --no-startup \
  --reference-sizes --repeats 1 --out "$out/reference-sizes" --resume
echo "all measured: $out"
