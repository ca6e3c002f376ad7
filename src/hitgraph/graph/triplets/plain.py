"""The triplet filter in torch, for hits that lie on a GPU.

The formulas of triplets.search and triplets.rows, one operation on many triplets at a time:
TRIPLETS of them are in flight, so that memory does not grow with the event. The test of what is
within reach comes first, and only what passes it is given inputs and judged.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from hitgraph.graph.line_graph import edge_pairs_in_parts
from hitgraph.graph.triplets.cpu import NO_TRIPLET, SUM_FLOOR
from hitgraph.graph.triplets.rows import CURVATURE, LENGTH, LOGIT, SAME_LAYER, SLOPE, Z0
from hitgraph.hits import Hits
from hitgraph.pairs.plain import circle, limited_z0

if TYPE_CHECKING:
    from hitgraph.graph.triplets import TripletFilter, TripletSettings

TRIPLETS = 1 << 22  # in flight, before the reach test
EDGES = 1 << 20  # judged at a time

# as in triplets.search, triplets.rows and triplets.cpu
CURVATURE_UNIT, SLOPE_UNIT, Z0_UNIT = 0.1, 0.02, 0.02
TINY = 1e-3
_SHORTEST, _LIMIT = 1e-3, 8.0

# Settings, positions, edges and their rows to parts of the triplets; see `triplets_in_parts`.
Search = Callable[
    ["TripletSettings", Tensor, Tensor, Tensor], Iterable[tuple[Tensor, Tensor, Tensor]]
]


def judge_edges(
    network: "TripletFilter", hits: Hits, edge_index: Tensor, logits: Tensor, search: Search
) -> tuple[Tensor, Tensor]:
    """What triplets.judge_edges gives, on the device of the hits.

    `search` finds the triplets: `triplets_in_parts` of this module or of triplets.gpu.
    """
    edge_index = edge_index.long()
    same_layer = torch.zeros_like(logits)
    if network.settings.same_layer:
        same_layer = (hits.layer[edge_index[0]] == hits.layer[edge_index[1]]).float()
    rows = edge_rows(hits.straight, edge_index, logits, same_layer)
    support = edge_support(network, hits.straight, edge_index, rows, search)
    judged = [rows.new_empty(0)]
    for begin in range(0, len(rows), EDGES):
        part = slice(begin, begin + EDGES)
        inputs = edge_inputs(hits.straight, edge_index[:, part], rows[part], support[part])
        judged.append(network.edge(inputs).float())
    return torch.cat(judged), support


def edge_rows(straight: Tensor, edge_index: Tensor, logits: Tensor, same_layer: Tensor) -> Tensor:
    """(n_edges, 6) what triplets.rows.fill_edge_rows gives; same_layer (n_edges,) is 0 or 1."""
    first, second = edge_index.unbind(0)
    places = torch.cat([straight, straight[:, :2].norm(dim=1, keepdim=True)], dim=1)
    a, b = places[first], places[second]
    bent = circle(a, b)
    rise = b[:, 2] - a[:, 2]
    length = 0.01 * torch.sqrt(bent.distance * bent.distance + rise * rise)
    columns = {
        CURVATURE: 1000 * bent.curvature,
        SLOPE: torch.asinh(rise / bent.arc),
        Z0: limited_z0(a, b),
        LENGTH: torch.log(length.clamp_min(_SHORTEST)),
        SAME_LAYER: same_layer,
        LOGIT: logits.float(),
    }
    return torch.stack([columns[k] for k in range(len(columns))], dim=1)


def edge_support(
    network: "TripletFilter", position: Tensor, edge_index: Tensor, rows: Tensor, search: Search
) -> Tensor:
    """The SUPPORT (n_edges, 4) of each edge by the triplets within reach.

    The sums of odds are kept in float64: a GPU adds in any order, and so the order does not show.
    """
    n_edges = rows.shape[0]
    best = rows.new_full((2, n_edges), float(NO_TRIPLET))  # by inner triplets, by outer ones
    odds = torch.zeros(2, n_edges, dtype=torch.float64, device=rows.device)
    for e, f, inputs in search(network.settings, position, edge_index, rows):
        logit = network.triplet(inputs).float()
        each = logit.clamp_max(_LIMIT).exp().double()
        for side, edge in ((0, f), (1, e)):
            best[side].scatter_reduce_(0, edge, logit, "amax")
            odds[side].index_add_(0, edge, each)
    sums = torch.log(odds.float() + float(SUM_FLOOR))
    return torch.stack([best[0], sums[0], best[1], sums[1]], dim=1)


def triplets_in_parts(
    settings: "TripletSettings", position: Tensor, edge_index: Tensor, rows: Tensor
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Inner edge, outer edge (n,) and inputs (n, 15) of the triplets within reach."""
    for e, f in edge_pairs_in_parts(edge_index, len(position), TRIPLETS):
        yield triplets_of(settings, position, edge_index, rows, e, f)


def triplets_of(
    settings: "TripletSettings",
    position: Tensor,
    edge_index: Tensor,
    rows: Tensor,
    e: Tensor,
    f: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Of pairs of edges e and f (n,) that share the middle hit, those within reach and inputs."""
    source, target = edge_index.unbind(0)
    fits = within_reach(_misses(position, source[e], target[e], target[f]), settings)
    e, f = e[fits], f[fits]
    return e, f, triplet_inputs(position, source[e], target[e], target[f], rows[e], rows[f])


class _Misses(NamedTuple):
    """By how much middle hits j miss the helices through i and k, (n,) each."""

    cross: Tensor  # transverse product of i and k
    miss: Tensor  # times the root of size: the distance from the circle
    size: Tensor
    miss_z: Tensor  # times the root of stretch: the distance along z, across the flight
    stretch: Tensor
    rise: Tensor  # from i to k along z


def _misses(position: Tensor, i: Tensor, j: Tensor, k: Tensor) -> _Misses:
    xi, yi, zi = position[i].unbind(1)
    xj, yj, zj = position[j].unbind(1)
    xk, yk, zk = position[k].unbind(1)
    ri, rj, rk = xi * xi + yi * yi, xj * xj + yj * yj, xk * xk + yk * yk
    cross = xi * yk - xk * yi
    a, b = ri * yk - rk * yi, xi * rk - xk * ri
    first = torch.sqrt((xj - xi).square() + (yj - yi).square())
    way = first + torch.sqrt((xk - xj).square() + (yk - yj).square()) + TINY
    rise = zk - zi
    return _Misses(
        cross,
        rj * cross - a * xj - b * yj,
        a * a + b * b + TINY,
        (zj - zi) * way - rise * first,
        way * way + rise * rise,
        rise,
    )


def within_reach(of: _Misses, settings: "TripletSettings") -> Tensor:
    """(n,) whether the middle hits lie near the helices."""
    near = of.miss * of.miss <= settings.reach_phi**2 * of.size
    return near & (of.miss_z * of.miss_z <= settings.reach_z**2 * of.stretch)


def triplet_inputs(
    position: Tensor, i: Tensor, j: Tensor, k: Tensor, inner: Tensor, outer: Tensor
) -> Tensor:
    """(n, 15) what the triplet network reads of hits i, j, k and the rows (n, 6) of both edges."""
    of = _misses(position, i, j, k)
    turn, up = (torch.where(value >= 0, 1.0, -1.0) for value in (of.cross, of.rise))
    apart = outer - inner
    squares = position.square()
    radius = squares[:, 0] + squares[:, 1]
    chord = (position[k, :2] - position[i, :2]).norm(dim=1) + TINY
    columns = [
        turn * _signed_root(10 * of.miss / torch.sqrt(of.size)),
        up * _signed_root(10 * of.miss_z / torch.sqrt(of.stretch)),
        turn * _squashed(apart[:, CURVATURE], CURVATURE_UNIT),
        up * _squashed(apart[:, SLOPE], SLOPE_UNIT),
        up * _squashed(apart[:, Z0], Z0_UNIT),
        2000 * of.cross.abs() / (torch.sqrt(radius[i] * radius[k]) * chord),
        0.5 * (inner[:, SLOPE] + outer[:, SLOPE]).abs(),
        inner[:, LOGIT],
        outer[:, LOGIT],
        0.001 * torch.sqrt(radius[j]),
        0.001 * position[j, 2].abs(),
        *(row[:, column] for column in (LENGTH, SAME_LAYER) for row in (inner, outer)),
    ]
    return torch.stack(columns, dim=1)


def _signed_root(value: Tensor) -> Tensor:
    return torch.sqrt(value.abs()) * torch.sign(value)


def _squashed(value: Tensor, unit: float) -> Tensor:
    """From -1 to 1, half way at `unit`."""
    return value / (value.abs() + unit)


def edge_inputs(position: Tensor, edge_index: Tensor, rows: Tensor, support: Tensor) -> Tensor:
    """(n_edges, 13) what triplets.rows.fill_edge_inputs gives."""
    ends = [position[hit] for hit in edge_index.unbind(0)]
    columns = [
        rows[:, LOGIT],
        *support.unbind(1),
        *(rows[:, column].abs() for column in (CURVATURE, SLOPE, LENGTH)),
        rows[:, SAME_LAYER],
        *(0.001 * value for end in ends for value in (end[:, :2].norm(dim=1), end[:, 2].abs())),
    ]
    return torch.stack(columns, dim=1)
