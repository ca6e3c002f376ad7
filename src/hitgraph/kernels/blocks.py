"""Work of kernels dealt out to threads; the kernels let go of Python's lock."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

T = TypeVar("T")
R = TypeVar("R")


def in_blocks(
    task: Callable[[int, int], R], n: int, size: int, threads: int | None = None
) -> list[R]:
    """The results of task(begin, end) for the ranges of `size` that make up [0, n), in order."""
    return in_parallel(lambda lo: task(lo, min(lo + size, n)), range(0, n, size), threads)


def in_parallel(task: Callable[[T], R], inputs: Iterable[T], threads: int | None = None) -> list[R]:
    """The results of a task on each input, in order; by as many threads as torch has, or fewer."""
    threads = threads or torch.get_num_threads()
    if threads == 1:
        return [task(one) for one in inputs]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(task, inputs))
