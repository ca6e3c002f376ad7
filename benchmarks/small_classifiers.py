"""Purity of edge classifiers against bits and weights: python benchmarks/small_classifiers.py DATA

    hitgraph simulate data/pu20 --events 70 --pileup 20 --seed 31
    python benchmarks/small_classifiers.py data/pu20 --out small.md

A pair filter and the networks of the triplet filter behind the graph of `compact`, and its
interaction network behind the stages before it, sizes as there. The first events of DATA
(--train) teach, the next one chooses the best epochs, the next ones (--test) are measured on. Each
is trained in 32 bits and on few, once, and three times with a pruning after each of the first two
that leaves an eighth of the weights in the end; and as often with all weights, since that is a
longer training. Of each: the share of edges that join hits of one particle, at the cut that keeps
95, 98 and 99 % of the true edges of targets that the graph has, weights, and bit operations of an
edge (of the triplet filter: of a triplet and an edge; of the interaction network: of an edge and a
hit).
"""

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import nn

from hitgraph.compare.edges import EFFICIENCIES, edge_quality, purities
from hitgraph.evaluation.edges import edge_truth
from hitgraph.event.event import Event
from hitgraph.event.source import list_events
from hitgraph.graph.filter import FilterSettings
from hitgraph.graph.filter.stage import FilterStageSettings
from hitgraph.lessons.material import Example, Material
from hitgraph.lessons.samples import make_sample
from hitgraph.lessons.settings import PruneSettings, QuantiseSettings, TrainingSettings
from hitgraph.nn.prune import bit_operations, count_weights
from hitgraph.pipeline import Pipeline
from hitgraph.stage import StageSettings
from hitgraph.state import State
from hitgraph.training.workshop import StageWorkshop

PIPELINE = "compact"
NONE = 1e-9  # share of the weights that go at each pruning: all stay
EIGHTH = 1 - 8**-0.5  # of two prunings
BITS = (32, 4, 3, 2)  # of weights
INPUT_BITS = 8  # of the filter, where weights have few


def classifiers(pipeline: Pipeline, epochs: int) -> dict[str, tuple[int, StageSettings]]:
    """Stages by name, and how many of those of the pipeline come before."""
    training = TrainingSettings(epochs=epochs, learning_rate=0.004)
    pairs = FilterStageSettings(FilterSettings(hidden=32), training, batches_per_event=8)
    found: dict[str, tuple[int, StageSettings]] = {"pair filter": (1, pairs)}
    names = list(pipeline.stages)
    for title, name in (("triplet filter", "triplets"), ("interaction network", "gnn")):
        number = names.index(name)
        settings: Any = pipeline.recipe.stages[number].settings
        found[title] = number, replace(settings, training=training)
    return found


def runs(few: Sequence[int]) -> list[tuple[int, int, float]]:
    """Bits of weights, prunings, and the share of the weights that goes at each."""
    first, *others = few
    both = [(bits, *how) for bits in (first, others[0]) for how in ((0, NONE), (2, EIGHTH))]
    return [*both, (first, 2, NONE), *((bits, 0, NONE) for bits in others[1:])]


def quantised(settings: Any, bits: int, prunings: int, share: float) -> StageSettings:
    inputs = INPUT_BITS if isinstance(settings, FilterStageSettings) and bits < 32 else 32
    training = replace(
        settings.training,
        quantise=QuantiseSettings((bits,), (inputs,)),
        prune=PruneSettings(prunings, share),
    )
    found: StageSettings = replace(settings, training=training)
    return found


def taught(settings: StageSettings, pipeline: Pipeline, material: Material, seed: int) -> Any:
    torch.manual_seed(seed)
    with tempfile.TemporaryDirectory() as folder:
        workshop = StageWorkshop(
            "stage",
            Path(folder),
            seed,
            pipeline.recipe.truth,
            "cpu",
            resume=False,
            quiet=True,
            report=lambda _: None,
        )
        return settings.learn(pipeline.context, material, workshop)


@torch.inference_mode()
def purity_of(stage: Any, test: Sequence[tuple[Event, State]]) -> Mapping[str, float | None]:
    found = []
    for event, state in test:
        judged = stage(state).scored
        found.append(edge_quality(edge_truth(event), judged.edges.numpy(), judged.logit.numpy()))
    return purities(found)


@torch.inference_mode()
def before(pipeline: Pipeline, n_stages: int, state: State) -> State:
    for stage in list(pipeline.stages.values())[:n_stages]:
        state = stage(state)
    return state


def as_row(title: str, settings: Any, stage: Any, purity: Mapping[str, float | None]) -> str:
    training: TrainingSettings = settings.training
    network: nn.Module = stage.network
    bits, (left, _) = training.quantise, count_weights(network)
    operations = bit_operations(network, bits.weights, bits.activations)
    numbers = " | ".join("" if one is None else f"{one:.4f}" for one in purity.values())
    return (
        f"| {title} | {bits.weights[0]}, {bits.activations[0]} | {1 + training.prune.steps} | "
        f"{left:,} | {operations:,} | {numbers} |"
    )


HEADER = (
    "| network | bits of weights, inputs | trainings | weights | bit operations | purity at "
    + " | at ".join(f"{one:.0%}" for one in EFFICIENCIES)
    + " |\n|---|---|---|---|---|---|---|---|"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="store of events")
    parser.add_argument("--train", type=int, default=8, help="events that teach")
    parser.add_argument("--test", type=int, default=4, help="events to measure on")
    parser.add_argument("--epochs", type=int, default=6, help="of each training")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="also write the table into this file")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    pipeline = Pipeline.load(PIPELINE)
    n_taught = arguments.train + 1
    sources = list_events([arguments.data])[: n_taught + arguments.test]
    if len(sources) < n_taught + arguments.test:
        parser.error(f"{arguments.data} has {len(sources)} events: simulate more")
    events = [source.read() for source in sources]
    samples = [
        make_sample(event, pipeline.detector, True, pipeline.recipe.truth, columns=())
        for event in events[:n_taught]
    ]
    console, written = Console(), [HEADER]
    console.print(HEADER, markup=False, highlight=False, soft_wrap=True)
    for title, (n_before, whole) in classifiers(pipeline, arguments.epochs).items():
        go = partial(before, pipeline, n_before)
        reads = [partial(Example, sample, go(State(sample.hits))) for sample in samples]
        test = [(event, go(pipeline.start(event))) for event in events[n_taught:]]
        for how in runs(BITS):
            settings = quantised(whole, *how)
            material = Material(reads[: arguments.train], reads[arguments.train :])
            stage = taught(settings, pipeline, material, arguments.seed)
            written.append(as_row(title, settings, stage, purity_of(stage, test)))
            console.print(written[-1], markup=False, highlight=False, soft_wrap=True)
    if arguments.out:
        arguments.out.write_text("\n".join(written) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
