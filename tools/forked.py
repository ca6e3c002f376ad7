"""Commands in processes forked from one that has imported everything, and ended at some moment.

A command needs seconds to import torch and a tenth of that for its work on small events: ended at a
random moment, most would be ended while they start.
"""

import contextlib
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from hitgraph.cli import INTERRUPTED, main

PRELOADED = (
    *("hitgraph.reconstruct", "hitgraph.simulate", "hitgraph.studies.misalignment"),
    *("hitgraph.training.train", "hitgraph.evaluation.style", "pyarrow.parquet"),
)
OFTEN = 0.01  # s between two looks at the folder


class Moment(NamedTuple):
    """When a command is ended: after it has written so many files, and so many seconds more."""

    files: int
    seconds: float
    number: signal.Signals


def run_command(
    arguments: Sequence[str], out: Path, moment: Moment | None = None
) -> tuple[int, str]:
    """Run a command of hitgraph that writes to `out`, and end it at a moment where one is given.

    Returns its exit status, -N where it was ended by signal N, and what it said last.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOADED))
    with tempfile.NamedTemporaryFile() as said:
        process = context.Process(target=_command, args=(list(arguments), said.name))
        n_before = count_files(out)
        process.start()
        if moment is not None:
            while process.is_alive() and count_files(out) < n_before + moment.files:
                time.sleep(OFTEN)
            process.join(moment.seconds)
            if process.is_alive() and process.pid is not None:
                os.kill(process.pid, moment.number)
        process.join()
        assert process.exitcode is not None
        return process.exitcode, said.read().decode(errors="replace")[-1000:]


def count_files(folder: Path) -> int:
    """Files below a folder, which another process may change."""
    return sum(1 for _ in _files(folder))


def _files(folder: Path) -> Iterator[str]:
    for _, _, names in os.walk(folder):
        yield from (name for name in names if not name.startswith("."))


def _command(arguments: list[str], said: str) -> None:
    with Path(said).open("ab", buffering=0) as stream:
        for number in (sys.stdout.fileno(), sys.stderr.fileno()):
            os.dup2(stream.fileno(), number)
    status = INTERRUPTED
    with contextlib.suppress(KeyboardInterrupt):  # while it ends
        status = main(arguments)
    sys.exit(status)
