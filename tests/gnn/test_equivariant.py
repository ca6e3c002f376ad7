"""The equivariant network: a turn about the beam changes nothing, a mirror does."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from tests.trained import tiny_recipe
from torch import Tensor

from hitgraph.errors import SettingsError
from hitgraph.gnn.equivariant import EquivariantNetwork, EquivariantSettings

N_EDGE = 2


def network(seed: int) -> EquivariantNetwork:
    torch.manual_seed(seed)
    made = EquivariantSettings(hidden=8, steps=3).build(3, N_EDGE)
    made.learn_inputs(torch.randn(50, 3) * 100, torch.randn(50, N_EDGE))
    return made.double().eval()


def some_event(seed: int) -> tuple[Tensor, Tensor, Tensor]:
    random = torch.Generator().manual_seed(seed)
    x = torch.randn(12, 3, generator=random).double() * 100
    edges = torch.randint(12, (2, 30), generator=random)
    return x, edges, torch.randn(30, N_EDGE, generator=random).double()


@hypothesis_settings(max_examples=50, deadline=None)
@given(angle=st.floats(-math.pi, math.pi), seed=st.integers(0, 1000))
def test_an_event_turned_about_the_beam_has_the_same_logits(angle: float, seed: int) -> None:
    x, edges, attributes = some_event(seed)
    turn = torch.tensor(
        [[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]]
    ).double()
    turned = torch.cat([x[:, :2] @ turn, x[:, 2:]], dim=1)
    net = network(seed)
    with torch.no_grad():
        torch.testing.assert_close(
            net(turned, edges, attributes), net(x, edges, attributes), rtol=1e-5, atol=1e-6
        )


def test_a_mirrored_event_has_others() -> None:
    """Particles of one charge bend one way only."""
    x, edges, attributes = some_event(1)
    net = network(1)
    with torch.no_grad():
        mirrored = net(x * torch.tensor([1.0, -1.0, 1.0]), edges, attributes)
        assert not torch.allclose(mirrored, net(x, edges, attributes), rtol=1e-3)


def test_a_moved_event_has_others() -> None:
    """The beam line is known to the network: only turns about it are a symmetry."""
    x, edges, attributes = some_event(2)
    net = network(2)
    with torch.no_grad():
        moved = net(x + torch.tensor([100.0, 0.0, 0.0]), edges, attributes)
        assert not torch.allclose(moved, net(x, edges, attributes), rtol=1e-3)


@pytest.mark.parametrize("inputs", [["r", "z"], ["x", "r", "y"], ["y", "x"], ["x", "y", "phi"]])
def test_inputs_that_would_break_the_symmetry_are_refused(inputs: list[str]) -> None:
    message = (
        rf"hit_inputs: \[{', '.join(inputs)}\] is not allowed: the network equivariant needs x, y "
        "first"
    )
    with pytest.raises(SettingsError, match=message):
        tiny_recipe(gnn__network={"use": "equivariant"}, gnn__hit_inputs=inputs)
