"""Seeds of ACTS's grid beside those of a pipeline: python benchmarks/seeds.py EVENTS --pipeline P

    python benchmarks/seeds.py data/test-50 --events 1000:1002 --pipeline compact

Grid seeds are made of all hits with the settings of each pass of `hitgraph baseline ckf`, those of
the pipeline with several cuts on their scores. Purity is the share of seeds whose hits are all of
one particle, efficiency that of reconstructable particles with such a seed, above 0.1 and 0.5 GeV.
Then tracks: the combinatorial Kalman filter that follows either, with its score, technical
efficiency above 0.1 and 0.5 GeV, and purity. Times are CPU seconds an event of one thread, with
what is put into ACTS and taken out of it.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from acts import examples
from numpy.typing import NDArray
from rich.console import Console
from timing import cpu_time

from hitgraph.acts.algorithms import (
    QUIET,
    SUBSET,
    ProtoTrackReader,
    add_measurements,
    new_sequencer,
    run_sequencer,
)
from hitgraph.acts.geometry import generic_geometry
from hitgraph.acts.measurements import measurements_of
from hitgraph.baseline.ckf import Ckf, add_grid_seeds
from hitgraph.baseline.seeded import SeededCkf, Seeder
from hitgraph.baseline.settings import GAPS, LEFT, SOFT, STIFF, SearchPass
from hitgraph.cli.arguments import parse_range
from hitgraph.evaluation.metrics import combine, evaluate
from hitgraph.evaluation.seeds import SeedQuality, seed_quality
from hitgraph.event.event import Event
from hitgraph.event.selection import SELECTED
from hitgraph.event.source import list_events
from hitgraph.pipeline import Pipeline

PASSES = {"stiff": STIFF, "gaps": GAPS, "soft": SOFT, "left": LEFT}
CUTS = (0.1, 0.5, 0.75, 0.9, 0.98)
ABOVE = (0.1, 0.5)  # GeV

Find = Callable[[Event], NDArray[np.int64]]


def grid_seeds(search: SearchPass) -> Find:
    """(n_seeds, 3) hits of the seeds that ACTS makes of all hits of an event."""

    def find(event: Event) -> NDArray[np.int64]:
        geometry = generic_geometry(event.likely_field)
        measurements, found = measurements_of(event, geometry), []
        sequencer = new_sequencer()
        add_measurements(sequencer, measurements)
        add_grid_seeds(sequencer, search, 0, SUBSET, geometry, [])
        sequencer.addAlgorithm(
            examples.SeedsToProtoTracks(
                level=QUIET, inputSeeds="seeds0", outputProtoTracks="seed_hits"
            )
        )
        sequencer.addAlgorithm(ProtoTrackReader("seed_hits", found.extend))
        run_sequencer(sequencer, event.name)
        return measurements.hit[np.array(found, np.int64).reshape(-1, 3)]

    return find


def measure(name: str, find: Find, events: Sequence[Event]) -> str:
    """A row of the table."""
    find(events[0])  # compiles
    qualities: list[list[SeedQuality]] = [[] for _ in ABOVE]
    seconds = n_seeds = 0.0
    for event in events:
        seeds, spent = cpu_time(find, event)
        seconds += spent
        n_seeds += len(seeds)
        for pt, found in zip(ABOVE, qualities, strict=True):
            found.append(seed_quality(event, seeds, SELECTED.above(pt)))
    totals = [sum(found[1:], found[0]) for found in qualities]
    cells = [f"{n_seeds / len(events):,.0f}", f"{totals[0].purity.value:.2%}"]
    cells += [f"{total.efficiency.value:.2%}" for total in totals]
    return f"| {name} | " + " | ".join([*cells, f"{seconds / len(events):.2f}"]) + " |"


def follow(name: str, finder: Ckf | SeededCkf, events: Sequence[Event]) -> str:
    """A row of the table of tracks."""
    seconds, found = 0.0, []
    for event in events:
        result, spent = cpu_time(finder.run, event)
        seconds += spent
        found.append(evaluate(event, result.labels))
    metrics = combine(found)
    matching = metrics.matchings["double majority"]
    cells = [f"{metrics.score:.4f}"]
    cells += [f"{one.technical.value:.2%}" for one in matching.efficiency[:2]]
    cells += [f"{matching.purity.value:.2%}", f"{seconds / len(events):.1f}"]
    return f"| {name} | " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paths", nargs="+", type=Path)
    parser.add_argument("--events", type=parse_range, metavar="A:B")
    parser.add_argument("--pipeline", default="compact")
    args = parser.parse_args()
    torch.set_num_threads(1)
    events = [source.read() for source in list_events(args.paths, None, args.events)]
    console = Console(soft_wrap=True)
    console.print("| seeds | an event | purity | efficiency > 0.1 GeV | > 0.5 GeV | CPU s |")
    console.print("|---|---|---|---|---|---|")
    for name, search in PASSES.items():
        console.print(measure(f"grid, {name}", grid_seeds(search), events))
    pipeline = Pipeline.load(args.pipeline)
    for cut in CUTS:
        console.print(measure(f"{args.pipeline}, {cut}", Seeder(pipeline, cut), events))
    console.print("\n| seeds | score | efficiency > 0.1 GeV | > 0.5 GeV | purity | CPU s |")
    console.print("|---|---|---|---|---|---|")
    console.print(follow("grid", Ckf(), events))
    console.print(follow(args.pipeline, SeededCkf(Seeder(pipeline)), events))


if __name__ == "__main__":
    main()
