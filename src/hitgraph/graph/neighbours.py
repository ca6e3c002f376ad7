"""Fixed-radius neighbour search: one function, several backends, the same pairs from each.

Two points are neighbours when the sum of (x_k - y_k)² over k = 0, 1, ... is at most radius², every
step rounded to float32. All backends follow that arithmetic, so they agree to the last pair.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from math import isfinite
from typing import NamedTuple

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hitgraph.errors import InputError, SettingsError
from hitgraph.graph.kdtree import build_tree, search_tree
from hitgraph.kernels.choice import for_host

MAX_DIMENSIONS = 16
CHUNK_ELEMENTS = 1 << 24  # distances the reference holds at a time


def radius_pairs(
    points: Tensor, radius: float, max_neighbours: int | None = None, backend: str = "auto"
) -> Tensor:
    """Every pair of points no farther apart than `radius`, (2, n_pairs) int64 with i < j.

    points (n, d) float32, d from 1 to 16. Each unordered pair stands once, none with itself; the
    order of the pairs is deterministic but not specified. With `max_neighbours`, a pair stays if
    one of its points counts the other among that many nearest ones (ties to the lower row).
    backend: "auto" (by device) or a key of BACKENDS.
    Raises InputError when a coordinate is not finite.
    """
    squared = _check(points, None, radius, max_neighbours)
    chosen = _choose(backend, points)
    pairs = chosen.search(points.detach(), None, squared)
    if max_neighbours is not None:
        pairs = pairs[:, chosen.nearest(points.detach(), pairs, max_neighbours)]
    return pairs


def radius_neighbours(
    queries: Tensor, points: Tensor, radius: float, backend: str = "auto"
) -> Tensor:
    """Every point no farther than `radius` from a query, (2, n) int64: query row, point row.

    queries (m, d), points (n, d) float32 on one device. A query that is itself one of the points
    finds itself. The order is deterministic but not specified. See radius_pairs.
    """
    squared = _check(points, queries, radius, None)
    return _choose(backend, points).search(points.detach(), queries.detach(), squared)


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
        backend = "numba" if for_host(points) else "torch"
    if backend not in BACKENDS:
        raise SettingsError(
            f"backend: {backend!r} is not allowed; auto or any of {', '.join(BACKENDS)}"
        )
    return BACKENDS[backend]


# --- torch: brute force over chunks of rows, on any device --------------------------------------


def _search_torch(points: Tensor, queries: Tensor | None, squared_radius: float) -> Tensor:
    sources = points if queries is None else queries
    rows = max(1, CHUNK_ELEMENTS // max(1, len(points)))
    found = [torch.empty((2, 0), dtype=torch.int64, device=points.device)]
    for begin in range(0, len(sources), rows):
        part = sources[begin : begin + rows]
        offset = begin if queries is None else 0  # pairs are looked for once, from the lower row
        near = _squared_distances(part[:, None], points[None, offset:]) <= squared_radius
        if queries is None:
            near = near.triu(diagonal=1)
        found.append(near.nonzero().T + torch.tensor([[begin], [offset]], device=points.device))
    return torch.cat(found, dim=1)


def _squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """Squared distance along the last dimension, summed in order and rounded at each step."""
    difference = a[..., 0] - b[..., 0]
    total = difference * difference
    for k in range(1, a.shape[-1]):
        difference = a[..., k] - b[..., k]
        total = total + difference * difference
    return total


def _nearest_torch(points: Tensor, pairs: Tensor, max_neighbours: int) -> Tensor:
    n_pairs = pairs.shape[1]
    distance = _squared_distances(points[pairs[0]], points[pairs[1]])
    # The bits of a float that is not negative order like the float; the row settles ties.
    bits = distance.view(torch.int32).to(torch.int64).repeat(2)
    both = torch.cat([pairs, pairs.flip(0)], dim=1)
    entry = ((bits << 32) | both[1]).argsort()
    entry = entry[both[0, entry].argsort(stable=True)]
    owner = both[0, entry]
    rank = torch.arange(2 * n_pairs, device=points.device) - torch.searchsorted(owner, owner)
    keep = torch.zeros(n_pairs, dtype=torch.bool, device=points.device)
    keep[entry[rank < max_neighbours] % n_pairs] = True
    return keep


# --- numba: kd-tree leaves compared whole, on the CPU ---------------------------------------------


def _search_numba(points: Tensor, queries: Tensor | None, squared_radius: float) -> Tensor:
    tree = build_tree(_padded(points))
    asking = tree if queries is None else build_tree(_padded(queries))
    n_leaves = len(asking.leaves)
    n_threads = min(torch.get_num_threads(), n_leaves)
    # More parts than threads, since leaves differ in work; the parts stay in order.
    n_parts = 1 if n_threads <= 1 else 8 * n_threads
    edges = np.linspace(0, n_leaves, n_parts + 1).astype(int).tolist()

    def search(part: int) -> NDArray[np.int32]:
        return search_tree(asking, tree, squared_radius, edges[part], edges[part + 1])

    if n_parts == 1:
        parts = [search(0)]
    else:
        with ThreadPoolExecutor(n_threads) as pool:
            parts = list(pool.map(search, range(n_parts)))
    pairs = np.empty((2, sum(len(part) for part in parts)), dtype=np.int64)
    begin = 0
    for part in parts:
        _write_pairs(part, queries is None, pairs, begin)
        begin += len(part)
    return torch.from_numpy(pairs)


def _padded(points: Tensor) -> NDArray[np.float32]:
    """(n, 4, 8, 12 or 16) coordinates: zeros add nothing and four compiled searches do for all."""
    n_points, n_axes = points.shape
    padded = np.zeros((n_points, -(-n_axes // 4) * 4), dtype=np.float32)
    padded[:, :n_axes] = points.numpy()
    return padded


@numba.njit(cache=True)
def _write_pairs(
    part: NDArray[np.int32], ordered: bool, pairs: NDArray[np.int64], begin: int
) -> None:
    """Copy part (n, 2) to pairs[:, begin:], the lower row first when `ordered`."""
    for i in range(len(part)):
        a, b = part[i]
        if ordered and b < a:
            a, b = b, a
        pairs[0, begin + i] = a
        pairs[1, begin + i] = b


def _nearest_numba(points: Tensor, pairs: Tensor, max_neighbours: int) -> Tensor:
    return torch.from_numpy(_nearest_mask(points.numpy(), pairs.numpy(), max_neighbours))


@numba.njit(cache=True)
def _nearest_mask(
    points: NDArray[np.float32], pairs: NDArray[np.int64], max_neighbours: int
) -> NDArray[np.bool_]:
    n_points, n_axes = points.shape
    n_pairs = pairs.shape[1]
    start = np.zeros(n_points + 1, dtype=np.int64)
    for end in range(2):
        for pair in range(n_pairs):
            start[pairs[end, pair] + 1] += 1
    start = np.cumsum(start)
    distance = np.zeros(n_pairs, dtype=np.float32)
    for pair in range(n_pairs):
        for k in range(n_axes):
            difference = points[pairs[0, pair], k] - points[pairs[1, pair], k]
            distance[pair] += difference * difference
    # The bits of a float that is not negative order like the float; the row settles ties.
    bits = distance.view(np.int32)
    keys = np.empty(2 * n_pairs, dtype=np.int64)
    filled = start[:-1].copy()
    for end in range(2):
        for pair in range(n_pairs):
            point = pairs[end, pair]
            keys[filled[point]] = (np.int64(bits[pair]) << 32) | pairs[1 - end, pair]
            filled[point] += 1
    farthest = np.full(n_points, np.iinfo(np.int64).max)  # key of the last neighbour to keep
    for point in range(n_points):
        if start[point + 1] - start[point] > max_neighbours:
            farthest[point] = np.sort(keys[start[point] : start[point + 1]])[max_neighbours - 1]
    keep = np.empty(n_pairs, dtype=np.bool_)
    for pair in range(n_pairs):
        a, b = pairs[0, pair], pairs[1, pair]
        distance_bits = np.int64(bits[pair]) << 32
        keep[pair] = distance_bits | b <= farthest[a] or distance_bits | a <= farthest[b]
    return keep


class Backend(NamedTuple):
    """Two functions on tensors of one device."""

    # (points, queries or None for the points themselves, squared radius) -> (2, n) rows
    search: Callable[[Tensor, Tensor | None, float], Tensor]
    # (points, pairs, max_neighbours) -> (n_pairs,) whether among the nearest of either point
    nearest: Callable[[Tensor, Tensor, int], Tensor]


BACKENDS = {
    "torch": Backend(_search_torch, _nearest_torch),
    "numba": Backend(_search_numba, _nearest_numba),
}
