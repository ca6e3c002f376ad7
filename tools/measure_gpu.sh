#!/usr/bin/env bash
# Measures everything that needs a GPU, in one go, on a machine that has one.
#
#   tools/measure_gpu.sh EVENTS OUT [PIPELINE ...]
#   tools/measure_gpu.sh data/pu200-test runs/gpu compact accurate quickstart
#
# EVENTS: simulated pile-up 200 events with truth, three at least (growth to 300,000 hits); without
# a folder of that name they are simulated there (needs the extra `sim`). OUT gets
#
#   tests.txt                   the tests of what runs on a GPU, on this one, against the CPU
#   PIPELINE/benchmark.*        stages on CPU and GPU side by side, growth with hits, events a
#                               second with several events in flight and several processes
#   PIPELINE/PRECISION/         stages in float32, float16 and bfloat16, with the score of each
#   PIPELINE/cpu-and-cuda.json  the tracks of the CPU and of the GPU, judged side by side
#   times.txt                   stages in a warm process, with and without the kernels in Triton
#   PIPELINE/profile.txt        which operations an event spends its time on, stage by stage
#   reference-sizes/            the sizes of arXiv 2103.06995
#
# It goes on after a measurement that fails, says so, and ends with status 1. Interrupted, the same
# line goes on where it stopped. hitgraph has to be installed with a CUDA build of PyTorch and the
# extra `dev`, and the machine to be free.
set -uo pipefail
[ $# -ge 2 ] || { sed -n '2,/^set/p' "$0" | sed -n 's/^# \{0,1\}//p'; exit 2; }
events=$1 out=$2
shift 2
[ $# -gt 0 ] || set -- compact
root=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-python3}
failed=0

try() {
  "$@" || { echo "failed: $*" >&2; failed=1; }
}

hitgraph() {
  try "$python" -m hitgraph.cli "$@"
}

"$python" - <<'CHECK' || exit 2
import torch

if not torch.cuda.is_available():
    raise SystemExit("no CUDA device, or a PyTorch without CUDA: nothing to measure here")
print(torch.cuda.get_device_name(), "torch", torch.__version__, "CUDA", torch.version.cuda)
CHECK
mkdir -p "$out"
nvidia-smi > "$out/nvidia-smi.txt" || true
[ -d "$events" ] ||
  "$python" -m hitgraph.cli simulate "$events" --events 6 --pileup 200 --seed 3 || exit 2

# are the numbers right? everything in torch on this GPU against the kernels for the CPU
(cd "$root" && try "$python" -m pytest -q -rs -m gpu tests) 2>&1 | tee "$out/tests.txt"
grep -q "^failed: " "$out/tests.txt" && failed=1
try "$python" "$root/tools/time_gpu.py" "$events" "$@" | tee "$out/times.txt"

for pipeline in "$@"; do
  place=$out/$(basename "$pipeline")
  hitgraph benchmark "$events" --pipeline "$pipeline" --out "$place" --resume \
    --device auto --repeats 7 --growth --throughput
  for precision in float32 float16 bfloat16; do
    hitgraph benchmark "$events" --pipeline "$pipeline" --out "$place/$precision" --resume \
      --device cuda --repeats 7 --no-startup --precision "$precision"
  done
  for device in cpu cuda; do
    hitgraph reconstruct "$events" --pipeline "$pipeline" --device "$device" \
      --out "$place/tracks-$device" --resume
  done
  hitgraph evaluate "$place/tracks-cpu" "$place/tracks-cuda" --truth "$events" \
    --json "$place/cpu-and-cuda.json"
  try "$python" "$root/tools/profile_gpu.py" "$events" "$pipeline" > "$place/profile.txt"
done

hitgraph benchmark "$events" --pipeline "$1" --device cuda --no-startup \
  --reference-sizes --repeats 1 --out "$out/reference-sizes" --resume
[ "$failed" = 0 ] && echo "all measured: $out" || echo "some measurements failed, see above" >&2
exit "$failed"
