"""One function over many items, in this process or shared among several of this machine."""

import contextlib
import multiprocessing
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Generic

from hitgraph.errors import HitgraphError, InputError
from hitgraph.workers.answer import Item, Lost, Result, attempt, attempt_apart, raised
from hitgraph.workers.told import Told, tell


def each(
    function: Callable[[Item], Result], items: Sequence[Item], workers: int = 1
) -> Generator[tuple[Item, Result | InputError], None, None]:
    """Yield every item with what `function` returned for it, as they are done.

    What goes wrong at one item is yielded as InputError in place of a result: a bad event, no
    memory left, a process that died. A HitgraphError of another kind, such as a full disk, stops
    the run. With several workers, function, items and results have to be picklable. Ctrl-C lets
    the processes end the items that they are at and starts no other.
    """
    if workers == 1 or len(items) <= 1:
        for item in items:
            yield item, raised(attempt(function, item))
        return
    yield from each_apart(function, items, workers)


def each_apart(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    workers: int = 1,
    patient: bool = True,
) -> Generator[tuple[Item, Result | InputError], None, None]:
    """As `each`, in processes of their own even where it is one.

    The function is sent to each process once, which may keep there what it needs again. When
    the caller stops and is not `patient`, the processes that are at work are killed.
    """
    queue = deque(items)
    said: set[str] = set()
    crew: list[_Worker[Item, Result]] = []
    try:
        while queue or any(worker.at_work for worker in crew):
            while queue and len(crew) < min(workers, len(items)):
                crew.append(_Worker(function))
                crew[-1].start(queue.popleft())
            for worker in crew:
                if queue and not worker.at_work:
                    worker.start(queue.popleft())
            done = wait([worker.pipe for worker in crew if worker.at_work])
            for worker in [worker for worker in crew if worker.pipe in done]:
                item, answer, heard = worker.receive()
                if not worker.process.is_alive():
                    crew.remove(worker)
                    worker.stop(patient)
                tell(heard, said)
                yield item, raised(answer)
    finally:
        for worker in crew:
            worker.stop(patient)


class _Worker(Generic[Item, Result]):
    """A process with the function, and the item it is at work on."""

    def __init__(self, function: Callable[[Item], Result]) -> None:
        context = multiprocessing.get_context("spawn")  # threads do not survive a fork
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(function, theirs), daemon=True)
        with _ignoring_interrupts():  # inherited by the process from its first moment on
            self.process.start()
        theirs.close()
        self._items: list[Item] = []  # the one that it is at

    @property
    def at_work(self) -> bool:
        return bool(self._items)

    def start(self, item: Item) -> None:
        self._items.append(item)
        with contextlib.suppress(BrokenPipeError):  # it died; receive() will say so
            self.pipe.send(item)

    def receive(self) -> tuple[Item, Result | HitgraphError, list[Told]]:
        """The item that it was at, what became of it, and what was said."""
        item = self._items.pop()
        try:
            answer, heard = self.pipe.recv()
        except (EOFError, ConnectionResetError):
            self.process.join()
            code = self.process.exitcode
            killed = ": killed, as the system does where memory runs out" if code == -9 else ""
            return item, Lost(f"its process died (exit status {code}{killed})"), []
        return item, answer, heard

    def stop(self, patient: bool) -> None:
        self.pipe.close()  # it ends by itself when it is done with its item
        if self.at_work and not patient:
            self.process.kill()
        self.process.join()


@contextlib.contextmanager
def _ignoring_interrupts() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # no signals to handle here
        yield
        return
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


def _work(function: Callable[[Item], Result], pipe: Connection) -> None:
    """The process: items in, results or reasons of failure out.

    It was started deaf to Ctrl-C, which reaches the parent; that ends it and tidies up.
    """
    while True:
        try:
            item: Item = pipe.recv()
            pipe.send(attempt_apart(function, item))
        except (EOFError, BrokenPipeError, ConnectionResetError):  # the parent wants no more
            return
