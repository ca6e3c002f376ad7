"""Who computes: the compiled kernels of the host, or torch on whatever device the data is on."""

from typing import Literal

from torch import Tensor

# auto: the kernels where the data is in the memory of the host, torch elsewhere; plain: torch
# everywhere; cpu: the kernels, for data that is in the memory of the host.
Backend = Literal["auto", "plain", "cpu"]


def for_host(tensor: Tensor, backend: Backend = "auto") -> bool:
    """Whether the numba kernels work on this data; if not, the operations in torch do.

    The only place where that is decided. The kernels need memory of the host, so what lies on a
    GPU stays there, from the hits of an event to its tracks.
    """
    return tensor.device.type == "cpu" and backend != "plain"
