"""Which way an edge points: from the inner hit to the outer one."""

import torch
from torch import Tensor


def squared_distance(position: Tensor) -> Tensor:
    """x² + y² + z² of each hit, (n_hits,) float64 in mm².

    In float64 the squares of float32 coordinates are exact, so every backend orders hits alike.
    """
    x, y, z = position.to(torch.float64).unbind(dim=1)
    return x * x + y * y + z * z


def direct_outward(edge_index: Tensor, position: Tensor) -> Tensor:
    """Turn every edge so that it starts at the hit nearer to the origin, ties by row.

    edge_index (2, n_edges) int64, position (n_hits, 3) in mm; returns (2, n_edges) with the
    edges in the order they came. Neither duplicates nor self-loops are removed.
    """
    distance = squared_distance(position)
    first, second = edge_index[0], edge_index[1]
    d_first, d_second = distance[first], distance[second]
    turn = (d_second < d_first) | ((d_second == d_first) & (second < first))
    return torch.stack([torch.where(turn, second, first), torch.where(turn, first, second)])
