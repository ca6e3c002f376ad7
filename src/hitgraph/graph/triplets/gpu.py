"""The triplet filter on a GPU: triplets within reach found and described without a list of others.

One program looks at all edges that continue an edge. Twice over them: once to count what lies
within reach, once to write it where the counts before it say; a part of the edges at a time, so
that memory does not grow with the event. The formulas of triplets.plain.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from hitgraph.graph.triplets.plain import CURVATURE_UNIT, SLOPE_UNIT, TINY, Z0_UNIT
from hitgraph.graph.triplets.rows import CURVATURE, LENGTH, LOGIT, SAME_LAYER, SLOPE, Z0
from hitgraph.graph.triplets.search import N_TRIPLET_INPUTS

if TYPE_CHECKING:
    from hitgraph.graph.triplets import TripletSettings

TRIPLETS = 1 << 23  # in flight
BLOCK = 32  # continuing edges looked at together
MANY = 256  # triplets described together

_TINY = tl.constexpr(TINY)
_UNITS = (tl.constexpr(unit) for unit in (CURVATURE_UNIT, SLOPE_UNIT, Z0_UNIT))
_CURVATURE_UNIT, _SLOPE_UNIT, _Z0_UNIT = _UNITS
_COLUMNS = (tl.constexpr(k) for k in (CURVATURE, SLOPE, Z0, LENGTH, SAME_LAYER, LOGIT))
_CURVATURE, _SLOPE, _Z0, _LENGTH, _SAME_LAYER, _LOGIT = _COLUMNS
_N_INPUTS = tl.constexpr(N_TRIPLET_INPUTS)


def triplets_in_parts(
    settings: "TripletSettings", position: Tensor, edge_index: Tensor, rows: Tensor
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Inner edge, outer edge (n,) and inputs (n, 15) of the triplets within reach.

    position (n_hits, 3) float32, edge_index (2, n_edges), rows of triplets.plain.edge_rows.
    """
    n_hits, n_edges, device = len(position), len(rows), rows.device
    position, rows = position.contiguous(), rows.contiguous()
    source, target = edge_index.int().contiguous()
    order = torch.argsort(source, stable=True).int()
    hits = torch.arange(n_hits + 1, device=device, dtype=torch.int32)
    begin = torch.searchsorted(source[order.long()], hits).int()
    counts = torch.zeros(n_edges, dtype=torch.int32, device=device)
    given = position, source, target, order, begin, settings.reach_phi, settings.reach_z
    sizes: dict[str, Any] = {"BLOCK": BLOCK, "num_warps": 1}
    if n_edges:
        _search[(n_edges,)](*given, 0, counts, counts, counts, FILL=False, **sizes)
    ends = torch.cumsum(counts, 0)
    n_parts = int(ends[-1]) // TRIPLETS + 1 if n_edges else 0
    wanted = torch.arange(1, n_parts, device=device) * TRIPLETS
    cuts = [0, *torch.searchsorted(ends, wanted).tolist(), n_edges]
    for low, high in pairwise(cuts) if n_edges else ():
        starts = ends[low:high] - counts[low:high]
        n = int(ends[high - 1] - starts[0]) if high > low else 0
        if n == 0:
            continue
        pairs = torch.empty(2, n, dtype=torch.int32, device=device)
        places = (starts - starts[0]).int()
        _search[(high - low,)](*given, low, places, *pairs, FILL=True, **sizes)
        inputs = torch.empty(n, N_TRIPLET_INPUTS, dtype=torch.float32, device=device)
        _describe[(triton.cdiv(n, MANY),)](
            position, source, target, rows, *pairs, n, rows.shape[1], inputs, BLOCK=MANY
        )
        yield pairs[0].long(), pairs[1].long(), inputs


@triton.jit
def _search(  # type: ignore[no-untyped-def]
    position, source, target, order, begin, reach_phi, reach_z, first_edge,
    places, out_inner, out_outer, BLOCK: tl.constexpr, FILL: tl.constexpr,
):  # fmt: skip
    item = tl.program_id(0)
    edge = first_edge + item
    i, j = tl.load(source + edge), tl.load(target + edge)
    at, middle = position + 3 * i, position + 3 * j
    xi, yi, zi = tl.load(at), tl.load(at + 1), tl.load(at + 2)
    xj, yj, zj = tl.load(middle), tl.load(middle + 1), tl.load(middle + 2)
    place, last = tl.load(begin + j), tl.load(begin + j + 1)
    n = tl.load(places + item)
    while place < last:
        row = place + tl.arange(0, BLOCK)
        inside = row < last
        place += BLOCK
        other = tl.load(order + row, mask=inside, other=0)
        k = tl.load(target + other, mask=inside, other=0)
        xk, yk, zk = _point(position, k, inside)
        _, miss, size = _off_circle(xi, yi, xj, yj, xk, yk)
        miss_z, stretch, _ = _off_line(xi, yi, zi, xj, yj, zj, xk, yk, zk)
        fits = inside & (miss * miss <= reach_phi * reach_phi * size)
        fits = fits & (miss_z * miss_z <= reach_z * reach_z * stretch)
        one = fits.to(tl.int32)
        if FILL:
            free = n + tl.cumsum(one, 0) - 1
            tl.store(out_inner + free, edge, mask=fits)
            tl.store(out_outer + free, other, mask=fits)
        n += tl.sum(one, 0)
    if not FILL:
        tl.store(places + item, n)


@triton.jit
def _describe(  # type: ignore[no-untyped-def]
    position, source, target, rows, inner, outer, n, width, inputs, BLOCK: tl.constexpr
):
    """See triplets.plain.triplet_inputs."""
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = place < n
    e, f = (
        tl.load(inner + place, mask=inside, other=0),
        tl.load(outer + place, mask=inside, other=0),
    )
    i = tl.load(source + e, mask=inside, other=0)
    j = tl.load(target + e, mask=inside, other=0)
    k = tl.load(target + f, mask=inside, other=0)
    xi, yi, zi = _point(position, i, inside)
    xj, yj, zj = _point(position, j, inside)
    xk, yk, zk = _point(position, k, inside)
    cross, miss, size = _off_circle(xi, yi, xj, yj, xk, yk)
    miss_z, stretch, rise = _off_line(xi, yi, zi, xj, yj, zj, xk, yk, zk)
    turn = tl.where(cross >= 0, 1.0, -1.0)
    up = tl.where(rise >= 0, 1.0, -1.0)
    chord = tl.sqrt((xk - xi) * (xk - xi) + (yk - yi) * (yk - yi)) + _TINY
    across = tl.sqrt((xi * xi + yi * yi) * (xk * xk + yk * yk)) * chord
    a, b = rows + e * width, rows + f * width
    slope_a = tl.load(a + _SLOPE, mask=inside, other=0.0)
    slope_b = tl.load(b + _SLOPE, mask=inside, other=0.0)
    bend = tl.load(b + _CURVATURE, mask=inside, other=0.0)
    bend -= tl.load(a + _CURVATURE, mask=inside, other=0.0)
    origin = tl.load(b + _Z0, mask=inside, other=0.0) - tl.load(a + _Z0, mask=inside, other=0.0)
    out = inputs + place.to(tl.int64) * _N_INPUTS
    tl.store(out, turn * _signed_root(10 * miss / tl.sqrt(size)), mask=inside)
    tl.store(out + 1, up * _signed_root(10 * miss_z / tl.sqrt(stretch)), mask=inside)
    tl.store(out + 2, turn * bend / (tl.abs(bend) + _CURVATURE_UNIT), mask=inside)
    apart = slope_b - slope_a
    tl.store(out + 3, up * apart / (tl.abs(apart) + _SLOPE_UNIT), mask=inside)
    tl.store(out + 4, up * origin / (tl.abs(origin) + _Z0_UNIT), mask=inside)
    tl.store(out + 5, 2000 * tl.abs(cross) / across, mask=inside)
    tl.store(out + 6, 0.5 * tl.abs(slope_a + slope_b), mask=inside)
    tl.store(out + 7, tl.load(a + _LOGIT, mask=inside, other=0.0), mask=inside)
    tl.store(out + 8, tl.load(b + _LOGIT, mask=inside, other=0.0), mask=inside)
    tl.store(out + 9, 0.001 * tl.sqrt(xj * xj + yj * yj), mask=inside)
    tl.store(out + 10, 0.001 * tl.abs(zj), mask=inside)
    tl.store(out + 11, tl.load(a + _LENGTH, mask=inside, other=0.0), mask=inside)
    tl.store(out + 12, tl.load(b + _LENGTH, mask=inside, other=0.0), mask=inside)
    tl.store(out + 13, tl.load(a + _SAME_LAYER, mask=inside, other=0.0), mask=inside)
    tl.store(out + 14, tl.load(b + _SAME_LAYER, mask=inside, other=0.0), mask=inside)


@triton.jit
def _point(position, hit, inside):  # type: ignore[no-untyped-def]
    at = position + 3 * hit
    return (
        tl.load(at, mask=inside, other=0.0),
        tl.load(at + 1, mask=inside, other=0.0),
        tl.load(at + 2, mask=inside, other=0.0),
    )


@triton.jit
def _off_circle(xi, yi, xj, yj, xk, yk):  # type: ignore[no-untyped-def]
    """The product c, and the miss of the circle as miss / sqrt(size)."""
    ri, rj, rk = xi * xi + yi * yi, xj * xj + yj * yj, xk * xk + yk * yk
    cross = xi * yk - xk * yi
    a, b = ri * yk - rk * yi, xi * rk - xk * ri
    return cross, rj * cross - a * xj - b * yj, a * a + b * b + _TINY


@triton.jit
def _off_line(xi, yi, zi, xj, yj, zj, xk, yk, zk):  # type: ignore[no-untyped-def]
    """The miss along z as miss / sqrt(stretch), and the rise from i to k."""
    first = tl.sqrt((xj - xi) * (xj - xi) + (yj - yi) * (yj - yi))
    way = first + tl.sqrt((xk - xj) * (xk - xj) + (yk - yj) * (yk - yj)) + _TINY
    rise = zk - zi
    return (zj - zi) * way - rise * first, way * way + rise * rise, rise


@triton.jit
def _signed_root(value):  # type: ignore[no-untyped-def]
    root = tl.sqrt(tl.abs(value))
    return tl.where(value >= 0, root, -root)
