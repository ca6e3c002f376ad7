"""Edges and time of the graph builders at equal edge efficiency: python benchmarks/builders.py DATA

    python benchmarks/builders.py data/train --test data/val/event000006000 --out builders.md
    python benchmarks/builders.py data/train --test data/val/event000006000 --events 1 4 14

DATA is a store of full events; builders learn from the first ones (14, or as many as --events says)
and are measured on the event of --test, of which none is learnt. Each builder is learnt with
several values of one key, and what it costs at an efficiency of 0.97, 0.98, 0.99 is read off
between the two values around it. Efficiency is the share of the true edges of particles with at
least three hits, of all and of those above 0.5 GeV. With --events instead of that a table of the
module map against the number of events, with and without what modules of a ring share. Times are
CPU seconds of one thread. Only builders without networks that need no cells.
"""

import argparse
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from hitgraph.event.event import Event
from hitgraph.event.selection import Selection, selected_hits
from hitgraph.event.source import list_events
from hitgraph.graph.layer_pairs import LayerPairSettings
from hitgraph.graph.lsh import LshSettings
from hitgraph.graph.module_map import ModuleMapSettings
from hitgraph.graph.nearest import NearestSettings
from hitgraph.lessons.material import Example, Material
from hitgraph.lessons.samples import Sample, make_sample
from hitgraph.lessons.settings import TruthSettings
from hitgraph.stage import Context, StageSettings
from hitgraph.state import State

WANTED = (0.97, 0.98, 0.99)
FAST = Selection(min_pt=0.5, max_abs_eta=None, min_hits=3)
WIDEN = (1.0, 3.0, 10.0, 30.0)
# of each builder: settings, the key that is varied, its values from few edges to many
SWEEPS: dict[str, tuple[StageSettings, str, Sequence[float]]] = {
    "module map": (ModuleMapSettings(), "widen", WIDEN),
    "module map, pairs only": (ModuleMapSettings(triplets=False), "widen", (0.0, 3.0)),
    "layer pairs": (LayerPairSettings(), "coverage", (0.92, 0.96, 0.985)),
    "nearest": (NearestSettings(target_efficiency=0.999), "neighbours", (20, 60)),
    "LSH": (LshSettings(), "target_efficiency", (0.8, 0.9)),
}


class SilentWorkshop:
    """For stages that fit no network."""

    seed, truth = 0, TruthSettings()

    def report(self, line: str) -> None: ...

    def record(self, facts: Mapping[str, Any]) -> None: ...


@dataclass(frozen=True)
class Point:
    """One setting of one builder, on one event."""

    edges: int
    efficiency: float  # of the true edges of particles with at least three hits
    fast: float  # the same above 0.5 GeV
    seconds: float


def read(event: Event) -> Sample:
    assert event.detector is not None
    return make_sample(event, event.detector, False, TruthSettings())


def measure(
    settings: StageSettings, train: Sequence[Sample], test: Sample, fast: torch.Tensor, event: Event
) -> Point:
    """Learn, then build once to compile and once for the clock."""
    assert event.detector is not None
    reads = [partial(Example, sample, State(sample.hits)) for sample in train]
    shop: Any = SilentWorkshop()
    stage = settings.learn(Context(event.detector), Material(reads, reads[:1]), shop)
    stage(State(train[0].hits.select(torch.arange(1000))))
    start = time.process_time()
    edges = stage(State(test.hits)).graph()
    seconds = time.process_time() - start
    n = len(test.hits)
    found = torch.isin(test.true_edges[0] * n + test.true_edges[1], edges[0] * n + edges[1])
    of_fast = found[fast[test.true_edges[0]]]
    return Point(
        edges.shape[1], float(found.float().mean()), float(of_fast.float().mean()), seconds
    )


def at_efficiency(points: Sequence[Point], wanted: float, key: str) -> tuple[float, float] | None:
    """Edges and seconds at an efficiency, between the two points around it; None beyond them."""
    ranked = sorted(points, key=lambda point: getattr(point, key))
    known = [getattr(point, key) for point in ranked]
    if not known[0] <= wanted <= known[-1]:
        return None
    edges, seconds = (
        float(np.exp(np.interp(wanted, known, np.log([getattr(p, name) for p in ranked]))))
        for name in ("edges", "seconds")
    )
    return edges, seconds


def comparison(train: Sequence[Sample], test: Sample, event: Event, only: str) -> Iterator[str]:
    """Markdown, and every point measured."""
    fast = torch.from_numpy(selected_hits(event, FAST))
    yield (
        "| builder | "
        + " | ".join(f"{name} {wanted}" for name in ("all", "pT > 0.5") for wanted in WANTED)
        + " |"
    )
    yield "|---" * (1 + 2 * len(WANTED)) + "|"
    details = []
    for name, (settings, key, values) in SWEEPS.items():
        if only not in name:
            continue
        points = []
        for value in values:
            changed: Any = replace(settings, **{key: value})  # type: ignore[type-var]
            points.append(measure(changed, train, test, fast, event))
            details.append(f"{name}, {key} {value:g}: {points[-1]}")
        cells = []
        for kind in ("efficiency", "fast"):
            for wanted in WANTED:
                found = at_efficiency(points, wanted, kind)
                cells.append(f"{found[0] / 1e6:.2f} M, {found[1]:.1f} s" if found else "–")
        yield f"| {name} | {' | '.join(cells)} |"
    yield ""
    yield from details


def against_events(
    train: Sequence[Sample], test: Sample, event: Event, numbers: Sequence[int]
) -> Iterator[str]:
    """Markdown: the module map against the number of events it was learnt from."""
    fast = torch.from_numpy(selected_hits(event, FAST))
    yield "| events | shared by | edges | efficiency | pT > 0.5 | CPU s |"
    yield "|---|---|---|---|---|---|"
    for number in numbers:
        for fallback, settings in (
            ("ring", ModuleMapSettings()),
            ("none", ModuleMapSettings(fallback="none")),
        ):
            point = measure(settings, train[:number], test, fast, event)
            yield (
                f"| {number} | {fallback} | {point.edges / 1e6:.2f} M | {point.efficiency:.4f} | "
                f"{point.fast:.4f} | {point.seconds:.1f} |"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="store of events to learn from")
    parser.add_argument("--test", type=Path, required=True, help="the event to measure on")
    parser.add_argument("--events", type=int, nargs="+", help="numbers of events to learn from")
    parser.add_argument("--train", type=int, default=14, help="events that builders learn from")
    parser.add_argument("--only", default="", help="builders with this in their name")
    parser.add_argument("--out", type=Path, help="also write the lines into this file")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    numbers = arguments.events or [arguments.train]
    sources = list_events([arguments.data])[: max(numbers)]
    if len(sources) < max(numbers):
        parser.error(f"{arguments.data} has {len(sources)} events: ask for fewer")
    train = [read(source.read(cells=False)) for source in sources]
    event = list_events([arguments.test])[0].read(cells=False)
    if arguments.events:
        lines = against_events(train, read(event), event, numbers)
    else:
        lines = comparison(train, read(event), event, arguments.only)
    console, written = Console(), []
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
        written.append(line)
        if arguments.out:
            arguments.out.write_text("\n".join(written) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
