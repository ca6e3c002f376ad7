"""Tracks by DBSCAN on places of hits: those that object condensation gives, or an embedding."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from torch import Tensor

from hitgraph.errors import InputError
from hitgraph.graph.neighbours import MAX_DIMENSIONS, radius_pairs
from hitgraph.kernels.choice import Backend
from hitgraph.lessons.material import Material
from hitgraph.lessons.settings import check_above, check_at_least, check_not_empty
from hitgraph.lessons.workshop import Workshop
from hitgraph.stage import Context, StageSettings
from hitgraph.state import HITS, LABELS, State
from hitgraph.tensors import number, refuse_others, take_number
from hitgraph.tracks.checks import check_pairs
from hitgraph.tracks.dbscan import dbscan
from hitgraph.tracks.stage import best_of

RADII = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6)


@dataclass(frozen=True)
class DbscanPointsSettings(StageSettings):
    """DBSCAN on points: hits with enough others near their place are joined with these."""

    column: str = "place"  # of hits, that has the points: `place`, `embedding`
    radius: float = 0.2  # within which points are neighbours: eps
    min_samples: int = 1  # neighbours that make a hit a core, itself counted
    min_hits: int = 3  # smaller clusters are no track

    paper: ClassVar[str] = "2309.16754"
    gives: ClassVar[frozenset[str]] = frozenset({LABELS})

    def __post_init__(self) -> None:
        check_not_empty(self, "column")
        check_above(self, radius=0)
        check_at_least(self, min_samples=1, min_hits=1)

    @property
    def needs(self) -> frozenset[str]:  # type: ignore[override]
        return frozenset({HITS, f"hit.{self.column}"})

    def load(self, context: Context, tensors: Mapping[str, Tensor]) -> "DbscanPointsStage":
        refuse_others(tensors, ["radius"])
        radius = take_number(tensors, "radius", low=1e-9)
        return DbscanPointsStage(context, replace(self, radius=radius))

    def learn(
        self, context: Context, material: Material, workshop: Workshop
    ) -> "DbscanPointsStage":
        """The radius, its own or one of RADII, with which targets score highest in validation."""
        choices = {
            radius: DbscanPointsStage(context, replace(self, radius=radius))
            for radius in sorted({self.radius, *RADII})
        }
        radius, facts = best_of(choices, self.radius, material, workshop)
        workshop.record({"radius": radius, **facts})
        return choices[radius]


@dataclass(frozen=True, eq=False)
class DbscanPointsStage:
    """Ready to run."""

    context: Context
    settings: DbscanPointsSettings

    def __call__(self, state: State) -> State:
        points = state.hit_columns([self.settings.column])
        return state.with_labels(dbscan_points(points, self.settings, self.context.backend))

    def tensors(self) -> dict[str, Tensor]:
        return {"radius": number(self.settings.radius)}


def dbscan_points(
    points: Tensor, settings: DbscanPointsSettings, backend: Backend = "auto"
) -> Tensor:
    """Track of each hit, (n_hits,) int64 from 0 without gaps, -1 = none.

    points (n_hits, d) float32; their neighbours come from the fixed-radius search. Raises
    TooManyPairs, and InputError for points of more than MAX_DIMENSIONS.
    """
    if points.shape[1] > MAX_DIMENSIONS:
        raise InputError(
            f"hit.{settings.column} has {points.shape[1]} dimensions, at most {MAX_DIMENSIONS} are "
            "searched: take fewer"
        )
    check_pairs(points, settings.radius, len(points), backend)
    pairs = radius_pairs(points, settings.radius, backend=backend)
    closeness = -(points[pairs[0]] - points[pairs[1]]).square().sum(dim=1)
    return dbscan(len(points), pairs, closeness, settings.min_samples, settings.min_hits, backend)
