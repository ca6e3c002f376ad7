"""Fake quantisation: numbers on a grid of few values, while gradients see no grid.

With b bits a number is one of 2^b - 1 multiples of a scale, as many on either side of zero, so that
a pruned weight is on every grid. The backward pass takes rounding for the identity, the
straight-through estimator of arXiv 1308.3432; what lies outside of the grid gets no gradient.
Weights have a scale a row (an output of the layer), what a layer is given has one.
"""

from collections.abc import Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from hitgraph.errors import SettingsError

__all__ = [
    "FLOAT",
    "InputGrid",
    "WeightGrid",
    "bits_of_layers",
    "fake_quantise",
    "has_input_grids",
    "linear_layers",
    "quantise_inputs",
    "row_scales",
]

N = TypeVar("N", bound=nn.Module)

FLOAT = 32  # bits of a number that is on no grid
SMALLEST = 1e-8  # scale times steps: of a row without weights
MOMENTUM = 0.1  # of the running mean of the largest input


def steps_of(bits: int) -> int:
    """Of a grid, on either side of zero."""
    return int(2 ** (bits - 1) - 1)


def fake_quantise(x: Tensor, scale: Tensor, bits: int) -> Tensor:
    """The nearest multiple of `scale` on the grid of so many bits; scale broadcasts to x."""
    most = steps_of(bits)
    steps = (x / scale).clamp(-most, most)
    return (steps + (steps.round() - steps).detach()) * scale


def row_scales(weight: Tensor, bits: int) -> Tensor:
    """(n_out, 1): of the weights (n_out, n_in) of a layer, the largest of a row at the end."""
    largest = weight.detach().abs().amax(dim=1, keepdim=True)
    return largest.clamp_min(SMALLEST) / steps_of(bits)


class WeightGrid(nn.Module):
    """Parametrisation of the weights of a linear layer."""

    def __init__(self, bits: int) -> None:
        super().__init__()
        self.bits = bits

    def forward(self, weight: Tensor) -> Tensor:
        return fake_quantise(weight, row_scales(weight, self.bits), self.bits)


class InputGrid(nn.Module):
    """What a layer is given, up to the running mean of the largest that it was given in training.

    The mean is kept with the weights (arXiv 1712.05877, section 3.1).
    """

    largest: Tensor  # () float32

    def __init__(self, bits: int) -> None:
        super().__init__()
        self.bits = bits
        self.register_buffer("largest", torch.zeros(()))

    @property
    def scale(self) -> Tensor:
        return self.largest.clamp_min(SMALLEST) / steps_of(self.bits)

    def forward(self, x: Tensor) -> Tensor:
        if self.training and x.numel():
            now = x.detach().abs().amax().to(self.largest.dtype)
            mean = torch.lerp(self.largest, now, MOMENTUM)
            self.largest.copy_(torch.where(self.largest > 0, mean, now))
        return fake_quantise(x, self.scale.to(x.dtype), self.bits)


def linear_layers(network: nn.Module) -> list[nn.Linear]:
    """In the order in which the network names them."""
    return [module for module in network.modules() if isinstance(module, nn.Linear)]


def bits_of_layers(network: nn.Module, bits: Sequence[int], key: str) -> list[int]:
    """Of each linear layer: `bits` has one number for all, or one each.

    Raises SettingsError naming the key where it has another number of them.
    """
    n_layers = len(linear_layers(network))
    if len(bits) == 1:
        return [bits[0]] * n_layers
    if len(bits) != n_layers:
        raise SettingsError(
            f"{key}: {len(bits)} numbers for {n_layers} linear layers: one for all, or one each"
        )
    return list(bits)


def quantise_inputs(network: N, bits: Sequence[int]) -> N:
    """The network, of which each linear layer from now on puts what it is given on a grid."""
    each = bits_of_layers(network, bits, "training.quantise.activations")
    for layer, own in zip(linear_layers(network), each, strict=True):
        if own != FLOAT:
            layer.add_module("grid", InputGrid(own))
            layer.register_forward_pre_hook(_on_grid)
    return network


def has_input_grids(network: nn.Module) -> bool:
    """Whether `quantise_inputs` has put any there."""
    return any(isinstance(module, InputGrid) for module in network.modules())


def _on_grid(layer: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
    return (layer.grid(given[0]),)  # type: ignore[operator]
