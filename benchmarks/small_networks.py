"""Purity of the learnt embedding against bits and weights: python benchmarks/small_networks.py DATA

    hitgraph simulate data/pu5 --events 20 --pileup 5 --seed 41 --preset trackml-like
    python benchmarks/small_networks.py data/pu5 --out small.md --plot small.png

DATA is a store of events: the last of them (--test) are measured on, those before them teach, one
of which chooses the best epochs. The embedding is trained in 32 bits and on few, then pruned of a
share of its weights, trained again from the beginning of the schedule, and so on until 1/56 of them
is left. Since it is trained longer so, it is also trained as often with all weights. Then it is
trained once on other numbers of bits. Of each: the share of edges that join hits of one particle
among all pairs within the radius that holds 95, 98, 99 % of the true edges of targets, the weights
that are left, and bit operations of one hit.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from hitgraph.compare.edges import EFFICIENCIES
from hitgraph.event.event import Event
from hitgraph.event.source import list_events
from hitgraph.event.truth import same_particle
from hitgraph.graph.radius.embedding import EmbeddingNetwork, EmbeddingSettings, RadiusBuilder
from hitgraph.graph.radius.lesson import radius_at_efficiency
from hitgraph.graph.radius.stage import RadiusSettings
from hitgraph.lessons.lesson import Lesson
from hitgraph.lessons.material import Example, Material, Read
from hitgraph.lessons.samples import make_sample
from hitgraph.lessons.settings import (
    PruneSettings,
    QuantiseSettings,
    TrainingSettings,
    TruthSettings,
)
from hitgraph.nn.prune import bit_operations, count_weights
from hitgraph.stage import Context
from hitgraph.state import State
from hitgraph.training.rounds import fit_in_rounds

TRUTH = TruthSettings(min_pt=0.5)
SMALLER = 56  # in the end, as in the plot of the paper
NONE = 1e-9  # share of the weights that go at each step: all stay
FLOAT, FEW = (32, 32), (4, 8)  # bits of weights, and of what layers are given
OTHERS = ((8, 8), (6, 6), (3, 8), (2, 8), (4, 4))  # not pruned


@dataclass(frozen=True)
class Point:
    """An embedding after one of its trainings."""

    training: int  # which, from 1
    share: float  # of the weights that went before each of them
    bits: QuantiseSettings
    weights: int  # not zero
    operations: int  # bit operations of a hit
    purity: tuple[float, ...]  # at each of EFFICIENCIES


@dataclass(frozen=True)
class MeasuringWorkshop:
    """Measures the network after each round of its training."""

    test: Sequence[Read]
    seed: int
    say: Callable[[str], None]
    points: list[Point] = field(default_factory=list)
    truth = TRUTH

    def record(self, facts: Mapping[str, Any]) -> None: ...

    def fit(
        self, network: EmbeddingNetwork, lesson: Lesson, settings: TrainingSettings
    ) -> dict[str, float]:
        how: dict[str, Any] = {"quiet": True, "report": lambda _: None}
        merit: dict[str, float] = {}
        with tempfile.TemporaryDirectory() as folder:
            rounds = fit_in_rounds(network, lesson, settings, Path(folder), **how)
            for number, merit in enumerate(rounds, 1):  # noqa: B007
                self.points.append(measured(network.eval(), number, settings, self.test))
                self.say(as_row(self.points[-1]))
        return merit


@torch.no_grad()
def measured(
    network: EmbeddingNetwork, number: int, training: TrainingSettings, test: Sequence[Read]
) -> Point:
    purity = []
    for efficiency in EFFICIENCIES:
        builder = RadiusBuilder(network, radius_at_efficiency(network, test, efficiency))
        n_pure = n_edges = 0
        for read in test:
            sample = read().sample
            edges = builder.build(sample.hits).numpy()
            n_pure += int(same_particle(sample.particle_id.numpy(), edges).sum())
            n_edges += edges.shape[1]
        purity.append(n_pure / n_edges)
    bits, n_weights = training.quantise, count_weights(network)[0]
    operations = bit_operations(network, bits.weights, bits.activations)
    return Point(number, training.prune.share, bits, n_weights, operations, tuple(purity))


def curves(
    reads: Sequence[Read],
    n_test: int,
    settings: RadiusSettings,
    context: Context,
    prunings: int,
    seed: int,
    say: Callable[[str], None],
) -> Iterator[Point]:
    """Every point, the float network first."""
    train, validation, test = reads[: -n_test - 1], reads[-n_test - 1 : -n_test], reads[-n_test:]
    most = 1 - SMALLER ** (-1 / prunings)
    runs = [(bits, share, prunings) for bits, share in ((FLOAT, most), (FEW, most), (FLOAT, NONE))]
    for bits, share, steps in [*runs, *((bits, most, 0) for bits in OTHERS)]:
        torch.manual_seed(seed)
        shop: Any = MeasuringWorkshop(test, seed, say)
        training = replace(
            settings.training,
            quantise=QuantiseSettings((bits[0],), (bits[1],)),
            prune=PruneSettings(steps, share),
        )
        replace(settings, training=training).learn(context, Material(train, validation), shop)
        yield from shop.points


HEADER = (
    "| bits of weights, inputs | training | weights | bit operations of a hit | purity at "
    + " | at ".join(f"{one:.0%}" for one in EFFICIENCIES)
    + " |\n|---|---|---|---|---|---|---|"
)


def as_row(point: Point) -> str:
    bits = f"{point.bits.weights[0]}, {point.bits.activations[0]}"
    purity = " | ".join(f"{one:.4f}" for one in point.purity)
    return f"| {bits} | {point.training} | {point.weights:,} | {point.operations:,} | {purity} |"


def plot(points: Sequence[Point], path: Path) -> None:
    """Purity at the middle efficiency against bit operations relative to the float network."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for bits, share in dict.fromkeys((one.bits, one.share) for one in points):
        own = [one for one in points if (one.bits, one.share) == (bits, share)]
        label = f"{bits.weights[0]} bit weights, {bits.activations[0]} bit inputs"
        axes.plot(
            [points[0].operations / one.operations for one in own],
            [one.purity[1] for one in own],
            "o-",
            label=label if share > NONE else f"{label}, not pruned",
        )
    axes.axvline(SMALLER, color="grey", linestyle=":", label=f"1/{SMALLER}")
    axes.set(
        xscale="log",
        xlabel="bit operations: float network / this",
        ylabel=f"purity at {EFFICIENCIES[1]:.0%} edge efficiency",
    )
    axes.legend(fontsize="small")
    figure.savefig(path, dpi=120)


def read_event(event: Event) -> Example:
    assert event.detector is not None
    sample = make_sample(event, event.detector, False, TRUTH)
    return Example(sample, State(sample.hits))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="store of events")
    parser.add_argument("--test", type=int, default=4, help="events to measure on")
    parser.add_argument("--hidden", type=int, default=64, help="width of the embedding")
    parser.add_argument("--epochs", type=int, default=20, help="of each training")
    parser.add_argument("--prunings", type=int, default=14, help="steps to 1/56")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="also write the table into this file")
    parser.add_argument("--plot", type=Path, help="a picture of it (needs the extra plot)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    events = [source.read(cells=False) for source in list_events([arguments.data])]
    if len(events) < arguments.test + 2:
        parser.error(f"{arguments.data} has {len(events)} events: simulate more")
    examples = [read_event(event) for event in events]
    detector = events[0].detector
    assert detector is not None
    settings = RadiusSettings(
        network=EmbeddingSettings(hidden=arguments.hidden, activation="relu", layer_norm=False),
        training=TrainingSettings(epochs=arguments.epochs, learning_rate=0.003),
        random_epochs=arguments.epochs // 4,
        hit_inputs=("position",),
    )
    console, written = Console(), [HEADER]

    def say(line: str) -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
        written.append(line)

    say(written.pop())
    reads = [partial(_same, one) for one in examples]
    how = (Context(detector), arguments.prunings, arguments.seed, say)
    points = list(curves(reads, arguments.test, settings, *how))
    if arguments.out:
        arguments.out.write_text("\n".join(written) + "\n", encoding="utf-8")
    if arguments.plot:
        plot(points, arguments.plot)


def _same(example: Example) -> Example:
    return example


if __name__ == "__main__":
    main()
