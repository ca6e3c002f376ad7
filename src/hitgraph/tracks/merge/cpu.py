"""The module-exclusive merge on a CPU, one edge after the other. Kernels."""

import numba
import numpy as np

from hitgraph.tracks.unionfind import Int64, find_root, share_module


@numba.njit(cache=True)
def merge_groups(source: Int64, target: Int64, module: Int64, max_hits: int, n_given: int) -> Int64:
    """(n_hits,) parent of each hit after merging along the edges in the order given.

    The first `n_given` edges are taken whatever they join: groups that are there already.
    """
    n_hits = len(module)
    parent = np.arange(n_hits)
    size = np.ones(n_hits, dtype=np.int64)
    following = np.full(n_hits, -1, dtype=np.int64)  # the next hit of the same group
    last = np.arange(n_hits)  # of each root, the last hit of its group
    # A bit a module (modulo 64): groups without a common bit have no common module.
    bits = np.left_shift(np.uint64(1), (module & 63).astype(np.uint64))
    for edge in range(len(source)):
        a = find_root(parent, source[edge])
        b = find_root(parent, target[edge])
        if a == b:
            continue
        if edge >= n_given:
            if size[a] + size[b] > max_hits:
                continue
            if bits[a] & bits[b] and share_module(a, b, module, following):
                continue
        if size[a] < size[b]:
            a, b = b, a
        parent[b] = a
        size[a] += size[b]
        bits[a] |= bits[b]
        following[last[a]] = b
        last[a] = last[b]
    return parent
