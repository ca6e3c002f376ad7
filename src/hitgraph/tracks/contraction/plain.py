"""Contraction as it is meant: a dictionary of the sums between groups. Slow, the reference."""

import numpy as np
from numpy.typing import NDArray

Int64 = NDArray[np.int64]


def contract(
    source: Int64, target: Int64, evidence: NDArray[np.float64], module: Int64, max_hits: int
) -> Int64:
    """(n_hits,) the first hit of each hit's group; see hitgraph.tracks.contraction."""
    groups = {hit: {hit} for hit in range(len(module))}
    sums: dict[frozenset[int], tuple[float, int]] = {}  # sum and first edge of a pair of groups
    for k, (i, j) in enumerate(zip(source.tolist(), target.tolist(), strict=True)):
        _add(sums, i, j, float(evidence[k]), k)
    while sums:
        pair = max(sums, key=lambda pair: (sums[pair][0], -sums[pair][1]))
        if sums[pair][0] <= 0:
            break
        first, second = sorted(pair)
        del sums[pair]
        together = groups[first] | groups[second]
        if len(together) > max_hits or len({module[hit] for hit in together}) < len(together):
            continue
        groups[first] = together
        del groups[second]
        for other in [one for one in sums if second in one]:
            total, edge = sums.pop(other)
            (third,) = other - {second}
            _add(sums, first, third, total, edge)
    parent = np.arange(len(module))
    for root, members in groups.items():
        parent[list(members)] = root
    return parent


def _add(
    sums: dict[frozenset[int], tuple[float, int]], a: int, b: int, value: float, edge: int
) -> None:
    if a == b:
        return
    total, first = sums.get(frozenset((a, b)), (0.0, edge))
    sums[frozenset((a, b))] = total + value, min(first, edge)
