"""The part of a batch that one rank computes, where the ranks share each graph."""

from typing import NamedTuple

from torch import Tensor, nn

from hitgraph.lessons.lesson import Batch, Lesson
from hitgraph.nn.borders import Borders, own_part, slices
from hitgraph.nn.edges import EdgeNetwork


class Part(NamedTuple):
    """Of one rank."""

    batch: Batch  # own hits, then the border; edges that are not its own weigh nothing
    borders: Borders
    share: Tensor  # () of the loss: the weight of its own edges over that of all edges


def part_of(batch: Batch, rank: int, ranks: int) -> Part:
    """What one of several ranks has of a batch with `phi`, split in azimuth."""
    assert batch.phi is not None
    assert batch.edge_attr is not None
    found = own_part(batch.edge_index, slices(batch.phi, ranks), rank, ranks)
    weight = batch.weight[found.edges] * found.own_edges
    part = Batch(
        batch.x[found.hits],
        found.edge_index,
        batch.edge_attr[found.edges],
        batch.y[found.edges],
        weight,
    )
    return Part(part, found.borders, weight.sum() / batch.weight.sum().clamp_min(1e-6))


def loss_of_part(lesson: Lesson, network: nn.Module, part: Part) -> Tensor:
    """A term of the loss of the whole batch, which is the sum over ranks.

    The loss of the lesson has to be an average over edges by their weights.
    """
    assert isinstance(network, EdgeNetwork)
    network.borders = part.borders
    try:
        return lesson.loss(network, part.batch) * part.share
    finally:
        network.borders = None
