"""Candidate edges between each hit and the hits nearest to it in direction and depth."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from hitgraph.graph.directions import (
    LEAST_SPREAD,
    N_COORDINATES,
    coordinates,
    learn_spreads,
    true_differences,
)
from hitgraph.graph.neighbours import radius_pairs
from hitgraph.hits.direction import squared_distance
from hitgraph.lessons.material import Material
from hitgraph.lessons.settings import check_above, check_at_least, check_share
from hitgraph.lessons.workshop import Workshop
from hitgraph.stage import Context, StageSettings
from hitgraph.state import EDGES, HITS, State
from hitgraph.tensors import number, refuse_others, take, take_number


@dataclass(frozen=True)
class NearestSettings(StageSettings):
    """Pairs of hits of which one is among the nearest of the other, in direction and depth.

    In a learnt space the stage `radius` does the same, with `max_neighbours`.
    """

    neighbours: int = 20  # nearest ones kept a hit
    target_efficiency: float = 0.99  # of true edges that are no longer than the search reaches
    max_radius: float = 20.0  # mm, particles born farther out are not learnt from

    needs: ClassVar[frozenset[str]] = frozenset({HITS})
    gives: ClassVar[frozenset[str]] = frozenset({EDGES})

    def __post_init__(self) -> None:
        check_at_least(self, neighbours=1)
        check_share(self, "target_efficiency")
        check_above(self, max_radius=0)

    def load(self, context: Context, tensors: Mapping[str, Tensor]) -> "NearestStage":
        refuse_others(tensors, ("spreads", "radius"))
        spreads = take(tensors, "spreads", (N_COORDINATES,), low=LEAST_SPREAD)
        radius = take_number(tensors, "radius", low=0.0)
        return NearestStage(context, self.neighbours, spreads.to(context.device), radius)

    def learn(self, context: Context, material: Material, workshop: Workshop) -> "NearestStage":
        differences = true_differences(material, self.max_radius)
        spreads = learn_spreads(differences)
        distances = (differences / spreads).norm(dim=1).sort().values
        radius = float(distances[round(self.target_efficiency * (len(distances) - 1))])
        workshop.record({"radius": radius})
        return NearestStage(context, self.neighbours, spreads, radius)


@dataclass(frozen=True, eq=False)
class NearestStage:
    """Ready to run."""

    context: Context
    neighbours: int
    spreads: Tensor  # (4,) float32
    radius: float  # in units of the spreads

    def __call__(self, state: State) -> State:
        hits = state.hits
        pairs = radius_pairs(
            coordinates(hits) / self.spreads,
            self.radius,
            self.neighbours,
            key=squared_distance(hits.position),
            dtype=torch.int32,  # half the memory of what is left of them
            backend=self.context.backend,
        )
        return state.with_edges(pairs[:, hits.module[pairs[0]] != hits.module[pairs[1]]].long())

    def tensors(self) -> dict[str, Tensor]:
        return {"spreads": self.spreads, "radius": number(self.radius)}
