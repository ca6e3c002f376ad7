"""Tables that never change, on the device where they are used."""

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor


class Constants:
    """Arrays that are copied to a device when they are first asked for there, and kept."""

    def __init__(self, *arrays: NDArray[Any]) -> None:
        self._arrays = arrays
        self._copies: dict[torch.device, tuple[Tensor, ...]] = {}

    def on(self, device: torch.device) -> tuple[Tensor, ...]:
        """The arrays as tensors; they are not to be written to."""
        if device not in self._copies:
            copies = (torch.from_numpy(array).to(device) for array in self._arrays)
            self._copies[device] = tuple(copies)
        return self._copies[device]
