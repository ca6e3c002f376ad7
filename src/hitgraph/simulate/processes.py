"""Events shared among worker processes of this machine."""

import contextlib
import logging
import multiprocessing
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection, wait
from pathlib import Path

from hitgraph.simulate.folder import EventSummary, discard
from hitgraph.simulate.outcome import ATTEMPTS, SimulationRun
from hitgraph.simulate.settings import SimulationSettings
from hitgraph.simulate.work import Maker

log = logging.getLogger(__name__)


class _Worker:
    """A process with a simulator, and the event it is at work on."""

    def __init__(self, settings: SimulationSettings, folder: Path) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(settings, folder, theirs), daemon=True)
        with _ignoring_interrupts():  # inherited by the process from its first moment on
            self.process.start()
        theirs.close()
        self.number: int | None = None

    def start(self, number: int) -> None:
        self.number = number
        with contextlib.suppress(BrokenPipeError):  # it died; receive() will say so
            self.pipe.send(number)

    def receive(self) -> EventSummary | str:
        """The finished event's summary, or why it failed."""
        try:
            answer: EventSummary | str = self.pipe.recv()
        except (EOFError, ConnectionResetError):
            self.process.join()
            return f"its process died (exit status {self.process.exitcode})"
        return answer

    def stop(self) -> None:
        self.pipe.close()  # an idle worker ends by itself
        if self.number is not None:
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


def share(
    settings: SimulationSettings,
    folder: Path,
    queue: deque[int],
    n_workers: int,
    result: SimulationRun,
    advance: Callable[[], None],
) -> None:
    """Make the events of `queue` in `n_workers` processes.

    An event that fails, or whose process dies, is tried again and then reported in `result`.
    """
    attempts: dict[int, int] = {}
    workers: list[_Worker] = []
    try:
        while queue or any(worker.number is not None for worker in workers):
            for worker in workers:
                if queue and worker.number is None:
                    worker.start(queue.popleft())
            while queue and len(workers) < n_workers:
                workers.append(_Worker(settings, folder))
                workers[-1].start(queue.popleft())
            ready = wait([worker.pipe for worker in workers if worker.number is not None])
            for worker in [worker for worker in workers if worker.pipe in ready]:
                answer, number = worker.receive(), worker.number
                assert number is not None
                worker.number = None
                if not worker.process.is_alive():
                    workers.remove(worker)
                    worker.stop()
                if isinstance(answer, EventSummary):
                    result.done.append(answer)
                    advance()
                    continue
                discard(folder, number)
                attempts[number] = attempts.get(number, 0) + 1
                if attempts[number] < ATTEMPTS:
                    log.warning("event %d failed (%s), trying again", number, answer)
                    queue.append(number)
                else:
                    result.failed[number] = answer
                    advance()
    finally:
        for worker in workers:
            worker.stop()
            if worker.number is not None:
                discard(folder, worker.number)


def _work(settings: SimulationSettings, folder: Path, pipe: Connection) -> None:
    """The worker process: event numbers in, summaries or reasons of failure out.

    It was started deaf to Ctrl-C, which reaches the parent; that ends it and tidies up.
    """
    maker = Maker(settings, folder)
    while True:
        try:
            number: int = pipe.recv()
        except EOFError:
            return
        pipe.send(maker.make(number))
