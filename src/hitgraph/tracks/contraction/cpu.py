"""Contraction with a heap and linked lists of the edges of each group. Kernels."""

import numpy as np
from numpy.typing import NDArray

from hitgraph.kernels.jit import exact
from hitgraph.tracks.unionfind import Int64, find_root, may_unite, single_groups, unite

Float64 = NDArray[np.float64]


@exact
def contract(
    source: Int64, target: Int64, evidence: Float64, module: Int64, max_hits: int
) -> Int64:
    """(n_hits,) a hit of each hit's group, the same for all of it; see tracks.contraction."""
    n_hits, n_edges = len(module), len(source)
    groups = single_groups(module)
    parent: Int64 = groups[0]
    # Slots 2 e and 2 e + 1 are the two ends of edge e; each group has a list of its slots.
    ends, after = np.empty(2 * n_edges, dtype=np.int64), np.empty(2 * n_edges, dtype=np.int64)
    head = np.full(n_hits, -1, dtype=np.int64)
    for e in range(n_edges):
        ends[2 * e], ends[2 * e + 1] = source[e], target[e]
        for slot in (2 * e, 2 * e + 1):
            after[slot] = head[ends[slot]]
            head[ends[slot]] = slot
    total, alive = evidence.copy(), np.ones(n_edges, dtype=np.bool_)
    edge_to = np.full(n_hits, -1, dtype=np.int64)  # while a list is walked: the edge to a group
    heap_total = np.empty(n_edges + 16, dtype=np.float64)
    heap_edge = np.empty(n_edges + 16, dtype=np.int64)
    n = 0
    for hit in range(n_hits):  # several edges may join the same two hits
        n, heap_total, heap_edge = _unite(
            hit, hit, parent, head, after, ends, total, alive, edge_to, heap_total, heap_edge, n
        )
    n = 0
    for e in range(n_edges):
        if alive[e] and total[e] > 0:
            n, heap_total, heap_edge = _push(heap_total, heap_edge, n, total[e], e)
    while n > 0:
        best, e = heap_total[0], heap_edge[0]
        n = _drop_first(heap_total, heap_edge, n)
        if not alive[e] or total[e] != best:
            continue  # the pair has another sum by now
        alive[e] = False
        a, b = find_root(parent, ends[2 * e]), find_root(parent, ends[2 * e + 1])
        if not may_unite(a, b, groups, module, max_hits):
            continue
        a, b = unite(a, b, groups)
        n, heap_total, heap_edge = _unite(
            a, b, parent, head, after, ends, total, alive, edge_to, heap_total, heap_edge, n
        )
    return parent


@exact
def _unite(  # type: ignore[no-untyped-def]
    a, b, parent, head, after, ends, total, alive, edge_to, heap_total, heap_edge, n
):
    """Give group a the edges of group b; of two edges to one group, the earlier takes both sums."""
    kept = -1
    for group in (a, b):
        slot = head[group]
        while slot >= 0:
            e, next_slot = slot >> 1, after[slot]
            if alive[e]:
                other = find_root(parent, ends[slot ^ 1])
                twin = edge_to[other]
                if other == a:
                    alive[e] = False
                elif twin < 0 or twin == e:
                    edge_to[other] = e
                    after[slot] = kept
                    kept = slot
                else:
                    first = min(twin, e)
                    total[first] = total[twin] + total[e]
                    alive[max(twin, e)] = False
                    if first == e:
                        edge_to[other] = e
                        after[slot] = kept
                        kept = slot
                    if total[first] > 0:
                        n, heap_total, heap_edge = _push(
                            heap_total, heap_edge, n, total[first], first
                        )
            slot = next_slot
        if a == b:
            break
    head[a] = kept
    while kept >= 0:
        edge_to[find_root(parent, ends[kept ^ 1])] = -1
        kept = after[kept]
    return n, heap_total, heap_edge


@exact
def _push(heap_total, heap_edge, n, value, edge):  # type: ignore[no-untyped-def]
    if n == len(heap_total):
        heap_total = np.concatenate((heap_total, np.empty_like(heap_total)))
        heap_edge = np.concatenate((heap_edge, np.empty_like(heap_edge)))
    place = n
    while place > 0:
        above = (place - 1) >> 1
        if not _before(value, edge, heap_total[above], heap_edge[above]):
            break
        heap_total[place], heap_edge[place] = heap_total[above], heap_edge[above]
        place = above
    heap_total[place], heap_edge[place] = value, edge
    return n + 1, heap_total, heap_edge


@exact
def _drop_first(heap_total, heap_edge, n):  # type: ignore[no-untyped-def]
    n -= 1
    value, edge, place = heap_total[n], heap_edge[n], 0
    while 2 * place + 1 < n:
        below = 2 * place + 1
        if below + 1 < n and _before(
            heap_total[below + 1], heap_edge[below + 1], heap_total[below], heap_edge[below]
        ):
            below += 1
        if not _before(heap_total[below], heap_edge[below], value, edge):
            break
        heap_total[place], heap_edge[place] = heap_total[below], heap_edge[below]
        place = below
    heap_total[place], heap_edge[place] = value, edge
    return n


@exact
def _before(value, edge, other_value, other_edge):  # type: ignore[no-untyped-def]
    return value > other_value or (value == other_value and edge < other_edge)
