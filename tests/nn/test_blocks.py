"""The building blocks of all networks."""

import torch
from torch import nn

from hitgraph.nn.blocks import Standardise, mlp


def sample(n_rows: int) -> torch.Tensor:
    random = torch.Generator().manual_seed(0)
    return torch.randn(n_rows, 3, generator=random) * torch.tensor([1.0, 100.0, 0.01]) + 5


def test_what_was_learnt_from_has_mean_zero_and_spread_one() -> None:
    layer = Standardise(3)
    layer.learn(sample(1000))
    scaled = layer(sample(1000))
    torch.testing.assert_close(scaled.mean(0), torch.zeros(3), atol=1e-3, rtol=0)
    torch.testing.assert_close(scaled.std(0), torch.ones(3), atol=1e-2, rtol=0)


def test_an_outlier_is_limited() -> None:
    layer = Standardise(3)
    layer.learn(sample(1000))
    assert layer(torch.full((1, 3), 1e9)).tolist() == [[8.0] * 3]
    assert layer(torch.full((1, 3), -1e9)).tolist() == [[-8.0] * 3]


def test_a_column_that_never_changes_gives_no_infinity() -> None:
    layer = Standardise(3)
    layer.learn(torch.full((10, 3), 0.1))
    assert bool(torch.isfinite(layer(torch.full((10, 3), 0.1))).all())


def test_one_row_or_none_tells_no_spread() -> None:
    for n_rows in (0, 1):
        layer = Standardise(3)
        layer.learn(sample(n_rows))
        assert torch.equal(layer(sample(4).clamp(-8, 8)), sample(4).clamp(-8, 8))


def test_the_constants_are_saved_but_not_trained() -> None:
    layer = Standardise(3)
    layer.learn(sample(100))
    assert not list(layer.parameters())
    other = Standardise(3)
    other.load_state_dict(layer.state_dict())
    assert torch.equal(other(sample(5)), layer(sample(5)))


def test_layers_with_activations_between_them() -> None:
    network = mlp([3, 5, 4, 2], nn.Tanh)
    assert [type(layer) for layer in network] == [nn.Linear, nn.Tanh] * 2 + [nn.Linear]
    assert [layer.out_features for layer in network if isinstance(layer, nn.Linear)] == [5, 4, 2]
    assert network(sample(7)).shape == (7, 2)
