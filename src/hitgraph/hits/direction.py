"""Which way an edge points: from the inner hit, nearer to the origin, to the outer one."""

import torch
from torch import Tensor


def squared_distance(position: Tensor) -> Tensor:
    """x² + y² + z² of each hit, (n_hits,) float64 in mm².

    In float64 the squares of float32 coordinates are exact, so every backend orders hits alike.
    """
    x, y, z = position.to(torch.float64).unbind(dim=1)
    return x * x + y * y + z * z
