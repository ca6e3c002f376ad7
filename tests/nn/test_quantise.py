"""Grids of few values, pruned weights, and what a network costs."""

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from hitgraph.errors import SettingsError
from hitgraph.nn.blocks import mlp
from hitgraph.nn.prune import bit_operations, constrained, count_weights, prune_smallest
from hitgraph.nn.quantise import InputGrid, fake_quantise, quantise_inputs, row_scales


def some(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_three_bits_are_three_steps_on_either_side() -> None:
    x = torch.tensor([-9.0, -0.7, -0.2, 0.0, 0.24, 0.26, 0.74, 1.6, 9.0])
    found = fake_quantise(x, torch.tensor(0.5), 3)
    assert found.tolist() == [-1.5, -0.5, 0.0, 0.0, 0.0, 0.5, 0.5, 1.5, 1.5]


@given(bits=st.integers(2, 16), seed=st.integers(0, 1000))
def test_a_grid_has_its_values_and_is_as_near_as_it_can(bits: int, seed: int) -> None:
    weight = some(3, 50, seed=seed)
    scale = row_scales(weight, bits)
    found = fake_quantise(weight, scale, bits)
    steps = (found / scale).round()
    torch.testing.assert_close(steps * scale, found)
    assert steps.abs().amax(dim=1).tolist() == [2 ** (bits - 1) - 1] * 3
    assert bool(((found - weight).abs() <= 0.51 * scale).all())
    torch.testing.assert_close(fake_quantise(found, row_scales(found, bits), bits), found)


def test_gradients_go_straight_through_and_stop_beyond_the_grid() -> None:
    x = torch.tensor([-9.0, -1.2, 0.1, 0.3, 1.4, 9.0], requires_grad=True)
    fake_quantise(x, torch.tensor(0.5), 3).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0.0, 1.0, 1.0, 1.0, 1.0, 0.0]


def test_inputs_reach_as_far_as_in_training() -> None:
    grid = InputGrid(2)
    assert grid(torch.tensor([2.0, -4.0])).tolist() == [0.0, -4.0]
    grid(torch.tensor([8.0]))
    assert grid.largest.item() == pytest.approx(4.0 + 0.1 * (8.0 - 4.0))
    grid.eval()
    assert grid(torch.tensor([100.0, 1.0])).tolist() == pytest.approx([4.4, 0.0])
    grid(torch.empty(0))


def test_constrained_weights_are_what_everybody_reads_and_stay() -> None:
    network = mlp([4, 8, 1])
    before = copy.deepcopy(network.state_dict())
    x = some(5, 4)
    with constrained(network, (3, 32)):
        first, last = network[0].weight, network[2].weight
        torch.testing.assert_close(
            first, fake_quantise(before["0.weight"], row_scales(before["0.weight"], 3), 3)
        )
        assert torch.equal(last, before["2.weight"])
        inside = network(x)
    assert set(network.state_dict()) == set(before)
    assert torch.equal(network[0].weight, first)
    assert torch.equal(network(x), inside)
    copy.deepcopy(network)


def test_the_smallest_weights_of_all_layers_go_and_stay_away() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    with torch.no_grad():
        network[0].weight.copy_(torch.tensor([[5.0, -0.1], [0.3, -4.0]]))
        network[1].weight.copy_(torch.tensor([[0.2, -3.0]]))
    with constrained(network, (32,)):
        prune_smallest(network, 0.34)
        assert network[0].weight.tolist() == [[5.0, 0.0], [pytest.approx(0.3), -4.0]]
        assert network[1].weight.tolist() == [[0.0, -3.0]]
        optimiser = torch.optim.AdamW(network.parameters(), lr=0.1, weight_decay=0.1)
        for _ in range(5):
            optimiser.zero_grad()
            network(some(7, 2)).square().sum().backward()
            optimiser.step()
        assert count_weights(network) == (4, 6)
        prune_smallest(network, 0.25)
        assert count_weights(network) == (3, 6)
    assert network[0].weight[0, 1] == network[1].weight[0, 0] == 0


def test_bit_operations_of_a_network_made_by_hand() -> None:
    network = nn.Sequential(nn.Linear(3, 2), nn.Tanh(), nn.Linear(2, 1))
    assert bit_operations(network) == (6 + 2) * 32 * 32
    with torch.no_grad():
        network[0].weight[0, 0] = 0.0
    assert bit_operations(network, (4, 8), (6,)) == 5 * 4 * 6 + 2 * 8 * 6


def test_bits_are_one_for_all_or_one_a_layer() -> None:
    with pytest.raises(SettingsError, match="activations: 2 numbers for 3 linear layers"):
        quantise_inputs(mlp([2, 2, 2, 1]), (4, 8))
    assert not list(quantise_inputs(mlp([2, 2]), (32,)).buffers())
