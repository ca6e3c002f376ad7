"""Writing files whole or not at all."""

import errno
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
from collections import namedtuple
from pathlib import Path

import pytest

from hitgraph.errors import HitgraphError, InputError
from hitgraph.files import atomic_write, cannot_write, read_json

WRITE_AND_WAIT = """
import sys, time
from pathlib import Path
from hitgraph.files import atomic_write
with atomic_write(Path(sys.argv[1])) as path:
    path.write_text("half of")
    print("writing", flush=True)
    time.sleep(60)
"""


def listing(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write_half(target: Path, stop: BaseException) -> None:
    with atomic_write(target) as path:
        path.write_text("half")
        raise stop


def test_the_file_stands_there_whole_and_alone(tmp_path: Path) -> None:
    target = tmp_path / "new" / "folder" / "file.txt"
    with atomic_write(target) as path:
        assert path.parent == target.parent  # one file system: a rename suffices
        path.write_text("whole")
        assert not target.exists()
    assert target.read_text() == "whole"
    assert listing(target.parent) == ["file.txt"]


def test_it_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    with atomic_write(tmp_path / "atomic") as path:
        path.touch()
    modes = {(tmp_path / name).stat().st_mode for name in ("plain", "atomic")}
    assert len(modes) == 1


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit, ValueError])
def test_whatever_stops_the_writer_what_was_there_stays(
    tmp_path: Path, stop: type[BaseException]
) -> None:
    target = tmp_path / "file.txt"
    target.write_text("before")
    with pytest.raises(stop):
        write_half(target, stop())
    assert target.read_text() == "before"
    assert listing(tmp_path) == ["file.txt"]


def test_a_full_disk_is_said_so_and_leaves_nothing(tmp_path: Path) -> None:
    target = tmp_path / "file.txt"
    with pytest.raises(HitgraphError, match=r"file.txt: the disk is full.*Free some space"):
        write_half(target, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    assert listing(tmp_path) == []


def test_a_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(HitgraphError, match=r"file/x.txt: cannot be written \("):
        write_half(tmp_path / "file" / "x.txt", AssertionError("never gets there"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_signal_in_the_middle_leaves_the_old_file(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C removes the half-written file as well; after kill -9 it stays under another name."""
    target = tmp_path / "file.txt"
    target.write_text("before")
    with subprocess.Popen(
        [sys.executable, "-c", WRITE_AND_WAIT, str(target)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"writing\n"
        process.send_signal(number)
        assert process.wait(timeout=60) != 0
    assert target.read_text() == "before"
    others = [name for name in listing(tmp_path) if name != "file.txt"]
    assert all(name.endswith(".part") for name in others)
    assert number == signal.SIGKILL or not others


# ---------------------------------------------------------------- what is no regular file


def write_whole(target: Path, text: str = "whole") -> None:
    with atomic_write(target) as path:
        path.write_text(text)


def test_a_pipe_is_written_to_and_stays_one(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[str] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_text()))
    reader.start()
    write_whole(pipe)
    reader.join(timeout=60)
    assert got == ["whole"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert listing(tmp_path) == ["pipe"]


def test_a_device_is_written_to_and_stays_one() -> None:
    before = Path("/dev/null").stat()
    write_whole(Path("/dev/null"))
    after = Path("/dev/null").stat()
    assert (before.st_mode, before.st_rdev, before.st_ino) == (
        after.st_mode,
        after.st_rdev,
        after.st_ino,
    )
    assert stat.S_ISCHR(after.st_mode)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_device_that_is_full_is_named() -> None:
    with pytest.raises(HitgraphError, match=r"/dev/full: cannot be written \(it is full\)"):
        write_whole(Path("/dev/full"))


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_standard_output_in_a_file_gets_both_what_is_printed_and_what_is_written(
    tmp_path: Path, name: str
) -> None:
    code = (
        "import sys; from pathlib import Path; from hitgraph.files import atomic_write\n"
        "print('before')\n"
        "with atomic_write(sys.argv[1]) as path: path.write_text('whole\\n')\n"
        "print('after')"
    )
    log = tmp_path / "log"
    with log.open("w") as stdout:
        subprocess.run([sys.executable, "-c", code, name], stdout=stdout, check=True)
    assert log.read_text() == "before\nwhole\nafter\n"


def test_a_symbolic_link_stays_and_what_it_leads_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    place, link = tmp_path / "elsewhere" / "file.txt", tmp_path / "link"
    link.symlink_to(place)
    for text in ("first", "second"):  # a link that leads to nothing yet, and one to a file
        write_whole(link, text)
        assert link.is_symlink()
        assert place.read_text() == text
    assert listing(tmp_path / "elsewhere") == ["file.txt"]


@pytest.mark.parametrize("mode", [0o600, 0o664, 0o755])
def test_a_file_that_is_replaced_keeps_its_mode(tmp_path: Path, mode: int) -> None:
    target = tmp_path / "file.txt"
    target.touch()
    target.chmod(mode)
    write_whole(target)
    assert stat.S_IMODE(target.stat().st_mode) == mode


def test_a_folder_is_not_written_over(tmp_path: Path) -> None:
    with pytest.raises(HitgraphError, match=r"cannot be written \(it is a folder\)"):
        write_whole(tmp_path)


def test_links_in_a_circle_are_one_message(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(HitgraphError, match="a: cannot be written"):
        write_whole(tmp_path / "a")


def test_a_full_folder_of_temporary_files_is_the_one_that_is_blamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full, roomy = tmp_path / "full", tmp_path / "roomy"
    usage = namedtuple("usage", "total used free")
    free = {full: 0, roomy: 10**9}
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 0, free[Path(path)]))
    no_space = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    monkeypatch.setattr(tempfile, "tempdir", str(full))
    assert f"temporary files, {full}, is full" in str(cannot_write(roomy / "x", no_space))
    monkeypatch.setattr(tempfile, "tempdir", str(roomy))
    assert f"{full / 'x'}: the disk is full" in str(cannot_write(full / "x", no_space))


# ---------------------------------------------------------------- JSON


def test_an_object_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"a": [1, null]}')
    assert read_json(path) == {"a": [1, None]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b'{"a": "\xff"}', "is not JSON"),
        (b"[]", "holds list where an object"),
        (b"null", "holds NoneType where an object"),
        (b"3", "holds int where an object"),
        (b"[" * 100_000, "nested too deep"),
        (b'{"a":' * 100_000, "nested too deep"),
        (b'{"a": ' + b"9" * 5000 + b"}", "is not JSON"),
        (None, "there is no such file"),
    ],
    ids=["empty", "cut", "utf8", "list", "null", "number", "deep", "deep-object", "digits", "none"],
)
def test_what_is_no_object_is_named(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "a.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=f"a.json: .*{message}"):
        read_json(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_json(tmp_path)
