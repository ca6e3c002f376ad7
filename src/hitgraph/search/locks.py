"""Locks that end with the process that holds them, also on a disk that machines share."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hitgraph.files import cannot_write


@contextmanager
def locked(path: Path, wait: bool = True) -> Iterator[bool]:
    """Hold the lock file `path`; whether it is held, always true with `wait`.

    Raises HitgraphError where the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("ab")
    except OSError as error:
        raise cannot_write(path, error) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True
