"""Writing files so that a reader never sees half of one, and reading JSON that may be damaged."""

import contextlib
import errno
import json
import os
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hitgraph.errors import HitgraphError, InputError

ROOM = 1 << 20  # bytes that a disk which is not full has left
LARGEST_JSON = 1 << 30  # bytes; a summary of a hundred thousand events has some hundred million
_DESCRIPTOR = re.compile(r"/dev/fd/(\d+)|/proc/(?:self|thread-self)/fd/(\d+)|/dev/std(out|err)")


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path; on success its content becomes that of `path`, else it is removed.

    The temporary file stands beside `path` and is renamed to it, so that interruption (Ctrl-C)
    and a full disk leave whatever stood at `path` untouched. A file that is there keeps its mode,
    and a symbolic link stays: the file that it leads to is replaced. What is no regular file
    (a pipe, a device, /dev/stdout) is written to and stays what it is.
    Raises HitgraphError when it cannot be written or the disk is full.
    """
    target = Path(path)
    temporary: Path | None = None
    try:
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        stream = _is_stream(target)
        place = target if stream else Path(os.path.realpath(target))
        folder = Path(tempfile.gettempdir()) if stream else place.parent
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(f".{place.suffix}.part", f".{place.name}.", folder)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        if stream:
            _pour(temporary, target)
        else:
            _keep_mode(temporary, place)
            temporary.replace(place)
    except OSError as error:
        raise cannot_write(target, error) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def cannot_write(target: Path, error: OSError) -> HitgraphError:
    """What a user is told when writing `target` failed: which disk is full, or which file it was.

    Where the disk of temporary files is the full one, that is said, and not that of `target`.
    """
    if error.errno == errno.ENOSPC:
        if _is_stream(target):
            return HitgraphError(f"{target}: cannot be written (it is full)")
        temporary = _temporary_folder()
        if temporary is not None and not _has_room(temporary) and _has_room(target.parent):
            return HitgraphError(
                f"{target}: was not written, because the disk of temporary files, {temporary}, is "
                "full: free some space there, or let TMPDIR name another folder"
            )
        return HitgraphError(
            f"{target}: the disk is full; nothing was written there. Free some space and rerun"
        )
    kind = InputError if error.errno == errno.EISDIR else HitgraphError  # no other file is like it
    return kind(f"{target}: cannot be written ({error.strerror or error})")


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises InputError where the file cannot be read, is no JSON, is nested too deep or too large
    to be read, or holds anything but an object {...}.
    """
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_JSON + 1)
        if len(data) > LARGEST_JSON:
            raise InputError(f"{path}: is larger than the {LARGEST_JSON} bytes that JSON may have")
        content = json.loads(data)
    except FileNotFoundError as error:
        raise InputError(f"{path}: there is no such file") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    except RecursionError as error:
        raise InputError(f"{path}: is not ours: its JSON is nested too deep") from error
    except ValueError as error:
        raise InputError(f"{path}: is not JSON ({error}): remove it or write it again") from error
    if not isinstance(content, dict):
        raise InputError(
            f"{path}: holds {type(content).__name__} where an object {{...}} is expected"
        )
    return content


def _is_stream(target: Path) -> bool:
    """Whether something is there to which one can only write: a pipe, a device."""
    if _DESCRIPTOR.fullmatch(str(target)):
        return True
    try:
        mode = target.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _pour(source: Path, target: Path) -> None:
    """Write a file's content to a pipe, a device, or an open descriptor of this process."""
    match = _DESCRIPTOR.fullmatch(str(target))
    if match is None:
        handle = os.open(target, os.O_WRONLY)
    else:
        # Not opened again: a file behind it would be written from its start.
        sys.stdout.flush()
        number = {"out": 1, "err": 2}.get(match[3]) or int(match[1] or match[2])
        handle = os.dup(number)
    with source.open("rb") as content, os.fdopen(handle, "wb") as stream:
        shutil.copyfileobj(content, stream)


def _keep_mode(temporary: Path, place: Path) -> None:
    """Give the new file the mode and owner of the one that it replaces."""
    try:
        before = place.stat()
    except FileNotFoundError:
        temporary.chmod(0o666 & ~_umask())
        return
    if (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
        with contextlib.suppress(PermissionError):
            os.chown(temporary, before.st_uid, before.st_gid)
    temporary.chmod(stat.S_IMODE(before.st_mode))


def _has_room(folder: Path) -> bool:
    """Whether the disk of a folder has space left, as far as one can tell."""
    try:
        return shutil.disk_usage(folder).free > ROOM
    except OSError:
        return True


def _temporary_folder() -> Path | None:
    try:
        return Path(tempfile.gettempdir())
    except OSError:  # there is none that could be written
        return None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
