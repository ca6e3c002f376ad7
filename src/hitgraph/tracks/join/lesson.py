"""Teaching the join network: pairs of parts as the pipeline before it leaves them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from hitgraph.event.truth import NOISE
from hitgraph.lessons.lesson import Batch, Lesson, rows_batch
from hitgraph.lessons.seeds import generator

BATCH_TRUE = 512  # true pairs a step
FAKES_PER_TRUE = 20  # most pairs are easy to tell apart, so a step needs many to meet hard ones


@dataclass(frozen=True, eq=False)
class JoinLesson(Lesson):
    """Each step takes some true pairs and many times as many others, of all events mixed."""

    score_cut: float  # from which on pairs count as joined in validation
    seed: int
    pairs: "TaughtPairs"  # of the training events
    validation: "TaughtPairs"

    n_validation = 1

    @property
    def n_batches(self) -> int:  # type: ignore[override]
        return max(1, -(-int(self.pairs.is_true.sum()) // BATCH_TRUE))

    def batches(self, network: nn.Module, epoch: int) -> Iterator[Batch]:  # noqa: ARG002
        random = generator(self.seed, "join", epoch)
        is_true = self.pairs.is_true
        true, fake = torch.nonzero(is_true).squeeze(1), torch.nonzero(~is_true).squeeze(1)
        true = true[torch.randperm(len(true), generator=random)]
        fake = fake[torch.randperm(len(fake), generator=random)[: FAKES_PER_TRUE * len(true)]]
        for some_true, some_fake in zip(
            torch.tensor_split(true, self.n_batches),
            torch.tensor_split(fake, self.n_batches),
            strict=True,
        ):
            rows = torch.cat([some_true, some_fake])
            yield self.pairs.batch(rows)

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        return binary_cross_entropy_with_logits(_logits(network, batch), batch.y)

    def validation_batch(self, number: int) -> Batch:  # noqa: ARG002
        return self.validation.batch(torch.arange(len(self.validation.is_true)))

    def measure(self, network: nn.Module, batch: Batch) -> dict[str, float]:
        logits = _logits(network, batch).float()
        joined = logits > torch.logit(torch.tensor(self.score_cut))
        right = float((joined & (batch.y > 0)).sum())
        return {
            "val_loss": float(binary_cross_entropy_with_logits(logits, batch.y)),
            "val_efficiency": right / max(1.0, float(batch.y.sum())),
            "val_purity": right / max(1.0, float(joined.sum())),
        }


def are_parts_of_one(majority: Tensor, one: Tensor, other: Tensor) -> Tensor:
    """(n_pairs,) bool, whether most hits of two tracks (n_pairs,) are of the same particle.

    majority (n_tracks,) is that particle of each track, 0 = noise.
    """
    return (majority[one] == majority[other]) & (majority[one] != NOISE)


class TaughtPairs(NamedTuple):
    """Pairs of parts of several events."""

    features: Tensor  # (n_pairs, n_features)
    shift: Tensor  # (n_pairs,) what the density of its event takes off a logit
    is_true: Tensor  # (n_pairs,) bool

    def batch(self, rows: Tensor) -> Batch:
        """The pairs of these rows; the shift is the last column of x."""
        y = self.is_true[rows].float()
        x = torch.cat([self.features[rows], self.shift[rows, None]], dim=1)
        return rows_batch(x, y, torch.ones_like(y))


def load_pairs(events: Sequence[Callable[[], Mapping[str, Tensor]]]) -> TaughtPairs:
    """The pairs of several events."""
    loaded = [read() for read in events]
    return TaughtPairs(*(torch.cat([one[name] for one in loaded]) for name in TaughtPairs._fields))


def _logits(network: nn.Module, batch: Batch) -> Tensor:
    logits: Tensor = network(batch.x[:, :-1]) - batch.x[:, -1]
    return logits
