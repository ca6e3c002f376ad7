"""Who computes: the compiled kernels of the host, or torch on whatever device the data is on."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor

_torch_only = False


def for_host(tensor: Tensor) -> bool:
    """Whether the numba kernels work on this data; if not, the operations in torch do.

    The only place where that is decided. The kernels need memory of the host, so what lies on a
    GPU stays there, from the hits of an event to its tracks.
    """
    return tensor.device.type == "cpu" and not _torch_only


@contextmanager
def torch_only(wanted: bool = True) -> Iterator[None]:
    """Inside it torch computes everything in this process, on the CPU too (or no longer).

    For tests, which so take the way of a GPU on a machine without one.
    """
    global _torch_only
    before, _torch_only = _torch_only, wanted
    try:
        yield
    finally:
        _torch_only = before
