"""Teaching the graph network on the edges that the filter kept, whole events or phi sectors."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from hitgraph.gnn.interaction import InteractionNetwork
from hitgraph.graph.filter.lesson import auc, kept_at_efficiency, weighted_loss
from hitgraph.hits import FEATURES
from hitgraph.lessons.seeds import generator
from hitgraph.pairs import PHI_ODD_FEATURES, Z_ODD_FEATURES
from hitgraph.recipe import Recipe
from hitgraph.training.fit import Batch, Lesson


@dataclass(frozen=True, eq=False)
class GraphLesson(Lesson):
    """Batches are graphs cut to a phi sector, each event giving `sectors` of them an epoch."""

    recipe: Recipe
    graphs: Sequence[Path]  # of the training events, see training.graphs
    validation_graphs: Sequence[Path]

    @property
    def n_batches(self) -> int:  # type: ignore[override]
        return len(self.graphs) * self.recipe.gnn.sectors

    @property
    def n_validation(self) -> int:  # type: ignore[override]
        return len(self.validation_graphs)

    def batches(self, network: nn.Module, epoch: int) -> Iterator[Batch]:  # noqa: ARG002
        random = generator(self.recipe.seed, "gnn", epoch)
        n_sectors = self.recipe.gnn.sectors
        start = torch.rand(len(self.graphs), generator=random) * 2 * math.pi
        # Sectors of all events mixed: successive steps then see different events.
        for ticket in torch.randperm(self.n_batches, generator=random).tolist():
            number, sector = divmod(ticket, n_sectors)
            batch, phi = load_graph(self.graphs[number])
            if n_sectors > 1:
                batch = cut(batch, sector_of(phi - start[number], n_sectors) == sector)
            if self.recipe.gnn.reflect:
                flips = torch.rand(2, generator=random) < 0.5
                batch = reflect(batch, self.recipe, bool(flips[0]), bool(flips[1]))
            yield batch

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        assert isinstance(network, InteractionNetwork)
        assert batch.edge_attr is not None
        return weighted_loss(network.all_logits(batch.x, batch.edge_index, batch.edge_attr), batch)

    def validation_batch(self, number: int) -> Batch:
        batch, phi = load_graph(self.validation_graphs[number])
        n_sectors = self.recipe.gnn.sectors
        return cut(batch, sector_of(phi, n_sectors) == 0) if n_sectors > 1 else batch

    def measure(self, network: nn.Module, batch: Batch) -> dict[str, float]:
        logits = network(batch.x, batch.edge_index, batch.edge_attr).float()
        return {
            "val_loss": float(weighted_loss(logits, batch)),
            "val_auc": auc(logits, batch),
            "val_kept": kept_at_efficiency(logits, batch, self.recipe.gnn.target_efficiency),
        }


def load_graph(path: Path) -> tuple[Batch, Tensor]:
    """The graph of one event, and phi of its hits (n_hits,)."""
    tensors = load_file(path)
    batch = Batch(
        tensors["x"],
        tensors["edge_index"].long(),
        tensors["edge_attr"],
        tensors["y"].float(),
        tensors["weight"],
    )
    return batch, tensors["phi"]


def sector_of(phi: Tensor, n_sectors: int) -> Tensor:
    """(n_hits,) int64 which of `n_sectors` equal sectors from phi = 0 on a hit lies in."""
    turn = (phi % (2 * math.pi)) * (n_sectors / (2 * math.pi))
    return turn.long().clamp_max(n_sectors - 1)  # rounding may give a full turn


def cut(batch: Batch, keep: Tensor) -> Batch:
    """The graph of the hits in `keep` (n_hits,) bool: edges with both ends among them."""
    assert batch.edge_attr is not None
    inside = keep[batch.edge_index[0]] & keep[batch.edge_index[1]]
    number = torch.cumsum(keep, 0) - 1
    return Batch(
        batch.x[keep],
        number[batch.edge_index[:, inside]],
        batch.edge_attr[inside],
        batch.y[inside],
        batch.weight[inside],
    )


def reflect(batch: Batch, recipe: Recipe, phi: bool, z: bool) -> Batch:
    """The mirror image: phi -> -phi with charge conjugation, and z -> -z."""
    assert batch.edge_attr is not None
    odd = (set(PHI_ODD_FEATURES) if phi else set()) ^ (set(Z_ODD_FEATURES) if z else set())
    odd_hits = ({"phi"} if phi else set()) | ({"z"} if z else set())
    assert set(recipe.gnn.hit_inputs) <= set(FEATURES)
    return batch._replace(
        x=batch.x * _signs(recipe.gnn.hit_inputs, odd_hits),
        edge_attr=batch.edge_attr * _signs(recipe.gnn.edge_inputs, odd),
    )


def _signs(names: Sequence[str], odd: set[str]) -> Tensor:
    return torch.tensor([-1.0 if name in odd else 1.0 for name in names])
