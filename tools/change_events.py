"""Events as a worn detector sees them, to train on: those of `hitgraph study robustness`.

    python tools/change_events.py misaligned-200 data/train --events 1004:1010 \
        --first 7000 --seed 41 --out data/train-misaligned

Each event is changed with random numbers of its own: no two have their modules out of place alike.
The changed events get numbers from --first on. See CONDITIONS in hitgraph.studies.conditions.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from hitgraph.cli.arguments import add_events
from hitgraph.cli.console import say
from hitgraph.event.source import list_events
from hitgraph.event.store import (
    read_dataset_info,
    write_dataset_info,
    write_detectors,
    write_event,
)
from hitgraph.pipeline import Pipeline
from hitgraph.studies.conditions import CONDITIONS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("change", choices=CONDITIONS)
    add_events(parser)
    parser.add_argument("--first", type=int, required=True, metavar="N", help="number of the first")
    parser.add_argument("--seed", type=int, required=True, metavar="N")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    args = parser.parse_args()
    sources = list_events(args.paths, args.detectors, args.events)
    args.out.mkdir(parents=True, exist_ok=True)
    pipeline = Pipeline.load("compact")  # for its detector table
    numbers = range(args.first, args.first + len(sources))
    for number, source in zip(numbers, sources, strict=True):
        rng = np.random.default_rng([args.seed, number])
        _, changed = CONDITIONS[args.change].make(pipeline, source.read(), rng)
        write_event(replace(changed, name=f"event{number:09d}"), args.out)
        say(f"{source.name} {args.change}: {changed.n_hits} hits, now event{number:09d}")
    write_detectors(pipeline.detector, args.out)
    made = {"change": args.change, "change_seed": args.seed, "events": list(numbers)}
    write_dataset_info(args.out, read_dataset_info(sources[0].path.parent) | made)


if __name__ == "__main__":
    main()
