"""Fixed-radius neighbour search in torch, on any device: pairs of kd-tree nodes, level by level.

A balanced kd-tree is built by sorting all nodes of a level at once. Pairs of nodes whose boxes are
near each other lead to pairs of leaves, those to points near a leaf, and only then are distances
computed. Each step takes a bounded number of pairs and follows them down to the points before the
next ones, so that no more memory is needed than for the pairs found, whatever the points.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

LEAF = 16  # points a leaf at most
CPU_ELEMENTS, GPU_ELEMENTS = 1 << 18, 1 << 22  # numbers in a temporary tensor: what caches hold
NODE_PAIRS = 1 << 16  # taken to the next level at a time


class Tree(NamedTuple):
    """Level l has 2^l nodes of equally many places; node i has the children 2 i and 2 i + 1."""

    axes: Tensor  # (d, n_leaves, leaf size) coordinates; NaN, near nothing, in empty places
    rows: Tensor  # (n_leaves, leaf size) int64 row of each point; -1 in empty places
    low: list[Tensor]  # of each level, (d, 2^l) box around the points of a node
    high: list[Tensor]

    @property
    def depth(self) -> int:
        return len(self.low) - 1


def search(
    points: Tensor,
    queries: Tensor | None,
    squared_radius: float,
    rank: Tensor | None,
    dtype: torch.dtype,
) -> Tensor:
    """See neighbours.Backend."""
    found = [torch.empty((2, 0), dtype=dtype, device=points.device)]
    for i, j, _ in _near_pairs(points, queries, squared_radius):
        found.append(directed(i, j, rank).to(dtype))
    return torch.cat(found, dim=1)


def nearest(points: Tensor, squared_radius: float, most: int) -> tuple[Tensor, Tensor]:
    """See neighbours.Backend."""
    none = torch.empty(0, dtype=torch.int64, device=points.device)
    entries = [(none, none)]
    n_kept = n_entries = 0
    for i, j, distance in _near_pairs(points, None, squared_radius):
        entries.append((torch.cat([i, j]), neighbour_keys(distance.repeat(2), torch.cat([j, i]))))
        n_entries += 2 * len(i)
        if n_entries > 2 * n_kept + 16 * _elements(points.device):
            entries = [_keep_nearest(entries, most)]
            n_kept = n_entries = len(entries[0][0])
    return _keep_nearest(entries, most)


def directed(i: Tensor, j: Tensor, rank: Tensor | None) -> Tensor:
    """(2, n) with the point of lower rank first; as they came without a rank."""
    if rank is None:
        return torch.stack([i, j])
    turn = rank[j] < rank[i]
    return torch.stack([torch.where(turn, j, i), torch.where(turn, i, j)])


def neighbour_keys(squared_distance: Tensor, row: Tensor) -> Tensor:
    """(n,) int64 that order neighbours by distance, float32 and not negative, then by row."""
    # The bits of a float that is not negative order like the float.
    return (squared_distance.view(torch.int32).long() << 32) | row


def sum_of_squares(differences: Iterable[Tensor]) -> Tensor:
    """Sum of the squares, in the order given and rounded at each step; overwrites them."""
    total: Tensor | None = None
    for difference in differences:
        square = difference.mul_(difference)
        total = square if total is None else total.add_(square)
    assert total is not None
    return total


def _keep_nearest(entries: list[tuple[Tensor, Tensor]], most: int) -> tuple[Tensor, Tensor]:
    """The `most` lowest keys of each owner, of entries owner, key (n,) each; sorted."""
    owner, key = (torch.cat(parts) for parts in zip(*entries, strict=True))
    key, order = key.sort()
    owner, order = owner[order].sort(stable=True)
    place = torch.arange(len(owner), device=owner.device) - torch.searchsorted(owner, owner)
    kept = place < most
    return owner[kept], key[order[kept]]


def _elements(device: torch.device) -> int:
    return CPU_ELEMENTS if device.type == "cpu" else GPU_ELEMENTS


def _build(points: Tensor) -> Tree:
    """The tree of points (n, d), n > 0: every node is split in the middle along its widest axis."""
    n_points, device = len(points), points.device
    depth = max(0, (n_points - 1) // LEAF).bit_length()
    n_places = -(-n_points // 2**depth) * 2**depth
    padded = torch.full((n_places, points.shape[1]), torch.nan, device=device)
    padded[:n_points] = points
    order = torch.arange(n_places, device=device)
    low, high = [], []
    for level in range(depth + 1):
        nodes = padded[order].view(2**level, -1, points.shape[1])
        empty = nodes.isnan()
        low.append(nodes.masked_fill(empty, torch.inf).amin(dim=1))
        high.append(nodes.masked_fill(empty, -torch.inf).amax(dim=1))
        if level < depth:
            axis = (high[-1] - low[-1]).argmax(dim=1)
            key = nodes.take_along_dim(axis[:, None, None], dim=2).squeeze(2)  # NaN comes last
            ranks = key.argsort(dim=1, stable=True)
            order = order.view(2**level, -1).gather(1, ranks).flatten()
    return Tree(
        padded[order].T.reshape(points.shape[1], 2**depth, -1),
        torch.where(order < n_points, order, -1).view(2**depth, -1),
        [box.T.contiguous() for box in low],
        [box.T.contiguous() for box in high],
    )


def _near_pairs(
    points: Tensor, queries: Tensor | None, squared_radius: float
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Query rows, point rows and squared distances of near pairs, (n,) each, n bounded.

    Without queries each pair of two points comes once, either of them first.
    """
    if len(points) == 0 or (queries is not None and len(queries) == 0):
        return
    tree = _build(points)
    asking = tree if queries is None else _build(queries)
    size = tree.rows.shape[1]
    batch = max(1, _elements(points.device) // size)
    for place, leaf in _near_leaves(asking, tree, squared_radius):
        for begin in range(0, len(place), batch):
            a, b = place[begin : begin + batch], leaf[begin : begin + batch]
            distance = sum_of_squares(
                y[b].sub_(x[a][:, None])
                for x, y in zip(asking.axes.flatten(1), tree.axes, strict=True)
            )
            near, lane = (distance <= squared_radius).nonzero(as_tuple=True)
            distance, a, b = distance[near, lane], a[near], b[near] * size + lane
            if asking is tree:
                once = a < b
                distance, a, b = distance[once], a[once], b[once]
            yield asking.rows.flatten()[a], tree.rows.flatten()[b], distance


def _near_leaves(
    asking: Tree, tree: Tree, squared_radius: float
) -> Iterator[tuple[Tensor, Tensor]]:
    """Query place (in all leaves) and leaf that are near each other, (n,) each, n bounded."""
    size = asking.rows.shape[1]
    batch = max(1, _elements(tree.rows.device) // size)
    for a, b in _near_nodes(asking, tree, squared_radius):
        for begin in range(0, len(a), batch):
            query, leaf = a[begin : begin + batch], b[begin : begin + batch]
            place = [x[query] for x in asking.axes]
            low, high = ([x[leaf][:, None] for x in box[-1]] for box in (tree.low, tree.high))
            near, lane = (_gap(place, place, low, high) <= squared_radius).nonzero(as_tuple=True)
            yield query[near] * size + lane, leaf[near]


def _near_nodes(asking: Tree, tree: Tree, squared_radius: float) -> Iterator[tuple[Tensor, Tensor]]:
    """Leaves of both trees whose boxes are near each other, (n,) each; of one tree a <= b."""
    root = torch.zeros(1, dtype=torch.int64, device=tree.rows.device)
    waiting = [(0, root, root)]
    while waiting:
        level, a, b = waiting.pop()
        if level == max(asking.depth, tree.depth):
            yield a, b
            continue
        level += 1
        a, b = _children(a, level, asking), _children(b, level, tree)
        shape = len(a), a.shape[1], b.shape[1]
        a, b = a[:, :, None].expand(shape).flatten(), b[:, None].expand(shape).flatten()
        boxes = [
            [axis[nodes] for axis in side[min(level, of.depth)]]
            for of, nodes in ((asking, a), (tree, b))
            for side in (of.low, of.high)
        ]
        near = _gap(*boxes) <= squared_radius
        if asking is tree:
            near &= a <= b
        a, b = a[near], b[near]
        waiting += [
            (level, a[begin : begin + NODE_PAIRS], b[begin : begin + NODE_PAIRS])
            for begin in range(0, len(a), NODE_PAIRS)
        ]


def _children(nodes: Tensor, level: int, tree: Tree) -> Tensor:
    """(n, 2) nodes of a level below those of the one before; (n, 1), themselves, below a leaf."""
    if level > tree.depth:
        return nodes[:, None]
    return torch.stack([2 * nodes, 2 * nodes + 1], dim=1)


def _gap(
    low: list[Tensor], high: list[Tensor], other_low: list[Tensor], other_high: list[Tensor]
) -> Tensor:
    """Squared distance of boxes, whose sides come axis by axis.

    It is rounded exactly as a distance is, and rounding never swaps two numbers: no computed
    distance is below the computed gap, so leaving out what has a wide gap loses no pair.
    """
    sides = zip(low, high, other_low, other_high, strict=True)
    return sum_of_squares(torch.maximum(c - b, a - d).clamp_min_(0) for a, b, c, d in sides)
