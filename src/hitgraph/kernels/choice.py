"""Who computes: the compiled kernels of the host, Triton's on a GPU, or torch wherever data is."""

from functools import cache
from importlib.util import find_spec
from typing import Literal

from torch import Tensor

# auto: the kernels where the data is in the memory of the host, Triton's on a GPU where it is
# installed and has the operation, torch elsewhere; plain: torch everywhere; cpu: the kernels, for
# data that is in the memory of the host; gpu: Triton's, on the host by its interpreter.
Backend = Literal["auto", "plain", "cpu", "gpu"]


def for_host(tensor: Tensor, backend: Backend = "auto") -> bool:
    """Whether the numba kernels work on this data; if not, the operations in torch do.

    The only place where that is decided. The kernels need memory of the host, so what lies on a
    GPU stays there, from the hits of an event to its tracks.
    """
    return tensor.device.type == "cpu" and backend not in ("plain", "gpu")


def for_gpu(tensor: Tensor, backend: Backend = "auto") -> bool:
    """Whether the kernels in Triton work on this data, where an operation has them."""
    return backend == "gpu" or (backend == "auto" and tensor.is_cuda and _has_triton())


@cache
def _has_triton() -> bool:
    return find_spec("triton") is not None  # it comes with PyTorch for CUDA on Linux
