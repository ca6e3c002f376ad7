"""The search of the windows in torch, for hits that lie on a GPU.

Hits are sorted by layer and azimuth, with a copy a turn to either side so that pi is no border.
The azimuth window of a hit and an outer layer is then a range of the sorted hits; everything in
it is tested, CHUNK pairs at a time, so that memory stays bounded whatever the event.
"""

from collections.abc import Iterator
from math import pi
from typing import NamedTuple

import torch
from torch import Tensor

from hitgraph.event.detector import Detector
from hitgraph.graph.windows.cpu import CURVATURE, DETA, INNER_U, OUTER_U, SIN_DPHI, Z0
from hitgraph.hits import Hits
from hitgraph.hits.direction import squared_distance
from hitgraph.kernels.ranges import expand, expand_in_parts
from hitgraph.pairs.geometry import ETA, SIZE_U, SIZE_V, R, X, Y, Z
from hitgraph.pairs.plain import circle, crossing, hit_rows, on_beam_line

CHUNK = 1 << 24  # pairs tested at a time
_TURN = 8 * pi  # between the azimuths of one layer and those of the next


def search_windows(
    hits: Hits,
    detector: Detector,
    windows: tuple[Tensor, ...],
    use_shape: bool,
) -> Tensor:
    """The edges of windows.WindowBuilder.build, ordered by inner and then by outer hit.

    windows: first, outer and bounds on the device of the hits. Windows of inner layer m are
    first[m] to first[m + 1] of outer (n,) and bounds (n, 8, 2).
    """
    device = hits.position.device
    rows = hit_rows(hits, detector)
    found = [torch.empty(2, 0, dtype=torch.int64, device=device)]
    for i, j, window in pairs_in_windows(hits, rows, *windows):
        if use_shape:
            fits = _shape_fits(rows[i], rows[j], windows[2][window])
            i, j = i[fits], j[fits]
        found.append(torch.stack([i, j]))
    edges = torch.cat(found, dim=1)
    return edges[:, torch.argsort(edges[0] * len(hits) + edges[1])]


def pairs_in_windows(
    hits: Hits,
    rows: Tensor,
    begins: Tensor,
    layers: Tensor,
    bounds: Tensor,
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Inner hit, outer hit and window of the pairs that pass the windows of geometry."""
    far = squared_distance(hits.position)
    i, window, low, high, hit_at = ranges_in_azimuth(hits, rows, begins, layers, bounds)
    # One variable first, which few pass: the others then look at an eighth of the pairs.
    eta = rows[hit_at, ETA]
    lowest, highest = (rows[i, ETA] + bounds[window, DETA, side] for side in (0, 1))
    for row, place in expand_in_parts(low, high, CHUNK):
        near = (eta[place] >= lowest[row]) & (eta[place] <= highest[row])
        row, place = row[near], place[near]
        a, b, w = i[row], hit_at[place], window[row]
        passes = _passes(rows[a], rows[b], bounds[w])
        a, b, w = a[passes], b[passes], w[passes]
        outward = (far[b] > far[a]) | ((far[b] == far[a]) & (b > a))
        yield a[outward], b[outward], w[outward]


class Ranges(NamedTuple):
    """For each inner hit and each of its windows, (n,): where its candidates lie."""

    inner: Tensor
    window: Tensor
    low: Tensor  # the places [low, high) of hit_at
    high: Tensor
    hit_at: Tensor  # (3 n_hits,) hits sorted by layer and azimuth, a turn to either side as well


def ranges_in_azimuth(
    hits: Hits, rows: Tensor, begins: Tensor, layers: Tensor, bounds: Tensor
) -> Ranges:
    """The hits within the azimuth window of each hit and outer layer, and a little more."""
    n = len(hits)
    phi = torch.atan2(rows[:, Y], rows[:, X]).double()
    start_of_layer = hits.layer.double() * _TURN
    keys = torch.cat([start_of_layer + phi + turn for turn in (-2 * pi, 0.0, 2 * pi)])
    keys, order = keys.sort()
    i, window = expand(begins[hits.layer], begins[hits.layer + 1])
    reach = bounds[window, SIN_DPHI].double().clamp(-1, 1).asin()
    middle = layers[window].double() * _TURN + phi[i]
    low = torch.searchsorted(keys, middle + reach[:, 0] - 1e-5)
    high = torch.searchsorted(keys, middle + reach[:, 1] + 1e-5, right=True)
    return Ranges(i, window, low, torch.maximum(low, high), order % max(n, 1))


def _passes(a: Tensor, b: Tensor, bounds: Tensor) -> Tensor:
    """Whether pairs of rows pass three windows of geometry, less than a right angle apart."""
    dx, dy = b[:, X] - a[:, X], b[:, Y] - a[:, Y]
    sine = (a[:, X] * dy - a[:, Y] * dx) / (a[:, R] * b[:, R])
    bend = sine / torch.sqrt(dx * dx + dy * dy)
    passes = a[:, X] * b[:, X] + a[:, Y] * b[:, Y] >= 0
    for k, value in ((SIN_DPHI, sine), (Z0, on_beam_line(a, b)), (CURVATURE, 2 * bend)):
        passes &= (value >= bounds[:, k, 0]) & (value <= bounds[:, k, 1])
    return passes


def _shape_fits(a: Tensor, b: Tensor, bounds: Tensor) -> Tensor:
    """See windows.cpu.shape_fits."""
    bent = circle(a, b)
    cot = (b[:, Z] - a[:, Z]) / bent.arc
    fits = torch.ones(len(a), dtype=torch.bool, device=a.device)
    for rows, tangent, column in ((a, bent.inner, INNER_U), (b, bent.outer, OUTER_U)):
        u, v, w = crossing(rows, tangent, cot)
        for gap, k in ((rows[:, SIZE_U] * w - u, column), (rows[:, SIZE_V] * w - v, column + 1)):
            fits &= (bounds[:, k, 0] * w <= gap) & (gap <= bounds[:, k, 1] * w)
    return fits
