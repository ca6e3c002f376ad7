"""Candidate edges against edge efficiency of the layer windows: python benchmarks/windows.py STORE

Learns each kind of windows on the first events of a store of full events and measures them on the
last ones. eff4 is the share of the true edges of particles with at least 4 hits that are among
the candidates, eff.5 the same for those above 0.5 GeV, skip the share of the pairs of hits of one
particle that are no neighbours on it. Windows are named by pair_coverage / tail, scored windows
by target_efficiency; what is not named has its default. Times are CPU seconds an event on one
thread, the best of a few runs; the same code varies between runs by up to 1.5, so compare the
ratios of one run.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from hitgraph.event.event import Event
from hitgraph.event.selection import TARGETS, selected_hits
from hitgraph.event.source import EventSource, list_events
from hitgraph.event.truth import (
    SKIP,
    edge_labels,
    track_steps,
    true_edges,
)
from hitgraph.graph.scored.builder import ScoredBuilder
from hitgraph.graph.scored.learning import learn_scored_windows
from hitgraph.graph.scored.tables import ScoredSettings
from hitgraph.graph.windows import WindowBuilder, WindowSettings, learn_windows
from hitgraph.hits import hits_from_event
from hitgraph.lessons.samples import Sample, make_sample
from hitgraph.lessons.seeds import generator
from hitgraph.lessons.settings import TruthSettings
from hitgraph.pairs import pair_features

REPEAT = 3
FOUR_HITS = replace(TARGETS, min_hits=4)
FAST = FOUR_HITS.above(0.5)

SETTINGS: dict[str, WindowSettings | ScoredSettings] = {
    "windows 0.995 / 0.01, no shape": WindowSettings(0.995, 0.01, cluster_shape=False),
    "windows 0.995 / 0.002, no shape": WindowSettings(0.995, 0.002, cluster_shape=False),
    "windows, no shape": WindowSettings(cluster_shape=False),
    "windows": WindowSettings(),
    "windows 0.999 / 0.0003": WindowSettings(0.999, 0.0003),
    "scored 0.99, no shape": ScoredSettings(cluster_shape=False),
    "scored 0.98": ScoredSettings(target_efficiency=0.98),
    "scored 0.985": ScoredSettings(target_efficiency=0.985),
    "scored 0.99": ScoredSettings(),
    "scored 0.99, skip 0": ScoredSettings(skip_weight=0.0),
    "scored 0.99, skip 0.5": ScoredSettings(skip_weight=0.5),
}


def read_jittered(source: EventSource) -> Sample:
    """As a training reads it; the same whenever it is read."""
    event = source.read()
    assert event.detector is not None
    jitter = generator(0, "jitter", source.name)
    return make_sample(event, event.detector, True, TruthSettings(), jitter)


def found(edges: NDArray[np.int64], wanted: NDArray[np.int64], n_hits: int) -> NDArray[np.bool_]:
    """(n_wanted,) whether each wanted edge is among the edges."""
    return np.isin(wanted[0] * n_hits + wanted[1], edges[0] * n_hits + edges[1])


def make_builder(
    settings: WindowSettings | ScoredSettings, train: list[EventSource]
) -> WindowBuilder | ScoredBuilder:
    detector = train[0].read(cells=False).detector
    assert detector is not None
    reads: list[Callable[[], Sample]] = [partial(read_jittered, source) for source in train]
    if isinstance(settings, ScoredSettings):
        return ScoredBuilder(learn_scored_windows(reads, detector, settings), detector, threads=1)
    samples = (read() for read in reads)
    pairs = ((sample.hits, sample.true_edges) for sample in samples)
    return WindowBuilder(learn_windows(pairs, detector, settings), detector, threads=1)


def measure(builder: WindowBuilder | ScoredBuilder, event: Event) -> list[float]:
    """Candidates in millions, eff4, eff.5, share of skip pairs, CPU s: building, pair features."""
    assert event.detector is not None
    assert event.truth is not None
    hits = hits_from_event(event, event.detector)
    builder.build(hits)
    seconds = []
    for _ in range(REPEAT):
        start = time.process_time()
        edges = builder.build(hits)
        seconds.append(time.process_time() - start)
    start = time.process_time()
    pair_features(hits, edges, event.detector, threads=1)
    features = time.process_time() - start
    candidates, wanted = edges.numpy(), true_edges(event)
    is_found = found(candidates, wanted, event.n_hits)
    kinds = edge_labels(event.truth.particle_id, track_steps(event), candidates)
    counts = np.unique(event.truth.particle_id, return_counts=True)[1][1:]
    n_skip = (counts * (counts - 1) // 2).sum() - wanted.shape[1]
    return [
        candidates.shape[1] / 1e6,
        *(is_found[selected_hits(event, s)[wanted[0]]].mean() for s in (FOUR_HITS, FAST)),
        (kinds == SKIP).sum() / n_skip,
        min(seconds),
        features,
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", help="folder of simulated events")
    parser.add_argument("--train", type=int, default=12, help="first events, to learn from")
    parser.add_argument("--test", type=int, default=2, help="last events, to measure on")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    sources = list_events([arguments.store])
    train, test = sources[: arguments.train], sources[-arguments.test :]
    if len(sources) < arguments.train + arguments.test:
        parser.error(f"{arguments.store} has {len(sources)} events: ask for fewer")
    table = Table(title=f"learnt on {len(train)} events, measured on {len(test)}")
    for column in ("builder", "candidates", "eff4", "eff.5", "skip", "CPU s", "pair features"):
        table.add_column(column, justify="left" if column == "builder" else "right")
    for name, settings in SETTINGS.items():
        builder = make_builder(settings, train)
        rows = [measure(builder, source.read()) for source in test]
        mean = np.mean(rows, axis=0)
        table.add_row(
            name,
            f"{mean[0]:.2f} M",
            *(f"{value:.4f}" for value in mean[1:3]),
            f"{mean[3]:.2f}",
            f"{mean[4]:.2f}",
            f"{mean[5]:.2f}",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
