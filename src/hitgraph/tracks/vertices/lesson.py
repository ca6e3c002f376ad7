"""Teaching the similarity of tracks: pairs of the pipeline's tracks, whose collisions are known."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from hitgraph.event.collisions import number_of_collision
from hitgraph.lessons.lesson import Batch, Lesson
from hitgraph.lessons.seeds import generator
from hitgraph.tracks.vertices.beam import BeamTracks
from hitgraph.tracks.vertices.similarity import pairs_of, track_columns

BATCH = 8192  # pairs a step

Pairs = Mapping[str, Tensor]  # tracks, pairs, columns, same: of one event


def pairs_to_teach(tracks: BeamTracks, majority: Tensor) -> dict[str, Tensor]:
    """What the lesson reads of one event; majority (n_labels,) is the particle of most hits of each
    label, and `track_id` of the tracks is a label. Pairs with noise are of two vertices."""
    collision = number_of_collision(majority.numpy())[tracks.track_id]
    pairs, columns = pairs_of(tracks)
    one, other = collision[pairs.numpy()]
    same = torch.from_numpy((one == other) & (one > 0)).float()
    return {"tracks": track_columns(tracks), "pairs": pairs, "columns": columns, "same": same}


def share_found(vertex: NDArray[np.int64], majority: NDArray[np.int64]) -> float:
    """Harmonic mean of two shares: collisions that have a vertex, and vertices that are the first
    of a collision.

    vertex (n_tracks,) is that of each track, -1 = none, majority (n_tracks,) its particle. A vertex
    is of the collision that most of its tracks come from; collisions count with two tracks or more.
    NaN where there is neither collision nor vertex.
    """
    collision = number_of_collision(majority)
    numbers, counts = np.unique(collision[collision > 0], return_counts=True)
    wanted = numbers[counts > 1]
    pairs, n = np.unique(np.stack([vertex, collision])[:, vertex >= 0], axis=1, return_counts=True)
    order = np.lexsort((-n, pairs[0]))
    owner = pairs[:, order][:, np.unique(pairs[0, order], return_index=True)[1]]
    total = len(wanted) + owner.shape[1]
    return 2 * len(np.intersect1d(owner[1], wanted)) / total if total else float("nan")


@dataclass(frozen=True, eq=False)
class SimilarityLesson(Lesson):
    """Each step takes some pairs of one event; of an event at most `pairs_per_event` an epoch, and
    in validation always the same ones."""

    seed: int
    train: Sequence[Pairs]
    validation: Sequence[Pairs]
    pairs_per_event: int

    @property
    def n_validation(self) -> int:  # type: ignore[override]
        return len(self.validation)

    @property
    def n_batches(self) -> int:  # type: ignore[override]
        return sum(self._steps(event) for event in self.train)

    def batches(self, network: nn.Module, epoch: int) -> Iterator[Batch]:  # noqa: ARG002
        random = generator(self.seed, "vertices", epoch)
        parts: list[tuple[Pairs, Tensor]] = []
        for event in self.train:
            some = self._some(event, random)
            parts += [(event, rows) for rows in torch.tensor_split(some, self._steps(event))]
        for k in torch.randperm(len(parts), generator=random).tolist():
            yield _batch(*parts[k])

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        return binary_cross_entropy_with_logits(_logits(network, batch), batch.y)

    def validation_batch(self, number: int) -> Batch:
        event = self.validation[number]
        return _batch(event, self._some(event, generator(self.seed, "vertices", "validation")))

    def measure(self, network: nn.Module, batch: Batch) -> dict[str, float]:
        logits = _logits(network, batch).float()
        right = (logits > 0) == (batch.y > 0)
        return {
            "val_loss": float(binary_cross_entropy_with_logits(logits, batch.y)),
            "val_accuracy": float(right.float().mean()),  # at a score of 0.5
        }

    def _some(self, event: Pairs, random: torch.Generator) -> Tensor:
        return torch.randperm(len(event["same"]), generator=random)[: self.pairs_per_event]

    def _steps(self, event: Pairs) -> int:
        return -(-min(len(event["same"]), self.pairs_per_event) // BATCH)


def _batch(event: Pairs, rows: Tensor) -> Batch:
    same = event["same"][rows]
    return Batch(
        x=event["tracks"],
        edge_index=event["pairs"][:, rows],
        edge_attr=event["columns"][rows],
        y=same,
        weight=torch.ones_like(same),
    )


def _logits(network: nn.Module, batch: Batch) -> Tensor:
    logits: Tensor = network(batch.x, batch.edge_index, batch.edge_attr)
    return logits
