"""Writing files whole or not at all."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hitgraph.errors import HitgraphError
from hitgraph.files import atomic_write

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
