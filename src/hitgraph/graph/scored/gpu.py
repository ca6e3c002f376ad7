"""The search of the scored windows on a GPU: one program for a hit and a window, no list of pairs.

The formulas of pairs.geometry, windows.cpu and scored.values, a block of candidates at a time.
Twice over them: once to count what passes, once to write it where the counts before it say.
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from hitgraph.event.detector import Detector
from hitgraph.graph.scored.values import N_BINS, N_GEOMETRY
from hitgraph.graph.windows.cpu import CURVATURE, DETA, SIN_DPHI, VARIABLES, Z0
from hitgraph.graph.windows.plain import ranges_in_azimuth
from hitgraph.hits import Hits
from hitgraph.hits.direction import squared_distance
from hitgraph.pairs.geometry import ETA, NORMAL, PER_U, PER_V, SIZE_U, SIZE_V, R, Z
from hitgraph.pairs.plain import hit_rows

BLOCK = 64  # candidates looked at together

# Columns of a hit: the row of pairs.geometry.hit_rows, then these.
_ALONG, _CHARGE, _COLUMNS = (tl.constexpr(k) for k in (16, 17, 18))
_U, _V, _W = (tl.constexpr(k) for k in (PER_U, PER_V, NORMAL))
_SIZE_U, _SIZE_V = tl.constexpr(SIZE_U), tl.constexpr(SIZE_V)
# Rows of the bounds of a window, low and high.
_BOUNDS = tl.constexpr(2 * len(VARIABLES))
_SINE, _Z0, _BEND, _DETA = (tl.constexpr(2 * k) for k in (SIN_DPHI, Z0, CURVATURE, DETA))


def search_scored(
    hits: Hits, detector: Detector, barrel: Tensor, windows: tuple[Tensor, ...], cut: Tensor
) -> tuple[Tensor, Tensor]:
    """What scored.plain.search_scored gives, the edges of an inner hit in another order."""
    first, outer, bounds, *scores = windows
    rows = hit_rows(hits, detector)
    ranges = ranges_in_azimuth(hits, rows, first, outer, bounds)
    along = torch.where(barrel[hits.layer], rows[:, Z], rows[:, R])
    columns = torch.cat([rows, along[:, None], hits.charge[:, None]], dim=1)
    n = len(ranges.inner)
    counts = torch.zeros(n, dtype=torch.int32, device=rows.device)
    if n == 0:
        return counts.new_empty(2, 0, dtype=torch.int64), rows.new_empty(0)
    given = (
        ranges.inner, ranges.window, ranges.low, ranges.high, ranges.hit_at,
        rows[:, ETA][ranges.hit_at], columns, squared_distance(hits.position), hits.module,
        bounds, *scores, cut.float(),
    )  # fmt: skip
    sizes: dict[str, Any] = {
        "N_VARIABLES": scores[-1].shape[1],
        "N_GEOMETRY": N_GEOMETRY,
        "N_BINS": N_BINS,
        "BLOCK": BLOCK,
        "num_warps": 1,
    }
    _search[(n,)](*given, counts, counts, counts, counts, FILL=False, **sizes)
    ends = torch.cumsum(counts, 0)
    total = int(ends[-1])
    edges = torch.empty(2, total, dtype=torch.int64, device=rows.device)
    found = torch.empty(total, dtype=torch.float32, device=rows.device)
    begins = (ends - counts).int()
    _search[(n,)](*given, begins, edges[0], edges[1], found, FILL=True, **sizes)
    return edges, found


@triton.jit
def _search(  # type: ignore[no-untyped-def]
    inner, window, low, high, hit_at, eta_at, columns, far, module,
    bounds, base, table_low, table_scale, table, cut_at,
    places, out_inner, out_outer, out_score,
    N_VARIABLES: tl.constexpr, N_GEOMETRY: tl.constexpr, N_BINS: tl.constexpr,
    BLOCK: tl.constexpr, FILL: tl.constexpr,
):  # fmt: skip
    item = tl.program_id(0)
    first, last = tl.load(low + item), tl.load(high + item)
    n = tl.load(places + item)
    if first < last:
        i, w = tl.load(inner + item), tl.load(window + item)
        a = columns + i * _COLUMNS
        xi, yi, zi, ri, eta_i = (
            tl.load(a), tl.load(a + 1), tl.load(a + 2), tl.load(a + 3), tl.load(a + 4),
        )  # fmt: skip
        far_i, module_i = tl.load(far + i), tl.load(module + i)
        within = bounds + w * _BOUNDS
        least_sine, most_sine = tl.load(within + _SINE), tl.load(within + _SINE + 1)
        least_z0, most_z0 = tl.load(within + _Z0), tl.load(within + _Z0 + 1)
        least_bend, most_bend = tl.load(within + _BEND), tl.load(within + _BEND + 1)
        least_eta = eta_i + tl.load(within + _DETA)
        most_eta = eta_i + tl.load(within + _DETA + 1)
        cut, start = tl.load(cut_at), tl.load(base + w)
        while first < last:
            place = first + tl.arange(0, BLOCK)
            first += BLOCK
            inside = place < last
            eta_j = tl.load(eta_at + place, mask=inside, other=0.0)
            near = inside & (eta_j >= least_eta) & (eta_j <= most_eta)
            if tl.max(near.to(tl.int32), 0) > 0:
                j = tl.load(hit_at + place, mask=near, other=0)
                b = columns + j * _COLUMNS
                xj = tl.load(b, mask=near, other=1.0)
                yj = tl.load(b + 1, mask=near, other=1.0)
                zj = tl.load(b + 2, mask=near, other=0.0)
                rj = tl.load(b + 3, mask=near, other=1.0)
                dx, dy, dz, dr = xj - xi, yj - yi, zj - zi, rj - ri
                cross = xi * dy - yi * dx
                chord = tl.sqrt(dx * dx + dy * dy)
                sine = cross / (ri * rj)
                bend = 2 * (sine / chord)
                z0 = zi - dz * ri / dr
                far_j = tl.load(far + j, mask=near, other=0.0)
                module_j = tl.load(module + j, mask=near, other=0)
                passes = near & (xi * xj + yi * yj >= 0) & (module_i != module_j)
                passes = passes & (sine >= least_sine) & (sine <= most_sine)
                passes = passes & (z0 >= least_z0) & (z0 <= most_z0)
                passes = passes & (bend >= least_bend) & (bend <= most_bend)
                passes = passes & ((far_j > far_i) | ((far_j == far_i) & (j > i)))
                if tl.max(passes.to(tl.int32), 0) > 0:
                    distance = tl.maximum(chord, 1e-3)
                    rs_i, rs_j = tl.maximum(ri, 1e-3), tl.maximum(rj, 1e-3)
                    turn = cross / (rs_i * rs_j)
                    per_i, per_j = 1 / (rs_i * distance), 1 / (rs_j * distance)
                    cos_i, sin_i = (xj * dx + yj * dy) * per_j, cross * per_j
                    cos_j, sin_j = (xi * dx + yi * dy) * per_i, cross * per_i
                    cot = dz / (distance * _arc_of(turn * turn))
                    vertex = zi - cot * ri * _arc_of(sin_i * sin_i)
                    t = w * N_VARIABLES
                    along_i = tl.zeros([BLOCK], tl.float32) + tl.load(a + _ALONG)
                    along_j = tl.load(b + _ALONG, mask=passes, other=0.0)
                    score = start + _read(along_i, t, table_low, table_scale, table, passes, N_BINS)
                    score += _read(along_j, t + 1, table_low, table_scale, table, passes, N_BINS)
                    score += _read(
                        2 * turn / distance, t + 2, table_low, table_scale, table, passes, N_BINS
                    )
                    score += _read(
                        eta_j - eta_i, t + 3, table_low, table_scale, table, passes, N_BINS
                    )
                    score += _read(
                        vertex / (100 + tl.abs(vertex)), t + 4,
                        table_low, table_scale, table, passes, N_BINS,
                    )  # fmt: skip
                    score += _read(
                        (zi * rj - zj * ri) / tl.sqrt(dr * dr + dz * dz), t + 5,
                        table_low, table_scale, table, passes, N_BINS,
                    )  # fmt: skip
                    if N_VARIABLES > N_GEOMETRY:
                        score += _shape(
                            a + tl.zeros([BLOCK], tl.int64), xi, yi, rs_i, cos_i, sin_i, cot, t + 6,
                            table_low, table_scale, table, passes, N_BINS,
                        )  # fmt: skip
                        score += _shape(
                            b, xj, yj, rs_j, cos_j, sin_j, cot, t + 9,
                            table_low, table_scale, table, passes, N_BINS,
                        )  # fmt: skip
                    kept = passes & (score >= cut)
                    one = kept.to(tl.int32)
                    if FILL:
                        at = n + tl.cumsum(one, 0) - 1
                        tl.store(out_inner + at, i, mask=kept)
                        tl.store(out_outer + at, j, mask=kept)
                        tl.store(out_score + at, score, mask=kept)
                    n += tl.sum(one, 0)
    if not FILL:
        tl.store(places + item, n)


@triton.jit
def _arc_of(square):  # type: ignore[no-untyped-def]
    """See pairs.geometry.arc_of."""
    return 1 + square * (1 / 6 + 3 / 40 * square)


@triton.jit
def _read(value, row, low, scale, table, passes, N_BINS: tl.constexpr):  # type: ignore[no-untyped-def]
    """Of one variable, whose row of the tables is given: what its bin adds to the score."""
    place = (value - tl.load(low + row)) * tl.load(scale + row)
    place = tl.minimum(tl.maximum(place, 0.0), N_BINS - 1.0).to(tl.int32)
    return tl.load(table + row * N_BINS + place, mask=passes, other=0.0)


@triton.jit
def _shape(  # type: ignore[no-untyped-def]
    hit, x, y, r, cosine, sine, cot, row, low, scale, table, passes, N_BINS: tl.constexpr
):
    """Of the cluster of one of the hits; see scored.values.cluster_values."""
    tx, ty = (cosine * x - sine * y) / r, (cosine * y + sine * x) / r
    u = tl.abs(
        tx * tl.load(hit + _U, mask=passes, other=0.0)
        + ty * tl.load(hit + _U + 1, mask=passes, other=0.0)
        + cot * tl.load(hit + _U + 2, mask=passes, other=0.0)
    )
    v = tl.abs(
        tx * tl.load(hit + _V, mask=passes, other=0.0)
        + ty * tl.load(hit + _V + 1, mask=passes, other=0.0)
        + cot * tl.load(hit + _V + 2, mask=passes, other=0.0)
    )
    w = tl.abs(
        tx * tl.load(hit + _W, mask=passes, other=0.0)
        + ty * tl.load(hit + _W + 1, mask=passes, other=0.0)
        + cot * tl.load(hit + _W + 2, mask=passes, other=0.0)
    )
    inverse = 1 / tl.maximum(w, 1e-6)
    size_u = tl.load(hit + _SIZE_U, mask=passes, other=0.0)
    size_v = tl.load(hit + _SIZE_V, mask=passes, other=0.0)
    charge = tl.load(hit + _CHARGE, mask=passes, other=0.0) * w / tl.sqrt(1 + cot * cot)
    return (
        _read(size_u - 1 - u * inverse, row, low, scale, table, passes, N_BINS)
        + _read(size_v - 1 - v * inverse, row + 1, low, scale, table, passes, N_BINS)
        + _read(charge, row + 2, low, scale, table, passes, N_BINS)
    )
