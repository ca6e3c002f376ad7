"""Teaching the join network: pairs of parts as the pipeline before it leaves them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from hitgraph.event.truth import NOISE
from hitgraph.lessons.lesson import Batch, Lesson, rows_batch
from hitgraph.lessons.seeds import generator
from hitgraph.tracks.parts import PartPairs

if TYPE_CHECKING:
    from hitgraph.tracks.join.stage import JoinStageSettings

BATCH_TRUE = 512  # true pairs a step
FAKES_PER_TRUE = 20  # most pairs are easy to tell apart, so a step needs many to meet hard ones


@dataclass(frozen=True, eq=False)
class JoinLesson(Lesson):
    """Each step takes some true pairs and many times as many others, of all events mixed."""

    stage: "JoinStageSettings"
    seed: int
    features: Tensor  # (n_pairs, n_features) of the training events
    is_true: Tensor  # (n_pairs,) bool
    validation_features: Tensor
    validation_is_true: Tensor

    n_validation = 1

    @property
    def n_batches(self) -> int:  # type: ignore[override]
        return max(1, -(-int(self.is_true.sum()) // BATCH_TRUE))

    def batches(self, network: nn.Module, epoch: int) -> Iterator[Batch]:  # noqa: ARG002
        random = generator(self.seed, "join", epoch)
        true = torch.nonzero(self.is_true).squeeze(1)
        fake = torch.nonzero(~self.is_true).squeeze(1)
        true = true[torch.randperm(len(true), generator=random)]
        fake = fake[torch.randperm(len(fake), generator=random)[: FAKES_PER_TRUE * len(true)]]
        for some_true, some_fake in zip(
            torch.tensor_split(true, self.n_batches),
            torch.tensor_split(fake, self.n_batches),
            strict=True,
        ):
            rows = torch.cat([some_true, some_fake])
            yield _batch(self.features[rows], self.is_true[rows])

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        return binary_cross_entropy_with_logits(network(batch.x), batch.y)

    def validation_batch(self, number: int) -> Batch:  # noqa: ARG002
        return _batch(self.validation_features, self.validation_is_true)

    def measure(self, network: nn.Module, batch: Batch) -> dict[str, float]:
        logits = network(batch.x).float()
        joined = logits > torch.logit(torch.tensor(self.stage.network.score_cut))
        right = float((joined & (batch.y > 0)).sum())
        return {
            "val_loss": float(binary_cross_entropy_with_logits(logits, batch.y)),
            "val_efficiency": right / max(1.0, float(batch.y.sum())),
            "val_purity": right / max(1.0, float(joined.sum())),
        }


def are_parts_of_one(majority: Tensor, pairs: PartPairs) -> Tensor:
    """(n_pairs,) bool, whether most hits of either track are of the same particle.

    majority (n_tracks,) is that particle of each track, 0 = noise.
    """
    inner, outer = majority[pairs.inner], majority[pairs.outer]
    return (inner == outer) & (inner != NOISE)


def load_pairs(events: Sequence[Callable[[], Mapping[str, Tensor]]]) -> tuple[Tensor, Tensor]:
    """Features and truth of the pairs of several events."""
    loaded = [read() for read in events]
    return torch.cat([one["features"] for one in loaded]), torch.cat(
        [one["is_true"] for one in loaded]
    )


def _batch(features: Tensor, is_true: Tensor) -> Batch:
    y = is_true.float()
    return rows_batch(features, y, torch.ones_like(y))
