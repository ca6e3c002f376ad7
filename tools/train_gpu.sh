#!/usr/bin/env bash
# Simulates, trains, evaluates and packs the shipped pipelines, in slices that may be cut off.
#
#   tools/train_gpu.sh OUT [RECIPE ...]
#   tools/train_gpu.sh runs/shipped recipes/accurate.yaml recipes/compact.yaml
#
# OUT gets data/ (events by seed), a pipeline folder and an evaluation for each recipe, and after
# every slice packed.tar.gz with all weights, checkpoints and logs so far. The same line goes on
# where the last one stopped; it ends with "all done" once nothing is left to do.
#
#   SLICE=540     seconds after which a slice stops by itself (Ctrl-C to the training, then packing)
#   EVENTS=260    simulated events to train and validate on, as many as the recipes need at least
#   TEST=24       simulated events to evaluate on
#   PILEUP=200 DEVICE=auto WORKERS=all cores
#
# A dry run on a laptop: SLICE=60 EVENTS=4 TEST=2 PILEUP=2 DEVICE=cpu tools/train_gpu.sh runs/dry
# recipes/tiny.yaml takes a few minutes.
set -euo pipefail
[ $# -ge 1 ] || { sed -n '2,/^set/p' "$0" | sed -n 's/^# \{0,1\}//p'; exit 2; }
out=$1
shift
root=$(cd "$(dirname "$0")/.." && pwd)
[ $# -gt 0 ] || set -- "$root/recipes/accurate.yaml" "$root/recipes/compact.yaml"
hitgraph=("${PYTHON:-python3}" -m hitgraph.cli)
start=$SECONDS slice=${SLICE:-540} device=${DEVICE:-auto} pileup=${PILEUP:-200}
mkdir -p "$out"

pack() {
  : > "$out/packed.tmp"  # tar complains where it appears while it reads the folder
  tar czf "$out/packed.tmp" -C "$out" --exclude data --exclude packed.tmp --exclude packed.tar.gz \
    --exclude samples --exclude candidates --exclude filtered --exclude supported \
    --exclude graphs --exclude parts --exclude 'tracks-*' .
  mv "$out/packed.tmp" "$out/packed.tar.gz"
}
trap pack EXIT

# Runs a command with what is left of the slice; 130 is how the commands end after Ctrl-C.
in_slice() {
  local left=$((slice - (SECONDS - start))) code=0
  [ "$left" -gt 5 ] || { echo "slice is over: run the same line again"; exit 0; }
  timeout --foreground --signal INT --kill-after 60 "$left" "$@" || code=$?
  case $code in
    0) ;;
    124 | 130) echo "slice is over: run the same line again"; exit 0 ;;
    *) exit "$code" ;;
  esac
}

simulate() { # folder, number of events, seed
  local resume=()
  [ -d "$1" ] && resume=(--resume)
  in_slice "${hitgraph[@]}" simulate "$1" --events "$2" --pileup "$pileup" --seed "$3" \
    --preset plain --workers "${WORKERS:-$(nproc)}" "${resume[@]}"
}

simulate "$out/data/train" "${EVENTS:-260}" 1
simulate "$out/data/test" "${TEST:-24}" 3
for recipe in "$@"; do
  name=$(basename "$recipe" .yaml)
  place=$out/$name
  in_slice "${hitgraph[@]}" train "$recipe" --data "$out/data/train" --out "$place" \
    --device "$device" --keep --resume
  in_slice "${hitgraph[@]}" reconstruct "$out/data/test" --pipeline "$place" --device "$device" \
    --out "$out/tracks-$name" --resume
  in_slice "${hitgraph[@]}" evaluate "$out/tracks-$name" --truth "$out/data/test" \
    --json "$place/test.json"
done
pack
trap - EXIT
echo "all done: $out"
