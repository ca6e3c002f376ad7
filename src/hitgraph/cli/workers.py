"""One function over many items, in this process or shared among several."""

import concurrent.futures
import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from hitgraph.errors import InputError

Item = TypeVar("Item")
Result = TypeVar("Result")


def each(
    function: Callable[[Item], Result], items: Sequence[Item], workers: int = 1
) -> Iterator[tuple[Item, Result | InputError]]:
    """Yield every item with what `function` returned for it, as they are done.

    An InputError, one bad event, is yielded in place of a result; any other error stops the
    run. With several workers, function, items and results have to be picklable. Ctrl-C lets
    the workers finish the items they are at and starts no other.
    """
    if workers == 1 or len(items) <= 1:
        for item in items:
            yield item, _result_or_error(function, item)
        return
    with concurrent.futures.ProcessPoolExecutor(
        min(workers, len(items)),
        mp_context=multiprocessing.get_context("spawn"),  # threads do not survive a fork
        initializer=_ignore_interrupt,
    ) as pool:
        futures = {pool.submit(_result_or_error, function, item): item for item in items}
        try:
            for future in concurrent.futures.as_completed(futures):
                yield futures[future], future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _result_or_error(function: Callable[[Item], Result], item: Item) -> Result | InputError:
    try:
        return function(item)
    except InputError as error:
        return error


def _ignore_interrupt() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
