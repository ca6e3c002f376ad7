"""Files on disk or inside a zip or tar: listing them and reading their bytes."""

import atexit
import bz2
import contextlib
import gzip
import lzma
import os
import stat
import struct
import tarfile
import threading
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, Literal

from hitgraph.errors import InputError, SettingsError

TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
ARCHIVE_SUFFIXES = (".zip", *TAR_SUFFIXES)

# A table of a pile-up 200 event has 25 MB as text. A damaged or hostile file of a few kilobytes
# can claim, or unpack to, any number of gigabytes.
MAX_TABLE_MB, MAX_TABLE_VARIABLE = 1024, "HITGRAPH_MAX_TABLE_MB"
BYTES_PER_MEMBER = 2048  # that the listing of an archive may take of that limit
_ZIP_NAME_LENGTH, _ZIP_UTF8 = 26, 0x800  # place in the header of a file; flag of its name
_ZIP_END, _ZIP_END_AT_MOST = b"PK\5\6", 22 + 0xFFFF  # end record; bytes with its comment
_ZIP_MANY = 0xFFFF  # number of files in there that only its 64-bit form tells
_GZIP, _BZIP2, _XZ = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00"
_CHUNK = 1 << 20
_GZIP_FORMAT = 31  # zlib's word for a gzip header and check sum around the data


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
        """The whole content. Raises InputError where it cannot be read or is too large."""
        with _explained(self):
            if self.member is None:
                require_size(self.path.stat().st_size, self)
                return self.path.read_bytes()
            if self.path.name.endswith(".zip"):
                with zipfile.ZipFile(self.path) as archive:
                    require_size(archive.getinfo(self.member).file_size, self)
                    return archive.read(self.member)
            with _tar_lock:
                tar = _open_tar(self.path)
                require_size(tar.getmember(self.member).size, self)
                file = tar.extractfile(self.member)
                return b"" if file is None else file.read()


def is_archive(path: Path) -> bool:
    """Whether the name says zip or tar."""
    return path.name.endswith(ARCHIVE_SUFFIXES)


def kind_of(path: Path) -> Literal["file", "folder"] | None:
    """What stands at `path`; None for nothing. Raises InputError where it cannot be looked at."""
    with _explained(Place(path)):
        try:
            mode = path.stat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            return None
    return "folder" if stat.S_ISDIR(mode) else "file" if stat.S_ISREG(mode) else None


def folders_in(path: Path) -> list[Path]:
    """The folders directly in a folder, sorted."""
    with _explained(Place(path)):
        return sorted(entry for entry in path.iterdir() if entry.is_dir())


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
                _check_names(archive, infos)
            _require_once(path, infos)
            sizes = {Place(path, info.filename): info.file_size for info in infos}
        else:
            with _tar_lock:
                members = [member for member in _open_tar(path).getmembers() if member.isfile()]
            sizes = {Place(path, member.name): member.size for member in members}
    return {place: size for place, size in sizes.items() if not place.name.startswith(".")}


def _check_names(archive: zipfile.ZipFile, infos: list[zipfile.ZipInfo]) -> None:
    """Raise BadZipFile where the list of a zip lacks a file or has another name than beside it.

    Damage there would make a table go missing; the check sums are of contents only.
    """
    assert archive.fp is not None
    end = archive.fp.seek(0, os.SEEK_END)
    archive.fp.seek(max(0, end - _ZIP_END_AT_MOST))
    tail = archive.fp.read()
    (listed,) = struct.unpack_from("<H", tail, tail.rindex(_ZIP_END) + 10)
    if len(archive.infolist()) != listed != _ZIP_MANY:
        raise zipfile.BadZipFile(f"{len(archive.infolist())} of {listed} files can be listed")
    for info in infos:
        archive.fp.seek(info.header_offset + _ZIP_NAME_LENGTH)
        (length,) = struct.unpack("<H", archive.fp.read(2))
        archive.fp.seek(2, os.SEEK_CUR)  # length of what follows the name
        text = "utf-8" if info.flag_bits & _ZIP_UTF8 else "cp437"
        if archive.fp.read(length).decode(text) != info.orig_filename:
            raise zipfile.BadZipFile(f"the name {info.orig_filename[:80]!r} is there in two forms")


def _require_once(path: Path, infos: list[zipfile.ZipInfo]) -> None:
    """Refuse a zip with two files of one name; in a tar the later one is meant."""
    (name, count), *_ = Counter(info.filename for info in infos).most_common(1) or [("", 0)]
    if count > 1:
        raise InputError(f"{path}: holds {name} {count} times: pack it again, each file once")


def gunzip(data: bytes, place: Place) -> bytes:
    """Decompressed content if `data` is gzip (whatever its name says), else `data` itself.

    Raises InputError for data that is damaged or unpacks to more than the limit.
    """
    parts: list[bytes] = []
    size, limit = 0, max_table_bytes()
    with _explained(place):
        while data.startswith(_GZIP):  # files put together give their contents put together
            unpacker = zlib.decompressobj(_GZIP_FORMAT)
            parts.append(unpacker.decompress(data, limit + 1 - size))
            size += len(parts[-1])
            require_size(size, place)
            if not unpacker.eof:
                raise EOFError("the compressed data end before their end mark")
            data = unpacker.unused_data
            if data.strip(b"\0") and not data.startswith(_GZIP):
                raise gzip.BadGzipFile("something follows the compressed data")
    return b"".join(parts) if parts else data


def max_table_bytes() -> int:
    """How large a table may be in memory; SettingsError where the variable is no number."""
    text = os.environ.get(MAX_TABLE_VARIABLE, str(MAX_TABLE_MB))
    if not text.isdecimal() or not 0 < int(text) < 2**30:
        raise SettingsError(
            f"{MAX_TABLE_VARIABLE}: {text!r} is not allowed, a whole number of megabytes from 1"
        )
    return int(text) << 20


def require_size(size: int, place: Place) -> None:
    """Raise InputError where a table of at least `size` bytes is above the limit."""
    limit = max_table_bytes()
    if size > limit:
        raise InputError(
            f"{place}: takes {size:,} bytes or more in memory, and at most {limit >> 20:,} MB are "
            "read (an event's largest table has some 20 MB): see where it comes from, or raise "
            f"the limit with {MAX_TABLE_VARIABLE}=MEGABYTES"
        )


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
        struct.error,
        ValueError,  # names that are no text, numbers out of range
        IndexError,
        OverflowError,
    )
    try:
        yield
    except damaged as error:
        raise _damaged(place, error) from error
    except FileNotFoundError as error:
        raise InputError(f"{place}: there is no such file") from error
    except KeyError as error:
        raise InputError(f"{place}: is no longer in the archive") from error
    except PermissionError as error:
        raise InputError(
            f"{place}: permission denied: make it readable for you (chmod -R u+rX)"
        ) from error
    except OSError as error:
        if error.errno is None:  # of a decompressor, not of the file system
            raise _damaged(place, error) from error
        raise InputError(f"{place}: cannot be read ({error.strerror or error})") from error
    except RuntimeError as error:  # zipfile: encrypted, or a compression it does not know
        raise InputError(f"{place}: cannot be read ({error}): unpack it first") from error


def _damaged(place: Place, error: Exception) -> InputError:
    reason = str(error)[:200].rstrip(".")
    return InputError(f"{place}: damaged or cut short ({reason}): copy or download it again")


# The last tar stays open: reading the events of a compressed one in turn goes through it once,
# where opening it for every file would decompress from the start each time.
_tar_lock = threading.Lock()
_tars: dict[tuple[Path, int], tarfile.TarFile] = {}


def _open_tar(path: Path) -> tarfile.TarFile:
    key = (path, path.stat().st_mtime_ns)
    if key not in _tars:
        _close_tars()
        file = _Guarded(_unpacked(path), path)
        try:
            archive = tarfile.open(fileobj=file, mode="r:")  # type: ignore[call-overload]  # noqa: SIM115 (closed by _close_tars)
            _read_to_the_end(archive, file, path)
        except BaseException:
            file.close()
            raise
        _tars[key] = archive
    return _tars[key]


def _unpacked(path: Path) -> IO[bytes] | gzip.GzipFile:
    """The tar inside, whatever the name says about its compression."""
    with path.open("rb") as file:
        head = file.read(len(_XZ))
    if head.startswith(_GZIP):
        return gzip.open(path)
    if head.startswith(_BZIP2):
        return bz2.open(path)
    if head.startswith(_XZ):
        return lzma.open(path)
    return path.open("rb")


class _Guarded:
    """The file of a tar: refuses to read at once more than a table may have.

    tarfile takes the size of some headers from the file and reads them into memory.
    """

    def __init__(self, file: IO[bytes] | gzip.GzipFile, path: Path) -> None:
        self._file, self._place = file, Place(path)
        self.seek, self.tell, self.close = file.seek, file.tell, file.close

    def read(self, size: int) -> bytes:
        require_size(size, self._place)
        return self._file.read(size)


def _read_to_the_end(archive: tarfile.TarFile, file: Any, path: Path) -> None:
    """Raise what says that a tar is damaged: its own reader stops at the first strange header.

    The check sum of a compressed one stands behind its end, where nobody looks either.
    """
    most = max_table_bytes() // BYTES_PER_MEMBER
    for number, _ in enumerate(archive, start=1):
        if number > most:
            raise InputError(
                f"{path}: holds more than {most:,} files: unpack it and give the folder, or raise "
                f"the limit with {MAX_TABLE_VARIABLE}=MEGABYTES"
            )
    file.seek(archive.offset)
    mark = file.read(tarfile.BLOCKSIZE)
    if mark != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError(
            "it has no end mark" if len(mark) < tarfile.BLOCKSIZE else "a header is not one"
        )
    while chunk := file.read(_CHUNK):
        if chunk.strip(b"\0"):
            raise tarfile.ReadError("something follows its end mark")


@atexit.register
def _close_tars() -> None:
    while _tars:
        archive = _tars.popitem()[1]
        archive.close()
        if archive.fileobj is not None:
            archive.fileobj.close()
