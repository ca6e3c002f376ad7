"""Rows of hits and features of pairs in torch, for hits that lie on a GPU.

The formulas of pairs.geometry, pairs.block and scored.values, one operation on all pairs at a time.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from hitgraph.event.detector import Detector
from hitgraph.hits import Hits
from hitgraph.pairs.geometry import (
    ETA,
    MAX_Z0,
    NORMAL,
    PER_U,
    PER_V,
    SHORTEST,
    SIZE_U,
    SIZE_V,
    R,
    X,
    Y,
    Z,
    module_frames,
)

_MAX_SIZE = 30.0  # as in hitgraph.pairs.block


class Circle(NamedTuple):
    """The circle through the beam line and both hits of each pair, (n_pairs,) each."""

    distance: Tensor  # mm
    sine: Tensor  # of the azimuth difference
    curvature: Tensor  # 1/mm
    arc: Tensor  # mm
    inner: tuple[Tensor, Tensor]  # cosine and sine of the tangent at the inner hit
    outer: tuple[Tensor, Tensor]


def hit_rows(hits: Hits, detector: Detector) -> Tensor:
    """What pairs.geometry.hit_rows gives, (n_hits, 16) float32 on the device of the hits."""
    frames = _frames(detector, hits.position.device)[hits.module]
    rows = position_rows(hits.straight)
    size_u = size_v = torch.zeros_like(rows[:, R])
    if hits.has_clusters:
        size_u = hits.column("lx") / frames[:, 9]
        size_v = hits.column("ly") / frames[:, 10]
    return torch.cat([rows, size_u[:, None], size_v[:, None], frames[:, :9]], dim=1)


def position_rows(straight: Tensor) -> Tensor:
    """(n_hits, 5) float32 x, y, z, r and eta of straightened positions (n_hits, 3), the first
    columns of `hit_rows`.
    """
    x, y, z = straight.unbind(1)
    r = torch.hypot(x, y)
    return torch.stack([x, y, z, r, torch.asinh(z / r.clamp_min(1e-3))], dim=1)


@lru_cache(maxsize=16)
def _frames(detector: Detector, device: torch.device) -> Tensor:
    """(n_modules, 11) module_frames and both pitches, copied to the device once."""
    pitches = np.stack([detector.pitch_u, detector.pitch_v], axis=1).astype(np.float32)
    return torch.from_numpy(np.concatenate([module_frames(detector), pitches], axis=1)).to(device)


def arc_of(square: Tensor) -> Tensor:
    """See pairs.geometry.arc_of."""
    return 1 + square * (1 / 6 + 3 / 40 * square)


def on_beam_line(a: Tensor, b: Tensor) -> Tensor:
    """Of pairs of rows (n_pairs, at least 4); see pairs.geometry.on_beam_line."""
    return a[:, Z] - (b[:, Z] - a[:, Z]) * a[:, R] / (b[:, R] - a[:, R])


def limited_z0(a: Tensor, b: Tensor) -> Tensor:
    """See pairs.geometry.limited_z0."""
    limit = float(MAX_Z0)
    return (0.01 * on_beam_line(a, b)).nan_to_num(nan=-limit).clamp(-limit, limit)


def circle(a: Tensor, b: Tensor) -> Circle:
    """The circles of pairs of rows (n_pairs, 16); see pairs.geometry.circle_through."""
    dx, dy = b[:, X] - a[:, X], b[:, Y] - a[:, Y]
    shortest = float(SHORTEST)
    distance = torch.sqrt(dx * dx + dy * dy).clamp_min(shortest)
    ri, rj = a[:, R].clamp_min(shortest), b[:, R].clamp_min(shortest)
    per_i, per_j = 1 / (ri * distance), 1 / (rj * distance)
    cross = a[:, X] * dy - a[:, Y] * dx
    sine = cross / (ri * rj)
    return Circle(
        distance,
        sine,
        2 * sine / distance,
        distance * arc_of(sine * sine),
        ((b[:, X] * dx + b[:, Y] * dy) * per_j, cross * per_j),
        ((a[:, X] * dx + a[:, Y] * dy) * per_i, cross * per_i),
    )


def crossing(rows: Tensor, tangent: tuple[Tensor, Tensor], cot: Tensor) -> list[Tensor]:
    """|t . per_u|, |t . per_v|, |t . normal| at hits (n_pairs, 16); see pairs.geometry.crossing."""
    cosine, sine = tangent
    x, y, r = rows[:, X], rows[:, Y], rows[:, R].clamp_min(float(SHORTEST))
    tx, ty = (cosine * x - sine * y) / r, (cosine * y + sine * x) / r
    return [
        (tx * rows[:, k] + ty * rows[:, k + 1] + cot * rows[:, k + 2]).abs()
        for k in (PER_U, PER_V, NORMAL)
    ]


def pair_features(hits: Hits, edge_index: Tensor, detector: Detector, shape: bool) -> Tensor:
    """What pairs.pair_features gives, (n_edges, n_features) on the device of the hits."""
    first, second = edge_index.long()
    rows = hit_rows(hits, detector)
    a, b = rows[first], rows[second]
    bent = circle(a, b)
    cot = _cot(a, b, bent)
    columns = [*position_columns(a, b, bent), (hits.layer[first] == hits.layer[second]).float()]
    if shape and hits.has_clusters:
        length = torch.sqrt(cot * cot + 1)
        cells = hits.column("cell_count")
        charge = hits.column("charge")
        for row, hit, tangent in ((a, first, bent.inner), (b, second, bent.outer)):
            u, v, w = crossing(row, tangent, cot)
            u, v = ((size / w.clamp_min(1e-6)).clamp_max(_MAX_SIZE) for size in (u, v))
            columns += [row[:, SIZE_U] - u, row[:, SIZE_V] - v, u, v]
            columns += [charge[hit] * w / length, cells[hit]]
    return torch.stack(columns, dim=1)


def position_columns(a: Tensor, b: Tensor, bent: Circle) -> list[Tensor]:
    """The columns of hitgraph.pairs.POSITION_FEATURES, (n_pairs,) each, of pairs of rows of
    `position_rows` and the circles through them.
    """
    dr, dz = b[:, R] - a[:, R], b[:, Z] - a[:, Z]
    return [
        1000 * bent.curvature,
        limited_z0(a, b),
        torch.asinh(_cot(a, b, bent)),
        10 * bent.sine,
        b[:, ETA] - a[:, ETA],
        0.01 * dr,
        0.01 * dz,
        0.01 * torch.sqrt(bent.distance * bent.distance + dz * dz),
        *(0.001 * row[:, k] for row in (a, b) for k in (R, Z)),
    ]


def _cot(a: Tensor, b: Tensor, bent: Circle) -> Tensor:
    return (b[:, Z] - a[:, Z]) / bent.arc
