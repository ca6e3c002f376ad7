"""Fixed-radius search on a kd-tree whose leaves are compared whole: every distance between two
leaves is computed at once, which suits vector registers better than walking point by point.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hitgraph.kernels.jit import exact

Float32 = NDArray[np.float32]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]

LEAF = 16  # points a leaf: one AVX-512 register of float32, two of AVX2
SAMPLE = 64  # points looked at to choose the axis of a split
ZERO = np.float32(0)


class Tree(NamedTuple):
    """A balanced kd-tree; nodes in preorder, leaves numbered from left to right.

    A node of m leaves has 2 m - 1 nodes in its subtree: its left child is the next node and the
    first node after the subtree needs no pointer either.
    """

    leaves: Float32  # (n_leaves, d, LEAF) coordinates; NaN, near nothing, fills the last leaf
    rows: Int32  # (n_leaves, LEAF) row of each point
    first: Int64  # (n_nodes,) first leaf below the node
    last: Int64  # (n_nodes,) one past its last leaf
    low: Float32  # (n_nodes, d) box around its points
    high: Float32  # (n_nodes, d)


def build_tree(points: Float32) -> Tree:
    """The tree of points (n, d) float32."""
    n_leaves = -(-len(points) // LEAF)
    permutation = np.arange(len(points), dtype=np.int32)
    _sort_into_leaves(points, permutation, n_leaves)
    return Tree(*_boxes(points, permutation, n_leaves))


def search_tree(queries: Tree, tree: Tree, squared_radius: float, begin: int, end: int) -> Int32:
    """(n, 2) int32 query row and point row of the neighbours of the query leaves [begin, end).

    With `queries is tree` each unordered pair is found once, at the leaf that comes first, and no
    point with itself.
    """
    leaf_nodes = np.flatnonzero(queries.last - queries.first == 1)
    found: Int32 = _search(
        queries.leaves,
        queries.rows,
        queries.low[leaf_nodes],
        queries.high[leaf_nodes],
        *tree,
        np.float32(squared_radius),
        begin,
        end,
        queries is tree,
        (False,) * tree.low.shape[1],
    )
    return found


@exact
def _sort_into_leaves(points: Float32, permutation: Int32, n_leaves: int) -> None:
    """Order `permutation` so that rows [LEAF l, LEAF (l + 1)) are leaf l.

    Splits at the middle leaf along the widest axis until one leaf is left, so that all leaves but
    the last are full, however many points coincide.
    """
    n_points, n_axes = points.shape
    key = np.empty(n_points, dtype=np.float32)
    stack = np.empty((64, 2), dtype=np.int64)
    stack[0] = 0, n_leaves
    depth = 1
    while depth > 0:
        depth -= 1
        first, last = stack[depth]
        if last - first < 2:
            continue
        begin, end = first * LEAF, min(last * LEAF, n_points)
        axis = 0
        widest = np.float32(-1)
        for k in range(n_axes):
            low = high = points[permutation[begin], k]
            for i in range(begin, end, max(1, (end - begin) // SAMPLE)):
                low = min(low, points[permutation[i], k])
                high = max(high, points[permutation[i], k])
            if high - low > widest:
                axis, widest = k, high - low
        for i in range(begin, end):
            key[i] = points[permutation[i], axis]
        middle = first + (last - first) // 2
        _partition(key, permutation, begin, end, middle * LEAF)
        stack[depth] = first, middle
        stack[depth + 1] = middle, last
        depth += 2


@exact
def _partition(key: Float32, permutation: Int32, begin: int, end: int, middle: int) -> None:
    """Reorder [begin, end) so that no key before `middle` is above a later one (quickselect)."""
    left, right = begin, end - 1
    while left < right:
        a, b, c = key[left], key[(left + right) // 2], key[right]
        pivot = max(min(a, b), min(max(a, b), c))
        i, j = left, right
        while i <= j:
            while key[i] < pivot:
                i += 1
            while key[j] > pivot:
                j -= 1
            if i <= j:
                key[i], key[j] = key[j], key[i]
                permutation[i], permutation[j] = permutation[j], permutation[i]
                i += 1
                j -= 1
        if middle <= j:
            right = j
        elif middle >= i:
            left = i
        else:
            return


@exact
def _boxes(
    points: Float32, permutation: Int32, n_leaves: int
) -> tuple[Float32, Int32, Int64, Int64, Float32, Float32]:
    """The arrays of a Tree from points in leaf order."""
    n_points, n_axes = points.shape
    leaves = np.full((n_leaves, n_axes, LEAF), np.nan, dtype=np.float32)
    rows = np.full((n_leaves, LEAF), -1, dtype=np.int32)
    for i in range(n_points):
        leaf, lane = i // LEAF, i % LEAF
        rows[leaf, lane] = permutation[i]
        for k in range(n_axes):
            leaves[leaf, k, lane] = points[permutation[i], k]

    n_nodes = max(0, 2 * n_leaves - 1)
    first = np.zeros(n_nodes, dtype=np.int64)
    last = np.full(n_nodes, n_leaves)
    for node in range(n_nodes):
        if last[node] - first[node] > 1:
            middle = first[node] + (last[node] - first[node]) // 2
            right = node + 2 * (middle - first[node])
            first[node + 1], last[node + 1] = first[node], middle
            first[right], last[right] = middle, last[node]

    low = np.empty((n_nodes, n_axes), dtype=np.float32)
    high = np.empty((n_nodes, n_axes), dtype=np.float32)
    for node in range(n_nodes - 1, -1, -1):
        leaf = first[node]
        if last[node] - leaf == 1:
            n_lanes = min(LEAF, n_points - leaf * LEAF)
            for k in range(n_axes):
                low[node, k] = leaves[leaf, k, :n_lanes].min()
                high[node, k] = leaves[leaf, k, :n_lanes].max()
        else:
            right = node + 2 * ((last[node] - leaf) // 2)
            for k in range(n_axes):
                low[node, k] = min(low[node + 1, k], low[right, k])
                high[node, k] = max(high[node + 1, k], high[right, k])
    return leaves, rows, first, last, low, high


@exact
def _search(
    query_leaves: Float32,
    query_rows: Int32,
    query_low: Float32,
    query_high: Float32,
    leaves: Float32,
    rows: Int32,
    first: Int64,
    last: Int64,
    low: Float32,
    high: Float32,
    squared_radius: np.float32,
    begin: int,
    end: int,
    same: bool,
    axes: tuple[bool, ...],
) -> Int32:
    """See search_tree. `axes` has one item an axis: its length is known to the compiler, which
    unrolls the loops over axes and so can vectorise those over the points of a leaf.

    A gap between boxes is rounded exactly as a distance is, and rounding never swaps two numbers:
    no computed distance is below the computed gap, so pruning by gaps loses no pair.
    """
    found = np.empty((1 << 14, 2), dtype=np.int32)
    n_found = 0
    gaps = np.empty(LEAF, dtype=np.float32)
    distances = np.empty(LEAF, dtype=np.float32)
    for leaf in range(begin, end):
        node = 0
        while node < len(first):
            after = node + 2 * (last[node] - first[node]) - 1
            if same and last[node] <= leaf:
                node = after
                continue
            gap = ZERO
            for k in range(len(axes)):
                outside = max(
                    low[node, k] - query_high[leaf, k], query_low[leaf, k] - high[node, k]
                )
                outside = max(outside, ZERO)
                gap += outside * outside
            if gap > squared_radius:
                node = after
                continue
            if last[node] - first[node] > 1:
                node += 1
                continue
            for i in range(LEAF):
                gap = ZERO
                for k in range(len(axes)):
                    x = query_leaves[leaf, k, i]
                    outside = max(max(low[node, k] - x, x - high[node, k]), ZERO)
                    gap += outside * outside
                gaps[i] = gap
            if n_found + LEAF * LEAF > len(found):
                larger = np.empty((2 * len(found), 2), dtype=np.int32)
                larger[:n_found] = found[:n_found]
                found = larger
            other = first[node]
            for i in range(LEAF):
                if not gaps[i] <= squared_radius:
                    continue
                n_near = 0
                for j in range(LEAF):
                    distance = ZERO
                    for k in range(len(axes)):
                        difference = query_leaves[leaf, k, i] - leaves[other, k, j]
                        distance += difference * difference
                    distances[j] = distance
                    n_near += int(distance <= squared_radius)
                if n_near == 0:
                    continue
                start = i + 1 if same and other == leaf else 0
                for j in range(start, LEAF):
                    # Written whether near or not, kept when near: no branch to mispredict.
                    found[n_found, 0] = query_rows[leaf, i]
                    found[n_found, 1] = rows[other, j]
                    n_found += int(distances[j] <= squared_radius)
            node = after
    return found[:n_found]
