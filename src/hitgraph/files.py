"""Writing files so that a reader never sees half of one."""

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from hitgraph.errors import HitgraphError


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success rename it to `path`, else remove it.

    Interruption (Ctrl-C) and a full disk leave whatever stood at `path` untouched.
    Raises HitgraphError when the folder cannot be written or the disk is full.
    """
    target = Path(path)
    temporary: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(f".{target.suffix}.part", f".{target.name}.", target.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(target)
    except OSError as error:
        raise cannot_write(target, error) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def cannot_write(target: Path, error: OSError) -> HitgraphError:
    """What a user is told when writing `target` failed."""
    if error.errno == errno.ENOSPC:
        return HitgraphError(
            f"{target}: the disk is full; nothing was written there. Free some space and rerun"
        )
    return HitgraphError(f"{target}: cannot be written ({error.strerror or error})")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
