"""The study `scaling`: time of data-parallel training against the number of ranks.

Strong scaling shares a fixed number of batches among the ranks, weak scaling gives each rank as
many (arXiv 2103.06995, figure 8). More ranks than there are can be estimated only: a step is as
long as its slowest batch, and then the gradients are summed.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice, repeat
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn

from hitgraph.errors import SettingsError
from hitgraph.event.source import EventSource
from hitgraph.gnn.lesson import GraphLesson
from hitgraph.lessons.lesson import Batch, Lesson
from hitgraph.lessons.samples import read_kept
from hitgraph.pipeline import Pipeline
from hitgraph.studies.plan import Plan
from hitgraph.studies.points import Point
from hitgraph.studies.scaling_output import summarise
from hitgraph.studies.training_graphs import TrainingGraphs
from hitgraph.tensors import build_network
from hitgraph.training.clock import TrainingClock
from hitgraph.training.fit import fit
from hitgraph.training.nodes import nodes_of
from hitgraph.training.ranks import devices_of

RANKS = (1, 2)
BATCHES = 16  # of an epoch in strong scaling, and of each rank in weak scaling
EPOCHS = 2  # the last one is timed
KINDS = ("strong", "weak")


@dataclass(frozen=True)
class Scaling:
    """What is trained, and how."""

    ranks: tuple[int, ...]
    batches: int
    device: str
    threads: int | None  # of each rank

    def __post_init__(self) -> None:
        if self.ranks[0] != 1 or list(self.ranks) != sorted(set(self.ranks)):
            raise SettingsError(
                f"--ranks: {' '.join(map(str, self.ranks))} is not allowed: name 1 first, then more"
            )
        if (nodes := nodes_of(self.ranks[-1])) > 1:
            raise SettingsError(
                f"--ranks: scaling is measured on one machine, and this Slurm job has {nodes} "
                "nodes: start it in a job of one node"
            )
        for ranks in self.ranks:
            devices_of(ranks, self.device)
            if self.batches % ranks:
                raise SettingsError(
                    f"--batches: {self.batches} cannot be shared evenly by {ranks} ranks"
                )


def plan(
    sources: Sequence[EventSource],
    pipelines: Mapping[str, Pipeline],
    settings: Mapping[str, Any],
    scaling: Scaling,
) -> Plan:
    """One point a pipeline, kind of scaling and number of ranks."""
    points = []
    for name, pipeline in pipelines.items():
        graphs = TrainingGraphs(sources, pipeline)
        points += [
            Point(f"{name}-{kind}-{ranks}", partial(_measure, graphs, name, kind, ranks, scaling))
            for kind in KINDS
            for ranks in scaling.ranks
        ]
    how = {"ranks": list(scaling.ranks), "batches": scaling.batches, "device": scaling.device}
    return Plan(points, {**settings, **how}, summarise)


@dataclass(frozen=True, eq=False)
class _Timed(Lesson):
    """As many batches of a lesson as asked for, and next to no validation."""

    lesson: GraphLesson
    n_batches: int
    n_validation: int = 1

    def batches(self, network: nn.Module, epoch: int) -> Iterator[Batch]:
        epochs = (self.lesson.batches(network, epoch) for _ in repeat(None))
        return islice(chain.from_iterable(epochs), self.n_batches)

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        return self.lesson.loss(network, batch)

    def validation_batch(self, number: int) -> Batch:  # noqa: ARG002
        few = torch.zeros(2, 1, dtype=torch.int64)
        batch = next(self.batches(nn.Identity(), 0))
        assert batch.edge_attr is not None
        return Batch(batch.x[:1], few, batch.edge_attr[:1], batch.y[:1], batch.weight[:1])

    def measure(self, network: nn.Module, batch: Batch) -> dict[str, float]:
        return {"val_loss": float(self.loss(network, batch))}


def _measure(
    graphs: TrainingGraphs, name: str, kind: str, ranks: int, scaling: Scaling
) -> dict[str, Any]:
    """Seconds of one epoch of a training from its start."""
    settings = graphs.stage.settings
    n_batches = scaling.batches * (ranks if kind == "weak" else 1)
    # Strong: the steps are those of the largest number of ranks, whoever takes them.
    a_step = ranks if kind == "weak" else min(math.lcm(*scaling.ranks), n_batches)
    training = replace(settings.training, epochs=EPOCHS, batches_a_step=a_step, split="none")
    network = build_network(settings.build, settings.network)
    network.checkpointing = training.checkpointing
    clock = TrainingClock(scaling.threads)
    with TemporaryDirectory(prefix="hitgraph-") as folder:
        reads = [partial(read_kept, path) for path in graphs.write(Path(folder))]
        lesson = GraphLesson(settings, graphs.pipeline.recipe.seed, reads, reads)
        first = next(lesson.batches(network, 0))
        assert first.edge_attr is not None
        network.learn_inputs(first.x, first.edge_attr)
        merit = fit(
            *(network, _Timed(lesson, n_batches), training, Path(folder)),
            device=scaling.device,
            quiet=True,
            ranks=ranks,
            clock=clock,
        )
    return {
        "pipeline": name,
        "kind": kind,
        "ranks": ranks,
        "parameters": sum(weight.numel() for weight in network.parameters()),
        "epoch_seconds": merit["epoch_seconds"],
        "sum_seconds": merit["sum_seconds"],
        "batch_seconds": clock.work,  # of one rank: those of several are in other processes
    }
