"""How the other files of this folder time a piece of work."""

import time
from collections.abc import Callable


def best_time(work: Callable[[], object], repeat: int) -> float:
    """CPU seconds of the fastest run, after one that compiles."""
    work()
    times = []
    for _ in range(repeat):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)
