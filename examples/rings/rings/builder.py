"""A graph builder: hits of layers that follow each other, within a learnt azimuth difference."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import pi
from typing import ClassVar

import torch
from torch import Tensor

from hitgraph.errors import SettingsError
from hitgraph.lessons.material import Material
from hitgraph.lessons.workshop import Workshop
from hitgraph.stage import Context, StageSettings
from hitgraph.state import State
from hitgraph.tensors import number, refuse_others, take, take_number


@dataclass(frozen=True)
class NeighbouringLayersSettings(StageSettings):
    """Pairs of hits on layers that follow each other on a track, near in azimuth."""

    coverage: float = 0.99  # share of the true edges within the azimuth difference

    needs: ClassVar[frozenset[str]] = frozenset({"hits", "hit.phi"})
    gives: ClassVar[frozenset[str]] = frozenset({"edges", "edge.dphi"})

    def __post_init__(self) -> None:
        if not 0 < self.coverage <= 1:
            raise SettingsError(f"coverage: {self.coverage} is not in (0, 1]")

    def load(self, context: Context, tensors: Mapping[str, Tensor]) -> "NeighbouringLayers":
        refuse_others(tensors, ["follows", "dphi"])
        n_layers = context.detector.n_layers
        follows = take(tensors, "follows", (n_layers, n_layers), torch.bool)
        dphi = take_number(tensors, "dphi", low=0.0, high=pi)
        return NeighbouringLayers(follows.to(context.device), dphi)

    def learn(
        self, context: Context, material: Material, workshop: Workshop
    ) -> "NeighbouringLayers":
        n_layers = context.detector.n_layers
        follows = torch.zeros(n_layers, n_layers, dtype=torch.bool)
        found = []
        for read in material.train:
            sample = read().sample
            inner, outer = sample.true_edges
            follows[sample.hits.layer[inner], sample.hits.layer[outer]] = True
            found.append(_dphi(sample.hits.column("phi"), inner, outer).abs())
        dphi = float(torch.quantile(torch.cat(found), self.coverage))
        workshop.record({"layer_pairs": int(follows.sum()), "dphi": dphi})
        return NeighbouringLayers(follows, dphi)


@dataclass(frozen=True, eq=False)
class NeighbouringLayers:
    """Ready to run. For small events: it looks at all pairs."""

    follows: Tensor  # (n_layers, n_layers) bool, inner and outer layer of an edge
    dphi: float  # rad, largest difference of azimuth

    def __call__(self, state: State) -> State:
        hits = state.hits
        near = self.follows[hits.layer[:, None], hits.layer[None, :]]
        inner, outer = near.nonzero(as_tuple=True)
        far = hits.position.double().square().sum(dim=1)
        dphi = _dphi(hits.column("phi"), inner, outer)
        kept = (dphi.abs() <= self.dphi) & (far[inner] < far[outer])
        return state.with_edges(torch.stack([inner, outer])[:, kept], dphi=dphi[kept])

    def tensors(self) -> dict[str, Tensor]:
        return {"follows": self.follows, "dphi": number(self.dphi)}


def _dphi(phi: Tensor, inner: Tensor, outer: Tensor) -> Tensor:
    """(n_edges,) azimuth difference, wrapped to [-pi, pi)."""
    return (phi[outer] - phi[inner] + pi) % (2 * pi) - pi
