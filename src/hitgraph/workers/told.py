"""What a worker has to say to the user: log records that come back with its answers."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

PACKAGE = logging.getLogger("hitgraph")


@dataclass(frozen=True)
class Told:
    """A record of the log; of those with one `once` the first is for the user."""

    logger: str
    level: int
    text: str
    once: str


@contextmanager
def listening() -> Iterator[list[Told]]:
    """A list of what is logged in the `with` block from warnings on, which goes nowhere else."""
    ear = _Ear(logging.WARNING)
    before = PACKAGE.propagate
    PACKAGE.addHandler(ear)
    PACKAGE.propagate = False
    try:
        yield ear.heard
    finally:
        PACKAGE.propagate = before
        PACKAGE.removeHandler(ear)


def tell(heard: list[Told], said: set[str]) -> None:
    """Log what workers said, each `once` once; `said` holds those of a run."""
    for one in heard:
        if one.once not in said:
            said.add(one.once)
            logging.getLogger(one.logger).log(one.level, "%s", one.text)


class _Ear(logging.Handler):
    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.heard: list[Told] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        once: Any = getattr(record, "once", text)
        self.heard.append(Told(record.name, record.levelno, text, str(once)))
