#!/usr/bin/env bash
# The events that the shipped pipelines were taught on, and those that their numbers come from.
#   tools/samples.sh data        # about 90 events of 4 s each on a core, 0.6 GB
# Training (seed 21), validation (22) and test events (23 to 27) are disjoint. Then:
#   hitgraph train compact --out runs/compact --data data/train/event00000{1000..1011} data/train-wide \
#     data/train-50/event00000{3000..3002} data/train-20 data/train-400/event000005000 data/val data/val-50
#   hitgraph train accurate --from compact --out runs/accurate --data \
#     data/train/event00000{1000,1001,1010,1011,1012,1013} data/train-misaligned data/train-dead \
#     data/train-inefficient data/train-wide data/train-50/event00000{3000..3002} data/train-20 \
#     data/train-400/event000005000 data/val data/val-50
#   hitgraph train quickstart --out runs/quickstart --data data/pu20
set -euo pipefail
data=${1:?a folder for the events}
simulate() { hitgraph simulate "$data/$1" --resume "${@:2}"; }
wide=(--beam-spot 0.015:100) # mm; so that collisions far from the centre are learnt too
simulate train --events 14 --pileup 200 --seed 21 --first 1000
simulate train-wide --events 8 --pileup 200 --seed 21 --first 2000 "${wide[@]}"
simulate train-50 --events 4 --pileup 50 --seed 21 --first 3000 "${wide[@]}"
simulate train-20 --events 2 --pileup 20 --seed 21 --first 4000
simulate train-400 --events 2 --pileup 400 --seed 21 --first 5000
change() { python "$(dirname "$0")/change_events.py" "$1" "$data/train" --events "$2" --first "$3" --seed "$4" \
  --out "$data/$5"; }
change misaligned-200 1004:1010 7000 41 train-misaligned # every event in another way
change dead-modules 1002:1003 7100 42 train-dead
change inefficiency 1003:1004 7200 43 train-inefficient
simulate val --events 3 --pileup 200 --seed 22 --first 6000
simulate val-50 --events 1 --pileup 50 --seed 22 --first 6100
simulate test --events 24 --pileup 200 --seed 23
simulate test-plain --preset plain --events 6 --pileup 200 --seed 24
simulate test-20 --events 10 --pileup 20 --seed 25
simulate test-50 --events 10 --pileup 50 --seed 26
simulate test-400 --events 4 --pileup 400 --seed 27
simulate pu20 --events 70 --pileup 20 --seed 31
