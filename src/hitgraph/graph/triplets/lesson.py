"""Teaching the triplet filter: first what a good triplet is, then what an edge's triplets say."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from hitgraph.errors import InputError
from hitgraph.event.truth import SKIP, edge_labels
from hitgraph.graph.triplets import (
    Doublets,
    TripletFilter,
    edge_inputs,
    edge_support,
    find_triplets,
    order_doublets,
)
from hitgraph.lessons.lesson import Batch, Lesson, rows_batch
from hitgraph.lessons.material import Read
from hitgraph.lessons.samples import Sample, edge_truth
from hitgraph.lessons.seeds import generator
from hitgraph.lessons.settings import TruthSettings
from hitgraph.lessons.teacher import Teacher
from hitgraph.state import State

if TYPE_CHECKING:
    from hitgraph.graph.triplets.stage import TripletStageSettings

BATCH = 8192  # rows a step


@dataclass(frozen=True, eq=False)
class RowLesson(Lesson):
    """Rows of features with labels and weights, shuffled each epoch."""

    name: str  # of its random stream
    seed: int
    rows: Tensor  # (n, n_features) float32
    y: Tensor  # (n,) 0 or 1
    weight: Tensor  # (n,)
    validation: Batch

    n_validation = 1

    @property
    def n_batches(self) -> int:  # type: ignore[override]
        return max(1, len(self.rows) // BATCH)

    def batches(self, network: nn.Module, epoch: int) -> Iterator[Batch]:  # noqa: ARG002
        order = torch.randperm(len(self.rows), generator=generator(self.seed, self.name, epoch))
        for chosen in torch.tensor_split(order, self.n_batches):
            yield rows_batch(self.rows[chosen], self.y[chosen], self.weight[chosen])

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        return binary_cross_entropy_with_logits(network(batch.x), batch.y, weight=batch.weight)

    def validation_batch(self, number: int) -> Batch:  # noqa: ARG002
        return self.validation

    def measure(self, network: nn.Module, batch: Batch) -> dict[str, float]:
        return {"val_loss": float(self.loss(network, batch))}


@dataclass(frozen=True, eq=False)
class TripletLessons:
    """Draws the rows of both lessons from the events."""

    stage: "TripletStageSettings"
    truth: TruthSettings
    seed: int
    teacher: Teacher

    def prepare(
        self,
        network: TripletFilter,
        part: str,
        events: Sequence[Read],
        validation: Sequence[Read],
    ) -> RowLesson:
        """The lesson of the part "triplet" or "edge"; the latter needs a taught triplet network."""
        draw = self._triplets if part == "triplet" else self._edges
        drawn = []
        for kind, some, teacher in (
            ("training", events, self.teacher),
            ("validation", validation, Teacher()),
        ):
            each = zip(*(draw(network, teacher, *read()) for read in some), strict=True)
            rows, y, weight = (torch.cat(parts) for parts in each)
            if not len(rows):
                raise InputError(
                    f"the {len(some)} {kind} events have no {part} to judge: take other or more "
                    "events, or leave the stage triplets out of the recipe"
                )
            drawn.append((rows, y, weight))
        return RowLesson(f"triplets/{part}", self.seed, *drawn[0], validation=rows_batch(*drawn[1]))

    def _triplets(
        self, network: TripletFilter, teacher: Teacher, sample: Sample, state: State
    ) -> tuple[Tensor, Tensor, Tensor]:
        """A triplet is true when both of its edges are."""
        edges = state.graph()
        doublets = _doublets(network, sample, state)
        found, inputs = find_triplets(network.settings, doublets)
        chosen = self._some(len(found), sample)
        pairs = torch.from_numpy(found[chosen.numpy()].T).long()
        y, weight = edge_truth(sample, edges, self.truth)
        y = teacher.soften(sample, edges, y)
        return (
            torch.from_numpy(inputs)[chosen],
            y[pairs[0]] * y[pairs[1]],
            weight[pairs[0]] * weight[pairs[1]],
        )

    def _edges(
        self, network: TripletFilter, teacher: Teacher, sample: Sample, state: State
    ) -> tuple[Tensor, Tensor, Tensor]:
        edges = state.graph()
        doublets = _doublets(network, sample, state)
        rows = torch.from_numpy(edge_inputs(doublets, edge_support(network, doublets)))
        y, weight = edge_truth(sample, edges, self.truth)
        kind = edge_labels(sample.particle_id.numpy(), sample.step.numpy(), edges.numpy())
        weight[torch.from_numpy(kind == SKIP)] *= self.stage.skip_weight
        chosen = self._some(len(rows), sample)
        return rows[chosen], teacher.soften(sample, edges, y)[chosen], weight[chosen]

    def _some(self, n_rows: int, sample: Sample) -> Tensor:
        random = generator(self.seed, "triplet rows", sample.name)
        return torch.randperm(n_rows, generator=random)[: self.stage.rows_per_event]


def _doublets(network: TripletFilter, sample: Sample, state: State) -> Doublets:
    how = network.settings.same_layer
    return order_doublets(sample.hits, state.graph(), state.edge["logit"], how)
