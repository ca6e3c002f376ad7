"""How the other files of this folder time a piece of work."""

import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def cpu_time(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> tuple[T, float]:
    """What a piece of work gives, and its CPU seconds."""
    start = time.process_time()
    found = work(*args, **kwargs)
    return found, time.process_time() - start


def best_time(work: Callable[[], object], repeat: int) -> float:
    """CPU seconds of the fastest run, after one that compiles."""
    work()
    return min(cpu_time(work)[1] for _ in range(repeat))
