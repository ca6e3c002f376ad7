"""What a network is taught: its batches, its loss, and how to see whether it learnt."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

__all__ = ["Batch", "Lesson", "rows_batch"]


class Batch(NamedTuple):
    """One optimiser step: a graph (or pairs) with labels."""

    x: Tensor  # (n_hits, n_features)
    edge_index: Tensor  # (2, n_edges) int64
    edge_attr: Tensor | None  # (n_edges, n_edge_features)
    y: Tensor  # (n_edges,) 0 or 1
    weight: Tensor  # (n_edges,) of the loss; 0 = neutral
    phi: Tensor | None = None  # (n_hits,) rad, by which ranks share the graph


def rows_batch(rows: Tensor, y: Tensor, weight: Tensor) -> Batch:
    """A batch of rows (n, n_features) without a graph."""
    return Batch(rows, torch.zeros(2, 0, dtype=torch.int64), None, y, weight)


class Lesson(ABC):
    """What to teach a network: its batches, its loss, and how to see whether it learnt.

    Batches are a function of the seed, the epoch and (for mined examples) the network only, so
    that a resumed training sees what the uninterrupted one would have seen.
    """

    n_batches: int  # an epoch
    n_validation: int  # validation events

    @abstractmethod
    def batches(self, network: nn.Module, epoch: int) -> Iterator[Batch]: ...

    @abstractmethod
    def loss(self, network: nn.Module, batch: Batch) -> Tensor: ...

    @abstractmethod
    def validation_batch(self, number: int) -> Batch: ...

    @abstractmethod
    def measure(self, network: nn.Module, batch: Batch) -> dict[str, float]:
        """Figures of merit on a validation event; "val_loss" decides which epoch was best."""
