"""Files on disk or inside a zip or tar: listing them and reading their bytes."""

import atexit
import contextlib
import gzip
import lzma
import tarfile
import threading
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from hitgraph.errors import InputError

TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
ARCHIVE_SUFFIXES = (".zip", *TAR_SUFFIXES)


@dataclass(frozen=True)
class Place:
    """A file: `path` on disk, or `member` of the archive at `path`."""

    path: Path
    member: str | None = None

    def __str__(self) -> str:
        return str(self.path) if self.member is None else f"{self.path}/{self.member}"

    @property
    def name(self) -> str:
        """The file's own name, without folders."""
        return self.path.name if self.member is None else PurePosixPath(self.member).name

    @property
    def folder(self) -> Path:
        """The folder of the file; for a member of an archive it starts with the archive."""
        return Path(str(self)).parent

    def read(self) -> bytes:
        """The whole content. Raises InputError where it cannot be read."""
        with _explained(self):
            if self.member is None:
                return self.path.read_bytes()
            if self.path.name.endswith(".zip"):
                with zipfile.ZipFile(self.path) as archive:
                    return archive.read(self.member)
            with _tar_lock:
                file = _open_tar(self.path).extractfile(self.member)
                return b"" if file is None else file.read()


def is_archive(path: Path) -> bool:
    """Whether the name says zip or tar."""
    return path.name.endswith(ARCHIVE_SUFFIXES)


def files_in(path: Path) -> dict[Place, int]:
    """Files directly in a folder, or anywhere in an archive, and their sizes in bytes.

    Hidden files (and the `._` companions that macOS puts into archives) are left out. An archive
    keeps its order, so that reading in that order goes through a compressed tar once.
    """
    with _explained(Place(path)):
        if path.is_dir():
            entries = sorted(entry for entry in path.iterdir() if entry.is_file())
            sizes = {Place(entry): entry.stat().st_size for entry in entries}
        elif path.name.endswith(".zip"):
            with zipfile.ZipFile(path) as archive:
                infos = [info for info in archive.infolist() if not info.is_dir()]
            sizes = {Place(path, info.filename): info.file_size for info in infos}
        else:
            with _tar_lock:
                members = [member for member in _open_tar(path).getmembers() if member.isfile()]
            sizes = {Place(path, member.name): member.size for member in members}
    return {place: size for place, size in sizes.items() if not place.name.startswith(".")}


def gunzip(data: bytes, place: Place) -> bytes:
    """Decompressed content if `data` is gzip (whatever its name says), else `data` itself."""
    if not data.startswith(b"\x1f\x8b"):
        return data
    with _explained(place):
        return gzip.decompress(data)


@contextlib.contextmanager
def _explained(place: Place) -> Iterator[None]:
    """Turn what the file system and the decompressors raise into InputError."""
    damaged = (
        zipfile.BadZipFile,
        tarfile.TarError,
        gzip.BadGzipFile,
        zlib.error,
        lzma.LZMAError,
        EOFError,
    )
    try:
        yield
    except damaged as error:
        raise InputError(
            f"{place}: damaged or cut short ({str(error).rstrip('.')}): copy or download it again"
        ) from error
    except FileNotFoundError as error:
        raise InputError(f"{place}: there is no such file") from error
    except KeyError as error:
        raise InputError(f"{place}: is no longer in the archive") from error
    except PermissionError as error:
        raise InputError(
            f"{place}: permission denied: make it readable for you (chmod u+r)"
        ) from error
    except OSError as error:
        raise InputError(f"{place}: cannot be read ({error.strerror or error})") from error
    except RuntimeError as error:  # zipfile: encrypted, or a compression it does not know
        raise InputError(f"{place}: cannot be read ({error}): unpack it first") from error


# The last tar stays open: reading the events of a compressed one in turn goes through it once,
# where opening it for every file would decompress from the start each time.
_tar_lock = threading.Lock()
_tars: dict[tuple[Path, int], tarfile.TarFile] = {}


def _open_tar(path: Path) -> tarfile.TarFile:
    key = (path, path.stat().st_mtime_ns)
    if key not in _tars:
        _close_tars()
        _tars[key] = tarfile.open(path)  # noqa: SIM115 (closed by _close_tars)
    return _tars[key]


@atexit.register
def _close_tars() -> None:
    while _tars:
        _tars.popitem()[1].close()
