"""Hash buckets beside the exact search in the same space: python benchmarks/buckets.py DATA

    python benchmarks/buckets.py data/train --test data/val/event000006000 --train 2

The graph builder `lsh` and the search of all pairs within a radius, both in the space of direction
and depth that is learnt from the first events of DATA, each set to hold the same shares of their
true edges. Edges of the event of --test, the share of the exact pairs that the buckets find, and
CPU seconds of one thread.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from rich.console import Console
from torch import Tensor

from hitgraph.event.event import Event
from hitgraph.event.source import list_events
from hitgraph.graph.directions import coordinates, true_differences
from hitgraph.graph.lsh import LshSettings
from hitgraph.graph.neighbours import radius_pairs
from hitgraph.lessons.material import Example, Material
from hitgraph.lessons.samples import Sample, make_sample
from hitgraph.lessons.settings import TruthSettings
from hitgraph.stage import Context
from hitgraph.state import State

SHARES = (0.5, 0.7, 0.8)  # of the true edges
TABLES = (8, 16)


def read(event: Event) -> Sample:
    assert event.detector is not None
    return make_sample(event, event.detector, False, TruthSettings())


def keys(pairs: Tensor, sample: Sample) -> Tensor:
    low, high = pairs.long().min(dim=0).values, pairs.long().max(dim=0).values
    return low * len(sample.hits) + high


def share(of: Tensor, among: Tensor) -> str:
    return f"{torch.isin(of, among).float().mean():.3f}"


def rows(context: Context, train: Sequence[Sample], test: Sample) -> Iterator[str]:
    """Of a Markdown table."""
    material = Material([partial(Example, sample, State(sample.hits)) for sample in train], [])
    shop: Any = SimpleNamespace(seed=0, record=dict)
    true = keys(test.true_edges, test)
    for wanted in SHARES:
        stages = [LshSettings(n, target_efficiency=wanted) for n in TABLES]
        learnt = [settings.learn(context, material, shop) for settings in stages]
        spreads = learnt[0].spreads
        lengths = (true_differences(material, stages[0].max_radius) / spreads).norm(dim=1)
        radius = float(lengths.sort().values[round(wanted * (len(lengths) - 1))])
        start = time.process_time()
        pairs = radius_pairs(coordinates(test.hits) / spreads, radius, dtype=torch.int32)
        exact = pairs[:, test.hits.module[pairs[0]] != test.hits.module[pairs[1]]]
        seconds = time.process_time() - start
        inside = keys(exact, test)
        yield (
            f"| {wanted:g} | exact | {exact.shape[1] / 1e6:.2f} M | {share(true, inside)} | 1 | "
            f"{seconds:.1f} |"
        )
        for n_tables, stage in zip(TABLES, learnt, strict=True):
            start = time.process_time()
            found = stage.build(test.hits)
            seconds = time.process_time() - start
            hashed = keys(found, test)
            yield (
                f"| {wanted:g} | {n_tables} tables | {found.shape[1] / 1e6:.2f} M | "
                f"{share(true, hashed)} | {share(inside, hashed)} | {seconds:.1f} |"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="store of events to learn from")
    parser.add_argument("--test", type=Path, required=True, help="the event to measure on")
    parser.add_argument("--train", type=int, default=2, help="events to learn from")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    sources = list_events([arguments.data])[: arguments.train]
    train = [read(source.read(cells=False)) for source in sources]
    event = list_events([arguments.test])[0].read(cells=False)
    assert event.detector is not None
    test = read(event)
    radius_pairs(coordinates(test.hits)[:1000], 0.1)  # compiles
    out = Console(soft_wrap=True, markup=False, highlight=False)
    out.print("| aimed at | search | edges | true edges found | exact pairs found | CPU s |")
    out.print("|---" * 6 + "|")
    for row in rows(Context(event.detector), train, test):
        out.print(row)


if __name__ == "__main__":
    main()
