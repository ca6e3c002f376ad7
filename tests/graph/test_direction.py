"""Edges run from the inner hit to the outer one."""

import torch

from hitgraph.graph.direction import direct_outward


def test_every_edge_leaves_the_hit_nearer_to_the_origin() -> None:
    generator = torch.Generator().manual_seed(0)
    position = torch.randn(50, 3, generator=generator) * 100
    edges = torch.randint(50, (2, 400), generator=generator)
    directed = direct_outward(edges, position)
    radius = position.double().norm(dim=1)
    assert bool((radius[directed[0]] <= radius[directed[1]]).all())
    assert torch.equal(directed.sort(dim=0).values, edges.sort(dim=0).values)
    assert torch.equal(direct_outward(edges.flip(0), position), directed)


def test_equal_distances_run_from_the_lower_row() -> None:
    position = torch.tensor([[3.0, 4.0, 0.0], [0.0, -5.0, 0.0], [0.0, 0.0, 5.0]])
    edges = torch.tensor([[1, 2, 0], [0, 1, 2]])
    assert direct_outward(edges, position).tolist() == [[0, 1, 0], [1, 2, 2]]
