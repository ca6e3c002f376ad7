"""Kernels where nothing can be kept: another user's package, no home, a full disk."""

import os
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from hitgraph.kernels import cache

USAGE = namedtuple("USAGE", "total used free")


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """The folders that numba would use, and no variable that names another."""
    monkeypatch.setenv(cache.VARIABLE, "")  # as it was before comes back after the test
    monkeypatch.delenv(cache.VARIABLE)
    found = tmp_path / "package" / "__pycache__", tmp_path / "home" / "numba"
    monkeypatch.setattr(cache, "_usual_places", lambda: found)
    numba = sys.modules.get("numba")
    if numba is not None:
        monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    return found


def block(place: Path) -> None:
    """Nothing can be made there, whoever tries."""
    shutil.rmtree(place.parent, ignore_errors=True)
    place.parent.touch()


def test_what_can_be_written_is_left_to_numba(places: tuple[Path, Path]) -> None:
    cache.make_sure_of_a_cache()
    assert cache.VARIABLE not in os.environ
    block(places[0])
    cache.make_sure_of_a_cache()
    assert cache.VARIABLE not in os.environ


def test_without_any_a_folder_of_this_process_is_used_and_said(
    places: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    for place in places:
        block(place)
    cache.make_sure_of_a_cache()
    cache.make_sure_of_a_cache()
    folder = Path(os.environ[cache.VARIABLE])
    assert folder.is_dir()
    assert folder.stat().st_mode & 0o077 == 0  # nobody else can put code there
    (message,) = caplog.messages
    assert f"let {cache.VARIABLE} name a folder of yours" in message
    folder.rmdir()


def test_a_full_disk_is_no_place(
    places: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: USAGE(10**9, 10**9, 4096))
    cache.make_sure_of_a_cache()
    folder = Path(os.environ[cache.VARIABLE])
    assert folder not in places
    folder.rmdir()


def test_a_folder_that_the_user_names_is_taken(
    places: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in places:
        block(place)
    monkeypatch.setenv(cache.VARIABLE, "mine")
    cache.make_sure_of_a_cache()
    assert os.environ[cache.VARIABLE] == "mine"


COMPILE = """
import os
from pathlib import Path
from hitgraph.kernels import cache
os.environ.pop(cache.VARIABLE, None)
cache._usual_places = lambda: (Path("/dev/null/a"),)
cache.make_sure_of_a_cache()
from hitgraph.kernels.groups import group_by_hit
import numpy as np
print(group_by_hit(np.array([1, 0, 1]), 2)[1].tolist())
print(len(list(Path(os.environ[cache.VARIABLE]).rglob("*.nbi"))) > 0)
print(os.environ[cache.VARIABLE])
"""


def test_kernels_run_from_it_and_nothing_stays() -> None:
    done = subprocess.run(
        [sys.executable, "-c", COMPILE], capture_output=True, text=True, check=True
    )
    answer, kept, folder = done.stdout.splitlines()
    assert (answer, kept) == ("[1, 0, 2]", "True")
    assert not Path(folder).exists()
    assert done.stderr.count(cache.VARIABLE) == 1
