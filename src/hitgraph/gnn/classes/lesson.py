"""Teaching the classes of edges and hits, whole events, turned over at random."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from hitgraph.event.argon import CLASSES, hit_classes
from hitgraph.gnn.classes.network import N_EDGE_CLASSES
from hitgraph.lessons.lesson import Batch, Lesson
from hitgraph.lessons.samples import Sample
from hitgraph.lessons.seeds import generator

Graph = Callable[[], Mapping[str, Tensor]]  # x, edge_index, edge_attr, y


def true_classes(sample: Sample, edges: Tensor) -> Tensor:
    """(n_edges + n_hits,) int64: of each edge 0 where its hits are of two particles, else 1 + its
    class; then the class of each hit.

    Raises InputError where particle numbers say no class.
    """
    hits = torch.from_numpy(hit_classes(sample.particle_id.numpy(), sample.name))
    inner, outer = edges
    particle = sample.particle_id
    same = (particle[inner] == particle[outer]) & (particle[inner] != 0)
    return torch.cat([torch.where(same, 1 + hits[inner], 0), hits])


def class_weights(graphs: Sequence[Graph]) -> tuple[Tensor, Tensor]:
    """What a rare class of edges (N_EDGE_CLASSES,) and of hits (n_classes,) counts more.

    One over the root of its share, with mean 1 over all edges, and over all hits.
    """
    edges, hits = torch.zeros(N_EDGE_CLASSES), torch.zeros(len(CLASSES))
    for read in graphs:
        tensors = read()
        of_edges, of_hits = split(tensors["y"].long(), tensors["edge_index"].shape[1])
        edges += torch.bincount(of_edges, minlength=N_EDGE_CLASSES)
        hits += torch.bincount(of_hits, minlength=len(CLASSES))
    return _weights(edges), _weights(hits)


def _weights(counts: Tensor) -> Tensor:
    weights = counts.clamp_min(1).rsqrt()
    return weights * counts.sum().clamp_min(1) / (weights * counts).sum().clamp_min(1e-6)


def split(y: Tensor, n_edges: int) -> tuple[Tensor, Tensor]:
    """Classes of the edges, and of the hits."""
    return y[:n_edges], y[n_edges:]


@dataclass(frozen=True, eq=False)
class ClassLesson(Lesson):
    """A batch is an event; y and weight are those of its edges, then those of its hits."""

    seed: int
    graphs: Sequence[Graph]
    validation_graphs: Sequence[Graph]
    edge_weights: Tensor  # (N_EDGE_CLASSES,)
    hit_weights: Tensor  # (n_classes,)
    odd_inputs: Tensor  # (n_edge_inputs, 2) bool, those that change their sign with u and with v

    @property
    def n_batches(self) -> int:  # type: ignore[override]
        return len(self.graphs)

    @property
    def n_validation(self) -> int:  # type: ignore[override]
        return len(self.validation_graphs)

    def batches(self, network: nn.Module, epoch: int) -> Iterator[Batch]:  # noqa: ARG002
        random = generator(self.seed, "classes", epoch)
        for number in torch.randperm(len(self.graphs), generator=random).tolist():
            turn = 1 - 2 * torch.randint(2, (2,), generator=random)
            yield self._batch(self.graphs[number], turn)

    def validation_batch(self, number: int) -> Batch:
        return self._batch(self.validation_graphs[number], torch.ones(2))

    def _batch(self, read: Graph, turn: Tensor) -> Batch:
        tensors = read()
        edges, y = tensors["edge_index"].long(), tensors["y"].long()
        of_edges, of_hits = split(y, edges.shape[1])
        weight = torch.cat([self.edge_weights[of_edges], self.hit_weights[of_hits]])
        signs = torch.where(self.odd_inputs, turn, 1).prod(dim=1)
        return Batch(tensors["x"], edges, tensors["edge_attr"] * signs, y, weight)

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        found = network(batch.x, batch.edge_index, batch.edge_attr)
        n_edges = batch.edge_index.shape[1]
        total = batch.x.sum() * 0
        for logits, y, weight in zip(
            found, split(batch.y, n_edges), split(batch.weight, n_edges), strict=True
        ):
            if len(y):
                one = cross_entropy(logits, y, reduction="none")
                total = total + (one * weight).sum() / weight.sum()
        return total

    def measure(self, network: nn.Module, batch: Batch) -> dict[str, float]:
        edges, hits = network(batch.x, batch.edge_index, batch.edge_attr)
        of_edges, of_hits = split(batch.y, batch.edge_index.shape[1])
        return {
            "val_loss": float(self.loss(network, batch)),
            "val_edges_right": float((edges.argmax(dim=1) == of_edges).float().mean()),
            "val_hits_right": float((hits.argmax(dim=1) == of_hits).float().mean()),
        }
