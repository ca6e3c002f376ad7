"""Building blocks that every network of the package shares."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import batch_norm


class Standardise(nn.Module):
    """(x - mean) / std by column, learnt once from data; the constants travel with the weights."""

    mean: Tensor
    std: Tensor

    def __init__(self, n_features: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(n_features))
        self.register_buffer("std", torch.ones(n_features))

    def learn(self, sample: Tensor) -> None:
        """Set mean and standard deviation from `sample` (n_rows, n_features); two rows at least."""
        if len(sample) < 2:
            return
        self.mean.copy_(sample.mean(0))
        self.std.copy_(sample.std(0).clamp_min(1e-6))

    def forward(self, x: Tensor) -> Tensor:
        # Clamped: one outlier (a hit far outside the training range) must not swamp its neighbours.
        return ((x - self.mean) / self.std).clamp(-8.0, 8.0)


def mlp(sizes: list[int], activation: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    """Linear layers of the given sizes with `activation` between them, none after the last."""
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(sizes):
        layers += [nn.Linear(n_in, n_out), activation()]
    return nn.Sequential(*layers[:-1])


class BatchNorm(nn.BatchNorm1d):
    """Batch normalisation that takes a batch of one row, or none, as in inference."""

    def forward(self, x: Tensor) -> Tensor:
        if len(x) > 1:
            return super().forward(x)
        return batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias)


Norm = Literal["layer", "batch"]
NORMS: dict[Norm, Callable[[int], nn.LayerNorm | BatchNorm]] = {
    "layer": nn.LayerNorm,
    "batch": BatchNorm,
}


def normalised_mlp(sizes: list[int], norm: Norm = "layer") -> nn.Sequential:
    """Linear layers of the given sizes, each normalised before its tanh."""
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(sizes):
        layers += [nn.Linear(n_in, n_out), NORMS[norm](n_out), nn.Tanh()]
    return nn.Sequential(*layers)


def sum_at(messages: Tensor, place: Tensor, n_places: int) -> Tensor:
    """Sums (n_places, width) of the messages (n, width) by their places (n,) int64.

    In mixed precision they are in 32 bits: many messages meet at a hit.
    """
    if not torch.is_grad_enabled():
        return _sums(messages, place, n_places)
    sums: Tensor = _SumAt.apply(messages, place, n_places)  # type: ignore[no-untyped-call]
    return sums


def _sums(messages: Tensor, place: Tensor, n_places: int) -> Tensor:
    messages = messages.to(torch.promote_types(messages.dtype, torch.float32))
    return messages.new_zeros(n_places, messages.shape[1]).index_add(0, place, messages)


class _SumAt(torch.autograd.Function):
    """`index_add` would keep the messages of every edge for its backward pass, in 32 bits."""

    @staticmethod
    def forward(ctx: Any, messages: Tensor, place: Tensor, n_places: int) -> Tensor:
        ctx.save_for_backward(place)
        ctx.dtype = messages.dtype
        return _sums(messages, place, n_places)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (place,) = ctx.saved_tensors
        return gradient.to(ctx.dtype).index_select(0, place), None, None


def logits_of(layers: nn.Sequential, x: Tensor) -> Tensor:
    """(n_rows, n_in) -> (n_rows,) of an MLP with one output.

    The last layer computes in the precision of its weights, in mixed precision too: a logit in 16
    bits would have steps of a few hundredths.
    """
    last = layers[-1]
    assert isinstance(last, nn.Linear)
    hidden = layers[:-1](x)
    with torch.autocast(x.device.type, enabled=False):
        logits: Tensor = last(hidden.to(last.weight.dtype)).squeeze(-1)
    return logits


def as_numpy(tensor: Tensor) -> NDArray[np.float32]:
    """Weights as the kernels of the host read them."""
    array: NDArray[np.float32] = tensor.detach().cpu().numpy()
    return array
