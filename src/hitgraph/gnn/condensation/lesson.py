"""Teaching a network on hits by object condensation, whole events or phi sectors."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from hitgraph.gnn.condensation.loss import condensation_loss
from hitgraph.lessons.lesson import Batch, Lesson, rows_batch
from hitgraph.lessons.material import Example, Read
from hitgraph.lessons.objects import objects_of
from hitgraph.lessons.sectors import drawn_sectors, sector_of
from hitgraph.lessons.seeds import generator


class Condensing(Protocol):
    """What a stage that is taught so says of its lesson."""

    @property
    def hit_inputs(self) -> tuple[str, ...]: ...
    @property
    def weigh_by(self) -> str: ...
    @property
    def q_min(self) -> float: ...
    @property
    def repulsion(self) -> float: ...
    @property
    def noise(self) -> float: ...
    @property
    def sectors(self) -> int: ...


@dataclass(frozen=True, eq=False)
class CondensationLesson(Lesson):
    """A step is a phi sector of an event; y (n_hits,) the object of each hit, NOISE or NEUTRAL."""

    stage: Condensing
    seed: int
    train: Sequence[Read]
    validation: Sequence[Read]

    @property
    def n_batches(self) -> int:  # type: ignore[override]
        return len(self.train) * self.stage.sectors

    @property
    def n_validation(self) -> int:  # type: ignore[override]
        return len(self.validation)

    def batches(self, network: nn.Module, epoch: int) -> Iterator[Batch]:  # noqa: ARG002
        random = generator(self.seed, "condensation", epoch)
        for number, sector, start in drawn_sectors(random, len(self.train), self.stage.sectors):
            yield self._batch(self.train[number](), sector, float(start))

    def validation_batch(self, number: int) -> Batch:
        return self._batch(self.validation[number](), 0, 0.0)

    def _batch(self, example: Example, sector: int, start: float) -> Batch:
        hits = example.sample.hits
        inside = sector_of(hits.column("phi") - start, self.stage.sectors) == sector
        y = without_gaps(objects_of(example.sample)[inside])
        weight, column = torch.ones(len(y)), self.stage.weigh_by
        if column:
            weight = shares(hits.column(column)[inside], y)
        return rows_batch(example.state.hit_columns(self.stage.hit_inputs)[inside], y, weight)

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        beta, place = network(batch.x)
        stage = self.stage
        return condensation_loss(
            beta, place, batch.y, batch.weight, stage.q_min, stage.repulsion, stage.noise
        )

    def measure(self, network: nn.Module, batch: Batch) -> dict[str, float]:
        return {"val_loss": float(self.loss(network, batch))}


def without_gaps(owner: Tensor) -> Tensor:
    """(n_hits,) int64 the objects that are there, numbered from 0; NOISE and NEUTRAL stay."""
    is_object = owner >= 0
    found = owner.clone()
    found[is_object] = torch.unique(owner[is_object], return_inverse=True)[1]
    return found


def shares(column: Tensor, owner: Tensor) -> Tensor:
    """(n_hits,) what share of its object's sum of the column each hit has; 0 of no object."""
    is_object = owner >= 0
    own, values = owner[is_object], column[is_object].clamp_min(0)
    total = values.new_zeros(int(owner.max()) + 1 if len(own) else 0).index_add(0, own, values)
    found = torch.zeros_like(column)
    found[is_object] = values / total[own].clamp_min(1e-12)
    return found
