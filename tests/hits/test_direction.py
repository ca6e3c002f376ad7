"""What is nearer to the origin is the inner hit."""

import torch

from hitgraph.hits.direction import squared_distance


def test_distances_are_exact_so_that_equal_ones_tie() -> None:
    position = torch.tensor([[3.0, 4.0, 0.0], [0.0, -5.0, 0.0], [1e3, 2**-13, 0.0]])
    distance = squared_distance(position)
    assert distance[0] == distance[1] == 25
    assert distance[2] == 10**6 + 2.0**-26
