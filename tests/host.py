"""Whether what is computed on a device stays there; tried on the CPU as well."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch.overrides import TorchFunctionMode

from hitgraph import picks

SMALL = 64  # numbers that may be read at once, as a scalar is
TO_HOST = ("cpu", "numpy", "__array__", "__dlpack__")
FROM_HOST = ("tensor", "as_tensor")


class NothingOnTheHost(TorchFunctionMode):
    """Refuses every way of tensors between the device and the host but the reading of scalars."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: Any = (),
        kwargs: Any = None,
    ) -> Any:
        name = getattr(func, "__name__", "")
        assert name not in TO_HOST, f"Tensor.{name}: a copy to the host"
        assert name not in FROM_HOST, f"torch.{name}: a copy from the host"
        if name == "tolist":
            assert args[0].numel() <= SMALL, f"a list of {args[0].numel()} numbers on the host"
        result = func(*args, **(kwargs or {}))
        if name == "to":
            assert result.device == args[0].device, "Tensor.to another device"
        return result


@contextmanager
def nothing_on_the_host() -> Iterator[None]:
    refused = AssertionError("torch.from_numpy: a copy from the host")  # modes do not see it
    with (
        NothingOnTheHost(),
        patch.object(torch, "from_numpy", side_effect=refused),
        patch.object(picks, "_by_numpy", return_value=False),  # as on a device
    ):
        yield
