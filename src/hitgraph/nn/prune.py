"""Weights that are held on a grid, or at zero, while a network learns; and which ones go.

Both are parametrisations of torch: whoever reads `layer.weight`, the kernels too, gets what it will
be in the end. torch.nn.utils.prune writes it in the forward pass of the layer only, which kernels
do not take.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from hitgraph.nn.quantise import FLOAT, WeightGrid, bits_of_layers, linear_layers

__all__ = ["bit_operations", "constrained", "count_weights", "prune_smallest"]


class Kept(nn.Module):
    """Parametrisation of weights of which some are zero for good."""

    kept: Tensor  # bool, of the shape of the weights

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.register_buffer("kept", torch.ones_like(weight, dtype=torch.bool))

    def forward(self, weight: Tensor) -> Tensor:
        return weight * self.kept


@contextmanager
def constrained(network: nn.Module, bits: Sequence[int]) -> Iterator[None]:
    """Inside, weights of linear layers are on grids of so many bits, and can be pruned.

    Afterwards they are plain weights with the values that they had. Raises SettingsError where
    `bits` has neither one number nor one for each layer.
    """
    each = bits_of_layers(network, bits, "training.quantise.weights")
    layers = linear_layers(network)
    for layer, own in zip(layers, each, strict=True):
        parametrize.register_parametrization(layer, "weight", Kept(layer.weight))
        if own != FLOAT:
            parametrize.register_parametrization(layer, "weight", WeightGrid(own))
    try:
        yield
    finally:
        for layer in layers:
            parametrize.remove_parametrizations(layer, "weight")


def prune_smallest(network: nn.Module, share: float) -> None:
    """That share of the weights that are left, the smallest of all layers together, are zero.

    Inside of `constrained` only. Magnitudes are those before the grid.
    """
    masks, sizes = [], []
    for layer in linear_layers(network):
        weights: Any = layer.parametrizations.weight  # type: ignore[union-attr]
        masks.append(weights[0].kept)
        sizes.append(weights.original.detach().abs())
    left = torch.cat([size[mask] for size, mask in zip(sizes, masks, strict=True)])
    n_gone = round(share * len(left))
    if n_gone:
        threshold = torch.kthvalue(left, n_gone).values
        for size, mask in zip(sizes, masks, strict=True):
            mask &= size > threshold


def count_weights(network: nn.Module) -> tuple[int, int]:
    """Of its linear layers: weights that are not zero, and all."""
    weights = [layer.weight for layer in linear_layers(network)]
    return sum(int(one.count_nonzero()) for one in weights), sum(one.numel() for one in weights)


def bit_operations(
    network: nn.Module, weights: Sequence[int] = (FLOAT,), activations: Sequence[int] = (FLOAT,)
) -> int:
    """Of one pass through each linear layer: bits of weight times bits of input, summed over the
    weights that are not zero, as qonnx counts them. `weights` and `activations` as in training.
    """
    of_weights = bits_of_layers(network, weights, "training.quantise.weights")
    of_inputs = bits_of_layers(network, activations, "training.quantise.activations")
    each = zip(linear_layers(network), of_weights, of_inputs, strict=True)
    return sum(int(layer.weight.count_nonzero()) * w * a for layer, w, a in each)
