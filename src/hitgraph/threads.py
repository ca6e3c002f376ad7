"""How many CPU threads torch and numba use, and how they keep memory."""

import ctypes
import ctypes.util

import numba
import torch

from hitgraph.cores import usual_threads
from hitgraph.kernels.fork import in_forked_child

# glibc: mallopt parameters, see mallopt(3)
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3


def set_threads(number: int | None = None) -> int:
    """Let torch and numba use `number` threads and return the number.

    Without a number it is that of `hitgraph.cores.usual_threads`. A process that was forked has
    one, see hitgraph.kernels.fork.
    """
    number = 1 if in_forked_child() else number or usual_threads()
    number = max(1, min(number, numba.config.NUMBA_NUM_THREADS))
    if not in_forked_child():
        numba.set_num_threads(number)  # before torch: where it starts, it sets those of OpenMP
    torch.set_num_threads(number)
    keep_freed_memory()
    return number


def keep_freed_memory() -> None:
    """Tell glibc not to hand large freed blocks back to the system.

    The networks allocate the same large temporaries again and again; without this every one of
    them is paged in anew (measured 1.3 to 2 times slower). Does nothing on other systems.
    """
    name = ctypes.util.find_library("c")
    libc = ctypes.CDLL(name) if name else None
    if libc is not None and hasattr(libc, "mallopt"):
        libc.mallopt(_M_MMAP_THRESHOLD, 1 << 30)
        libc.mallopt(_M_TRIM_THRESHOLD, (1 << 31) - 1)
        libc.mallopt(_M_TOP_PAD, 64 << 20)
