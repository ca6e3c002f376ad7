"""Work in a process of its own: nothing done before is left in its memory, caches or threads."""

import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

from hitgraph.errors import HitgraphError

Tell = Callable[[str], None]
"""Takes a line that says what has just been done."""
Work = Callable[[Any, Tell, Connection], Any]
"""Takes a job, where to tell of its progress, and the line to the parent; returns a result."""

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)
TOLD, DONE, REFUSED, BROKEN = "told", "done", "refused", "broken"


def threads_environment(threads: int) -> dict[str, str]:
    """Variables that keep every library of a new process to that many threads."""
    return dict.fromkeys(THREAD_VARIABLES, str(threads))


def run_apart(
    work: Work, job: object, environment: Mapping[str, str], tell: Tell = lambda _: None
) -> Any:
    """`work(job, ...)` in a new process with these variables set; the result comes back.

    Raises the HitgraphError that the work raised, or one that says that the process died.
    """
    with Child(work, job, environment) as child:
        return child.result(tell)


class Child:
    """A process at work; leaving the `with` block ends it."""

    def __init__(self, work: Work, job: object, environment: Mapping[str, str]) -> None:
        context = multiprocessing.get_context("spawn")  # threads do not survive a fork
        self.line, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, work, job), daemon=True)
        with _variables(environment):
            self.process.start()
        theirs.close()

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.exitcode is None:
            self.process.join(0.5)  # a finished one is about to go
            self.process.kill()
        self.process.join()
        self.line.close()

    def wait_for(self, word: str, tell: Tell = lambda _: None) -> Any:
        """What the process sends under that word; what it tells before is passed on."""
        while True:
            try:
                kind, content = self.line.recv()
            except (EOFError, ConnectionResetError):
                self.process.join()
                raise HitgraphError(
                    f"the measuring process ended with status {self.process.exitcode} before it "
                    "was done: it was killed, perhaps for want of memory; take smaller events"
                ) from None
            if kind == word:
                return content
            if kind == TOLD:
                tell(content)
            elif kind == REFUSED:
                raise content
            elif kind == BROKEN:
                raise RuntimeError(f"in the measuring process:\n{content}")

    def result(self, tell: Tell = lambda _: None) -> Any:
        """What the work returned."""
        return self.wait_for(DONE, tell)


def _serve(line: Connection, work: Work, job: object) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    try:
        line.send((DONE, work(job, lambda text: line.send((TOLD, text)), line)))
    except HitgraphError as error:
        line.send((REFUSED, HitgraphError(str(error))))
    except BaseException:
        line.send((BROKEN, traceback.format_exc()))


@contextmanager
def _variables(values: Mapping[str, str]) -> Iterator[None]:
    """Environment variables for the time of a `with` block."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
