"""Work of kernels dealt out to threads; the kernels let go of Python's lock.

A thread that sleeps takes a tenth of a millisecond to wake up, and it sleeps whenever another one
holds Python's lock. So tasks are few and large, and the calling thread takes its share of them.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache
from typing import TypeVar

import torch

T = TypeVar("T")
R = TypeVar("R")

_SHARES = 6  # tasks a thread; more than one, since some take longer than others


def in_blocks(
    task: Callable[[int, int], R], n: int, least: int, threads: int | None = None
) -> list[R]:
    """The results of task(begin, end) for ranges that make up [0, n), in order.

    They have the length `least`, what is worth a task, or a multiple of it.
    """
    threads = threads or torch.get_num_threads()
    size = least * max(1, -(-n // (least * _SHARES * threads))) if threads > 1 else max(n, 1)
    return in_parallel(lambda lo: task(lo, min(lo + size, n)), range(0, n, size), threads)


def in_parallel(task: Callable[[T], R], inputs: Iterable[T], threads: int | None = None) -> list[R]:
    """The results of a task on each input, in order; by as many threads as torch has, or fewer."""
    given = list(inputs)
    threads = min(threads or torch.get_num_threads(), len(given))
    if threads <= 1:
        return [task(one) for one in given]
    results: dict[int, R] = {}
    places = iter(range(len(given)))  # whoever is free takes the next

    def work() -> None:
        for place in places:
            results[place] = task(given[place])

    others = [_pool(threads - 1).submit(work) for _ in range(threads - 1)]
    try:
        work()
    finally:
        wait(others)
    for other in others:
        other.result()
    return [results[place] for place in range(len(given))]


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, "hitgraph")
