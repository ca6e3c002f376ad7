"""Tensors that come out of a file: each is checked before anything is done with it."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from hitgraph.errors import HitgraphError, InputError, SettingsError
from hitgraph.text import listed

__all__ = [
    "NOT_NEGATIVE",
    "SHARE",
    "build_network",
    "learnt_tensors",
    "load_learnt",
    "load_network",
    "network_tensors",
    "number",
    "refuse_others",
    "take",
    "take_number",
]

N = TypeVar("N", bound=nn.Module)

SHARE, NOT_NEGATIVE = (0.0, 1.0), (0.0, None)  # bounds of numbers
MAX_SIZE = ("HITGRAPH_MAX_SIZE", 16_384)  # of a width, a number of layers or rounds
MAX_PARAMETERS = ("HITGRAPH_MAX_PARAMETERS", 1_000_000_000)  # of a network


def take(
    tensors: Mapping[str, Tensor],
    name: str,
    shape: Sequence[int | None],
    dtype: torch.dtype = torch.float32,
    *,
    low: float | None = None,
    high: float | None = None,
) -> Tensor:
    """The tensor of that name, which is of this shape (None: any length) and type, and finite.

    `low` and `high` bound its values. Raises InputError otherwise.
    """
    if name not in tensors:
        raise InputError(f"{name}: is missing; there is: {listed(sorted(tensors))}")
    tensor = tensors[name]
    wanted = "(" + ", ".join("any" if n is None else str(n) for n in shape) + ")"
    fits = tensor.ndim == len(shape) and all(
        n in (None, found) for n, found in zip(shape, tensor.shape, strict=True)
    )
    if not fits or tensor.dtype != dtype:
        raise InputError(
            f"{name}: is {tensor.dtype} of shape {tuple(tensor.shape)}, expected {dtype} of "
            f"shape {wanted}"
        )
    if dtype.is_floating_point and not bool(torch.isfinite(tensor).all()):
        bad = int((~torch.isfinite(tensor)).sum())
        raise InputError(f"{name}: {bad} of its {tensor.numel()} numbers are infinite or NaN")
    if tensor.numel() and (low is not None or high is not None):
        lowest, highest = (float(end) for end in tensor.aminmax())
        if low is not None and lowest < low:
            raise InputError(f"{name}: holds {lowest:g}, at least {low:g} is allowed")
        if high is not None and highest > high:
            raise InputError(f"{name}: holds {highest:g}, at most {high:g} is allowed")
    return tensor


def take_number(
    tensors: Mapping[str, Tensor], name: str, low: float | None = None, high: float | None = None
) -> float:
    """A single number, kept as float64."""
    return float(take(tensors, name, (), torch.float64, low=low, high=high))


def number(value: float) -> Tensor:
    """As `take_number` reads it."""
    return torch.tensor(value, dtype=torch.float64)


def refuse_others(tensors: Mapping[str, Tensor], known: Sequence[str]) -> None:
    """Raise InputError where there is a tensor that the stage does not know."""
    for name in tensors:
        if name not in known:
            raise InputError(f"{name[:200]}: unknown tensor; known: {listed(known)}")


def build_network(build: Callable[[], N], settings: Any, section: str = "network") -> N:
    """A network, after its size is found to be allowed; nothing large is made before that.

    `settings` is the dataclass its sizes stand in, which is this section of the stage's ("": the
    stage's own). Raises SettingsError naming key and limit.
    """
    check_network(build, settings, section)
    return build()


def check_network(build: Callable[[], nn.Module], settings: Any, section: str = "network") -> None:
    """Raise SettingsError naming the limit where `build_network` would; nothing large is made."""
    _check_sizes(settings, section)
    with torch.device("meta"):
        n_parameters = sum(one.numel() for one in build().parameters())
    key, most = MAX_PARAMETERS
    if n_parameters > limit(MAX_PARAMETERS):
        raise SettingsError(
            f"{section or 'hidden'}: a network of {n_parameters:,} parameters is not allowed, at "
            f"most {limit(MAX_PARAMETERS):,}: raise it with the environment variable {key} "
            f"(default {most:,})"
        )


def load_network(
    build: Callable[[], N],
    tensors: Mapping[str, Tensor],
    prefix: str,
    settings: Any,
    section: str = "network",
) -> N:
    """The network whose state dict stands in `tensors` under `prefix.`, ready to run.

    `settings` and `section` as of `build_network`. Raises InputError where a tensor is missing, of
    another shape or type, or not finite, SettingsError where a size is not allowed.
    """
    _check_sizes(settings, section)
    with torch.device("meta"):
        network = build()
    state = {}
    for key, wanted in network.state_dict().items():
        low = 1e-30 if key.endswith("std") else None  # a scale is divided by
        state[key] = take(tensors, f"{prefix}.{key}", wanted.shape, wanted.dtype, low=low)
    for name in tensors:
        if name.startswith(f"{prefix}.") and name[len(prefix) + 1 :] not in state:
            raise InputError(f"{name[:200]}: the network has no such tensor")
    network.load_state_dict(state, assign=True)
    network.requires_grad_(False)
    return network.eval()


def network_tensors(network: nn.Module, prefix: str) -> dict[str, Tensor]:
    """The state dict of a network as `load_network` reads it."""
    return {f"{prefix}.{key}": value for key, value in network.state_dict().items()}


def load_learnt(
    build: Callable[[], N],
    tensors: Mapping[str, Tensor],
    device: torch.device,
    settings: Any,
    **bounds: tuple[float | None, float | None],
) -> tuple[N, list[float]]:
    """One network and the numbers beside it: what `learnt_tensors` gave, and nothing else.

    `settings` is the dataclass that the network's sizes stand in; `bounds` names the numbers, in
    the order they are returned in, with the lowest and the highest value allowed (None: any).
    Raises InputError where a tensor is missing, does not fit or is unknown.
    """
    network = load_network(build, tensors, "network", settings)
    refuse_others(tensors, [*bounds, *network_tensors(network, "network")])
    numbers = [take_number(tensors, name, low, high) for name, (low, high) in bounds.items()]
    return network.to(device), numbers


def learnt_tensors(network: nn.Module, **numbers: float) -> dict[str, Tensor]:
    """One network and the numbers beside it, as `load_learnt` reads them."""
    own = {name: number(value) for name, value in numbers.items()}
    return {**network_tensors(network, "network"), **own}


def limit(of: tuple[str, int]) -> int:
    """A limit: its default, or what the environment says."""
    key, default = of
    text = os.environ.get(key, "")
    if not text:
        return default
    if not text.isdigit():
        raise HitgraphError(f"environment variable {key}: {text!r} is no whole number")
    return int(text)


def _check_sizes(settings: Any, section: str) -> None:
    key, default = MAX_SIZE
    most = limit(MAX_SIZE)
    for field in fields(settings):
        value = getattr(settings, field.name)
        if isinstance(value, int) and value > most:
            name = f"{section}.{field.name}" if section else field.name
            raise SettingsError(
                f"{name}: {value} is not allowed, at most {most}: raise it with the "
                f"environment variable {key} (default {default})"
            )
