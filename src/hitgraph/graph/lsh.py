"""Candidate edges from buckets of hits: locality-sensitive hashing (arXiv 2101.06428).

Each table has projections of its own; hits whose projections fall into the same steps share a
bucket (E2LSH). Two hits are joined that share a bucket of at least one table.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from hitgraph.errors import SettingsError
from hitgraph.graph.directions import (
    LEAST_SPREAD,
    N_COORDINATES,
    coordinates,
    learn_spreads,
    true_differences,
)
from hitgraph.hits import Hits
from hitgraph.hits.direction import squared_distance
from hitgraph.kernels.ranges import expand_in_parts
from hitgraph.lessons.material import Material
from hitgraph.lessons.seeds import generator
from hitgraph.lessons.settings import check_above, check_at_least, check_share
from hitgraph.lessons.workshop import Workshop
from hitgraph.stage import Context, StageSettings
from hitgraph.state import EDGES, HITS, State
from hitgraph.tensors import number, refuse_others, take, take_number

PAIRS = 1 << 22  # pairs looked at in one go
WIDEST, HALVINGS = 1e3, 30  # of the search for the width of a step, in units of the spreads
_STEPS = 1 << 14  # of a projection, at most


@dataclass(frozen=True)
class LshSettings(StageSettings):
    """Pairs of hits that share a bucket of random projections of direction and depth."""

    tables: int = 8  # hash tables; a pair shares a bucket of at least one
    projections: int = 4  # of each table
    target_efficiency: float = 0.98  # of true edges that share a bucket, on the training events
    max_radius: float = 20.0  # mm, particles born farther out are not learnt from

    paper: ClassVar[str] = "2101.06428"
    needs: ClassVar[frozenset[str]] = frozenset({HITS})
    gives: ClassVar[frozenset[str]] = frozenset({EDGES})

    def __post_init__(self) -> None:
        check_at_least(self, tables=1, projections=1)
        if self.projections > N_COORDINATES:
            raise SettingsError(
                f"projections: {self.projections} is not allowed, at most {N_COORDINATES}"
            )
        check_share(self, "target_efficiency")
        check_above(self, max_radius=0)

    def load(self, context: Context, tensors: Mapping[str, Tensor]) -> "LshStage":
        refuse_others(tensors, ("spreads", "directions", "offsets", "width"))
        shape = (self.tables, self.projections)
        spreads = take(tensors, "spreads", (N_COORDINATES,), low=LEAST_SPREAD)
        directions = take(tensors, "directions", (*shape, N_COORDINATES))
        offsets = take(tensors, "offsets", shape, low=0.0, high=1.0)
        width = take_number(tensors, "width", low=1.0 / WIDEST)
        return LshStage(spreads, directions, offsets, width).to(context.device)

    def learn(self, context: Context, material: Material, workshop: Workshop) -> "LshStage":
        random = generator(workshop.seed, "lsh")
        differences = true_differences(material, self.max_radius)
        spreads = learn_spreads(differences)
        shape = (self.tables, self.projections)
        directions = torch.randn(*shape, N_COORDINATES, generator=random)
        offsets = torch.rand(shape, generator=random)
        apart = torch.einsum("nc,tpc->tpn", differences / spreads, directions)
        low, high = 1.0 / WIDEST, WIDEST
        for _ in range(HALVINGS):
            middle = (low * high) ** 0.5
            # a step ends between two hits with probability |difference| / width
            together = (1 - apart.abs() / middle).clamp_min(0).prod(dim=1)
            shared = 1 - (1 - together).prod(dim=0)
            low, high = (low, middle) if shared.mean() >= self.target_efficiency else (middle, high)
        workshop.record({"width": high})
        return LshStage(spreads, directions, offsets, high).to(context.device)


@dataclass(frozen=True, eq=False)
class LshStage:
    """Ready to run."""

    spreads: Tensor  # (4,) float32
    directions: Tensor  # (n_tables, n_projections, 4) float32
    offsets: Tensor  # (n_tables, n_projections) float32, in steps
    width: float  # of a step, in units of the spreads

    def to(self, device: torch.device) -> "LshStage":
        spreads, directions, offsets = (
            one.to(device) for one in (self.spreads, self.directions, self.offsets)
        )
        return LshStage(spreads, directions, offsets, self.width)

    def __call__(self, state: State) -> State:
        return state.with_edges(self.build(state.hits))

    def build(self, hits: Hits) -> Tensor:
        """(2, n_edges) int64, each pair once, from the inner hit to the outer."""
        points = coordinates(hits) / self.spreads
        n = max(len(hits), 1)
        keys = torch.empty(0, dtype=torch.int64, device=points.device)
        for directions, offsets in zip(self.directions, self.offsets, strict=True):
            found = [keys]
            for one, other in _bucket_pairs(_buckets(points, directions, offsets, self.width)):
                apart = hits.module[one] != hits.module[other]
                one, other = one[apart], other[apart]
                found.append(torch.minimum(one, other) * n + torch.maximum(one, other))
            keys = torch.unique(torch.cat(found))
        one, other = keys // n, keys % n
        far = squared_distance(hits.position)
        return torch.where(far[one] <= far[other], *_both_ways(one, other))

    def tensors(self) -> dict[str, Tensor]:
        return {
            "spreads": self.spreads,
            "directions": self.directions,
            "offsets": self.offsets,
            "width": number(self.width),
        }


def _both_ways(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    return torch.stack([one, other]), torch.stack([other, one])


def _buckets(points: Tensor, directions: Tensor, offsets: Tensor, width: float) -> Tensor:
    """(n_hits,) int64 bucket of each hit in one table."""
    steps = (points @ directions.T / width + offsets).floor().clamp(-_STEPS, _STEPS - 1)
    bucket = torch.zeros(len(points), dtype=torch.int64, device=points.device)
    for step in steps.long().unbind(dim=1):
        bucket = bucket * 2 * _STEPS + step + _STEPS
    return bucket


def _bucket_pairs(bucket: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Rows of both hits of all pairs that share a bucket, (n,) each, a part at a time."""
    sorted_bucket, order = bucket.sort(stable=True)
    place = torch.arange(len(order), device=order.device)
    end = torch.searchsorted(sorted_bucket, sorted_bucket, right=True)
    for i, j in expand_in_parts(place + 1, end, PAIRS):
        yield order[i], order[j]
