"""Fixed-radius neighbour search: one function, several backends, the same pairs from each.

Two points are neighbours when the sum of (x_k - y_k)² over k = 0, 1, ... is at most radius², every
step rounded to float32. All backends follow that arithmetic, so they agree to the last pair.
"""

from collections.abc import Callable
from math import isfinite
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from hitgraph.errors import InputError, SettingsError
from hitgraph.graph.neighbours import cpu, plain
from hitgraph.graph.neighbours.plain import directed, neighbour_keys, sum_of_squares
from hitgraph.kernels.choice import for_host

MAX_DIMENSIONS = 16
CHUNK_ELEMENTS = 1 << 24  # distances the reference holds at a time


def radius_pairs(
    points: Tensor,
    radius: float,
    max_neighbours: int | None = None,
    backend: str = "auto",
    key: Tensor | None = None,
    dtype: torch.dtype = torch.int64,
) -> Tensor:
    """Every pair of points no farther apart than `radius`, (2, n_pairs), each once.

    points (n, d) float32, d from 1 to 16. A pair runs from the point of smaller `key` (n,) to that
    of larger (ties, and pairs without keys, from the lower row): with the distance from the origin
    as key, from the inside to the outside. The order of the pairs is deterministic but not
    specified. With `max_neighbours`, a pair stays if one of its points counts the other among that
    many nearest ones (ties to the lower row), and never more is held in memory than those.
    backend: "auto" (by device) or a key of BACKENDS. dtype: torch.int64 or torch.int32.
    Raises InputError when a coordinate is not finite.
    """
    squared = _check(points, None, radius, max_neighbours)
    if key is not None and key.shape != points.shape[:1]:
        raise ValueError(f"key has shape {tuple(key.shape)}: expected ({len(points)},)")
    if dtype not in (torch.int32, torch.int64):
        raise ValueError(f"dtype is {dtype}: expected torch.int32 or torch.int64")
    chosen, points = _choose(backend, points), points.detach()
    rank = torch.arange(len(points), device=points.device)
    if key is not None:
        rank = torch.empty_like(rank).scatter_(0, key.argsort(stable=True), rank)
    if max_neighbours is None:
        return chosen.search(points, None, squared, rank, dtype)
    entries = chosen.nearest(points, squared, min(max_neighbours, max(1, len(points))))
    return directed(*_pairs_of_nearest(*entries, len(points)), rank).to(dtype)


def radius_neighbours(
    queries: Tensor, points: Tensor, radius: float, backend: str = "auto"
) -> Tensor:
    """Every point no farther than `radius` from a query, (2, n) int64: query row, point row.

    queries (m, d), points (n, d) float32 on one device. A query that is itself one of the points
    finds itself. The order is deterministic but not specified. See radius_pairs.
    """
    squared = _check(points, queries, radius, None)
    search = _choose(backend, points).search
    return search(points.detach(), queries.detach(), squared, None, torch.int64)


def _check(
    points: Tensor, queries: Tensor | None, radius: float, max_neighbours: int | None
) -> float:
    """The squared radius in float32 arithmetic; refuses what cannot be searched."""
    if points.ndim != 2 or not 1 <= points.shape[1] <= MAX_DIMENSIONS:
        raise ValueError(
            f"points has shape {tuple(points.shape)}: expected (n, d) with d from 1 to "
            f"{MAX_DIMENSIONS}"
        )
    if queries is not None and (queries.ndim != 2 or queries.shape[1] != points.shape[1]):
        raise ValueError(
            f"queries has shape {tuple(queries.shape)}: expected (m, {points.shape[1]})"
        )
    for name, array in (("points", points), ("queries", queries)):
        if array is None:
            continue
        if array.dtype != torch.float32:
            raise ValueError(f"{name} is {array.dtype}: expected torch.float32")
        finite = torch.isfinite(array).all(dim=1)
        if not bool(finite.all()):
            row = int((~finite).nonzero()[0])
            raise InputError(
                f"neighbour search: row {row} of the {name} is {array[row].tolist()} "
                f"({int((~finite).sum())} such rows): expected finite coordinates. Check the "
                "hits and the network that made them"
            )
    if not (isfinite(radius) and radius >= 0):
        raise SettingsError(f"radius: {radius} is not allowed, a finite number of at least 0")
    if max_neighbours is not None and max_neighbours < 1:
        raise SettingsError(f"max_neighbours: {max_neighbours} is not allowed, at least 1 or none")
    with np.errstate(over="ignore"):
        return float(np.float32(radius) * np.float32(radius))


def _choose(backend: str, points: Tensor) -> "Backend":
    if backend == "auto":
        backend = "cpu" if for_host(points) else "plain"
    if backend not in BACKENDS:
        raise SettingsError(
            f"backend: {backend!r} is not allowed; auto or any of {', '.join(BACKENDS)}"
        )
    return BACKENDS[backend]


def _pairs_of_nearest(owner: Tensor, key: Tensor, n_points: int) -> tuple[Tensor, Tensor]:
    """Both points of the pairs (n_pairs,), each once, that are in the list of one of them.

    owner and key (n,) are the lists of the nearest points, see Backend.
    """
    other = key & 0xFFFFFFFF
    farthest = key.new_full((n_points,), -1).scatter_reduce_(0, owner, key, "amax")
    seen_from_there = key - other + owner  # the key of this point in the list of the other
    once = (owner < other) | (seen_from_there > farthest[other])
    return owner[once], other[once]


# --- the plain reference: every distance, over chunks of rows ------------------------------------


def _search_plainly(
    points: Tensor,
    queries: Tensor | None,
    squared_radius: float,
    rank: Tensor | None,
    dtype: torch.dtype,
) -> Tensor:
    sources = points if queries is None else queries
    rows = max(1, CHUNK_ELEMENTS // max(1, len(points)))
    found = [torch.empty((2, 0), dtype=dtype, device=points.device)]
    for begin in range(0, len(sources), rows):
        part = sources[begin : begin + rows]
        offset = begin if queries is None else 0  # pairs are looked for once, from the lower row
        near = _squared_distances(part, points[offset:]) <= squared_radius
        if queries is None:
            near = near.triu(diagonal=1)
        i, j = near.nonzero(as_tuple=True)
        found.append(directed(i + begin, j + offset, rank).to(dtype))
    return torch.cat(found, dim=1)


def _nearest_plainly(points: Tensor, squared_radius: float, most: int) -> tuple[Tensor, Tensor]:
    n_points, device = len(points), points.device
    rows = max(1, CHUNK_ELEMENTS // max(1, n_points))
    none = torch.empty(0, dtype=torch.int64, device=device)
    owners, keys = [none], [none]
    for begin in range(0, n_points, rows):
        owner = torch.arange(begin, min(begin + rows, n_points), device=device)[:, None]
        distance = _squared_distances(points[begin : begin + rows], points)
        other = torch.arange(n_points, device=device).expand_as(distance)
        key = neighbour_keys(distance, other)
        missing = torch.iinfo(torch.int64).max
        key[(distance > squared_radius) | (other == owner)] = missing
        key = key.sort(dim=1).values[:, :most]
        owners.append(owner.expand_as(key)[key < missing])
        keys.append(key[key < missing])
    return torch.cat(owners), torch.cat(keys)


def _squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """(n_a, n_b) of points (n_a, d) and (n_b, d)."""
    return sum_of_squares(x[:, None] - y for x, y in zip(a.T, b.T, strict=True))


class Backend(NamedTuple):
    """Two functions on tensors of one device."""

    # (points (n, d), queries (m, d) or None for the points themselves, squared radius, rank of the
    # points (n,) or None, dtype) -> (2, n_pairs) rows. Among the points themselves each pair comes
    # once and no point with itself. A pair starts at the lower rank; without ranks at the query.
    search: Callable[[Tensor, Tensor | None, float, Tensor | None, torch.dtype], Tensor]
    # (points, squared radius, most) -> row of a point, key of a neighbour of it (n,) int64 each:
    # of each point the `most` lowest keys, which are the bits of the squared distance as float32
    # times 2^32 plus the row of the neighbour
    nearest: Callable[[Tensor, float, int], tuple[Tensor, Tensor]]


BACKENDS = {
    "reference": Backend(_search_plainly, _nearest_plainly),
    "plain": Backend(plain.search, plain.nearest),
    "cpu": Backend(cpu.search, cpu.nearest),
}
