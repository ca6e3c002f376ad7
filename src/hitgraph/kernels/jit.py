"""How kernels are compiled: four decorators."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from numba import njit
from numba.core.event import Event, install_listener, install_timer
from numba.core.event import Listener as _Listener

from hitgraph.kernels.stamp import stamp_kernels

stamp_kernels()  # before the first of them asks for its cache

# Without "nnan" and "ninf": a pair at zero distance gives infinities, which every cut refuses.
FAST = {"contract", "reassoc", "nsz", "arcp", "afn"}

# What Python calls. It may make arrays, and lets go of Python's lock, as steps do.
kernel = njit(fastmath=FAST, cache=True, error_model="numpy", nogil=True)

# What runs in the inner loops of a kernel. numba counts the references to each array that a
# function is given, with atomic operations over which cores that share arrays fight: up to two
# thirds of the time of a short function. A step does without (numba's issue 2350), so it must not
# make arrays: whoever calls it does that.
step = njit(fastmath=FAST, cache=True, error_model="numpy", nogil=True, _nrt=False)

# What is computed of a few numbers; it becomes part of the loop that uses it.
formula = njit(fastmath=FAST, error_model="numpy", inline="always")


# What gives the same to the last bit whatever it stands in: whole numbers, sums in a given order.
exact = njit(cache=True, error_model="numpy", nogil=True)


@contextmanager
def compile_time() -> Iterator[list[float]]:
    """A list that holds, behind the `with` block, the seconds that kernels were compiled in it.

    Empty where all that were used came from the cache.
    """
    seconds: list[float] = []
    with install_timer("numba:compile", seconds.append):
        yield seconds


class _OnEnd(_Listener):  # type: ignore[misc]
    def __init__(self, tell: Callable[[], None]) -> None:
        self.tell = tell

    def on_start(self, event: Event) -> None:
        pass

    def on_end(self, event: Event) -> None:  # noqa: ARG002
        self.tell()


@contextmanager
def told_of_kernels(tell: Callable[[], None]) -> Iterator[None]:
    """Inside it `tell` is called whenever a kernel has been compiled."""
    with install_listener("numba:compile", _OnEnd(tell)):
        yield
