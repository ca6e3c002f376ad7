"""Joining clusters on planes: pieces of one view of a particle, told by a small network.

What runs along the edges of a graph ends where hits do: a shower is pieces with gaps of a photon's
flight between them, and a track that another one crosses is two. Here pairs of clusters of a plane
that come near each other are judged as wholes, by how they lie to each other, how large and how
dense they are, what class their hits are, and what the edges between them say. Nothing depends on
where the plane has its axes.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from hitgraph.event.argon import CLASSES
from hitgraph.graph.neighbours import radius_pairs
from hitgraph.kernels.choice import Backend
from hitgraph.kernels.joins import find_rows
from hitgraph.lessons.settings import check_at_least
from hitgraph.nn.blocks import Standardise, logits_of, mlp, sum_at
from hitgraph.tracks.contraction import limited

LEAST_CHARGE = 1e-6
FAR = 1e5  # mm, between planes
CLOSE = 15.0  # mm, pairs of hits that count as near
NO_EDGE = -8.0  # instead of the largest logit between two clusters without an edge

PIECE_FEATURES = (
    "gap",  # mm, between the nearest hits, logarithm of 1 + it, as all lengths
    "near",  # pairs of hits within CLOSE, logarithm of 1 + it
    "distance",  # mm, between the centres
    *("larger_hits", "smaller_hits"),  # logarithm
    *("larger_charge", "smaller_charge"),  # of a hit on average, logarithm
    *("larger_length", "smaller_length"),  # mm, of a line with that spread
    *("larger_line", "smaller_line"),  # share of the spread that lies along the axis
    "axes",  # |cosine| of the angle between them
    *("larger_step", "smaller_step"),  # of that to the way from near hit to near hit
    *("larger_centre", "smaller_centre"),  # of that to the way from centre to centre
    *("larger_miss", "smaller_miss"),  # mm, from its axis to the centre of the other
    *("larger_end", "smaller_end"),  # where on its length the near hit lies: 0 = middle, 1 = end
    "evidence",  # sum of the logits of the edges between, signed logarithm
    "edges",  # their number, logarithm of 1 + it
    "best",  # their largest logit
    *(f"larger_{name}" for name in CLASSES),  # shares of classes, means over hits
    *(f"smaller_{name}" for name in CLASSES),
)


@dataclass(frozen=True)
class PieceNetworkSettings:
    """Sizes of the network that judges pairs of clusters."""

    hidden: int = 48  # width of the hidden layers
    layers: int = 2  # hidden layers

    def __post_init__(self) -> None:
        check_at_least(self, hidden=1, layers=1)


class PieceNetwork(nn.Module):
    """Logit that two clusters are of one view."""

    def __init__(self, settings: PieceNetworkSettings) -> None:
        super().__init__()
        self.standardise = Standardise(len(PIECE_FEATURES))
        self.layers = mlp([len(PIECE_FEATURES), *[settings.hidden] * settings.layers, 1])

    def forward(self, features: Tensor) -> Tensor:
        """(n_pairs, n_features) -> (n_pairs,)."""
        return logits_of(self.layers, self.standardise(features))


class Clustered(NamedTuple):
    """The hits of an event, of which some are in clusters, and the edges between them."""

    place: Tensor  # (n_hits, 2) mm, in the plane
    plane: Tensor  # (n_hits,) int64
    charge: Tensor  # (n_hits,)
    classes: Tensor  # (n_hits, n_classes) shares
    labels: Tensor  # (n_hits,) int64 cluster, -1 = none
    edges: Tensor  # (2, n_edges) int64
    logit: Tensor  # (n_edges,)


class PiecePairs(NamedTuple):
    """Pairs of clusters, by the larger one and then the smaller."""

    larger: Tensor  # (n_pairs,) cluster of more hits, of equal ones the lower number
    smaller: Tensor  # (n_pairs,)
    features: Tensor  # (n_pairs, len(PIECE_FEATURES)) float32


class _Pieces(NamedTuple):
    """What is known of each cluster."""

    n_hits: Tensor  # (n,)
    charge: Tensor  # (n,) of a hit on average
    centre: Tensor  # (n, 2) mm
    axis: Tensor  # (n, 2) unit vector, 0 where all hits are at one place
    length: Tensor  # (n,) mm
    line: Tensor  # (n,)
    classes: Tensor  # (n, n_classes)


def piece_pairs(hits: Clustered, reach: float, backend: Backend = "auto") -> PiecePairs:
    """All pairs of clusters of a plane that come within `reach` mm of each other."""
    rows = torch.nonzero(hits.labels >= 0).squeeze(1)
    track, place = hits.labels[rows], hits.place[rows]
    pieces = _pieces(hits, rows)
    points = torch.cat([hits.place, FAR * hits.plane[:, None]], dim=1)[rows].float()
    one, other = radius_pairs(points, reach, backend=backend)
    apart = track[one] != track[other]
    one, other = _larger_first(pieces.n_hits, track, one[apart], other[apart])
    gap = (place[one] - place[other]).norm(dim=1)
    n = len(pieces.n_hits)
    pair, which = torch.unique(track[one] * n + track[other], return_inverse=True)
    near = torch.bincount(which, (gap < CLOSE).double(), minlength=len(pair)).float()
    order = torch.argsort(gap, stable=True)
    order = order[torch.argsort(which[order], stable=True)]
    count = torch.bincount(which, minlength=len(pair))
    nearest = order[torch.cumsum(count, 0) - count]
    one, other, gap = one[nearest], other[nearest], gap[nearest]
    features = torch.cat(
        [
            torch.stack([gap.log1p(), near.log1p()], dim=1),
            _geometry(pieces, place, track, one, other),
            _between(hits, pieces.n_hits, pair),
            pieces.classes[track[one]],
            pieces.classes[track[other]],
        ],
        dim=1,
    )
    return PiecePairs(track[one], track[other], features.float())


def _pieces(hits: Clustered, rows: Tensor) -> _Pieces:
    """The clusters of the hits in `rows`, which are on one."""
    track, n = hits.labels[rows], int(hits.labels.max()) + 1 if len(rows) else 0
    one = torch.ones(len(rows), 1, dtype=torch.float64, device=track.device)
    place, charge = hits.place[rows].double(), hits.charge[rows].double()[:, None]
    sums = sum_at(torch.cat([one, charge, place, hits.classes[rows].double()], dim=1), track, n)
    n_hits, mean = sums[:, 0], sums[:, 1:] / sums[:, :1].clamp_min(1)
    way = place - mean[track, 1:3]
    moments = sum_at((way[:, :, None] * way[:, None, :]).flatten(1), track, n)
    spread, axes = torch.linalg.eigh((moments / n_hits.clamp_min(1)[:, None]).reshape(-1, 2, 2))
    along, size = spread[:, 1].clamp_min(0), spread.clamp_min(0).sum(dim=1)
    has_axis = size > 1e-6
    return _Pieces(
        n_hits=n_hits,
        charge=mean[:, 0],
        centre=mean[:, 1:3],
        axis=torch.where(has_axis[:, None], axes[:, :, 1], 0.0),
        length=(12 * along).sqrt(),
        line=torch.where(has_axis, along / size.clamp_min(1e-6), 1.0),
        classes=mean[:, 3:],
    )


def _larger_first(
    n_hits: Tensor, track: Tensor, one: Tensor, other: Tensor
) -> tuple[Tensor, Tensor]:
    """Pairs of hits, that of the cluster with more hits first, of equal ones the lower number."""
    more = _is_larger(n_hits, track[one], track[other])
    return torch.where(more, one, other), torch.where(more, other, one)


def _is_larger(n_hits: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return (n_hits[a] > n_hits[b]) | ((n_hits[a] == n_hits[b]) & (a < b))


def _geometry(pieces: _Pieces, place: Tensor, track: Tensor, one: Tensor, other: Tensor) -> Tensor:
    """(n_pairs, 18) from `distance` to `smaller_end`; the nearest hits of pairs (n_pairs,)."""
    pair = torch.stack([track[one], track[other]])  # (2, n_pairs)
    ends = torch.stack([place[one], place[other]]).double()  # (2, n_pairs, 2)
    axis, centre, length = pieces.axis[pair], pieces.centre[pair], pieces.length[pair]
    step, between = ends[1] - ends[0], centre[1] - centre[0]
    distance = between.norm(dim=1)
    to_end = ((ends - centre) * axis).sum(dim=2).abs() / (length / 2).clamp_min(1.0)
    columns = [
        distance.log1p()[None],
        pieces.n_hits[pair].log(),
        pieces.charge[pair].clamp_min(LEAST_CHARGE).log(),
        length.log1p(),
        pieces.line[pair],
        (axis[0] * axis[1]).sum(dim=1).abs()[None],
        _cosine(axis, step),
        _cosine(axis, between),
        (axis[..., 0] * between[:, 1] - axis[..., 1] * between[:, 0]).abs().log1p(),
        to_end.clamp_max(3.0),
    ]
    return torch.cat(columns).T


def _cosine(axis: Tensor, way: Tensor) -> Tensor:
    """(2, n_pairs) of axes (2, n_pairs, 2) to ways (n_pairs, 2), without their signs."""
    along: Tensor = (axis * way).sum(dim=2).abs()
    length: Tensor = way.norm(dim=1)
    return along / length.clamp_min(1e-3)


def _between(hits: Clustered, n_hits: Tensor, pair: Tensor) -> Tensor:
    """(n_pairs, 3) `evidence`, `edges` and `best`; pair (n_pairs,) rises."""
    a, b = hits.labels[hits.edges]
    kept = (a >= 0) & (b >= 0) & (a != b)
    a, b, logit = a[kept], b[kept], limited(hits.logit[kept])
    first = torch.where(_is_larger(n_hits, a, b), a, b)
    key = first * len(n_hits) + (a + b - first)
    row = find_rows(pair, key) if len(pair) else torch.full_like(key, -1)
    logit, row = logit[row >= 0], row[row >= 0]  # others come near each other nowhere
    sums = sum_at(torch.stack([logit, torch.ones_like(logit)], dim=1), row, len(pair))
    best = torch.full_like(sums[:, 0], NO_EDGE).scatter_reduce(0, row, logit, "amax")
    evidence = sums[:, 0].sign() * sums[:, 0].abs().log1p()
    return torch.stack([evidence, sums[:, 1].log1p(), best], dim=1)
