"""How many threads and processes are used where nobody says."""

import os

import pytest

from hitgraph import cores
from hitgraph.cores import (
    OPENMP,
    OURS,
    SLURM,
    advise_libraries,
    available_cores,
    usual_threads,
    usual_workers,
)


@pytest.fixture(autouse=True)
def _eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "available_cores", lambda: 8)


@pytest.mark.parametrize(
    ("openmp", "slurm", "threads", "workers"),
    [
        (None, None, 8, 8),
        ("3", None, 3, 8),
        (None, "4", 4, 4),
        ("2", "4", 2, 4),
        ("64", None, 8, 8),  # no more than there are
        (None, "64", 8, 8),
        ("4,2", None, 4, 8),  # OpenMP's number at each level
        ("", "", 8, 8),
        ("all", "0", 8, 8),
        ("-1", "2(x3)", 8, 8),
    ],
)
def test_the_environment_is_heeded(
    monkeypatch: pytest.MonkeyPatch,
    openmp: str | None,
    slurm: str | None,
    threads: int,
    workers: int,
) -> None:
    for name, value in ((OPENMP, openmp), (SLURM, slurm)):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    assert (usual_threads(), usual_workers()) == (threads, workers)


def test_there_is_a_core() -> None:
    assert available_cores() >= 1


@pytest.mark.parametrize(("name", "ours"), OURS.items())
def test_libraries_are_advised_unless_the_user_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, name: str, ours: str
) -> None:
    monkeypatch.delenv(name, raising=False)
    advise_libraries()
    assert os.environ[name] == ours
    monkeypatch.setenv(name, "their own")
    advise_libraries()
    assert os.environ[name] == "their own"
