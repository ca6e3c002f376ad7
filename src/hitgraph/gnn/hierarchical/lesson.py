"""Teaching the hierarchical network: which supernode a particle is, and who is alike.

Particles and supernodes are matched one to one so that they share as many hits as possible; a hit
belongs to the supernode that its particle is matched with. The loss is the binary cross entropy of
that, and for both embeddings the squared hinge

    d^2 for pairs of one particle,   max(0, 1 - d)^2 for all others

over edges and pairs taken across them, with d the distance of the embeddings. arXiv 2303.01640
weighs hits by pT and lets the hinge fade out; here all hits count alike, and it stays.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from hitgraph.gnn.hierarchical.network import HierarchicalNetwork, Hierarchy
from hitgraph.gnn.hierarchical.pooling import with_pairs_across
from hitgraph.lessons.lesson import Batch, Lesson
from hitgraph.lessons.material import Material, Read
from hitgraph.lessons.objects import NOISE, objects_of
from hitgraph.lessons.sectors import drawn_sectors, sector_of
from hitgraph.lessons.seeds import generator
from hitgraph.lessons.workshop import Workshop

if TYPE_CHECKING:
    from hitgraph.gnn.hierarchical.stage import HierarchicalSettings, HierarchicalStage


def teach(stage: "HierarchicalStage", material: Material, workshop: Workshop) -> dict[str, float]:
    """Train the network of the stage; its figures of merit."""
    train, validation = (
        [
            workshop.cached(f"{kind}-{k}", partial(event_graph, stage, read))
            for k, read in enumerate(reads)
        ]
        for kind, reads in (("train", material.train), ("validation", material.validation))
    )
    first = train[0]()
    stage.network.learn_inputs(first["x"], first["edge_attr"])
    stage.network.checkpointing = stage.settings.training.checkpointing
    lesson = HierarchicalLesson(stage.settings, workshop.seed, train, validation)
    return workshop.fit(stage.network, lesson, stage.settings.training)


def event_graph(stage: "HierarchicalStage", read: Read) -> dict[str, Tensor]:
    """What the lesson reads of one event."""
    sample, state = read()
    x, edge_attr = stage.inputs(state)
    return {
        "x": x,
        "phi": sample.hits.column("phi"),
        "edge_index": state.graph().int(),
        "edge_attr": edge_attr,
        "owner": objects_of(sample),
    }


@dataclass(frozen=True, eq=False)
class HierarchicalLesson(Lesson):
    """Batches are graphs cut to a phi sector; y (n_hits,) is the object of each hit."""

    stage: "HierarchicalSettings"
    seed: int
    graphs: Sequence[Callable[[], Mapping[str, Tensor]]]
    validation_graphs: Sequence[Callable[[], Mapping[str, Tensor]]]

    @property
    def n_batches(self) -> int:  # type: ignore[override]
        return len(self.graphs) * self.stage.sectors

    @property
    def n_validation(self) -> int:  # type: ignore[override]
        return len(self.validation_graphs)

    def batches(self, network: nn.Module, epoch: int) -> Iterator[Batch]:  # noqa: ARG002
        random = generator(self.seed, "hierarchical", epoch)
        for number, sector, start in drawn_sectors(random, len(self.graphs), self.stage.sectors):
            yield self._batch(self.graphs[number](), sector, float(start))

    def validation_batch(self, number: int) -> Batch:
        return self._batch(self.validation_graphs[number](), 0, 0.0)

    def _batch(self, graph: Mapping[str, Tensor], sector: int, start: float) -> Batch:
        keep = sector_of(graph["phi"] - start, self.stage.sectors) == sector
        edges = graph["edge_index"].long()
        inside = keep[edges[0]] & keep[edges[1]]
        number = torch.cumsum(keep, 0) - 1
        owner = graph["owner"][keep]
        return Batch(
            graph["x"][keep],
            number[edges[:, inside]],
            graph["edge_attr"][inside],
            owner,
            torch.ones(len(owner)),
        )

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        assert isinstance(network, HierarchicalNetwork)
        assert batch.edge_attr is not None
        found = network.hierarchy(batch.x, batch.edge_index, batch.edge_attr)
        hinges = hinge_loss(found.embedding, batch) + hinge_loss(found.final, batch)
        return hinges + assignment_loss(found, batch.y)

    def measure(self, network: nn.Module, batch: Batch) -> dict[str, float]:
        return {"val_loss": float(self.loss(network, batch))}


def hinge_loss(embedding: Tensor, batch: Batch) -> Tensor:
    """Over the edges, and some pairs of hits of different edges, so that there are others.

    Pairs of one particle and of two weigh alike in all; hits that do not count are left out.
    """
    inner, outer = with_pairs_across(batch.edge_index)
    owners = batch.y[inner], batch.y[outer]
    counts = (owners[0] >= NOISE) & (owners[1] >= NOISE)
    same = (owners[0] == owners[1]) & (owners[0] >= 0) & counts
    squared = (embedding[inner] - embedding[outer]).square().sum(dim=1)
    apart = (1 - (squared + 1e-12).sqrt()).clamp_min(0).square()
    other = counts & ~same
    return squared[same].sum() / same.sum().clamp_min(1) + (
        apart[other].sum() / other.sum().clamp_min(1)
    )


def assignment_loss(found: Hierarchy, owner: Tensor) -> Tensor:
    """Binary cross entropy of the pairs whose hit counts, and a term for hits without a right one.

    owner (n_hits,). The term is the share of hits of objects for which no pair is right: it has no
    gradient, but without it an epoch that makes no supernodes would have no loss.
    """
    hit, supernode = found.pairs
    of_object = matched_supernodes(owner, found.supernode)
    of_hit = torch.where(owner >= 0, of_object[owner.clamp_min(0)], -1)
    right = of_hit[hit] == supernode
    possible = torch.zeros_like(owner).index_add(0, hit, right.long()) > 0
    aimed = owner >= 0
    loss = (aimed & ~possible).sum() / aimed.sum().clamp_min(1) + found.logit.sum() * 0
    counts = owner[hit] >= NOISE
    if not bool(counts.any()):
        return loss
    y = right[counts].to(found.logit.dtype)
    return loss + binary_cross_entropy_with_logits(found.logit[counts], y)


def matched_supernodes(owner: Tensor, supernode: Tensor) -> Tensor:
    """(n_objects,) int64 supernode of each object, -1 = none; at least one entry.

    One to one, and such that the hits (n_hits,) that they share are as many as can be.
    """
    inside = (owner >= 0) & (supernode >= 0)
    n_objects = int(owner.max()) + 1 if bool((owner >= 0).any()) else 1
    found = torch.full((n_objects,), -1, dtype=torch.int64)
    if not bool(inside.any()):
        return found.to(owner.device)
    pairs = (owner[inside].cpu().numpy(), supernode[inside].cpu().numpy())
    shared = np.zeros((n_objects, int(pairs[1].max()) + 1), np.float32)
    np.add.at(shared, pairs, 1.0)
    rows, columns = linear_sum_assignment(shared, maximize=True)
    good = shared[rows, columns] > 0
    found[torch.from_numpy(rows[good])] = torch.from_numpy(columns[good])
    return found.to(owner.device)
